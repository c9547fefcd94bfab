//! Which bytes of actions are those that this crate itself would write.
//!
//! What a switch says of its flows in OpenFlow 1.5 nearly always is, so that the bytes can be kept without
//! being read as actions at all. This file knows the form of the common actions, and nothing of what they
//! mean.
//!
//! Invariant: of bytes that [`instructions_are_plain`] takes, writing what was read gives the same bytes
//! (`tests::what_is_plain_is_written_as_it_was_read`). Of other bytes it says nothing: they are read and
//! written.

use super::instruction::{APPLY_ACTIONS, CLEAR_ACTIONS, GOTO_TABLE, WRITE_ACTIONS, WRITE_METADATA};
use super::wire::{nicira, standard};
use crate::field::{plain_entry, plain_header};
use crate::port::Port;

/// How deep actions are followed that contain actions; what is deeper is read as any other bytes.
const MAX_DEPTH: usize = 4;

/// Takes a part that begins with its type and its length, a multiple of eight: the type, what stands behind
/// the length, and what follows.
fn split(bytes: &[u8]) -> Option<(u16, &[u8], &[u8])> {
    let [a, b, c, d, ..] = bytes else {
        return None;
    };
    let length = usize::from(u16::from_be_bytes([*c, *d]));
    let (part, rest) = bytes.split_at_checked(length)?;
    let body = part.get(4..).filter(|_| length.is_multiple_of(8))?;
    Some((u16::from_be_bytes([*a, *b]), body, rest))
}

fn is_zero(bytes: &[u8]) -> bool {
    bytes.iter().all(|byte| *byte == 0)
}

/// Whether instructions are in the form and the order in which they are written, each once.
pub(crate) fn instructions_are_plain(bytes: &[u8]) -> bool {
    let (mut rest, mut last) = (bytes, None);
    while !rest.is_empty() {
        let Some((kind, body, behind)) = split(rest) else {
            return false;
        };
        let (rank, plain) = match (kind, body) {
            (APPLY_ACTIONS, [0, 0, 0, 0, actions @ ..]) => {
                (0, !actions.is_empty() && are_plain(actions, 0))
            }
            (CLEAR_ACTIONS, [0, 0, 0, 0]) => (1, true),
            (WRITE_ACTIONS, [0, 0, 0, 0, actions @ ..]) => (2, are_plain(actions, 0)),
            (WRITE_METADATA, [0, 0, 0, 0, value @ ..]) => (3, value.len() == 16),
            (GOTO_TABLE, [_, 0, 0, 0]) => (4, true),
            _ => return false,
        };
        if !plain || last.replace(rank) >= Some(rank) {
            return false;
        }
        rest = behind;
    }
    true
}

fn are_plain(bytes: &[u8], depth: usize) -> bool {
    let mut rest = bytes;
    while !rest.is_empty() {
        match split(rest) {
            Some((kind, body, behind)) if is_plain(kind, body, depth) => rest = behind,
            _ => return false,
        }
    }
    true
}

/// Whether an action of this type has plain arguments.
fn is_plain(kind: u16, body: &[u8], depth: usize) -> bool {
    match (kind, body) {
        (standard::OUTPUT, [a, b, c, d, high, low, 0, 0, 0, 0, 0, 0]) => {
            let port = Port(u32::from_be_bytes([*a, *b, *c, *d]));
            port == Port::CONTROLLER || (*high, *low) == (0, 0)
        }
        (standard::DEC_MPLS_TTL | standard::POP_VLAN | standard::DEC_TTL, [0, 0, 0, 0])
        | (standard::PUSH_VLAN | standard::PUSH_MPLS | standard::POP_MPLS, [_, _, 0, 0])
        | (standard::SET_QUEUE | standard::GROUP | standard::METER, [_, _, _, _]) => true,
        (standard::SET_FIELD, body) => match plain_entry(body) {
            Some(entry) => is_padding(&body[entry.length..]),
            None => false,
        },
        (
            standard::COPY_FIELD,
            [
                _,
                _,
                _,
                _,
                _,
                _,
                0,
                0,
                source,
                b,
                c,
                d,
                e,
                f,
                g,
                h,
                rest @ ..,
            ],
        ) => {
            plain_header([*source, *b, *c, *d])
                && plain_header([*e, *f, *g, *h])
                && is_padding(rest)
        }
        (standard::EXPERIMENTER, [0, 0, 0x23, 0x20, high, low, arguments @ ..]) => {
            nicira_is_plain(u16::from_be_bytes([*high, *low]), arguments, depth)
        }
        _ => false,
    }
}

/// Whether these are the zeros behind arguments, fewer than eight of them.
fn is_padding(bytes: &[u8]) -> bool {
    bytes.len() < 8 && is_zero(bytes)
}

fn nicira_is_plain(subtype: u16, arguments: &[u8], depth: usize) -> bool {
    match (subtype, arguments) {
        (nicira::RESUBMIT_TABLE, [_, _, table, 0, 0, 0]) => *table != u8::MAX,
        (nicira::RESUBMIT_TABLE_CT, [_, _, _, 0, 0, 0])
        | (nicira::RESUBMIT, [_, _, 0, 0, 0, 0])
        | (
            nicira::CT_CLEAR | nicira::EXIT | nicira::POP_QUEUE | nicira::DEC_NSH_TTL,
            [0, 0, 0, 0, 0, 0],
        )
        | (nicira::CONJUNCTION, [_, _, _, _, _, _])
        | (nicira::NOTE, [_, _, _, _, _, _, ..]) => true,
        (nicira::CLONE, [0, 0, 0, 0, 0, 0, actions @ ..]) => {
            depth < MAX_DEPTH && are_plain(actions, depth + 1)
        }
        (nicira::CT, [0, flags, a, b, c, d, _, _, _, 0, 0, 0, _, _, actions @ ..]) => {
            let field = [*a, *b, *c, *d];
            *flags <= 3
                && (field == [0; 4] || plain_header(field))
                && depth < MAX_DEPTH
                && are_plain(actions, depth + 1)
        }
        (nicira::NAT, [0, 0, 0, flags, 0, present, range @ ..]) => {
            nat_is_plain(*flags, *present, range)
        }
        _ => false,
    }
}

/// A translation to one side at the most, with a first address and a first port wherever there is a last one.
fn nat_is_plain(flags: u8, present: u8, range: &[u8]) -> bool {
    let addresses = match present & 0xf {
        0 => 0,
        0b0001 => 4,
        0b0011 => 8,
        0b0100 => 16,
        0b1100 => 32,
        _ => return false,
    };
    let ports = match present >> 4 {
        0 => 0,
        0b01 => 2,
        0b11 => 4,
        _ => return false,
    };
    let padding = range.get(addresses + ports..);
    flags <= 0x1f && flags & 3 != 3 && padding.is_some_and(is_padding)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::action::instruction::{read_instructions, write_instructions};
    use crate::version::Version;
    use crate::wire::{Reader, Writer};

    /// Every form that is recognised, and some that are not.
    const TEXTS: [&str; 22] = [
        "output:7",
        "CONTROLLER:128",
        "dec_mpls_ttl,pop_vlan,dec_ttl",
        "push_vlan:0x8100,push_mpls:0x8847,pop_mpls:0x0800",
        "set_queue:5,group:6,meter:7",
        "set_field:0x5->reg3,set_field:00:01:02:03:04:05->eth_dst",
        "set_field:0x10/0x30->reg3,set_field:0x5/0xf->ct_label,set_field:5->vlan_pcp",
        "set_field:0x1005/0x1fff->vlan_vid,set_field:10.0.0.1->ip_dst,set_field:9->ip_dscp",
        "move:NXM_NX_REG1[0..15]->NXM_OF_TCP_DST[],move:NXM_NX_XXREG0[]->NXM_NX_XXREG1[]",
        "resubmit(,5),resubmit(3,5),resubmit:4,resubmit(,5,ct),resubmit(,,ct)",
        "ct_clear,exit,pop_queue,dec_nsh_ttl",
        "conjunction(7,1/2),note:00.01.02.03.04.05,note:00.01.02.03.04.05.06",
        "clone(output:1,clone(clone(ct_clear)))",
        "clone(clone(clone(clone(clone(clone(ct_clear))))))",
        "ct(commit,zone=5,table=7,nat(src=10.0.0.1-10.0.0.9:1-9,random),alg=ftp)",
        "ct(commit,force,zone=NXM_NX_REG11[0..15],exec(set_field:5->ct_mark),alg=tftp)",
        "ct(nat),ct(nat(dst=[fd00::1]:80)),ct(nat(src=fd00::1-fd00::9,persistent,hash))",
        "output:1,clear_actions,write_actions(output:2),write_metadata:5/0xff,goto_table:9",
        "clear_actions,goto_table:9",
        "learn(table=5,output:NXM_OF_IN_PORT[])",
        "controller(userdata=00.01,pause)",
        "dec_ttl(1,2),sample(probability=5,collector_set_id=1,obs_domain_id=2,obs_point_id=3)",
    ];

    fn bytes_of(text: &str) -> Vec<u8> {
        let actions = crate::Parser::default().actions(text).expect(text);
        written(&actions)
    }

    fn written(actions: &[crate::Action]) -> Vec<u8> {
        let mut out = Writer::new(Version::V15);
        write_instructions(&mut out, actions);
        out.into_bytes()
    }

    #[test]
    fn the_common_actions_are_plain() {
        for text in &TEXTS[..13] {
            assert!(instructions_are_plain(&bytes_of(text)), "{text}");
        }
        for text in &TEXTS[14..19] {
            assert!(instructions_are_plain(&bytes_of(text)), "{text}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 20_000, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn what_is_plain_is_written_as_it_was_read(
            text in proptest::sample::select(&TEXTS[..]),
            spoils in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..3),
        ) {
            let mut bytes = bytes_of(text);
            for (at, with) in spoils {
                let at = at.index(bytes.len());
                bytes[at] = with;
            }
            if instructions_are_plain(&bytes) {
                let read = read_instructions(&mut Reader::new(&bytes)).expect("it is plain");
                prop_assert_eq!(written(&read), bytes);
            }
        }
    }
}
