//! What a switch would refuse, found before it is asked.
//!
//! Whatever [`Flow::check`] refuses, Open vSwitch refuses too (`tests/ovs_versions.rs` shows it). The
//! other way is not promised: only the switch knows its groups, meters and tunnel options.

use crate::action::{
    Action, Ct, CtZone, Learn, LearnSource, LearnTarget, Observation, Sample, rank,
};
use crate::field::{Field, FieldValue, Needs, Subfield};
use crate::flow::Flow;
use crate::group::Group;
use crate::matching::{Match, MissingPrerequisite};
use crate::port::Port;

/// Why a switch would refuse a flow.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FlowError {
    /// A condition lacks another.
    #[error(transparent)]
    Match(#[from] MissingPrerequisite),
    /// An action writes a field that the flow's packets need not have.
    #[error("action {place} ({action}) needs {needs:?} in the match, which {field} presupposes")]
    ActionPrerequisite {
        /// Which action, counted from one.
        place: usize,
        /// The action.
        action: String,
        /// The field.
        field: Field,
        /// What it presupposes.
        needs: Needs,
    },
    /// An action that no switch does there.
    #[error("action {place} ({action}): {reason}")]
    Action {
        /// Which action, counted from one.
        place: usize,
        /// The action.
        action: String,
        /// What is wrong, and what would be right.
        reason: &'static str,
    },
}

/// What is known of a packet while its actions are looked at.
struct Walk<'a> {
    matches: &'a Match,
    table: u8,
    /// Whether headers were added or taken away, so that the match says no more what is there.
    changed: bool,
    /// Whether a VLAN header was added.
    vlan: bool,
}

impl Flow {
    /// Whether a switch could accept the flow, as far as the flow alone says.
    ///
    /// # Errors
    /// The first thing that it would refuse.
    pub fn check(&self) -> Result<(), FlowError> {
        self.key.matches.check()?;
        let mut walk = Walk {
            matches: &self.key.matches,
            table: self.key.table,
            changed: false,
            vlan: false,
        };
        walk.list(&self.actions.to_vec(), false)
    }
}

impl Walk<'_> {
    fn list(&mut self, actions: &[Action], in_ct: bool) -> Result<(), FlowError> {
        let mut seen = [false; 6];
        for (place, action) in (1..).zip(actions) {
            let bad = |reason| FlowError::Action {
                place,
                action: action.to_string(),
                reason,
            };
            let rank = usize::from(rank(action));
            if rank > 0 && rank < 5 && std::mem::replace(&mut seen[rank], true) {
                return Err(bad("a flow has each instruction once"));
            }
            if let Some(reason) = self.reason(action, in_ct) {
                return Err(bad(reason));
            }
            self.prerequisites(place, action)?;
            self.nested(action)?;
            self.apply(action);
        }
        self.conjunctions(actions)
    }

    /// What is wrong with an action in itself.
    fn reason(&self, action: &Action, in_ct: bool) -> Option<&'static str> {
        let in_ct_only = "beside nat, only ct_mark and ct_label are written in ct";
        match action {
            Action::Nat(_) if !in_ct => Some("nat stands in ct(...) only"),
            Action::Nat(_) => None,
            Action::SetField(value) if in_ct => {
                let good = matches!(value.field(), Field::CtMark | Field::CtLabel);
                (!good).then_some(in_ct_only)
            }
            _ if in_ct => Some(in_ct_only),
            Action::SetField(value) => write_reason(value),
            Action::Output { port, .. } | Action::OutputTrunc { port, .. } => output_reason(*port),
            Action::Move {
                source,
                destination,
            } => move_reason(*source, *destination),
            Action::GotoTable(table) if *table <= self.table => {
                Some("goto_table leads to later tables only")
            }
            Action::Group(group) if *group > Group::ALL - 0xfc => Some("no such group can exist"),
            Action::OutputReg { source, .. } => subfield_reason(*source),
            Action::Push(field) => subfield_reason(*field),
            Action::Pop(field) if !field.field.info().writable => {
                Some("the field cannot be written")
            }
            Action::Pop(field) => subfield_reason(*field),
            Action::PushVlan(0x8100 | 0x88a8) => None,
            Action::PushVlan(_) => Some("a VLAN header has the type 0x8100 or 0x88a8"),
            Action::PushMpls(0x8847 | 0x8848) => None,
            Action::PushMpls(_) => Some("an MPLS header has the type 0x8847 or 0x8848"),
            Action::Ct(ct) => ct_reason(ct),
            Action::Learn(learn) => learn_reason(learn),
            Action::Sample(sample) => sample_reason(sample),
            Action::Multipath(multipath) if multipath.destination.bits < 16 => {
                let links = u32::from(multipath.max_link);
                let room = 1u32 << multipath.destination.bits;
                (links >= room).then_some("the field is too small for so many links")
            }
            _ => None,
        }
    }

    /// What the fields of an action presuppose.
    fn prerequisites(&self, place: usize, action: &Action) -> Result<(), FlowError> {
        if self.changed {
            return Ok(());
        }
        let fields: [Option<Field>; 2] = match action {
            Action::SetField(value) => [Some(value.field()), None],
            Action::Move {
                source,
                destination,
            } => [Some(source.field), Some(destination.field)],
            Action::Push(field) | Action::Pop(field) => [Some(field.field), None],
            Action::OutputReg { source, .. } => [Some(source.field), None],
            _ => [None, None],
        };
        for field in fields.into_iter().flatten() {
            let needs = field.info().needs;
            let vlan = needs == Needs::VlanVid || field == Field::VlanVid;
            let pushed = vlan && self.vlan;
            if !pushed && !self.matches.satisfies(needs) {
                return Err(FlowError::ActionPrerequisite {
                    place,
                    action: action.to_string(),
                    field,
                    needs,
                });
            }
        }
        Ok(())
    }

    fn nested(&mut self, action: &Action) -> Result<(), FlowError> {
        let mut inner = Walk {
            matches: self.matches,
            table: self.table,
            changed: self.changed,
            vlan: self.vlan,
        };
        match action {
            Action::Clone(actions) | Action::WriteActions(actions) => inner.list(actions, false),
            Action::Ct(ct) => inner.list(&ct.actions, true),
            _ => Ok(()),
        }
    }

    fn apply(&mut self, action: &Action) {
        match action {
            Action::PushVlan(_) | Action::ModVlanVid(_) | Action::ModVlanPcp(_) => self.vlan = true,
            Action::PushMpls(_) | Action::PopMpls(_) | Action::Encap(_) | Action::Decap(_) => {
                self.changed = true;
            }
            Action::PopVlan => self.vlan = false,
            _ => {}
        }
    }

    /// A flow with a clause does nothing else.
    #[allow(clippy::unused_self, reason = "one of the steps of a walk")]
    fn conjunctions(&self, actions: &[Action]) -> Result<(), FlowError> {
        let has_clause = actions
            .iter()
            .any(|action| matches!(action, Action::Conjunction { .. }));
        for (place, action) in (1..).zip(actions) {
            let reason = match action {
                Action::Conjunction {
                    clause, clauses, ..
                } => match (2..=64).contains(clauses) && clause < clauses {
                    true => continue,
                    false => "a conjunction has 2 to 64 clauses, and this is one of them",
                },
                Action::Note(_) | Action::Learn(_) => continue,
                _ if has_clause => "a flow with conjunction(...) does nothing else",
                _ => continue,
            };
            return Err(FlowError::Action {
                place,
                action: action.to_string(),
                reason,
            });
        }
        Ok(())
    }
}

fn write_reason(value: &FieldValue) -> Option<&'static str> {
    (!value.field().info().writable).then_some("the field cannot be written")
}

fn output_reason(port: Port) -> Option<&'static str> {
    match port {
        Port::UNSET | Port::ANY => Some("there is no such port"),
        Port(number) if number >= 0xff00 && port < Port::MAX => Some("there is no such port"),
        _ => None,
    }
}

fn subfield_reason(field: Subfield) -> Option<&'static str> {
    let beyond = u32::from(field.offset) + u32::from(field.bits) > u32::from(field.field.bits());
    (field.bits == 0 || beyond).then_some("the field has no such bits")
}

fn move_reason(source: Subfield, destination: Subfield) -> Option<&'static str> {
    if !destination.field.info().writable {
        return Some("the field cannot be written");
    }
    if source.bits != destination.bits {
        return Some("both sides have the same number of bits");
    }
    subfield_reason(source).or_else(|| subfield_reason(destination))
}

fn ct_reason(ct: &Ct) -> Option<&'static str> {
    if ct.force && !ct.commit {
        return Some("force stands beside commit only");
    }
    match ct.zone {
        CtZone::Field(field) if field.bits != 16 => Some("a zone is sixteen bits of a field"),
        CtZone::Field(field) => subfield_reason(field),
        CtZone::Immediate(_) => None,
    }
}

fn sample_reason(sample: &Sample) -> Option<&'static str> {
    if sample.probability == 0 {
        return Some("the probability is at least one of 65,536");
    }
    [sample.domain, sample.point]
        .into_iter()
        .find_map(|place| match place {
            Observation::Field(field) if field.bits > 32 => {
                Some("an observation has 32 bits at the most")
            }
            Observation::Field(field) => subfield_reason(field),
            Observation::Value(_) => None,
        })
}

fn learn_reason(learn: &Learn) -> Option<&'static str> {
    if learn.table == u8::MAX {
        return Some("table 255 holds no learned flows");
    }
    learn.specs.iter().find_map(|spec| {
        let source = match &spec.source {
            LearnSource::Field(field) => subfield_reason(*field),
            LearnSource::Value(_) => None,
        };
        let target = match &spec.target {
            LearnTarget::Load(field) if !field.field.info().writable => {
                Some("the field cannot be written")
            }
            LearnTarget::Load(field) | LearnTarget::Match(field) => subfield_reason(*field),
            LearnTarget::Output => None,
        };
        source.or(target)
    })
}
