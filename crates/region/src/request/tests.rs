use proptest::prelude::*;

use model::Strong;
use model::region::{Customer, FloatingAddress};

use super::*;
use crate::samples::parameters;
use crate::wanted::wanted;

/// A database of which only the rows are there.
#[derive(Default)]
struct World {
    view: View,
    next: u64,
}

impl World {
    /// Two customers, three hypervisors; machines 1 and 2 of the one, 3 of the other.
    fn new() -> Self {
        let mut world = Self::default();
        for name in ["acme", "other"] {
            world.ask(Request::PutCustomer {
                name: name.into(),
                enabled: true,
            });
        }
        for name in ["hv0", "hv1", "hv2"] {
            world.ask(hypervisor(name));
        }
        world.ask(machine(1, "acme", Some("hv0")));
        world.ask(machine(2, "acme", Some("hv1")));
        world.ask(machine(3, "other", Some("hv1")));
        world
    }

    fn plan(&mut self, request: &Request) -> Result<Plan, Refused> {
        let next = &mut self.next;
        let mut new_uuid = || {
            *next += 1;
            Uuid::from_u64_pair(7, *next)
        };
        request.plan(&mut self.view, &About::default(), &mut new_uuid)
    }

    fn try_ask(&mut self, request: &Request) -> Result<Plan, Refused> {
        let plan = self.plan(request)?;
        let (_, wrong) = self.view.apply(&plan.changes);
        assert_eq!(wrong, []);
        Ok(plan)
    }

    /// Carries a request out; the names of the hypervisors that it concerns.
    fn ask(&mut self, request: Request) -> Vec<String> {
        let plan = self.try_ask(&request).unwrap();
        plan.hypervisors.iter().map(ToString::to_string).collect()
    }

    fn refusal(&mut self, request: Request) -> String {
        self.plan(&request).unwrap_err().to_string()
    }

    fn wanted(&self, number: i64, host: &str) -> crate::wanted::Wanted {
        let (host, _) = self.view.hypervisor(host).unwrap();
        let (uuid, _) = self
            .view
            .machines
            .iter()
            .find(|(_, row)| row.number == number)
            .unwrap();
        wanted(&self.view, *uuid, host).unwrap()
    }

    /// The ports that are open for a machine where it is.
    fn ports(&self, number: i64, host: &str) -> Vec<u16> {
        let crate::wanted::Wanted::Present(params) = self.wanted(number, host) else {
            panic!("machine {number} is not on {host}");
        };
        let rules = &params.vnics[0].security_policies.as_ref().unwrap().rules;
        rules
            .iter()
            .flat_map(|rule| &rule.ports)
            .map(|range| range.first)
            .collect()
    }
}

fn hypervisor(name: &str) -> Request {
    Request::PutHypervisor {
        name: name.into(),
        endpoint: "unix:/run/hvd.sock".into(),
        tags: Set::default(),
        enabled: true,
    }
}

fn machine(number: i64, customer: &str, place: Option<&str>) -> Request {
    Request::PutMachine {
        parameters: parameters(number, u8::try_from(number).unwrap()),
        customer: customer.into(),
        hypervisor: place.map(Str::from),
        tags: ["web".into()].into_iter().filter(|_| number != 2).collect(),
        enabled: true,
    }
}

fn rule(port: u16) -> Box<Rule> {
    let text = format!(
        r#"{{"direction":"inbound","protocol":"tcp","ports":[{{"first":{port},"last":{port}}}]}}"#
    );
    serde_json::from_str(&text).unwrap()
}

fn of_customer(name: &str) -> Scope {
    Scope {
        customer: Some(name.into()),
        ..Scope::default()
    }
}

fn of_tag(name: &str) -> Scope {
    Scope {
        tag: Some(name.into()),
        ..Scope::default()
    }
}

#[test]
fn a_port_is_opened_for_all_machines_of_a_customer_those_to_come_included() {
    let mut world = World::new();
    let open = Request::AddRule {
        scope: of_customer("acme"),
        rule: rule(22),
    };
    assert_eq!(world.ask(open.clone()), ["hv0", "hv1"]);
    assert_eq!(world.ports(1, "hv0"), [22]);
    assert_eq!(world.ports(2, "hv1"), [22]);
    assert!(world.ports(3, "hv1").is_empty());
    world.ask(machine(4, "acme", Some("hv2")));
    assert_eq!(world.ports(4, "hv2"), [22]);
    // Once more changes nothing, and concerns nobody.
    assert!(world.ask(open).is_empty());
    let close = Request::RemoveRule {
        scope: of_customer("acme"),
        rule: rule(22),
    };
    assert_eq!(world.ask(close.clone()), ["hv0", "hv1", "hv2"]);
    assert!(world.ports(1, "hv0").is_empty());
    assert_eq!(
        world.refusal(close),
        "rule: there is no such rule with this scope"
    );
}

#[test]
fn a_hypervisor_that_registers_says_only_where_it_is() {
    let mut world = World::new();
    let register = |name: &str, endpoint: &str| Request::Register {
        name: name.into(),
        endpoint: endpoint.into(),
    };
    world.ask(register("hv9", "ssl:hv9:6651"));
    let row = |world: &World, name: &str| world.view.hypervisor(name).unwrap().1.clone();
    assert!(row(&world, "hv9").enabled);
    world.ask(Request::PutHypervisor {
        name: "hv9".into(),
        endpoint: "ssl:hv9:6651".into(),
        tags: [Str::from("rack-7")].into_iter().collect(),
        enabled: false,
    });
    world.ask(register("hv9", "ssl:hv9.example:6651"));
    let row = row(&world, "hv9");
    assert_eq!(row.endpoint, "ssl:hv9.example:6651");
    assert!(!row.enabled && row.tags.len() == 1);
    for endpoint in ["unix:/run/x", "pssl:1", "ssl:"] {
        let text = world.refusal(register("hv0", endpoint));
        assert!(text.starts_with("endpoint \""), "{text}");
    }
}

#[test]
fn scopes_are_machines_tags_and_what_they_have_in_common() {
    let mut world = World::new();
    world.ask(Request::AddRule {
        scope: of_tag("web"),
        rule: rule(80),
    });
    let both = Scope {
        customer: Some("acme".into()),
        ..of_tag("web")
    };
    world.ask(Request::AddRule {
        scope: both,
        rule: rule(443),
    });
    let one = Scope {
        machine: Some(2),
        ..Scope::default()
    };
    world.ask(Request::AddRule {
        scope: one,
        rule: rule(25),
    });
    world.ask(Request::AddRule {
        scope: Scope::default(),
        rule: rule(7),
    });
    let sorted = |mut ports: Vec<u16>| {
        ports.sort_unstable();
        ports
    };
    assert_eq!(sorted(world.ports(1, "hv0")), [7, 80, 443]);
    assert_eq!(sorted(world.ports(2, "hv1")), [7, 25]);
    assert_eq!(sorted(world.ports(3, "hv1")), [7, 80]);
}

#[test]
fn connectivity_is_taken_and_given_back() {
    let mut world = World::new();
    let set = |enabled| Request::Enable {
        scope: of_customer("acme"),
        enabled,
    };
    assert_eq!(world.ask(set(false)), ["hv0", "hv1"]);
    let enabled = |world: &World, number, host| match world.wanted(number, host) {
        crate::wanted::Wanted::Present(params) => params.vnics[0].enabled,
        other => panic!("{other:?}"),
    };
    assert!(!enabled(&world, 1, "hv0") && enabled(&world, 3, "hv1"));
    assert_eq!(world.ask(set(true)), ["hv0", "hv1"]);
    assert!(enabled(&world, 1, "hv0"));
    assert_eq!(
        world.ask(Request::Enable {
            scope: of_tag("web"),
            enabled: false
        }),
        ["hv0", "hv1"]
    );
    assert!(!enabled(&world, 1, "hv0") && enabled(&world, 2, "hv1") && !enabled(&world, 3, "hv1"));
    let nobody = Request::Enable {
        scope: of_tag("mail"),
        enabled: false,
    };
    assert_eq!(world.refusal(nobody), "scope: there is no such machine");
}

#[test]
fn a_move_has_a_beginning_and_one_of_two_ends() {
    let mut world = World::new();
    let begin = Request::BeginMove {
        machine: 1,
        to: "hv2".into(),
    };
    assert_eq!(
        world.ask(begin.clone()),
        ["hv2"],
        "where it leaves nothing changes yet"
    );
    assert_eq!(
        world.refusal(begin.clone()),
        "machine 1: it moves already; finish or cancel that first"
    );
    assert_eq!(
        world.ask(Request::FinishMove { machine: 1 }),
        ["hv0", "hv2"]
    );
    assert_eq!(world.wanted(1, "hv0"), crate::wanted::Wanted::Absent);
    assert_eq!(
        world.refusal(Request::FinishMove { machine: 1 }),
        "machine 1: it does not move"
    );
    world.ask(Request::BeginMove {
        machine: 1,
        to: "hv0".into(),
    });
    assert_eq!(world.ask(Request::CancelMove { machine: 1 }), ["hv0"]);
    assert_eq!(world.wanted(1, "hv0"), crate::wanted::Wanted::Absent);
    assert!(matches!(
        world.wanted(1, "hv2"),
        crate::wanted::Wanted::Present(_)
    ));
    let there = Request::BeginMove {
        machine: 1,
        to: "hv2".into(),
    };
    assert_eq!(world.refusal(there), "machine 1: it is there already");
}

#[test]
fn a_floating_address_moves_within_its_customer() {
    let mut world = World::new();
    let put = |customer: &str, machine| Request::PutFloating {
        address: "192.0.2.7".into(),
        customer: customer.into(),
        machine,
        card: None,
    };
    assert_eq!(world.ask(put("acme", Some(1))), ["hv0"]);
    assert_eq!(world.ask(put("acme", Some(2))), ["hv0", "hv1"]);
    let stolen =
        "address 192.0.2.7: belongs to another customer; that one has to give it back first";
    assert_eq!(world.refusal(put("other", Some(3))), stolen);
    let foreign = "machine 3: belongs to another customer than \"acme\"";
    assert_eq!(world.refusal(put("acme", Some(3))), foreign);
    assert_eq!(world.ask(Request::RemoveMachine { machine: 2 }), ["hv1"]);
    assert!(
        world
            .view
            .floating
            .values()
            .all(|row| row.machine.is_none())
    );
    assert!(
        world
            .ask(Request::RemoveFloating {
                address: "192.0.2.7".into()
            })
            .is_empty()
    );
}

#[test]
fn nothing_goes_that_others_need() {
    let mut world = World::new();
    let gone = |force| Request::RemoveHypervisor {
        name: "hv0".into(),
        force,
    };
    let runs = "hypervisor \"hv0\": machine 1 runs there; move it or remove it first";
    assert_eq!(world.refusal(gone(true)), runs);
    world.ask(Request::RemoveMachine { machine: 1 });
    assert!(world.refusal(gone(false)).contains("is still known there"));
    world.ask(gone(true));
    assert!(
        world.view.machines.values().all(|row| row.number != 1),
        "nobody has to forget it any more"
    );
    let customer = Request::RemoveCustomer {
        name: "acme".into(),
    };
    let text = "customer \"acme\": machine 2 is still there; remove that first";
    assert_eq!(world.refusal(customer), text);
    assert_eq!(world.ask(machine(9, "other", None)), [""; 0]);
    world.ask(Request::RemoveMachine { machine: 9 });
    assert!(world.view.machines.values().all(|row| row.number != 9));
}

#[test]
fn what_makes_no_sense_is_refused_by_name() {
    let mut world = World::new();
    let mut put = machine(5, "acme", Some("hv0"));
    let Request::PutMachine { parameters, .. } = &mut put else {
        unreachable!()
    };
    *parameters = parameters.replace("masklen", "mask").into();
    assert!(
        world
            .refusal(put)
            .starts_with("parameters: vnics[0].addresses.ipv4[0]")
    );
    let nobody = machine(5, "acm", Some("hv0"));
    assert_eq!(
        world.refusal(nobody),
        "customer \"acm\": there is none of that name"
    );
    let nowhere = Request::BeginMove {
        machine: 1,
        to: "hv9".into(),
    };
    assert_eq!(
        world.refusal(nowhere),
        "hypervisor \"hv9\": there is none of that name"
    );
    let elsewhere = machine(1, "acme", Some("hv2"));
    assert_eq!(
        world.refusal(elsewhere),
        "machine 1: it runs elsewhere; begin a move"
    );
    let Request::PutHypervisor { name, tags, .. } = hypervisor("hv9") else {
        unreachable!()
    };
    let endpoint = "punix:/x".into();
    let listens = Request::PutHypervisor {
        name,
        endpoint,
        tags,
        enabled: true,
    };
    assert!(
        world
            .refusal(listens)
            .starts_with("endpoint \"punix:/x\": is no place to connect to")
    );
    let own = Request::PutFloating {
        address: "10.0.0.1".into(),
        customer: "acme".into(),
        machine: Some(1),
        card: None,
    };
    assert!(
        world
            .refusal(own)
            .starts_with("machine 1: vnics[0].floating_ips.ipv4[0]")
    );
}

#[test]
fn who_is_held_by_a_stopped_action_is_concerned_by_no_other() {
    let mut world = World::new();
    let plan = world
        .try_ask(&Request::AddRule {
            scope: of_customer("acme"),
            rule: rule(22),
        })
        .unwrap();
    world.ask(Request::Stop {
        action: plan.action,
    });
    let (uuid, row) = world.view.hypervisor("hv1").unwrap();
    let held = Hypervisor {
        held_by: Some(plan.action),
        ..Hypervisor::clone(row)
    };
    let change = change(uuid, Some(&**row), Some(held));
    world.view.apply(&[change]);
    let close = Request::RemoveRule {
        scope: of_customer("acme"),
        rule: rule(22),
    };
    assert!(world.refusal(close.clone()).contains("resume that first"));
    world.ask(Request::Resume {
        action: plan.action,
    });
    assert_eq!(world.ask(close), ["hv0", "hv1"]);
    assert!(
        world
            .refusal(Request::Resume {
                action: plan.action
            })
            .contains("it is running, not stopped")
    );
}

#[test]
fn the_log_of_actions_has_a_bound() {
    let mut world = World::new();
    let set = |enabled| Request::PutCustomer {
        name: "none".into(),
        enabled,
    };
    let old: Vec<RowChange> = (1..=i64::try_from(ACTIONS).unwrap())
        .map(|number| {
            let action = Action {
                number: 100 + number,
                state: ActionState::Done,
                ..Action::default()
            };
            change(
                Uuid::from_u64_pair(9, u64::try_from(number).unwrap()),
                None,
                Some(action),
            )
        })
        .collect();
    world.view.apply(&old);
    world.ask(set(true));
    assert_eq!(world.view.actions.len(), ACTIONS);
    let last = world
        .view
        .actions
        .values()
        .map(|action| action.number)
        .max();
    assert_eq!(last, Some(101 + i64::try_from(ACTIONS).unwrap()));
    // A few that concern many are as much.
    let mut world = World::new();
    let hypervisors: Set<Str> = (0..10_000).map(|n| format!("hv{n}").into()).collect();
    let count = i64::try_from(OUTCOMES / 10_000).unwrap() + 5;
    let old: Vec<RowChange> = (1..=count)
        .map(|number| {
            let action = Action {
                number: 100 + number,
                state: ActionState::Done,
                hypervisors: hypervisors.clone(),
                ..Action::default()
            };
            let uuid = Uuid::from_u64_pair(9, u64::try_from(number).unwrap());
            change(uuid, None, Some(action))
        })
        .collect();
    world.view.apply(&old);
    world.ask(set(false));
    let kept = world.view.actions.values();
    let kept: usize = kept.map(|action| action.hypervisors.len()).sum();
    assert!((OUTCOMES - 10_000..=OUTCOMES).contains(&kept), "{kept}");
}

fn scope() -> impl Strategy<Value = Scope> {
    let number = prop::option::of(1_u32..6);
    let customer = prop::option::of(prop::sample::select(vec!["acme", "other"]));
    let tag = prop::option::of(Just("web"));
    (number, customer, tag).prop_map(|(machine, customer, tag)| Scope {
        machine,
        customer: customer.map(Str::from),
        tag: tag.map(Str::from),
    })
}

fn request() -> impl Strategy<Value = Request> {
    let place = || prop::sample::select(vec!["hv0", "hv1", "hv2"]).prop_map(Str::from);
    let customer = || prop::sample::select(vec!["acme", "other"]).prop_map(Str::from);
    let address = || prop::sample::select(vec!["192.0.2.7", "10.0.0.2"]).prop_map(Str::from);
    let number = || 1_u32..6;
    prop_oneof![
        (number(), customer(), prop::option::of(place())).prop_map(|(number, customer, place)| {
            machine(number.into(), &customer, place.as_deref())
        }),
        number().prop_map(|machine| Request::RemoveMachine { machine }),
        (place(), any::<bool>())
            .prop_map(|(name, force)| Request::RemoveHypervisor { name, force }),
        place().prop_map(|name| hypervisor(&name)),
        (customer(), any::<bool>())
            .prop_map(|(name, enabled)| Request::PutCustomer { name, enabled }),
        customer().prop_map(|name| Request::RemoveCustomer { name }),
        (scope(), 20_u16..23).prop_map(|(scope, port)| Request::AddRule {
            scope,
            rule: rule(port)
        }),
        (scope(), 20_u16..23).prop_map(|(scope, port)| Request::RemoveRule {
            scope,
            rule: rule(port)
        }),
        (scope(), any::<bool>()).prop_map(|(scope, enabled)| Request::Enable { scope, enabled }),
        (address(), customer(), prop::option::of(number())).prop_map(
            |(address, customer, machine)| {
                Request::PutFloating {
                    address,
                    customer,
                    machine,
                    card: None,
                }
            }
        ),
        address().prop_map(|address| Request::RemoveFloating { address }),
        (number(), place()).prop_map(|(machine, to)| Request::BeginMove { machine, to }),
        (number(), any::<bool>()).prop_map(|(machine, arrived)| match arrived {
            true => Request::FinishMove { machine },
            false => Request::CancelMove { machine },
        }),
    ]
}

proptest! {
    #[test]
    fn plans_leave_what_makes_sense(requests in prop::collection::vec(request(), 0..40)) {
        let mut world = World::new();
        for request in &requests {
            let before = world.view.clone();
            let planned = world.plan(request);
            prop_assert_eq!(format!("{before:?}"), format!("{:?}", world.view), "trying out leaves no trace");
            let Ok(plan) = planned else { continue };
            world.view.apply(&plan.changes);
            // What is referred to is there.
            let view = &world.view;
            let there = |place: &Strong<Hypervisor>| view.hypervisors.contains_key(&place.uuid());
            let is_customer = |of: Strong<Customer>| view.customers.contains_key(&of.uuid());
            for row in view.machines.values() {
                let places = row.hypervisor.iter().chain(&row.leaving).chain(&row.departed);
                prop_assert!(places.into_iter().all(there) && is_customer(row.customer));
                prop_assert!(!row.removed || (!row.departed.is_empty() && row.hypervisor.is_none()));
            }
            for row in view.rules.values() {
                prop_assert!(row.customer.is_none_or(is_customer));
                let machine = row.machine.is_none_or(|of| view.machines.contains_key(&of.uuid()));
                prop_assert!(machine);
            }
            let floating: Vec<&FloatingAddress> = view.floating.values().map(|row| &**row).collect();
            prop_assert!(floating.iter().all(|row| is_customer(row.customer)));
            // Only those are concerned from whom something else is wanted, and all of them are.
            for (uuid, row) in &view.hypervisors {
                let all = |view: &View| -> Vec<_> {
                    let machines = view.machines_on(*uuid).map(|(machine, _)| machine);
                    let wanted = |machine| (machine, wanted(view, machine, *uuid).unwrap());
                    machines.map(wanted).collect()
                };
                let differs = all(&before) != all(view);
                prop_assert_eq!(differs, plan.hypervisors.contains(&row.name), "{:?}: {}", request, row.name);
            }
        }
    }
}
