//! Flows that do not depend on the network: the defaults of our own tables.

use incremental::{Builder, Rule};
use model::Uuid;
use openflow::{Action, Match};

use crate::emit::{Emit, Flows, clear_registers, with_flag};
use crate::tables::{self, flag};
use crate::world::World;

pub(crate) fn rule(build: &mut Builder, world: World) -> Rule<(), Flows> {
    build.rule("fixed flows", world.inputs.settings, |_, ()| flows())
}

fn flows() -> Flows {
    let mut emit = Emit::new(Uuid::nil());
    let everything = Match::new;
    let go = |table| vec![Action::resubmit(table)];
    let drop = Vec::<Action>::new;

    emit.flow(tables::PHY_TO_LOG, 0, everything(), drop());
    emit.flow(
        tables::OUTPUT_LARGE_DETECT,
        0,
        everything(),
        go(tables::REMOTE_OUTPUT),
    );
    // The answer to a packet that was too large goes back to its sender, who is here.
    let answered = with_flag(everything(), flag::LOOPBACK, true);
    emit.flow(
        tables::OUTPUT_LARGE_PROCESS,
        10,
        answered,
        go(tables::LOCAL_OUTPUT),
    );
    emit.flow(
        tables::OUTPUT_LARGE_PROCESS,
        0,
        everything(),
        go(tables::REMOTE_OUTPUT),
    );

    // A packet from a VTEP switch came by a tunnel and must not leave by another, unless it is an answer
    // of ours.
    let from_ramp = with_flag(everything(), flag::LOOPBACK, false);
    let from_ramp = with_flag(from_ramp, flag::FROM_RAMP, true);
    emit.flow(
        tables::REMOTE_OUTPUT,
        150,
        from_ramp,
        go(tables::LOCAL_OUTPUT),
    );
    let local_only = with_flag(everything(), flag::LOCAL_ONLY, true);
    emit.flow(
        tables::REMOTE_OUTPUT,
        150,
        local_only,
        go(tables::LOCAL_OUTPUT),
    );
    emit.flow(
        tables::REMOTE_OUTPUT,
        0,
        everything(),
        go(tables::LOCAL_OUTPUT),
    );
    emit.flow(tables::LOCAL_OUTPUT, 0, everything(), drop());

    // Logical registers do not cross a tunnel, so they do not cross this table either.
    let egress = clear_registers().chain(go(tables::LOG_EGRESS));
    emit.flow(
        tables::CHECK_LOOPBACK,
        0,
        everything(),
        egress.collect::<Vec<_>>(),
    );
    emit.flow(tables::SAVE_INPORT, 0, everything(), go(tables::LOG_TO_PHY));
    emit.flow(tables::LOG_TO_PHY, 0, everything(), drop());
    emit.finish()
}
