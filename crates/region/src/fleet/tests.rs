mod again;
mod world;

use model::region::{Hypervisor, Machine};
use model::{Set, Strong};
use proptest::prelude::*;

use super::*;
use world::{World, host, name, rule, uuid};

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
