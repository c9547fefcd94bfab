//! Chassis_Template_Var: what variables in flows stand for on each chassis.

use model::sb;

use crate::program::{Program, SbRow};

pub(crate) fn declare(program: &mut Program) {
    let input = program.topology.nb.template;
    let identity = program.identity.clone();
    program.rows("rows/template", input, move |cx, id| {
        let row = cx.get(input, id)?;
        Some(SbRow {
            uuid: identity.of::<sb::ChassisTemplateVar>(&row.chassis),
            row: sb::ChassisTemplateVar {
                chassis: row.chassis.clone(),
                variables: row.variables.clone(),
            },
        })
    });
}
