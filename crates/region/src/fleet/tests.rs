use model::region::{Customer, Machine, Rule};
use model::{Set, Strong};
use ovsdb::Row;
use proptest::prelude::*;

use super::*;
use crate::samples::parameters;

/// The database, the hypervisors, and the shell between them.
#[derive(Default)]
struct World {
    fleet: Fleet,
    rows: BTreeMap<(&'static str, Uuid), Arc<Row>>,
    now: u64,
    /// What each hypervisor really has, and whether it is there.
    hosts: BTreeMap<Str, (Machines, bool)>,
    /// Tells under way.
    told: Vec<(Str, u64, Vec<Change>)>,
    /// All that were told, in order.
    log: Vec<String>,
}

fn uuid(table: u64, number: u64) -> Uuid {
    Uuid::from_u64_pair(table, number)
}

fn host(number: u64) -> Uuid {
    uuid(1, number)
}

fn customer(number: u64) -> Uuid {
    uuid(2, number)
}

fn name(number: u64) -> Str {
    format!("hv{number}").into()
}

impl World {
    fn put<T: Table>(&mut self, rows: impl IntoIterator<Item = (Uuid, Option<T>)>) {
        let changes: Vec<RowChange> = rows
            .into_iter()
            .map(|(uuid, row)| {
                let new = row.map(|row| Arc::new(row.to_row()));
                let old = match &new {
                    Some(row) => self.rows.insert((T::NAME, uuid), Arc::clone(row)),
                    None => self.rows.remove(&(T::NAME, uuid)),
                };
                RowChange {
                    table: T::NAME.into(),
                    uuid,
                    old,
                    new,
                }
            })
            .collect();
        let wrong = self.fleet.apply(&changes, self.now);
        assert!(wrong.is_empty(), "{wrong:?}");
    }

    fn edit<T: Table>(&mut self, uuid: Uuid, edit: impl FnOnce(&mut T)) {
        let row = self.rows.get(&(T::NAME, uuid)).unwrap();
        let mut row = T::from_row(row).unwrap();
        edit(&mut row);
        self.put([(uuid, Some(row))]);
    }

    fn hypervisors(&mut self, count: u64) {
        for number in 0..count {
            self.hosts.insert(name(number), (Machines::new(), true));
            let row = Hypervisor {
                name: name(number),
                endpoint: "unix:/x".into(),
                enabled: true,
                ..Hypervisor::default()
            };
            self.put([(host(number), Some(row))]);
        }
    }

    fn machine(&mut self, number: i64, on: u64) {
        let customer = customer(u64::try_from(number).unwrap() % 2);
        self.put([(
            customer,
            Some(Customer {
                name: format!("{customer}").into(),
                enabled: true,
            }),
        )]);
        let row = Machine {
            number,
            customer: Strong::new(customer),
            hypervisor: Some(Strong::new(host(on))),
            enabled: true,
            parameters: parameters(number, u8::try_from(number).unwrap()),
            ..Machine::default()
        };
        self.put([(uuid(3, u64::try_from(number).unwrap()), Some(row))]);
    }

    fn action(&mut self, number: i64, hosts: &[u64], policy: &[(&str, i64)]) {
        let row = Action {
            number,
            hypervisors: hosts.iter().map(|number| name(*number)).collect(),
            policy: policy
                .iter()
                .map(|(name, value)| (Str::from(*name), *value))
                .collect(),
            ..Action::default()
        };
        self.put([(uuid(4, u64::try_from(number).unwrap()), Some(row))]);
    }

    fn of_action(&self, number: u64) -> Action {
        Action::from_row(&self.rows[&(Action::NAME, uuid(4, number))]).unwrap()
    }

    /// Carries out all orders but those to tell, which are kept.
    fn settle(&mut self) {
        while let Some(order) = self.fleet.poll(self.now) {
            match order {
                Order::Link { host, .. } => {
                    // The link was lost after what was told was done, and before that was heard.
                    if let Some(at) = self.told.iter().position(|(name, ..)| *name == host) {
                        let (_, _, changes) = self.told.remove(at);
                        self.carry_out(&host, changes);
                    }
                    self.link(&host);
                }
                Order::Unlink { .. } => {}
                Order::Tell {
                    host,
                    number,
                    changes,
                    ..
                } => {
                    self.log.push(format!("{host}: {}", changes.len()));
                    assert!(!changes.is_empty());
                    assert!(
                        self.told.iter().all(|(other, ..)| *other != host),
                        "{host} is told twice"
                    );
                    self.told.push((host, number, changes));
                }
                Order::Record {
                    action,
                    state,
                    outcomes,
                    held,
                } => {
                    let row = uuid(4, u64::try_from(action).unwrap());
                    self.edit::<Action>(row, |row| {
                        row.state = state;
                        for (host, outcome) in outcomes.iter() {
                            row.outcomes.insert(host.clone(), outcome.clone());
                        }
                    });
                    for name in held {
                        let (uuid, _) = self.fleet.view().hypervisor(&name).unwrap();
                        self.edit::<Hypervisor>(uuid, |row| row.held_by = Some(action));
                    }
                    self.fleet.recorded(action);
                }
                Order::Forgotten {
                    machine,
                    hypervisor,
                } => {
                    self.edit::<Machine>(machine, |row| {
                        row.departed.remove(&Strong::new(hypervisor));
                    });
                }
            }
        }
    }

    fn link(&mut self, host: &Str) {
        match &self.hosts[host] {
            (machines, true) => self.fleet.up(host, machines.clone()),
            (_, false) => self.fleet.down(host, "no route".into()),
        }
    }

    /// Lets a hypervisor carry out what it was told.
    fn answer(&mut self, at: usize) {
        let (host, number, changes) = self.told.remove(at);
        let count = changes.len();
        let outcome = match self.carry_out(&host, changes) {
            true => Outcome::Done,
            false => Outcome::Unreachable("no route".into()),
        };
        let applied = if outcome == Outcome::Done { count } else { 0 };
        self.fleet.told(&host, number, applied, outcome, self.now);
    }

    /// What a hypervisor does when it is told something; nothing if it is not there.
    fn carry_out(&mut self, host: &Str, changes: Vec<Change>) -> bool {
        let (has, there) = self.hosts.get_mut(host).unwrap();
        for change in changes.into_iter().filter(|_| *there) {
            match change {
                Change::Replace(params) => has.insert(params.droplet_id, Some(params)),
                Change::Remove(number) => has.remove(&number),
            };
        }
        *there
    }

    fn refuse(&mut self, at: usize) {
        let (host, number, _) = self.told.remove(at);
        self.fleet.told(
            &host,
            number,
            0,
            Outcome::Refused("no such port".into()),
            self.now,
        );
    }

    fn run(&mut self) {
        self.settle();
        while !self.told.is_empty() {
            self.answer(0);
            self.settle();
        }
    }

    /// Lets time pass until nothing is left to wait for.
    fn run_long(&mut self) {
        for _ in 0..1_000 {
            self.run();
            match self.fleet.next_deadline() {
                Some(at) => self.now = self.now.max(at),
                None => return,
            }
        }
        panic!("it never ends");
    }

    fn set_there(&mut self, number: u64, there: bool) {
        let name = name(number);
        self.hosts.get_mut(&name).unwrap().1 = there;
        self.link(&name);
    }

    fn numbers(&self, number: u64) -> Vec<u32> {
        self.hosts[&name(number)].0.keys().copied().collect()
    }

    /// Whether every hypervisor has exactly what is wanted from it.
    fn is_converged(&self) -> bool {
        self.hosts.iter().all(|(name, (has, _))| {
            let (uuid, _) = self.fleet.view().hypervisor(name).unwrap();
            self.fleet.view().machines_on(uuid).all(|(machine, row)| {
                let has = has.get(&u32::try_from(row.number).unwrap()).cloned();
                match crate::wanted::wanted(self.fleet.view(), machine, uuid).unwrap() {
                    crate::wanted::Wanted::Present(params) => has == Some(Some(Arc::from(params))),
                    crate::wanted::Wanted::Absent => has.is_none(),
                    crate::wanted::Wanted::Nothing => true,
                }
            })
        })
    }
}

fn rule(port: u16) -> Rule {
    let rule = format!(
        r#"{{"direction":"inbound","protocol":"tcp","ports":[{{"first":{port},"last":{port}}}]}}"#
    );
    Rule {
        rule: rule.into(),
        ..Rule::default()
    }
}

#[test]
fn a_hypervisor_gets_its_machines_when_it_is_there() {
    let mut world = World::default();
    world.hypervisors(2);
    world.machine(7, 0);
    world.set_there(0, false);
    world.run();
    assert!(world.log.is_empty());
    world.set_there(0, true);
    world.run();
    assert_eq!((world.numbers(0), world.numbers(1)), (vec![7], vec![]));
    // It comes back as it was: nothing is told.
    world.set_there(0, false);
    world.set_there(0, true);
    world.run();
    assert_eq!(world.log, ["hv0: 1"]);
}

#[test]
fn machines_that_the_region_never_knew_are_left_alone() {
    let mut world = World::default();
    world.hypervisors(1);
    world.hosts.get_mut("hv0").unwrap().0.insert(99, None);
    world.set_there(0, true);
    world.machine(7, 0);
    world.run();
    assert_eq!(world.numbers(0), [7, 99]);
}

#[test]
fn a_removed_machine_goes_even_if_its_hypervisor_was_away() {
    let mut world = World::default();
    world.hypervisors(1);
    world.machine(7, 0);
    world.run();
    world.set_there(0, false);
    world.edit::<Machine>(uuid(3, 7), |row| {
        row.departed = row.hypervisor.take().into_iter().collect();
        row.removed = true;
    });
    world.run();
    assert_eq!(world.numbers(0), [7]);
    world.set_there(0, true);
    world.run();
    assert!(world.numbers(0).is_empty());
    let row = Machine::from_row(&world.rows[&(Machine::NAME, uuid(3, 7))]).unwrap();
    assert_eq!(row.departed, Set::default(), "the row is free to go");
}

#[test]
fn a_move_is_made_before_the_former_place_is_broken() {
    let mut world = World::default();
    world.hypervisors(2);
    world.machine(7, 0);
    world.run();
    world.edit::<Machine>(uuid(3, 7), |row| {
        row.leaving = row.hypervisor.replace(Strong::new(host(1)));
    });
    world.run();
    assert_eq!((world.numbers(0), world.numbers(1)), (vec![7], vec![7]));
    let passive = |world: &World, number| {
        let (machines, _) = &world.hosts[&name(number)];
        machines[&7].as_ref().unwrap().vnics[0].passive
    };
    assert_eq!((passive(&world, 0), passive(&world, 1)), (false, true));
    world.edit::<Machine>(uuid(3, 7), |row| {
        row.departed = row.leaving.take().into_iter().collect();
    });
    world.run();
    assert_eq!((world.numbers(0), world.numbers(1)), (vec![], vec![7]));
    assert!(!passive(&world, 1) && world.is_converged());
}

#[test]
fn an_action_reaches_its_hypervisors_a_few_at_a_time() {
    let mut world = World::default();
    world.hypervisors(4);
    (0..4).for_each(|number| world.machine(i64::try_from(number).unwrap() + 1, number));
    world.run();
    world.log.clear();
    // The action comes with what it changes.
    world.action(1, &[0, 1, 2, 3], &[("parallel", 2)]);
    world.put([(uuid(5, 0), Some(rule(22)))]);
    world.settle();
    assert_eq!(world.log, ["hv0: 1", "hv1: 1"]);
    world.answer(1);
    world.settle();
    assert_eq!(world.log, ["hv0: 1", "hv1: 1", "hv2: 1"]);
    world.run();
    let action = world.of_action(1);
    assert_eq!(action.state, ActionState::Done);
    assert!(action.outcomes.iter().all(|(_, outcome)| outcome == "done"));
    assert_eq!(action.outcomes.len(), 4);
    assert!(world.is_converged());
}

#[test]
fn a_stopped_action_holds_whom_it_has_not_reached_until_it_is_resumed() {
    let mut world = World::default();
    world.hypervisors(4);
    (0..4).for_each(|number| world.machine(i64::try_from(number).unwrap() + 1, number));
    world.run();
    world.action(1, &[0, 1, 2, 3], &[("parallel", 1), ("stop_after", 1)]);
    world.put([(uuid(5, 0), Some(rule(22)))]);
    world.settle();
    world.answer(0);
    world.settle();
    world.refuse(0);
    world.settle();
    let action = world.of_action(1);
    assert_eq!(action.state, ActionState::Stopped);
    let outcomes: Vec<&str> = action
        .outcomes
        .iter()
        .map(|(_, outcome)| outcome.as_str())
        .collect();
    assert_eq!(outcomes, ["done", "refused: no such port", "held", "held"]);
    // Coming back changes nothing for those that are held.
    world.log.clear();
    world.set_there(2, false);
    world.set_there(2, true);
    world.run();
    assert!(world.log.is_empty());
    for number in 2..4 {
        world.edit::<Hypervisor>(host(number), |row| row.held_by = None);
    }
    world.edit::<Action>(uuid(4, 1), |row| row.state = ActionState::Running);
    world.run();
    assert_eq!(world.of_action(1).state, ActionState::Done);
    assert!(world.is_converged());
}

#[test]
fn who_does_not_answer_is_asked_anew_what_it_has() {
    let mut world = World::default();
    world.hypervisors(1);
    world.machine(7, 0);
    world.settle();
    // It has done it, but the answer is lost.
    let number = world.told[0].1;
    world.now = world.fleet.next_deadline().unwrap();
    world.settle();
    world.fleet.told("hv0", number, 1, Outcome::Done, world.now);
    world.run();
    assert_eq!(world.log.len(), 1, "nothing is told twice");
    assert!(world.is_converged());
}

#[derive(Debug, Clone)]
enum Event {
    There(u64, bool),
    Answer(usize),
    Refuse(usize),
    Move(i64, u64),
    Enable(i64, bool),
    Rule(u64, bool),
    Act(Vec<u64>),
    Wait(u64),
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        (0_u64..4, any::<bool>()).prop_map(|(host, there)| Event::There(host, there)),
        (0_usize..4).prop_map(Event::Answer),
        (0_usize..4).prop_map(Event::Refuse),
        (1_i64..7, 0_u64..4).prop_map(|(machine, host)| Event::Move(machine, host)),
        (1_i64..7, any::<bool>()).prop_map(|(machine, enabled)| Event::Enable(machine, enabled)),
        (0_u64..3, any::<bool>()).prop_map(|(rule, there)| Event::Rule(rule, there)),
        prop::collection::vec(0_u64..4, 1..4).prop_map(Event::Act),
        (0_u64..40_000).prop_map(Event::Wait),
    ]
}

proptest! {
    #[test]
    fn when_all_are_there_all_have_what_is_wanted(events in prop::collection::vec(event(), 0..60)) {
        let mut world = World::default();
        world.hypervisors(4);
        (1..7).for_each(|number| world.machine(number, u64::try_from(number).unwrap() % 4));
        let mut actions = 0;
        for event in events {
            match event {
                Event::There(host, there) => world.set_there(host, there),
                Event::Answer(at) if at < world.told.len() => world.answer(at),
                Event::Refuse(at) if at < world.told.len() => world.refuse(at),
                Event::Answer(_) | Event::Refuse(_) => {}
                Event::Move(machine, to) => {
                    let machine = uuid(3, u64::try_from(machine).unwrap());
                    world.edit::<Machine>(machine, |row| {
                        let to = Strong::new(host(to));
                        if row.hypervisor != Some(to) {
                            let from = row.hypervisor.replace(to);
                            if let Some(from) = from {
 row.departed.insert(from);
}
                            row.departed.remove(&to);
                        }
                    });
                }
                Event::Enable(machine, enabled) => {
                    let machine = uuid(3, u64::try_from(machine).unwrap());
                    world.edit::<Machine>(machine, |row| row.enabled = enabled);
                }
                Event::Rule(number, there) => {
                    world.put([(uuid(5, number), there.then(|| rule(22)))]);
                }
                Event::Act(hosts) => {
                    actions += 1;
                    world.action(actions, &hosts, &[("parallel", 1)]);
                }
                Event::Wait(time) => world.now += time,
            }
            world.settle();
        }
        (0..4).for_each(|number| world.set_there(number, true));
        world.run_long();
        prop_assert!(world.is_converged());
        for number in 1..=actions {
            let action = world.of_action(u64::try_from(number).unwrap());
            prop_assert_eq!(action.state, ActionState::Done);
            prop_assert_eq!(action.outcomes.len(), action.hypervisors.len());
        }
        prop_assert!(world.fleet.rollouts.is_empty() && world.fleet.returning == 0);
    }
}
