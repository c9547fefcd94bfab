//! Requests and their answers, and the sockets that they go over.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::error::Error;
use super::netlink::{Received, Socket, deadline};
use crate::message::{Content, Family, Request, control, frames};

/// How many sockets are kept when nobody needs them.
const IDLE: usize = 16;
/// How many requests, and bytes of them, go in one datagram: so few that the answers fit into a socket's
/// room.
const BATCH: usize = 64;
const BATCH_BYTES: usize = 24 << 10;

/// Sockets that nothing more can come for.
pub(super) struct Pool {
    idle: Mutex<Vec<Socket>>,
    families: Vec<(Family, control::FamilyInfo)>,
    /// How long answers are waited for.
    pub(super) timeout: Duration,
}

/// What came of a request: the objects that came back.
pub(super) type Outcome = Result<Vec<Vec<u8>>, Error>;

impl Pool {
    pub(super) fn open(timeout: Duration) -> Result<Self, Error> {
        let mut pool = Self {
            idle: Mutex::default(),
            families: Vec::new(),
            timeout,
        };
        let mut socket = Socket::open()?;
        for family in Family::ALL {
            let found = pool.find_family(&mut socket, family)?;
            pool.families.extend(found.map(|info| (family, info)));
        }
        pool.give_back(socket);
        match pool.family(Family::Datapath) {
            Some(_) => Ok(pool),
            None => Err(Error::ModuleMissing {
                family: Family::Datapath.name(),
            }),
        }
    }

    fn find_family(
        &self,
        socket: &mut Socket,
        family: Family,
    ) -> Result<Option<control::FamilyInfo>, Error> {
        let sequence = socket.next_sequence();
        socket.send(&control::get_family(family.name(), sequence))?;
        let mut info = None;
        let what = || format!("find the family {}", family.name());
        self.answers(socket, what, |frame| {
            if frame.sequence != sequence {
                return Ok(false);
            }
            if let Content::Object { body, .. } = frame.content {
                let found = control::FamilyInfo::decode(body);
                info = Some(found.map_err(|source| Error::decode("families", source))?);
            }
            Ok(matches!(frame.content, Content::Answer { .. }))
        })?;
        Ok(info)
    }

    pub(super) fn family(&self, family: Family) -> Option<&control::FamilyInfo> {
        let found = self.families.iter().find(|(known, _)| *known == family);
        found.map(|(_, info)| info)
    }

    /// The number of a family.
    pub(super) fn number(&self, family: Family) -> Result<u16, Error> {
        let info = self.family(family).ok_or_else(|| match family {
            Family::Meter => Error::NotSupported {
                what: "meters",
                since: "Linux 4.15 has them",
            },
            Family::CtLimit => Error::NotSupported {
                what: "limits of connections",
                since: "Linux 4.18 has them, with CONFIG_NETFILTER_CONNCOUNT",
            },
            other => Error::ModuleMissing {
                family: other.name(),
            },
        })?;
        Ok(info.id)
    }

    pub(super) fn take(&self) -> Result<Socket, Error> {
        let idle = self
            .idle
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .pop();
        idle.map_or_else(Socket::open, Ok)
    }

    /// Only when nothing more can come for who had it.
    pub(super) fn give_back(&self, socket: Socket) {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < IDLE {
            idle.push(socket);
        }
    }

    /// Sends requests, many at once, and says of each what came of it. `what` says what a request is for.
    pub(super) fn transact(
        &self,
        requests: &[Request],
        what: impl Fn(usize) -> String,
    ) -> Result<Vec<Outcome>, Error> {
        let mut outcomes: Vec<Outcome> = Vec::with_capacity(requests.len());
        let mut socket = self.take()?;
        while outcomes.len() < requests.len() {
            let begin = outcomes.len();
            let (bytes, first, count) = self.batch(&mut socket, &requests[begin..])?;
            socket.send(&bytes)?;
            let mut batch: Vec<Exchange> = Vec::new();
            batch.resize_with(count, Exchange::default);
            let mut open = count;
            let about = || what(begin);
            self.answers(&mut socket, about, |frame| {
                let place = frame.sequence.wrapping_sub(first);
                let place = usize::try_from(place).unwrap_or(usize::MAX);
                if let Some(exchange) = batch.get_mut(place) {
                    let at = begin + place;
                    let ended = exchange.take(frame.content, &requests[at], || what(at));
                    open -= usize::from(ended);
                }
                Ok(open == 0)
            })?;
            outcomes.extend(batch.into_iter().map(Exchange::outcome));
        }
        self.give_back(socket);
        Ok(outcomes)
    }

    /// As many requests as go at once: their bytes, the first's number, and how many they are.
    fn batch(
        &self,
        socket: &mut Socket,
        requests: &[Request],
    ) -> Result<(Vec<u8>, u32, usize), Error> {
        let mut bytes = Vec::new();
        let mut first = 0;
        let mut count = 0;
        for request in requests.iter().take(BATCH) {
            let sequence = socket.next_sequence();
            if count == 0 {
                first = sequence;
            } else if sequence != first.wrapping_add(count) {
                // The numbers begin again; the rest goes next time.
                break;
            }
            request.encode(self.number(request.family)?, sequence, &mut bytes);
            count += 1;
            if bytes.len() > BATCH_BYTES {
                break;
            }
        }
        Ok((bytes, first, usize::try_from(count).unwrap_or(usize::MAX)))
    }

    /// Reads frames until `take` has seen enough.
    fn answers(
        &self,
        socket: &mut Socket,
        what: impl Fn() -> String,
        mut take: impl FnMut(crate::message::Frame<'_>) -> Result<bool, Error>,
    ) -> Result<(), Error> {
        let until = deadline(Some(self.timeout));
        loop {
            match socket.receive(until)? {
                Received::Datagram => {}
                // An answer may be lost: nobody knows which.
                Received::Nothing | Received::Overrun => {
                    return Err(Error::Timeout {
                        what: what(),
                        after: self.timeout,
                    });
                }
            }
            for frame in frames(socket.datagram()) {
                let frame = frame.map_err(|source| Error::decode("a request", source))?;
                if take(frame)? {
                    return Ok(());
                }
            }
        }
    }
}

/// A request's answers, as they come.
#[derive(Default)]
struct Exchange {
    objects: Vec<Vec<u8>>,
    answer: Option<Result<(), Error>>,
}

impl Exchange {
    /// Takes one of them, and says whether it is the last.
    fn take(&mut self, content: Content<'_>, request: &Request, what: impl Fn() -> String) -> bool {
        match content {
            Content::Object { body, .. } => self.objects.push(body.to_vec()),
            Content::Answer { errno: 0, .. } if self.answer.is_none() => {
                self.answer = Some(Ok(()));
                return true;
            }
            Content::Answer { errno, said } if self.answer.is_none() => {
                self.answer = Some(Err(Error::refused(what(), request, errno, said)));
                return true;
            }
            _ => {}
        }
        false
    }

    fn outcome(self) -> Outcome {
        self.answer.unwrap_or(Ok(())).map(|()| self.objects)
    }
}
