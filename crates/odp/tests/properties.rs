//! Whatever the bytes, decoding ends well; what is written is read as it was; what is not understood stays.

mod generators;

use generators::{actions, exact_match, key, ufid};
use odp::message::{Content, control, frames};
use odp::{
    Action, Actions, CtLimits, Datapath, DatapathId, Execute, Flow, FlowPut, Format, Key, KeyField,
    Match, MeterFeatures, MeterStats, PutMode, Raw, Ufid, Upcall, Vport, Zone, ZoneLimit,
};
use proptest::collection::vec;
use proptest::prelude::*;

/// An attribute as bytes.
fn attribute(kind: u16, value: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let length = u16::try_from(4 + value.len()).expect("it is short");
    bytes.extend_from_slice(&length.to_ne_bytes());
    bytes.extend_from_slice(&kind.to_ne_bytes());
    bytes.extend_from_slice(value);
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes
}

/// Reads the bytes as everything that there is a reader for.
fn read_all(bytes: &[u8]) {
    for frame in frames(bytes).flatten() {
        if let Content::Object { command, body, .. } = frame.content {
            let _ = Upcall::decode(command, body);
        }
    }
    if let Ok(key) = Key::decode(bytes) {
        let again = Key::decode(&key.encode()).expect("it was written");
        assert_eq!(again, key);
        let _ = Format {
            more: true,
            names: None,
        }
        .key(&key, Some(&key));
    }
    if let Ok(actions) = Action::decode_all(bytes) {
        let again = Action::decode_all(&Action::encode_all(&actions)).expect("it was written");
        assert_eq!(again, actions);
        let _ = Format::default().actions(&actions);
    }
    let _ = Datapath::decode(bytes);
    let _ = Vport::decode(bytes);
    let _ = Flow::decode(bytes);
    let _ = Upcall::decode(1, bytes);
    let _ = MeterStats::decode(bytes);
    let _ = MeterFeatures::decode(bytes);
    let _ = CtLimits::decode(bytes);
    let _ = control::FamilyInfo::decode(bytes);
}

/// The attributes of a request, behind all headers; and that it is one good message.
fn body(encode: impl Fn(u16, u32, &mut Vec<u8>)) -> Vec<u8> {
    let mut bytes = Vec::new();
    encode(34, 7, &mut bytes);
    let all: Vec<_> = frames(&bytes).collect::<Result<_, _>>().expect("messages");
    let [frame] = all.as_slice() else {
        panic!("{} messages", all.len())
    };
    assert_eq!(frame.sequence, 7);
    match &frame.content {
        Content::Object {
            family: 34, body, ..
        } => body.to_vec(),
        other => panic!("{other:?}"),
    }
}

/// Attributes with kinds and lengths that might mean something, also nested.
fn likely_bytes() -> impl Strategy<Value = Vec<u8>> {
    let leaf =
        (0u16..40, vec(any::<u8>(), 0..44)).prop_map(|(kind, value)| attribute(kind, &value));
    let tree = leaf.prop_recursive(4, 32, 6, |inner| {
        let inside = vec(inner, 0..6).prop_map(|parts| parts.concat());
        (0u16..40, inside).prop_map(|(kind, value)| attribute(kind, &value))
    });
    vec(tree, 0..6).prop_map(|parts| parts.concat())
}

proptest! {
    #[test]
    fn any_bytes_end_well(bytes in vec(any::<u8>(), 0..256)) {
        read_all(&bytes);
    }

    #[test]
    fn any_attributes_end_well(bytes in likely_bytes(), cut in any::<prop::sample::Index>()) {
        read_all(&bytes);
        let mut body = 5u32.to_ne_bytes().to_vec();
        body.extend_from_slice(&bytes);
        read_all(&body);
        read_all(&body[..cut.index(body.len())]);
    }

    #[test]
    fn a_key_comes_back(key in key()) {
        prop_assert_eq!(Key::decode(&key.encode()).unwrap(), key);
    }

    #[test]
    fn actions_come_back(actions in actions()) {
        let bytes = Action::encode_all(&actions);
        prop_assert_eq!(Action::decode_all(&bytes).unwrap(), actions);
    }

    /// Whatever the length: what has another one than it should is kept.
    #[test]
    fn an_attribute_of_any_length_is_kept(kind in 1u16..40, value in vec(any::<u8>(), 0..60)) {
        let bytes = attribute(kind, &value);
        let key = Key::decode(&bytes).unwrap();
        prop_assert_eq!(key.0.len(), 1);
        if let KeyField::Unknown(raw) = &key.0[0] {
            prop_assert_eq!(raw, &Raw { kind, bytes: value });
        }
        prop_assert_eq!(Key::decode(&key.encode()).unwrap(), key);
        let actions = Action::decode_all(&bytes).unwrap();
        prop_assert_eq!(actions.len(), 1);
        prop_assert_eq!(Action::decode_all(&Action::encode_all(&actions)).unwrap(), actions);
    }

    /// One that nobody knows spoils nothing beside it.
    #[test]
    fn an_unknown_attribute_spoils_nothing(
        key in key(),
        number in 33u16..200,
        value in vec(any::<u8>(), 0..20),
    ) {
        let mut bytes = attribute(number, &value);
        bytes.extend(key.encode());
        let with = Key::decode(&bytes).unwrap();
        prop_assert_eq!(&with.0[0], &KeyField::Unknown(Raw { kind: number, bytes: value }));
        prop_assert_eq!(&with.0[1..], &key.0[..]);
        prop_assert_eq!(with.encode(), bytes);
    }

    #[test]
    fn a_flow_comes_back(matches in exact_match(), actions in actions(), ufid in ufid()) {
        let put = FlowPut::new(matches, actions).with_ufid(ufid).with_mode(PutMode::Create);
        let request = put.put(DatapathId(9));
        let body = body(|family, sequence, out| request.encode(family, sequence, out));
        let (datapath, flow) = Flow::decode(&body).unwrap();
        prop_assert_eq!(datapath, DatapathId(9));
        prop_assert_eq!(flow.matches, put.matches);
        prop_assert_eq!(flow.actions, Some(put.actions));
        prop_assert_eq!(flow.ufid, Some(ufid));
    }

    #[test]
    fn a_packet_comes_back(
        packet in vec(any::<u8>(), 0..100),
        key in key(),
        actions in actions(),
        mru in any::<Option<u16>>(),
        hash in any::<Option<u64>>(),
    ) {
        let execute = Execute { packet, key, actions, mru, hash, ..Execute::default() };
        let request = execute.execute(DatapathId(9));
        let body = body(|family, sequence, out| request.encode(family, sequence, out));
        // What is sent has the attributes of what comes, but for the reason.
        let upcall = Upcall::decode(1, &body).unwrap().unwrap();
        prop_assert_eq!(&upcall.packet, &execute.packet);
        prop_assert_eq!(&upcall.key, &execute.key);
        prop_assert_eq!(upcall.actions.clone(), Some(execute.actions.clone()));
        prop_assert_eq!(upcall.mru, mru);
        prop_assert_eq!(upcall.hash, hash);
        let reply = upcall.reply(execute.actions.clone());
        prop_assert_eq!(reply, execute);
    }

    #[test]
    fn limits_come_back(default in any::<Option<u32>>(), zones in vec(any::<(u16, u32)>(), 0..5)) {
        let zones = zones.into_iter().map(|(zone, limit)| ZoneLimit { zone: Zone(zone), limit, count: 0 });
        let limits = CtLimits { default, zones: zones.collect() };
        let request = limits.set(DatapathId(9));
        let body = body(|family, sequence, out| request.encode(family, sequence, out));
        prop_assert_eq!(CtLimits::decode(&body).unwrap(), limits);
    }

    #[test]
    fn the_text_of_actions_comes_back(actions in actions()) {
        let text = Format::default().actions(&actions);
        let read = Actions::default().parse(&text);
        prop_assert_eq!(read.as_ref(), Ok(&actions), "{}", text);
    }

    #[test]
    fn the_text_of_a_key_comes_back(matches in exact_match()) {
        let text = matches.to_string();
        let read: Match = text.parse().map_err(|error| TestCaseError::fail(format!("{error}: {text}")))?;
        prop_assert_eq!(read.to_string(), text.clone());
        prop_assert_eq!(Format::default().key(&read.key, None), Format::default().key(&matches.key, None));
        let more = Format { more: true, names: None };
        let text = more.key(&matches.key, matches.mask.as_ref());
        let read: Match = text.parse().map_err(|error| TestCaseError::fail(format!("{error}: {text}")))?;
        prop_assert_eq!(more.key(&read.key, read.mask.as_ref()), text);
    }

    #[test]
    fn any_text_ends_well(text in ".{0,80}", likely in "[a-z_0-9=(),/:{}+|.-]{0,60}") {
        for text in [text, likely] {
            let _ = text.parse::<Match>();
            let _ = Actions::default().parse(&text);
            let _ = text.parse::<Ufid>();
        }
    }

    #[test]
    fn a_ufid_comes_back(ufid in ufid()) {
        prop_assert_eq!(ufid.to_string().parse::<Ufid>().unwrap(), ufid);
    }
}

#[test]
fn an_unknown_masked_field_keeps_the_flags_of_its_type() {
    let field = |bytes: &[u8]| {
        KeyField::Unknown(Raw {
            kind: 0x4000 | 99,
            bytes: bytes.to_vec(),
        })
    };
    let action = Action::SetMasked {
        value: field(&[1, 2]),
        mask: field(&[0xff, 0x0f]),
    };
    let actions = [action];
    let bytes = Action::encode_all(&actions);
    assert_eq!(Action::decode_all(&bytes).unwrap(), actions);
}
