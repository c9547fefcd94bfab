//! Making a switch hold exactly what it should.
//!
//! Invariant: nothing is removed before what replaces it is there, and what a refusal leaves is what was
//! there before.

use ::openflow::message::multipart::FlowQuery;
use ::openflow::message::{Meter, MeterMod, MultipartRequest};
use ::openflow::sync::{Plan, State};
use ::openflow::{Message, Version};
use tokio::sync::oneshot;

use ::openflow::session::Reply;

use super::{Error, Handle, Request, Result};

/// Whether to look at the switch once more when all is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Verify {
    /// What the switch answers is believed.
    #[default]
    No,
    /// The switch is asked what it holds now, and something else is [`Error::Differs`].
    Yes,
}

impl Handle {
    /// Tells the switch something that has no answer, and waits until it is done.
    ///
    /// # Errors
    /// When the switch refuses it, or the connection ends before it is done.
    pub async fn tell(&self, message: Message) -> Result<()> {
        let (sender, receiver) = oneshot::channel();
        self.give(Request::Tell(message, sender)).await?;
        receiver.await.unwrap_or(Err(Error::Lost))
    }

    /// All flows, groups and meters of the switch. OpenFlow 1.0 has no meters.
    ///
    /// # Errors
    /// When the switch does not say.
    pub async fn held(&self) -> Result<State> {
        let meters = match self.version().await? {
            Version::V10 => Vec::new(),
            Version::V13 | Version::V14 | Version::V15 => self.dump_meters().await?,
        };
        let groups = self.dump_groups().await?;
        let query = MultipartRequest::Flows(FlowQuery::default());
        let Reply::Flows(flows) = self.ask(Message::MultipartRequest(query)).await? else {
            return Err(Error::Unexpected);
        };
        Ok(State::new(flows.flows(), groups).with_meters(meters))
    }

    /// All meters.
    ///
    /// # Errors
    /// When the switch does not say.
    pub async fn dump_meters(&self) -> Result<Vec<Meter>> {
        let query = MultipartRequest::Meters(Meter::ALL);
        match self.ask(Message::MultipartRequest(query)).await? {
            Reply::Meters(meters) => Ok(meters),
            _ => Err(Error::Unexpected),
        }
    }

    /// Makes the switch hold just these flows, groups and meters, with the fewest changes; how many these
    /// were. Flows and groups change together. Meters, which are not part of a bundle, come before it and go
    /// behind it; they are put back when the bundle is refused. The last message is a barrier, so that all of
    /// it is done when this returns.
    ///
    /// # Errors
    /// As those of [`Handle::bundle`] and [`Handle::tell`]: nothing has taken effect then, unless the
    /// connection ended. With [`Verify::Yes`], [`Error::Differs`].
    pub async fn synchronise(&self, wanted: &State, verify: Verify) -> Result<usize> {
        let plan = wanted.plan(&self.held().await?);
        let changes = plan.before.len() + plan.bundle.len() + plan.after.len();
        self.carry_out(plan).await?;
        self.barrier().await?;
        if verify == Verify::Yes {
            let left = wanted.plan(&self.held().await?);
            let left = left.before.len() + left.bundle.len() + left.after.len();
            if left > 0 {
                return Err(Error::Differs(left));
            }
        }
        Ok(changes)
    }

    /// Does what a plan says. Whatever is refused, what was done before it is taken back.
    ///
    /// # Errors
    /// As those of [`Handle::synchronise`].
    pub async fn carry_out(&self, plan: Plan) -> Result<()> {
        let Plan {
            before,
            undo,
            bundle,
            after,
        } = plan;
        for (done, change) in before.into_iter().enumerate() {
            if let Err(error) = self.change_meter(change).await {
                self.take_back(undo, done).await?;
                return Err(error);
            }
        }
        if let Err(error) = self.bundle(bundle).await {
            let done = undo.len();
            self.take_back(undo, done).await?;
            return Err(error);
        }
        for change in after {
            self.change_meter(change).await?;
        }
        Ok(())
    }

    async fn change_meter(&self, change: MeterMod) -> Result<()> {
        let id = change.meter.id;
        let done = self.tell(Message::MeterMod(change)).await;
        done.map_err(|error| Error::Meter(id, Box::new(error)))
    }

    /// Takes as many changes of meters back as were done.
    async fn take_back(&self, undo: Vec<MeterMod>, done: usize) -> Result<()> {
        let undone = undo.len().saturating_sub(done);
        for change in undo.into_iter().skip(undone) {
            self.change_meter(change).await?;
        }
        Ok(())
    }
}
