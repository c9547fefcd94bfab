//! What the agent does with packets that the switch hands to it: answer, learn, log, and say what
//! came of it. Pure: packets and time in, [`Effect`]s out.
//!
//! What it must not know: sockets, databases, how a packet-in or packet-out is written.
//!
//! Invariants: no packet makes it panic; whatever grows has a bound, an age and a counter; an
//! operation that is not supported is counted, and named in the log once.

mod buffer;
mod dhcp;
mod errors;
mod log;
mod neighbor;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use packet::{Frame, Mac};
use physical::opcode::{Opcode, ResultBit, Userdata};
use physical::tables;

pub use buffer::{BUFFER_AGE, Buffer, MAX_DESTINATIONS, MAX_PACKETS};
use log::RateLimit;

/// Time since a fixed but arbitrary moment, as the shell measures it.
pub type Now = Duration;

/// The pipeline's state that travels with a packet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Metadata {
    /// Tunnel key of the datapath.
    pub datapath: u64,
    /// Registers 0 to 15.
    pub regs: [u32; 16],
}

impl Metadata {
    /// Tunnel key of the logical input port.
    pub fn inport(&self) -> u32 {
        self.regs[usize::from(tables::INPORT)]
    }

    /// Tunnel key of the logical output port.
    pub fn outport(&self) -> u32 {
        self.regs[usize::from(tables::OUTPORT)]
    }

    /// Register 0 as an IPv4 address: next hop or learned address of routers.
    pub fn ipv4(&self) -> Ipv4Addr {
        Ipv4Addr::from(self.regs[0])
    }

    /// Registers 0 to 3 as an IPv6 address.
    pub fn ipv6(&self) -> Ipv6Addr {
        let bits = self.regs[..4]
            .iter()
            .fold(0u128, |n, r| n << 32 | u128::from(*r));
        Ipv6Addr::from(bits)
    }
}

/// A packet that a flow sent to the agent.
#[derive(Clone, Copy, Debug)]
pub struct Input<'a> {
    /// Operation and arguments, as the flow's action holds them.
    pub userdata: &'a [u8],
    /// The Ethernet frame.
    pub packet: &'a [u8],
    /// The pipeline's state.
    pub metadata: Metadata,
    /// The table that the packet came from.
    pub table: u8,
}

/// A neighbour to be written to the Southbound.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Binding {
    /// Tunnel key of the datapath.
    pub datapath: u64,
    /// Tunnel key of the router port that learned it.
    pub port: u32,
    /// The neighbour's address.
    pub ip: IpAddr,
}

/// What a flow's packet-out runs on a packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Actions {
    /// OpenFlow actions as the packet-in's user data holds them.
    Encoded(Vec<u8>),
    /// Go on at a table.
    Resubmit(u8),
}

/// What the shell is to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Give the switch a packet: restore the metadata, then run the actions.
    PacketOut {
        /// The frame.
        packet: Vec<u8>,
        /// Registers to set before the actions run.
        metadata: Metadata,
        /// What to run.
        actions: Actions,
    },
    /// Let the pipeline go on with the packet of this packet-in.
    Resume {
        /// The frame in place of the original one.
        packet: Option<Vec<u8>>,
        /// The bit that says whether there was an answer, and its value.
        result: Option<(ResultBit, bool)>,
    },
    /// Write a neighbour to the Southbound.
    Learn(Binding, Mac),
    /// Write a source address to the Southbound.
    LearnFdb {
        /// Tunnel key of the switch.
        datapath: u64,
        /// Tunnel key of its port.
        port: u32,
        /// The address.
        mac: Mac,
    },
    /// Write a line to the log.
    Log(Module, String),
}

/// Which log module, and how loud.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Module {
    /// `acl_log`, INFO.
    AclLog,
    /// `pinctrl`, INFO.
    Info,
    /// `pinctrl`, WARN.
    Warn,
}

/// How often things happened since the start.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Packets received, by operation.
    pub received: BTreeMap<&'static str, u64>,
    /// Packets whose user data could not be read.
    pub malformed: u64,
    /// Packets that an operation cannot be applied to.
    pub unfit: u64,
    /// Packets of operations that are not supported.
    pub unsupported: u64,
    /// Packets not buffered because of the bounds.
    pub buffer_full: u64,
    /// Buffered packets given up because nobody answered.
    pub buffer_expired: u64,
}

/// The state behind the answers.
#[derive(Debug)]
pub struct Local {
    buffer: Buffer,
    /// Whom the last packet waits for, if it does.
    held: Option<Binding>,
    counters: Counters,
    warnings: RateLimit,
    notices: RateLimit,
}

impl Default for Local {
    fn default() -> Self {
        Self {
            buffer: Buffer::default(),
            held: None,
            counters: Counters::default(),
            warnings: RateLimit::new(1, 5),
            notices: RateLimit::new(20, 40),
        }
    }
}

/// What an operation came to: its effects, or why it does not apply.
type Outcome = Result<Vec<Effect>, String>;

impl Local {
    /// What to do with a packet.
    pub fn handle(&mut self, input: &Input<'_>, now: Now) -> Vec<Effect> {
        let userdata = match Userdata::decode(input.userdata) {
            Ok(userdata) => userdata,
            Err(error) => {
                self.counters.malformed += 1;
                return self.warn(now, error.to_string());
            }
        };
        let opcode = userdata.opcode;
        *self.counters.received.entry(opcode.name()).or_default() += 1;
        let outcome = match Frame::parse(input.packet) {
            Some(frame) => self.dispatch(input, &userdata, &frame, now),
            None => Err("packet is shorter than an Ethernet header".into()),
        };
        outcome.unwrap_or_else(|why| {
            self.counters.unfit += 1;
            self.warn(now, format!("{opcode}: {why}"))
        })
    }

    fn dispatch(
        &mut self,
        input: &Input<'_>,
        userdata: &Userdata,
        frame: &Frame<'_>,
        now: Now,
    ) -> Outcome {
        let (args, metadata) = (&userdata.arguments, input.metadata);
        match userdata.opcode {
            Opcode::Arp => {
                let request = neighbor::arp(frame)?;
                self.hold(metadata.ipv4().into(), input, now);
                Ok(vec![packet_out(request, metadata, args)])
            }
            Opcode::NdNs => {
                let request = neighbor::solicitation(frame)?;
                self.hold(metadata.ipv6().into(), input, now);
                Ok(vec![packet_out(request, metadata, args)])
            }
            Opcode::NdNa => Ok(vec![packet_out(
                neighbor::advertisement(frame, false)?,
                metadata,
                args,
            )]),
            Opcode::NdNaRouter => Ok(vec![packet_out(
                neighbor::advertisement(frame, true)?,
                metadata,
                args,
            )]),
            Opcode::PutArp => Ok(learn(metadata, metadata.ipv4().into(), frame.eth.src)),
            Opcode::PutNd => Ok(learn(metadata, metadata.ipv6().into(), frame.eth.src)),
            Opcode::PutFdb => Ok(vec![Effect::LearnFdb {
                datapath: metadata.datapath,
                port: metadata.inport(),
                mac: frame.eth.src,
            }]),
            Opcode::PutDhcpOpts => {
                let (mut effects, line) = dhcp::answer(frame, args);
                effects.extend(line.into_iter().flat_map(|line| self.limited(now, line)));
                Ok(effects)
            }
            Opcode::Icmp | Opcode::Icmp4Error | Opcode::Icmp6Error => {
                let kind = errors::Kind::of(userdata.opcode);
                Ok(vec![packet_out(
                    errors::icmp(frame, kind, false)?,
                    metadata,
                    args,
                )])
            }
            Opcode::TcpReset => Ok(vec![packet_out(
                errors::tcp_reset(frame, false)?,
                metadata,
                args,
            )]),
            Opcode::Reject => Ok(errors::reject(frame)?
                .map(|packet| packet_out(packet, metadata, args))
                .into_iter()
                .collect()),
            Opcode::Log => Ok(vec![log::acl(frame, args, input.table)?]),
            other => Ok(self.unsupported(other)),
        }
    }

    /// Keeps the packet until its next hop is known.
    fn hold(&mut self, next_hop: IpAddr, input: &Input<'_>, now: Now) {
        let key = Binding {
            datapath: input.metadata.datapath,
            port: input.metadata.outport(),
            ip: next_hop,
        };
        if !self.buffer.push(key, input.packet, input.metadata, now) {
            self.counters.buffer_full += 1;
        }
        self.held = Some(key);
    }

    /// Whom the packet given last waits for; said once. The neighbour may be known already, with the
    /// flow that says so still on its way to the switch: nobody would answer, and nobody would learn.
    pub const fn take_held(&mut self) -> Option<Binding> {
        self.held.take()
    }

    /// The packets that waited for a neighbour, addressed to it; to be called whenever a
    /// MAC_Binding appears or changes.
    pub fn resolved(&mut self, binding: Binding, mac: Mac) -> Vec<Effect> {
        let send = |(mut packet, metadata): (Vec<u8>, Metadata)| {
            if let Some(destination) = packet.get_mut(..6) {
                destination.copy_from_slice(&mac.0);
            }
            let actions = Actions::Resubmit(tables::OUTPUT_LARGE_DETECT);
            Effect::PacketOut {
                packet,
                metadata,
                actions,
            }
        };
        self.buffer.take(binding).map(send).collect()
    }

    /// Gives up packets that have waited too long.
    pub fn expire(&mut self, now: Now) {
        self.counters.buffer_expired += self.buffer.expire(now);
    }

    /// When [`Local::expire`] is to be called next.
    pub fn deadline(&self) -> Option<Now> {
        self.buffer.deadline()
    }

    /// What has been counted so far.
    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    /// Counts from zero again.
    pub fn clear_counters(&mut self) {
        self.counters = Counters::default();
    }

    /// How many next hops packets wait for.
    pub fn waiting(&self) -> usize {
        self.buffer.len()
    }

    /// Names an operation that is not there once; its packets go nowhere, as a dropped packet does.
    fn unsupported(&mut self, opcode: Opcode) -> Vec<Effect> {
        self.counters.unsupported += 1;
        let first = self.counters.received.get(opcode.name()) == Some(&1);
        first
            .then(|| Effect::Log(Module::Info, format!("not supported: opcode {opcode}")))
            .into_iter()
            .collect()
    }

    fn warn(&mut self, now: Now, text: String) -> Vec<Effect> {
        self.limited(now, (Module::Warn, text))
            .into_iter()
            .collect()
    }

    fn limited(&mut self, now: Now, (module, text): (Module, String)) -> Option<Effect> {
        let limit = if module == Module::Warn {
            &mut self.warnings
        } else {
            &mut self.notices
        };
        limit.allow(now).then_some(Effect::Log(module, text))
    }
}

fn packet_out(packet: Vec<u8>, metadata: Metadata, nested: &[u8]) -> Effect {
    Effect::PacketOut {
        packet,
        metadata,
        actions: Actions::Encoded(nested.to_vec()),
    }
}

/// A neighbour is never a group, and never nobody.
fn learn(metadata: Metadata, ip: IpAddr, mac: Mac) -> Vec<Effect> {
    if mac.is_multicast() || mac.is_zero() {
        return Vec::new();
    }
    let key = Binding {
        datapath: metadata.datapath,
        port: metadata.inport(),
        ip,
    };
    vec![Effect::Learn(key, mac)]
}
