//! The stream of outcomes for one reader.

use std::collections::VecDeque;
use std::sync::Arc;

use futures_util::stream::unfold;
use rpc::hv::v1::Outcome;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{OwnedSemaphorePermit, watch};
use tokio::time::Instant;
use tokio_stream::Stream;
use tonic::Status;

use super::convert::outcome;
use crate::core::{Event, Watched};
use crate::door::Deadline;

struct Reader {
    past: VecDeque<Arc<Event>>,
    live: Receiver<Arc<Event>>,
    machine: Option<u32>,
    deadline: Option<Instant>,
    end: watch::Receiver<bool>,
    /// A place among those who watch.
    _place: OwnedSemaphorePermit,
}

/// Outcomes that have happened, and then those to come, of one machine or all. The last item of a stream that is cut
/// off says why.
pub(super) fn stream(
    (past, live): Watched,
    machine: Option<u32>,
    deadline: Option<Instant>,
    end: watch::Receiver<bool>,
    place: OwnedSemaphorePermit,
) -> impl Stream<Item = Result<Outcome, Status>> + Send {
    let reader = Reader {
        past: past.into(),
        live,
        machine,
        deadline,
        end,
        _place: place,
    };
    unfold(Some(reader), |reader| async {
        let mut reader = reader?;
        match reader.next().await {
            Ok(event) => Some((Ok(outcome(&event)), Some(reader))),
            Err(status) => Some((Err(status), None)),
        }
    })
}

impl Reader {
    async fn next(&mut self) -> Result<Arc<Event>, Status> {
        loop {
            let event = match self.past.pop_front() {
                Some(event) => event,
                None => self.live().await?,
            };
            // What concerns the switch concerns all machines.
            if self.machine.is_none() || event.machine.is_none() || event.machine == self.machine {
                return Ok(event);
            }
        }
    }

    async fn live(&mut self) -> Result<Arc<Event>, Status> {
        let late = async {
            match self.deadline {
                Some(at) => tokio::time::sleep_until(at).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            event = self.live.recv() => event.map_err(|error| match error {
                RecvError::Lagged(missed) => Status::resource_exhausted(format!(
                    "the reader is too slow: {missed} outcomes were not waited for; list and watch again"
                )),
                RecvError::Closed => Status::unavailable("the daemon ends"),
            }),
            () = late => Err(Deadline::missed()),
            _ = self.end.wait_for(|end| *end) => Err(Status::unavailable("the daemon ends")),
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::Semaphore;
    use tokio_stream::StreamExt;
    use tonic::Code;

    use super::*;
    use crate::core::{Kind, Outcomes};

    fn event(machine: u32) -> Event {
        Event {
            sequence: 0,
            time: 1_500,
            kind: Kind::Added,
            machine: Some(machine),
            added: 1,
            deleted: 0,
            caller: String::new(),
            error: String::new(),
        }
    }

    fn reader(
        outcomes: &Outcomes,
        machine: Option<u32>,
        deadline: Option<Instant>,
        end: &watch::Sender<bool>,
        room: &Arc<Semaphore>,
    ) -> impl Stream<Item = Result<Outcome, Status>> + Send + use<> {
        let place = Arc::clone(room).try_acquire_owned().expect("a place");
        let watched = outcomes.watch(0).expect("all are known");
        stream(watched, machine, deadline, end.subscribe(), place)
    }

    #[tokio::test]
    async fn a_reader_sees_its_machine_from_the_past_on_and_gives_its_place_back() {
        let (end, room) = (watch::Sender::new(false), Arc::new(Semaphore::new(1)));
        let mut outcomes = Outcomes::new(0);
        outcomes.push(event(1));
        outcomes.push(event(2));
        let mut reader = Box::pin(reader(&outcomes, Some(1), None, &end, &room));
        assert_eq!(room.available_permits(), 0);
        outcomes.push(event(2));
        outcomes.push(event(1));
        assert_eq!(reader.next().await.unwrap().unwrap().sequence, 1);
        assert_eq!(reader.next().await.unwrap().unwrap().sequence, 4);
        end.send_replace(true);
        assert_eq!(
            reader.next().await.unwrap().unwrap_err().code(),
            Code::Unavailable
        );
        assert!(reader.next().await.is_none());
        drop(reader);
        assert_eq!(room.available_permits(), 1);
    }

    #[tokio::test]
    async fn a_reader_that_does_not_read_is_cut_off_with_a_clear_status() {
        let (end, room) = (watch::Sender::new(false), Arc::new(Semaphore::new(1)));
        let mut outcomes = Outcomes::new(0);
        let mut reader = Box::pin(reader(&outcomes, None, None, &end, &room));
        for number in 0..300 {
            outcomes.push(event(number));
        }
        let status = reader.next().await.unwrap().unwrap_err();
        assert_eq!(status.code(), Code::ResourceExhausted);
        assert!(
            status.message().contains("too slow: 44 outcomes"),
            "{status}"
        );
        assert!(reader.next().await.is_none());
    }

    #[tokio::test]
    async fn a_deadline_ends_the_stream() {
        let (end, room) = (watch::Sender::new(false), Arc::new(Semaphore::new(1)));
        let outcomes = Outcomes::new(0);
        let deadline = Instant::now();
        let mut reader = Box::pin(reader(&outcomes, None, Some(deadline), &end, &room));
        let status = reader.next().await.unwrap().unwrap_err();
        assert_eq!(status.code(), Code::DeadlineExceeded);
    }
}
