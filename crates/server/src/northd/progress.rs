//! `nb_cfg`, `sb_cfg` and `hv_cfg`: how users learn that what they wrote is in force (`ovn-nb(5)`,
//! NB_Global).
//!
//! Invariant: `sb_cfg` is written only after the Southbound holds everything that was compiled from the
//! Northbound with that `nb_cfg`.

use compiler::Output;
use model::{Table, nb};
use ovsdb::operation::Condition;
use ovsdb::{Operation, Row, Str, Uuid};

/// The columns of NB_Global that the compiler writes, with the times at which they changed.
#[derive(Debug, Default)]
pub(super) struct Sequence {
    /// The last `nb_cfg` that was taken up, and when.
    started: Option<(i64, i64)>,
}

impl Sequence {
    /// Notes that `nb_cfg` is being worked on.
    pub(super) fn start(&mut self, nb_cfg: i64, now: i64) {
        if self.started.is_none_or(|(before, _)| before != nb_cfg) {
            self.started = Some((nb_cfg, now));
        }
    }

    /// The update of the row once the output is committed, unless it says all that already. `now` is in
    /// milliseconds since 1970.
    pub(super) fn update(
        &self,
        global: (Uuid, &Row),
        output: &Output,
        now: i64,
    ) -> Option<Operation> {
        let (uuid, row) = global;
        let row = nb::NbGlobal::from_row(row).ok()?;
        let progress = output.progress;
        let mut set: Vec<(Str, ovsdb::Datum)> = Vec::new();
        if row.sb_cfg != progress.nb_cfg {
            let (_, started) = self.started.filter(|it| it.0 == progress.nb_cfg)?;
            set.push(("nb_cfg_timestamp".into(), started.into()));
            set.push(("sb_cfg".into(), progress.nb_cfg.into()));
            set.push(("sb_cfg_timestamp".into(), now.into()));
        }
        if row.hv_cfg != progress.hv_cfg {
            set.push(("hv_cfg".into(), progress.hv_cfg.into()));
            set.push(("hv_cfg_timestamp".into(), progress.hv_cfg_timestamp.into()));
        }
        (!set.is_empty()).then(|| Operation::Update {
            table: nb::NbGlobal::NAME.into(),
            condition: vec![Condition::uuid(uuid)],
            row: set,
        })
    }
}

/// Makes the row of NB_Global in a Northbound that nobody has initialised.
pub(super) fn create_global() -> Operation {
    Operation::Insert {
        table: nb::NbGlobal::NAME.into(),
        uuid: None,
        uuid_name: None,
        row: vec![],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn columns(operation: &Operation) -> Vec<(&str, i64)> {
        let Operation::Update { row, .. } = operation else {
            panic!("{operation:?}")
        };
        let value = |value: &ovsdb::Datum| value.as_one().unwrap().as_integer().unwrap();
        row.iter()
            .map(|(name, datum)| (name.as_str(), value(datum)))
            .collect()
    }

    #[test]
    fn times_are_those_of_the_change() {
        let mut sequence = Sequence::default();
        let mut output = Output::default();
        output.progress.nb_cfg = 3;
        output.progress.hv_cfg = 2;
        output.progress.hv_cfg_timestamp = 77;
        let mut global = nb::NbGlobal {
            nb_cfg: 3,
            sb_cfg: 2,
            hv_cfg: 1,
            ..<_>::default()
        };
        sequence.start(3, 100);
        sequence.start(3, 150);
        let update =
            |global: &nb::NbGlobal| sequence.update((Uuid::nil(), &global.to_row()), &output, 200);
        assert_eq!(
            columns(&update(&global).unwrap()),
            [
                ("nb_cfg_timestamp", 100),
                ("sb_cfg", 3),
                ("sb_cfg_timestamp", 200),
                ("hv_cfg", 2),
                ("hv_cfg_timestamp", 77),
            ]
        );
        global.sb_cfg = 3;
        global.hv_cfg = 2;
        assert_eq!(update(&global), None);
    }
}
