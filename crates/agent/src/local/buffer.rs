//! Packets that wait until the Ethernet address of their next hop is known.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use super::{Binding, Metadata, Now};

/// How many next hops packets are held for.
pub const MAX_DESTINATIONS: usize = 1000;
/// How many packets are held for one next hop; the oldest gives way.
pub const MAX_PACKETS: usize = 4;
/// How long packets wait after the last one for the same next hop.
pub const BUFFER_AGE: Duration = Duration::from_secs(10);

#[derive(Debug)]
struct Queue {
    packets: VecDeque<(Vec<u8>, Metadata)>,
    last: Now,
}

/// The packets that wait, by next hop.
#[derive(Debug, Default)]
pub struct Buffer {
    queues: BTreeMap<Binding, Queue>,
}

impl Buffer {
    /// Holds a packet. False when it, or an older one, had to give way.
    pub fn push(&mut self, key: Binding, packet: &[u8], metadata: Metadata, now: Now) -> bool {
        if !self.queues.contains_key(&key) && self.queues.len() >= MAX_DESTINATIONS {
            return false;
        }
        let empty = || Queue {
            packets: VecDeque::new(),
            last: now,
        };
        let queue = self.queues.entry(key).or_insert_with(empty);
        queue.last = now;
        queue.packets.push_back((packet.to_vec(), metadata));
        let full = queue.packets.len() > MAX_PACKETS;
        if full {
            queue.packets.pop_front();
        }
        !full
    }

    /// Takes out what waits for a next hop, oldest first.
    pub fn take(&mut self, key: Binding) -> impl Iterator<Item = (Vec<u8>, Metadata)> + use<> {
        self.queues
            .remove(&key)
            .into_iter()
            .flat_map(|queue| queue.packets)
    }

    /// Drops what has waited too long; says how many packets that were.
    pub fn expire(&mut self, now: Now) -> u64 {
        let mut dropped = 0;
        self.queues.retain(|_, queue| {
            let keep = now < queue.last + BUFFER_AGE;
            if !keep {
                dropped += queue.packets.len() as u64;
            }
            keep
        });
        dropped
    }

    /// When the first queue is too old.
    pub fn deadline(&self) -> Option<Now> {
        self.queues
            .values()
            .map(|queue| queue.last + BUFFER_AGE)
            .min()
    }

    /// How many next hops packets wait for.
    pub fn len(&self) -> usize {
        self.queues.len()
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.queues.is_empty()
    }
}
