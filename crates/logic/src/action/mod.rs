//! Actions of a logical flow (ovn-sb(5), "Logical_Flow", `actions`), as typed values.
//!
//! A parsed action is checked: its symbols exist, can be written, and have the width it needs. A
//! table is a number; which stage it is only the caller knows.

mod catalogue;
mod inspect;
pub mod options;
mod parse;
mod parse_args;
mod parse_options;
mod print;

use std::net::{IpAddr, Ipv4Addr};

use crate::{OptionDef, Slice, Str, Value};

pub use catalogue::{ACTIONS, ActionInfo, CarriedOut};
pub use parse::parse_actions;

/// The actions of a flow, in order; none of them is `drop;`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Actions(pub Vec<Action>);

/// Half of a logical datapath.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Pipeline {
    /// From the input port to the decision where to.
    Ingress,
    /// At each output port.
    Egress,
}

/// A connection tracking zone of a gateway router.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Zone {
    /// `dnat`
    Dnat,
    /// `snat`
    Snat,
}

/// Which address family a neighbour action is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Family {
    /// ARP.
    V4,
    /// Neighbour discovery.
    V6,
}

/// Which way of network address translation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum NatKind {
    /// `ct_dnat`
    Dnat,
    /// `ct_snat`
    Snat,
    /// `ct_dnat_in_czone`
    DnatInCommonZone,
    /// `ct_snat_in_czone`
    SnatInCommonZone,
}

/// What an address is translated to.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct NatTarget {
    /// The new address.
    pub address: IpAddr,
    /// The lowest and, for a range, the highest new port.
    pub ports: Option<(u16, Option<u16>)>,
}

/// Where a load balancer remembers that it translated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LbKind {
    /// `ct_lb`: in ct_label.
    Label,
    /// `ct_lb_mark`: in ct_mark.
    Mark,
    /// `ct_lb_mark_local`: in ct_mark, backends of this chassis only.
    MarkLocal,
}

/// How a load-balanced connection treats source translation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LbFlag {
    /// `skip_snat`
    SkipSnat,
    /// `force_snat`
    ForceSnat,
}

/// One backend of a load balancer.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Backend {
    /// Its logical port, in `ct_lb_mark_local`.
    pub port_name: Option<Str>,
    /// Its address.
    pub address: IpAddr,
    /// Its transport port; none keeps the packet's.
    pub port: Option<u16>,
}

/// Actions with actions inside: what happens to the packet that they make.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Nest {
    /// A copy of the packet.
    Clone,
    /// An ARP request.
    Arp,
    /// A neighbour solicitation.
    NdNs,
    /// A neighbour advertisement.
    NdNa,
    /// A neighbour advertisement with the router flag.
    NdNaRouter,
    /// An ICMPv4 error.
    Icmp4,
    /// An ICMPv4 error that keeps the addresses as set.
    Icmp4Error,
    /// An ICMPv6 error.
    Icmp6,
    /// An ICMPv6 error that keeps the addresses as set.
    Icmp6Error,
    /// A TCP reset.
    TcpReset,
    /// An SCTP abort.
    SctpAbort,
    /// Whatever refuses the packet's protocol.
    Reject,
}

/// Functions without arguments whose result goes into a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Query {
    /// Answers the DNS query in the packet; 1 bit.
    DnsLookup,
    /// Whether a packet goes back to the backend that sent it; 1 bit.
    ChkLbHairpin,
    /// Whether it is the reply to such a packet; 1 bit.
    ChkLbHairpinReply,
    /// Whether ingress port security refuses the packet; 1 bit.
    CheckInPortSec,
    /// Whether egress port security refuses the packet; 1 bit.
    CheckOutPortSec,
    /// Whether an ECMP next hop is known with another MAC; 1 bit.
    ChkEcmpNhMac,
    /// Whether an ECMP next hop is known; 1 bit.
    ChkEcmpNh,
    /// Whether the load balancer remembers the client; 1 bit.
    ChkLbAff,
    /// Original IPv4 destination of the connection; 32 bits.
    CtNwDst,
    /// Original IPv6 destination of the connection; 128 bits.
    CtIp6Dst,
    /// Original destination port of the connection; 16 bits.
    CtTpDst,
    /// Protocol of the connection; 8 bits.
    CtProto,
    /// Low bits of the connection tracking state; 8 bits.
    CtStateSave,
}

/// Transport protocols by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Transport {
    /// `tcp`
    Tcp,
    /// `udp`
    Udp,
    /// `sctp`
    Sctp,
}

/// An address with an optional port, in quotes in the text.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Endpoint {
    /// The address.
    pub address: IpAddr,
    /// The port.
    pub port: Option<u16>,
}

/// One option of DHCP, of router advertisements or of an event, with its values.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct OptionValue {
    /// Name, code and type.
    pub option: &'static OptionDef,
    /// The values, in order; numbers or texts as the type says.
    pub values: Vec<Value>,
}

/// What an ACL decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// `allow`
    Allow,
    /// `drop`
    Drop,
    /// `reject`
    Reject,
    /// `pass`
    Pass,
}

/// How loud a log entry is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Severity {
    /// `alert`
    Alert,
    /// `warning`
    Warning,
    /// `notice`
    Notice,
    /// `info`
    Info,
    /// `debug`
    Debug,
}

/// Where the observation point of a sample comes from.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum ObservationPoint {
    /// The flow's own cookie.
    Cookie,
    /// A constant.
    Number(u32),
    /// A 32-bit field.
    Field(Slice),
}

/// One action.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    /// `output;` to `outport`.
    Output,
    /// `next;`, `next(3);`, `next(pipeline=egress, table=3);`. Without a table, the next one; without
    /// a pipeline, the same.
    Next {
        /// The pipeline to go on in.
        pipeline: Option<Pipeline>,
        /// The table to go on at.
        table: Option<u8>,
    },
    /// `field = constant;` where the value is a number or a port name.
    Load {
        /// What is written.
        target: Slice,
        /// The number, only its masked bits when it has a mask, or port name.
        value: Value,
    },
    /// `field1 = field2;`
    Move {
        /// What is written.
        target: Slice,
        /// What is read.
        source: Slice,
    },
    /// `field1 <-> field2;`
    Exchange(Slice, Slice),
    /// `ip.ttl--;`; a packet whose TTL runs out stops here.
    DecrementTtl,
    /// `push(field);`
    Push(Slice),
    /// `pop(field);`
    Pop(Slice),
    /// `ct_next;`, `ct_next(dnat);`
    CtNext(Option<Zone>),
    /// `ct_commit;`, `ct_commit { ct_mark = 1; };`: the loads and moves inside.
    CtCommit(Actions),
    /// `ct_commit_to_zone(dnat);`
    CtCommitToZone(Zone),
    /// `ct_commit_nat;`, `ct_commit_nat(snat);`
    CtCommitNat(Option<Zone>),
    /// `ct_dnat;`, `ct_snat(10.0.0.1, 1024-2048);` and the variants in the common zone.
    Nat {
        /// Which way, in which zone.
        kind: NatKind,
        /// What to translate to; without it, only what the connection remembers.
        target: Option<NatTarget>,
    },
    /// `ct_lb;`, `ct_lb_mark(backends=10.0.0.2:80,10.0.0.3:80; hash_fields="...");`
    CtLb {
        /// Which variant.
        kind: LbKind,
        /// The backends; none only looks up the connection.
        backends: Vec<Backend>,
        /// Packet fields that choose the backend.
        hash_fields: Option<Str>,
        /// Treatment of the source address.
        flag: Option<LbFlag>,
    },
    /// `ct_clear;`
    CtClear,
    /// `ct_snat_to_vip;`
    CtSnatToVip,
    /// `clone { ... };`, `arp { ... };` and so on.
    Nested(Nest, Actions),
    /// `get_arp(outport, ip);`, `get_nd(outport, ip);`: eth.dst from the neighbour table.
    GetNeighbour {
        /// ARP or neighbour discovery.
        family: Family,
        /// Holds the port.
        port: Slice,
        /// Holds the address.
        ip: Slice,
    },
    /// `put_arp(inport, ip, mac);`, `put_nd(...);`: into the neighbour table.
    PutNeighbour {
        /// ARP or neighbour discovery.
        family: Family,
        /// Holds the port.
        port: Slice,
        /// Holds the address.
        ip: Slice,
        /// Holds the MAC address.
        mac: Slice,
    },
    /// `R = lookup_arp(inport, ip, mac);`, or without the MAC `lookup_arp_ip`.
    LookupNeighbour {
        /// ARP or neighbour discovery.
        family: Family,
        /// One bit that says whether it was found.
        target: Slice,
        /// Holds the port.
        port: Slice,
        /// Holds the address.
        ip: Slice,
        /// Holds the MAC address; none for `lookup_arp_ip` and `lookup_nd_ip`.
        mac: Option<Slice>,
    },
    /// `outport = get_fdb(eth.dst);`, `outport = get_remote_fdb(eth.dst);`
    GetFdb {
        /// Receives the port.
        target: Slice,
        /// Holds the MAC address.
        mac: Slice,
        /// Whether the remote table is asked.
        remote: bool,
    },
    /// `put_fdb(inport, eth.src);`
    PutFdb {
        /// Holds the port.
        port: Slice,
        /// Holds the MAC address.
        mac: Slice,
    },
    /// `R = lookup_fdb(inport, eth.src);`
    LookupFdb {
        /// One bit that says whether it was found.
        target: Slice,
        /// Holds the port.
        port: Slice,
        /// Holds the MAC address.
        mac: Slice,
    },
    /// `R = put_dhcp_opts(offerip = ..., ...);`: turns a DHCPv4 request into its reply.
    PutDhcpV4 {
        /// One bit that says whether a reply was made.
        target: Slice,
        /// The options; `offerip` is among them.
        options: Vec<OptionValue>,
    },
    /// `R = put_dhcpv6_opts(ia_addr = ..., ...);`
    PutDhcpV6 {
        /// One bit that says whether a reply was made.
        target: Slice,
        /// The options.
        options: Vec<OptionValue>,
    },
    /// `R = put_nd_ra_opts(addr_mode = "slaac", ...);`
    PutNdRa {
        /// One bit that says whether a reply was made.
        target: Slice,
        /// The options; `slla` is among them.
        options: Vec<OptionValue>,
    },
    /// `R = dhcp_relay_req_chk(relay, server);`, `R = dhcp_relay_resp_chk(...);`
    DhcpRelay {
        /// One bit that says whether the message is good.
        target: Slice,
        /// Whether it is the reply that is checked.
        response: bool,
        /// The relay's own address.
        relay: Ipv4Addr,
        /// The DHCP server.
        server: Ipv4Addr,
    },
    /// `R = dns_lookup();` and other functions without arguments.
    Query {
        /// Receives the result.
        target: Slice,
        /// Which function.
        query: Query,
    },
    /// `R = check_pkt_larger(1500);`
    CheckPktLarger {
        /// One bit that says whether the packet is larger.
        target: Slice,
        /// The bound in bytes.
        length: u16,
    },
    /// `R = select(1=20, 2=80);`, `R = select(values=(1=20, 2=80); hash_fields="...");`
    Select {
        /// Receives the chosen number; at least 16 bits.
        target: Slice,
        /// Numbers and weights.
        members: Vec<(u16, u16)>,
        /// Packet fields that choose.
        hash_fields: Option<Str>,
    },
    /// `set_queue(5);`
    SetQueue(u16),
    /// `log(name="...", verdict=drop, severity=info, meter="...");`
    Log {
        /// Name of the ACL.
        name: Option<Str>,
        /// What it decided.
        verdict: Verdict,
        /// How loud.
        severity: Severity,
        /// A meter that bounds the entries.
        meter: Option<Str>,
    },
    /// `set_meter(100, 1000);`: rate and burst in kbit/s.
    SetMeter {
        /// Rate in kbit/s.
        rate: u64,
        /// Burst in kbit.
        burst: Option<u64>,
    },
    /// `trigger_event(event = "empty_lb_backends", ...);`
    TriggerEvent {
        /// Name of the event.
        event: Str,
        /// What is known about it.
        options: Vec<OptionValue>,
    },
    /// `igmp;`
    Igmp,
    /// `bind_vport("vip", inport);`
    BindVport {
        /// The virtual port.
        vport: Str,
        /// Holds the port that has it.
        parent: Slice,
    },
    /// `handle_svc_check(inport);`
    HandleSvcCheck(Slice),
    /// `handle_dhcpv6_reply;`
    HandleDhcpV6Reply,
    /// `handle_bfd_msg();`
    HandleBfd,
    /// `fwd_group(liveness="true", childports="a", "b");`
    FwdGroup {
        /// Whether ports that are down are left out.
        liveness: bool,
        /// The ports.
        child_ports: Vec<Str>,
    },
    /// `commit_ecmp_nh(ipv6 = false, proto = tcp);`
    CommitEcmpNh {
        /// Whether the packet is IPv6.
        ipv6: bool,
        /// Its transport.
        transport: Transport,
    },
    /// `commit_lb_aff(vip = "...", backend = "...", proto = tcp, timeout = 60);`
    CommitLbAff {
        /// What the client asked.
        vip: Endpoint,
        /// Who answers it.
        backend: Endpoint,
        /// The transport, when a port matters.
        transport: Option<Transport>,
        /// How long it is remembered, in seconds.
        timeout: u16,
    },
    /// `sample(probability=65535, collector_set=1, obs_domain=2, obs_point=$cookie);`
    Sample {
        /// Of 65,535.
        probability: u16,
        /// Who collects.
        collector_set: u32,
        /// Upper byte of the observation domain.
        domain: u8,
        /// Where it was seen.
        point: ObservationPoint,
    },
    /// `mac_cache_use;`
    MacCacheUse,
    /// `flood_remote;`
    FloodRemote,
    /// `mirror("port");`
    Mirror(Str),
}
