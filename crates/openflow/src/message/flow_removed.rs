//! A flow has gone (OpenFlow 1.5, section 7.4.2).

use super::Body;
use super::multipart::FlowCounters;
use crate::error::Result;
use crate::flow::FlowKey;
use crate::matching::Match;
use crate::wire::{Put, Reader};

/// A flow has gone.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct FlowRemoved {
    /// Which.
    pub key: FlowKey,
    /// Its cookie.
    pub cookie: u64,
    /// 0 idle timeout, 1 hard timeout, 2 removed, 3 its group or 4 its meter was removed, 5 evicted.
    pub reason: u8,
    /// Its idle timeout.
    pub idle_timeout: u16,
    /// Its hard timeout.
    pub hard_timeout: u16,
    /// What it had counted.
    pub counters: FlowCounters,
}

impl Body for FlowRemoved {
    fn read(reader: &mut Reader<'_>) -> Result<Self> {
        let table = reader.u8()?;
        let reason = reader.u8()?;
        let priority = reader.u16()?;
        let idle_timeout = reader.u16()?;
        let hard_timeout = reader.u16()?;
        let cookie = reader.u64()?;
        let matches = Match::read(reader)?;
        let counters = FlowCounters::read(reader)?;
        let key = FlowKey {
            table,
            priority,
            matches,
        };
        Ok(Self {
            key,
            cookie,
            reason,
            idle_timeout,
            hard_timeout,
            counters,
        })
    }

    fn write(&self, out: &mut Vec<u8>) {
        out.u8(self.key.table);
        out.u8(self.reason);
        out.u16(self.key.priority);
        out.u16(self.idle_timeout);
        out.u16(self.hard_timeout);
        out.u64(self.cookie);
        self.key.matches.write(out);
        self.counters.write(out);
    }
}
