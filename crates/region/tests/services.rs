//! Several services over one database in etcd: one leads, the others know who, and one of them goes on where it ended.

#![allow(clippy::unwrap_used)] // These are tests, though not marked so.

mod support;

use std::time::Duration;

use model::region::ActionState;
use region::engine::{Ask, Engine, Lead, RefusalKind};
use region::rollout::Policy;
use server::{EtcdArgs, Place};
use support::fleet::{Mood, Simulated};
use support::{
    PATIENCE, ask, customer, hv, hypervisor, is_done, machine, open, outcomes, over, until,
    until_leads,
};
use testbed::Etcd;

/// Where a service keeps its database when it can reach just this member.
fn place(etcd: &Etcd, member: usize) -> Place {
    Place::Etcd(EtcdArgs {
        etcd: vec![etcd.endpoint(member)],
        etcd_prefix: "region".to_owned(),
        ..EtcdArgs::default()
    })
}

async fn etcd(members: usize) -> Etcd {
    let started = tokio::task::spawn_blocking(move || Etcd::start(members));
    started.await.unwrap().unwrap()
}

/// Hypervisors with a machine each.
async fn hypervisors(engine: &Engine, folder: &std::path::Path, count: usize) -> Vec<Simulated> {
    let handle = engine.handle();
    handle.ask(ask(customer("acme"))).await.unwrap();
    let mut hosts = Vec::new();
    for number in 0..count {
        hosts.push(Simulated::start(folder, &hv(number)).await);
        handle.ask(ask(hypervisor(folder, number))).await.unwrap();
        let put = machine(number + 1, "acme", Some(number));
        let answer = handle.ask(ask(put)).await.unwrap();
        assert!(is_done(&over(&handle, answer.action).await));
    }
    hosts
}

fn one_by_one() -> Ask {
    Ask {
        policy: Policy {
            parallel: 1,
            deadline: Duration::from_secs(3600),
            ..Policy::default()
        },
        ..ask(open("acme", 22))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn another_service_goes_on_with_an_action() {
    let (etcd, folder) = (etcd(1).await, tempfile::tempdir().unwrap());
    let first = support::start(&place(&etcd, 0), "first").await;
    until_leads(&first.handle()).await;
    let second = support::start(&place(&etcd, 0), "second").await;
    let handle = second.handle();
    until("the other to be known", || {
        handle.read(|state| state.lead() == Lead::Elsewhere("first"))
    })
    .await;
    let refusal = handle.ask(ask(customer("other"))).await.unwrap_err();
    assert_eq!(refusal.kind, RefusalKind::NotLeader);
    assert!(refusal.text.contains("\"first\""), "{refusal}");

    let hosts = hypervisors(&first, folder.path(), 4).await;
    hosts[1].set_mood(Mood::Silent);
    let answer = first.handle().ask(one_by_one()).await.unwrap();
    let number = answer.action.unwrap();
    // What is read is the same everywhere, within a moment.
    until("the second service to see it", || {
        handle.read(|state| {
            let action = state.action(number);
            action.is_some_and(|action| outcomes(action).get("hv0").is_some_and(|it| it == "done"))
        })
    })
    .await;
    // A try-out needs no lock.
    let dry_run = Ask {
        dry_run: true,
        ..ask(open("acme", 23))
    };
    assert_eq!(
        handle.ask(dry_run).await.unwrap().hypervisors.iter().len(),
        4
    );
    first.stop().await;
    until_leads(&handle).await;
    hosts[1].set_mood(Mood::Good);
    let action = over(&handle, answer.action).await;
    assert!(is_done(&action), "{action:?}");
    assert_eq!(
        outcomes(&action),
        (0..4).map(|n| (hv(n), "done".to_owned())).collect()
    );
    handle.ask(ask(customer("other"))).await.unwrap();
    second.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_lock_nobody_is_told_anything() {
    let (mut etcd, folder) = (etcd(1).await, tempfile::tempdir().unwrap());
    let engine = support::start(&place(&etcd, 0), "only").await;
    let handle = engine.handle();
    until_leads(&handle).await;
    let hosts = hypervisors(&engine, folder.path(), 3).await;
    hosts[0].set_mood(Mood::Silent);
    let answer = handle.ask(one_by_one()).await.unwrap();
    let number = answer.action.unwrap();
    let counts = || handle.read(|state| state.counts(state.action(number).unwrap()));
    until("the first to be told", || counts().telling == 1).await;
    let etcd = tokio::task::spawn_blocking(move || {
        etcd.kill(0).unwrap();
        etcd
    });
    let mut etcd = etcd.await.unwrap();
    until("the lock to be lost", || {
        handle.read(|state| state.lead() != Lead::Here)
    })
    .await;
    let last = |host: &Simulated| host.hypervisor.look(|core| core.outcomes.last());
    let before = (last(&hosts[1]), last(&hosts[2]));
    hosts[0].set_mood(Mood::Good);
    let refusal = handle.ask(ask(customer("other"))).await.unwrap_err();
    assert_eq!(refusal.kind, RefusalKind::NotLeader);
    assert!(refusal.text.contains("try again"), "{refusal}");
    assert_eq!((last(&hosts[1]), last(&hosts[2])), before);
    let running = handle.read(|state| state.action(number).unwrap().state);
    assert_eq!(running, ActionState::Running);
    let etcd = tokio::task::spawn_blocking(move || {
        etcd.restart(0).unwrap();
        etcd
    });
    let _etcd = tokio::time::timeout(PATIENCE, etcd).await.unwrap().unwrap();
    until_leads(&handle).await;
    let action = over(&handle, answer.action).await;
    assert_eq!(
        outcomes(&action),
        (0..3).map(|n| (hv(n), "done".to_owned())).collect()
    );
    engine.stop().await;
}
