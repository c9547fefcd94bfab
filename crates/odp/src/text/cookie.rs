//! What `ovs-vswitchd` sends along with packets to user space: it is written by name where it is known.
//!
//! The layout is that of `struct user_action_cookie` of Open vSwitch 3.x: a type, the OpenFlow port, the
//! UUID of the bridge, and what the type needs; 48 bytes together, in the machine's byte order.

use super::Format;
use super::key::{Flags, print_port, unmasked};
use super::scanner::{Result, Scanner};
use super::value::{hex, plain};
use crate::id::PortNo;
use crate::layout::Value;

/// How long one is.
const LENGTH: usize = 48;
/// Where the part begins that depends on the type.
const BODY: usize = 24;
/// No OpenFlow port.
const NO_PORT: u32 = 0xffff;

const SFLOW: u16 = 1;
const SLOW_PATH: u16 = 2;
const FLOW_SAMPLE: u16 = 3;
const IPFIX: u16 = 4;
const CONTROLLER: u16 = 5;

const REASONS: Flags = &[
    (0x01, "cfm"),
    (0x02, "bfd"),
    (0x04, "lacp"),
    (0x08, "stp"),
    (0x10, "lldp"),
    (0x20, "action"),
    (0x40, "match"),
];

struct Cookie<'a>(&'a [u8]);

impl Cookie<'_> {
    fn u16(&self, at: usize) -> u16 {
        let bytes = self
            .0
            .get(at..at + 2)
            .and_then(|bytes| bytes.try_into().ok());
        bytes.map_or(0, u16::from_ne_bytes)
    }

    fn u32(&self, at: usize) -> u32 {
        crate::message::u32_at(self.0, at).unwrap_or(0)
    }

    fn body_u16(&self, at: usize) -> u16 {
        self.u16(BODY + at)
    }

    fn body_u32(&self, at: usize) -> u32 {
        self.u32(BODY + at)
    }
}

/// The data of an action, with the comma before it.
pub(super) fn print(data: &[u8], format: &Format<'_>, out: &mut String) {
    let begin = out.len();
    out.push(',');
    if data.len() == LENGTH && known(&Cookie(data), format, out) {
        // What the text does not say would be lost.
        let mut scanner = Scanner::new(&out[begin + 1..]);
        if format.names.is_some() || parse(&mut scanner).is_ok_and(|read| plain_part(&read, data)) {
            return;
        }
    }
    out.truncate(begin);
    out.push_str(",userdata(");
    for byte in data {
        plain(format_args!("{byte:02x}"), out);
    }
    out.push(')');
}

/// True if the parts are the same that the text speaks of; who sends it is not among them.
fn plain_part(read: &[u8], data: &[u8]) -> bool {
    read[..2] == data[..2] && read[BODY..] == data[BODY..]
}

fn known(cookie: &Cookie<'_>, format: &Format<'_>, out: &mut String) -> bool {
    match cookie.u16(0) {
        SFLOW => {
            let tci: u16 = Value::read(&cookie.0[BODY..BODY + 2]).unwrap_or(0);
            let (vid, pcp, output) = (tci & 0xfff, tci >> 13, cookie.body_u32(4));
            plain(
                format_args!("sFlow(vid={vid},pcp={pcp},output={output})"),
                out,
            );
        }
        SLOW_PATH => {
            out.push_str("slow_path(");
            unmasked(cookie.body_u32(4), ",", REASONS, out);
            out.push(')');
        }
        FLOW_SAMPLE => print_sample(cookie, format, out),
        IPFIX => {
            out.push_str("ipfix(output_port=");
            print_port(PortNo(cookie.body_u32(0)), format, out);
            out.push(')');
        }
        CONTROLLER => print_controller(cookie, out),
        _ => return false,
    }
    true
}

fn print_sample(cookie: &Cookie<'_>, format: &Format<'_>, out: &mut String) {
    let text = format_args!(
        "flow_sample(probability={},collector_set_id={},obs_domain_id={},obs_point_id={},output_port=",
        cookie.body_u16(0),
        cookie.body_u32(4),
        cookie.body_u32(8),
        cookie.body_u32(12)
    );
    plain(text, out);
    print_port(PortNo(cookie.body_u32(16)), format, out);
    out.push_str(match cookie.body_u32(20) {
        1 => ",ingress)",
        2 => ",egress)",
        _ => ")",
    });
}

fn print_controller(cookie: &Cookie<'_>, out: &mut String) {
    let text = format_args!(
        "controller(reason={},dont_send={},continuation={},recirc_id={},rule_cookie=",
        cookie.body_u16(2),
        u8::from(cookie.0[BODY] != 0),
        u8::from(cookie.0[BODY + 1] != 0),
        cookie.body_u32(4)
    );
    plain(text, out);
    let rule: u64 = Value::read(&cookie.0[BODY + 8..BODY + 16]).unwrap_or(0);
    hex(rule, out);
    let (id, length) = (cookie.body_u16(16), cookie.body_u16(18));
    plain(format_args!(",controller_id={id},max_len={length})"), out);
}

/// One that is being read: what is not said is zero.
struct Making([u8; LENGTH]);

impl Making {
    fn new(kind: u16) -> Self {
        let mut bytes = [0; LENGTH];
        bytes[..2].copy_from_slice(&kind.to_ne_bytes());
        bytes[4..8].copy_from_slice(&NO_PORT.to_ne_bytes());
        Self(bytes)
    }

    fn put(&mut self, at: usize, bytes: &[u8]) {
        let at = BODY + at;
        self.0[at..at + bytes.len()].copy_from_slice(bytes);
    }
}

/// A number behind a name.
fn named(scanner: &mut Scanner<'_>, name: &str) -> Result<u32> {
    scanner.expect(name)?;
    scanner.u32()
}

fn named_u16(scanner: &mut Scanner<'_>, name: &str) -> Result<u16> {
    scanner.expect(name)?;
    scanner.u16()
}

/// Reads what stands behind the comma, if it is known by name; `userdata` is.
pub(super) fn parse(scanner: &mut Scanner<'_>) -> Result<Vec<u8>> {
    let making = if scanner.eat("sFlow(") {
        parse_sflow(scanner)?
    } else if scanner.eat("slow_path(") {
        parse_slow_path(scanner)?
    } else if scanner.eat("flow_sample(") {
        parse_sample(scanner)?
    } else if scanner.eat("ipfix(") {
        let mut making = Making::new(IPFIX);
        making.put(0, &named(scanner, "output_port=")?.to_ne_bytes());
        making
    } else if scanner.eat("controller(") {
        parse_controller(scanner)?
    } else {
        scanner.expect("userdata(")?;
        let bytes = scanner.hex()?;
        scanner.expect(")")?;
        return Ok(bytes);
    };
    scanner.expect(")")?;
    Ok(making.0.to_vec())
}

fn parse_sflow(scanner: &mut Scanner<'_>) -> Result<Making> {
    let mut making = Making::new(SFLOW);
    scanner.expect("vid=")?;
    let vid = scanner.number(0xfff)?;
    scanner.expect(",pcp=")?;
    let tag = vid | scanner.number(7)? << 13;
    // A tag is there if anything of it is.
    let tag = if tag == 0 { 0 } else { tag | 0x1000 };
    making.put(0, &u16::try_from(tag).unwrap_or(0).to_be_bytes());
    making.put(4, &named(scanner, ",output=")?.to_ne_bytes());
    Ok(making)
}

fn parse_slow_path(scanner: &mut Scanner<'_>) -> Result<Making> {
    let mut making = Making::new(SLOW_PATH);
    let mut reasons = 0;
    while !scanner.rest().starts_with(')') {
        let found = REASONS.iter().find(|(_, name)| scanner.word(name));
        reasons |= match found {
            Some((bit, _)) => *bit,
            None => scanner.u32()?,
        };
        if !scanner.eat(",") {
            break;
        }
    }
    making.put(4, &reasons.to_ne_bytes());
    Ok(making)
}

fn parse_sample(scanner: &mut Scanner<'_>) -> Result<Making> {
    let mut making = Making::new(FLOW_SAMPLE);
    making.put(0, &named_u16(scanner, "probability=")?.to_ne_bytes());
    making.put(4, &named(scanner, ",collector_set_id=")?.to_ne_bytes());
    making.put(8, &named(scanner, ",obs_domain_id=")?.to_ne_bytes());
    making.put(12, &named(scanner, ",obs_point_id=")?.to_ne_bytes());
    making.put(16, &named(scanner, ",output_port=")?.to_ne_bytes());
    let direction: u32 = if scanner.eat(",ingress") {
        1
    } else if scanner.eat(",egress") {
        2
    } else {
        0
    };
    making.put(20, &direction.to_ne_bytes());
    Ok(making)
}

fn parse_controller(scanner: &mut Scanner<'_>) -> Result<Making> {
    let mut making = Making::new(CONTROLLER);
    making.put(2, &named_u16(scanner, "reason=")?.to_ne_bytes());
    for (at, name) in [(0, ",dont_send="), (1, ",continuation=")] {
        scanner.expect(name)?;
        making.put(at, &[u8::from(scanner.u8()? != 0)]);
    }
    making.put(4, &named(scanner, ",recirc_id=")?.to_ne_bytes());
    scanner.expect(",rule_cookie=")?;
    making.put(8, &scanner.number(u64::MAX)?.to_be_bytes());
    making.put(16, &named_u16(scanner, ",controller_id=")?.to_ne_bytes());
    making.put(18, &named_u16(scanner, ",max_len=")?.to_ne_bytes());
    Ok(making)
}
