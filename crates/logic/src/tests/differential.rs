//! Every logical flow that a stock `ovn-northd` writes is in the language, and what is printed of
//! it reads the same. Needs Debian's `ovn-central` and `ovn-common` packages; without them the test
//! says so and passes over.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::{Symbols, parse_actions, parse_match};

/// Something of everything that makes northd write other flows.
const NETWORK: &str = r#"
ls-add sw0
ls-add sw1
ls-add public
lsp-add sw0 p1
lsp-set-addresses p1 "00:00:00:00:00:01 10.0.0.2 fd00::2"
lsp-set-port-security p1 "00:00:00:00:00:01 10.0.0.2 fd00::2"
lsp-add sw0 p2
lsp-set-addresses p2 "00:00:00:00:00:02 10.0.0.3" unknown
lsp-add sw1 p3
lsp-set-addresses p3 "00:00:00:00:00:03 20.0.0.2"
lsp-add sw0 vip
lsp-set-type vip virtual
lsp-set-options vip virtual-ip=10.0.0.50 virtual-parents=p1,p2
lsp-set-addresses vip "00:00:00:00:00:50 10.0.0.50"
lsp-add sw0 child p1 7
lsp-set-addresses child "00:00:00:00:00:07 10.0.0.7"
lr-add lr0
lrp-add lr0 lr0-sw0 00:00:00:00:ff:01 10.0.0.1/24 fd00::1/64
lsp-add sw0 sw0-lr0
lsp-set-type sw0-lr0 router
lsp-set-addresses sw0-lr0 router
lsp-set-options sw0-lr0 router-port=lr0-sw0
lrp-add lr0 lr0-sw1 00:00:00:00:ff:02 20.0.0.1/24
lsp-add sw1 sw1-lr0
lsp-set-type sw1-lr0 router
lsp-set-addresses sw1-lr0 router
lsp-set-options sw1-lr0 router-port=lr0-sw1
lrp-add lr0 lr0-public 00:00:00:00:ff:03 172.16.0.100/24
lrp-set-gateway-chassis lr0-public ch1 20
lsp-add public public-lr0
lsp-set-type public-lr0 router
lsp-set-addresses public-lr0 router
lsp-set-options public-lr0 router-port=lr0-public nat-addresses=router
lsp-add public ln0
lsp-set-type ln0 localnet
lsp-set-addresses ln0 unknown
lsp-set-options ln0 network_name=phys
lr-add gw
set Logical_Router gw options:chassis=ch1 options:lb_force_snat_ip=router_ip
lrp-add gw gw-public 00:00:00:00:ff:04 172.16.0.101/24 fd01::1/64
lsp-add public public-gw
lsp-set-type public-gw router
lsp-set-addresses public-gw router
lsp-set-options public-gw router-port=gw-public
lr-route-add lr0 0.0.0.0/0 172.16.0.1
lr-route-add lr0 192.168.5.0/24 20.0.0.5
--ecmp-symmetric-reply lr-route-add lr0 192.168.6.0/24 20.0.0.6
--ecmp-symmetric-reply lr-route-add lr0 192.168.6.0/24 20.0.0.7
--policy=src-ip lr-route-add lr0 10.0.0.0/25 172.16.0.2
lr-route-add gw ::/0 fd01::2
lr-policy-add lr0 100 "ip4.src == 10.0.0.2" reroute 20.0.0.9
lr-policy-add lr0 101 "ip4.src == 10.0.0.3" reroute 20.0.0.9,20.0.0.10
lr-policy-add lr0 102 "ip4.dst == 9.9.9.9" drop
lr-nat-add lr0 snat 172.16.0.100 10.0.0.0/24
lr-nat-add lr0 dnat_and_snat 172.16.0.110 10.0.0.2
lr-nat-add lr0 dnat_and_snat 172.16.0.111 10.0.0.3 p2 00:00:00:00:ff:11
--portrange lr-nat-add gw snat 172.16.0.101 10.1.0.0/24 3000-4000
lr-nat-add gw dnat 172.16.0.120 10.0.0.9
acl-add sw0 to-lport 1001 "ip4 && tcp.dst == {80, 443} && ip4.src == $as0" allow-related
acl-add sw0 from-lport 1002 "inport == \"p1\" && udp" allow
--log --severity=alert --name=no --meter=m0 acl-add sw0 to-lport 900 "ip4" drop
acl-add sw0 to-lport 950 "ip6 && icmp6" reject
--label=1234 acl-add sw0 to-lport 960 "icmp4" allow-related
--apply-after-lb acl-add sw0 from-lport 970 "ip4.dst == 1.2.3.4" reject
acl-add sw1 to-lport 1000 "outport == \"p3\" && 10 <= tcp.dst < 1000" allow-stateless
meter-add m0 drop 10 pktps
pg-add pg0 p1 p3
acl-add pg0 to-lport 1003 "outport == @pg0 && ip4.src == $pg0_ip4" allow-related
--type=port-group acl-add pg0 from-lport 1003 "inport == @pg0" drop
create Address_Set name=as0 addresses=10.0.0.9,10.1.0.0/16
lb-add lb0 10.0.0.100:80 10.0.0.2:8080,20.0.0.2:8080 tcp
lb-add lb1 "[fd00::100]:53" "[fd00::2]:53" udp
lb-add lb2 10.0.0.101 20.0.0.2
--reject lb-add lb3 172.16.0.105:80 "" tcp
--event lb-add lb4 172.16.0.106:80 "" tcp
--add-route lb-add lb5 172.16.0.107:90 10.0.0.2:90 sctp
set Load_Balancer lb0 options:affinity_timeout=60 options:hairpin_snat_ip=10.0.0.200
set Load_Balancer lb2 options:skip_snat=true selection_fields=ip_src,ip_dst
ls-lb-add sw0 lb0
ls-lb-add sw0 lb1
ls-lb-add sw0 lb2
ls-lb-add sw1 lb3
ls-lb-add sw1 lb4
lr-lb-add lr0 lb0
lr-lb-add lr0 lb5
lr-lb-add gw lb0
lr-lb-add gw lb1
lr-lb-add gw lb2
qos-add sw0 from-lport 100 "ip4.dst == 10.0.0.3" dscp=10
qos-add sw0 to-lport 100 "ip4.src == 10.0.0.3" rate=100 burst=1000
set Logical_Switch sw1 other_config:mcast_snoop=true other_config:mcast_querier=false
set Logical_Router lr0 options:mcast_relay=true options:dynamic_neigh_routers=true
set Logical_Switch sw0 other_config:subnet=10.0.0.0/24
set Logical_Router_Port lr0-sw0 ipv6_ra_configs:address_mode=slaac ipv6_ra_configs:mtu=1400
set Logical_Router_Port lr0-public options:gateway_mtu=1400
set Logical_Router_Port lr0-sw1 options:gateway_mtu=1300
lsp-set-options p2 qos_max_rate=1000
fwd-group-add fg0 sw0 10.0.0.60 00:00:00:00:00:60 p1 p2
set NB_Global . options:svc_monitor_mac=00:00:00:11:22:33
"#;

/// A process that ends with its owner.
struct Guard(Child);

impl Drop for Guard {
    fn drop(&mut self) {
        // Failing means that it has ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn run(program: &str, args: &[&str]) -> String {
    let output = Command::new(program)
        .args(args)
        .output()
        .expect("the program starts");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program} {args:?}: {stderr}");
    String::from_utf8(output.stdout).expect("the output is UTF-8")
}

fn installed() -> bool {
    [
        "/usr/bin/ovn-northd",
        "/usr/bin/ovn-nbctl",
        "/usr/bin/ovsdb-tool",
        "/usr/sbin/ovsdb-server",
    ]
    .iter()
    .chain(&["/usr/share/ovn/ovn-nb.ovsschema"])
    .all(|path| Path::new(path).exists())
}

fn start(program: &str, directory: &Path, args: &[&str]) -> Guard {
    let child = Command::new(program)
        .args(args)
        .arg("--no-chdir")
        .arg("--log-file=/dev/null")
        .env("OVS_RUNDIR", directory)
        .env("OVN_RUNDIR", directory)
        .env("OVN_DBDIR", directory)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    Guard(child.expect("the program starts"))
}

fn wait_for(path: &Path) {
    let started = Instant::now();
    while !path.exists() {
        assert!(
            started.elapsed() < Duration::from_secs(20),
            "{} does not appear",
            path.display()
        );
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Words of a command line: spaces between, double quotes around, backslash before a quote.
fn words(line: &str) -> Vec<String> {
    let (mut words, mut word, mut quoted, mut any) = (Vec::new(), String::new(), false, false);
    let mut chars = line.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => word.extend(chars.next()),
            '"' => (quoted, any) = (!quoted, true),
            ' ' if !quoted => {
                if any || !word.is_empty() {
                    words.push(std::mem::take(&mut word));
                }
                any = false;
            }
            c => word.push(c),
        }
    }
    if any || !word.is_empty() {
        words.push(word);
    }
    words
}

/// Match and actions of every logical flow that stock northd makes of [`NETWORK`].
fn stock_flows() -> BTreeSet<(String, String)> {
    let directory = tempfile::tempdir().expect("a directory for temporary files");
    let file = |name: &str| directory.path().join(name).display().to_string();
    for database in ["nb", "sb"] {
        let schema = format!("/usr/share/ovn/ovn-{database}.ovsschema");
        run("ovsdb-tool", &["create", &file(database), &schema]);
    }
    let socket = file("db.sock");
    let control = file("server.ctl");
    let remote = format!("--remote=punix:{socket}");
    let _server = start(
        "/usr/sbin/ovsdb-server",
        directory.path(),
        &[
            &remote,
            &format!("--unixctl={control}"),
            &file("nb"),
            &file("sb"),
        ],
    );
    wait_for(Path::new(&socket));
    let db = format!("unix:{socket}");
    let _northd = start(
        "/usr/bin/ovn-northd",
        directory.path(),
        &[
            &format!("--ovnnb-db={db}"),
            &format!("--ovnsb-db={db}"),
            &format!("--unixctl={}", file("northd.ctl")),
        ],
    );
    let database = format!("--db={db}");
    for line in NETWORK.lines().filter(|line| !line.is_empty()) {
        let words = words(line);
        // What follows belongs to the command, options in front of it included.
        let mut args = vec!["--no-leader-only", "--timeout=30", &database, "--"];
        args.extend(words.iter().map(String::as_str));
        run("ovn-nbctl", &args);
    }
    add_dhcp_and_dns(&database);
    let chassis = ["chassis-add", "ch1", "geneve", "127.0.0.1"];
    let mut args = vec!["--no-leader-only", "--timeout=30", &database];
    args.extend(chassis);
    run("ovn-sbctl", &args);
    run(
        "ovn-nbctl",
        &[
            "--no-leader-only",
            "--timeout=30",
            &database,
            "--wait=sb",
            "sync",
        ],
    );
    let columns = "--columns=match,actions";
    let flows = [
        "--no-leader-only",
        "--timeout=30",
        &database,
        "--bare",
        columns,
    ];
    let text = run(
        "ovn-sbctl",
        &[&flows[..], &["list", "Logical_Flow"]].concat(),
    );
    text.split("\n\n")
        .filter_map(|record| record.trim().split_once('\n'))
        .map(|(matches, actions)| (matches.to_owned(), actions.to_owned()))
        .collect()
}

fn add_dhcp_and_dns(database: &str) {
    let nbctl = |words: &[&str]| {
        run(
            "ovn-nbctl",
            &[&["--no-leader-only", "--timeout=30", database][..], words].concat(),
        )
        .trim()
        .to_owned()
    };
    let v4 = nbctl(&[
        "create",
        "DHCP_Options",
        "cidr=10.0.0.0/24",
        "options=\"server_id\"=\"10.0.0.1\" \"server_mac\"=\"00:00:00:00:ff:01\" \
         \"lease_time\"=\"3600\" \"router\"=\"10.0.0.1\" \"dns_server\"=\"{8.8.8.8,8.8.4.4}\" \
         \"mtu\"=\"1442\" \"domain_name\"=\"\\\"example.org\\\"\" \
         \"classless_static_route\"=\"{30.0.0.0/24,10.0.0.4,0.0.0.0/0,10.0.0.1}\"",
    ]);
    nbctl(&["lsp-set-dhcpv4-options", "p1", &v4]);
    let v6 = nbctl(&[
        "create",
        "DHCP_Options",
        "cidr=\"fd00::/64\"",
        "options=\"server_id\"=\"00:00:00:00:ff:01\" \"dns_server\"=\"fd00::53\"",
    ]);
    nbctl(&["lsp-set-dhcpv6-options", "p1", &v6]);
    let dns = nbctl(&[
        "create",
        "DNS",
        "records={\"vm1.example.org\"=\"10.0.0.2\"}",
    ]);
    nbctl(&["add", "Logical_Switch", "sw0", "dns_records", &dns]);
    let check = nbctl(&[
        "--",
        "--id=@hc",
        "create",
        "Load_Balancer_Health_Check",
        "vip=\"10.0.0.100:80\"",
        "--",
        "add",
        "Load_Balancer",
        "lb0",
        "health_check",
        "@hc",
    ]);
    assert!(!check.is_empty());
    nbctl(&[
        "set",
        "Load_Balancer",
        "lb0",
        "ip_port_mappings:10.0.0.2=p1:10.0.0.254",
    ]);
}

#[test]
fn every_flow_of_stock_northd_is_understood() {
    assert!(
        installed(),
        "install the packages ovn-central and openvswitch-common"
    );
    let flows = stock_flows();
    assert!(flows.len() > 350, "only {} flows", flows.len());
    let mut troubles = Vec::new();
    let mut names = BTreeSet::new();
    for (matches, actions) in &flows {
        match parse_match(matches, Symbols::ovn()) {
            Ok(expr) => {
                let printed = expr.to_string();
                assert_eq!(parse_match(&printed, Symbols::ovn()), Ok(expr), "{matches}");
            }
            Err(error) => troubles.push(format!("{matches}\n    {error}")),
        }
        match parse_actions(actions, Symbols::ovn()) {
            Ok(parsed) => {
                let printed = parsed.to_string();
                assert_eq!(
                    parse_actions(&printed, Symbols::ovn()),
                    Ok(parsed),
                    "{actions}"
                );
                names.extend(printed.split([' ', ';', '(']).map(str::to_owned));
            }
            Err(error) => troubles.push(format!("{actions}\n    {error}")),
        }
    }
    assert!(troubles.is_empty(), "{}", troubles.join("\n"));
    for name in [
        "put_dhcp_opts",
        "put_dhcpv6_opts",
        "put_nd_ra_opts",
        "dns_lookup",
        "ct_lb_mark",
        "ct_snat",
        "get_arp",
        "lookup_arp",
        "reject",
        "check_pkt_larger",
        "commit_lb_aff",
        "select",
        "log",
        "set_meter",
        "fwd_group",
        "bind_vport",
        "handle_svc_check",
        "trigger_event",
        "igmp",
    ] {
        assert!(
            names.contains(name),
            "the network makes northd write no {name}"
        );
    }
}
