//! A recorded conversation with a real switch, told again: the session says the same bytes and reports the
//! same events. `RECORD=1` records it anew, which needs Open vSwitch.

mod switch;

use std::fs;
use std::path::PathBuf;
use std::time::Instant;

use openflow::message::multipart::FlowQuery;
use openflow::message::{FlowMod, MultipartRequest};
use openflow::session::{Config, Event, Session};
use openflow::{Action, Field, Flow, Group, Match, Message, Port};
use switch::{Connection, Switch};

fn file(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("tests/data")
        .join(name)
}

/// Whoever the session talks to.
trait Peer {
    fn session(&mut self) -> &mut Session;
    fn event(&mut self) -> Event;
}

impl Peer for Connection {
    fn session(&mut self) -> &mut Session {
        &mut self.session
    }

    fn event(&mut self) -> Event {
        Self::event(self)
    }
}

/// Tells a recording again and compares what the session says.
struct Player {
    session: Session,
    now: Instant,
    record: std::vec::IntoIter<(bool, Vec<u8>)>,
    /// What the session said and the recording has not shown yet.
    said: Vec<u8>,
}

impl Peer for Player {
    fn session(&mut self) -> &mut Session {
        &mut self.session
    }

    fn event(&mut self) -> Event {
        loop {
            if let Some(event) = self.session.poll_event() {
                return event;
            }
            self.said
                .extend(self.session.poll_transmit().unwrap_or_default());
            let (ours, bytes) = self.record.next().expect("the recording goes on");
            if ours {
                assert!(
                    self.said.starts_with(&bytes),
                    "the session says something else"
                );
                self.said.drain(..bytes.len());
            } else {
                self.session
                    .handle_bytes(&bytes, self.now)
                    .expect("a good session");
            }
        }
    }
}

fn add(flow: Flow) -> Message {
    Message::FlowMod(Box::new(FlowMod::add(flow)))
}

/// The controller's part, and what it heard, a line each.
fn converse(peer: &mut dyn Peer) -> String {
    let mut out = String::new();
    let tcp = Match::new().ip().ip_proto(6).with(Field::TcpDst, 80u16);
    let good = Flow::new(0, 10, tcp, vec![Action::output(1), Action::resubmit(5)]).cookie(1);
    let bad = Flow::new(0, 5, Match::new().with(Field::TcpDst, 80u16), Vec::new());
    let other = Flow::new(5, 0, Match::new(), vec![Action::output(Port::NORMAL)]);
    peer.session()
        .request(&Message::FeaturesRequest)
        .expect("room");
    out += &format!("{:?}\n", peer.event());
    for bundle in [
        vec![add(good.clone()), add(bad)],
        vec![add(good), add(other)],
    ] {
        peer.session().bundle(&bundle).expect("room");
        out += &format!("{:?}\n", peer.event());
    }
    for request in [
        MultipartRequest::Flows(FlowQuery::default()),
        MultipartRequest::Aggregate(FlowQuery::default()),
        MultipartRequest::Groups(Group::ALL),
        MultipartRequest::PortStats(Port(1)),
        MultipartRequest::Ports(Port(2)),
        MultipartRequest::IpfixBridge,
    ] {
        let ask = Message::MultipartRequest(request);
        peer.session().request(&ask).expect("room");
        out += &format!("{:?}\n", peer.event());
    }
    peer.session().barrier().expect("room");
    out += &format!("{:?}\n", peer.event());
    out
}

fn pack(record: &[(bool, Vec<u8>)]) -> Vec<u8> {
    let mut out = Vec::new();
    for (ours, bytes) in record {
        out.push(u8::from(*ours));
        out.extend(u32::try_from(bytes.len()).expect("short").to_be_bytes());
        out.extend(bytes);
    }
    out
}

fn unpack(mut bytes: &[u8]) -> Vec<(bool, Vec<u8>)> {
    let mut out = Vec::new();
    while let Some((ours, rest)) = bytes.split_first() {
        let (length, rest) = rest.split_first_chunk::<4>().expect("a length");
        let length = u32::from_be_bytes(*length) as usize;
        let (part, rest) = rest.split_at(length);
        out.push((*ours != 0, part.to_vec()));
        bytes = rest;
    }
    out
}

#[test]
fn a_recorded_conversation_goes_the_same_way_again() {
    if std::env::var_os("RECORD").is_some() {
        let switch = Switch::start();
        let mut connection = switch.connect_recorded();
        let heard = converse(&mut connection);
        let record = connection.record.take().expect("it was recorded");
        fs::create_dir_all(file("")).expect("a directory");
        fs::write(file("conversation.bin"), pack(&record)).expect("a file");
        fs::write(file("conversation.txt"), heard).expect("a file");
    }
    let record = unpack(&fs::read(file("conversation.bin")).expect("the recording"));
    assert!(record.len() > 10);
    let now = Instant::now();
    let mut player = Player {
        session: Session::new(Config::default(), now),
        now,
        record: record.into_iter(),
        said: Vec::new(),
    };
    assert_eq!(player.event(), Event::Ready);
    let heard = converse(&mut player);
    let expected = fs::read_to_string(file("conversation.txt")).expect("what was heard");
    assert_eq!(heard, expected);
    assert!(
        player.record.all(|(ours, _)| ours),
        "all that was recorded is told"
    );
}
