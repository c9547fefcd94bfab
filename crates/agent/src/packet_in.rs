//! Between OpenFlow messages and [`crate::local`]: reading a packet-in, writing what is to be done.

use openflow::action::{self, Action};
use openflow::message::{Message, PacketIn, PacketOut};
use openflow::{Field, FieldValue};
use physical::opcode::ResultBit;

use crate::local::{Actions, Input, Metadata};

/// The reason of packets that an action sent (OpenFlow 1.5, section 7.4.1). Only those are ours.
const BY_ACTION: u8 = 1;
/// OpenFlow 1.4 and later tell actions of flows, groups and buckets apart.
const BY_APPLY_ACTION: u8 = 1;

/// What a packet-in asks for; `None` when no flow of ours sent it.
pub fn input(packet: &PacketIn) -> Option<Input<'_>> {
    let by_action = packet
        .reason
        .is_none_or(|r| r == BY_ACTION || r == BY_APPLY_ACTION);
    let ours = by_action && !packet.userdata.is_empty();
    ours.then(|| Input {
        userdata: &packet.userdata,
        packet: &packet.packet,
        metadata: metadata(packet),
        table: packet.table.unwrap_or_default(),
    })
}

fn metadata(packet: &PacketIn) -> Metadata {
    let number = |field| packet.metadata.get(field).map_or(0, FieldValue::value);
    let mut regs = [0; 16];
    for (n, reg) in (0..).zip(&mut regs) {
        *reg = u32::try_from(number(Field::Reg(n))).unwrap_or_default();
    }
    let datapath = u64::try_from(number(Field::Metadata)).unwrap_or_default();
    Metadata { datapath, regs }
}

/// The message that puts a packet into the pipeline. `None` when the nested actions, which came from
/// the switch, do not decode.
pub fn packet_out(packet: Vec<u8>, metadata: Metadata, then: &Actions) -> Option<Message> {
    let mut actions: Vec<Action> = (0..)
        .zip(metadata.regs)
        .filter(|(_, value)| *value != 0)
        .map(|(n, value)| Action::set_field(Field::Reg(n), value))
        .collect();
    actions.push(Action::set_field(Field::Metadata, metadata.datapath));
    match then {
        Actions::Encoded(bytes) => actions.extend(action::decode(bytes).ok()?),
        Actions::Resubmit(table) => actions.push(Action::resubmit(*table)),
    }
    Some(Message::PacketOut(PacketOut::new(packet, actions)))
}

/// The message that lets a packet go on, with another content and a result where there is one.
pub fn resume(
    mut paused: PacketIn,
    packet: Option<Vec<u8>>,
    result: Option<(ResultBit, bool)>,
) -> Message {
    if let Some(packet) = packet {
        paused.packet = packet;
        paused.full_len = None;
    }
    if let Some((bit, value)) = result {
        let (register, bit) = bit.narrow();
        let field = Field::Reg(register);
        let old = paused.metadata.get(field).map_or(0, FieldValue::value);
        let mask = 1u128 << bit;
        let new = if value { old | mask } else { old & !mask };
        paused.metadata.insert(FieldValue::exact(field, new));
    }
    Message::Resume(Box::new(paused))
}

#[cfg(test)]
mod tests {
    use openflow::Match;
    use physical::opcode::ResultField;

    use super::*;

    fn paused() -> PacketIn {
        let metadata = Match::new().metadata(7).reg(0, 0x10).reg(14, 3);
        PacketIn {
            packet: vec![1; 60],
            table: Some(9),
            reason: Some(BY_ACTION),
            metadata,
            userdata: vec![0; 8],
            continuation: Some([1, 2].as_slice().into()),
            ..PacketIn::default()
        }
    }

    #[test]
    fn metadata_is_read_from_the_match() {
        let packet = paused();
        let input = input(&packet).unwrap();
        assert_eq!(
            (
                input.metadata.datapath,
                input.metadata.inport(),
                input.table
            ),
            (7, 3, 9)
        );
        assert_eq!(input.metadata.regs[0], 0x10);
        let foreign = PacketIn {
            userdata: Vec::new(),
            ..paused()
        };
        assert!(super::input(&foreign).is_none());
    }

    #[test]
    fn a_result_is_one_bit_and_the_continuation_is_untouched() {
        let bit = ResultBit {
            field: ResultField::Xxreg(0),
            bit: 96 + 3,
        };
        let Message::Resume(done) = resume(paused(), Some(vec![2; 70]), Some((bit, true))) else {
            panic!("not a resume")
        };
        assert_eq!(done.metadata.exact(Field::Reg(0)), Some(0x18));
        assert_eq!(
            (done.packet.len(), &done.continuation),
            (70, &paused().continuation)
        );
        let Message::Resume(done) = resume(*done, None, Some((bit, false))) else {
            panic!()
        };
        assert_eq!(done.metadata.exact(Field::Reg(0)), Some(0x10));
    }

    #[test]
    fn a_packet_out_restores_registers_first() {
        let metadata = input(&paused()).unwrap().metadata;
        let nested = action::encode(&[Action::resubmit(8)]);
        let out = packet_out(vec![0; 20], metadata, &Actions::Encoded(nested)).unwrap();
        let Message::PacketOut(out) = out else {
            panic!("not a packet-out")
        };
        assert_eq!(out.actions.last(), Some(&Action::resubmit(8)));
        assert!(
            out.actions
                .contains(&Action::set_field(Field::Reg(14), 3u32))
        );
        assert_eq!(
            packet_out(vec![], metadata, &Actions::Encoded(vec![1])),
            None
        );
    }
}
