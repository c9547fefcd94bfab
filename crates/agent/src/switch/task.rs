//! The shell of the switch: one connection, one bundle at a time.

use std::sync::Arc;
use std::time::Duration;

use openflow::message::{SetPacketInFormat, SwitchConfig, TlvMap, TlvTable, TlvTableMod};
use openflow::session::BundleError;
use openflow::{Flow, Group, Message};
use tokio::sync::{mpsc, oneshot};
use transport::openflow::{Client, Error, Event as ClientEvent, Handle};

use super::{Audit, Event, Reconciler, Shared, describe};

/// OVN's Geneve option: class, type and length.
const OPTION: (u16, u8, u8) = (0x0102, 0x80, 4);
/// How long to wait before everything is read again after a failure that names no flow.
const RETRY: Duration = Duration::from_secs(1);

pub(super) struct Task {
    client: Client,
    handle: Handle,
    shared: Arc<Shared>,
    events: mpsc::Sender<Event>,
    reconciler: Reconciler,
    /// The bundle on its way.
    flight: Option<oneshot::Receiver<Result<(), Error>>>,
    /// Until when to leave a switch alone that did not take a bundle.
    retry: Option<tokio::time::Instant>,
    mark: Option<u64>,
    connected: bool,
}

impl Task {
    pub(super) fn new(client: Client, shared: Arc<Shared>, events: mpsc::Sender<Event>) -> Self {
        let handle = client.handle();
        Self {
            client,
            handle,
            shared,
            events,
            reconciler: Reconciler::default(),
            flight: None,
            retry: None,
            mark: None,
            connected: false,
        }
    }

    /// Runs until the switch is dropped.
    pub(super) async fn run(mut self) {
        loop {
            self.start_bundle();
            if self.report().await.is_err() {
                return;
            }
            let shared = Arc::clone(&self.shared);
            tokio::select! {
                event = self.client.next() => {
                    let Some(event) = event else { return };
                    if self.client_event(event).await.is_err() {
                        return;
                    }
                }
                () = shared.notify.notified() => self.take_inbox().await,
                result = bundle_end(&mut self.flight) => {
                    self.flight = None;
                    self.bundle_ended(result);
                }
                () = sleep_until(self.retry) => {
                    self.retry = None;
                    self.resync().await;
                }
            }
        }
    }

    async fn take_inbox(&mut self) {
        let inbox = self.shared.with(std::mem::take);
        for changes in inbox.changes {
            self.reconciler.update(changes);
        }
        if inbox.complete {
            self.reconciler.complete();
        }
        self.mark = inbox.mark.or(self.mark);
        for audit in inbox.audits {
            let result = self.audit().await;
            // Who asked may be gone.
            let _ = audit.send(result);
        }
    }

    async fn client_event(&mut self, event: ClientEvent) -> Result<(), ()> {
        match event {
            ClientEvent::Connected => {
                self.connected = true;
                match self.prepare().await {
                    Ok(tunnel_metadata) => {
                        self.emit(Event::Connected { tunnel_metadata }).await?;
                        self.resync().await;
                    }
                    // A connection that ended meanwhile says so itself.
                    Err(Error::Lost | Error::NotConnected) => {}
                    Err(error) => {
                        tracing::error!(target: "ofctrl", "cannot prepare the switch: {error}");
                    }
                }
                Ok(())
            }
            ClientEvent::Message(message) => {
                // Packets may be lost when nobody takes them; to wait for that would stop the bundles.
                let _ = self.events.try_send(Event::Message(message));
                Ok(())
            }
            ClientEvent::Disconnected => {
                self.connected = false;
                self.flight = None;
                self.retry = None;
                self.reconciler.forget();
                self.emit(Event::Disconnected).await
            }
        }
    }

    async fn emit(&self, event: Event) -> Result<(), ()> {
        self.events.send(event).await.map_err(drop)
    }

    /// Says what the connection needs, and maps the tunnel option. Gives the number of its field.
    async fn prepare(&self) -> Result<u8, Error> {
        // A connection to the management socket gets packets only if it says that it wants them.
        let config = SwitchConfig {
            flags: 0,
            miss_send_len: u16::MAX,
        };
        self.handle.send(Message::SetConfig(config)).await?;
        let format = SetPacketInFormat::NXT_PACKET_IN2;
        self.handle.send(Message::SetPacketInFormat(format)).await?;
        let (class, kind, length) = OPTION;
        let table = self.handle.tlv_table().await?;
        if table.index(class, kind).is_none() {
            let index = table.first_free().unwrap_or(0);
            let map = TlvMap {
                class,
                kind,
                length,
                index,
            };
            self.handle
                .send(Message::TlvTableMod(TlvTableMod::Add(vec![map])))
                .await?;
            return Ok(mapped(&self.handle.tlv_table().await?));
        }
        Ok(mapped(&table))
    }

    /// Reads what the switch holds, so that the difference can be told.
    async fn resync(&mut self) {
        match self.read().await {
            Ok((flows, groups)) => self.reconciler.read(flows, groups),
            Err(Error::Lost | Error::NotConnected) => {}
            Err(error) => {
                tracing::error!(target: "ofctrl", "cannot read the switch: {error}");
                self.retry = Some(tokio::time::Instant::now() + RETRY);
            }
        }
    }

    async fn read(&self) -> Result<(Vec<Flow>, Vec<Group>), Error> {
        let flows = self.handle.dump_flows().await?;
        let groups = self.handle.dump_groups().await?;
        Ok((flows.into_iter().map(|desc| desc.flow).collect(), groups))
    }

    async fn audit(&self) -> Result<Audit, Error> {
        let (flows, groups) = self.read().await?;
        Ok(self.reconciler.audit(&flows, &groups))
    }

    fn start_bundle(&mut self) {
        if !self.connected || self.flight.is_some() || self.retry.is_some() {
            return;
        }
        let Some(mods) = self.reconciler.next_bundle() else {
            return;
        };
        tracing::debug!(target: "ofctrl", "{} changes for the switch", mods.len());
        let handle = self.handle.clone();
        let (sender, receiver) = oneshot::channel();
        tokio::spawn(async move {
            let result = handle.bundle(mods).await;
            // The connection may have ended meanwhile.
            let _ = sender.send(result);
        });
        self.flight = Some(receiver);
    }

    fn bundle_ended(&mut self, result: Result<(), Error>) {
        let refused = match result {
            Ok(()) => return self.reconciler.committed(),
            Err(Error::Bundle(failure)) if !failure.messages.is_empty() => failure
                .messages
                .into_iter()
                .map(|(at, error)| (at, error.to_string()))
                .collect(),
            Err(Error::BundleSend(BundleError::Message { index, error })) => {
                vec![(index, error.to_string())]
            }
            // The event that says so is on its way.
            Err(Error::Lost | Error::NotConnected) => return self.reconciler.forget(),
            Err(error) => {
                tracing::error!(target: "ofctrl", "the switch took no bundle: {error}");
                self.reconciler.forget();
                self.retry = Some(tokio::time::Instant::now() + RETRY);
                return;
            }
        };
        for refusal in self.reconciler.failed(refused) {
            let (cookie, reason) = (refusal.cookie, &refusal.reason);
            match (&refusal.flow, refusal.group) {
                (Some(key), _) => tracing::error!(
                    target: "ofctrl",
                    "OpenFlow error {reason}: flow cookie={cookie:#010x}, {} left out; the logical flow \
                     is the one whose UUID begins with {cookie:08x}",
                    describe(key)
                ),
                (None, group) => tracing::error!(
                    target: "ofctrl",
                    "OpenFlow error {reason}: group {} left out",
                    group.unwrap_or_default()
                ),
            }
        }
    }

    /// Says that everything up to the mark is in force, if it is.
    async fn report(&mut self) -> Result<(), ()> {
        if !self.reconciler.is_settled() {
            return Ok(());
        }
        match self.mark.take() {
            Some(mark) => self.emit(Event::Installed(mark)).await,
            None => Ok(()),
        }
    }
}

fn mapped(table: &TlvTable) -> u8 {
    let (class, kind, length) = OPTION;
    match table
        .maps
        .iter()
        .find(|map| (map.class, map.kind) == (class, kind))
    {
        Some(map) if map.length == length => u8::try_from(map.index).unwrap_or(0),
        Some(map) => {
            tracing::error!(
                target: "ofctrl",
                "tunnel option {class:#x}/{kind:#x} is mapped with {} bytes in place of {length}; \
                 clear it with ovs-ofctl del-tlv-map",
                map.length
            );
            u8::try_from(map.index).unwrap_or(0)
        }
        None => {
            tracing::error!(target: "ofctrl", "tunnel option {class:#x}/{kind:#x} cannot be mapped");
            0
        }
    }
}

/// Waits for the bundle on its way, for ever if there is none.
async fn bundle_end(
    flight: &mut Option<oneshot::Receiver<Result<(), Error>>>,
) -> Result<(), Error> {
    match flight {
        Some(receiver) => receiver.await.unwrap_or(Err(Error::Lost)),
        None => std::future::pending().await,
    }
}

async fn sleep_until(time: Option<tokio::time::Instant>) {
    match time {
        Some(time) => tokio::time::sleep_until(time).await,
        None => std::future::pending().await,
    }
}
