//! Links that are new, and hypervisors that come and go.

use std::time::Duration;

use model::Strong;
use model::region::{Hypervisor, Machine};

use super::world::{World, host, rule, uuid};
use crate::fleet::{Fleet, Machines, Order, turns};
use crate::rollout::Outcome;

/// A fleet over the rows of a world, as another service would have it.
fn anew(world: &World) -> Fleet {
    Fleet::new(world.fleet.view().clone(), world.now)
}

fn orders(fleet: &mut Fleet, now: u64) -> Vec<Order> {
    std::iter::from_fn(|| fleet.poll(now)).collect()
}

#[test]
fn what_was_begun_goes_on_with_those_who_have_not_done_it() {
    let mut world = World::default();
    world.hypervisors(3);
    (0..3).for_each(|number| world.machine(i64::try_from(number).unwrap() + 1, number));
    world.run();
    world.action(1, &[0, 1, 2], &[("parallel", 1), ("attempts", 1)]);
    world.put([(uuid(5, 0), Some(rule(22)))]);
    world.settle();
    world.answer(0);
    world.now += 2_000;
    world.settle();
    let mut fleet = anew(&world);
    let made = orders(&mut fleet, world.now);
    let links = made
        .iter()
        .filter(|order| matches!(order, Order::Link { .. }));
    assert_eq!(links.count(), 3);
    assert!(
        made.iter()
            .all(|order| !matches!(order, Order::Tell { .. }))
    );
    // Of the one that is to be told next is not known yet whether it is there, which counts neither for nor against it.
    assert_eq!(fleet.counts(1).unwrap().telling, 1);
    fleet.up("hv1", Machines::new());
    let told = orders(&mut fleet, world.now + 500);
    let is_for = |order: &Order| match order {
        Order::Tell { host, deadline, .. } => Some((host.to_string(), *deadline)),
        _ => None,
    };
    let left = Duration::from_millis(9_500);
    assert_eq!(told.iter().find_map(is_for), Some(("hv1".to_owned(), left)));
    // One that turns out to be away has failed.
    let Some(Order::Tell { number, .. }) = told.into_iter().next() else {
        panic!("somebody is told");
    };
    fleet.told("hv1", number, 1, Outcome::Done, world.now + 600);
    drop(orders(&mut fleet, world.now + 600));
    assert_eq!(fleet.counts(1).unwrap().telling, 1);
    fleet.down("hv2", "no route".into());
    drop(orders(&mut fleet, world.now + 700));
    let counts = fleet.counts(1).unwrap();
    assert_eq!((counts.done, counts.failed), (1, 1));
}

#[test]
fn one_that_never_says_whether_it_is_there_is_given_up() {
    let mut world = World::default();
    world.hypervisors(1);
    world.machine(1, 0);
    world.run();
    world.action(1, &[0], &[("attempts", 1), ("deadline", 100)]);
    world.put([(uuid(5, 0), Some(rule(22)))]);
    let mut fleet = anew(&world);
    drop(orders(&mut fleet, 0));
    drop(orders(&mut fleet, 200));
    assert_eq!(fleet.counts(1).unwrap().failed, 1);
    // It is told when it is there after all.
    fleet.up("hv0", Machines::new());
    let told = orders(&mut fleet, 5_000);
    assert!(told.iter().any(|order| matches!(order, Order::Tell { .. })));
}

#[test]
fn one_that_goes_while_it_is_told_something_leaves_its_place() {
    let mut world = World::default();
    for number in 0..u64::try_from(turns::RETURNING).unwrap() + 1 {
        world.hypervisors(1);
        world.machine(1, 0);
        world.settle();
        assert_eq!(world.told.len(), 1, "round {number}");
        world.told.clear();
        world.put::<Machine>([(uuid(3, 1), None)]);
        world.put::<Hypervisor>([(host(0), None)]);
        world.settle();
    }
    assert_eq!(world.fleet.returning, 0);
}

#[test]
fn many_are_looked_at_a_few_at_a_time_and_none_is_left_out() {
    let mut world = World::default();
    let count = 3 * turns::LOOKED_AT as u64;
    world.hypervisors(count);
    let mut rounds = 0;
    while world.fleet.next_deadline() == Some(0) {
        rounds += 1;
        world.settle();
    }
    assert!(rounds >= 2, "{rounds}");
    (0..count).for_each(|number| world.machine(i64::try_from(number).unwrap() + 1, number));
    world.run_long();
    assert!(world.is_converged());
}

/// A machine that has moved from the first hypervisor to the second, which is away and has it as passive.
fn moved(policy: &[(&str, i64)]) -> World {
    let mut world = World::default();
    world.hypervisors(2);
    world.machine(7, 0);
    world.run();
    world.edit::<Machine>(uuid(3, 7), |row| {
        row.leaving = row.hypervisor.replace(Strong::new(host(1)));
    });
    world.run();
    world.set_there(1, false);
    world.log.clear();
    world.edit::<Machine>(uuid(3, 7), |row| {
        row.departed = row.leaving.take().into_iter().collect();
    });
    world.action(1, &[0, 1], policy);
    world
}

#[test]
fn nobody_forgets_a_machine_before_it_is_ready_where_it_went() {
    let mut world = moved(&[("parallel", 2), ("attempts", 1)]);
    world.run_long();
    assert_eq!((world.numbers(0), &world.log), (vec![7], &vec![]));
    let action = world.of_action(1);
    let outcomes: Vec<&str> = action
        .outcomes
        .iter()
        .map(|(_, word)| word.as_str())
        .collect();
    let stays = "away: a machine stays here until it is ready where it went";
    assert_eq!(outcomes, [stays, "away: no route"]);
    world.set_there(1, true);
    world.run();
    assert_eq!(world.log, ["hv1: 1", "hv0: 1"]);
    assert!(world.numbers(0).is_empty() && world.is_converged());
}

#[test]
fn who_is_left_waits_for_the_other_and_both_are_done() {
    for parallel in [1, 2] {
        let mut world = moved(&[("parallel", parallel), ("attempts", 1)]);
        world.set_there(1, true);
        world.run_long();
        assert_eq!(world.log, ["hv1: 1", "hv0: 1"], "{parallel} at once");
        let action = world.of_action(1);
        assert!(
            action.outcomes.iter().all(|(_, word)| word == "done"),
            "{action:?}"
        );
        assert!(world.is_converged());
    }
}

#[test]
fn what_a_daemon_says_is_kept_in_short() {
    let mut world = World::default();
    world.hypervisors(1);
    world.machine(1, 0);
    world.run();
    world.action(1, &[0], &[]);
    world.put([(uuid(5, 0), Some(rule(22)))]);
    world.settle();
    let (host, number, _) = world.told.remove(0);
    let outcome = Outcome::Refused("\u{e4}".repeat(10_000));
    world.fleet.told(&host, number, 0, outcome, world.now);
    world.settle();
    let action = world.of_action(1);
    let (_, said) = action.outcomes.iter().next().unwrap();
    assert!(said.starts_with("refused: ") && said.chars().count() < 500);
}

#[test]
fn who_refuses_is_left_alone_for_ever_longer() {
    let mut world = World::default();
    world.hypervisors(1);
    world.machine(1, 0);
    world.settle();
    let mut waits = Vec::new();
    for _ in 0..7 {
        world.refuse(0);
        world.settle();
        assert!(world.told.is_empty());
        let before = world.now;
        while world.told.is_empty() {
            world.now = world.now.max(world.fleet.next_deadline().unwrap());
            world.settle();
        }
        waits.push((world.now - before) / 1_000);
    }
    assert_eq!(waits, [10, 20, 40, 80, 160, 300, 300]);
    // When something else is wanted it is told at once, and once it has done that all is forgotten.
    world.refuse(0);
    world.put([(uuid(5, 0), Some(rule(22)))]);
    world.settle();
    assert_eq!(world.told.len(), 1);
    world.run();
    assert!(world.is_converged());
}

#[test]
fn a_machine_is_forgotten_when_that_is_said_not_when_it_is_not_named() {
    let mut world = World::default();
    world.hypervisors(1);
    world.machine(7, 0);
    world.settle();
    // It was told of the machine, has not answered, and does not name it yet.
    world.told.clear();
    world.now = 40_000;
    world.edit::<Machine>(uuid(3, 7), |row| {
        row.departed = row.hypervisor.take().into_iter().collect();
        row.removed = true;
    });
    world.settle();
    let row = |world: &World| world.fleet.view().machines[&uuid(3, 7)].departed.clone();
    assert_eq!((row(&world).iter().len(), world.told.len()), (1, 1));
    world.run();
    assert_eq!(row(&world).iter().len(), 0);
}
