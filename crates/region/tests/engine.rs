//! The engine over real daemons: what is asked for is in force everywhere, in order, and whoever was away gets it later.

#![allow(clippy::unwrap_used)] // These are tests, though not marked so.

mod support;

use hvd::core::{Asked, Request as HostRequest};
use model::Str;
use model::region::ActionState;
use region::engine::{Ask, How, RefusalKind};
use region::request::{Request, Scope};
use region::rollout::{Counts, Policy};
use support::fleet::Mood;
use support::{Region, ask, customer, hv, hypervisor, is_done, machine, open, outcomes, until};

#[tokio::test(flavor = "multi_thread")]
async fn an_action_reaches_every_hypervisor_and_is_written_down() {
    let region = Region::start(6).await;
    let policy = Policy {
        parallel: 2,
        ..Policy::default()
    };
    let asked = Ask {
        policy,
        ..ask(open("acme", 22))
    };
    let answer = region.handle.ask(asked).await.unwrap();
    let action = region.over(answer.action).await;
    assert!(is_done(&action));
    assert_eq!(
        outcomes(&action),
        (0..6).map(|n| (hv(n), "done".to_owned())).collect()
    );
    for number in 0..6 {
        let machine = u32::try_from(number + 1).unwrap();
        assert_eq!(region.ports(number, machine), [22]);
    }
    assert_eq!(
        (action.who.as_str(), action.what.as_str()),
        ("tester", "add rule")
    );
    assert_eq!(action.request.get("customer").unwrap(), "acme");
    assert!(action.request.get("rule").unwrap().contains("22"));
    assert_eq!(Policy::from_map(&action.policy), policy);
    assert!(action.time > 1_500_000_000_000);
    // What concerns nobody is written down as well.
    let answer = region.ask(customer("other")).await;
    let action = region.over(answer.action).await;
    assert!(is_done(&action) && action.hypervisors.iter().len() == 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dry_run_says_what_would_be_and_changes_nothing() {
    let region = Region::start(2).await;
    let before = region.handle.read(|state| state.view().actions.len());
    let asked = Ask {
        dry_run: true,
        ..ask(open("acme", 22))
    };
    let answer = region.handle.ask(asked).await.unwrap();
    let names: Vec<&str> = answer.hypervisors.iter().map(Str::as_str).collect();
    assert_eq!((answer.action, names), (None, vec!["hv0", "hv1"]));
    let [edited] = &answer.edited[..] else {
        panic!("{answer:?}")
    };
    assert_eq!((edited.table, edited.how), ("Rule", How::Added));
    assert!(edited.name.ends_with("for customer acme"), "{edited:?}");
    let rows = region
        .handle
        .read(|state| (state.view().actions.len(), state.view().rules.len()));
    assert_eq!(rows, (before, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_with_a_key_is_carried_out_once() {
    let region = Region::start(1).await;
    let with_key = |request| Ask {
        key: Some("key-1".into()),
        ..ask(request)
    };
    let first = region.handle.ask(with_key(open("acme", 22))).await.unwrap();
    let second = region.handle.ask(with_key(open("acme", 22))).await.unwrap();
    assert_eq!((first.repeated, second.repeated), (false, true));
    assert_eq!(
        (first.action, first.hypervisors),
        (second.action, second.hypervisors)
    );
    let other = region.handle.ask(with_key(open("acme", 23))).await;
    assert_eq!(other.unwrap_err().kind, RefusalKind::Conflict);
    // Another caller's key is another key.
    let stranger = Ask {
        who: "stranger".into(),
        ..with_key(open("acme", 23))
    };
    assert!(!region.handle.ask(stranger).await.unwrap().repeated);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_done_is_refused_by_kind_and_changes_nothing() {
    let region = Region::start(1).await;
    let before = region.handle.read(|state| state.view().actions.len());
    let kind = async |request| region.try_ask(request).await.unwrap_err().kind;
    assert_eq!(kind(open("nobody", 22)).await, RefusalKind::NotFound);
    assert_eq!(
        kind(Request::FinishMove { machine: 1 }).await,
        RefusalKind::Conflict
    );
    let nowhere = Request::PutHypervisor {
        name: "hv9".into(),
        endpoint: "here".into(),
        tags: model::Set::default(),
        enabled: true,
    };
    assert_eq!(kind(nowhere).await, RefusalKind::Invalid);
    let hasty = Ask {
        policy: Policy {
            parallel: 0,
            ..Policy::default()
        },
        ..ask(open("acme", 22))
    };
    let refusal = region.handle.ask(hasty).await.unwrap_err();
    assert_eq!(refusal.to_string(), "parallel: 0 is not in 1..=1000000");
    assert_eq!(
        region.handle.watch(99).unwrap_err().kind,
        RefusalKind::NotFound
    );
    assert_eq!(
        region.handle.read(|state| state.view().actions.len()),
        before
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn after_too_many_failures_the_rest_is_held_until_the_action_is_resumed() {
    let region = Region::start(6).await;
    for number in [1, 3] {
        region.hosts[&hv(number)].set_mood(Mood::Full);
    }
    let asked = Ask {
        policy: Policy {
            parallel: 1,
            stop_after: 2,
            ..Policy::default()
        },
        ..ask(open("acme", 22))
    };
    let answer = region.handle.ask(asked).await.unwrap();
    let action = region.over(answer.action).await;
    assert_eq!(action.state, ActionState::Stopped);
    let said = outcomes(&action);
    assert!(
        said["hv1"].starts_with("refused: machine 2: the switch refuses"),
        "{said:?}"
    );
    assert!(said["hv3"].starts_with("refused"), "{said:?}");
    let words = ["hv0", "hv2", "hv4", "hv5"].map(|name| said[name].as_str());
    assert_eq!(words, ["done", "done", "held", "held"]);
    let counts = region.handle.read(|state| state.counts(&action));
    let expected = Counts {
        done: 2,
        failed: 2,
        held: 2,
        ..Counts::default()
    };
    assert_eq!(counts, expected);
    assert!(region.ports(4, 5).is_empty());
    // Nothing else is wanted from those that are held before this is cleared up.
    let refusal = region.try_ask(open("acme", 23)).await.unwrap_err();
    assert_eq!(refusal.kind, RefusalKind::Conflict);
    assert!(refusal.text.contains("resume"), "{refusal}");
    for number in [1, 3] {
        region.hosts[&hv(number)].set_mood(Mood::Good);
    }
    let stopped = answer.action.unwrap();
    region.ask(Request::Resume { action: stopped }).await;
    let action = region.over(answer.action).await;
    assert!(is_done(&action), "{action:?}");
    region.converged().await;
    assert_eq!(region.ports(4, 5), [22]);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_was_away_gets_what_it_lacks_when_it_is_back() {
    let mut region = Region::start(3).await;
    region.host_away(1).await;
    let answer = region.ask(open("acme", 22)).await;
    let action = region.over(answer.action).await;
    let said = outcomes(&action);
    assert!(
        is_done(&action) && said["hv1"].starts_with("away: "),
        "{said:?}"
    );
    assert_eq!(
        [said["hv0"].as_str(), said["hv2"].as_str()],
        ["done", "done"]
    );
    // A machine that goes meanwhile is gone when all have forgotten it.
    region.ask(machine(50, "acme", Some(1))).await;
    region.ask(Request::RemoveMachine { machine: 2 }).await;
    let is_known = |region: &Region| {
        region.handle.read(|state| {
            let mut machines = state.view().machines.values();
            machines.any(|row| row.number == 2)
        })
    };
    assert!(is_known(&region));
    region.host(1).await;
    until("the machine to be forgotten", || !is_known(&region)).await;
    region.converged().await;
    assert_eq!(region.machines(1).keys().copied().collect::<Vec<_>>(), [50]);
    assert_eq!(region.ports(1, 50), [22]);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_silent_is_given_up_in_time() {
    let region = Region::start(3).await;
    region.hosts["hv1"].set_mood(Mood::Silent);
    let asked = Ask {
        policy: Policy {
            deadline: std::time::Duration::from_millis(200),
            attempts: 1,
            ..Policy::default()
        },
        ..ask(open("acme", 22))
    };
    let answer = region.handle.ask(asked).await.unwrap();
    let action = region.over(answer.action).await;
    let said = outcomes(&action);
    assert_eq!(said["hv1"], "away: no answer within 200ms");
    assert_eq!(
        [said["hv0"].as_str(), said["hv2"].as_str()],
        ["done", "done"]
    );
    region.hosts["hv1"].set_mood(Mood::Good);
    region.converged().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_action_goes_on_where_a_service_was_killed() {
    let region = Region::start(5).await;
    region.hosts["hv2"].set_mood(Mood::Silent);
    let asked = Ask {
        policy: Policy {
            parallel: 1,
            deadline: std::time::Duration::from_secs(3600),
            ..Policy::default()
        },
        ..ask(open("acme", 22))
    };
    let answer = region.handle.ask(asked).await.unwrap();
    let number = answer.action.unwrap();
    until("the third to be told", || {
        region.handle.read(|state| {
            let counts = state.counts(state.action(number).unwrap());
            (counts.done, counts.telling) == (2, 1)
        })
    })
    .await;
    let region = region.restart().await;
    assert_eq!(
        region
            .handle
            .read(|state| state.action(number).unwrap().state),
        ActionState::Running
    );
    region.hosts["hv2"].set_mood(Mood::Good);
    let action = region.over(answer.action).await;
    assert!(is_done(&action));
    assert_eq!(
        outcomes(&action),
        (0..5).map(|n| (hv(n), "done".to_owned())).collect()
    );
    region.converged().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_tells_nobody_anything() {
    let region = Region::start(3).await;
    let outcomes = |region: &Region| -> Vec<u64> {
        let hosts = region.hosts.values();
        hosts
            .map(|host| host.hypervisor.look(|core| core.outcomes.last()))
            .collect()
    };
    let before = outcomes(&region);
    let region = region.restart().await;
    until("all links", || (0..3).all(|number| region.is_up(number))).await;
    // What is asked for after all are up is told after what a restart would have told.
    let answer = region.ask(machine(60, "acme", Some(0))).await;
    region.over(answer.action).await;
    let after = outcomes(&region);
    assert_eq!(after[1..], before[1..]);
    assert_eq!(after[0], before[0] + 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_machine_moves_without_a_gap() {
    let region = Region::start(2).await;
    let begun = region
        .ask(Request::BeginMove {
            machine: 1,
            to: "hv1".into(),
        })
        .await;
    let action = region.over(begun.action).await;
    assert_eq!(
        outcomes(&action),
        [("hv1".to_owned(), "done".to_owned())].into()
    );
    // Both have it, and where it goes it is passive.
    let passive = |number: usize| region.machines(number)[&1].vnics[0].passive;
    assert_eq!([passive(0), passive(1)], [false, true]);
    let finished = region.ask(Request::FinishMove { machine: 1 }).await;
    let action = region.over(finished.action).await;
    assert!(is_done(&action) && action.hypervisors.iter().len() == 2);
    assert!(!passive(1) && !region.machines(0).contains_key(&1));
    until("nobody to have to forget it", || {
        region.handle.read(|state| {
            let mut machines = state.view().machines.values();
            machines.all(|row| row.departed.iter().len() == 0)
        })
    })
    .await;
    // And back, but it stays.
    let begun = region
        .ask(Request::BeginMove {
            machine: 1,
            to: "hv0".into(),
        })
        .await;
    region.over(begun.action).await;
    let cancelled = region.ask(Request::CancelMove { machine: 1 }).await;
    region.over(cancelled.action).await;
    assert!(!passive(1) && !region.machines(0).contains_key(&1));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_others_change_is_put_right() {
    let region = Region::start(2).await;
    let change = |request| {
        let asked = Asked {
            caller: "somebody".to_owned(),
            key: None,
            now: hvd::engine::now(),
        };
        let end = tokio::time::Instant::now() + support::PATIENCE;
        region.hosts["hv0"].hypervisor.change(request, asked, end)
    };
    change(HostRequest::Remove(1, false)).await.unwrap();
    region.converged().await;
    change(HostRequest::DisableAll).await.unwrap();
    region.converged().await;
    assert!(region.machines(0)[&1].vnics[0].enabled);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disabled_hypervisor_is_told_nothing() {
    let region = Region::start(2).await;
    let put = |enabled| match hypervisor(region.folder.path(), 1) {
        Request::PutHypervisor {
            name,
            endpoint,
            tags,
            ..
        } => Request::PutHypervisor {
            name,
            endpoint,
            tags,
            enabled,
        },
        _ => unreachable!(),
    };
    region.ask(put(false)).await;
    let answer = region.ask(open("acme", 22)).await;
    assert_eq!(answer.hypervisors.iter().len(), 1);
    region.over(answer.action).await;
    assert!(region.ports(1, 2).is_empty() && !region.is_up(1));
    region.ask(put(true)).await;
    region.converged().await;
    assert_eq!(region.ports(1, 2), [22]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stopped_action_can_be_resumed_when_nobody_is_told_any_more() {
    let region = Region::start(3).await;
    region.hosts["hv0"].set_mood(Mood::Silent);
    let asked = Ask {
        policy: Policy {
            parallel: 1,
            deadline: std::time::Duration::from_secs(3600),
            ..Policy::default()
        },
        ..ask(Request::Enable {
            scope: Scope::default(),
            enabled: false,
        })
    };
    let answer = region.handle.ask(asked).await.unwrap();
    let action = answer.action.unwrap();
    region.ask(Request::Stop { action }).await;
    let refusal = region
        .try_ask(Request::Resume { action })
        .await
        .unwrap_err();
    assert_eq!(refusal.kind, RefusalKind::Conflict);
    region.hosts["hv0"].set_mood(Mood::Good);
    let stopped = region.over(answer.action).await;
    let said = outcomes(&stopped);
    let words = ["hv0", "hv1", "hv2"].map(|name| said[name].as_str());
    assert_eq!(words, ["done", "held", "held"]);
    region.ask(Request::Resume { action }).await;
    let action = region.over(answer.action).await;
    assert!(is_done(&action));
    region.converged().await;
}
