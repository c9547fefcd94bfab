//! The monitors of one database, those with the same [`Spec`] together.
//!
//! Invariant: a monitor is in exactly one group, and hears of every commit after the state that it was shown.

use std::collections::BTreeMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;

use bytes::Bytes;
use indexmap::IndexMap;
use rustc_hash::{FxBuildHasher, FxHashMap, FxHashSet};
use serde_json::Value;

use super::interest::{Group, Interest};
use super::monitor::{Shown, Spec, Version};
use super::update::Sight;
use super::views::Views;
use super::{DatabaseId, Limits, Server, SessionId, update};
use crate::database::Commit;
use crate::{Database, Error, Uuid, json};

/// A monitor: whose, and under which id (as JSON text).
pub(crate) type Member = (SessionId, Arc<str>);

#[derive(Debug, Default)]
pub(crate) struct Monitors {
    members: IndexMap<Member, Group, FxBuildHasher>,
    /// In the order in which they began.
    groups: BTreeMap<Group, (Arc<Spec>, Vec<Member>)>,
    numbers: FxHashMap<Arc<Spec>, Group>,
    last: Group,
    interest: Interest,
    /// Equal ones are one, so that they are compared quickly.
    shown: FxHashSet<Arc<Shown>>,
    views: Views,
}

impl Monitors {
    fn find(&self, session: SessionId, id: &str) -> Option<&Arc<Spec>> {
        let group = self.members.get(&(session, Arc::from(id)))?;
        self.groups.get(group).map(|(spec, _)| spec)
    }

    /// Makes what is equal to something known the same.
    fn share(&mut self, spec: &mut Spec) {
        for of in &mut spec.tables {
            if let Some(known) = self.shown.get(&of.shown) {
                of.shown = Arc::clone(known);
            } else {
                self.shown.insert(Arc::clone(&of.shown));
            }
        }
    }

    fn insert(&mut self, member: Member, spec: Spec) {
        let group = self.numbers.get(&spec).copied().unwrap_or_else(|| {
            self.last += 1;
            self.interest.insert(self.last, &spec);
            let spec = Arc::new(spec);
            self.numbers.insert(Arc::clone(&spec), self.last);
            self.groups.insert(self.last, (spec, Vec::new()));
            self.last
        });
        if let Some((_, members)) = self.groups.get_mut(&group) {
            members.push(member.clone());
        }
        self.members.insert(member, group);
    }

    fn remove(&mut self, member: &Member) -> bool {
        let Some(group) = self.members.swap_remove(member) else {
            return false;
        };
        if let Some((_, members)) = self.groups.get_mut(&group) {
            members.retain(|other| other != member);
            if members.is_empty() {
                self.end(group);
            }
        }
        true
    }

    fn end(&mut self, group: Group) {
        if let Some((spec, _)) = self.groups.remove(&group) {
            self.numbers.remove(&spec);
            self.interest.remove(group, &spec);
        }
        // Nobody else has one that only the set has.
        self.shown.retain(|shown| Arc::strong_count(shown) > 1);
    }

    /// What the monitors must hear of a commit: each text with the groups that it is for, in their order.
    fn news(&self, db: &Database, commit: &Commit) -> Vec<(&Spec, Bytes, &[Member])> {
        let changes = update::with_tables(db, &commit.changes);
        let mut concerned = FxHashSet::default();
        for (table, change) in &changes {
            let Some(table) = table else { continue };
            let rows = [change.old.as_deref(), change.new.as_deref()];
            self.interest
                .concerned(*table, change.uuid, rows, &mut concerned);
        }
        let mut concerned: Vec<Group> = concerned.into_iter().collect();
        concerned.sort_unstable();
        let mut texts: FxHashMap<Sight, Option<Bytes>> = FxHashMap::default();
        let mut news = Vec::new();
        for group in concerned {
            let Some((spec, members)) = self.groups.get(&group) else {
                continue;
            };
            let text = match texts.entry(Sight::of(spec, &changes)) {
                Entry::Occupied(entry) => entry.into_mut(),
                Entry::Vacant(entry) => {
                    let text = entry.key().write(db, &changes).map(Bytes::from);
                    entry.insert(text)
                }
            };
            if let Some(text) = text {
                news.push((&**spec, text.clone(), members.as_slice()));
            }
        }
        news
    }

    /// Whether the session has a monitor of this id.
    pub(crate) fn has(&self, session: SessionId, id: Option<&Value>) -> bool {
        id.is_some_and(|id| self.find(session, &id.to_string()).is_some())
    }

    /// Whose they are, and their ids.
    pub(crate) fn into_members(self) -> impl Iterator<Item = Member> {
        self.members.into_keys()
    }

    pub(crate) fn forget(&mut self, session: SessionId) {
        let own = self
            .members
            .keys()
            .filter(|member| member.0 == session)
            .cloned();
        for member in own.collect::<Vec<_>>() {
            self.remove(&member);
        }
    }
}

impl Server {
    /// Queues what the monitors of a database must hear of a commit that is durable.
    pub(super) fn publish(&mut self, id: DatabaseId, commit: &Commit) {
        let hosted = &self.databases[id.0];
        let mut messages = Vec::new();
        for (spec, text, members) in hosted.monitors.news(&hosted.database, commit) {
            for (session, monitor) in members {
                let parts = update_message(spec.version, monitor, commit.id, text.clone());
                messages.push((*session, parts));
            }
        }
        for (session, parts) in messages {
            self.send_parts(session, parts);
        }
    }

    /// Begins a monitor; gives the text of the reply's result, in pieces.
    pub(super) fn begin_monitor(
        &mut self,
        session: SessionId,
        database: DatabaseId,
        version: Version,
        params: &[Value],
    ) -> Result<Vec<Bytes>, Error> {
        let (id, requests, last) = match (version, params) {
            (Version::V1 | Version::V2, [_, id, requests]) => (id, requests, None),
            (Version::V3, [_, id, requests, last]) => (id, requests, Some(parse_id(last)?)),
            (Version::V3, [_, id, requests]) => (id, requests, None),
            _ => return Err(Error::syntax("invalid parameters")),
        };
        let member: Member = (session, id.to_string().into());
        self.check_new_monitor(&member, self.limits)?;
        let hosted = &mut self.databases[database.0];
        let mut spec = Spec::decode(hosted.database.schema(), version, requests)?;
        hosted.monitors.share(&mut spec);
        mark(&mut hosted.database, &spec);
        let db = &hosted.database;
        let missed = last.and_then(|last| db.since(last)).map(update::merge);
        let found = missed.is_some();
        let mut shown = match &missed {
            Some(missed) => {
                let text = update::changes(db, &spec, missed);
                vec![text.unwrap_or_else(|| b"{}".to_vec()).into()]
            }
            None => update::initial(db, &spec, &mut hosted.monitors.views),
        };
        if version == Version::V3 {
            shown.insert(0, format!("[{found},\"{}\",", db.last_id()).into());
            shown.push(Bytes::from_static(b"]"));
        }
        hosted.monitors.insert(member, spec);
        if let Some(session) = self.sessions.get_mut(&session) {
            session.monitors += 1;
        }
        Ok(shown)
    }

    fn check_new_monitor(&self, member: &Member, limits: Limits) -> Result<(), Error> {
        if self.database_of_monitor(member.0, &member.1).is_some() {
            return Err(Error::syntax("duplicate monitor ID"));
        }
        if self
            .sessions
            .get(&member.0)
            .is_some_and(|s| s.monitors >= limits.monitors)
        {
            return Err(Error::syntax(format!(
                "more than {} monitors",
                limits.monitors
            )));
        }
        Ok(())
    }

    fn database_of_monitor(&self, session: SessionId, id: &str) -> Option<DatabaseId> {
        let found = self
            .databases
            .iter()
            .position(|h| h.monitors.find(session, id).is_some());
        found.map(DatabaseId)
    }

    /// Changes the conditions of a monitor. What it shows from now on more or less is sent before the reply.
    pub(super) fn change_monitor(
        &mut self,
        session: SessionId,
        params: &[Value],
    ) -> Result<(), Error> {
        let [old_id, new_id, requests] = params else {
            return Err(Error::syntax("invalid parameters"));
        };
        let old_member: Member = (session, old_id.to_string().into());
        let new_member: Member = (session, new_id.to_string().into());
        let database = self
            .database_of_monitor(session, &old_member.1)
            .ok_or_else(|| Error::syntax("unknown monitor session").about(old_id))?;
        if old_member != new_member && self.database_of_monitor(session, &new_member.1).is_some() {
            return Err(Error::syntax("duplicate monitor ID").about(new_id));
        }
        let hosted = &mut self.databases[database.0];
        let Some(old) = hosted.monitors.find(session, &old_member.1).cloned() else {
            return Err(Error::syntax("unknown monitor session").about(old_id));
        };
        let new = old.with_conditions(hosted.database.schema(), requests)?;
        mark(&mut hosted.database, &new);
        let db = &hosted.database;
        let difference = update::condition_change(db, &old, &new);
        let (version, last_id) = (new.version, db.last_id());
        hosted.monitors.remove(&old_member);
        hosted.monitors.insert(new_member.clone(), new);
        if let Some(text) = difference {
            let parts = update_message(version, &new_member.1, last_id, text.into());
            self.send_parts(session, parts);
        }
        Ok(())
    }

    /// Ends a monitor.
    pub(super) fn end_monitor(
        &mut self,
        session: SessionId,
        params: &[Value],
    ) -> Result<(), Error> {
        let [id] = params else {
            return Err(Error::syntax("invalid parameters"));
        };
        let member: Member = (session, id.to_string().into());
        if !self
            .databases
            .iter_mut()
            .any(|hosted| hosted.monitors.remove(&member))
        {
            let text = "No such monitor.";
            return Err(Error::new(crate::ErrorKind::UnknownMonitor, text));
        }
        if let Some(session) = self.sessions.get_mut(&session) {
            session.monitors -= 1;
        }
        Ok(())
    }
}

fn parse_id(json: &Value) -> Result<Uuid, Error> {
    let text = json
        .as_str()
        .ok_or_else(|| Error::syntax("last-txn-id must be string"))?;
    json::parse_uuid(text).ok_or_else(|| Error::syntax("last-txn-id must be UUID format."))
}

/// Sees to it that what a monitor shows is found quickly.
fn mark(db: &mut Database, spec: &Spec) {
    for of in &spec.tables {
        db.mark(of.table, &of.filter);
    }
}

/// An update notification. A long text is shared, a short one is copied: sending it costs more than that.
fn update_message(version: Version, monitor: &str, id: Uuid, text: Bytes) -> Vec<Bytes> {
    const LONG: usize = 4096;
    let mut head = match version {
        Version::V1 => format!("{{\"id\":null,\"method\":\"update\",\"params\":[{monitor},"),
        Version::V2 => format!("{{\"id\":null,\"method\":\"update2\",\"params\":[{monitor},"),
        Version::V3 => {
            format!("{{\"id\":null,\"method\":\"update3\",\"params\":[{monitor},\"{id}\",")
        }
    }
    .into_bytes();
    let tail = b"]}";
    if text.len() >= LONG {
        return vec![head.into(), text, Bytes::from_static(tail)];
    }
    head.extend_from_slice(&text);
    head.extend_from_slice(tail);
    vec![head.into()]
}
