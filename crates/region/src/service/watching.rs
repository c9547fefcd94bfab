//! The stream of an action's progress for one reader.

use std::collections::HashSet;

use futures_util::stream::unfold;
use hvd::door::Deadline;
use model::Str;
use rpc::region::v1;
use tokio::sync::{OwnedSemaphorePermit, watch};
use tokio::time::Instant;
use tokio_stream::Stream;
use tonic::Status;

use super::shown;
use crate::engine::{Progress, Watch};

struct Reader {
    watch: Watch,
    /// The hypervisors of which the reader knows what came of it, and how that was.
    told: HashSet<(Str, Str)>,
    deadline: Option<Instant>,
    end: watch::Receiver<bool>,
    /// A place among those who watch.
    _place: OwnedSemaphorePermit,
}

/// How far an action is, until it is over. The last item of a stream that is cut off says why.
pub(super) fn stream(
    watch: Watch,
    deadline: Option<Instant>,
    end: watch::Receiver<bool>,
    place: OwnedSemaphorePermit,
) -> impl Stream<Item = Result<v1::Progress, Status>> + Send {
    let reader = Reader {
        watch,
        told: HashSet::new(),
        deadline,
        end,
        _place: place,
    };
    unfold(Some(reader), |reader| async {
        let mut reader = reader?;
        match reader.next().await {
            Ok(Some(progress)) => Some((Ok(progress), Some(reader))),
            Ok(None) => None,
            Err(status) => Some((Err(status), None)),
        }
    })
}

impl Reader {
    async fn next(&mut self) -> Result<Option<v1::Progress>, Status> {
        let deadline = self.deadline;
        let late = async {
            match deadline {
                Some(at) => tokio::time::sleep_until(at).await,
                None => std::future::pending().await,
            }
        };
        let progress = tokio::select! {
            progress = self.watch.next() => progress,
            () = late => return Err(Deadline::missed()),
            _ = self.end.wait_for(|end| *end) => {
                return Err(Status::unavailable("the service ends; watch again"));
            }
        };
        Ok(progress.map(|progress| self.news(&progress)))
    }

    /// The state, and what came of hypervisors of which that was not said yet.
    fn news(&mut self, progress: &Progress) -> v1::Progress {
        let action = &progress.action;
        let mut results = Vec::new();
        for (name, text) in action.outcomes.iter() {
            if self.told.insert((name.clone(), text.clone())) {
                results.push(shown::result(action, name));
            }
        }
        v1::Progress {
            state: shown::state(action.state).into(),
            counts: Some(shown::counts(action, progress.counts)),
            results,
        }
    }
}
