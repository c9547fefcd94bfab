//! Telling a hypervisor something: changes one after the other, in a limited time.

use std::time::Duration;

use hvd::client::{CallError, Remote};
use tokio::time::Instant;
use tonic::transport::Channel;

use super::link::Ours;
use crate::fleet::Change;
use crate::rollout::Outcome;

/// Carries changes out up to the first that fails; how many were, and what came of it.
///
/// A request has no key: the same one sent again after a failure does no harm.
pub(super) async fn tell(
    channel: Channel,
    changes: Vec<Change>,
    deadline: Duration,
    ours: Ours,
) -> (usize, Outcome) {
    let start = Instant::now();
    for (applied, change) in changes.iter().enumerate() {
        let left = deadline.saturating_sub(start.elapsed());
        let mut remote = Remote::over(channel.clone(), left);
        let carried_out = async {
            match change {
                Change::Replace(params) => remote.replace(params, "").await,
                Change::Remove(number) => remote.remove(*number, true, "").await,
            }
        };
        let outcome = match tokio::time::timeout(left, carried_out).await {
            Ok(Ok(done)) => {
                ours.add(done.sequence);
                continue;
            }
            Ok(Err(CallError::Refused { text, .. })) => {
                Outcome::Refused(format!("machine {}: {text}", change.machine()))
            }
            // The daemon keeps the time as well, and the channel: whoever is first says so.
            Ok(Err(CallError::Away(text) | CallError::Failed(text)))
                if start.elapsed() < deadline =>
            {
                Outcome::Unreachable(format!("machine {}: {text}", change.machine()))
            }
            Ok(Err(_)) | Err(_) => Outcome::Unreachable(format!("no answer within {deadline:?}")),
        };
        return (applied, outcome);
    }
    (changes.len(), Outcome::Done)
}
