//! The switch's keeper against a real switch.

#[path = "../../openflow/tests/switch/mod.rs"]
mod switch;

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use agent::switch::{Event, Switch as Keeper};
use openflow::message::FlowMod;
use openflow::{Action, Bucket, Field, Flow, FlowKey, Group, GroupKind, Match, Message};
use physical::{Body, Changes, FlowChange, GroupChange};
use switch::Switch;
use transport::Remote;

/// How long anything may take before the test fails.
const PATIENCE: Duration = Duration::from_secs(30);

fn key(priority: u16) -> FlowKey {
    FlowKey {
        table: 0,
        priority,
        matches: Match::new().ip(),
    }
}

fn body(action: Action) -> Body {
    Body {
        cookie: 0x1234_5678,
        actions: [action].into(),
    }
}

fn change(key: FlowKey, new: Option<Body>) -> FlowChange {
    FlowChange {
        key,
        old: None,
        new,
    }
}

fn group(id: u32) -> Group {
    let bucket = Bucket {
        actions: vec![Action::output(1)],
        ..Bucket::default()
    };
    Group {
        id,
        kind: GroupKind::All,
        buckets: vec![bucket],
        ..Group::default()
    }
}

async fn event(keeper: &mut Keeper) -> Event {
    tokio::time::timeout(PATIENCE, keeper.next())
        .await
        .expect("in time")
        .expect("an event")
}

async fn installed(keeper: &mut Keeper, mark: u64) {
    keeper.mark(mark);
    loop {
        match event(keeper).await {
            Event::Installed(got) if got == mark => return,
            Event::Message(_) | Event::Connected { .. } => {}
            other => panic!("{other:?}"),
        }
    }
}

/// The priorities of the flows of table 0.
fn held(switch: &Switch) -> BTreeSet<u16> {
    let flows = switch.connect().told();
    flows.iter().map(|flow| flow.priority()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_bridge_becomes_and_stays_what_it_should_be() {
    let mut switch = Switch::start();
    let foreign = Flow::new(0, 99, Match::new(), vec![Action::output(2)]);
    let add = Message::FlowMod(Box::new(FlowMod::add(foreign)));
    switch.connect().bundle(&[add]).expect("a good flow");

    let mut keeper = Keeper::new(Remote::Unix(switch.management()));
    assert_eq!(
        event(&mut keeper).await,
        Event::Connected { tunnel_metadata: 0 }
    );
    let flows = vec![
        change(key(1), Some(body(Action::Group(5)))),
        change(key(2), Some(body(Action::output(2)))),
    ];
    let groups = vec![GroupChange {
        id: 5,
        old: None,
        new: Some(group(5)),
    }];
    keeper.update(Changes { flows, groups });
    // The view is not complete, so that nothing may be removed yet.
    let audit = keeper.audit().await.expect("an audit");
    assert_eq!(held(&switch), [99].into());
    assert_eq!(audit.flows, 1);
    keeper.complete();
    installed(&mut keeper, 1).await;
    assert_eq!(held(&switch), [1, 2].into());
    assert!(keeper.audit().await.expect("an audit").is_clean());

    // A flow that the switch refuses is left out alone, and with it the older one under its key.
    let no_ip = FlowKey {
        matches: Match::new().with(Field::TcpDst, 80u16),
        ..key(3)
    };
    let flows = vec![
        change(no_ip, Some(body(Action::output(1)))),
        change(key(2), Some(body(Action::Group(77)))),
        change(key(4), Some(body(Action::output(1)))),
    ];
    keeper.update(Changes {
        flows,
        groups: Vec::new(),
    });
    installed(&mut keeper, 2).await;
    assert_eq!(held(&switch), [1, 4].into());
    assert!(keeper.audit().await.expect("an audit").is_clean());

    // A switch that starts anew gets everything again.
    switch.kill();
    assert_eq!(event(&mut keeper).await, Event::Disconnected);
    keeper.update(Changes {
        flows: vec![change(key(4), None)],
        groups: Vec::new(),
    });
    switch.revive();
    assert_eq!(
        event(&mut keeper).await,
        Event::Connected { tunnel_metadata: 0 }
    );
    installed(&mut keeper, 3).await;
    assert_eq!(held(&switch), [1].into());

    // What somebody else does is seen.
    let foreign = Flow::new(0, 98, Match::new(), Vec::new());
    let add = Message::FlowMod(Box::new(FlowMod::add(foreign.clone())));
    switch.connect().bundle(&[add]).expect("a good flow");
    let audit = keeper.audit().await.expect("an audit");
    assert_eq!(audit.foreign, [foreign.key]);

    keeper.update(Changes {
        flows: vec![change(key(1), None)],
        groups: vec![GroupChange {
            id: 5,
            old: Some(group(5)),
            new: None,
        }],
    });
    installed(&mut keeper, 4).await;
    assert_eq!(held(&switch), [98].into());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_flows_are_one_bundle_and_a_restart_changes_none() {
    let switch = Switch::start();
    let flows: Vec<FlowChange> = (0..10_000u32)
        .map(|n| {
            let matches = Match::new().metadata(u64::from(n % 50)).reg(14, n).ip();
            let key = FlowKey {
                table: 10,
                priority: 100,
                matches,
            };
            let actions = [Action::load(n, Field::Reg(15)), Action::resubmit(11)];
            let body = Body {
                cookie: n.into(),
                actions: actions.into(),
            };
            change(key, Some(body))
        })
        .collect();
    let whole = Changes {
        flows,
        groups: Vec::new(),
    };
    let mut since = Instant::now();
    for _ in 0..2 {
        since = Instant::now();
        let mut keeper = Keeper::new(Remote::Unix(switch.management()));
        assert!(matches!(event(&mut keeper).await, Event::Connected { .. }));
        keeper.update(whole.clone());
        keeper.complete();
        installed(&mut keeper, 1).await;
        let audit = keeper.audit().await.expect("an audit");
        assert!(audit.is_clean());
        assert_eq!(audit.flows, 10_000);
    }
    // Every flow is older than the second keeper, which therefore wrote none.
    let age = since.elapsed();
    for flow in switch.connect().told().iter() {
        let duration = flow.counters().duration;
        let (seconds, nanoseconds) = duration.expect("the switch tells it");
        let lives = Duration::new(seconds.into(), nanoseconds);
        assert!(lives >= age, "{flow}");
    }
}
