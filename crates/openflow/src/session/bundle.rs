//! The life of a bundle, as the session drives it.
//!
//! Open, all messages, and close need no answer before the next. When the close is answered every refusal is known:
//! with one, the bundle is discarded; with none, it is committed. Open vSwitch itself would commit
//! what is left of a bundle after a message was refused, which is not what a transaction is.

use super::{Event, Pending, SendError, Session};
use crate::message::{
    BundleControl, BundleControlKind, BundleFlags, EncodeError, ErrorMessage, FlowMod, Message,
};
use crate::version::Version;

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

#[derive(Debug, Default)]
pub(super) struct Bundle {
    /// Runs of consecutive transaction numbers, the first of each and how many: those of the messages, in
    /// order.
    runs: Vec<(u32, u32)>,
    failure: BundleFailure,
    committed: bool,
}

impl Bundle {
    /// The place of the message with this transaction number.
    fn place(&self, xid: u32) -> Option<usize> {
        let mut before = 0;
        for (first, count) in &self.runs {
            let distance = xid.wrapping_sub(*first);
            if distance < *count {
                return Some(before + distance as usize);
            }
            before += *count as usize;
        }
        None
    }

    fn len(&self) -> usize {
        self.runs.iter().map(|(_, count)| *count as usize).sum()
    }

    fn push(&mut self, xid: u32) {
        match self.runs.last_mut() {
            Some((first, count)) if first.wrapping_add(*count) == xid => *count += 1,
            _ => self.runs.push((xid, 1)),
        }
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
    committed: bool,
}

impl Transaction<'_> {
    /// Adds a message; the place by which a refusal would name it, counted from zero.
    ///
    /// # Errors
    /// When it does not fit, or the version cannot say it.
    pub fn add(&mut self, message: &Message) -> Result<usize, BundleError> {
        self.session.add_to_bundle(self.id, message)
    }

    /// Adds a change of flows, as [`Transaction::add`] does.
    ///
    /// # Errors
    /// When it does not fit, or the version cannot say it.
    pub fn add_flow(&mut self, change: &FlowMod) -> Result<usize, BundleError> {
        self.session.add_flow_to_bundle(self.id, change)
    }

    /// Sends all of it. [`Event::Bundle`] says how it went.
    ///
    /// # Errors
    /// When it cannot be sent; then nothing of it is.
    pub fn commit(mut self) -> Result<BundleId, BundleError> {
        self.session.commit_bundle(self.id)?;
        self.committed = true;
        Ok(self.id)
    }
}

impl Drop for Transaction<'_> {
    fn drop(&mut self) {
        if !self.committed {
            self.session.output.truncate(self.before);
            self.session.forget_bundle(self.id);
        }
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
        let before = self.output.len();
        let id = self.open_bundle()?;
        Ok(Transaction {
            session: self,
            id,
            before,
            committed: false,
        })
    }

    /// Begins a bundle that goes out while it is put together, so that the switch can read its beginning
    /// before its end is known. It takes effect with [`Session::commit_bundle`] only;
    /// [`Session::discard_bundle`] ends it without effect. Other messages may be sent meanwhile.
    ///
    /// # Errors
    /// When none can begin now.
    pub fn open_bundle(&mut self) -> Result<BundleId, BundleError> {
        if !self.is_ready() {
            return Err(SendError::NotReady.into());
        }
        let id = BundleId(self.xid());
        self.control(id, BundleControlKind::OpenRequest, Step::Open)?;
        self.bundles.insert(id, Bundle::default());
        Ok(id)
    }

    /// Adds a message to a bundle; the place by which a refusal would name it, counted from zero.
    ///
    /// # Errors
    /// When it does not fit, or the version cannot say it. The bundle is as it was.
    pub fn add_to_bundle(&mut self, id: BundleId, message: &Message) -> Result<usize, BundleError> {
        self.put(id, |out, version, xid| {
            message.write_in_bundle(out, version, xid, id.0)
        })
    }

    /// Adds a change of flows to a bundle, as [`Session::add_to_bundle`] does.
    ///
    /// # Errors
    /// When it does not fit, or the version cannot say it. The bundle is as it was.
    pub fn add_flow_to_bundle(
        &mut self,
        id: BundleId,
        change: &FlowMod,
    ) -> Result<usize, BundleError> {
        self.put(id, |out, version, xid| {
            change.write_in_bundle(out, version, xid, id.0)
        })
    }

    fn put(
        &mut self,
        id: BundleId,
        write: impl FnOnce(&mut Vec<u8>, Version, u32) -> Result<(), EncodeError>,
    ) -> Result<usize, BundleError> {
        let xid = self.xid();
        let Some(bundle) = self.bundles.get_mut(&id) else {
            return Err(SendError::NotReady.into());
        };
        let index = bundle.len();
        let before = self.output.len();
        write(&mut self.output, self.version, xid)
            .map_err(|error| BundleError::Message { index, error })?;
        if self.output.len() > self.config.max_output {
            self.output.truncate(before);
            return Err(SendError::Full.into());
        }
        bundle.push(xid);
        Ok(index)
    }

    /// Lets a bundle take effect if no message of it is refused. [`Event::Bundle`] says how it went.
    ///
    /// # Errors
    /// When that cannot be sent.
    pub fn commit_bundle(&mut self, id: BundleId) -> Result<(), BundleError> {
        Ok(self.control(id, BundleControlKind::CloseRequest, Step::Close)?)
    }

    /// Ends a bundle without effect. [`Event::Bundle`] says when it has ended.
    ///
    /// # Errors
    /// When that cannot be sent.
    pub fn discard_bundle(&mut self, id: BundleId) -> Result<(), BundleError> {
        Ok(self.control(id, BundleControlKind::DiscardRequest, Step::Discard)?)
    }

    /// Forgets a bundle of which nothing was sent.
    fn forget_bundle(&mut self, id: BundleId) {
        self.bundles.remove(&id);
        self.pending
            .retain(|_, pending| !matches!(pending, Pending::Bundle(known, _) if *known == id));
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
            // The close is or will be on its way, and will be refused as well.
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
