//! Where a flow is: the tables and zones that its actions mean.

use logic::NatKind;
use openflow::Field;
use openflow::action::CtZone;

use super::Trouble;
use crate::tables;

/// Where the flow is that the actions belong to: what decides how they are encoded, besides themselves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) pipeline: logic::Pipeline,
    /// The logical table.
    pub(crate) table: u8,
    pub(crate) is_switch: bool,
    /// Both translations share the zone of source translation and not that of the other.
    pub(crate) snat_zone_is_common: bool,
    /// Whether new connections are committed with a source translation to nothing.
    pub(crate) zero_snat: bool,
}

impl Place {
    /// The OpenFlow table of a logical one.
    pub(crate) fn table(pipeline: logic::Pipeline, table: u8) -> Result<u8, Trouble> {
        let (first, stages) = match pipeline {
            logic::Pipeline::Ingress => (tables::LOG_INGRESS, tables::INGRESS_STAGES),
            logic::Pipeline::Egress => (tables::LOG_EGRESS, tables::EGRESS_STAGES),
        };
        if table < stages {
            Ok(first + table)
        } else {
            Err(Trouble::NoTable(table))
        }
    }

    pub(super) fn next(&self) -> Result<u8, Trouble> {
        Self::table(self.pipeline, self.table.saturating_add(1))
    }

    pub(super) fn output(&self) -> u8 {
        match self.pipeline {
            logic::Pipeline::Ingress => tables::OUTPUT_LARGE_DETECT,
            logic::Pipeline::Egress => tables::SAVE_INPORT,
        }
    }

    /// The zone that connections of this datapath are tracked in.
    pub(super) fn zone(&self) -> CtZone {
        zone(if self.is_switch {
            tables::CT_ZONE
        } else {
            tables::DNAT_ZONE
        })
    }

    pub(super) fn named_zone(&self, name: Option<logic::Zone>) -> CtZone {
        match name {
            None => self.zone(),
            Some(logic::Zone::Dnat) => zone(tables::DNAT_ZONE),
            Some(logic::Zone::Snat) => zone(tables::SNAT_ZONE),
        }
    }

    pub(super) fn nat_zone(&self, kind: NatKind) -> CtZone {
        zone(match kind {
            NatKind::Dnat => tables::DNAT_ZONE,
            NatKind::Snat => tables::SNAT_ZONE,
            _ if self.snat_zone_is_common => tables::SNAT_ZONE,
            _ => tables::DNAT_ZONE,
        })
    }
}

fn zone(register: u8) -> CtZone {
    CtZone::Field(Field::Reg(register).slice(0, 16))
}
