//! The OpenFlow client against a switch that the test plays.

use std::path::Path;
use std::time::Duration;

use openflow::Message;
use openflow::message::{Hello, PacketIn};
use openflow::session::Config;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};
use transport::Remote;
use transport::openflow::{Client, Error, Event};

/// How long anything may take before the test fails.
const PATIENCE: Duration = Duration::from_secs(30);

/// The switch's end of a connection.
struct Peer(UnixStream);

impl Peer {
    async fn accept(listener: &UnixListener) -> Self {
        let accepted = tokio::time::timeout(PATIENCE, listener.accept()).await;
        Self(accepted.expect("in time").expect("a connection").0)
    }

    async fn greeted(listener: &UnixListener) -> Self {
        let mut peer = Self::accept(listener).await;
        peer.say(0, &Message::Hello(Hello::default())).await;
        assert!(matches!(peer.hear().await, (_, Message::Hello(_))));
        peer
    }

    async fn say(&mut self, xid: u32, message: &Message) {
        let bytes = message.encode(xid).expect("a short message");
        self.0.write_all(&bytes).await.expect("the client reads");
    }

    async fn hear(&mut self) -> (u32, Message) {
        let mut bytes = vec![0; 8];
        self.0
            .read_exact(&mut bytes)
            .await
            .expect("the client writes");
        bytes.resize(usize::from(u16::from_be_bytes([bytes[2], bytes[3]])), 0);
        self.0
            .read_exact(&mut bytes[8..])
            .await
            .expect("the client writes");
        Message::decode(&bytes).expect("a good message")
    }
}

fn start(directory: &Path) -> (Client, UnixListener) {
    let path = directory.join("br.mgmt");
    let listener = UnixListener::bind(&path).expect("a socket");
    (Client::new(Remote::Unix(path), Config::default()), listener)
}

async fn event(client: &mut Client) -> Event {
    tokio::time::timeout(PATIENCE, client.next())
        .await
        .expect("in time")
        .expect("an event")
}

#[tokio::test]
async fn a_request_whose_connection_ends_fails_and_the_next_connection_works() {
    let directory = tempfile::tempdir().expect("a directory");
    let (mut client, listener) = start(directory.path());
    let handle = client.handle();
    let mut peer = Peer::greeted(&listener).await;
    assert_eq!(event(&mut client).await, Event::Connected);
    let asking = tokio::spawn({
        let handle = handle.clone();
        async move { handle.barrier().await }
    });
    assert!(matches!(peer.hear().await, (_, Message::BarrierRequest)));
    drop(peer);
    assert_eq!(asking.await.expect("no panic"), Err(Error::Lost));
    assert_eq!(event(&mut client).await, Event::Disconnected);
    let mut peer = Peer::greeted(&listener).await;
    assert_eq!(event(&mut client).await, Event::Connected);
    let asking = tokio::spawn(async move { handle.barrier().await });
    let (xid, _) = peer.hear().await;
    peer.say(xid, &Message::BarrierReply).await;
    assert_eq!(asking.await.expect("no panic"), Ok(()));
}

#[tokio::test]
async fn a_peer_that_does_not_speak_openflow_is_left_and_tried_again() {
    let directory = tempfile::tempdir().expect("a directory");
    let (mut client, listener) = start(directory.path());
    let mut peer = Peer::accept(&listener).await;
    peer.0
        .write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        .await
        .expect("the client reads");
    let mut rest = Vec::new();
    peer.0
        .read_to_end(&mut rest)
        .await
        .expect("the client closes");
    let _peer = Peer::greeted(&listener).await;
    assert_eq!(event(&mut client).await, Event::Connected);
}

#[tokio::test]
async fn replies_come_though_nobody_takes_packets() {
    let directory = tempfile::tempdir().expect("a directory");
    let (mut client, listener) = start(directory.path());
    let handle = client.handle();
    let mut peer = Peer::greeted(&listener).await;
    assert_eq!(event(&mut client).await, Event::Connected);
    let packet = Message::PacketIn(Box::new(PacketIn {
        packet: vec![0; 64],
        ..PacketIn::default()
    }));
    let asking = tokio::spawn(async move { handle.barrier().await });
    let (xid, _) = peer.hear().await;
    // More than the queues hold; the rest is dropped.
    for _ in 0..10_000 {
        peer.say(0, &packet).await;
    }
    peer.say(xid, &Message::BarrierReply).await;
    let answer = tokio::time::timeout(PATIENCE, asking)
        .await
        .expect("in time");
    assert_eq!(answer.expect("no panic"), Ok(()));
    assert!(matches!(
        event(&mut client).await,
        Event::Message(Message::PacketIn(_))
    ));
}
