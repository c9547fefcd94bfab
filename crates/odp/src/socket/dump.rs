//! Lists that come piece by piece.

use std::collections::VecDeque;
use std::sync::Arc;

use super::error::Error;
use super::netlink::{Received, Socket, deadline};
use super::pool::Pool;
use crate::attribute::DecodeError;
use crate::message::{Content, Request, frames};

/// The objects of a list, as they come from the kernel. One that cannot be read is an error of its own:
/// those behind it still come.
pub struct Dump<T> {
    pool: Arc<Pool>,
    socket: Option<Socket>,
    sequence: u32,
    what: String,
    request: Request,
    read: fn(&[u8]) -> Result<T, DecodeError>,
    waiting: VecDeque<Result<T, Error>>,
    interrupted: bool,
}

impl<T> Dump<T> {
    pub(super) fn start(
        pool: &Arc<Pool>,
        request: Request,
        what: String,
        read: fn(&[u8]) -> Result<T, DecodeError>,
    ) -> Result<Self, Error> {
        let mut socket = pool.take()?;
        let sequence = socket.next_sequence();
        let mut bytes = Vec::new();
        request.encode(pool.number(request.family)?, sequence, &mut bytes);
        socket.send(&bytes)?;
        Ok(Self {
            pool: Arc::clone(pool),
            socket: Some(socket),
            sequence,
            what,
            request,
            read,
            waiting: VecDeque::new(),
            interrupted: false,
        })
    }

    /// True if objects changed while they were listed, so that one may be missing or come twice.
    #[must_use]
    pub const fn was_interrupted(&self) -> bool {
        self.interrupted
    }

    /// The next piece. Gives the socket back at the list's end.
    fn receive(&mut self, mut socket: Socket) -> Result<(), Error> {
        let until = deadline(Some(self.pool.timeout));
        match socket.receive(until)? {
            Received::Datagram => {}
            Received::Nothing => {
                return Err(Error::Timeout {
                    what: self.what.clone(),
                    after: self.pool.timeout,
                });
            }
            Received::Overrun => {
                self.interrupted = true;
                self.socket = Some(socket);
                return Ok(());
            }
        }
        let mut end = None;
        for frame in frames(socket.datagram()) {
            let frame = frame.map_err(|source| Error::decode("a list", source))?;
            if frame.sequence != self.sequence {
                continue;
            }
            self.interrupted |= frame.interrupted;
            match frame.content {
                Content::Object { body, .. } => {
                    let object = (self.read)(body);
                    self.waiting
                        .push_back(object.map_err(|source| Error::decode("a list", source)));
                }
                Content::Done { errno } => end = Some((errno, None)),
                Content::Answer { errno, said } => end = Some((errno, said)),
                Content::Noop | Content::Overrun => {}
            }
        }
        match end {
            None => self.socket = Some(socket),
            Some((0, _)) => self.pool.give_back(socket),
            Some((errno, said)) => {
                self.pool.give_back(socket);
                let what = self.what.clone();
                return Err(Error::refused(what, &self.request, errno, said));
            }
        }
        Ok(())
    }
}

impl<T> Iterator for Dump<T> {
    type Item = Result<T, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(object) = self.waiting.pop_front() {
                return Some(object);
            }
            let socket = self.socket.take()?;
            if let Err(error) = self.receive(socket) {
                return Some(Err(error));
            }
        }
    }
}
