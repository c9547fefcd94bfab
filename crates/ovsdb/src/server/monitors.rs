//! The monitors of one database, those with the same [`Spec`] together.
//!
//! Invariant: a monitor is in exactly one group, and hears of every commit after the state that it was shown.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;

use bytes::Bytes;
use indexmap::IndexSet;
use rustc_hash::{FxBuildHasher, FxHashMap, FxHashSet};
use serde_json::Value;
use smallvec::{SmallVec, smallvec};

use super::interest::{GroupId, Interest};
use super::monitor::{Shown, Spec, Version};
use super::sight::{Changes, Sight};
use super::views::Views;
use super::{DatabaseId, Limits, Server, SessionId, update};
use crate::database::Commit;
use crate::{Database, Error, RowChange, Uuid, json};

/// A monitor: whose, and under which id (as JSON text).
pub(crate) type Member = (SessionId, Arc<str>);

/// Monitors that show the same.
#[derive(Debug)]
struct Group {
    spec: Arc<Spec>,
    members: IndexSet<Member, FxBuildHasher>,
}

#[derive(Debug, Default)]
pub(crate) struct Monitors {
    /// Sorted, so that those of a session stand together.
    members: BTreeMap<Member, GroupId>,
    /// In the order in which they began.
    groups: BTreeMap<GroupId, Group>,
    numbers: FxHashMap<Arc<Spec>, GroupId>,
    last: GroupId,
    interest: Interest,
    /// Equal ones are one, so that they are compared quickly.
    shown: FxHashSet<Arc<Shown>>,
    views: Views,
}

impl Monitors {
    fn find(&self, session: SessionId, id: &str) -> Option<&Arc<Spec>> {
        let group = self.members.get(&(session, Arc::from(id)))?;
        self.groups.get(group).map(|group| &group.spec)
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
        let id = self.numbers.get(&spec).copied().unwrap_or_else(|| {
            self.last += 1;
            self.interest.insert(self.last, &spec);
            let spec = Arc::new(spec);
            self.numbers.insert(Arc::clone(&spec), self.last);
            let members = IndexSet::default();
            self.groups.insert(self.last, Group { spec, members });
            self.last
        });
        if let Some(group) = self.groups.get_mut(&id) {
            group.members.insert(member.clone());
        }
        self.members.insert(member, id);
    }

    fn remove(&mut self, member: &Member) -> bool {
        let Some(id) = self.members.remove(member) else {
            return false;
        };
        if let Some(group) = self.groups.get_mut(&id) {
            group.members.swap_remove(member);
            if group.members.is_empty() {
                self.end(id);
            }
        }
        true
    }

    fn end(&mut self, id: GroupId) {
        if let Some(group) = self.groups.remove(&id) {
            self.numbers.remove(&group.spec);
            self.interest.remove(id, &group.spec);
        }
        // Nobody else has one that only the set has.
        self.shown.retain(|shown| Arc::strong_count(shown) > 1);
    }

    /// What the monitors must hear of a commit: each text with the groups that it is for, in their order.
    fn news(&self, db: &Database, changes: &[RowChange]) -> Vec<(&Group, Bytes)> {
        let changes = Changes::of(db, changes);
        let mut texts: FxHashMap<Sight<'_>, Option<Bytes>> = FxHashMap::default();
        let mut news = Vec::new();
        let concerned = self.concerned(&changes);
        for some in concerned.chunk_by(|one, next| one.0 == next.0) {
            let Some(group) = self.groups.get(&some[0].0) else {
                continue;
            };
            let numbers = some.iter().flat_map(|(_, from, to)| *from..*to);
            let text = match texts.entry(Sight::of(&group.spec, &changes, numbers)) {
                Entry::Occupied(entry) => entry.into_mut(),
                Entry::Vacant(entry) => {
                    let text = entry.key().write(db, &changes).map(Bytes::from);
                    entry.insert(text)
                }
            };
            if let Some(text) = text {
                news.push((group, text.clone()));
            }
        }
        news
    }

    /// Which groups the changes may concern, and for each the ranges of their numbers: in order, and none twice.
    fn concerned(&self, changes: &Changes<'_>) -> Vec<(GroupId, usize, usize)> {
        let mut concerned = Vec::new();
        for (table, range) in changes.runs() {
            let all = |group| concerned.push((group, range.start, range.end));
            self.interest.of_any(table, all);
            for number in range {
                let change = changes.get(number);
                let rows = [change.old.as_deref(), change.new.as_deref()];
                let one = |group| concerned.push((group, number, number + 1));
                self.interest.of_row(table, change.uuid, rows, one);
            }
        }
        concerned.sort_unstable();
        concerned.dedup();
        concerned
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
        let begin: Member = (session, Arc::from(""));
        let own = self.members.range(begin..);
        let own = own.map(|(member, _)| member.clone());
        for member in own.take_while(|it| it.0 == session).collect::<Vec<_>>() {
            self.remove(&member);
        }
    }
}

impl Server {
    /// Queues what the monitors of a database must hear of a commit that is durable.
    pub(super) fn publish(&mut self, id: DatabaseId, commit: &Commit) {
        let hosted = &self.databases[id.0];
        let mut messages = Vec::new();
        let mut last: Option<Message<'_>> = None;
        for (group, text) in hosted.monitors.news(&hosted.database, &commit.changes) {
            for (session, monitor) in &group.members {
                let version = group.spec.version;
                // Clients of one kind call their monitors the same.
                let message = match last.take().filter(|it| it.is(version, monitor, &text)) {
                    Some(message) => message,
                    None => Message::new(version, monitor, commit.id, text.clone()),
                };
                messages.push((*session, message.parts.clone()));
                last = Some(message);
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
            let message = Message::new(version, &new_member.1, last_id, text.into());
            self.send_parts(session, message.parts);
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

/// An update notification.
struct Message<'m> {
    version: Version,
    monitor: &'m str,
    text: Bytes,
    parts: SmallVec<[Bytes; 1]>,
}

impl<'m> Message<'m> {
    /// A long text is shared, a short one is copied: sending it costs more than that.
    fn new(version: Version, monitor: &'m str, id: Uuid, text: Bytes) -> Self {
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
        let parts = if text.len() >= LONG {
            smallvec![head.into(), text.clone(), Bytes::from_static(tail)]
        } else {
            head.extend_from_slice(&text);
            head.extend_from_slice(tail);
            smallvec![head.into()]
        };
        Self {
            version,
            monitor,
            text,
            parts,
        }
    }

    /// Whether it is the one that tells this text to a monitor of this id, of the same commit.
    fn is(&self, version: Version, monitor: &str, text: &Bytes) -> bool {
        self.version == version
            && std::ptr::eq(self.text.as_ptr(), text.as_ptr())
            && self.monitor == monitor
    }
}
