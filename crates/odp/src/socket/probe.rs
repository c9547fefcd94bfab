//! What this kernel's datapath can do, found out by trying.
//!
//! It is tried on a datapath of its own, without ports, so that no packet ever meets what is tried, and
//! with the flag that keeps the kernel's log clean. The datapath goes when the answers are there.

use std::sync::atomic::{AtomicU32, Ordering};

use super::connection::Connection;
use super::error::Error;
use crate::id::{DatapathId, Ufid};
use crate::message::{
    Family, Features, FlowPut, MeterFeatures, NewDatapath, Omit, PutMode, SetDatapath,
};
use crate::text::Actions;

/// How many labels, tags or levels are tried at most.
const MOST: usize = 10;

/// Declares what is tried as a flow. A key has every header that its types imply, and a packet for user space goes
/// to some socket, or the kernel refuses it for that alone: `name "key" "actions"`.
macro_rules! probes {
    ($($(#[$doc:meta])* $name:ident $key:literal $actions:literal;)*) => {
        /// What a kernel can do.
        #[derive(Debug, Clone, PartialEq, Eq, Default)]
        pub struct Support {
            $($(#[$doc])* pub $name: bool,)*
            /// Flows can have an identifier (Linux 3.20).
            pub ufid: bool,
            /// Packets can be dispatched by CPU (Linux 5.15).
            pub per_cpu_upcalls: bool,
            /// The cache of masks can be sized (Linux 5.9).
            pub masks_cache: bool,
            /// There are limits of connections (Linux 4.18).
            pub ct_limits: bool,
            /// How many MPLS labels a key can have.
            pub mpls_depth: usize,
            /// How many VLAN tags a key can have.
            pub vlan_depth: usize,
            /// How deep `sample` can stand in `sample`; ten, if it is no less.
            pub sample_depth: usize,
            /// What meters can do; nothing, where there are none (Linux 4.15).
            pub meters: Option<MeterFeatures>,
        }

        impl Support {
            /// The names of all that is tried as a flow, and whether it can be done.
            #[must_use]
            pub fn flows(&self) -> Vec<(&'static str, bool)> {
                vec![$((stringify!($name), self.$name),)*]
            }

            fn try_flows(&mut self, trial: &Trial<'_>) -> Result<(), Error> {
                $(self.$name = trial.flow($key, $actions)?;)*
                Ok(())
            }
        }
    };
}

probes! {
    /// A packet can be sent through the flows again.
    recirculation "recirc_id(1),in_port(1),eth(),eth_type(0x0800),ipv4()" "recirc(2)";
    /// A key can have a state of connection.
    ct_state "in_port(1),eth(),eth_type(0x0800),ipv4(),ct_state(+trk)" "drop";
    /// A key can have its zone.
    ct_zone "in_port(1),eth(),eth_type(0x0800),ipv4(),ct_zone(1)" "drop";
    /// A key can have its mark.
    ct_mark "in_port(1),eth(),eth_type(0x0800),ipv4(),ct_mark(1)" "drop";
    /// A key can have its labels.
    ct_label "in_port(1),eth(),eth_type(0x0800),ipv4(),ct_label(1)" "drop";
    /// A key can say that addresses were translated.
    ct_state_nat "in_port(1),eth(),eth_type(0x0800),ipv4(),ct_state(+trk+snat)" "drop";
    /// A key can have the original direction of an IPv4 connection (Linux 4.11).
    ct_tuple4 "in_port(1),eth(),eth_type(0x0800),ipv4(proto=17),udp(),ct_state(+trk),ct_tuple4(src=10.0.0.1)" "drop";
    /// A key can have the original direction of an IPv6 connection (Linux 4.11).
    ct_tuple6 "in_port(1),eth(),eth_type(0x86dd),ipv6(proto=17),udp(),ct_state(+trk),ct_tuple6(src=fe80::1)" "drop";
    /// Connections can be tracked.
    ct "in_port(1),eth(),eth_type(0x0800),ipv4()" "ct(commit,zone=1)";
    /// Connections can be begun anew (Linux 4.11).
    ct_force_commit "in_port(1),eth(),eth_type(0x0800),ipv4()" "ct(force_commit)";
    /// Addresses can be translated.
    ct_nat "in_port(1),eth(),eth_type(0x0800),ipv4()" "ct(commit,nat(src=10.0.0.1))";
    /// What is known of a connection can be forgotten (Linux 4.15).
    ct_clear "in_port(1),eth(),eth_type(0x0800),ipv4()" "ct_clear";
    /// Which events of a connection are told can be said (Linux 4.12).
    ct_event_mask "in_port(1),eth(),eth_type(0x0800),ipv4()" "ct(commit,eventmask=0x1)";
    /// Bits of a header can be set (Linux 4.0).
    set_masked "in_port(1),eth(),eth_type(0x0800),ipv4()" "set(ipv4(ttl=1/0xf))";
    /// Packets can be cut (Linux 4.8).
    trunc "in_port(1),eth()" "trunc(64),userspace(pid=1)";
    /// Ethernet headers can be put and taken (Linux 4.12).
    push_eth "in_port(1),eth_type(0x0800),ipv4()" "push_eth(src=00:00:00:00:00:01,dst=00:00:00:00:00:02)";
    /// Actions can be done to a copy (Linux 4.16).
    clone_action "in_port(1),eth()" "clone(userspace(pid=1))";
    /// A key can have a network service header (Linux 4.15).
    nsh "in_port(1),eth(),eth_type(0x894f),nsh(mdtype=1,np=3,spi=0x1,si=1)" "drop";
    /// Actions can depend on a packet's length (Linux 5.2).
    check_pkt_len "in_port(1),eth()" "check_pkt_len(size=64,gt(drop),le(drop))";
    /// A time to live can be decremented (Linux 5.11).
    dec_ttl "in_port(1),eth(),eth_type(0x0800),ipv4()" "dec_ttl(le_1(userspace(pid=1)))";
    /// MPLS labels can be put before an Ethernet header (Linux 5.14).
    add_mpls "in_port(1),eth()" "add_mpls(label=1,tc=0,ttl=64,bos=1,eth_type=0x8847)";
    /// Packets can be dropped with a reason (Linux 6.7).
    drop_reason "in_port(1),eth()" "drop(0)";
    /// Packets can be given to the kernel's samples (Linux 6.11).
    psample "in_port(1),eth()" "psample(group=1)";
    /// A key can have IPv6 extension headers (Linux 5.18).
    ipv6_ext_headers "in_port(1),eth(),eth_type(0x86dd),ipv6(),ipv6_exthdrs(0x1)" "drop";
    /// Tunnels can be over IPv6 (Linux 4.4).
    tunnel_ipv6 "in_port(1),eth()" "set(tunnel(tun_id=0x1,ipv6_src=fe80::1,ipv6_dst=fe80::2,ttl=64))";
    /// Tunnels can have options of Geneve.
    tunnel_geneve "in_port(1),eth()" "set(tunnel(tun_id=0x1,src=10.0.0.1,dst=10.0.0.2,ttl=64,geneve({class=0x102,type=0x80,len=4,0x1})))";
    /// Tunnels can have a group policy of VXLAN.
    tunnel_vxlan_gbp "in_port(1),eth()" "set(tunnel(tun_id=0x1,src=10.0.0.1,dst=10.0.0.2,ttl=64,vxlan(gbp(id=1,flags=0))))";
    /// Tunnels can have a header of ERSPAN (Linux 4.18).
    tunnel_erspan "in_port(1),eth()" "set(tunnel(tun_id=0x1,src=10.0.0.1,dst=10.0.0.2,ttl=64,erspan(ver=1,idx=0x7)))";
}

/// Where it is tried.
struct Trial<'a> {
    connection: &'a Connection,
    datapath: DatapathId,
}

impl Trial<'_> {
    fn put(&self, key: &str, actions: &str) -> Option<FlowPut> {
        let matches = key.parse::<crate::Match>().ok()?;
        let actions = Actions::default().parse(actions).ok()?;
        let mut put = FlowPut::new(matches.complete(), actions).with_mode(PutMode::Create);
        put.probe = true;
        Some(put)
    }

    /// True if the kernel takes it. That it may not be asked at all is an error.
    fn flow(&self, key: &str, actions: &str) -> Result<bool, Error> {
        match self.put(key, actions) {
            Some(put) => self.takes(&put),
            None => Ok(false),
        }
    }

    fn takes(&self, put: &FlowPut) -> Result<bool, Error> {
        match self.connection.put_flow(self.datapath, put) {
            Ok(()) => {
                self.connection.flush_flows(self.datapath)?;
                Ok(true)
            }
            Err(error) if error.is_not_permitted() => Err(error),
            Err(Error::Refused { .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// How far it goes, from one on.
    fn depth(&self, make: impl Fn(usize) -> (String, String)) -> Result<usize, Error> {
        for depth in 1..=MOST {
            let (key, actions) = make(depth);
            if !self.flow(&key, &actions)? {
                return Ok(depth - 1);
            }
        }
        Ok(MOST)
    }

    /// A kernel that knows no identifiers does not refuse them, but does not have them either.
    fn ufid(&self) -> Result<bool, Error> {
        let Some(put) = self.put("in_port(1),eth()", "drop") else {
            return Ok(false);
        };
        let put = put.with_ufid(Ufid([1; 16]));
        self.connection.put_flow(self.datapath, &put)?;
        let flows: Result<Vec<_>, Error> = self
            .connection
            .flows(self.datapath, Omit::default())?
            .collect();
        self.connection.flush_flows(self.datapath)?;
        Ok(flows?.iter().any(|flow| flow.ufid == put.ufid))
    }

    fn sets(&self, change: &SetDatapath) -> Result<bool, Error> {
        match self.connection.set_datapath(self.datapath, change) {
            Ok(_) => Ok(true),
            Err(Error::Refused { .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }
}

fn mpls(depth: usize) -> (String, String) {
    let entries: Vec<String> = (1..=depth)
        .map(|n| format!("label={n},tc=0,ttl=64,bos={}", u8::from(n == depth)))
        .collect();
    let key = format!(
        "in_port(1),eth(),eth_type(0x8847),mpls({})",
        entries.join(",")
    );
    (key, "drop".into())
}

fn vlans(depth: usize) -> (String, String) {
    let inside = (0..depth).fold("eth_type(0x0800),ipv4()".to_owned(), |inside, n| {
        let tag = if n + 1 == depth && depth > 1 {
            "0x88a8"
        } else {
            "0x8100"
        };
        format!("eth_type({tag}),vlan(vid=1,pcp=0),encap({inside})")
    });
    (format!("in_port(1),eth(),{inside}"), "drop".into())
}

fn samples(depth: usize) -> (String, String) {
    let inside = (0..depth).fold("userspace(pid=1)".to_owned(), |inside, _| {
        format!("sample(sample=50.0%,actions({inside}))")
    });
    ("in_port(1),eth()".into(), inside)
}

impl Connection {
    /// Finds out what this kernel's datapath can do. It makes a datapath for it, and removes it.
    ///
    /// # Errors
    /// When a datapath cannot be made.
    pub fn probe(&self) -> Result<Support, Error> {
        // Two at a time, in one process or in two, must not meet.
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("odp{}-{}", nix::unistd::getpid(), number % 1000);
        let datapath = self.create_datapath(&NewDatapath::new(name))?;
        let found = self.try_all(&Trial {
            connection: self,
            datapath: datapath.id,
        });
        self.delete_datapath(datapath.id)?;
        found
    }

    fn try_all(&self, trial: &Trial<'_>) -> Result<Support, Error> {
        let mut support = Support::default();
        support.try_flows(trial)?;
        support.ufid = trial.ufid()?;
        support.mpls_depth = trial.depth(mpls)?;
        support.vlan_depth = trial.depth(vlans)?;
        support.sample_depth = trial.depth(samples)?;
        support.masks_cache = trial.sets(&SetDatapath {
            masks_cache_size: Some(256),
            ..SetDatapath::default()
        })?;
        support.per_cpu_upcalls = trial.sets(&SetDatapath {
            features: Some(Features::UNALIGNED.with(Features::PER_CPU_UPCALLS)),
            ..SetDatapath::default()
        })?;
        support.ct_limits = self.has(Family::CtLimit);
        if self.has(Family::Meter) {
            support.meters = Some(self.meter_features(trial.datapath)?);
        }
        Ok(support)
    }
}
