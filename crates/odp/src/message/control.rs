//! The family of families: which number the kernel has given a name, and which groups send its events.

use netlink_packet_core::{NLM_F_ACK, NLM_F_REQUEST};

use super::frame::write_header;
use super::{u16_of, u32_of};
use crate::attribute::{DecodeError, Writer, attributes, text};

/// The one number that is always the same.
pub const CONTROL: u16 = 16;

const GET_FAMILY: u8 = 3;
const FAMILY_ID: u16 = 1;
const FAMILY_NAME: u16 = 2;
const GROUPS: u16 = 7;
const GROUP_NAME: u16 = 1;
const GROUP_ID: u16 = 2;

/// A family as this kernel has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FamilyInfo {
    /// Its number.
    pub id: u16,
    /// The groups that send its events: name and number.
    pub groups: Vec<(String, u32)>,
}

/// Asks for the family of a name.
#[must_use]
pub fn get_family(name: &str, sequence: u32) -> Vec<u8> {
    let mut writer = Writer::default();
    writer.text(FAMILY_NAME, name);
    let body = writer.into_bytes();
    let mut out = Vec::new();
    let length = u32::try_from(20 + body.len()).unwrap_or(u32::MAX);
    write_header(
        &mut out,
        length,
        CONTROL,
        NLM_F_REQUEST | NLM_F_ACK,
        sequence,
    );
    out.extend_from_slice(&[GET_FAMILY, 1, 0, 0]);
    out.extend_from_slice(&body);
    out
}

impl FamilyInfo {
    /// Reads the answer.
    ///
    /// # Errors
    /// When the bytes are no attributes, or have no number.
    pub fn decode(body: &[u8]) -> Result<Self, DecodeError> {
        let mut id = None;
        let mut groups = Vec::new();
        for attribute in attributes(body) {
            let attribute = attribute?;
            match attribute.kind() {
                FAMILY_ID => id = u16_of(attribute.value),
                GROUPS => {
                    for group in attributes(attribute.value) {
                        groups.extend(read_group(group?.value)?);
                    }
                }
                _ => {}
            }
        }
        Ok(Self {
            id: id.ok_or(DecodeError::Missing {
                what: "the families",
                attribute: "CTRL_ATTR_FAMILY_ID",
            })?,
            groups,
        })
    }
}

fn read_group(bytes: &[u8]) -> Result<Option<(String, u32)>, DecodeError> {
    let (mut name, mut id) = (None, None);
    for attribute in attributes(bytes) {
        let attribute = attribute?;
        match attribute.kind() {
            GROUP_NAME => name = Some(text(attribute.value)),
            GROUP_ID => id = u32_of(attribute.value),
            _ => {}
        }
    }
    Ok(name.zip(id))
}
