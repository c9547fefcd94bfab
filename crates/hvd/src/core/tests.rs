//! The core against a switch that is a value.

use std::collections::BTreeMap;

use hvflow::Uplink;
use openflow::Flow;
use openflow::sync::Mod;
use proptest::prelude::*;

use super::*;

/// What was written down, and what the switch holds.
#[derive(Debug, Clone, Default)]
struct World {
    documents: BTreeMap<(&'static str, String), String>,
    installed: Installed,
    ports: Vec<(&'static str, u16)>,
}

impl World {
    fn new() -> Self {
        Self {
            ports: vec![("eth0", 1), ("tap1", 10), ("tap2", 11), ("tap3", 12)],
            ..Self::default()
        }
    }

    fn host() -> Host {
        Host {
            public: Some(Uplink {
                port: "eth0".to_owned(),
                vlan: 0,
                router_mac: None,
            }),
            private: Some(Uplink {
                port: "eth0".to_owned(),
                vlan: 7,
                router_mac: None,
            }),
            ..Host::default()
        }
    }

    fn ports(&self) -> Ports {
        self.ports.iter().copied().collect()
    }

    /// A daemon that has just begun, and has made the switch agree.
    fn start(&mut self) -> (Core, usize) {
        let of = |table: &'static str| {
            let documents = self
                .documents
                .iter()
                .filter(move |((at, _), _)| *at == table);
            documents.map(|((_, key), document)| (key.as_str(), document.as_str()))
        };
        let mut core = Core::load(Self::host(), of(MACHINES), of(REQUESTS), 0).unwrap();
        let numbers = core.connected(self.ports(), self.installed.clone());
        let commit = core.repair(&numbers).unwrap();
        core.repaired(&commit, None, 0);
        self.installed.apply(&commit);
        let settled = core.settle();
        self.write(&settled);
        (core, commit.bundle.len())
    }

    fn write(&mut self, writes: &[Write]) {
        for write in writes {
            let key = (write.table, write.key.clone());
            match &write.document {
                Some(document) => self.documents.insert(key, document.clone()),
                None => self.documents.remove(&key),
            };
        }
    }

    /// Carries a request out.
    fn change(&mut self, core: &mut Core, request: &Request) -> Result<Answer, Refusal> {
        let plan = match core.plan(request, &Asked::default())? {
            Decision::Do(plan) => *plan,
            Decision::Done(answer) => return Ok(answer),
        };
        self.write(&plan.writes);
        self.installed.apply(&plan.commit);
        Ok(core.done(plan))
    }

    fn flows(&self) -> Vec<String> {
        let mut flows: Vec<String> = self
            .installed
            .flows(Selection::All)
            .map(Flow::to_string)
            .collect();
        flows.sort();
        flows
    }
}

fn params(number: u32, name: &str, address: &str, kind: &str) -> NetworkParams {
    let text = format!(
        r#"{{"droplet_id": {number}, "vnics": [{{
            "mac": "02:00:00:00:00:{number:02x}", "name": "{name}", "interface_type": "{kind}",
            "addresses": {{"ipv4": [{{"ip_address": "{address}", "masklen": 24}}]}}
        }}]}}"#
    );
    NetworkParams::from_json(text.as_bytes()).unwrap()
}

fn one() -> NetworkParams {
    params(1, "tap1", "192.0.2.1", "public")
}

#[test]
fn a_restart_changes_nothing() {
    let mut world = World::new();
    let (mut core, base) = world.start();
    assert!(base > 0);
    let answer = world.change(&mut core, &Request::Add(one(), None)).unwrap();
    assert!(answer.added > 0 && answer.deleted == 0);
    let before = world.flows();
    let (core, changes) = world.start();
    assert_eq!((changes, world.flows()), (0, before));
    let view = core.view(1).unwrap();
    assert_eq!(view.params, Some(one()));
    assert_eq!(view.flows, usize::try_from(answer.added).ok());
}

#[test]
fn what_was_written_down_and_not_told_to_the_switch_is_told_after_a_restart() {
    let mut world = World::new();
    let (core, _) = world.start();
    let Ok(Decision::Do(plan)) = core.plan(&Request::Add(one(), None), &Asked::default()) else {
        panic!("it can be added")
    };
    world.write(&plan.writes);
    let (core, changes) = world.start();
    assert_eq!(changes, plan.commit.bundle.len());
    let with = world.flows();
    // The same for a removal: the machine is not taken for a found one.
    let Ok(Decision::Do(plan)) = core.plan(&Request::Remove(1, false), &Asked::default()) else {
        panic!("it can be removed")
    };
    world.write(&plan.writes);
    let (core, changes) = world.start();
    assert_eq!(changes, usize::try_from(plan.answer.deleted).unwrap());
    assert!(core.view(1).is_none());
    assert!(world.documents.is_empty(), "{:?}", world.documents);
    assert!(world.flows().len() < with.len());
}

#[test]
fn a_refused_request_leaves_everything_and_names_the_field() {
    let mut world = World::new();
    let (mut core, _) = world.start();
    world.change(&mut core, &Request::Add(one(), None)).unwrap();
    let before = (world.flows(), world.documents.clone());
    let other = params(1, "tap1", "192.0.2.9", "public");
    let refusal = world
        .change(&mut core, &Request::Add(other, None))
        .unwrap_err();
    assert_eq!(
        (refusal.reason, refusal.field.as_deref()),
        (Reason::Exists, Some("vnics[0]"))
    );
    let same_address = params(2, "tap2", "192.0.2.1", "public");
    let refusal = world
        .change(&mut core, &Request::Add(same_address, None))
        .unwrap_err();
    assert_eq!(
        (refusal.reason, refusal.field.as_deref()),
        (Reason::Exists, Some("vnics"))
    );
    assert!(
        refusal.text.contains("machine 2") && refusal.text.contains("machine 1"),
        "{refusal:?}"
    );
    let mut bad = one();
    bad.vnics[0].addresses.ipv4[0].masklen = 33;
    let refusal = world.change(&mut core, &Request::Replace(bad)).unwrap_err();
    assert_eq!(
        refusal.field.as_deref(),
        Some("vnics[0].addresses.ipv4[0].masklen")
    );
    let refusal = world
        .change(&mut core, &Request::Remove(9, false))
        .unwrap_err();
    assert_eq!(
        (refusal.reason, refusal.field.as_deref()),
        (Reason::NotFound, Some("machine_id"))
    );
    assert_eq!((world.flows(), world.documents.clone()), before);
    core.disconnected();
    let refusal = world
        .change(&mut core, &Request::Remove(1, false))
        .unwrap_err();
    assert_eq!(refusal.reason, Reason::Unavailable);
}

#[test]
fn a_machine_whose_parameters_were_lost_is_found_and_left_alone() {
    let mut world = World::new();
    let (mut core, _) = world.start();
    world.change(&mut core, &Request::Add(one(), None)).unwrap();
    let before = world.flows();
    world.documents.clear();
    let (mut core, changes) = world.start();
    assert_eq!((changes, world.flows()), (0, before.clone()));
    let view = core.view(1).unwrap();
    assert!(view.params.is_none() && view.flows.unwrap() > 0);
    // To add it is to replace what is there.
    let answer = world.change(&mut core, &Request::Add(one(), None)).unwrap();
    assert_eq!((answer.added, answer.deleted), (0, 0));
    assert_eq!(world.flows(), before);
    world.documents.clear();
    let (mut core, _) = world.start();
    world
        .change(
            &mut core,
            &Request::Disable(1, Some(InterfaceType::Private)),
        )
        .unwrap();
    assert_eq!(world.flows(), before);
    world
        .change(&mut core, &Request::Disable(1, Some(InterfaceType::Public)))
        .unwrap();
    assert!(world.flows().len() < before.len());
    assert!(core.view(1).is_none());
}

#[test]
fn cards_wait_for_their_ports() {
    let mut world = World::new();
    let (mut core, _) = world.start();
    let late = params(5, "tap5", "192.0.2.5", "public");
    let before = world.flows();
    let answer = world.change(&mut core, &Request::Add(late, None)).unwrap();
    assert_eq!((answer.added, answer.waiting), (0, vec!["tap5".to_owned()]));
    assert_eq!(world.flows(), before);
    assert!(core.cares_for("tap5") && core.cares_for("eth0") && !core.cares_for("tap6"));
    world.ports.push(("tap5", 20));
    let late = BTreeSet::from(["tap5".to_owned()]);
    let numbers = core.ports_changed(world.ports(), &late);
    assert_eq!(numbers, BTreeSet::from([5]));
    let commit = core.repair(&numbers).unwrap();
    world.installed.apply(&commit);
    core.repaired(&commit, None, 0);
    assert!(core.view(5).unwrap().waiting.is_empty());
    assert!(world.flows().iter().any(|flow| flow.contains("in_port=20")));
    // It comes back with another number, as machines do that are started again.
    world.ports.pop();
    world.ports.push(("tap5", 21));
    let numbers = core.ports_changed(world.ports(), &late);
    let commit = core.repair(&numbers).unwrap();
    world.installed.apply(&commit);
    let flows = world.flows();
    assert!(
        !flows.iter().any(|flow| flow.contains("in_port=20")),
        "{flows:?}"
    );
    assert!(flows.iter().any(|flow| flow.contains("in_port=21")));
}

#[test]
fn interfaces_of_one_type_are_added_and_disabled() {
    let mut world = World::new();
    let (mut core, _) = world.start();
    let mut both = one();
    both.vnics
        .extend(params(1, "tap2", "10.0.0.1", "private").vnics);
    both.vnics[1].mac = "02:00:00:00:01:01".parse().unwrap();
    let public = Some(InterfaceType::Public);
    world
        .change(&mut core, &Request::Add(both.clone(), public))
        .unwrap();
    assert_eq!(core.view(1).unwrap().params, Some(one()));
    world
        .change(&mut core, &Request::Add(both.clone(), None))
        .unwrap();
    assert_eq!(core.view(1).unwrap().params, Some(both.clone()));
    let all = world.flows();
    world
        .change(&mut core, &Request::Disable(1, public))
        .unwrap();
    let view = core.view(1).unwrap();
    assert!(!view.params.as_ref().unwrap().vnics[0].enabled);
    assert!(view.params.as_ref().unwrap().vnics[1].enabled);
    assert!(world.flows().len() < all.len());
    world.change(&mut core, &Request::Replace(both)).unwrap();
    assert_eq!(world.flows(), all);
    world.change(&mut core, &Request::DisableAll).unwrap();
    assert_eq!(core.view(1).unwrap().flows, Some(0));
}

#[test]
fn flows_of_others_and_of_unknown_versions_stay() {
    let mut world = World::new();
    let foreign: Flow = "cookie=0x5,table=7,priority=3,ip actions=drop"
        .parse()
        .unwrap();
    let future: Flow = "cookie=0x2800000000100000,table=7,priority=4,ip actions=drop"
        .parse()
        .unwrap();
    world.installed = Installed::new([foreign.clone(), future.clone()], []);
    let (mut core, _) = world.start();
    world.change(&mut core, &Request::Add(one(), None)).unwrap();
    world.change(&mut core, &Request::DisableAll).unwrap();
    let answer = world.change(&mut core, &Request::Remove(1, false)).unwrap();
    assert_eq!(answer.deleted, 0);
    assert_eq!(
        world.installed.cookie_of(&foreign.key),
        Some(foreign.cookie)
    );
    assert_eq!(world.installed.cookie_of(&future.key), Some(future.cookie));
}

#[test]
fn a_removal_also_tells_the_switch_what_the_daemon_has_not_seen() {
    let mut world = World::new();
    let (core, _) = world.start();
    let asked = Asked::default();
    assert!(core.plan(&Request::Remove(1, false), &asked).is_err());
    let Ok(Decision::Do(plan)) = core.plan(&Request::Remove(1, true), &asked) else {
        panic!("a machine that may be missing can be removed")
    };
    let Some(Mod::Flow(last)) = plan.commit.bundle.last() else {
        panic!("a deletion")
    };
    let (value, mask) = Selection::Machine(1).value_and_mask();
    assert_eq!((last.flow.cookie, last.cookie_mask), (value, mask));
}

#[test]
fn a_key_is_carried_out_once_and_outlives_a_restart() {
    let mut world = World::new();
    let (mut core, _) = world.start();
    let key = Some(("k".to_owned(), "add 1".to_owned()));
    let asked = Asked {
        caller: "me".to_owned(),
        key,
        now: 5,
    };
    let Ok(Decision::Do(plan)) = core.plan(&Request::Add(one(), None), &asked) else {
        panic!("it is new")
    };
    world.write(&plan.writes);
    world.installed.apply(&plan.commit);
    let first = core.done(*plan);
    let again = |core: &Core| match core.plan(&Request::Add(one(), None), &asked) {
        Ok(Decision::Done(answer)) => answer,
        other => panic!("{other:?}"),
    };
    assert_eq!(again(&core), first);
    let (core, _) = world.start();
    assert_eq!(again(&core), first);
}

/// A request for one of three machines with one of three ports and addresses.
fn request() -> impl Strategy<Value = Request> {
    let machine = (1..4u32, 1..4u8, 1..4u8, any::<bool>(), any::<bool>());
    let machine = machine.prop_map(|(number, tap, address, private, enabled)| {
        let kind = if private { "private" } else { "public" };
        let mut params = params(
            number,
            &format!("tap{tap}"),
            &format!("192.0.2.{address}"),
            kind,
        );
        params.vnics[0].enabled = enabled;
        params
    });
    let only = proptest::option::of(prop_oneof![
        Just(InterfaceType::Public),
        Just(InterfaceType::Private)
    ]);
    prop_oneof![
        4 => (machine.clone(), only.clone()).prop_map(|(params, only)| Request::Add(params, only)),
        4 => machine.prop_map(Request::Replace),
        2 => (1..4u32, any::<bool>()).prop_map(|(number, missing)| Request::Remove(number, missing)),
        1 => (1..4u32, only).prop_map(|(number, only)| Request::Disable(number, only)),
        1 => Just(Request::DisableAll),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, failure_persistence: None, ..ProptestConfig::default() })]

    /// What the switch holds is a function of what is written down.
    #[test]
    fn history_makes_no_difference(requests in proptest::collection::vec(request(), 1..12)) {
        let mut world = World::new();
        let (mut core, _) = world.start();
        for request in &requests {
            let before = (world.flows(), world.documents.clone());
            if world.change(&mut core, request).is_err() {
                prop_assert_eq!(before, (world.flows(), world.documents.clone()));
            }
            let mut fresh = World { installed: Installed::default(), ..world.clone() };
            fresh.start();
            prop_assert_eq!(fresh.flows(), world.flows());
            let mut again = world.clone();
            let (_, changes) = again.start();
            prop_assert_eq!(changes, 0);
        }
    }
}
