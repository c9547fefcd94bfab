//! Reading actions.

use packet::Mac;

use super::scanner::{Result, Scanner};
use super::value::{Style, TextValue};
use super::{PortNames, cookie, read_ct, read_key};
use crate::action::{
    Action, AddMpls, CheckPacketLength, Hash, HashAlgorithm, PushEthernet, PushMpls, PushVlan,
    Sample, Sampled, Userspace,
};
use crate::attribute::Raw;
use crate::id::{MeterId, PortNo};
use crate::key::{KeyField, MplsEntry, Nsh, NshBase, Vlan};

type Names<'a> = Option<&'a PortNames>;

/// A whole list.
pub(super) fn all(text: &str, names: Names<'_>) -> Result<Vec<Action>> {
    let mut scanner = Scanner::new(text);
    let actions = list(&mut scanner, names)?;
    match scanner.is_done() {
        true => Ok(actions),
        false => Err(scanner.error("an action")),
    }
}

/// Actions up to a closing parenthesis or the end. `drop` alone is none.
fn list(scanner: &mut Scanner<'_>, names: Names<'_>) -> Result<Vec<Action>> {
    scanner.deeper(|scanner| {
        let mut actions = Vec::new();
        scanner.skip_delimiters();
        let before = scanner.clone();
        if scanner.word("drop") && !scanner.rest().starts_with('(') {
            scanner.skip_delimiters();
            if scanner.is_done() || scanner.rest().starts_with(')') {
                return Ok(actions);
            }
        }
        *scanner = before;
        loop {
            scanner.skip_delimiters();
            if scanner.is_done() || scanner.rest().starts_with(')') {
                return Ok(actions);
            }
            actions.push(one(scanner, names)?);
            let next = scanner.rest().chars().next();
            if next.is_some_and(|c| !", \t\r\n)".contains(c)) {
                return Err(scanner.error("a comma or the end"));
            }
        }
    })
}

/// Actions in parentheses of which the opening one is read.
fn nested(scanner: &mut Scanner<'_>, names: Names<'_>) -> Result<Vec<Action>> {
    let actions = list(scanner, names)?;
    scanner.expect(")")?;
    Ok(actions)
}

/// A number behind a name, and what follows it.
fn number(scanner: &mut Scanner<'_>, name: &str) -> Result<u32> {
    scanner.expect(name)?;
    scanner.u32()
}

/// A port by name or number.
fn port(scanner: &mut Scanner<'_>, names: Names<'_>) -> Result<PortNo> {
    let before = scanner.clone();
    let name = scanner.while_(|c| !", \t\r\n)".contains(c));
    if let Some(port) = names.and_then(|names| names.number(name)) {
        return Ok(port);
    }
    *scanner = before;
    let number = scanner.u32();
    number
        .map(PortNo)
        .map_err(|_| scanner.error("an action, or the number or name of a port"))
}

fn one(scanner: &mut Scanner<'_>, names: Names<'_>) -> Result<Action> {
    let before = scanner.clone();
    let name = scanner.while_(|c| c.is_ascii_alphanumeric() || "_-.".contains(c));
    let opened = scanner.eat("(");
    match (name, opened) {
        ("pop_vlan", false) => Ok(Action::PopVlan),
        ("pop_eth", false) => Ok(Action::PopEthernet),
        ("pop_nsh", false) => Ok(Action::PopNsh),
        ("pop_nsh", true) => closed(scanner, Action::PopNsh),
        ("ct_clear", false) => Ok(Action::CtClear),
        ("ct", false) => Ok(Action::Ct(Box::default())),
        ("ct", true) => Ok(Action::Ct(Box::new(read_ct::ct(scanner)?))),
        ("drop", false) => Ok(Action::Drop(0)),
        ("drop", true) => {
            let reason = scanner.u32()?;
            closed(scanner, Action::Drop(reason))
        }
        ("trunc", true) => {
            let length = scanner.u32()?;
            closed(scanner, Action::Trunc(length))
        }
        ("recirc", true) => {
            let id = scanner.u32()?;
            closed(scanner, Action::Recirc(id))
        }
        ("meter", true) => {
            let id = scanner.u32()?;
            closed(scanner, Action::Meter(MeterId(id)))
        }
        ("userspace", true) => userspace(scanner, names),
        ("set", true) => set(scanner, names),
        ("push_vlan", true) => push_vlan(scanner),
        ("push_mpls", true) => push_mpls(scanner),
        ("pop_mpls", true) => {
            scanner.expect("eth_type=")?;
            let kind = scanner.u16()?;
            closed(scanner, Action::PopMpls(kind))
        }
        ("add_mpls", true) => add_mpls(scanner),
        ("push_eth", true) => push_ethernet(scanner),
        ("push_nsh", true) => push_nsh(scanner),
        ("hash", true) => hash(scanner),
        ("sample", true) => sample(scanner, names),
        ("clone", true) => Ok(Action::Clone(nested(scanner, names)?)),
        ("check_pkt_len", true) => check_length(scanner, names),
        ("dec_ttl", true) => {
            scanner.expect("le_1(")?;
            let actions = nested(scanner, names)?;
            closed(scanner, Action::DecTtl(actions))
        }
        ("psample", true) => psample(scanner),
        (name, opened) => {
            if let Some(kind) = name.strip_prefix("action").and_then(|n| n.parse().ok()) {
                return unknown(scanner, kind, opened);
            }
            *scanner = before;
            port(scanner, names).map(Action::Output)
        }
    }
}

fn closed(scanner: &mut Scanner<'_>, action: Action) -> Result<Action> {
    scanner.expect(")")?;
    Ok(action)
}

fn unknown(scanner: &mut Scanner<'_>, kind: u16, opened: bool) -> Result<Action> {
    let begin = scanner.clone();
    let mut raw = Raw {
        kind,
        bytes: Vec::new(),
    };
    if opened {
        raw.bytes = scanner.hex()?;
        scanner.expect(")")?;
    }
    let action = [Action::Unknown(raw)];
    let decoded = Action::decode_all(&Action::encode_all(&action));
    let [action] = match decoded.is_ok_and(|decoded| decoded == action) {
        true => action,
        false => return Err(begin.error("an action that has no name, or the name of this one")),
    };
    Ok(action)
}

fn userspace(scanner: &mut Scanner<'_>, names: Names<'_>) -> Result<Action> {
    let mut userspace = Userspace {
        pid: number(scanner, "pid=")?,
        ..Userspace::default()
    };
    loop {
        if scanner.eat(")") {
            return Ok(Action::Userspace(Box::new(userspace)));
        }
        scanner.expect(",")?;
        if scanner.word("actions") {
            userspace.with_actions = true;
        } else if scanner.name("tunnel_out_port") {
            userspace.tunnel_port = Some(port(scanner, names)?);
        } else {
            userspace.data = Some(cookie::parse(scanner)?);
        }
    }
}

/// A set of which all counts is one without a mask.
fn set(scanner: &mut Scanner<'_>, names: Names<'_>) -> Result<Action> {
    let (value, mut mask) = read_key::field(scanner, names)?;
    scanner.expect(")")?;
    if let (KeyField::Nsh(value), KeyField::Nsh(mask)) = (&value, &mut mask)
        && value.md1.is_none()
    {
        // A set has a mask for what it has a value for, and for nothing else.
        mask.md1 = None;
    }
    let whole = matches!(value, KeyField::Tunnel(_)) || is_full(&value, &mask);
    Ok(match whole {
        true => Action::Set(value),
        false => Action::SetMasked { value, mask },
    })
}

/// True if all counts that text can speak of.
fn is_full(value: &KeyField, mask: &KeyField) -> bool {
    match mask {
        KeyField::Ipv6(mask) => {
            let label = u32::MAX;
            mask.label.is_full(Style::Label)
                && crate::key::Ipv6 { label, ..*mask } == crate::key::Ipv6::EXACT
        }
        mask => *mask == value.exact_mask(),
    }
}

/// Numbers behind names, in any order, each between zero and its greatest.
fn numbers<const N: usize>(
    scanner: &mut Scanner<'_>,
    fields: [(&str, u64, u64); N],
) -> Result<[u64; N]> {
    let mut values = fields.map(|(_, default, _)| default);
    scanner.list(|scanner| {
        let Some(place) = fields.iter().position(|(name, ..)| scanner.name(name)) else {
            return Ok(false);
        };
        values[place] = scanner.number(fields[place].2)?;
        Ok(true)
    })?;
    Ok(values)
}

/// What is known to fit.
fn narrow<T: TryFrom<u64> + Default>(number: u64) -> T {
    T::try_from(number).unwrap_or_default()
}

fn push_vlan(scanner: &mut Scanner<'_>) -> Result<Action> {
    let [tpid, id, priority, cfi] = numbers(
        scanner,
        [
            ("tpid", 0x8100, 0xffff),
            ("vid", 0, 0xfff),
            ("pcp", 0, 7),
            ("cfi", 1, 1),
        ],
    )?;
    let tag = Vlan::new(narrow(id), narrow(priority));
    Ok(Action::PushVlan(PushVlan {
        tpid: narrow(tpid),
        tci: match cfi {
            0 => Vlan(tag.0 & !Vlan::PRESENT),
            _ => tag,
        },
    }))
}

const MPLS: [(&str, u64, u64); 6] = [
    ("label", 0, 0xf_ffff),
    ("tc", 0, 7),
    ("ttl", 0, 0xff),
    ("bos", 0, 1),
    ("eth_type", 0x8847, 0xffff),
    ("tun_flags", 0, 0xffff),
];

fn mpls_entry(label: u64, class: u64, ttl: u64, bottom: u64) -> MplsEntry {
    MplsEntry::new(narrow(label), narrow(class), bottom == 1, narrow(ttl))
}

fn push_mpls(scanner: &mut Scanner<'_>) -> Result<Action> {
    let [label, class, ttl, bottom, kind] =
        numbers(scanner, [MPLS[0], MPLS[1], MPLS[2], MPLS[3], MPLS[4]])?;
    Ok(Action::PushMpls(PushMpls {
        entry: mpls_entry(label, class, ttl, bottom),
        ether_type: narrow(kind),
    }))
}

fn add_mpls(scanner: &mut Scanner<'_>) -> Result<Action> {
    let [label, class, ttl, bottom, kind, flags] = numbers(scanner, MPLS)?;
    Ok(Action::AddMpls(AddMpls {
        entry: mpls_entry(label, class, ttl, bottom),
        ether_type: narrow(kind),
        flags: narrow(flags),
    }))
}

fn push_ethernet(scanner: &mut Scanner<'_>) -> Result<Action> {
    scanner.expect("src=")?;
    let src = Mac::parse(scanner, Style::Plain)?;
    scanner.expect(",dst=")?;
    let dst = Mac::parse(scanner, Style::Plain)?;
    // Older tools say a type that the kernel does not take.
    if scanner.eat(",type=") {
        scanner.u32()?;
    }
    closed(scanner, Action::PushEthernet(PushEthernet { src, dst }))
}

fn push_nsh(scanner: &mut Scanner<'_>) -> Result<Action> {
    let mut base = NshBase {
        flags: 0,
        ttl: 63,
        mdtype: 1,
        np: 3,
        path: 255,
    };
    let mut words = [0; 4];
    let mut metadata = Vec::new();
    scanner.list(|scanner| {
        if scanner.name("flags") {
            base.flags = scanner.u8()?;
        } else if scanner.name("ttl") {
            base.ttl = scanner.u8()?;
        } else if scanner.name("mdtype") {
            base.mdtype = scanner.u8()?;
        } else if scanner.name("np") {
            base.np = scanner.u8()?;
        } else if scanner.name("spi") {
            let path: u32 = narrow(scanner.number(0xff_ffff)?);
            base.path = base.path & 0xff | path << 8;
        } else if scanner.name("si") {
            base.path = base.path & !0xff | u32::from(scanner.u8()?);
        } else if scanner.name("md2") {
            metadata = scanner.hex()?;
            metadata.resize(metadata.len().next_multiple_of(4), 0);
        } else {
            let found = (0..4).find(|n| scanner.name(["c1", "c2", "c3", "c4"][*n]));
            let Some(n) = found else {
                return Ok(false);
            };
            words[n] = scanner.u32()?;
        }
        Ok(true)
    })?;
    Ok(Action::PushNsh(Box::new(Nsh {
        base: Some(base),
        md1: (base.mdtype == 1).then_some(words),
        md2: (base.mdtype == 2 && !metadata.is_empty()).then_some(metadata),
        unknown: Vec::new(),
    })))
}

fn hash(scanner: &mut Scanner<'_>) -> Result<Action> {
    let algorithm = if scanner.eat("l4(") {
        HashAlgorithm::L4
    } else if scanner.eat("sym_l4(") {
        HashAlgorithm::SymmetricL4
    } else {
        let number = number(scanner, "alg")?;
        scanner.expect("(")?;
        HashAlgorithm::Other(number)
    };
    let basis = scanner.u32()?;
    scanner.expect(")")?;
    closed(scanner, Action::Hash(Hash { algorithm, basis }))
}

fn sample(scanner: &mut Scanner<'_>, names: Names<'_>) -> Result<Action> {
    scanner.expect("sample=")?;
    let begin = scanner.clone();
    let percent: f64 = scanner.parse(|c| c.is_ascii_digit() || c == '.', "a number")?;
    if percent > 100.0 {
        return Err(begin.error("at most a hundred percent"));
    }
    scanner.expect("%,actions(")?;
    let actions = nested(scanner, names)?;
    // Between zero and the greatest, because the percentage is.
    let probability = (f64::from(u32::MAX) * (percent / 100.0) + 0.5).floor() as u32;
    closed(
        scanner,
        Action::Sample(Sample {
            probability,
            actions,
        }),
    )
}

fn check_length(scanner: &mut Scanner<'_>, names: Names<'_>) -> Result<Action> {
    scanner.expect("size=")?;
    let length = scanner.u16()?;
    scanner.expect(",gt(")?;
    let greater = nested(scanner, names)?;
    scanner.expect(",le(")?;
    let less_equal = nested(scanner, names)?;
    let check = CheckPacketLength {
        length,
        greater,
        less_equal,
    };
    closed(scanner, Action::CheckPacketLength(Box::new(check)))
}

fn psample(scanner: &mut Scanner<'_>) -> Result<Action> {
    let group = number(scanner, "group=")?;
    let mut cookie = None;
    if scanner.eat(",cookie=") {
        let begin = scanner.clone();
        let bytes = scanner.hex()?;
        if bytes.len() > 16 {
            return Err(begin.error("at most sixteen bytes"));
        }
        cookie = Some(bytes);
    }
    closed(scanner, Action::Psample(Sampled { group, cookie }))
}
