//! The kernel's datapath: messages as bytes, and the text of keys and actions. The first byte says which.

use odp::message::control::FamilyInfo;
use odp::message::{Content, frames};
use odp::{
    Action, Actions, CtLimits, Datapath, Flow, Format, Key, Match, MeterFeatures, MeterStats,
    Upcall, Vport,
};

/// Reads the bytes as everything that there is a reader for; what is read is the same when it has been written
/// and read again.
pub fn check(bytes: &[u8]) {
    match bytes.split_first() {
        Some((0, text)) => {
            if let Ok(text) = std::str::from_utf8(text) {
                check_text(text);
            }
        }
        Some((_, message)) => check_bytes(message),
        None => {}
    }
}

fn check_bytes(bytes: &[u8]) {
    for frame in frames(bytes).flatten() {
        if let Content::Object { command, body, .. } = frame.content {
            check_body(command, body);
        }
    }
    check_body(1, bytes);
    if let Ok(key) = Key::decode(bytes) {
        check_key(&key);
    }
    if let Ok(actions) = Action::decode_all(bytes) {
        check_actions(&actions);
    }
}

fn check_body(command: u8, body: &[u8]) {
    let _ = Datapath::decode(body);
    let _ = Vport::decode(body);
    let _ = MeterStats::decode(body);
    let _ = MeterFeatures::decode(body);
    let _ = CtLimits::decode(body);
    let _ = FamilyInfo::decode(body);
    if let Ok((_, flow)) = Flow::decode(body) {
        check_key(&flow.matches.key);
        for more in [false, true] {
            let _ = Format { more, names: None }.key(&flow.matches.key, flow.matches.mask.as_ref());
        }
        check_actions(flow.actions.as_deref().unwrap_or_default());
    }
    if let Ok(Some(upcall)) = Upcall::decode(command, body) {
        check_key(&upcall.key);
    }
}

fn check_key(key: &Key) {
    assert_eq!(&Key::decode(&key.encode()).expect("it was written"), key);
    let _ = key.exact_mask();
    let _ = key.to_string();
}

fn check_actions(actions: &[Action]) {
    let bytes = Action::encode_all(actions);
    assert_eq!(Action::decode_all(&bytes).expect("it was written"), actions);
    let _ = Format::default().actions(actions);
}

fn check_text(text: &str) {
    if let Ok(matches) = text.parse::<Match>() {
        check_key(&matches.key);
        let printed = matches.to_string();
        // Of what does not count only the type of a packet is written, which may leave nothing.
        if !printed.is_empty() && printed != "<empty>" && !printed.starts_with(',') {
            let again: Match = printed.parse().expect(&printed);
            assert_eq!(again.to_string(), printed);
        }
    }
    if let Ok(actions) = Actions::default().parse(text) {
        check_actions(&actions);
        let printed = Format::default().actions(&actions);
        let again = Actions::default().parse(&printed).expect(&printed);
        assert_eq!(Format::default().actions(&again), printed);
    }
}
