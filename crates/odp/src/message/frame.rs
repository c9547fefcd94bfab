//! Netlink's own layer: a datagram holds messages, some of which are about other messages.

use netlink_packet_core::{
    ErrorBuffer, NLM_F_ACK_TLVS, NLM_F_CAPPED, NLM_F_DUMP_INTR, NetlinkBuffer,
};

use crate::attribute::{DecodeError, attributes, text};

/// Netlink's header.
const HEADER: usize = 16;
/// All headers before the attributes of a message to a datapath.
pub(super) const HEADERS: usize = HEADER + GENERIC + 4;
/// Generic netlink's header.
const GENERIC: usize = 4;

const NOOP: u16 = 1;
const ERROR: u16 = 2;
const DONE: u16 = 3;
const OVERRUN: u16 = 4;

/// In an error: what was wrong, in words.
const ERROR_MESSAGE: u16 = 1;

/// A message of a datagram.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame<'a> {
    /// The number of the request that it answers; zero if it answers none.
    pub sequence: u32,
    /// The objects changed while they were listed: the list is perhaps not complete.
    pub interrupted: bool,
    /// What it says.
    pub content: Content<'a>,
}

/// What a message says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content<'a> {
    /// Something of a family.
    Object {
        /// The number that the kernel gave the family.
        family: u16,
        /// The command.
        command: u8,
        /// What follows generic netlink's header.
        body: &'a [u8],
    },
    /// A request is done, or refused.
    Answer {
        /// Why it was refused, as `errno` has it; zero if it was not.
        errno: i32,
        /// What the kernel says about it.
        said: Option<String>,
    },
    /// The list ends here.
    Done {
        /// Why it ends early, as `errno` has it; zero if it does not.
        errno: i32,
    },
    /// Nothing.
    Noop,
    /// Messages were lost.
    Overrun,
}

pub(super) fn write_header(out: &mut Vec<u8>, length: u32, kind: u16, flags: u16, sequence: u32) {
    out.extend_from_slice(&length.to_ne_bytes());
    out.extend_from_slice(&kind.to_ne_bytes());
    out.extend_from_slice(&flags.to_ne_bytes());
    out.extend_from_slice(&sequence.to_ne_bytes());
    // The kernel fills in who sends it.
    out.extend_from_slice(&[0; 4]);
}

/// The messages of a datagram. The first fault ends them.
pub fn frames(datagram: &[u8]) -> impl Iterator<Item = Result<Frame<'_>, DecodeError>> {
    let mut rest = datagram;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let (frame, after) = match first(rest) {
            Ok(found) => found,
            Err(error) => {
                rest = &[];
                return Some(Err(error));
            }
        };
        rest = after;
        Some(Ok(frame))
    })
}

fn first(bytes: &[u8]) -> Result<(Frame<'_>, &[u8]), DecodeError> {
    let short = |what| DecodeError::Short {
        what,
        length: bytes.len(),
    };
    let message = NetlinkBuffer::new_checked(bytes).map_err(|_| short("netlink"))?;
    // At most what is there, or it would not be a message.
    let length = usize::try_from(message.length()).unwrap_or(usize::MAX);
    let payload = bytes.get(HEADER..length).ok_or_else(|| short("netlink"))?;
    let content = match message.message_type() {
        NOOP => Content::Noop,
        OVERRUN => Content::Overrun,
        DONE => Content::Done {
            errno: super::u32_at(payload, 0).map_or(0, errno),
        },
        ERROR => answer(payload, message.flags()).ok_or_else(|| short("an error"))?,
        family => Content::Object {
            family,
            command: *payload.first().ok_or_else(|| short("generic netlink"))?,
            body: payload
                .get(GENERIC..)
                .ok_or_else(|| short("generic netlink"))?,
        },
    };
    let frame = Frame {
        sequence: message.sequence_number(),
        interrupted: message.flags() & NLM_F_DUMP_INTR != 0,
        content,
    };
    let after = bytes.get(length.next_multiple_of(4)..).unwrap_or_default();
    Ok((frame, after))
}

/// The kernel's codes are below zero.
const fn errno(code: u32) -> i32 {
    code.cast_signed().wrapping_neg()
}

fn answer(payload: &[u8], flags: u16) -> Option<Content<'_>> {
    let error = ErrorBuffer::new_checked(payload).ok()?;
    let code = error.code().map_or(0, std::num::NonZeroI32::get);
    let request = error.payload();
    let skipped = match flags & NLM_F_CAPPED {
        0 => usize::try_from(super::u32_at(request, 0).unwrap_or(0)).ok()?,
        _ => HEADER,
    };
    let words = match flags & NLM_F_ACK_TLVS {
        0 => None,
        _ => request.get(skipped.checked_next_multiple_of(4)?..),
    };
    let said = attributes(words.unwrap_or_default())
        .filter_map(Result::ok)
        .find(|attribute| attribute.kind() == ERROR_MESSAGE)
        .map(|attribute| text(attribute.value));
    Some(Content::Answer {
        errno: code.wrapping_neg(),
        said,
    })
}
