//! The session against a switch that the test plays.

use std::time::{Duration, Instant};

use super::*;
use crate::action::Action;
use crate::flow::Flow;
use crate::matching::Match;
use crate::message::{
    BundleControl, BundleControlKind, BundleFlags, FlowMod, MultipartReply, PacketIn,
};

/// A session and what it has said that was not looked at yet.
struct Pair {
    session: Session,
    now: Instant,
    said: VecDeque<(u32, Message)>,
}

impl Pair {
    fn ready() -> Self {
        Self::with(Config::default())
    }

    fn with(config: Config) -> Self {
        let now = Instant::now();
        let mut pair = Self {
            session: Session::new(config, now),
            now,
            said: VecDeque::new(),
        };
        assert!(matches!(pair.hear(), (_, Message::Hello(_))));
        pair.say(0, &Message::Hello(Hello::default()));
        assert_eq!(pair.session.poll_event(), Some(Event::Ready));
        pair
    }

    fn say(&mut self, xid: u32, message: &Message) {
        let bytes = message.encode(xid).unwrap();
        self.session.handle_bytes(&bytes, self.now).unwrap();
    }

    fn hear(&mut self) -> (u32, Message) {
        let bytes = self.session.poll_transmit().unwrap_or_default();
        let mut rest = bytes.as_slice();
        while !rest.is_empty() {
            let length = usize::from(u16::from_be_bytes([rest[2], rest[3]]));
            let (message, tail) = rest.split_at(length);
            self.said.push_back(Message::decode(message).unwrap());
            rest = tail;
        }
        self.said.pop_front().expect("the session says something")
    }

    fn hear_control(&mut self, kind: BundleControlKind) -> (u32, BundleControl) {
        match self.hear() {
            (xid, Message::BundleControl(control)) => {
                assert_eq!(control.kind, kind);
                (xid, control)
            }
            other => panic!("{other:?}"),
        }
    }

    fn answer(&mut self, xid: u32, to: BundleControl, kind: BundleControlKind) {
        self.say(xid, &Message::BundleControl(BundleControl { kind, ..to }));
    }
}

fn flow_mods(n: u16) -> Vec<Message> {
    (0..n)
        .map(|n| Flow::new(0, n, Match::new(), vec![Action::output(1)]))
        .map(|flow| Message::FlowMod(Box::new(FlowMod::add(flow))))
        .collect()
}

fn refusal(kind: u16, code: u16) -> ErrorMessage {
    ErrorMessage {
        version: Version::V15,
        kind,
        code,
        experimenter: None,
        data: Box::default(),
    }
}

#[test]
fn a_bundle_is_committed_when_nothing_was_refused() {
    let mut pair = Pair::ready();
    let id = pair.session.bundle(&flow_mods(2)).unwrap();
    let (open, control) = pair.hear_control(BundleControlKind::OpenRequest);
    assert_eq!(control.flags, BundleFlags::ATOMIC_ORDERED);
    for _ in 0..2 {
        let (xid, Message::BundleAdd(add)) = pair.hear() else {
            panic!("an addition")
        };
        let (inner, _) = Message::decode(&add.message).unwrap();
        assert_eq!(xid, inner);
    }
    let (close, _) = pair.hear_control(BundleControlKind::CloseRequest);
    pair.answer(open, control, BundleControlKind::OpenReply);
    pair.answer(close, control, BundleControlKind::CloseReply);
    let (commit, _) = pair.hear_control(BundleControlKind::CommitRequest);
    assert_eq!(pair.session.poll_event(), None);
    pair.answer(commit, control, BundleControlKind::CommitReply);
    assert_eq!(pair.session.poll_event(), Some(Event::Bundle(id, Ok(()))));
}

#[test]
fn a_refused_message_is_named_and_the_bundle_discarded() {
    let mut pair = Pair::ready();
    let id = pair.session.bundle(&flow_mods(3)).unwrap();
    let (open, control) = pair.hear_control(BundleControlKind::OpenRequest);
    let adds: Vec<u32> = (0..3).map(|_| pair.hear().0).collect();
    let (close, _) = pair.hear_control(BundleControlKind::CloseRequest);
    pair.answer(open, control, BundleControlKind::OpenReply);
    pair.say(adds[1], &Message::Error(refusal(4, 9)));
    pair.answer(close, control, BundleControlKind::CloseReply);
    let (discard, _) = pair.hear_control(BundleControlKind::DiscardRequest);
    pair.answer(discard, control, BundleControlKind::DiscardReply);
    let failure = BundleFailure {
        messages: vec![(1, refusal(4, 9))],
        bundle: None,
    };
    assert_eq!(failure.to_string(), "message 1 refused: OFPBMC_BAD_PREREQ");
    assert_eq!(
        pair.session.poll_event(),
        Some(Event::Bundle(id, Err(failure)))
    );
}

#[test]
fn a_message_refused_at_commit_is_named() {
    let mut pair = Pair::ready();
    let id = pair.session.bundle(&flow_mods(2)).unwrap();
    let (_, control) = pair.hear_control(BundleControlKind::OpenRequest);
    let adds: Vec<u32> = (0..2).map(|_| pair.hear().0).collect();
    let (close, _) = pair.hear_control(BundleControlKind::CloseRequest);
    pair.answer(close, control, BundleControlKind::CloseReply);
    let (commit, _) = pair.hear_control(BundleControlKind::CommitRequest);
    pair.say(adds[0], &Message::Error(refusal(5, 1)));
    pair.say(commit, &Message::Error(refusal(17, 13)));
    let failure = BundleFailure {
        messages: vec![(0, refusal(5, 1))],
        bundle: Some(refusal(17, 13)),
    };
    assert_eq!(
        pair.session.poll_event(),
        Some(Event::Bundle(id, Err(failure)))
    );
}

#[test]
fn a_message_that_is_too_long_stops_the_whole_bundle_before_it_is_sent() {
    let mut pair = Pair::ready();
    let mut messages = flow_mods(2);
    let note = Action::Note(vec![0; 65_500]);
    let flow = Flow::new(0, 0, Match::new(), vec![note]);
    messages.push(Message::FlowMod(Box::new(FlowMod::add(flow))));
    let error = pair.session.bundle(&messages).unwrap_err();
    assert!(
        matches!(error, BundleError::Message { index: 2, .. }),
        "{error}"
    );
    assert_eq!(pair.session.poll_transmit(), None);
    assert!(pair.session.pending.is_empty());
}

#[test]
fn the_parts_of_an_answer_are_put_together() {
    let mut pair = Pair::ready();
    let id = pair.session.dump_groups().unwrap();
    let (xid, _) = pair.hear();
    for (n, more) in [(1, true), (2, true), (3, false)] {
        let part = Part::Groups(vec![Group {
            id: n,
            ..Group::default()
        }]);
        pair.say(xid, &Message::MultipartReply(MultipartReply { more, part }));
    }
    let Some(Event::Reply(got, Ok(Reply::Groups(groups)))) = pair.session.poll_event() else {
        panic!("groups")
    };
    assert_eq!(got, id);
    assert_eq!(
        groups.iter().map(|group| group.id).collect::<Vec<_>>(),
        [1, 2, 3]
    );
}

#[test]
fn a_message_may_come_in_pieces() {
    let mut pair = Pair::ready();
    let bytes = Message::EchoRequest([1, 2, 3].into()).encode(77).unwrap();
    for byte in bytes {
        assert!(pair.session.poll_transmit().is_none());
        pair.session.handle_bytes(&[byte], pair.now).unwrap();
    }
    assert_eq!(pair.hear(), (77, Message::EchoReply([1, 2, 3].into())));
}

#[test]
fn packets_beyond_the_bound_are_dropped_and_counted_but_no_reply() {
    let mut pair = Pair::with(Config {
        max_events: 2,
        ..Config::default()
    });
    let barrier = pair.session.barrier().unwrap();
    let (xid, _) = pair.hear();
    for _ in 0..5 {
        pair.say(0, &Message::PacketIn(Box::<PacketIn>::default()));
    }
    pair.say(xid, &Message::BarrierReply);
    assert_eq!(pair.session.dropped(), 3);
    let events: Vec<_> = std::iter::from_fn(|| pair.session.poll_event()).collect();
    assert_eq!(events.len(), 3);
    assert_eq!(
        events[2],
        Event::Reply(barrier, Ok(Reply::Message(Message::BarrierReply)))
    );
    pair.say(0, &Message::PacketIn(Box::<PacketIn>::default()));
    assert!(pair.session.poll_event().is_some());
}

#[test]
fn a_switch_of_another_version_is_refused_with_a_reason() {
    let now = Instant::now();
    let mut session = Session::new(Config::default(), now);
    let _ = session.poll_transmit();
    let hello = Message::Hello(Hello { versions: 1 << 3 })
        .encode(0)
        .unwrap();
    assert_eq!(
        session.handle_bytes(&hello, now),
        Err(SessionError::Version(Versions::ALL))
    );
    let bytes = session.poll_transmit().unwrap();
    let (_, Message::Error(error)) = Message::decode(&bytes).unwrap() else {
        panic!("an error")
    };
    assert_eq!(error.name(), Some("OFPHFC_INCOMPATIBLE"));
}

#[test]
fn a_transaction_that_is_dropped_sends_nothing() {
    let mut pair = Pair::ready();
    let mods = flow_mods(3);
    let mut transaction = pair.session.transaction().unwrap();
    for (n, change) in mods.iter().enumerate() {
        assert_eq!(transaction.add(change), Ok(n));
    }
    drop(transaction);
    assert_eq!(pair.session.output_len(), 0);
    // What was forgotten leaves nothing behind.
    let mut transaction = pair.session.transaction().unwrap();
    transaction.add(&mods[0]).unwrap();
    let id = transaction.commit().unwrap();
    let (open, control) = pair.hear_control(BundleControlKind::OpenRequest);
    let reply = |kind| Message::BundleControl(BundleControl { kind, ..control });
    pair.say(open, &reply(BundleControlKind::OpenReply));
    assert!(matches!(pair.hear(), (_, Message::BundleAdd(_))));
    let (close, _) = pair.hear_control(BundleControlKind::CloseRequest);
    pair.say(close, &reply(BundleControlKind::CloseReply));
    let (commit, _) = pair.hear_control(BundleControlKind::CommitRequest);
    pair.say(commit, &reply(BundleControlKind::CommitReply));
    assert_eq!(pair.session.poll_event(), Some(Event::Bundle(id, Ok(()))));
}

#[test]
fn the_newest_version_of_both_is_spoken() {
    let now = Instant::now();
    let greeting = |versions: Versions, header: Version| {
        let hello = Hello::new(versions);
        Message::Hello(hello).encode_as(header, 0).unwrap()
    };
    let two = Versions::only(Version::V10).and(Version::V13);
    let cases = [
        (
            Versions::ALL,
            greeting(Versions::ALL, Version::V15),
            Version::V15,
        ),
        (Versions::ALL, greeting(two, Version::V13), Version::V13),
        (two, greeting(Versions::ALL, Version::V15), Version::V13),
        // Without a bitmap, the header's version and all before it are spoken.
        (Versions::ALL, vec![5, 0, 0, 8, 0, 0, 0, 0], Version::V14),
        (Versions::ALL, vec![3, 0, 0, 8, 0, 0, 0, 0], Version::V10),
        (Versions::ALL, vec![9, 0, 0, 8, 0, 0, 0, 0], Version::V15),
    ];
    for (ours, hello, agreed) in cases {
        let config = Config {
            versions: ours,
            ..Config::default()
        };
        let mut session = Session::new(config, now);
        let _ = session.poll_transmit();
        assert_eq!(session.version(), None);
        session.handle_bytes(&hello, now).unwrap();
        assert_eq!(session.version(), Some(agreed));
        let said = session.poll_transmit().unwrap_or_default();
        // With OpenFlow 1.0, Nicira's form of flows is chosen first.
        let starts: Vec<u8> = said.first().into_iter().copied().collect();
        let expected: &[u8] = if agreed == Version::V10 { &[1] } else { &[] };
        assert_eq!(starts, expected);
    }
}

#[test]
fn a_silent_switch_is_probed_and_then_given_up() {
    let probe = Duration::from_secs(5);
    let mut pair = Pair::with(Config {
        probe: Some(probe),
        ..Config::default()
    });
    assert_eq!(pair.session.poll_timeout(), Some(pair.now + probe));
    pair.session.handle_timeout(pair.now + probe).unwrap();
    let (xid, Message::EchoRequest(data)) = pair.hear() else {
        panic!("a probe")
    };
    pair.now += probe;
    pair.say(xid, &Message::EchoReply(data));
    assert_eq!(pair.session.poll_timeout(), Some(pair.now + probe));
    pair.session.handle_timeout(pair.now + probe).unwrap();
    let end = pair.session.handle_timeout(pair.now + 2 * probe);
    assert_eq!(end, Err(SessionError::Silent));
}

#[test]
fn nonsense_is_left_out_and_a_bad_length_ends_the_session() {
    let mut pair = Pair::ready();
    // A flow-removed message without a body.
    pair.session
        .handle_bytes(&[6, 11, 0, 8, 0, 0, 0, 0], pair.now)
        .unwrap();
    assert!(matches!(
        pair.session.poll_event(),
        Some(Event::Malformed(_))
    ));
    let end = pair
        .session
        .handle_bytes(&[6, 11, 0, 7, 0, 0, 0, 0], pair.now);
    assert_eq!(end, Err(SessionError::Framing(7)));
}

#[test]
fn a_bundle_goes_out_while_it_is_put_together() {
    let mut pair = Pair::ready();
    let id = pair.session.open_bundle().unwrap();
    let (open, control) = pair.hear_control(BundleControlKind::OpenRequest);
    pair.answer(open, control, BundleControlKind::OpenReply);
    let mut adds = Vec::new();
    for (n, message) in flow_mods(3).iter().enumerate() {
        assert_eq!(pair.session.add_to_bundle(id, message), Ok(n));
        let (xid, Message::BundleAdd(add)) = pair.hear() else {
            panic!("an addition")
        };
        assert_eq!(&add.inner().unwrap(), message);
        adds.push(xid);
        // What is asked meanwhile is no part of the bundle.
        let other = pair.session.barrier().unwrap();
        let (xid, _) = pair.hear();
        pair.say(xid, &Message::BarrierReply);
        let answer = Ok(Reply::Message(Message::BarrierReply));
        assert_eq!(pair.session.poll_event(), Some(Event::Reply(other, answer)));
    }
    // A refusal before the end names the message all the same.
    pair.say(adds[2], &Message::Error(refusal(4, 9)));
    pair.session.commit_bundle(id).unwrap();
    let (close, _) = pair.hear_control(BundleControlKind::CloseRequest);
    pair.answer(close, control, BundleControlKind::CloseReply);
    let (discard, _) = pair.hear_control(BundleControlKind::DiscardRequest);
    pair.answer(discard, control, BundleControlKind::DiscardReply);
    let Some(Event::Bundle(ended, Err(failure))) = pair.session.poll_event() else {
        panic!("the end of the bundle")
    };
    assert_eq!(ended, id);
    assert_eq!(failure.messages, [(2, refusal(4, 9))]);
}

#[test]
fn a_bundle_that_is_discarded_has_no_effect() {
    let mut pair = Pair::ready();
    let id = pair.session.open_bundle().unwrap();
    let (open, control) = pair.hear_control(BundleControlKind::OpenRequest);
    pair.session.add_to_bundle(id, &flow_mods(1)[0]).unwrap();
    pair.hear();
    pair.answer(open, control, BundleControlKind::OpenReply);
    pair.session.discard_bundle(id).unwrap();
    let (discard, _) = pair.hear_control(BundleControlKind::DiscardRequest);
    pair.answer(discard, control, BundleControlKind::DiscardReply);
    let end = pair.session.poll_event();
    assert_eq!(end, Some(Event::Bundle(id, Err(BundleFailure::default()))));
    // Nothing can be added to what has ended.
    assert!(pair.session.add_to_bundle(id, &flow_mods(1)[0]).is_err());
}
