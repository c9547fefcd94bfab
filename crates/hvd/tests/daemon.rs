//! The daemon over a real switch: what is answered is in force, and what is refused has changed nothing.

#![allow(clippy::unwrap_used)] // These are tests, though not marked so.

mod support;
#[path = "../../openflow/tests/switch/mod.rs"]
mod switch;

use rpc::hv::v1;
use support::{Daemon, PATIENCE, add, params};
use switch::Switch;
use tonic::Code;

/// The flows, without counters and in an order of their own.
fn flows(switch: &Switch) -> Vec<String> {
    let mut flows = switch.ofctl(&["--no-stats", "dump-flows", "br0"]);
    flows.sort();
    flows
}

/// `ovs-ofctl monitor`, which prints every flow that is added, deleted or modified.
struct Monitor {
    process: std::process::Child,
    output: tempfile::NamedTempFile,
}

impl Monitor {
    fn start(switch: &Switch) -> Self {
        let output = tempfile::NamedTempFile::new().unwrap();
        let file = output.reopen().unwrap();
        let target = format!("unix:{}", switch.management().display());
        let process = std::process::Command::new("ovs-ofctl")
            .args(["monitor", &target, "watch:!initial"])
            .env("OVS_RUNDIR", switch.directory())
            .stdout(file.try_clone().unwrap())
            .stderr(file)
            .spawn()
            .unwrap();
        let monitor = Self { process, output };
        // It watches when it sees a flow that comes and goes.
        for _ in 0..200 {
            switch.ofctl(&["add-flow", "br0", "table=99,actions=drop"]);
            switch.ofctl(&["del-flows", "br0", "table=99"]);
            if monitor.lines().iter().any(|line| line.contains("table=99")) {
                return monitor;
            }
            std::thread::sleep(std::time::Duration::from_millis(50));
        }
        panic!("nothing is seen: {:?}", monitor.lines());
    }

    fn lines(&self) -> Vec<String> {
        let text = std::fs::read_to_string(self.output.path()).unwrap();
        text.lines().map(str::to_owned).collect()
    }

    /// What was seen, but for the flow that it was tried with.
    fn changes(&self) -> Vec<String> {
        let lines = self.lines().into_iter();
        lines
            .filter(|line| line.contains("event=") && !line.contains("table=99"))
            .collect()
    }
}

impl Drop for Monitor {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_added_is_there_and_goes_without_a_trace() {
    let (switch, folder) = (Switch::start(), folder());
    let daemon = Daemon::ready(folder.path(), switch.management(), &[]).await;
    let base = flows(&switch);
    let mut client = daemon.client().await;
    let change = client
        .add(add(params(1, "p2", "192.0.2.2")))
        .await
        .unwrap()
        .into_inner();
    let with = flows(&switch);
    assert!(change.flows_added > 0 && change.flows_deleted == 0 && change.waiting.is_empty());
    assert_eq!(
        with.len(),
        base.len() + usize::try_from(change.flows_added).unwrap()
    );
    let machine = client
        .get(v1::GetRequest { machine_id: 1 })
        .await
        .unwrap()
        .into_inner();
    assert_eq!(machine.state(), v1::MachineState::Installed);
    assert_eq!(machine.flows, change.flows_added);
    // Others find a machine's flows by what it says of its cookies.
    let selected = switch.ofctl(&["--no-stats", "dump-flows", "br0", &machine.cookie]);
    assert_eq!(selected.len(), usize::try_from(change.flows_added).unwrap());
    let remove = v1::RemoveRequest {
        machine_id: 1,
        ..v1::RemoveRequest::default()
    };
    client.remove(remove.clone()).await.unwrap();
    assert_eq!(flows(&switch), base);
    assert_eq!(
        client.remove(remove).await.unwrap_err().code(),
        Code::NotFound
    );
    let missing = v1::RemoveRequest {
        machine_id: 1,
        allow_missing: true,
        ..Default::default()
    };
    assert_eq!(
        client
            .remove(missing)
            .await
            .unwrap()
            .into_inner()
            .flows_deleted,
        0
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_changes_not_one_flow() {
    let (switch, folder) = (Switch::start(), folder());
    let daemon = Daemon::ready(folder.path(), switch.management(), &[]).await;
    let mut client = daemon.client().await;
    for (number, port) in [(1, "p2"), (2, "p3")] {
        let address = format!("192.0.2.{number}");
        client
            .add(add(params(number, port, &address)))
            .await
            .unwrap();
    }
    // One of somebody else, and one of a version that is not known.
    for cookie in ["0x99", "0x2800000000100000"] {
        let flow = format!(
            "cookie={cookie},table=40,priority={},ip,actions=drop",
            cookie.len()
        );
        switch.ofctl(&["add-flow", "br0", &flow]);
    }
    let before = flows(&switch);
    let monitor = Monitor::start(&switch);
    drop(client);
    daemon.stop().await;
    let daemon = Daemon::ready(folder.path(), switch.management(), &[]).await;
    assert_eq!(flows(&switch), before);
    assert_eq!(monitor.changes(), Vec::<String>::new());
    let events = daemon.hypervisor.look(|core| core.outcomes.last());
    let (past, _) = daemon
        .hypervisor
        .look(|core| core.outcomes.watch(events - 1))
        .unwrap();
    assert_eq!(past[0].kind, hvd::core::Kind::Connected);
    let mut client = daemon.client().await;
    let list = client
        .list(v1::ListRequest::default())
        .await
        .unwrap()
        .into_inner();
    let numbers: Vec<u32> = list
        .machines
        .iter()
        .map(|machine| machine.machine_id)
        .collect();
    assert_eq!(numbers, [1, 2]);
    assert_eq!(
        list.machines[0].params.as_ref().unwrap().vnics[0].name,
        "p2"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_request_leaves_the_switch_and_names_the_field() {
    let (switch, folder) = (Switch::start(), folder());
    let daemon = Daemon::ready(folder.path(), switch.management(), &[]).await;
    let mut client = daemon.client().await;
    client.add(add(params(1, "p2", "192.0.2.2"))).await.unwrap();
    let before = flows(&switch);
    let mut bad = params(2, "p3", "192.0.2.3");
    bad.vnics[0].mac = "02:00".to_owned();
    let status = client.add(add(bad)).await.unwrap_err();
    assert_eq!(status.code(), Code::InvalidArgument);
    assert_eq!(hvd::door::field(&status), Some("vnics[0].mac"));
    let same_address = params(2, "p3", "192.0.2.2");
    let status = client.add(add(same_address)).await.unwrap_err();
    assert_eq!(
        (status.code(), hvd::door::field(&status)),
        (Code::AlreadyExists, Some("vnics"))
    );
    let status = client.add(v1::AddRequest::default()).await.unwrap_err();
    assert_eq!(hvd::door::field(&status), Some("params"));
    let mut wrong_type = add(params(2, "p3", "192.0.2.3"));
    wrong_type.interface_type = "both".to_owned();
    let status = client.add(wrong_type).await.unwrap_err();
    assert_eq!(hvd::door::field(&status), Some("interface_type"));
    assert_eq!(flows(&switch), before);
    let list = client
        .list(v1::ListRequest::default())
        .await
        .unwrap()
        .into_inner();
    assert_eq!(list.machines.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_with_a_key_is_carried_out_once() {
    let (switch, folder) = (Switch::start(), folder());
    let daemon = Daemon::ready(folder.path(), switch.management(), &[]).await;
    let mut client = daemon.client().await;
    let keyed = |number, port| v1::AddRequest {
        idempotency_key: "order-66".to_owned(),
        ..add(params(number, port, "192.0.2.2"))
    };
    let first = client.add(keyed(1, "p2")).await.unwrap().into_inner();
    assert!(!first.replayed);
    // Meanwhile the machine goes; to send the request again does not bring it back.
    let remove = v1::RemoveRequest {
        machine_id: 1,
        ..v1::RemoveRequest::default()
    };
    client.remove(remove).await.unwrap();
    let after = flows(&switch);
    let again = client.add(keyed(1, "p2")).await.unwrap().into_inner();
    assert_eq!(
        again,
        v1::Change {
            replayed: true,
            ..first.clone()
        }
    );
    assert_eq!(flows(&switch), after);
    let status = client.add(keyed(2, "p3")).await.unwrap_err();
    assert_eq!(hvd::door::field(&status), Some("idempotency_key"));
    drop(client);
    daemon.stop().await;
    let daemon = Daemon::ready(folder.path(), switch.management(), &[]).await;
    let again = daemon
        .client()
        .await
        .add(keyed(1, "p2"))
        .await
        .unwrap()
        .into_inner();
    assert!(again.replayed && again.sequence == first.sequence);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dry_run_says_what_then_happens() {
    let (switch, folder) = (Switch::start(), folder());
    let daemon = Daemon::ready(folder.path(), switch.management(), &[]).await;
    let mut client = daemon.client().await;
    let before = flows(&switch);
    let request = add(params(1, "p2", "192.0.2.2"));
    let dry = v1::DryRunRequest {
        change: Some(v1::dry_run_request::Change::Add(request.clone())),
    };
    let dry = client.dry_run(dry).await.unwrap().into_inner();
    assert_eq!(flows(&switch), before);
    let change = client.add(request).await.unwrap().into_inner();
    assert_eq!(
        (dry.flows_added, dry.flows_deleted),
        (change.flows_added, change.flows_deleted)
    );
    let after = flows(&switch);
    let remove = v1::RemoveRequest {
        machine_id: 1,
        ..v1::RemoveRequest::default()
    };
    client.remove(remove).await.unwrap();
    assert_eq!(flows(&switch), before);
    // The lines of flows are a bundle of ovs-ofctl, which comes to the same flows.
    let file = folder.path().join("bundle.txt");
    let lines = dry.changes.iter();
    let lines = lines.filter(|line| line.starts_with("flow "));
    let bundle: String = lines.map(|line| format!("{line}\n")).collect();
    std::fs::write(&file, bundle).unwrap();
    switch.ofctl(&["bundle", "br0", file.to_str().unwrap()]);
    assert_eq!(flows(&switch), after);
}

#[tokio::test(flavor = "multi_thread")]
async fn when_the_switch_restarts_its_flows_come_back() {
    let (mut switch, folder) = (Switch::start(), folder());
    let daemon = Daemon::ready(folder.path(), switch.management(), &[]).await;
    let mut client = daemon.client().await;
    let mut limited = params(1, "p2", "192.0.2.2");
    let limit = v1::RateLimit {
        kbps: 1000,
        burst_kbits: None,
    };
    limited.vnics[0].rate_limits = Some(v1::RateLimits {
        inbound: Some(limit),
        outbound: Some(limit),
    });
    client.add(add(limited)).await.unwrap();
    let meters = |switch: &Switch| switch.ofctl(&["dump-meters", "br0"]);
    let before = (flows(&switch), meters(&switch));
    switch.kill();
    daemon.health(false).await;
    let status = client
        .add(add(params(2, "p3", "192.0.2.3")))
        .await
        .unwrap_err();
    assert_eq!(status.code(), Code::Unavailable);
    let machine = client
        .get(v1::GetRequest { machine_id: 1 })
        .await
        .unwrap()
        .into_inner();
    assert_eq!(machine.state(), v1::MachineState::Pending);
    switch.revive();
    daemon.health(true).await;
    assert_eq!((flows(&switch), meters(&switch)), before);
    // What was refused is not made up for.
    let missing = client
        .get(v1::GetRequest { machine_id: 2 })
        .await
        .unwrap_err();
    assert_eq!(missing.code(), Code::NotFound);
}

#[tokio::test(flavor = "multi_thread")]
async fn flows_come_with_their_port_and_follow_its_number() {
    let (switch, folder) = (Switch::start(), folder());
    let daemon = Daemon::ready(folder.path(), switch.management(), &[]).await;
    let mut client = daemon.client().await;
    let base = flows(&switch);
    let change = client
        .add(add(params(1, "late", "192.0.2.2")))
        .await
        .unwrap()
        .into_inner();
    assert_eq!(
        (change.flows_added, change.waiting),
        (0, vec!["late".to_owned()])
    );
    let mut watch = client
        .watch(v1::WatchRequest::default())
        .await
        .unwrap()
        .into_inner();
    let plug = |number: &str| {
        let number = format!("ofport_request={number}");
        let words = [
            "--may-exist",
            "add-port",
            "br0",
            "late",
            "--",
            "set",
            "interface",
            "late",
            "type=dummy",
            &number,
        ];
        switch.vsctl(&words);
    };
    let has = |number: &str| {
        let wanted = format!("in_port={number}");
        flows(&switch).iter().any(|flow| flow.contains(&wanted))
    };
    plug("21");
    let outcome = tokio::time::timeout(PATIENCE, watch.message())
        .await
        .unwrap()
        .unwrap()
        .unwrap();
    assert_eq!(outcome.kind(), v1::OutcomeKind::Repaired);
    assert!(has("21"));
    switch.vsctl(&["del-port", "late"]);
    let outcome = tokio::time::timeout(PATIENCE, watch.message())
        .await
        .unwrap()
        .unwrap()
        .unwrap();
    assert!(outcome.flows_deleted > 0);
    assert_eq!(flows(&switch), base);
    plug("22");
    tokio::time::timeout(PATIENCE, watch.message())
        .await
        .unwrap()
        .unwrap()
        .unwrap();
    assert!(has("22") && !has("21"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_port_that_came_before_its_machine_has_its_flows_at_once() {
    let (switch, folder) = (Switch::start(), folder());
    let daemon = Daemon::ready(folder.path(), switch.management(), &[]).await;
    let mut client = daemon.client().await;
    let words = "add-port br0 early -- set interface early type=dummy ofport_request=31";
    switch.vsctl(&words.split(' ').collect::<Vec<_>>());
    // The switch tells of it when it likes to, and then it is no news.
    let change = client.add(add(params(1, "early", "192.0.2.2")));
    let change = change.await.unwrap().into_inner();
    let wanted = "in_port=31";
    let found = || flows(&switch).iter().any(|flow| flow.contains(wanted));
    let has = async {
        while !found() {
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
    };
    let has = tokio::time::timeout(PATIENCE, has).await;
    assert!(has.is_ok(), "{change:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_watches_is_told_everything_and_can_go_on_where_it_was() {
    let (switch, folder) = (Switch::start(), folder());
    let daemon = Daemon::ready(folder.path(), switch.management(), &[]).await;
    let mut client = daemon.client().await;
    let from = client
        .list(v1::ListRequest::default())
        .await
        .unwrap()
        .into_inner()
        .sequence;
    client.add(add(params(1, "p2", "192.0.2.2"))).await.unwrap();
    client
        .add(add(params(1, "p2", "192.0.2.3")))
        .await
        .unwrap_err();
    let watch = v1::WatchRequest {
        machine_id: 1,
        after: from,
    };
    let mut watch = client.watch(watch).await.unwrap().into_inner();
    let mut next = async || {
        tokio::time::timeout(PATIENCE, watch.message())
            .await
            .unwrap()
            .unwrap()
            .unwrap()
    };
    let added = next().await;
    assert_eq!(
        (added.kind(), added.sequence),
        (v1::OutcomeKind::Added, from + 1)
    );
    let own = std::fs::metadata(folder.path()).unwrap();
    let user = transport::stream::user_name(std::os::unix::fs::MetadataExt::uid(&own));
    assert_eq!(added.caller, format!("local:{user}"));
    let refused = next().await;
    assert_eq!(refused.kind(), v1::OutcomeKind::Refused);
    assert!(
        refused.error.starts_with("vnics[0]: p2 is there"),
        "{}",
        refused.error
    );
    client
        .disable_all(v1::DisableAllRequest::default())
        .await
        .unwrap();
    assert_eq!(next().await.kind(), v1::OutcomeKind::Disabled);
    let old = v1::WatchRequest {
        machine_id: 0,
        after: 1,
    };
    assert_eq!(
        client.watch(old).await.unwrap_err().code(),
        Code::OutOfRange
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_hold_every_machine_once() {
    let (switch, folder) = (Switch::start(), folder());
    let daemon = Daemon::ready(folder.path(), switch.management(), &[]).await;
    let mut client = daemon.client().await;
    for number in 1..=7u32 {
        let name = format!("tap{number}");
        client
            .add(add(params(number, &name, &format!("192.0.2.{number}"))))
            .await
            .unwrap();
    }
    let (mut seen, mut page_token) = (Vec::new(), String::new());
    loop {
        let request = v1::ListRequest {
            page_size: 3,
            page_token,
        };
        let page = client.list(request).await.unwrap().into_inner();
        assert!(page.machines.len() <= 3);
        seen.extend(page.machines.iter().map(|machine| machine.machine_id));
        page_token = page.next_page_token;
        if page_token.is_empty() {
            break;
        }
    }
    assert_eq!(seen, [1, 2, 3, 4, 5, 6, 7]);
    let wrong = v1::ListRequest {
        page_size: 0,
        page_token: "x".to_owned(),
    };
    assert_eq!(
        client.list(wrong).await.unwrap_err().code(),
        Code::InvalidArgument
    );
}
