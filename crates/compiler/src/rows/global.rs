//! SB_Global, and how far everybody has come.

use incremental::{Collected, Rule};
use model::{Map, Set, sb};
use uuid::Uuid;

use crate::program::{Program, SbRow};

/// Sequence numbers: what users wait for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// `NB_Global.nb_cfg` of the Northbound that was compiled: the `sb_cfg` once the output is
    /// committed.
    pub nb_cfg: i64,
    /// The least `nb_cfg` that any chassis has reached: the `hv_cfg`.
    pub hv_cfg: i64,
    /// When the last chassis reached it, in milliseconds since 1970; zero without chassis.
    pub hv_cfg_timestamp: i64,
}

pub(crate) fn declare(program: &mut Program) -> Rule<(), Progress> {
    let topology = program.topology;
    let identity = program.identity.clone();
    let global = topology.nb.global;
    program.rows("rows/global", global, move |cx, id| {
        let row = cx.get(global, id)?;
        let mut options = row.options.clone();
        // Agents of 23.03 look for these bits of ct_mark only when they are told to.
        options.insert("lb_hairpin_use_ct_mark".into(), "true".into());
        let row = sb::SbGlobal {
            nb_cfg: row.nb_cfg,
            external_ids: Map::default(),
            connections: Set::default(),
            ssl: None,
            options,
            ipsec: row.ipsec,
        };
        Some(SbRow {
            uuid: identity.of::<sb::SbGlobal>(""),
            row,
        })
    });
    progress(program)
}

fn progress(program: &mut Program) -> Rule<(), Progress> {
    let topology = program.topology;
    let global = topology.nb.global;
    let private = topology.sb.chassis_private;
    let chassis = topology.sb.chassis;
    // Chassis of other sites do not count.
    let reached = program
        .build
        .filter("progress of chassis", private, move |cx, id| {
            let row = cx.get(private, id)?;
            let of = row.chassis.and_then(|of| cx.get(chassis, &of.uuid()));
            let remote = of.is_some_and(|of| of.other_config.is_true("is-remote"));
            (!remote).then_some((row.nb_cfg, row.nb_cfg_timestamp))
        });
    let by_progress: Collected<(), (i64, std::cmp::Reverse<i64>, Uuid)> =
        program
            .build
            .collect("progress of all chassis", reached, |id, (cfg, time)| {
                [((), (*cfg, std::cmp::Reverse(*time), *id))]
            });
    let globals = program
        .build
        .index("Northbound settings", global, |_, _| [()]);
    program.build.rule("progress", globals, move |cx, ()| {
        let row = cx
            .items(globals, &())
            .next()
            .and_then(|id| cx.get(global, id));
        let nb_cfg = row.map_or(0, |row| row.nb_cfg);
        let last = cx.items(by_progress, &()).next();
        let (hv_cfg, hv_cfg_timestamp) = match last {
            Some((cfg, time, _)) if *cfg <= nb_cfg => (*cfg, time.0),
            _ => (nb_cfg, 0),
        };
        Progress {
            nb_cfg,
            hv_cfg,
            hv_cfg_timestamp,
        }
    })
}
