//! Actions as attributes. One that is not of its usual form is kept as bytes, whole.

use super::{
    Action, AddMpls, CheckPacketLength, Ct, Hash, HashAlgorithm, PushEthernet, PushMpls, PushVlan,
    Sample, Sampled, Userspace,
};
use crate::attribute::{Attribute, DecodeError, MAX_DEPTH, NESTED, Raw, Writer, all, attributes};
use crate::id::{MeterId, PortNo};
use crate::key::{KeyField, MplsEntry, Nsh, Vlan};
use crate::layout::{Value, take};

const OUTPUT: u16 = 1;
const USERSPACE: u16 = 2;
const SET: u16 = 3;
const PUSH_VLAN: u16 = 4;
const POP_VLAN: u16 = 5;
const SAMPLE: u16 = 6;
const RECIRC: u16 = 7;
const HASH: u16 = 8;
const PUSH_MPLS: u16 = 9;
const POP_MPLS: u16 = 10;
const SET_MASKED: u16 = 11;
const CT: u16 = 12;
const TRUNC: u16 = 13;
const PUSH_ETH: u16 = 14;
const POP_ETH: u16 = 15;
const CT_CLEAR: u16 = 16;
const PUSH_NSH: u16 = 17;
const POP_NSH: u16 = 18;
const METER: u16 = 19;
const CLONE: u16 = 20;
const CHECK_PKT_LEN: u16 = 21;
const ADD_MPLS: u16 = 22;
const DEC_TTL: u16 = 23;
const DROP: u16 = 24;
const PSAMPLE: u16 = 25;

/// The number of [`KeyField::Nsh`], which a masked set holds in a way of its own.
const KEY_NSH: u16 = 28;
/// Inside [`DEC_TTL`].
const DEC_TTL_ACTION: u16 = 1;

/// Reads a list of actions.
pub(crate) fn read_actions(bytes: &[u8], depth: usize) -> Result<Vec<Action>, DecodeError> {
    attributes(bytes)
        .map(|attribute| {
            let attribute = attribute?;
            let known = read(&attribute, depth + 1);
            Ok(known.unwrap_or_else(|| Action::Unknown(attribute.to_raw())))
        })
        .collect()
}

/// Writes a list of actions.
pub(crate) fn write_actions(actions: &[Action], writer: &mut Writer) {
    for action in actions {
        write(action, writer);
    }
}

fn u32_of(bytes: &[u8]) -> Option<u32> {
    Some(u32::from_ne_bytes(bytes.try_into().ok()?))
}

fn nothing(bytes: &[u8], action: Action) -> Option<Action> {
    bytes.is_empty().then_some(action)
}

fn nested(bytes: &[u8], depth: usize) -> Option<Vec<Action>> {
    if depth > MAX_DEPTH {
        return None;
    }
    read_actions(bytes, depth).ok()
}

/// The one attribute that the bytes are.
fn only(bytes: &[u8]) -> Option<Attribute<'_>> {
    match all(bytes)?.as_slice() {
        [only] => Some(*only),
        _ => None,
    }
}

/// The values of these attributes, each there at most once, and nothing else there.
fn values<const N: usize>(bytes: &[u8], kinds: [u16; N]) -> Option<[Option<&[u8]>; N]> {
    let mut found = [None; N];
    for attribute in attributes(bytes) {
        let attribute = attribute.ok()?;
        let place = kinds.iter().position(|kind| *kind == attribute.kind())?;
        if found[place].replace(attribute.value).is_some() {
            return None;
        }
    }
    Some(found)
}

fn read(attribute: &Attribute<'_>, depth: usize) -> Option<Action> {
    let mut value = attribute.value;
    match attribute.kind() {
        OUTPUT => Some(Action::Output(PortNo(u32_of(value)?))),
        USERSPACE => Some(Action::Userspace(Box::new(Userspace::read(value)?))),
        SET => Some(Action::Set(KeyField::read(&only(value)?, 0))),
        SET_MASKED => read_set_masked(&only(value)?),
        PUSH_VLAN if value.len() == 4 => Some(Action::PushVlan(PushVlan {
            tpid: take(&mut value)?,
            tci: Vlan(take(&mut value)?),
        })),
        POP_VLAN => nothing(value, Action::PopVlan),
        SAMPLE => read_sample(value, depth),
        RECIRC => Some(Action::Recirc(u32_of(value)?)),
        HASH => read_hash(value),
        // Two bytes of padding end it.
        PUSH_MPLS if value.len() == 8 => Some(Action::PushMpls(PushMpls {
            entry: MplsEntry(take(&mut value)?),
            ether_type: take(&mut value)?,
        })),
        POP_MPLS => Some(Action::PopMpls(Value::read(value)?)),
        CT => Some(Action::Ct(Box::new(Ct::read(value)?))),
        TRUNC => Some(Action::Trunc(u32_of(value)?)),
        PUSH_ETH if value.len() == 12 => Some(Action::PushEthernet(PushEthernet {
            src: take(&mut value)?,
            dst: take(&mut value)?,
        })),
        POP_ETH => nothing(value, Action::PopEthernet),
        CT_CLEAR => nothing(value, Action::CtClear),
        PUSH_NSH => read_push_nsh(&only(value)?),
        POP_NSH => nothing(value, Action::PopNsh),
        METER => Some(Action::Meter(MeterId(u32_of(value)?))),
        CLONE => Some(Action::Clone(nested(value, depth)?)),
        CHECK_PKT_LEN => read_check_length(value, depth),
        ADD_MPLS if value.len() == 8 => Some(Action::AddMpls(AddMpls {
            entry: MplsEntry(take(&mut value)?),
            ether_type: take(&mut value)?,
            flags: u16::from_ne_bytes(value.try_into().ok()?),
        })),
        DEC_TTL => {
            let inside = only(value).filter(|inside| inside.kind() == DEC_TTL_ACTION)?;
            Some(Action::DecTtl(nested(inside.value, depth)?))
        }
        DROP => Some(Action::Drop(u32_of(value)?)),
        PSAMPLE => {
            let [group, cookie] = values(value, [1, 2])?;
            Some(Action::Psample(Sampled {
                group: u32_of(group?)?,
                cookie: cookie.map(<[u8]>::to_vec),
            }))
        }
        _ => None,
    }
}

fn read_sample(value: &[u8], depth: usize) -> Option<Action> {
    let [probability, actions] = values(value, [1, 2])?;
    Some(Action::Sample(Sample {
        probability: u32_of(probability?)?,
        actions: nested(actions?, depth)?,
    }))
}

fn read_hash(value: &[u8]) -> Option<Action> {
    let (algorithm, basis) = value.split_at_checked(4)?;
    let algorithm = match u32_of(algorithm)? {
        0 => HashAlgorithm::L4,
        1 => HashAlgorithm::SymmetricL4,
        other => HashAlgorithm::Other(other),
    };
    let basis = u32_of(basis)?;
    Some(Action::Hash(Hash { algorithm, basis }))
}

fn read_push_nsh(inside: &Attribute<'_>) -> Option<Action> {
    let good = inside.kind() == KEY_NSH;
    let nsh = good.then(|| Nsh::read(inside.value)).flatten()?;
    Some(Action::PushNsh(Box::new(nsh)))
}

fn read_check_length(value: &[u8], depth: usize) -> Option<Action> {
    let [length, greater, less_equal] = values(value, [1, 2, 3])?;
    Some(Action::CheckPacketLength(Box::new(CheckPacketLength {
        length: u16::from_ne_bytes(length?.try_into().ok()?),
        greater: nested(greater?, depth)?,
        less_equal: nested(less_equal?, depth)?,
    })))
}

/// The value and, behind it, as many bytes of mask.
fn read_set_masked(field: &Attribute<'_>) -> Option<Action> {
    if field.kind() == KEY_NSH {
        let (value, mask) = Nsh::read_masked(field.value)?;
        return Some(Action::SetMasked {
            value: KeyField::Nsh(Box::new(value)),
            mask: KeyField::Nsh(Box::new(mask)),
        });
    }
    let half = field.value.len() / 2;
    let (value, mask) = field.value.split_at(half);
    let read = |value| {
        let attribute = Attribute {
            raw_kind: field.raw_kind,
            value,
        };
        match KeyField::read(&attribute, 0) {
            // These hold attributes, which have no halves.
            KeyField::Encap(_) | KeyField::Tunnel(_) => None,
            known => Some(known),
        }
    };
    let value = (mask.len() == half).then(|| read(value)).flatten()?;
    Some(Action::SetMasked {
        value,
        mask: read(mask)?,
    })
}

impl Userspace {
    fn read(bytes: &[u8]) -> Option<Self> {
        let mut userspace = Self::default();
        let mut addressed = false;
        for attribute in attributes(bytes) {
            let attribute = attribute.ok()?;
            let value = attribute.value;
            match (attribute.kind(), u32_of(value)) {
                (1, Some(pid)) => {
                    userspace.pid = pid;
                    addressed = true;
                }
                (2, _) => userspace.data = Some(value.to_vec()),
                (3, Some(port)) => userspace.tunnel_port = Some(PortNo(port)),
                (4, _) if value.is_empty() => userspace.with_actions = true,
                _ => userspace.unknown.push(attribute.to_raw()),
            }
        }
        addressed.then_some(userspace)
    }

    fn write(&self, writer: &mut Writer) {
        writer.u32(1, self.pid);
        if let Some(data) = &self.data {
            writer.attribute(2, data);
        }
        if let Some(port) = self.tunnel_port {
            writer.u32(3, port.0);
        }
        writer.flag(4, self.with_actions);
        for raw in &self.unknown {
            writer.raw(raw);
        }
    }
}

fn write(action: &Action, writer: &mut Writer) {
    match action {
        Action::Output(port) => writer.u32(OUTPUT, port.0),
        Action::Userspace(userspace) => writer.nested(USERSPACE, |w| userspace.write(w)),
        Action::Set(field) => writer.nested(SET, |w| field.write(w)),
        Action::SetMasked { value, mask } => {
            writer.nested(SET_MASKED, |w| write_masked(value, mask, w));
        }
        Action::PushVlan(vlan) => writer.nested(PUSH_VLAN, |w| {
            w.bytes(&vlan.tpid.to_be_bytes());
            w.bytes(&vlan.tci.0.to_be_bytes());
        }),
        Action::PopVlan => writer.attribute(POP_VLAN, &[]),
        Action::Sample(sample) => writer.nested(SAMPLE, |w| {
            w.u32(1, sample.probability);
            w.nested(2, |w| write_actions(&sample.actions, w));
        }),
        Action::Recirc(id) => writer.u32(RECIRC, *id),
        Action::Hash(hash) => writer.nested(HASH, |w| {
            let algorithm = match hash.algorithm {
                HashAlgorithm::L4 => 0,
                HashAlgorithm::SymmetricL4 => 1,
                HashAlgorithm::Other(other) => other,
            };
            w.bytes(&algorithm.to_ne_bytes());
            w.bytes(&hash.basis.to_ne_bytes());
        }),
        Action::PushMpls(mpls) => writer.nested(PUSH_MPLS, |w| {
            w.bytes(&mpls.entry.0.to_be_bytes());
            w.bytes(&mpls.ether_type.to_be_bytes());
            w.bytes(&[0; 2]);
        }),
        Action::PopMpls(kind) => writer.attribute(POP_MPLS, &kind.to_be_bytes()),
        Action::Ct(ct) => writer.nested(CT, |w| ct.write(w)),
        Action::Trunc(length) => writer.u32(TRUNC, *length),
        Action::PushEthernet(header) => writer.nested(PUSH_ETH, |w| {
            w.bytes(&header.src.0);
            w.bytes(&header.dst.0);
        }),
        Action::PopEthernet => writer.attribute(POP_ETH, &[]),
        Action::CtClear => writer.attribute(CT_CLEAR, &[]),
        Action::PushNsh(nsh) => {
            writer.nested(PUSH_NSH, |w| w.nested(KEY_NSH, |w| nsh.write(w)));
        }
        Action::PopNsh => writer.attribute(POP_NSH, &[]),
        Action::Meter(meter) => writer.u32(METER, meter.0),
        Action::Clone(actions) => writer.nested(CLONE, |w| write_actions(actions, w)),
        Action::CheckPacketLength(check) => writer.nested(CHECK_PKT_LEN, |w| {
            w.attribute(1, &check.length.to_ne_bytes());
            w.nested(2, |w| write_actions(&check.greater, w));
            w.nested(3, |w| write_actions(&check.less_equal, w));
        }),
        Action::AddMpls(mpls) => writer.nested(ADD_MPLS, |w| {
            w.bytes(&mpls.entry.0.to_be_bytes());
            w.bytes(&mpls.ether_type.to_be_bytes());
            w.bytes(&mpls.flags.to_ne_bytes());
        }),
        Action::DecTtl(actions) => writer.nested(DEC_TTL, |w| {
            w.nested(DEC_TTL_ACTION, |w| write_actions(actions, w));
        }),
        Action::Drop(reason) => writer.u32(DROP, *reason),
        // The kernel wants it marked as nested, as of all new attributes.
        Action::Psample(sampled) => writer.nested(PSAMPLE | NESTED, |w| {
            w.u32(1, sampled.group);
            if let Some(cookie) = &sampled.cookie {
                w.attribute(2, cookie);
            }
        }),
        Action::Unknown(Raw { kind, bytes }) => writer.attribute(*kind, bytes),
    }
}

fn write_masked(value: &KeyField, mask: &KeyField, writer: &mut Writer) {
    match (value, mask) {
        (KeyField::Nsh(value), KeyField::Nsh(mask)) => {
            writer.nested(KEY_NSH, |writer| value.write_masked(mask, writer));
        }
        _ => {
            // What is not known goes back as it came, with the flags of its type.
            let kind = match value {
                KeyField::Unknown(raw) => raw.kind,
                known => known.number(),
            };
            writer.nested(kind, |writer| {
                value.write_value(writer);
                mask.write_value(writer);
            });
        }
    }
}
