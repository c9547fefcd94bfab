//! The exit status of commands that ask a service, which tells scripts whether to try again.

use std::process::ExitCode;

use hvd::client::CallError;

/// Refused; nothing has changed.
const REFUSED: u8 = 3;
/// No answer in time, or nobody can do it now: the same command may succeed later.
const AWAY: u8 = 4;

/// What a command ends with: an error of a call that has a status of its own is printed, any other is given back.
///
/// # Errors
/// An error that stands for status 1.
pub(crate) fn of(result: anyhow::Result<ExitCode>) -> anyhow::Result<ExitCode> {
    let status = |error: &anyhow::Error| match error.downcast_ref::<CallError>()? {
        CallError::Refused { .. } => Some(REFUSED),
        CallError::Away(_) => Some(AWAY),
        CallError::Failed(_) => None,
    };
    result.or_else(|error| match status(&error) {
        Some(code) => {
            crate::fail(&error);
            Ok(ExitCode::from(code))
        }
        None => Err(error),
    })
}
