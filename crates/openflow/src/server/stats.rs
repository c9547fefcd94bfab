//! What the switch tells when it is asked about many things.

use super::{Refusal, Switch, covers, outputs_to, uses_group};
use crate::flow::Flow;
use crate::group::Group;
use crate::message::MultipartReply;
use crate::message::multipart::{
    Aggregate, Description, FlowCounters, FlowDesc, FlowQuery, GroupFeatures, GroupStats,
    MultipartRequest, Part, PortStats, TableStats, TableStats10,
};
use crate::port::Port;
use crate::version::Version;

/// How many entries a part of an answer has, so that it stays below the greatest length.
const PER_PART: usize = 20;

impl Switch {
    fn selected(&self, query: &FlowQuery) -> impl Iterator<Item = &Flow> {
        self.tables.flows.values().filter(move |flow| {
            (query.table == 255 || query.table == flow.key.table)
                && (flow.cookie ^ query.cookie) & query.cookie_mask == 0
                && query
                    .out_port
                    .is_none_or(|port| outputs_to(&flow.actions.to_vec(), port))
                && query
                    .out_group
                    .is_none_or(|group| uses_group(&flow.actions.to_vec(), &|id| id == group))
                && covers(&query.matches, &flow.key.matches)
        })
    }

    pub(super) fn statistics(
        &self,
        version: Version,
        request: MultipartRequest,
    ) -> Result<Vec<MultipartReply>, Refusal> {
        let some = |port: Port, number: Port| port == Port::ANY || port == number;
        Ok(match request {
            MultipartRequest::Description => one(Part::Description(Box::new(Description {
                manufacturer: "Heddle".to_owned(),
                hardware: "none".to_owned(),
                software: "openflow".to_owned(),
                serial: "None".to_owned(),
                datapath: "None".to_owned(),
            }))),
            MultipartRequest::Flows(query) => {
                let counters = FlowCounters {
                    duration: Some((0, 0)),
                    packets: Some(0),
                    bytes: Some(0),
                    ..FlowCounters::default()
                };
                let describe = |flow: &Flow| FlowDesc {
                    flow: flow.clone(),
                    counters,
                    hard_age: None,
                };
                split(self.selected(&query).map(describe), |some| {
                    Part::Flows(some.into_iter().collect())
                })
            }
            MultipartRequest::Aggregate(query) => one(Part::Aggregate(Aggregate {
                packets: Some(0),
                bytes: Some(0),
                flows: u32::try_from(self.selected(&query).count()).unwrap_or(u32::MAX),
            })),
            MultipartRequest::Tables => {
                let active = |table: u8| {
                    let flows = self.tables.flows.keys();
                    flows.filter(|key| key.table == table).count() as u32
                };
                let tables = (0..self.limits.tables).map(|table| TableStats {
                    table,
                    active: active(table),
                    old: (version == Version::V10).then(TableStats10::default),
                    ..TableStats::default()
                });
                split(tables, Part::Tables)
            }
            MultipartRequest::Ports(port) => {
                let ports = self.ports.iter().filter(|desc| some(port, desc.number));
                split(ports.cloned(), Part::Ports)
            }
            MultipartRequest::PortStats(port) => {
                let ports = self.ports.iter().filter(|desc| some(port, desc.number));
                let counted = ports.map(|desc| PortStats {
                    port: desc.number,
                    rx_packets: Some(0),
                    tx_packets: Some(0),
                    ..PortStats::default()
                });
                split(counted, Part::PortStats)
            }
            MultipartRequest::Groups(id) => {
                let groups = self.tables.groups.values();
                let asked = groups.filter(|group| id == Group::ALL || id == group.id);
                split(asked.cloned(), Part::Groups)
            }
            MultipartRequest::GroupStats(id) => {
                let groups = self.tables.groups.values();
                let asked = groups.filter(|group| id == Group::ALL || id == group.id);
                let counted = asked.map(|group| GroupStats {
                    id: group.id,
                    packets: Some(0),
                    bytes: Some(0),
                    buckets: vec![(Some(0), Some(0)); group.buckets.len()],
                    ..GroupStats::default()
                });
                split(counted, Part::GroupStats)
            }
            MultipartRequest::GroupFeatures => one(Part::GroupFeatures(GroupFeatures {
                kinds: 0xf,
                ..GroupFeatures::default()
            })),
            // It takes none, so none are there.
            MultipartRequest::Meters(_) => one(Part::Meters(Vec::new())),
            MultipartRequest::Queues(_) => one(Part::Queues(Vec::new())),
            MultipartRequest::QueueStats(_) => one(Part::QueueStats(Vec::new())),
            _ => return Err("OFPBRC_BAD_STAT"),
        })
    }
}

fn one(part: Part) -> Vec<MultipartReply> {
    vec![MultipartReply { more: false, part }]
}

/// Puts entries into as many parts as they need, at least one.
fn split<T>(
    entries: impl Iterator<Item = T>,
    part: impl Fn(Vec<T>) -> Part,
) -> Vec<MultipartReply> {
    let mut out = Vec::new();
    let mut entries = entries.peekable();
    loop {
        let some: Vec<T> = entries.by_ref().take(PER_PART).collect();
        let more = entries.peek().is_some();
        out.push(MultipartReply {
            more,
            part: part(some),
        });
        if !more {
            return out;
        }
    }
}
