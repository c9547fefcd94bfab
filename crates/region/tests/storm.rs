//! Everything at once: requests, hypervisors that go, refuse or fall silent, and a service that is killed. When it is
//! quiet again, every hypervisor has what is wanted from it and every action is over.
//!
//! `HEDDLE_REGION_ROUNDS=20` has more of it than the one round.

#![allow(clippy::unwrap_used)] // These are tests, though not marked so.

mod support;

use std::time::Duration;

use model::region::ActionState;
use region::engine::Ask;
use region::request::{Request, Scope};
use region::rollout::Policy;
use support::fleet::Mood;
use support::{Region, ask, hv, machine, open, rule, until};

const HOSTS: usize = 4;
const MACHINES: u64 = 8;
const STEPS: usize = 60;

/// Numbers that are the same each time (Knuth's linear congruential generator of MMIX).
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005);
        self.0 = self.0.wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % limit
    }

    fn host(&mut self) -> usize {
        usize::try_from(self.below(HOSTS as u64)).unwrap()
    }

    fn machine(&mut self) -> u32 {
        u32::try_from(1 + self.below(MACHINES)).unwrap()
    }

    fn request(&mut self) -> Request {
        let number = self.machine();
        let scope = |numbers: &mut Self| Scope {
            machine: (numbers.below(2) == 0).then(|| numbers.machine()),
            customer: (numbers.below(2) == 0).then(|| "acme".into()),
            tag: None,
        };
        let port = u16::try_from(20 + self.below(3)).unwrap();
        match self.below(8) {
            0 => machine(number as usize, "acme", Some(self.host())),
            1 => Request::RemoveMachine { machine: number },
            2 | 3 => open("acme", port),
            4 => Request::RemoveRule {
                scope: Scope {
                    customer: Some("acme".into()),
                    ..Scope::default()
                },
                rule: rule(port),
            },
            5 => Request::Enable {
                scope: scope(self),
                enabled: self.below(2) == 0,
            },
            6 => Request::BeginMove {
                machine: number,
                to: hv(self.host()).into(),
            },
            _ => match self.below(2) {
                0 => Request::FinishMove { machine: number },
                _ => Request::CancelMove { machine: number },
            },
        }
    }

    fn ask(&mut self) -> Ask {
        Ask {
            policy: Policy {
                parallel: 1 + self.below(3) as usize,
                deadline: Duration::from_millis(200),
                attempts: 1 + self.below(2) as u32,
                backoff: Duration::from_millis(20),
                stop_after: self.below(3) as usize,
                ..Policy::default()
            },
            ..ask(self.request())
        }
    }
}

/// Does something; requests that make no sense at the moment are refused, and that is all.
async fn step(mut region: Region, numbers: &mut Numbers) -> Region {
    let host = numbers.host();
    match numbers.below(20) {
        0 => return region.restart().await,
        1 | 2 => match region.hosts.contains_key(&hv(host)) {
            true => region.host_away(host).await,
            false => region.host(host).await,
        },
        3..=5 => {
            let moods = [Mood::Good, Mood::Full, Mood::Silent];
            let mood = moods[usize::try_from(numbers.below(3)).unwrap()];
            if let Some(host) = region.hosts.get(&hv(host)) {
                host.set_mood(mood);
            }
        }
        6 | 7 => tokio::time::sleep(Duration::from_millis(numbers.below(100))).await,
        _ => drop(region.handle.ask(numbers.ask()).await),
    }
    region
}

/// Has all hypervisors be there, and all that has stopped go on.
async fn calm(region: &mut Region) {
    // One that has refused is left alone for a while, unless it was away.
    for number in 0..HOSTS {
        if region.hosts.contains_key(&hv(number)) {
            region.hosts[&hv(number)].set_mood(Mood::Good);
            region.host_away(number).await;
        }
        region.host(number).await;
    }
    let of_state = |region: &Region, state| -> Vec<i64> {
        region.handle.read(|known| {
            let actions = known.view().actions.values();
            let found = actions.filter(|action| action.state == state);
            found.map(|action| action.number).collect()
        })
    };
    loop {
        until("all actions to be over", || {
            of_state(region, ActionState::Running).is_empty()
        })
        .await;
        let stopped = of_state(region, ActionState::Stopped);
        if stopped.is_empty() {
            return;
        }
        for action in stopped {
            // The end of it may not be written yet; then it is asked again.
            drop(region.try_ask(Request::Resume { action }).await);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_storm_everything_is_as_it_is_wanted() {
    let rounds = std::env::var("HEDDLE_REGION_ROUNDS");
    let rounds: u64 = rounds.map_or(1, |text| text.parse().unwrap());
    for seed in 1..=rounds {
        let mut region = Region::start(HOSTS).await;
        let mut numbers = Numbers(seed);
        for _ in 0..STEPS {
            region = step(region, &mut numbers).await;
        }
        calm(&mut region).await;
        region.converged().await;
        until("nobody to have to forget anything", || {
            region.handle.read(|state| {
                let mut machines = state.view().machines.values();
                machines.all(|row| row.departed.iter().len() == 0 && !row.removed)
            })
        })
        .await;
        println!(
            "seed {seed}: {} actions",
            region.handle.read(|state| state.view().actions.len())
        );
    }
}
