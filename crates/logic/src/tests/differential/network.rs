//! Northbounds that make stock northd write every kind of flow that it can.

/// What `ovn-nbctl` is told, a line a command. The flows are read after each step, so that what one step takes back
/// counts too.
pub(super) const STEPS: [&str; 3] = [NETWORK, REST, LAST];

/// Something of everything.
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

/// What is seldom: special ports, gateways without a chassis of their own, and the options of everything.
const REST: &str = r#"
ls-add sw2
lsp-add sw2 meta
lsp-set-type meta localport
lsp-set-addresses meta "00:00:00:00:02:01 10.2.0.2"
lsp-add sw2 far
lsp-set-type far remote
lsp-add sw2 l2gw
lsp-set-type l2gw l2gateway
lsp-set-options l2gw network_name=phys l2gateway-chassis=ch1
lsp-set-addresses l2gw unknown
lsp-add sw2 ramp
lsp-set-type ramp vtep
lsp-set-options ramp vtep-physical-switch=ps vtep-logical-switch=ls
lsp-set-addresses ramp unknown
ha-chassis-group-add hagrp
ha-chassis-group-add-chassis hagrp ch1 30
lsp-add sw2 outside
lsp-set-type outside external
lsp-set-addresses outside "00:00:00:00:02:04 10.2.0.4 fd02::4"
lsp-add sw2 ln2
lsp-set-type ln2 localnet
lsp-set-addresses ln2 unknown
lsp-set-options ln2 network_name=phys localnet_learn_fdb=true
lsp-add sw2 closed
lsp-set-addresses closed "00:00:00:00:02:05 10.2.0.5"
lsp-set-enabled closed disabled
lsp-add sw2 anyone
lsp-set-addresses anyone unknown
set Logical_Switch sw2 other_config:vlan-passthru=true other_config:mcast_snoop=true other_config:mcast_querier=true
set Logical_Switch sw2 other_config:mcast_eth_src=00:00:00:00:02:99 other_config:mcast_ip4_src=10.2.0.1
set Logical_Switch sw2 other_config:mcast_ip6_src=fe80::1 other_config:mcast_flood_unregistered=true
set Logical_Switch_Port anyone options:mcast_flood=true options:mcast_flood_reports=true
lr-add lr2
lrp-add lr2 lr2-sw2 00:00:00:00:ff:20 10.2.0.1/24 fd02::1/64
lsp-add sw2 sw2-lr2
lsp-set-type sw2-lr2 router
lsp-set-addresses sw2-lr2 router
lsp-set-options sw2-lr2 router-port=lr2-sw2 arp_proxy=169.254.0.0/16
lrp-add lr2 lr2-public 00:00:00:00:ff:21 172.16.0.102/24 fd01::102/64
lsp-add public public-lr2
lsp-set-type public-lr2 router
lsp-set-addresses public-lr2 router
lsp-set-options public-lr2 router-port=lr2-public
lrp-set-gateway-chassis lr2-public ch1 20
lrp-set-redirect-type lr2-public bridged
set Logical_Router_Port lr2-sw2 options:reside-on-redirect-chassis=true options:mcast_flood=true
set Logical_Router_Port lr2-public options:prefix_delegation=true options:prefix=true options:gateway_mtu=1300
set Logical_Router_Port lr2-sw2 ipv6_ra_configs:address_mode=dhcpv6_stateful ipv6_ra_configs:send_periodic=true
set Logical_Router_Port lr2-sw2 ipv6_ra_configs:router_preference=HIGH ipv6_ra_configs:route_info=HIGH-fd09::/64
set Logical_Router_Port lr2-sw2 ipv6_ra_configs:rdnss=fd02::53 ipv6_ra_configs:dnssl=example.org
set Logical_Router_Port lr2-public options:route_table=rt1
--route-table=rt1 lr-route-add lr2 192.168.9.0/24 10.2.0.9
--bfd lr-route-add lr2 192.168.10.0/24 10.2.0.10 lr2-sw2
--ecmp lr-route-add lr2 192.168.11.0/24 10.2.0.11
--ecmp lr-route-add lr2 192.168.11.0/24 10.2.0.12
--ecmp-symmetric-reply lr-route-add lr2 fd0a::/64 fd02::11
--ecmp-symmetric-reply lr-route-add lr2 fd0a::/64 fd02::12
lr-route-add lr2 192.168.12.0/24 discard
lr-policy-add lr2 100 "ip6.src == fd02::/64" reroute fd01::9 pkt_mark=100
lr-policy-add lr2 99 "ip4.src == 10.2.0.0/24" allow pkt_mark=7
lr-nat-add lr2 snat 172.16.0.102 10.2.0.0/24
--stateless lr-nat-add lr2 dnat_and_snat 172.16.0.122 10.2.0.5
lr-nat-add lr2 dnat_and_snat fd01::122 fd02::4
lr-nat-add lr2 dnat 172.16.0.123 10.2.0.6
create Address_Set name=allowed addresses=198.51.100.0/24
lr-nat-update-ext-ip lr2 snat 10.2.0.0/24 allowed
create Address_Set name=exempted addresses=203.0.113.0/24
--is-exempted lr-nat-update-ext-ip lr2 dnat 172.16.0.123 exempted
static-mac-binding-add lr2-sw2 10.2.0.77 00:00:00:00:02:77
set Logical_Router lr2 options:always_learn_from_arp_request=false options:mcast_relay=true
set Logical_Router gw options:dnat_force_snat_ip=10.1.0.250 options:lb_force_snat_ip="10.1.0.251 fd03::251"
lr-nat-add gw dnat_and_snat 172.16.0.130 10.1.0.9
--ecmp-symmetric-reply lr-route-add gw 192.168.20.0/24 172.16.0.20
--ecmp-symmetric-reply lr-route-add gw 192.168.20.0/24 172.16.0.21
create Copp name=copp0 meters={arp=m0,arp-resolve=m0,dhcpv4-opts=m0,dhcpv6-opts=m0,dns=m0,event-elb=m0,icmp4-error=m0,icmp6-error=m0,igmp=m0,nd-na=m0,nd-ns=m0,nd-ns-resolve=m0,nd-ra-opts=m0,tcp-reset=m0,bfd=m0,reject=m0,svc-monitor=m0}
ls-copp-add copp0 sw0
lr-copp-add copp0 lr0
acl-add sw2 from-lport 1000 "ip6 && tcp.flags == 2" reject
--log --severity=debug --name=talk acl-add sw2 to-lport 1000 "icmp" allow-related
--log acl-add sw2 to-lport 999 "udp && udp.src < 1024" reject
--apply-after-lb acl-add sw2 from-lport 998 "vlan.present || ip.is_frag" drop
--apply-after-lb --label=77 acl-add sw2 from-lport 997 "sctp" allow-related
qos-add sw2 to-lport 50 "ip6.dst == fd02::/64" rate=10
lb-add lb6 "[fd01::105]:80" "[fd02::4]:80,[fd02::5]:80" tcp
lb-add lb7 172.16.0.140:53 10.2.0.4:53,10.2.0.5:53 udp
lb-add lb8 172.16.0.141:99 10.2.0.4:99 sctp
set Load_Balancer lb6 options:affinity_timeout=30
set Load_Balancer lb7 options:hairpin_snat_ip=172.16.0.199 options:neighbor_responder=all
set Load_Balancer lb8 options:reject=true
--template lb-add lbt "^vip:^port" "^backends" tcp ipv4
ls-lb-add sw2 lb6
ls-lb-add sw2 lb7
ls-lb-add sw2 lb8
ls-lb-add sw2 lbt
lr-lb-add lr2 lb6
lr-lb-add lr2 lb7
lr-lb-add gw lb6
lr-lb-add gw lb8
lr-lb-add gw lbt
set Logical_Switch_Port p2 options:qos_min_rate=500 options:qos_burst=100
set NB_Global . options:controller_event=true options:ignore_lsp_down=false
"#;

/// What excludes what was before.
const LAST: &str = r#"
set NB_Global . options:use_ct_inv_match=false options:default_acl_drop=true options:debug_drop_domain_id=7
set NB_Global . options:debug_drop_collector_set=123 options:use_parallel_build=false
set Load_Balancer lb7 options:skip_snat=true
set Logical_Router gw options:lb_force_snat_ip=router_ip
set Logical_Router_Port lr2-public options:redirect-type=overlay
set Logical_Router_Port lr2-sw2 ipv6_ra_configs:address_mode=dhcpv6_stateless
lrp-set-enabled lr0-sw1 disabled
"#;
