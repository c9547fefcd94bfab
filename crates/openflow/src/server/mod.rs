//! A small switch without a socket or a data plane: the other side of [`crate::session`], for tests.
//!
//! It greets, answers echoes, features, configurations, barriers and statistics, keeps flows and groups,
//! and does bundles as a whole or not at all. What it does not know it refuses as a switch would.
//!
//! What it must not know: packets. Nothing is ever forwarded, so that counters stay zero.
//!
//! Invariants: whatever arrives, nothing panics; a refused bundle changes nothing; what it keeps is bounded
//! by [`Limits`].

mod stats;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashMap};

use crate::flow::{Flow, FlowFlags, FlowKey};
use crate::group::Group;
use crate::matching::Match;
use crate::message::{
    BundleControl, BundleControlKind, ErrorMessage, Features, FlowCommand, FlowMod, FlowRemoved,
    GroupCommand, GroupMod, HEADER, Hello, Message, PortDesc, RemovedReason, RoleMessage,
    SwitchConfig, TlvTable,
};
use crate::port::Port;
use crate::version::{Version, Versions};

/// How much a switch keeps.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// How many tables.
    pub tables: u8,
    /// How many flows in all.
    pub flows: usize,
    /// How many groups.
    pub groups: usize,
    /// How many messages in all open bundles.
    pub bundled: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            tables: 254,
            flows: 1 << 20,
            groups: 1 << 16,
            bundled: 1 << 20,
        }
    }
}

/// What a switch keeps that messages change.
#[derive(Debug, Clone, Default)]
struct Tables {
    flows: BTreeMap<FlowKey, Flow>,
    groups: BTreeMap<u32, Group>,
}

#[derive(Debug)]
struct OpenBundle {
    closed: bool,
    messages: Vec<(u32, Vec<u8>, Message)>,
    failed: bool,
}

/// A switch and the one connection to it.
#[derive(Debug)]
pub struct Switch {
    versions: Versions,
    version: Option<Version>,
    limits: Limits,
    features: Features,
    config: SwitchConfig,
    ports: Vec<PortDesc>,
    tables: Tables,
    bundles: HashMap<u32, OpenBundle>,
    input: Vec<u8>,
    output: Vec<u8>,
    closed: bool,
}

/// The name of an error, as [`ErrorMessage::named`] takes it.
type Refusal = &'static str;

impl Switch {
    /// A switch that speaks these versions and has these ports.
    #[must_use]
    pub fn new(versions: Versions, ports: Vec<PortDesc>) -> Self {
        let limits = Limits::default();
        let mut switch = Self {
            versions,
            version: None,
            limits,
            features: Features {
                datapath_id: 0x00ff,
                tables: limits.tables,
                capabilities: 0x4f,
                ..Features::default()
            },
            config: SwitchConfig::default(),
            ports,
            tables: Tables::default(),
            bundles: HashMap::new(),
            input: Vec::new(),
            output: Vec::new(),
            closed: false,
        };
        let newest = versions.iter().next_back().unwrap_or_default();
        switch.say(newest, 0, &Message::Hello(Hello::new(versions)));
        switch
    }

    /// Other limits.
    #[must_use]
    pub fn with_limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self.features.tables = limits.tables;
        self
    }

    /// The flows, in the order of their keys.
    pub fn flows(&self) -> impl Iterator<Item = &Flow> {
        self.tables.flows.values()
    }

    /// The groups, in the order of their numbers.
    pub fn groups(&self) -> impl Iterator<Item = &Group> {
        self.tables.groups.values()
    }

    /// Whether the switch has ended the conversation.
    #[must_use]
    pub const fn is_closed(&self) -> bool {
        self.closed
    }

    /// The bytes to send now, all that there are.
    #[must_use]
    pub fn poll_transmit(&mut self) -> Option<Vec<u8>> {
        if self.output.is_empty() {
            None
        } else {
            Some(std::mem::take(&mut self.output))
        }
    }

    /// Sends something unasked, as a packet is sent to the controller.
    pub fn tell(&mut self, message: &Message) {
        if let Some(version) = self.version {
            self.say(version, 0, message);
        }
    }

    /// Takes what arrived.
    pub fn handle_bytes(&mut self, bytes: &[u8]) {
        if self.closed {
            return;
        }
        let mut input = std::mem::take(&mut self.input);
        input.extend_from_slice(bytes);
        let mut rest = input.as_slice();
        while let Some(header) = rest.first_chunk::<HEADER>() {
            let length = usize::from(u16::from_be_bytes([header[2], header[3]]));
            if length < HEADER || self.closed {
                self.closed = true;
                return;
            }
            let Some((message, tail)) = rest.split_at_checked(length) else {
                break;
            };
            self.handle_message(message);
            rest = tail;
        }
        self.input = rest.to_vec();
    }

    fn say(&mut self, version: Version, xid: u32, message: &Message) {
        // What does not fit into a message is not worth a panic in a test's switch: it says nothing.
        let _ = message.write(&mut self.output, version, xid);
    }

    fn refuse(&mut self, xid: u32, name: Refusal, request: &[u8]) {
        let version = self.version.unwrap_or_default();
        let error = ErrorMessage::named(version, name, request)
            .or_else(|| ErrorMessage::named(version, "OFPBRC_EPERM", request));
        if let Some(error) = error {
            self.say(version, xid, &Message::Error(error));
        }
    }

    fn handle_message(&mut self, bytes: &[u8]) {
        let xid = u32::from_be_bytes([bytes[4], bytes[5], bytes[6], bytes[7]]);
        let decoded = Message::decode(bytes);
        let Some(version) = self.version else {
            return self.greet(bytes, decoded.ok().map(|(_, message)| message));
        };
        if bytes[0] != version.number() {
            return self.refuse(xid, "OFPBRC_BAD_VERSION", bytes);
        }
        let result = match decoded {
            Ok((_, message)) => self.answer(version, xid, message, bytes),
            Err(_) => Err("OFPBRC_BAD_LEN"),
        };
        if let Err(name) = result {
            self.refuse(xid, name, bytes);
        }
    }

    fn greet(&mut self, bytes: &[u8], message: Option<Message>) {
        let agreed = match message {
            Some(Message::Hello(hello)) => hello.agree(bytes[0], self.versions),
            _ => None,
        };
        if agreed.is_none() {
            self.refuse(0, "OFPHFC_INCOMPATIBLE", bytes);
            self.closed = true;
        }
        self.version = agreed;
    }

    fn answer(
        &mut self,
        version: Version,
        xid: u32,
        message: Message,
        bytes: &[u8],
    ) -> Result<(), Refusal> {
        let reply = match message {
            Message::EchoRequest(data) => Message::EchoReply(data),
            Message::FeaturesRequest => {
                let mut features = self.features.clone();
                if version == Version::V10 {
                    features.ports.clone_from(&self.ports);
                }
                Message::Features(features)
            }
            Message::GetConfigRequest => Message::Config(self.config),
            Message::BarrierRequest => Message::BarrierReply,
            Message::RoleRequest(role) => Message::RoleReply(RoleMessage {
                short_id: 0,
                ..role
            }),
            Message::TlvTableRequest => Message::TlvTable(TlvTable {
                max_space: 256,
                max_fields: 64,
                maps: Vec::new(),
            }),
            Message::MultipartRequest(request) => {
                for part in self.statistics(version, request)? {
                    self.say(version, xid, &Message::MultipartReply(part));
                }
                return Ok(());
            }
            Message::BundleControl(control) => {
                Message::BundleControl(self.bundle_step(version, control)?)
            }
            Message::BundleAdd(add) => return self.bundle_add(xid, add.id, &add.message),
            Message::SetConfig(config) => {
                self.config = config;
                return Ok(());
            }
            // These change nothing that anybody could see.
            Message::Hello(_)
            | Message::EchoReply(_)
            | Message::Error(_)
            | Message::PacketOut(_)
            | Message::SetFlowFormat(_)
            | Message::FlowModTableId(_)
            | Message::SetPacketInFormat(_)
            | Message::SetControllerId(_)
            | Message::SetAsyncConfig(_)
            | Message::CtFlush(_)
            | Message::CtFlushZone(_) => return Ok(()),
            message => {
                let removed = self.tables.change(&self.limits, &message)?;
                for gone in removed {
                    self.say(version, 0, &Message::FlowRemoved(gone));
                }
                return Ok(());
            }
        };
        let _ = bytes;
        self.say(version, xid, &reply);
        Ok(())
    }

    fn bundle_step(
        &mut self,
        version: Version,
        control: BundleControl,
    ) -> Result<BundleControl, Refusal> {
        use BundleControlKind as Kind;
        let kind = match control.kind {
            Kind::OpenRequest => {
                if self.bundles.contains_key(&control.id) {
                    return Err("OFPBFC_BAD_ID");
                }
                let bundle = OpenBundle {
                    closed: false,
                    messages: Vec::new(),
                    failed: false,
                };
                self.bundles.insert(control.id, bundle);
                Kind::OpenReply
            }
            Kind::CloseRequest => {
                let bundle = self.bundles.get_mut(&control.id).ok_or("OFPBFC_BAD_ID")?;
                if std::mem::replace(&mut bundle.closed, true) {
                    return Err("OFPBFC_BUNDLE_CLOSED");
                }
                Kind::CloseReply
            }
            Kind::CommitRequest => {
                let bundle = self.bundles.remove(&control.id).ok_or("OFPBFC_BAD_ID")?;
                self.commit(version, bundle)?;
                Kind::CommitReply
            }
            Kind::DiscardRequest => {
                self.bundles.remove(&control.id).ok_or("OFPBFC_BAD_ID")?;
                Kind::DiscardReply
            }
            _ => return Err("OFPBFC_BAD_TYPE"),
        };
        Ok(BundleControl { kind, ..control })
    }

    fn bundle_add(&mut self, xid: u32, id: u32, bytes: &[u8]) -> Result<(), Refusal> {
        let held: usize = self.bundles.values().map(|b| b.messages.len()).sum();
        let bundle = self.bundles.get_mut(&id).ok_or("OFPBFC_BAD_ID")?;
        let fail = |bundle: &mut OpenBundle, name| {
            bundle.failed = true;
            Err(name)
        };
        if bundle.closed {
            return fail(bundle, "OFPBFC_BUNDLE_CLOSED");
        }
        if held >= self.limits.bundled {
            return fail(bundle, "OFPBFC_MSG_TOO_MANY");
        }
        match Message::decode(bytes) {
            Ok((inner, _)) if inner != xid => fail(bundle, "OFPBFC_MSG_BAD_XID"),
            Ok((_, Message::FlowMod(change))) if change.flow.key.matches.check().is_err() => {
                fail(bundle, "OFPBMC_BAD_PREREQ")
            }
            Ok((_, message @ (Message::FlowMod(_) | Message::GroupMod(_)))) => {
                bundle.messages.push((xid, bytes.to_vec(), message));
                Ok(())
            }
            Ok(_) => fail(bundle, "OFPBFC_MSG_UNSUP"),
            Err(_) => fail(bundle, "OFPBFC_MSG_BAD_LEN"),
        }
    }

    /// Does all of a bundle, or nothing.
    fn commit(&mut self, version: Version, bundle: OpenBundle) -> Result<(), Refusal> {
        if bundle.failed {
            return Err("OFPBFC_MSG_FAILED");
        }
        let mut next = self.tables.clone();
        let mut removed = Vec::new();
        for (xid, bytes, message) in &bundle.messages {
            match next.change(&self.limits, message) {
                Ok(gone) => removed.extend(gone),
                Err(name) => {
                    self.refuse(*xid, name, bytes);
                    return Err("OFPBFC_MSG_FAILED");
                }
            }
        }
        self.tables = next;
        for gone in removed {
            self.say(version, 0, &Message::FlowRemoved(gone));
        }
        Ok(())
    }
}

impl Tables {
    /// Does what a message says; what went that somebody wants to know of.
    fn change(&mut self, limits: &Limits, message: &Message) -> Result<Vec<FlowRemoved>, Refusal> {
        match message {
            Message::FlowMod(change) => self.change_flows(limits, change),
            Message::GroupMod(change) => self.change_group(limits, change),
            _ => Err("OFPBRC_BAD_TYPE"),
        }
    }

    fn change_flows(
        &mut self,
        limits: &Limits,
        change: &FlowMod,
    ) -> Result<Vec<FlowRemoved>, Refusal> {
        let flow = &change.flow;
        let all = flow.key.table == FlowMod::ALL_TABLES;
        let deletes = matches!(
            change.command,
            FlowCommand::Delete | FlowCommand::DeleteStrict
        );
        if !(flow.key.table < limits.tables || all && deletes) {
            return Err("OFPFMFC_BAD_TABLE_ID");
        }
        if flow.key.matches.check().is_err() {
            return Err("OFPBMC_BAD_PREREQ");
        }
        if !deletes {
            self.check_actions(&flow.actions.to_vec())?;
        }
        match change.command {
            FlowCommand::Add => {
                if flow.flags.contains(FlowFlags::CHECK_OVERLAP) && self.overlaps(flow) {
                    return Err("OFPFMFC_OVERLAP");
                }
                if self.flows.len() >= limits.flows && !self.flows.contains_key(&flow.key) {
                    return Err("OFPFMFC_TABLE_FULL");
                }
                self.flows.insert(flow.key.clone(), flow.clone());
                Ok(Vec::new())
            }
            FlowCommand::Modify | FlowCommand::ModifyStrict => {
                let strict = change.command == FlowCommand::ModifyStrict;
                for held in self.flows.values_mut() {
                    if meant(change, held, strict) {
                        held.actions.clone_from(&flow.actions);
                    }
                }
                Ok(Vec::new())
            }
            FlowCommand::Delete | FlowCommand::DeleteStrict => {
                let strict = change.command == FlowCommand::DeleteStrict;
                let mut gone = Vec::new();
                self.flows.retain(|_, held| {
                    let goes = meant(change, held, strict);
                    if goes && held.flags.contains(FlowFlags::SEND_FLOW_REM) {
                        gone.push(farewell(held, RemovedReason::Delete));
                    }
                    !goes
                });
                Ok(gone)
            }
        }
    }

    /// Whether a flow of the same table and priority could match the same packet.
    fn overlaps(&self, flow: &Flow) -> bool {
        self.flows.values().any(|held| {
            let same = (held.key.table, held.key.priority) == (flow.key.table, flow.key.priority);
            let apart = held.key.matches.fields().any(|ours| {
                flow.key.matches.get(ours.field()).is_some_and(|theirs| {
                    let both = ours.mask() & theirs.mask();
                    ours.value() & both != theirs.value() & both
                })
            });
            same && held.key != flow.key && !apart
        })
    }

    fn check_actions(&self, actions: &[crate::Action]) -> Result<(), Refusal> {
        use crate::Action;
        for action in actions {
            match action {
                Action::Group(id) if !self.groups.contains_key(id) => {
                    return Err("OFPBAC_BAD_OUT_GROUP");
                }
                Action::Output {
                    port: Port::ANY | Port::UNSET,
                    ..
                } => return Err("OFPBAC_BAD_OUT_PORT"),
                Action::Unknown(_) => return Err("OFPBAC_BAD_TYPE"),
                Action::Clone(inner) | Action::WriteActions(inner) => self.check_actions(inner)?,
                _ => {}
            }
        }
        Ok(())
    }

    fn change_group(
        &mut self,
        limits: &Limits,
        change: &GroupMod,
    ) -> Result<Vec<FlowRemoved>, Refusal> {
        let group = &change.group;
        let there = self.groups.contains_key(&group.id);
        match change.command {
            GroupCommand::Add if there => return Err("OFPGMFC_GROUP_EXISTS"),
            GroupCommand::Modify | GroupCommand::InsertBucket | GroupCommand::RemoveBucket
                if !there =>
            {
                return Err("OFPGMFC_UNKNOWN_GROUP");
            }
            GroupCommand::Add | GroupCommand::Modify | GroupCommand::AddOrModify => {
                if !there && self.groups.len() >= limits.groups {
                    return Err("OFPGMFC_OUT_OF_GROUPS");
                }
                self.groups.insert(group.id, group.clone());
            }
            GroupCommand::Delete => {
                let all = group.id == Group::ALL;
                let goes = |id: u32| all || id == group.id;
                self.groups.retain(|id, _| !goes(*id));
                let mut gone = Vec::new();
                self.flows.retain(|_, held| {
                    let uses = uses_group(&held.actions.to_vec(), &goes);
                    if uses && held.flags.contains(FlowFlags::SEND_FLOW_REM) {
                        gone.push(farewell(held, RemovedReason::GroupDelete));
                    }
                    !uses
                });
                return Ok(gone);
            }
            GroupCommand::InsertBucket => {
                if let Some(held) = self.groups.get_mut(&group.id) {
                    held.buckets.extend(group.buckets.iter().cloned());
                }
            }
            GroupCommand::RemoveBucket => {
                if let Some(held) = self.groups.get_mut(&group.id) {
                    let all = change.bucket == GroupMod::ALL_BUCKETS;
                    held.buckets
                        .retain(|bucket| !all && bucket.id != change.bucket);
                }
            }
        }
        Ok(Vec::new())
    }
}

fn farewell(flow: &Flow, reason: RemovedReason) -> FlowRemoved {
    FlowRemoved {
        key: flow.key.clone(),
        cookie: flow.cookie,
        reason,
        idle_timeout: flow.idle_timeout,
        hard_timeout: flow.hard_timeout,
        ..FlowRemoved::default()
    }
}

fn uses_group(actions: &[crate::Action], goes: &impl Fn(u32) -> bool) -> bool {
    use crate::Action;
    actions.iter().any(|action| match action {
        Action::Group(id) => goes(*id),
        Action::Clone(inner) | Action::WriteActions(inner) => uses_group(inner, goes),
        _ => false,
    })
}

fn outputs_to(actions: &[crate::Action], port: Port) -> bool {
    use crate::Action;
    actions.iter().any(|action| match action {
        Action::Output { port: to, .. } | Action::OutputTrunc { port: to, .. } => *to == port,
        Action::Clone(inner) | Action::WriteActions(inner) => outputs_to(inner, port),
        _ => false,
    })
}

/// Whether every packet that `narrow` matches is matched by `wide`.
fn covers(wide: &Match, narrow: &Match) -> bool {
    wide.fields().all(|condition| {
        narrow.get(condition.field()).is_some_and(|held| {
            held.mask() & condition.mask() == condition.mask()
                && held.value() & condition.mask() == condition.value()
        })
    }) && wide
        .opaque()
        .all(|bytes| narrow.opaque().any(|held| held == bytes))
}

/// Whether a change means a flow.
fn meant(change: &FlowMod, held: &Flow, strict: bool) -> bool {
    let key = &change.flow.key;
    let table = key.table == FlowMod::ALL_TABLES || key.table == held.key.table;
    let cookie = (held.cookie ^ change.flow.cookie) & change.cookie_mask == 0;
    let matches = if strict {
        key.priority == held.key.priority && key.matches == held.key.matches
    } else {
        covers(&key.matches, &held.key.matches)
    };
    let port = change
        .out_port
        .is_none_or(|port| outputs_to(&held.actions.to_vec(), port));
    let group = change
        .out_group
        .is_none_or(|group| uses_group(&held.actions.to_vec(), &|id| id == group));
    table && cookie && matches && port && group
}
