//! The monitors of one database, those with the same [`Spec`] together.
//!
//! Invariant: a monitor is in exactly one group, and hears of every commit after the state that it was shown.

use std::sync::Arc;

use bytes::Bytes;
use indexmap::IndexMap;
use rustc_hash::FxBuildHasher;
use serde_json::Value;

use super::monitor::{Spec, Version};
use super::{DatabaseId, Limits, Server, SessionId, update};
use crate::database::Commit;
use crate::{Error, Uuid, json};

/// A monitor: whose, and under which id (as JSON text).
pub(crate) type Member = (SessionId, Arc<str>);

#[derive(Debug, Default)]
pub(crate) struct Monitors {
    members: IndexMap<Member, Arc<Spec>, FxBuildHasher>,
    groups: IndexMap<Arc<Spec>, Vec<Member>, FxBuildHasher>,
}

impl Monitors {
    fn find(&self, session: SessionId, id: &str) -> Option<&Arc<Spec>> {
        self.members.get(&(session, Arc::from(id)))
    }

    fn insert(&mut self, member: Member, spec: Spec) {
        let known = self
            .groups
            .get_key_value(&spec)
            .map(|(known, _)| Arc::clone(known));
        let spec = known.unwrap_or_else(|| Arc::new(spec));
        self.groups
            .entry(Arc::clone(&spec))
            .or_default()
            .push(member.clone());
        self.members.insert(member, spec);
    }

    fn remove(&mut self, member: &Member) -> bool {
        let Some(spec) = self.members.swap_remove(member) else {
            return false;
        };
        if let Some(group) = self.groups.get_mut(&spec) {
            group.retain(|other| other != member);
            if group.is_empty() {
                self.groups.swap_remove(&spec);
            }
        }
        true
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
        for (spec, members) in &hosted.monitors.groups {
            if let Some(text) = update::changes(&hosted.database, spec, &commit.changes) {
                messages.push((spec.version, Bytes::from(text), members.clone()));
            }
        }
        for (version, text, members) in messages {
            for (session, monitor) in members {
                let parts = update_message(version, &monitor, commit.id, text.clone());
                self.send_parts(session, parts);
            }
        }
    }

    /// Begins a monitor; gives the text of the reply's result.
    pub(super) fn begin_monitor(
        &mut self,
        session: SessionId,
        database: DatabaseId,
        version: Version,
        params: &[Value],
    ) -> Result<Vec<u8>, Error> {
        let (id, requests, last) = match (version, params) {
            (Version::V1 | Version::V2, [_, id, requests]) => (id, requests, None),
            (Version::V3, [_, id, requests, last]) => (id, requests, Some(parse_id(last)?)),
            (Version::V3, [_, id, requests]) => (id, requests, None),
            _ => return Err(Error::syntax("invalid parameters")),
        };
        let member: Member = (session, id.to_string().into());
        self.check_new_monitor(&member, self.limits)?;
        let hosted = &mut self.databases[database.0];
        let db = &hosted.database;
        let spec = Spec::decode(db.schema(), version, requests)?;
        let missed = last.and_then(|last| db.since(last)).map(update::merge);
        let found = missed.is_some();
        let shown = match &missed {
            Some(missed) => update::changes(db, &spec, missed).unwrap_or_else(|| b"{}".to_vec()),
            None => update::initial(db, &spec),
        };
        let shown = if version == Version::V3 {
            let mut text = format!("[{found},\"{}\",", db.last_id()).into_bytes();
            text.extend_from_slice(&shown);
            text.push(b']');
            text
        } else {
            shown
        };
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
        let db = &hosted.database;
        let Some(old) = hosted.monitors.members.get(&old_member).cloned() else {
            return Err(Error::syntax("unknown monitor session").about(old_id));
        };
        let new = old.with_conditions(db.schema(), requests)?;
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

/// An update notification, its content shared.
fn update_message(version: Version, monitor: &str, id: Uuid, text: Bytes) -> [Bytes; 3] {
    let head = match version {
        Version::V1 => format!("{{\"id\":null,\"method\":\"update\",\"params\":[{monitor},"),
        Version::V2 => format!("{{\"id\":null,\"method\":\"update2\",\"params\":[{monitor},"),
        Version::V3 => {
            format!("{{\"id\":null,\"method\":\"update3\",\"params\":[{monitor},\"{id}\",")
        }
    };
    [head.into(), text, Bytes::from_static(b"]}")]
}
