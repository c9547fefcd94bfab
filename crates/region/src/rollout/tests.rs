use proptest::prelude::*;

use super::*;

fn hosts(count: usize) -> Vec<String> {
    (0..count).map(|number| format!("hv{number}")).collect()
}

fn policy() -> Policy {
    Policy {
        parallel: 2,
        deadline: Duration::from_secs(10),
        attempts: 3,
        backoff: Duration::from_secs(1),
        max_backoff: Duration::from_millis(1_500),
        stop_after: 0,
    }
}

fn poll_all(rollout: &mut Rollout, now: u64) -> Vec<String> {
    std::iter::from_fn(|| rollout.poll(now))
        .map(|tell| format!("{}/{}", tell.host, tell.attempt))
        .collect()
}

fn unreachable() -> Outcome {
    Outcome::Unreachable("no route".into())
}

#[test]
fn no_more_than_so_many_at_once() {
    let mut rollout = Rollout::new(policy(), hosts(3));
    assert_eq!(poll_all(&mut rollout, 0), ["hv0/1", "hv1/1"]);
    rollout.heard("hv1", 1, Outcome::Done, 5);
    assert_eq!(poll_all(&mut rollout, 5), ["hv2/1"]);
    rollout.heard("hv0", 1, Outcome::Done, 6);
    rollout.heard("hv2", 1, Outcome::Done, 6);
    assert!(rollout.is_over() && !rollout.has_stopped());
    assert_eq!(rollout.counts().done, 3);
}

#[test]
fn who_cannot_be_reached_is_tried_again_ever_later() {
    let mut rollout = Rollout::new(policy(), hosts(1));
    assert_eq!(poll_all(&mut rollout, 0), ["hv0/1"]);
    rollout.heard("hv0", 1, unreachable(), 100);
    assert_eq!(rollout.next_deadline(), Some(1_100));
    assert!(poll_all(&mut rollout, 1_099).is_empty());
    assert_eq!(poll_all(&mut rollout, 1_100), ["hv0/2"]);
    rollout.heard("hv0", 2, unreachable(), 1_200);
    assert_eq!(
        rollout.next_deadline(),
        Some(2_700),
        "twice as long, but for the limit"
    );
    assert_eq!(poll_all(&mut rollout, 2_700), ["hv0/3"]);
    rollout.heard("hv0", 3, unreachable(), 2_800);
    assert!(rollout.is_over());
    let reason = "no route".to_owned();
    assert_eq!(
        rollout.hosts().next(),
        Some(("hv0", &Progress::Away { reason }))
    );
}

#[test]
fn silence_counts_as_unreachable() {
    let mut rollout = Rollout::new(policy(), hosts(1));
    assert_eq!(poll_all(&mut rollout, 0), ["hv0/1"]);
    assert_eq!(rollout.next_deadline(), Some(10_000));
    assert!(poll_all(&mut rollout, 10_000).is_empty());
    assert_eq!(poll_all(&mut rollout, 11_000), ["hv0/2"]);
    // The answer to the first attempt comes late, but what was wanted is done.
    rollout.heard("hv0", 1, unreachable(), 11_001);
    assert_eq!(
        rollout.counts().telling,
        1,
        "an old failure says nothing about the new attempt"
    );
    rollout.heard("hv0", 2, Outcome::Done, 11_002);
    assert_eq!(rollout.counts().done, 1);
}

#[test]
fn a_late_answer_spares_the_next_attempt() {
    let mut rollout = Rollout::new(policy(), hosts(1));
    assert_eq!(poll_all(&mut rollout, 0), ["hv0/1"]);
    assert!(poll_all(&mut rollout, 10_000).is_empty());
    rollout.heard("hv0", 1, Outcome::Done, 10_500);
    assert!(poll_all(&mut rollout, 60_000).is_empty());
    assert!(rollout.is_over());
}

#[test]
fn too_many_failures_stop_it_and_hold_the_rest() {
    let stop_after = 2;
    let mut rollout = Rollout::new(
        Policy {
            stop_after,
            ..policy()
        },
        hosts(6),
    );
    assert_eq!(poll_all(&mut rollout, 0), ["hv0/1", "hv1/1"]);
    rollout.heard("hv0", 1, Outcome::Refused("bad address".into()), 1);
    assert_eq!(poll_all(&mut rollout, 1), ["hv2/1"]);
    rollout.heard("hv1", 1, Outcome::Refused("bad address".into()), 2);
    assert!(rollout.has_stopped() && !rollout.is_over());
    assert!(poll_all(&mut rollout, 2).is_empty());
    rollout.heard("hv2", 1, Outcome::Done, 3);
    assert!(rollout.is_over());
    let counts = Counts {
        done: 1,
        failed: 2,
        held: 3,
        ..Counts::default()
    };
    assert_eq!(rollout.counts(), counts);
}

#[test]
fn nobody_is_told_nothing() {
    let mut rollout = Rollout::new(
        Policy {
            parallel: 0,
            attempts: 0,
            ..policy()
        },
        hosts(0),
    );
    assert!(rollout.is_over() && rollout.poll(0).is_none());
    let mut rollout = Rollout::new(
        Policy {
            parallel: 0,
            attempts: 0,
            ..policy()
        },
        hosts(1),
    );
    assert!(
        rollout.poll(0).is_some(),
        "no attempt at all would never end"
    );
    let twice = Rollout::new(policy(), ["a".to_owned(), "a".to_owned()]);
    assert_eq!(twice.counts().waiting, 1);
}

#[test]
fn a_policy_is_written_in_numbers_and_read_again() {
    let policy = Policy {
        parallel: 7,
        stop_after: 3,
        deadline: Duration::from_millis(1_234),
        ..policy()
    };
    assert_eq!(Policy::from_map(&policy.to_map()), policy);
    assert_eq!(Policy::from_map(&Map::default()), Policy::default());
    let wrong = [("parallel".into(), -1), ("deadline".into(), i64::MAX)];
    let read = Policy::from_map(&wrong.into_iter().collect());
    assert_eq!(read.parallel, Policy::default().parallel);
    assert_eq!(read.deadline, Duration::from_millis(i64::MAX as u64));
    let mut rollout = Rollout::new(read, hosts(1));
    assert_eq!(poll_all(&mut rollout, u64::from(u32::MAX)), ["hv0/1"]);
}

/// What the hosts of a simulated fleet do.
#[derive(Debug, Clone, Copy)]
enum Nature {
    Good,
    Silent,
    Refusing,
    /// Answers the so many-th attempt.
    Slow(u32),
}

fn nature() -> impl Strategy<Value = Nature> {
    prop_oneof![
        4 => Just(Nature::Good),
        1 => Just(Nature::Silent),
        1 => Just(Nature::Refusing),
        1 => (1_u32..5).prop_map(Nature::Slow),
    ]
}

proptest! {
    #[test]
    fn every_rollout_ends_and_keeps_its_limits(
        natures in prop::collection::vec(nature(), 0..40),
        parallel in 1_usize..8,
        attempts in 1_u32..4,
        stop_after in 0_usize..5,
        takes in prop::collection::vec(1_u64..15_000, 40),
    ) {
        let policy = Policy { parallel, attempts, stop_after, ..policy() };
        let mut rollout = Rollout::new(policy, hosts(natures.len()));
        // When an answer comes, from whom, to which attempt.
        let mut answers: Vec<(u64, usize, u32)> = Vec::new();
        let mut told = vec![0_u32; natures.len()];
        let mut now = 0;
        let mut most_failed = 0;
        for _ in 0..10_000 {
            while let Some(tell) = rollout.poll(now) {
                prop_assert!(!rollout.has_stopped());
                let host: usize = tell.host[2..].parse().unwrap();
                told[host] += 1;
                prop_assert_eq!(told[host], tell.attempt);
                prop_assert!(tell.attempt <= attempts);
                answers.push((now + takes[host], host, tell.attempt));
            }
            prop_assert!(rollout.counts().telling <= parallel);
            let counts = rollout.counts();
            let sum = counts.waiting + counts.telling + counts.done + counts.failed + counts.held;
            prop_assert_eq!(sum, natures.len());
            most_failed = most_failed.max(counts.failed);
            prop_assert!(rollout.has_stopped() || stop_after == 0 || counts.failed < stop_after);
            if rollout.is_over() {
                break;
            }
            let next_answer = answers.iter().map(|answer| answer.0).min();
            now = [next_answer, rollout.next_deadline()].into_iter().flatten().min().unwrap().max(now);
            for (_, host, attempt) in answers.extract_if(.., |answer| answer.0 <= now) {
                let outcome = match natures[host] {
                    Nature::Good => Outcome::Done,
                    Nature::Refusing => Outcome::Refused("no".into()),
                    Nature::Slow(good) if attempt >= good => Outcome::Done,
                    Nature::Slow(_) => unreachable(),
                    Nature::Silent => continue,
                };
                rollout.heard(&format!("hv{host}"), attempt, outcome, now);
            }
        }
        prop_assert!(rollout.is_over());
        for ((_, progress), nature) in rollout.hosts().zip(&natures) {
            let fits = match nature {
                _ if matches!(progress, Progress::Held) => rollout.has_stopped(),
                Nature::Silent => matches!(progress, Progress::Away { .. }),
                Nature::Good | Nature::Refusing | Nature::Slow(_) => true,
            };
            prop_assert!(fits, "{nature:?} ended as {progress:?}");
        }
        if rollout.has_stopped() {
            // Answers that come late make fewer of them.
            prop_assert!(stop_after > 0 && most_failed >= stop_after);
        }
    }
}
