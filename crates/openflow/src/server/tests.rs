//! The session and the synchroniser against the switch of this module, in every version.

use std::time::Instant;

use super::*;
use crate::action::Action;
use crate::field::Field;
use crate::group::{Bucket, GroupKind};
use crate::message::multipart::FlowQuery;
use crate::message::{MultipartRequest, PacketIn};
use crate::session::{BundleError, BundleFailure, Config, Event, Reply, RequestError, Session};
use crate::sync::{Mod, State};

/// A session and a switch with nothing but memory between them.
struct Pair {
    session: Session,
    switch: Switch,
    now: Instant,
}

impl Pair {
    fn new(version: Version) -> Self {
        let now = Instant::now();
        let ports = vec![port(1), port(2)];
        let mut pair = Self {
            session: Session::new(Config::default(), now),
            switch: Switch::new(Versions::only(version), ports),
            now,
        };
        pair.exchange();
        assert_eq!(pair.session.poll_event(), Some(Event::Ready));
        assert_eq!(pair.session.version(), Some(version));
        pair
    }

    /// Carries bytes to and fro, a few at a time, until both are silent.
    fn exchange(&mut self) {
        loop {
            let (said, answered) = (self.session.poll_transmit(), self.switch.poll_transmit());
            if said.is_none() && answered.is_none() {
                return;
            }
            for piece in said.unwrap_or_default().chunks(7) {
                self.switch.handle_bytes(piece);
            }
            for piece in answered.unwrap_or_default().chunks(7) {
                self.session.handle_bytes(piece, self.now).unwrap();
            }
        }
    }

    fn ask(&mut self, message: &Message) -> Result<Reply, RequestError> {
        let id = self.session.request(message).unwrap();
        self.exchange();
        loop {
            match self.session.poll_event() {
                Some(Event::Reply(got, result)) if got == id => return result,
                Some(_) => {}
                None => panic!("no answer to {}", message.name()),
            }
        }
    }

    fn bundle(&mut self, messages: &[Message]) -> Result<(), BundleFailure> {
        let id = self.session.bundle(messages).unwrap();
        self.exchange();
        loop {
            match self.session.poll_event() {
                Some(Event::Bundle(got, result)) if got == id => return result,
                Some(_) => {}
                None => panic!("the bundle does not end"),
            }
        }
    }

    fn state(&mut self) -> State {
        let ask = Message::MultipartRequest(MultipartRequest::Flows(FlowQuery::default()));
        let Ok(Reply::Flows(flows)) = self.ask(&ask) else {
            panic!("flows")
        };
        let ask = Message::MultipartRequest(MultipartRequest::Groups(Group::ALL));
        let Ok(Reply::Groups(groups)) = self.ask(&ask) else {
            panic!("groups")
        };
        State::new(flows.flows(), groups)
    }

    /// Does changes one by one, as a version without bundles must.
    fn send_all(&mut self, mods: Vec<Mod>) {
        for change in mods {
            self.session.send(&Message::from(change)).unwrap();
        }
        let done = self.ask(&Message::BarrierRequest);
        assert_eq!(done, Ok(Reply::Message(Message::BarrierReply)));
    }
}

fn port(number: u32) -> PortDesc {
    PortDesc {
        number: Port(number),
        name: format!("p{number}"),
        link: Some(crate::message::LinkFeatures::default()),
        ..PortDesc::default()
    }
}

fn flow(priority: u16, actions: Vec<Action>) -> Flow {
    let matches = Match::new()
        .ip()
        .ip_proto(6)
        .with(Field::TcpDst, priority)
        .reg(3, priority.into());
    Flow::new(5, priority, matches, actions).cookie(priority.into())
}

fn group(id: u32, ports: u32) -> Group {
    let bucket = |id: u32| Bucket {
        id,
        actions: vec![Action::output(id + 1)],
        ..Bucket::default()
    };
    Group {
        id,
        kind: GroupKind::All,
        buckets: (0..ports).map(bucket).collect(),
        ..Group::default()
    }
}

fn add(flow: Flow) -> Message {
    Message::FlowMod(Box::new(FlowMod::add(flow)))
}

#[test]
fn the_synchroniser_leads_from_any_state_to_any_other_in_every_version() {
    let many = (1..60).map(|n| flow(n, vec![Action::output(1), Action::resubmit(9)]));
    let states = [
        State::default(),
        State::new(many, []),
        State::new(
            [flow(1, vec![Action::Group(7)]), flow(2, vec![])],
            [group(7, 2), group(8, 1)],
        ),
        State::new(
            [flow(1, vec![Action::Group(8)]), flow(3, vec![])],
            [group(8, 2)],
        ),
    ];
    for version in Version::ALL {
        let mut pair = Pair::new(version);
        for state in states.iter().chain(states.iter().rev()) {
            let actual = pair.state();
            let mods = state.diff(&actual);
            if version == Version::V10 {
                pair.send_all(mods);
            } else {
                let messages: Vec<_> = mods.into_iter().map(Message::from).collect();
                assert_eq!(pair.bundle(&messages), Ok(()), "{version}");
            }
            assert_eq!(pair.state(), *state, "{version}");
            assert_eq!(pair.switch.flows().count(), state.flows.len());
            assert_eq!(pair.switch.groups().count(), state.groups.len());
        }
    }
}

#[test]
fn a_refused_bundle_changes_nothing_and_names_the_message() {
    for version in [Version::V13, Version::V14, Version::V15] {
        let mut pair = Pair::new(version);
        let good = |n| add(flow(n, vec![Action::output(1)]));
        assert_eq!(pair.bundle(&[good(1)]), Ok(()));
        let bad = Flow::new(0, 5, Match::new().with(Field::TcpDst, 80u16), Vec::new());
        let unknown = add(flow(9, vec![Action::Group(77)]));
        for (bad, name) in [
            (add(bad), "OFPBMC_BAD_PREREQ"),
            (unknown, "OFPBAC_BAD_OUT_GROUP"),
        ] {
            let failure = pair.bundle(&[good(2), bad, good(3)]).unwrap_err();
            let names: Vec<_> = failure
                .messages
                .iter()
                .map(|(at, error)| (*at, error.name()))
                .collect();
            assert_eq!(names, [(1, Some(name))], "{version}");
            assert_eq!(failure.messages[0].1.refused_kind(), Some("FlowMod"));
            assert_eq!(pair.switch.flows().count(), 1);
        }
        assert_eq!(pair.bundle(&[good(2)]), Ok(()));
    }
}

#[test]
fn openflow_10_has_no_bundles_and_says_so() {
    let mut pair = Pair::new(Version::V10);
    let error = pair.session.bundle(&[add(flow(1, vec![]))]).unwrap_err();
    assert!(matches!(error, BundleError::Send(_)), "{error}");
    assert_eq!(
        error.to_string(),
        "OpenFlow10 cannot say BundleControl; OpenFlow13, OpenFlow14, OpenFlow15 can"
    );
    assert_eq!(pair.session.output_len(), 0);
}

#[test]
fn every_question_has_its_answer_or_a_refusal_with_a_name() {
    for version in Version::ALL {
        let mut pair = Pair::new(version);
        let features = pair.ask(&Message::FeaturesRequest);
        let Ok(Reply::Message(Message::Features(features))) = features else {
            panic!("features")
        };
        assert_eq!(
            features.ports.len(),
            if version == Version::V10 { 2 } else { 0 }
        );
        let ask = |request| Message::MultipartRequest(request);
        let ports = pair.ask(&ask(MultipartRequest::Ports(Port::ANY)));
        assert_eq!(ports, Ok(Reply::Ports(vec![port(1), port(2)])));
        let tables = pair.ask(&ask(MultipartRequest::Tables));
        assert!(matches!(tables, Ok(Reply::Tables(tables)) if tables.len() == 254));
        let sum = pair.ask(&ask(MultipartRequest::Aggregate(FlowQuery::default())));
        assert!(matches!(sum, Ok(Reply::Aggregate(sum)) if sum.flows == 0));
        let refused = pair.ask(&ask(MultipartRequest::IpfixBridge));
        let Err(RequestError::Refused(error)) = refused else {
            panic!("a refusal")
        };
        assert_eq!(error.name(), Some("OFPBRC_BAD_STAT"));
    }
}

#[test]
fn packets_beyond_the_bound_are_dropped_and_counted_and_replies_never() {
    let mut pair = Pair::new(Version::V15);
    let id = pair.session.barrier().unwrap();
    for _ in 0..5000 {
        pair.switch
            .tell(&Message::PacketIn(Box::<PacketIn>::default()));
    }
    pair.exchange();
    assert_eq!(pair.session.dropped(), 5000 - 4096);
    let reply = std::iter::from_fn(|| pair.session.poll_event())
        .find(|event| matches!(event, Event::Reply(got, Ok(_)) if *got == id));
    assert!(reply.is_some());
}
