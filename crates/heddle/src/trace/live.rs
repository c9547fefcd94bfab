//! `--live`: sends one real packet into a real switch, and tells from counters which flows it hit and where it came out.
//!
//! The packet goes in as if its port had sent it: a packet-out with that port as input and the first table as output.
//! It is marked by its length, which nothing matches: a flow that counted one packet more and just so many bytes more
//! was hit by it. Nothing is added to a switch, changed there or taken away, so other traffic is not disturbed; what
//! it adds to counters meanwhile is told apart by the bytes, and where it cannot be, that is said.
//!
//! Invariant: what is reported as hit was counted by a switch. What no switch was named for is not guessed.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, bail};
use openflow::message::multipart::FlowDesc;
use openflow::message::{Message, PacketOut};
use openflow::{Action, Field, FlowKey, Match, Port};
use pipeline::{ChassisId, End, Fields, Filling, Network, Payload, PortId, Trace};

use super::switches::{Switches, cookie};

/// OpenFlow tables: from ports into the pipelines, and from there to ports.
const FROM_PORTS: u8 = 0;
const TO_PORTS: u8 = 65;

/// A switch takes over what its datapath has counted at least this often.
const SETTLED: Duration = Duration::from_millis(1300);
/// No longer than this is waited for a flow to be hit.
const PATIENCE: Duration = Duration::from_secs(4);
const PAUSE: Duration = Duration::from_millis(150);

/// What marks a packet.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Mark {
    filling: Filling,
}

impl Mark {
    /// A length and a number that hardly anybody else uses at this time.
    pub(crate) fn new() -> Self {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let seed = now.map_or(1, |it| it.as_nanos() as u64) ^ u64::from(std::process::id()) << 32;
        // Mixes the bits (the finalizer of MurmurHash3).
        let mut mixed = seed;
        for factor in [0xff51_afd7_ed55_8ccd, 0xc4ce_b9fe_1a85_ec53_u64] {
            mixed = (mixed ^ mixed >> 33).wrapping_mul(factor);
        }
        Self {
            filling: Filling {
                length: 360 + (mixed >> 16) as usize % 900,
                number: (mixed >> 32) as u32,
            },
        }
    }

    /// A source port that no connection of the machine is likely to have.
    pub(crate) fn source_port(self) -> u16 {
        49_152 | (self.filling.number >> 8) as u16 & 0x3fff
    }
}

/// A flow that counted more than before.
pub(crate) struct Hit {
    pub(crate) chassis: Option<ChassisId>,
    pub(crate) packets: u64,
    pub(crate) bytes: u64,
    /// Whether all of it was the packet that was sent, or answers of the same length.
    pub(crate) is_ours: bool,
    pub(crate) flow: FlowDesc,
}

/// What came of it.
pub(crate) struct Outcome {
    /// The length of the packet.
    pub(crate) length: usize,
    /// What counted, switch by switch, table by table.
    pub(crate) hits: Vec<Hit>,
    /// The ports that it, or an answer, came out of.
    pub(crate) out: BTreeSet<PortId>,
    /// Flows that the interpreter expects to be hit, and whether they were: none where no such flow exists there.
    pub(crate) expected: Vec<Expected>,
    /// Chassis on its way of which no switch was named.
    pub(crate) unseen: BTreeSet<ChassisId>,
    /// Why switch and interpreter disagree; empty when they agree.
    pub(crate) differences: Vec<String>,
}

/// A logical flow that the interpreter expects to be hit.
pub(crate) struct Expected {
    pub(crate) flow: pipeline::FlowId,
    pub(crate) chassis: Option<ChassisId>,
    pub(crate) was_hit: Option<bool>,
}

/// A packet, and what the interpreter says of it.
pub(crate) struct Sent<'a> {
    pub(crate) network: &'a Network,
    pub(crate) switches: &'a Switches,
    pub(crate) packet: &'a Fields,
    pub(crate) payload: &'a Payload,
    pub(crate) trace: &'a Trace,
    pub(crate) mark: Mark,
}

type Dump = HashMap<Option<ChassisId>, Vec<FlowDesc>>;
type Counts = HashMap<(Option<ChassisId>, FlowKey), (u64, u64)>;

impl Sent<'_> {
    /// Sends it, waits until the switches have counted it, and compares.
    pub(crate) async fn follow(&self) -> anyhow::Result<Outcome> {
        let inport = &self.network[self.trace.inport];
        let name = &inport.logical_name;
        let Some(switch) = self.switches.of(inport.place) else {
            let chassis = inport.chassis.as_deref().unwrap_or("CHASSIS");
            bail!("port {name} is on {chassis}: name its switch with --switch {chassis}=REMOTE");
        };
        let bytes = pipeline::to_bytes(self.packet, self.payload, self.mark.filling);
        let bytes =
            bytes.context("no frame means this packet: its fields contradict each other")?;
        let length = bytes.len();
        let before = self.switches.dump().await?;
        let port = self.openflow_port(&before)?;
        let out = PacketOut {
            metadata: Match::new().in_port(port),
            ..PacketOut::new(bytes, vec![Action::output(Port::TABLE)])
        };
        let counts = counts(&before);
        let sent = switch.handle.send(Message::PacketOut(out)).await;
        sent.and(switch.handle.barrier().await)
            .with_context(|| format!("{}: the packet", switch.name))?;
        let start = tokio::time::Instant::now();
        loop {
            tokio::time::sleep(PAUSE).await;
            let after = self.switches.dump().await?;
            let outcome = self.compare(length, &counts, after);
            let waited = start.elapsed();
            let is_complete = outcome.differences.is_empty() && waited >= SETTLED;
            if is_complete || waited >= PATIENCE {
                return Ok(outcome);
            }
        }
    }

    /// The number of the input port on its switch, by the flow that takes in what comes from it.
    fn openflow_port(&self, dump: &Dump) -> anyhow::Result<Port> {
        let inport = &self.network[self.trace.inport];
        let name = &inport.logical_name;
        let of_switch = dump.get(&inport.place).or_else(|| dump.get(&None));
        let wanted = cookie(inport.uuid);
        let mut flows = of_switch
            .into_iter()
            .flatten()
            .map(|it| &it.flow)
            .filter(|it| it.key.table == FROM_PORTS && it.cookie == wanted);
        let Some(flow) = flows.next() else {
            bail!("the switch takes in nothing from port {name}: is it plugged in there?");
        };
        if flow.key.matches.get(Field::VlanTci).is_some()
            || flow.key.matches.get(Field::VlanVid).is_some()
        {
            bail!("not supported: --live from port {name}, which is told from others by a VLAN");
        }
        let number = flow.key.matches.exact(Field::InPortOxm);
        let number = number.and_then(|it| u32::try_from(it).ok());
        Ok(Port(number.with_context(|| {
            format!("the flow that takes in what comes from {name} names no port")
        })?))
    }

    fn compare(&self, length: usize, before: &Counts, after: Dump) -> Outcome {
        let mut cookies: HashMap<(Option<ChassisId>, u64), bool> = HashMap::new();
        let mut hits = Vec::new();
        for (chassis, flows) in after {
            for flow in flows {
                let key = (chassis, flow.flow.key.clone());
                let (packets, bytes) = counted(&flow);
                // A flow that is new, or was made anew, counts from zero.
                let old = before.get(&key).filter(|it| it.0 <= packets);
                let (old_packets, old_bytes) = old.copied().unwrap_or_default();
                let (packets, bytes) = (packets - old_packets, bytes.saturating_sub(old_bytes));
                let was_hit = cookies.entry((chassis, flow.flow.cookie)).or_default();
                *was_hit |= packets > 0;
                if packets > 0 {
                    hits.push(Hit {
                        chassis,
                        packets,
                        bytes,
                        is_ours: bytes == packets * length as u64,
                        flow,
                    });
                }
            }
        }
        hits.sort_by_key(|it| {
            let key = &it.flow.flow.key;
            (it.chassis, key.table, std::cmp::Reverse(key.priority))
        });
        let mut outcome = Outcome {
            length,
            out: self.came_out(&hits),
            hits,
            expected: Vec::new(),
            unseen: BTreeSet::new(),
            differences: Vec::new(),
        };
        self.expect(&cookies, &mut outcome);
        self.judge(&mut outcome);
        outcome
    }

    /// The ports, other than those between datapaths, that something came out of.
    fn came_out(&self, hits: &[Hit]) -> BTreeSet<PortId> {
        let last = hits.iter().filter(|it| it.flow.flow.key.table == TO_PORTS);
        let by_cookie: HashMap<u64, PortId> = self
            .network
            .ports()
            .filter(|it| it.1.peer.is_none())
            .map(|it| (cookie(it.1.uuid), it.0))
            .collect();
        last.filter_map(|it| by_cookie.get(&it.flow.flow.cookie).copied())
            .collect()
    }

    fn expect(&self, hit: &HashMap<(Option<ChassisId>, u64), bool>, outcome: &mut Outcome) {
        for (flow, place) in self.trace.matched() {
            let seat = hit.keys().any(|it| it.0 == place);
            let chassis = if seat { place } else { None };
            if self.switches.of(place).is_none() {
                outcome.unseen.extend(place);
                continue;
            }
            let key = (chassis, cookie(self.network[flow].uuid));
            outcome.expected.push(Expected {
                flow,
                chassis: place,
                was_hit: hit.get(&key).copied(),
            });
        }
    }

    fn judge(&self, outcome: &mut Outcome) {
        let network = self.network;
        let name = |chassis: Option<ChassisId>| {
            chassis.map_or("the switch", |it| network[it].name.as_str())
        };
        let missed = outcome
            .expected
            .iter()
            .filter(|it| it.was_hit == Some(false));
        // What comes behind the first one says nothing more.
        if let Some(first) = missed.clone().next() {
            let flow = &network[first.flow];
            outcome.differences.push(format!(
                "{} of {} flows of its way were not hit, the first on {}: {} priority {} `{}`",
                missed.count(),
                outcome.expected.len(),
                name(first.chassis),
                flow.stage.as_deref().unwrap_or("(no stage)"),
                flow.priority,
                flow.matches
            ));
        }
        let mut ends = BTreeMap::new();
        for end in &self.trace.ends {
            if let End::Delivered { port, place, .. } = end {
                ends.insert(*port, *place);
            }
        }
        for (port, place) in &ends {
            if self.switches.of(*place).is_some() && !outcome.out.contains(port) {
                let text = format!("it did not come out at {}", network[*port].name);
                outcome.differences.push(text);
            }
        }
        let inport = self.trace.inport;
        for port in &outcome.out {
            // Whoever has got it may answer to whoever has sent it.
            let is_answer = *port == inport && !ends.is_empty();
            let ours = |it: &&Hit| it.is_ours && it.flow.flow.cookie == cookie(network[*port].uuid);
            let certain = outcome.hits.iter().find(ours).is_some();
            if !ends.contains_key(port) && !is_answer && certain {
                let text = format!("it came out at {} as well", network[*port].name);
                outcome.differences.push(text);
            }
        }
    }
}

fn counted(flow: &FlowDesc) -> (u64, u64) {
    let counters = &flow.counters;
    (
        counters.packets.unwrap_or_default(),
        counters.bytes.unwrap_or_default(),
    )
}

fn counts(dump: &Dump) -> Counts {
    let flows = dump
        .iter()
        .flat_map(|(chassis, flows)| flows.iter().map(|flow| (*chassis, flow)));
    flows
        .map(|(chassis, flow)| ((chassis, flow.flow.key.clone()), counted(flow)))
        .collect()
}

impl Outcome {
    /// In one sentence for people, and why if it is not as the interpreter says.
    pub(crate) fn sentence(&self, network: &Network, inport: PortId) -> String {
        let is_answer = |port: &&PortId| self.out.len() > 1 && **port == inport;
        let names: Vec<String> = self
            .out
            .iter()
            .filter(|port| !is_answer(port))
            .map(|port| {
                let port = &network[*port];
                match &port.chassis {
                    Some(chassis) => format!("{} on {chassis}", port.name),
                    None => port.name.to_string(),
                }
            })
            .collect();
        let mut text = if names.is_empty() {
            "live: it came out nowhere".to_owned()
        } else {
            format!("live: it came out at {}", names.join(", "))
        };
        if self.differences.is_empty() {
            text.push_str(", as expected\n");
        } else {
            text.push_str(", which is not as expected\n");
        }
        for difference in &self.differences {
            text.push_str(&format!("  {difference}\n"));
        }
        for chassis in &self.unseen {
            let name = &network[*chassis].name;
            text.push_str(&format!(
                "  {name} was not looked at: name its switch with --switch {name}=REMOTE\n"
            ));
        }
        text
    }

    /// The flows that counted, one a line.
    pub(crate) fn lines(&self, network: &Network) -> String {
        let mut text = format!(
            "# flows that counted (the packet has {} bytes)\n",
            self.length
        );
        for hit in &self.hits {
            let chassis = hit.chassis.map_or("switch", |it| network[it].name.as_str());
            let whose = if hit.is_ours { "" } else { " with others" };
            let flow = hit.flow.to_string();
            text.push_str(&format!("{chassis} +{}{whose}: {flow}\n", hit.packets));
        }
        text
    }
}
