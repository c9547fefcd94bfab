//! OpenFlow messages as bytes: what is decoded is the same after it has gone over the wire again; a session
//! takes any stream.

use std::time::Instant;

use openflow::message::Hello;
use openflow::session::{Config, Session};
use openflow::{Message, Version};

/// Decodes the bytes as one message, and again as a stream that a switch sends.
pub fn check(bytes: &[u8]) {
    // The header's length is made right, or little would get further.
    let mut message = bytes.to_vec();
    if let (Ok(length), Some(place)) = (u16::try_from(bytes.len()), message.get_mut(2..4)) {
        place.copy_from_slice(&length.to_be_bytes());
    }
    if let Ok((xid, first)) = Message::decode(&message) {
        let _ = format!("{first:?}");
        // It goes back in the version that it came in.
        let number = message.first().copied().unwrap_or_default();
        let version = Version::from_number(number).unwrap_or_default();
        if let Ok(again) = first.encode_as(version, xid) {
            let (_, second) = Message::decode(&again).expect("what was written can be read");
            assert_eq!(second, first);
            let twice = second.encode_as(version, xid);
            assert_eq!(twice.expect("it was encoded before"), again);
        }
    }
    let now = Instant::now();
    let mut session = Session::new(Config::default(), now);
    let hello = Message::Hello(Hello::default())
        .encode(0)
        .expect("a greeting is short");
    session
        .handle_bytes(&hello, now)
        .expect("a greeting is fine");
    let (head, tail) = message.split_at(message.len() / 3);
    for piece in [head, tail, bytes] {
        if session.handle_bytes(piece, now).is_err() {
            break;
        }
        while session.poll_event().is_some() {}
        while session.poll_transmit().is_some() {}
    }
}
