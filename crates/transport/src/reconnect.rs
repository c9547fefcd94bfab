//! When to try again: the state of an active connection that comes and goes.
//!
//! Each address of a list is tried once without delay, then the delay doubles with each round up to a
//! limit. A connection that held for a while begins anew. Time is passed in.

use std::time::{Duration, Instant};

/// How long a connection must hold for the next failure to count as the first.
const STABLE: Duration = Duration::from_secs(5);

/// The delays between attempts, and which address is next.
#[derive(Debug, Clone)]
pub struct Reconnect {
    addresses: usize,
    next: usize,
    attempts: u32,
    connected: Option<Instant>,
}

impl Reconnect {
    /// The first delay; OVS begins with a second, which is long for a peer on the same host.
    pub const MIN_DELAY: Duration = Duration::from_millis(100);
    /// The longest delay, as in OVS.
    pub const MAX_DELAY: Duration = Duration::from_secs(8);

    /// For a list of that many addresses.
    #[must_use]
    pub fn new(addresses: usize) -> Self {
        Self {
            addresses: addresses.max(1),
            next: 0,
            attempts: 0,
            connected: None,
        }
    }

    /// The position of the address to try now.
    #[must_use]
    pub fn address(&self) -> usize {
        self.next
    }

    /// Says that the connection is there.
    pub fn connected(&mut self, now: Instant) {
        self.connected = Some(now);
    }

    /// Says that the attempt failed or the connection ended; gives how long to wait before the next.
    pub fn failed(&mut self, now: Instant) -> Duration {
        if let Some(since) = self.connected.take()
            && now.duration_since(since) >= STABLE
        {
            self.attempts = 0;
        }
        self.next = (self.next + 1) % self.addresses;
        self.attempts = self.attempts.saturating_add(1);
        let rounds = self.attempts / u32::try_from(self.addresses).unwrap_or(u32::MAX);
        if rounds == 0 {
            return Duration::ZERO;
        }
        let factor = 1_u32
            .checked_shl(rounds - 1)
            .unwrap_or(u32::MAX)
            .min(1 << 10);
        (Self::MIN_DELAY * factor).min(Self::MAX_DELAY)
    }

    /// Whether the delay has reached its limit, from where on further failures are no news.
    #[must_use]
    pub fn is_hopeless(&self) -> bool {
        let rounds = self.attempts / u32::try_from(self.addresses).unwrap_or(u32::MAX);
        rounds > 8
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_address_waits_longer_and_longer() {
        let now = Instant::now();
        let mut reconnect = Reconnect::new(1);
        let delays: Vec<u128> = (0..9).map(|_| reconnect.failed(now).as_millis()).collect();
        assert_eq!(delays, [100, 200, 400, 800, 1600, 3200, 6400, 8000, 8000]);
        reconnect.connected(now);
        assert_eq!(reconnect.failed(now + STABLE), Reconnect::MIN_DELAY);
    }

    #[test]
    fn a_connection_that_drops_at_once_is_a_failure_too() {
        let now = Instant::now();
        let mut reconnect = Reconnect::new(1);
        reconnect.failed(now);
        reconnect.connected(now);
        assert_eq!(reconnect.failed(now), Duration::from_millis(200));
    }

    #[test]
    fn every_address_is_tried_before_waiting() {
        let now = Instant::now();
        let mut reconnect = Reconnect::new(3);
        assert_eq!(reconnect.address(), 0);
        assert_eq!(reconnect.failed(now), Duration::ZERO);
        assert_eq!(reconnect.address(), 1);
        assert_eq!(reconnect.failed(now), Duration::ZERO);
        assert_eq!(reconnect.failed(now), Reconnect::MIN_DELAY);
        assert_eq!(reconnect.address(), 0);
    }
}
