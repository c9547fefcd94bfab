//! A rollout: in which order the hosts of one action are told, how many at once, when one is tried again, and when
//! the whole stops.
//!
//! It must not know what the hosts are told or how. Time is in milliseconds since any moment that stays the same.
//!
//! Invariants: never more than [`Policy::parallel`] hosts are being told at once; none is told twice at the same time
//! or more often than [`Policy::attempts`]; once the rollout has stopped no host is told any more, and those that
//! were never told are [`Progress::Held`].

use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;

use indexmap::IndexMap;
use model::{Map, Str};

/// How careful a rollout is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Policy {
    /// How many hosts are told at once; at least 1.
    pub parallel: usize,
    /// How long one attempt with one host may take.
    pub deadline: Duration,
    /// How often a host that cannot be reached is tried; at least 1.
    pub attempts: u32,
    /// How long to wait before the second attempt; it doubles with each further one.
    pub backoff: Duration,
    /// How long to wait at most.
    pub max_backoff: Duration,
    /// With that many hosts failed the rollout stops; with 0 it never does.
    pub stop_after: usize,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            parallel: 16,
            deadline: Duration::from_secs(10),
            attempts: 3,
            backoff: Duration::from_millis(500),
            max_backoff: Duration::from_secs(30),
            stop_after: 0,
        }
    }
}

impl Policy {
    /// The policy of these numbers, with times in milliseconds; what is not there is as by default.
    pub fn from_map(map: &Map<Str, i64>) -> Self {
        let default = Self::default();
        let number = |name: &str| map.get(name).and_then(|value| u64::try_from(*value).ok());
        let time = |name: &str, default| number(name).map_or(default, Duration::from_millis);
        let count = |name: &str, default| {
            number(name).map_or(default, |value| {
                usize::try_from(value).unwrap_or(usize::MAX)
            })
        };
        Self {
            parallel: count("parallel", default.parallel),
            deadline: time("deadline", default.deadline),
            attempts: number("attempts").map_or(default.attempts, |value| {
                u32::try_from(value).unwrap_or(u32::MAX)
            }),
            backoff: time("backoff", default.backoff),
            max_backoff: time("max_backoff", default.max_backoff),
            stop_after: count("stop_after", default.stop_after),
        }
    }

    /// Its numbers, with times in milliseconds.
    pub fn to_map(&self) -> Map<Str, i64> {
        let count = |value: usize| i64::try_from(value).unwrap_or(i64::MAX);
        let time = |value| i64::try_from(millis(value)).unwrap_or(i64::MAX);
        let numbers = [
            ("parallel", count(self.parallel)),
            ("deadline", time(self.deadline)),
            ("attempts", self.attempts.into()),
            ("backoff", time(self.backoff)),
            ("max_backoff", time(self.max_backoff)),
            ("stop_after", count(self.stop_after)),
        ];
        numbers
            .map(|(name, value)| (Str::from(name), value))
            .into_iter()
            .collect()
    }

    /// How long to wait after so many attempts, in milliseconds.
    fn wait(&self, attempts: u32) -> u64 {
        let factor = 1_u32 << attempts.saturating_sub(1).min(16);
        millis(self.backoff.saturating_mul(factor).min(self.max_backoff))
    }
}

/// How far a host is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Progress {
    /// It will be told.
    Waiting,
    /// It is being told, for the so many-th time.
    Telling {
        /// Counted from 1.
        attempt: u32,
        /// When the attempt counts as failed, in milliseconds.
        deadline: u64,
    },
    /// It could not be reached and will be tried again.
    Again {
        /// How many attempts there were.
        attempts: u32,
        /// When, in milliseconds.
        at: u64,
        /// What was wrong the last time.
        reason: String,
    },
    /// It has done what it was told.
    Done {
        /// How many attempts it took.
        attempts: u32,
    },
    /// It could not be reached; it will do it when it is back.
    Away {
        /// What was wrong the last time.
        reason: String,
    },
    /// It has refused.
    Refused {
        /// What it says.
        reason: String,
    },
    /// It was not told, because the rollout has stopped.
    Held,
}

/// What came of one attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The host has done it.
    Done,
    /// It cannot be reached or did not answer; another attempt may help.
    Unreachable(String),
    /// It has refused, and would again.
    Refused(String),
}

/// A host to be told now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tell {
    /// Its name.
    pub host: String,
    /// The number of the attempt, from 1.
    pub attempt: u32,
    /// How long it may take.
    pub deadline: Duration,
}

/// How far a rollout is, in numbers of hosts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Those still to be told, again or for the first time.
    pub waiting: usize,
    /// Those being told.
    pub telling: usize,
    /// Those that have done it.
    pub done: usize,
    /// Those that are away or have refused.
    pub failed: usize,
    /// Those that were not told because the rollout stopped.
    pub held: usize,
}

/// One rollout.
#[derive(Debug, Clone)]
pub struct Rollout {
    policy: Policy,
    hosts: IndexMap<String, Progress>,
    /// Those never told, in order.
    queue: VecDeque<usize>,
    /// Those whose time to be tried again has come, in order.
    due: VecDeque<usize>,
    /// When an attempt ends at the latest, or the next one may begin.
    timers: BTreeSet<(u64, usize)>,
    counts: Counts,
    stopped: bool,
}

impl Rollout {
    /// A rollout to hosts in this order; a name that comes twice counts once.
    pub fn new(policy: Policy, hosts: impl IntoIterator<Item = String>) -> Self {
        let hosts: IndexMap<_, _> = hosts
            .into_iter()
            .map(|host| (host, Progress::Waiting))
            .collect();
        let policy = Policy {
            parallel: policy.parallel.max(1),
            attempts: policy.attempts.max(1),
            ..policy
        };
        Self {
            policy,
            queue: (0..hosts.len()).collect(),
            due: VecDeque::new(),
            timers: BTreeSet::new(),
            counts: Counts {
                waiting: hosts.len(),
                ..Counts::default()
            },
            hosts,
            stopped: false,
        }
    }

    /// Who is to be told now, one at a time until there is nobody.
    pub fn poll(&mut self, now: u64) -> Option<Tell> {
        self.pass_time(now);
        if self.stopped || self.counts.telling >= self.policy.parallel {
            return None;
        }
        // Who was tried before comes first: it holds up the end of the rollout longest.
        let index = self.next_due().or_else(|| self.queue.pop_front())?;
        let attempt = match &self.hosts[index] {
            Progress::Again { attempts, .. } => attempts + 1,
            _ => 1,
        };
        let deadline = now + millis(self.policy.deadline);
        self.set(index, Progress::Telling { attempt, deadline });
        Some(Tell {
            host: self.hosts.get_index(index)?.0.clone(),
            attempt,
            deadline: self.policy.deadline,
        })
    }

    /// What came of an attempt. One that is no longer waited for changes nothing, unless the host has done it after
    /// all.
    pub fn heard(&mut self, host: &str, attempt: u32, outcome: Outcome, now: u64) {
        let Some((index, _, progress)) = self.hosts.get_full(host) else {
            return;
        };
        let waited_for =
            matches!(progress, Progress::Telling { attempt: now, .. } if *now == attempt);
        let late = matches!(progress, Progress::Again { .. } | Progress::Away { .. });
        match outcome {
            Outcome::Done if waited_for || late => {
                self.set(index, Progress::Done { attempts: attempt });
            }
            Outcome::Unreachable(reason) if waited_for => {
                self.unreachable(index, attempt, reason, now);
            }
            Outcome::Refused(reason) if waited_for => {
                self.set(index, Progress::Refused { reason });
                self.stop_if_too_many();
            }
            _ => {}
        }
    }

    /// Stops the rollout: who was never told is held, and who failed is not tried again.
    pub fn stop(&mut self) {
        self.stopped = true;
        self.queue.clear();
        self.due.clear();
        for index in 0..self.hosts.len() {
            match &self.hosts[index] {
                Progress::Waiting => self.set(index, Progress::Held),
                Progress::Again { reason, .. } => {
                    let reason = reason.clone();
                    self.set(index, Progress::Away { reason });
                }
                _ => {}
            }
        }
    }

    /// When [`Rollout::poll`] has to be asked again at the latest, in milliseconds.
    pub fn next_deadline(&self) -> Option<u64> {
        self.timers.first().map(|(at, _)| *at)
    }

    /// How far a host is, if it is one of this rollout.
    pub fn progress(&self, host: &str) -> Option<&Progress> {
        self.hosts.get(host)
    }

    /// How far it is.
    pub const fn counts(&self) -> Counts {
        self.counts
    }

    /// Whether too many hosts failed, or somebody stopped it.
    pub const fn has_stopped(&self) -> bool {
        self.stopped
    }

    /// Whether nothing will happen any more.
    pub const fn is_over(&self) -> bool {
        self.counts.waiting == 0 && self.counts.telling == 0
    }

    /// Every host and how far it is, in the order of the rollout.
    pub fn hosts(&self) -> impl Iterator<Item = (&str, &Progress)> {
        self.hosts
            .iter()
            .map(|(host, progress)| (host.as_str(), progress))
    }

    /// The next of those to be tried again; a late answer may have come from it meanwhile.
    fn next_due(&mut self) -> Option<usize> {
        while let Some(index) = self.due.pop_front() {
            if matches!(self.hosts[index], Progress::Again { .. }) {
                return Some(index);
            }
        }
        None
    }

    /// Gives up attempts that took too long, and finds those who can be tried again.
    fn pass_time(&mut self, now: u64) {
        while let Some((_, index)) = self.timers.first().copied().filter(|(at, _)| *at <= now) {
            self.timers.pop_first();
            match self.hosts[index] {
                Progress::Telling { attempt, .. } => {
                    let limit = self.policy.deadline;
                    self.unreachable(index, attempt, format!("no answer within {limit:?}"), now);
                }
                _ => self.due.push_back(index),
            }
        }
    }

    fn unreachable(&mut self, index: usize, attempts: u32, reason: String, now: u64) {
        if attempts < self.policy.attempts && !self.stopped {
            let at = now + self.policy.wait(attempts);
            let again = Progress::Again {
                attempts,
                at,
                reason,
            };
            return self.set(index, again);
        }
        self.set(index, Progress::Away { reason });
        self.stop_if_too_many();
    }

    fn stop_if_too_many(&mut self) {
        let limit = self.policy.stop_after;
        if limit > 0 && self.counts.failed >= limit && !self.stopped {
            self.stop();
        }
    }

    /// The only place where a host's progress changes, so that counts and timers are right.
    fn set(&mut self, index: usize, progress: Progress) {
        *self.counts.of(&self.hosts[index]) -= 1;
        if let Some(at) = self.hosts[index].timer() {
            self.timers.remove(&(at, index));
        }
        *self.counts.of(&progress) += 1;
        self.timers.extend(progress.timer().map(|at| (at, index)));
        self.hosts[index] = progress;
    }
}

impl Progress {
    const fn timer(&self) -> Option<u64> {
        match self {
            Self::Telling { deadline: at, .. } | Self::Again { at, .. } => Some(*at),
            _ => None,
        }
    }
}

impl Counts {
    fn of(&mut self, progress: &Progress) -> &mut usize {
        match progress {
            Progress::Waiting | Progress::Again { .. } => &mut self.waiting,
            Progress::Telling { .. } => &mut self.telling,
            Progress::Done { .. } => &mut self.done,
            Progress::Away { .. } | Progress::Refused { .. } => &mut self.failed,
            Progress::Held => &mut self.held,
        }
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
