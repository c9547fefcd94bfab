//! The life of a bundle, as the session drives it.
//!
//! Open, all messages, and close go out at once. When the close is answered every refusal is known:
//! with one, the bundle is discarded; with none, it is committed. Open vSwitch itself would commit
//! what is left of a bundle after a message was refused, which is not what a transaction is.

use super::{Event, Pending, SendError, Session};
use crate::message::{
    BundleAdd, BundleControl, BundleControlKind, BundleFlags, EncodeError, ErrorMessage, HEADER,
    Message, TooLong,
};

/// A bundle on its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct BundleId(u32);

/// Why a bundle cannot be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BundleError {
    /// One of its messages does not fit.
    #[error("message {index} of the bundle: {error}")]
    Message {
        /// Which, counted from zero.
        index: usize,
        /// Why.
        error: EncodeError,
    },
    /// It cannot be sent now.
    #[error(transparent)]
    Send(#[from] SendError),
}

/// Why a bundle had no effect.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct BundleFailure {
    /// The messages that were refused, by their place in the bundle, and why.
    pub messages: Vec<(usize, ErrorMessage)>,
    /// Why the bundle itself was refused.
    pub bundle: Option<ErrorMessage>,
}

impl std::fmt::Display for BundleFailure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match (self.messages.first(), &self.bundle) {
            (Some((index, error)), _) => {
                write!(f, "message {index} refused: {error}")?;
                let more = self.messages.len() - 1;
                if more > 0 {
                    write!(f, ", and {more} more")
                } else {
                    Ok(())
                }
            }
            (None, Some(error)) => write!(f, "bundle refused: {error}"),
            (None, None) => f.write_str("bundle failed"),
        }
    }
}

impl std::error::Error for BundleFailure {}

/// What a bundle's request awaits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    Open,
    Close,
    Commit,
    Discard,
}

#[derive(Debug)]
pub(super) struct Bundle {
    /// The transaction number of each message, in order; they are consecutive but for the wrap.
    first: u32,
    count: u32,
    failure: BundleFailure,
    committed: bool,
}

impl Bundle {
    /// The place of the message with this transaction number.
    fn place(&self, xid: u32) -> Option<usize> {
        // Zero is never used, so a number beyond the wrap is one less than the distance says.
        let distance = if xid >= self.first {
            xid - self.first
        } else {
            xid.wrapping_sub(self.first).wrapping_sub(1)
        };
        (distance < self.count).then_some(distance as usize)
    }
}

/// A bundle that is being put together. Dropped without [`Transaction::commit`], nothing of it is sent.
#[derive(Debug)]
#[must_use = "a transaction that is not committed is forgotten"]
pub struct Transaction<'a> {
    session: &'a mut Session,
    id: BundleId,
    /// How much waited to be sent before.
    before: usize,
    first: Option<u32>,
    count: u32,
    committed: bool,
}

impl Transaction<'_> {
    /// Adds a message; the place by which a refusal would name it, counted from zero.
    ///
    /// # Errors
    /// When it does not fit, or the version cannot say it.
    pub fn add(&mut self, message: &Message) -> Result<usize, BundleError> {
        let session = &mut *self.session;
        let index = self.count as usize;
        let xid = session.xid();
        self.first.get_or_insert(xid);
        let bad = |error| BundleError::Message { index, error };
        let message = message.encode_as(session.version, xid).map_err(bad)?;
        let length = message.len() + BundleAdd::overhead(session.version);
        if length > usize::from(u16::MAX) {
            return Err(bad(TooLong { length }.into()));
        }
        debug_assert!(message.len() >= HEADER, "a message has a header");
        let add = BundleAdd {
            id: self.id.0,
            flags: BundleFlags::ATOMIC_ORDERED,
            message: message.into(),
        };
        session.push_as(xid, &Message::BundleAdd(add))?;
        self.count += 1;
        Ok(index)
    }

    /// Sends all of it. [`Event::Bundle`] says how it went.
    ///
    /// # Errors
    /// When it cannot be sent; then nothing of it is.
    pub fn commit(mut self) -> Result<BundleId, BundleError> {
        self.session
            .control(self.id, BundleControlKind::CloseRequest, Step::Close)?;
        let bundle = Bundle {
            first: self.first.unwrap_or(0),
            count: self.count,
            failure: BundleFailure::default(),
            committed: false,
        };
        self.session.bundles.insert(self.id, bundle);
        self.committed = true;
        Ok(self.id)
    }
}

impl Drop for Transaction<'_> {
    fn drop(&mut self) {
        if self.committed {
            return;
        }
        self.session.output.truncate(self.before);
        let id = self.id;
        self.session
            .pending
            .retain(|_, pending| !matches!(pending, Pending::Bundle(known, _) if *known == id));
    }
}

impl Session {
    /// Sends messages that take effect together and in this order, or not at all.
    /// [`Event::Bundle`] says how it went.
    ///
    /// # Errors
    /// When it cannot be sent; then nothing of it is.
    pub fn bundle(&mut self, messages: &[Message]) -> Result<BundleId, BundleError> {
        let mut transaction = self.transaction()?;
        for message in messages {
            transaction.add(message)?;
        }
        transaction.commit()
    }

    /// Begins a bundle. Dropped without [`Transaction::commit`], nothing of it is sent.
    ///
    /// # Errors
    /// When none can begin now.
    pub fn transaction(&mut self) -> Result<Transaction<'_>, BundleError> {
        if !self.is_ready() {
            return Err(SendError::NotReady.into());
        }
        let before = self.output.len();
        let id = BundleId(self.xid());
        let transaction = Transaction {
            session: self,
            id,
            before,
            first: None,
            count: 0,
            committed: false,
        };
        transaction
            .session
            .control(id, BundleControlKind::OpenRequest, Step::Open)?;
        Ok(transaction)
    }

    fn control(
        &mut self,
        id: BundleId,
        kind: BundleControlKind,
        step: Step,
    ) -> Result<(), SendError> {
        let xid = self.xid();
        let control = BundleControl {
            id: id.0,
            kind,
            flags: BundleFlags::ATOMIC_ORDERED,
        };
        self.push_as(xid, &Message::BundleControl(control))?;
        self.pending.insert(xid, Pending::Bundle(id, step));
        Ok(())
    }

    /// A step was answered.
    pub(super) fn bundle_reply(&mut self, id: BundleId, step: Step, message: &Message) {
        let expected = match step {
            Step::Open => BundleControlKind::OpenReply,
            Step::Close => BundleControlKind::CloseReply,
            Step::Commit => BundleControlKind::CommitReply,
            Step::Discard => BundleControlKind::DiscardReply,
        };
        let good = matches!(message, Message::BundleControl(control) if control.kind == expected);
        match step {
            _ if !good => self.bundle_end(id),
            Step::Open => {}
            Step::Close => self.bundle_closed(id),
            Step::Commit => {
                if let Some(bundle) = self.bundles.get_mut(&id) {
                    bundle.committed = true;
                }
                self.bundle_end(id);
            }
            Step::Discard => self.bundle_end(id),
        }
    }

    fn bundle_closed(&mut self, id: BundleId) {
        let Some(bundle) = self.bundles.get(&id) else {
            return;
        };
        let failed = !bundle.failure.messages.is_empty() || bundle.failure.bundle.is_some();
        let (kind, step) = if failed {
            (BundleControlKind::DiscardRequest, Step::Discard)
        } else {
            (BundleControlKind::CommitRequest, Step::Commit)
        };
        if self.control(id, kind, step).is_err() {
            self.bundle_end(id);
        }
    }

    /// A step was refused.
    pub(super) fn bundle_step_refused(&mut self, id: BundleId, step: Step, error: ErrorMessage) {
        let Some(bundle) = self.bundles.get_mut(&id) else {
            return;
        };
        bundle.failure.bundle.get_or_insert(error);
        match step {
            // The close is on its way and will be refused as well.
            Step::Open => {}
            Step::Close | Step::Commit | Step::Discard => self.bundle_end(id),
        }
    }

    /// A message of a bundle was refused. Gives the error back if it belongs to no bundle.
    pub(super) fn bundle_message_refused(
        &mut self,
        xid: u32,
        error: ErrorMessage,
    ) -> Option<ErrorMessage> {
        let found = self
            .bundles
            .values_mut()
            .find_map(|b| b.place(xid).map(|at| (b, at)));
        let Some((bundle, place)) = found else {
            return Some(error);
        };
        bundle.failure.messages.push((place, error));
        None
    }

    fn bundle_end(&mut self, id: BundleId) {
        let Some(bundle) = self.bundles.remove(&id) else {
            return;
        };
        let result = if bundle.committed {
            Ok(())
        } else {
            Err(bundle.failure)
        };
        self.events.push_back(Event::Bundle(id, result));
    }
}
