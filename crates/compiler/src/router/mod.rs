//! The pipeline of logical routers, one file a stage.

use crate::program::Program;

/// Declares all stages.
pub(crate) fn declare(program: &mut Program) {
    let _ = program;
}
