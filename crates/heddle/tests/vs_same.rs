//! `heddle vs` beside `ovs-vsctl`: the same lines leave the same rows, print the same and end the same.

mod db_common;
mod vs_common;

use vs_common::Pair;

/// What lines are about: each group runs on what those before it left.
const BRIDGES: &str = r#"
init
show
list-br
add-br br0
add-br br0
--may-exist add-br br0
add-br br1
add-br br2 -- add-br br2
add-br
add-br ''
add-br br0 br1
add-br v10 br0 10
add-br v10b br0 10
add-br v11 br9 11
add-br v12 v10 12
add-br v13 br0 5000
--may-exist add-br v10 br0 10
--may-exist add-br v10 br0 11
--may-exist add-br v10 br1 10
--may-exist add-br v10
--may-exist add-br br0 br1 10
list-br
--real list-br
--fake list-br
--real --fake list-br
br-exists br0
br-exists v10
br-exists nope
br-to-vlan br0
br-to-vlan v10
br-to-vlan nope
br-to-parent v10
br-to-parent br0
br-set-external-id br0 k1 v1
br-set-external-id br0 k2 'v 2'
br-set-external-id v10 k3 v3
br-get-external-id br0
br-get-external-id br0 k1
br-get-external-id br0 nope
br-get-external-id v10
br-set-external-id br0 k1
br-get-external-id br0
list-ports br0
list-ifaces br0
show
del-br nope
--if-exists del-br nope
del-br v10
del-br br1 -- list-br
add-br v20 br0 20 -- del-br br0 -- list-br
--no-such-option list-br
list-br extra
no-such-command
"#;

const PORTS: &str = r#"
add-br br0 -- add-br br1 -- add-br v10 br0 10
add-port br0 p1
add-port br0 p1
add-port br1 p1
--may-exist add-port br0 p1
--may-exist add-port br1 p1
add-port br0 br1
add-port nope p2
add-port br0 p2 tag=5 trunks=1,2,10-12 other_config:a=b -- set Interface p2 type=internal
add-port br0 gre0 -- set interface gre0 type=gre options:remote_ip=1.2.3.4 options:key=flow
add-port br0 vx0 -- set interface vx0 type=vxlan options:remote_ip=fd00::1 mtu_request=1400
add-port br0 patch0 -- set Interface patch0 type=patch options:peer=patch1
add-port v10 p10
add-port br0 p11 tag=10
add-port br0 p12 nonsense=1
add-port br0 p12 tag=99999
add-port br0 ''
list-ports br0
list-ports v10
list-ports nope
list-ifaces br0
port-to-br p1
port-to-br p10
port-to-br br0
port-to-br nope
iface-to-br gre0
iface-to-br nope
add-bond br0 bond0 e1 e2 bond_mode=balance-slb lacp=active
add-bond br0 bond1 e3
add-bond br0 bond1 e1 e4
--fake-iface add-bond br0 bond1 e3 e4 e5
--may-exist add-bond br0 bond0 e2 e1
--may-exist add-bond br0 bond0 e2 e6
add-bond-iface bond0 e7
add-bond-iface bond0 e7
--may-exist add-bond-iface bond0 e7
--may-exist add-bond-iface bond0 e3
add-bond-iface nope e8
del-bond-iface bond0 e7
del-bond-iface e1
del-bond-iface e2
del-bond-iface bond1 e2
del-bond-iface nope
--if-exists del-bond-iface nope
list-ifaces br0
show
del-port e3
--with-iface del-port e3
--with-iface del-port nope
del-port br0 p1
del-port br1 p2
del-port br0 p10
del-port br0
--if-exists del-port br0
del-port nope
--if-exists del-port nope
--if-exists del-port br0 nope
del-port p2 -- list-ports br0
set interface gre0 ingress_policing_rate=1000 ingress_policing_burst=100
set interface gre0 ingress_policing_rate=0 ingress_policing_burst=0
add-port br1 a -- add-port br1 b -- del-port a -- list-ports br1
del-br br0
"#;

const SETTINGS: &str = r#"
add-br br0 -- add-br v1 br0 1
get-controller br0
set-controller br0 tcp:1.2.3.4:6633
set-controller br0 tcp:1.2.3.4 ssl:5.6.7.8:6653 punix:/tmp/x
get-controller br0
get-controller v1
get-controller nope
set-controller v1 tcp:1.2.3.4
--inactivity-probe=3000 set-controller br0 tcp:1.1.1.1
set-controller br0
get-controller br0
show
del-controller br0
del-controller v1
get-controller br0
get-fail-mode br0
set-fail-mode br0 secure
get-fail-mode br0
get-fail-mode v1
set-fail-mode br0 nonsense
set-fail-mode v1 secure
set-fail-mode br0 standalone
del-fail-mode br0
get-fail-mode br0
get-manager
set-manager ptcp:6640 ssl:1.2.3.4:6640
get-manager
--inactivity-probe=100 set-manager punix:/x
set-manager
show
del-manager
get-manager
get-ssl
set-ssl k.pem c.pem ca.pem
--bootstrap set-ssl k2.pem c2.pem ca2.pem
get-ssl
set-ssl a b
del-ssl
get-ssl
del-ssl
add-aa-mapping br0 100 10
add-aa-mapping br0 x 10
add-aa-mapping v1 200 20
get-aa-mapping br0
del-aa-mapping br0 100 10
del-aa-mapping br0 999 10
get-aa-mapping br0
set-controller br0 tcp:1.2.3.4 -- set-fail-mode br0 secure -- set Bridge br0 other_config:hwaddr=00:11:22:33:44:55 other_config:x=y -- set-manager ptcp:
emer-reset
list-zone-tp netdev
set Open_vSwitch . datapaths:netdev=@d -- --id=@d create Datapath datapath_version=1 capabilities:a=b
add-zone-tp netdev zone=1 icmp_first=1 icmp_reply=2
add-zone-tp netdev zone=1 icmp_first=3
--may-exist add-zone-tp netdev zone=1 icmp_first=3
add-zone-tp netdev zone=2 icmp_first=1 icmp_reply=2
add-zone-tp nope zone=2 icmp_first=1
list-zone-tp netdev
del-zone-tp netdev zone=9
--if-exists del-zone-tp netdev zone=9
del-zone-tp netdev zone=1
list-zone-tp netdev
list-dp-cap netdev
list-dp-cap nope
"#;

const DATABASE: &str = r#"
add-br br0 -- add-port br0 p1 -- add-port br0 p2
get bridge br0 name
get bridge br0 name ports fail_mode other_config
get Bridge br0 _uuid
get br br0 nam
get b br0 name
get nope br0 name
get bridge nope name
--if-exists get bridge nope name
get bridge br0 nope
get bridge br0 other-config
get bridge br0 p
get bridge br0 name:x
get bridge br0 'name=x'
set bridge br0 fail_mode=secure datapath_type=netdev protocols=OpenFlow13,OpenFlow15
set bridge br0 protocols=OpenFlow99
set bridge br0 fail-mode=nonsense
set bridge br0 name=other
set bridge br0 'protocols=[]' 'fail_mode=[]'
set bridge br0 protocols=
set bridge br0 nonsense
set bridge br0 name:a=b
set bridge br0 other_config:a=b other_config:c='d e' 'other_config:x="q=r"'
set bridge br0 other_config='{m=n,"o p"="q r"}'
get bridge br0 other_config
get bridge br0 other_config:m
get bridge br0 other_config:nope
--if-exists get bridge br0 other_config:nope
get bridge br0 other_config:'"o p"'
set bridge br0 'flood_vlans=1-3 7, 9'
set bridge br0 'flood_vlans=[5-3]'
set bridge br0 'flood_vlans=[1'
set bridge br0 'flood_vlans=4096'
set bridge br0 flood_vlans=1,1
get bridge br0 flood_vlans
set port p1 tag=5 trunks=1,2 vlan_mode=access
set port p1 bond_fake_iface=yes
set port p1 bond_fake_iface=maybe
get port p1 tag trunks vlan_mode bond_fake_iface
set interface p1 ofport=7
set interface p1 lldp:enable=true options:a=1 external_ids:iface-id='"12 34"'
add bridge br0 flood_vlans 20 30-32
add bridge br0 protocols OpenFlow10
add bridge br0 other_config m=z new=1
add bridge br0 other_config bad
add port p1 tag 6
get bridge br0 flood_vlans other_config
remove bridge br0 flood_vlans 20 1-3
remove bridge br0 other_config m
remove bridge br0 other_config new=2
remove bridge br0 other_config new=1
remove port p1 tag 5
remove bridge br0 name br0
remove bridge br0 nope x
clear bridge br0 flood_vlans other_config
clear bridge br0 name
clear port p1 trunks vlan_mode
--if-exists clear port nope trunks
list bridge br0
list bridge
list port p1 p2
list port nope
--if-exists list port nope
--columns=name,tag list port
--columns=_uuid,name list port p1
--columns=nope list port
--columns= list port
find port name=p1
--columns=name find port tag=[]
--columns=name find port 'name!=p1'
--columns=name find port tag>5
set port p2 tag=9 external_ids:a=b trunks=1,2,3
--columns=name find port 'tag>5'
--columns=name find port 'tag<9'
--columns=name find port 'tag<=9'
--columns=name find port 'trunks{>=}1,2'
--columns=name find port 'trunks{<}1,2,3,4'
--columns=name find port 'trunks{not-in}1'
--columns=name find port 'trunks{in}1,2,3,4'
--columns=name find port 'trunks{=}1,2,3'
--columns=name find port 'trunks{!=}1,2,3'
--columns=name find port external_ids:a=b
--columns=name find port 'external_ids:a!=b'
--columns=name find port 'external_ids:nope!=b'
--columns=name find port 'external_ids:nope{not-in}b'
--columns=name find port 'external_ids={a=b}'
find port nope=1
find port name
find nope
-- --id=@m create mirror name=m0 -- add bridge br0 mirrors @m
--id=@p get port p1 -- --id=@q get port p2 -- set mirror m0 select_src_port=@p,@q output_port=@p
--columns=name,select_vlan list mirror
get mirror m0 name
remove bridge br0 mirrors @nope
-- --id=@q create qos type=linux-htb queues:0=@q0 queues:1=@q1 other_config:max-rate=1000 -- --id=@q0 create queue other_config:min-rate=1 -- --id=@q1 create queue dscp=5 -- set port p1 qos=@q
list qos p1
get qos p1 type
set qos p1 type=linux-hfsc
--columns=dscp list queue
clear port p1 qos
--all destroy qos
destroy queue
-- --id=@n create netflow 'targets="1.2.3.4:5"' active_timeout=10 -- set bridge br0 netflow=@n
list netflow br0
clear bridge br0 netflow
-- --id=@s create sflow agent=eth0 'target="1.2.3.4"' sampling=64 -- set bridge br0 sflow=@s
get sflow br0 sampling
-- --id=@i create ipfix 'targets="1.2.3.4:4739"' -- set bridge br0 ipfix=@i
get ipfix br0 targets
create flow_sample_collector_set id=1 bridge=@b -- --id=@b get bridge br0
--id=@b get bridge br0 -- create flow_sample_collector_set id=1 bridge=@b
get flow_sample_collector_set 1 id
-- --id=@x create queue dscp=1
-- set port p1 qos=@undefined
-- --id=@y create queue -- --id=@y create queue
-- --id=bad create queue
-- --id=@z --if-exists get port p1
create queue dscp=99
create bridge name=br7
create nope a=b
destroy bridge nope
--if-exists destroy bridge nope
--all destroy bridge br0
destroy port p1
get open .  next_cfg
set open . external_ids:system-id=x external_ids:ovn-remote=tcp:1.2.3.4:6642
get open . external_ids:system-id external_ids:ovn-remote
get open . external_ids
comment a b c
comment
wait-until bridge br0
wait-until bridge br0 name=br0 'other_config{=}{}'
wait-until bridge br0 nope=1
set bridge br0 external_ids:uuid=11111111-2222-3333-4444-555555555555
get bridge br0 external_ids
get bridge br0 '-uuid'
--format=table --columns=name,tag list port
--format=csv --columns=name,external_ids list bridge
--format=csv --no-headings --columns=name list bridge
--bare --columns=name,protocols list bridge
--data=bare --columns=name,external_ids list bridge
--data=json --columns=name,external_ids list bridge
--format=nonsense list bridge
--oneline list-br -- list-ports br0 -- get bridge br0 name
--dry-run add-br drybr -- list-br
list-br
list bridge -- list port
"#;

/// Runs the lines with both tools.
fn same(lines: &str) {
    let pair = Pair::new();
    let lines: Vec<&str> = lines.lines().filter(|line| !line.is_empty()).collect();
    for (at, line) in lines.iter().enumerate() {
        let [theirs, ours] = pair.run(line);
        assert_eq!(theirs, ours, "left ovs-vsctl, right heddle vs: {line}");
        if at % 8 == 7 {
            pair.compare(line);
        }
    }
    pair.compare("all lines");
}

#[test]
fn bridges() {
    same(BRIDGES);
}

#[test]
fn ports() {
    same(PORTS);
}

#[test]
fn settings() {
    same(SETTINGS);
}

#[test]
fn database() {
    same(DATABASE);
}

#[test]
fn json_is_the_same_json() {
    let pair = Pair::new();
    for line in ["add-br br0", "add-port br0 p1 tag=5 external_ids:a=b"] {
        let [theirs, ours] = pair.run(line);
        assert_eq!(theirs, ours, "{line}");
    }
    let [theirs, ours] = pair.run("--format=json --columns=name,tag,external_ids list port p1");
    let [theirs, ours] = [theirs, ours]
        .map(|seen| serde_json::from_str::<serde_json::Value>(&seen.output[0]).expect("JSON"));
    assert_eq!(theirs, ours);
}
