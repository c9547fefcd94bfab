//! One flow for every key and every action that the kernel knows.

/// A flow: its key, which must not overlap with others (`@` becomes a port of its own), and its actions.
pub(crate) type Line = (&'static str, &'static str);

/// Those that Debian's `ovs-dpctl` knows as well.
pub(crate) const COMMON: &[Line] = &[
    (
        "ct_state(+trk),ct_tuple4(src=10.0.0.1,dst=10.0.0.2,proto=6,tp_src=1,tp_dst=2),in_port(@),eth(),eth_type(0x0800),ipv4(proto=6),tcp(),tcp_flags(0/0)",
        "1",
    ),
    // Keys.
    ("in_port(@),eth()", "1"),
    (
        "in_port(@),eth(src=02:00:00:00:00:01,dst=02:00:00:00:00:02)",
        "1",
    ),
    (
        "in_port(@),eth(src=02:00:00:00:00:00/ff:ff:ff:00:00:00)",
        "1",
    ),
    (
        "in_port(@),eth(dst=01:00:00:00:00:00/01:00:00:00:00:00)",
        "1",
    ),
    ("skb_priority(0x5),in_port(@),eth()", "1"),
    ("skb_mark(0x7/0xff),in_port(@),eth()", "1"),
    ("recirc_id(0x3),dp_hash(0x5/0xf),in_port(@),eth()", "1"),
    ("in_port(@),eth(),eth_type(0x1234)", "1"),
    (
        "in_port(@),eth(),eth_type(0x8100),vlan(vid=7,pcp=3),encap(eth_type(0x0800),ipv4(src=10.0.0.0/255.0.0.0))",
        "1",
    ),
    (
        "in_port(@),eth(),eth_type(0x88a8),vlan(vid=5,pcp=0),encap(eth_type(0x8100),vlan(vid=6,pcp=1),encap(eth_type(0x0806),arp(op=1/0xff)))",
        "1",
    ),
    (
        "in_port(@),eth(),eth_type(0x0800),ipv4(src=10.1.2.3,dst=10.0.0.0/255.0.0.0,proto=6,tos=0/0x3,ttl=64,frag=no),tcp(src=1,dst=80/0xfff0),tcp_flags(+syn-ack)",
        "1",
    ),
    (
        "in_port(@),eth(),eth_type(0x0800),ipv4(proto=17,frag=first),udp(src=53)",
        "1",
    ),
    ("in_port(@),eth(),eth_type(0x0800),ipv4(frag=later)", "1"),
    (
        "in_port(@),eth(),eth_type(0x0800),ipv4(proto=132,frag=no),sctp(dst=9)",
        "1",
    ),
    (
        "in_port(@),eth(),eth_type(0x0800),ipv4(proto=1,frag=no),icmp(type=8,code=0)",
        "1",
    ),
    (
        "in_port(@),eth(),eth_type(0x86dd),ipv6(src=fd00::1,dst=fd00::/ffff::,label=0x5,proto=58,tclass=0,hlimit=255,frag=no),icmpv6(type=135,code=0),nd(target=fd00::2,sll=02:00:00:00:00:01)",
        "1",
    ),
    (
        "in_port(@),eth(),eth_type(0x86dd),ipv6(proto=17,frag=no),udp(dst=547)",
        "1",
    ),
    (
        "in_port(@),eth(),eth_type(0x0806),arp(sip=10.0.0.1,tip=10.0.0.2,op=1/0xff,sha=02:00:00:00:00:01,tha=00:00:00:00:00:00)",
        "1",
    ),
    (
        "in_port(@),eth(),eth_type(0x8847),mpls(label=100,tc=3,ttl=64,bos=1)",
        "1",
    ),
    (
        "in_port(@),eth(),eth_type(0x8847),mpls(label=100,tc=0,ttl=64,bos=0,label=200,tc=1,ttl=64,bos=1)",
        "1",
    ),
    (
        "ct_state(+est-inv+trk),ct_zone(0x5),ct_mark(0x1/0xf),ct_label(0x2/0xff),in_port(@),eth(),eth_type(0x0800),ipv4(frag=no)",
        "1",
    ),
    (
        "tunnel(tun_id=0x5,src=10.0.0.1,dst=10.0.0.2,tos=0x4,ttl=64,tp_src=5,tp_dst=4789,flags(-df-csum+key)),in_port(@),eth()",
        "1",
    ),
    (
        "tunnel(tun_id=0x5/0xff,src=10.0.0.0/255.0.0.0,dst=10.0.0.2,ttl=64/0,flags(+key)),in_port(@),eth()",
        "1",
    ),
    (
        "tunnel(tun_id=0x5,ipv6_src=fd00::1,ipv6_dst=fd00::2,tos=0x4,ttl=64,flags(+key)),in_port(@),eth()",
        "1",
    ),
    (
        "tunnel(tun_id=0x5,src=10.0.0.1,dst=10.0.0.2,ttl=64,geneve({class=0x102,type=0x80,len=4,0x1/0xff}),flags(+key)),in_port(@),eth()",
        "1",
    ),
    (
        "tunnel(tun_id=0x5,src=10.0.0.1,dst=10.0.0.2,ttl=64,vxlan(gbp(id=5,flags=0)),flags(+key)),in_port(@),eth()",
        "1",
    ),
    (
        "tunnel(tun_id=0x5,src=10.0.0.1,dst=10.0.0.2,ttl=64,erspan(ver=1,idx=0x7),flags(+key)),in_port(@),eth()",
        "1",
    ),
    // Actions.
    ("in_port(@),eth()", "1,2,3"),
    (
        "in_port(@),eth()",
        "set(eth(src=02:00:00:00:00:01,dst=02:00:00:00:00:02)),1",
    ),
    (
        "in_port(@),eth()",
        "set(eth(dst=02:00:00:00:00:00/ff:ff:00:00:00:00)),1",
    ),
    (
        "in_port(@),eth()",
        "set(skb_priority(0x5)),set(skb_mark(0x3)),1",
    ),
    (
        "in_port(@),eth(),eth_type(0x0800),ipv4(proto=6,frag=no),tcp(),tcp_flags(0/0)",
        "set(ipv4(src=10.0.0.9,tos=0x1c/0xfc,ttl=63)),1",
    ),
    (
        "in_port(@),eth(),eth_type(0x0800),ipv4(proto=6,frag=no),tcp(),tcp_flags(0/0)",
        "set(tcp(src=5)),1",
    ),
    (
        "in_port(@),eth(),eth_type(0x0800),ipv4(proto=17,frag=no),udp()",
        "set(udp(src=5,dst=6)),1",
    ),
    (
        "in_port(@),eth(),eth_type(0x0800),ipv4(proto=132,frag=no),sctp()",
        "set(sctp(dst=6)),1",
    ),
    (
        "in_port(@),eth(),eth_type(0x86dd),ipv6(proto=6,frag=no),tcp(),tcp_flags(0/0)",
        "set(ipv6(dst=fd00::9,hlimit=5)),1",
    ),
    (
        "in_port(@),eth(),eth_type(0x8847),mpls(label=1,tc=0,ttl=64,bos=1)",
        "set(mpls(label=7,tc=1,ttl=63,bos=1)),1",
    ),
    (
        "in_port(@),eth()",
        "set(tunnel(tun_id=0x5,src=10.0.0.1,dst=10.0.0.2,tos=0x4,ttl=64,tp_src=9,tp_dst=4789,flags(df|csum|key))),1",
    ),
    (
        "in_port(@),eth()",
        "set(tunnel(tun_id=0x5,ipv6_src=fd00::1,ipv6_dst=fd00::2,ttl=64,flags(key))),1",
    ),
    (
        "in_port(@),eth()",
        "set(tunnel(tun_id=0x5,dst=10.0.0.2,ttl=64,geneve({class=0x102,type=0x80,len=8,0x1020304050607}),flags(key))),1",
    ),
    (
        "in_port(@),eth()",
        "set(tunnel(tun_id=0x5,dst=10.0.0.2,ttl=64,vxlan(gbp(id=5,flags=0x8)),flags(key))),1",
    ),
    (
        "in_port(@),eth()",
        "set(tunnel(tun_id=0x5,dst=10.0.0.2,ttl=64,erspan(ver=2,dir=1,hwid=0x7),flags(key))),1",
    ),
    ("in_port(@),eth()", "push_vlan(vid=7,pcp=1),1,pop_vlan,2"),
    (
        "in_port(@),eth()",
        "push_vlan(tpid=0x88a8,vid=7,pcp=0),push_vlan(vid=8,pcp=2),1",
    ),
    ("in_port(@),eth()", "sample(sample=50.0%,actions(1)),2"),
    (
        "in_port(@),eth(),eth_type(0x0800),ipv4()",
        "ct(commit,zone=5,mark=0x1/0xf,label=0x2/0xff),1",
    ),
    (
        "in_port(@),eth(),eth_type(0x0800),ipv4()",
        "ct(force_commit,zone=5),1",
    ),
    (
        "in_port(@),eth(),eth_type(0x0800),ipv4()",
        "ct(zone=5,nat),1",
    ),
    (
        "in_port(@),eth(),eth_type(0x0800),ipv4()",
        "ct(commit,nat(src=10.0.0.1-10.0.0.9:100-200,random)),1",
    ),
    (
        "in_port(@),eth(),eth_type(0x86dd),ipv6()",
        "ct(commit,nat(dst=fd00::1-fd00::9,hash,persistent)),1",
    ),
    (
        "in_port(@),eth(),eth_type(0x0800),ipv4(proto=6,frag=no),tcp(dst=21),tcp_flags(0/0)",
        "ct(commit,helper=ftp),1",
    ),
    ("in_port(@),eth(),eth_type(0x0800),ipv4()", "ct_clear,1"),
    ("in_port(@),eth()", "trunc(100),1"),
    (
        "in_port(@),eth()",
        "clone(1,set(eth(src=02:00:00:00:00:01,dst=02:00:00:00:00:02)),2),3",
    ),
    ("in_port(@),eth()", "check_pkt_len(size=100,gt(1),le(2,3))"),
    (
        "in_port(@),eth()",
        "add_mpls(label=5,tc=0,ttl=64,bos=1,eth_type=0x8847),1",
    ),
];

/// Those that it prints, but does not read, or has another way to say.
pub(crate) const PRINTED: &[Line] = &[
    (
        "ct_state(+trk),ct_tuple6(src=fd00::1,dst=fd00::2,proto=17,src_port=1,dst_port=2),in_port(@),eth(),eth_type(0x86dd),ipv6(proto=17),udp()",
        "1",
    ),
    ("in_port(@),eth()", "userspace(pid=5)"),
    ("in_port(@),eth()", "userspace(pid=5,userdata(0102030405))"),
    (
        "in_port(@),eth()",
        "userspace(pid=5,userdata(01),actions,tunnel_out_port=7)",
    ),
    (
        "in_port(@),eth()",
        "sample(sample=100.0%,actions(userspace(pid=1,userdata(01)))),2",
    ),
    (
        "in_port(@),eth(),eth_type(0x0800),ipv4()",
        "push_mpls(label=5,tc=0,ttl=64,bos=1,eth_type=0x8847),1",
    ),
    (
        "in_port(@),eth(),eth_type(0x8847),mpls(label=6,tc=0,ttl=64,bos=1)",
        "pop_mpls(eth_type=0x800),1",
    ),
    ("in_port(@),eth()", "hash(l4(5)),recirc(0x5)"),
    ("in_port(@),eth(),eth_type(0x0800),ipv4()", "ct,recirc(0x5)"),
    ("in_port(@),eth(),eth_type(0x0800),ipv4()", "pop_eth,1"),
    (
        "in_port(@),eth(),eth_type(0x0800),ipv4()",
        "pop_eth,push_eth(src=02:00:00:00:00:01,dst=02:00:00:00:00:02),1",
    ),
    (
        "in_port(@),eth(),eth_type(0x894f),nsh(flags=0,ttl=63,mdtype=1,np=3,spi=0x5,si=255,c1=0x1,c2=0x2,c3=0x3,c4=0x4)",
        "1",
    ),
    ("in_port(@),eth()", "drop"),
    (
        "in_port(@),eth(),eth_type(0x0800),ipv4()",
        "push_nsh(flags=0,ttl=63,mdtype=1,np=3,spi=0x5,si=255,c1=0x1,c2=0x2,c3=0x3,c4=0x4),1",
    ),
    (
        "in_port(@),eth(),eth_type(0x894f),nsh(mdtype=1,np=3,spi=0x5,si=255)",
        "pop_nsh(),1",
    ),
];

/// Those that it does not know, or takes for something else; the kernels of both know them.
pub(crate) const OURS: &[Line] = &[
    (
        "in_port(@),eth(),eth_type(0x0800),ipv4()",
        "dec_ttl(le_1(userspace(pid=1))),1",
    ),
    (
        "in_port(@),eth(),eth_type(0x86dd),ipv6(),ipv6_exthdrs(0x1/0x1)",
        "1",
    ),
    (
        "in_port(@),eth(),eth_type(0x8847),mpls(label=100,tc=0,ttl=64,bos=0,label=200,tc=0,ttl=64,bos=0,label=200,tc=1,ttl=64,bos=1)",
        "1",
    ),
];

/// Those that only the newer kernel knows.
pub(crate) const NEWER: &[Line] = &[
    ("in_port(@),eth()", "drop(0)"),
    ("in_port(@),eth()", "psample(group=5,cookie=0102),1"),
];
