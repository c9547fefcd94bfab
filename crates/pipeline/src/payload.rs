//! What a packet carries behind its headers, as far as a network looks at it: questions to the services of a chassis,
//! and the packet that an ICMP error is about.

use std::net::Ipv4Addr;

use packet::{Frame, Mac, Transport, dhcp4, proto};

use crate::bytes::quoted;
use crate::conntrack::Tuple;

/// UDP ports of the services.
const DNS: u16 = 53;
const DHCP_V6_SERVER: u16 = 547;
/// The fixed part of a DHCPv4 message with the magic cookie, in bytes (RFC 2131, section 2).
const DHCP_HEADER: usize = 240;

/// What a packet carries.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Payload {
    /// Nobody said: what depends on it is assumed, and the trace says so.
    #[default]
    Unknown,
    /// A message of DHCPv4.
    Dhcp4(Dhcp4),
    /// A message of DHCPv6, of this type (RFC 8415, section 7.3).
    Dhcp6(u8),
    /// A question for a name.
    Dns {
        /// The name, without a point at its end.
        name: String,
        /// The type of the question: 1 for A, 28 for AAAA, 12 for PTR, 255 for all.
        kind: u16,
    },
    /// The beginning of the packet that an ICMP error is about.
    About(Tuple),
    /// Something that no network looks at.
    Data,
}

/// A message of DHCPv4 (RFC 2131).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Dhcp4 {
    /// Whether it is a server's.
    pub from_server: bool,
    /// The message type, option 53: 1 DISCOVER, 2 OFFER, 3 REQUEST, 4 DECLINE, 5 ACK, 6 NAK, 7 RELEASE, 8 INFORM.
    pub kind: u8,
    /// The address that the client asks for, or has; unspecified for none.
    pub wanted: Ipv4Addr,
    /// `yiaddr`: the address that a server gives.
    pub given: Ipv4Addr,
    /// `giaddr`: the relay that it came by; unspecified for none.
    pub relay: Ipv4Addr,
    /// The server identifier, option 54.
    pub server: Option<Ipv4Addr>,
    /// `chaddr`: the client's address.
    pub client: Mac,
    /// Whether the client wants answers as broadcasts.
    pub broadcast: bool,
}

impl Dhcp4 {
    /// Looks for a server.
    pub const DISCOVER: u8 = 1;
    /// Asks for an address.
    pub const REQUEST: u8 = 3;
    /// Has found its address in use.
    pub const DECLINE: u8 = 4;
    /// Refuses.
    pub const NAK: u8 = 6;
    /// Gives its address back.
    pub const RELEASE: u8 = 7;

    /// The message of a client that looks for servers.
    pub const fn discover(client: Mac) -> Self {
        Self {
            from_server: false,
            kind: Self::DISCOVER,
            wanted: Ipv4Addr::UNSPECIFIED,
            given: Ipv4Addr::UNSPECIFIED,
            relay: Ipv4Addr::UNSPECIFIED,
            server: None,
            client,
            broadcast: true,
        }
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        let header = bytes.get(..DHCP_HEADER)?;
        let address = |at: usize| {
            let bytes: [u8; 4] = header[at..at + 4].try_into().ok()?;
            Some(Ipv4Addr::from(bytes))
        };
        let options = dhcp4::options(&bytes[DHCP_HEADER..]);
        let option = |code| options.iter().find(|it| it.code == code).map(|it| &it.data);
        let option_address = |code| {
            let bytes: [u8; 4] = option(code)?.as_slice().try_into().ok()?;
            Some(Ipv4Addr::from(bytes))
        };
        Some(Self {
            from_server: header[0] == 2,
            kind: *option(53)?.first()?,
            wanted: option_address(50).or_else(|| address(12))?,
            given: address(16)?,
            relay: address(24)?,
            server: option_address(54),
            client: Mac(header[28..34].try_into().ok()?),
            broadcast: header[10] & 0x80 != 0,
        })
    }
}

impl Payload {
    /// What a frame carries.
    pub fn of(bytes: &[u8]) -> Self {
        let frame = Frame::parse(bytes);
        let Some(ip) = frame.as_ref().and_then(Frame::ip) else {
            return Self::Data;
        };
        let found = match ip.transport {
            Transport::Udp { src, dst, payload } => match (src, dst) {
                (_, dhcp4::SERVER_PORT | dhcp4::CLIENT_PORT) => {
                    Dhcp4::read(payload).map(Self::Dhcp4)
                }
                (_, DHCP_V6_SERVER) => payload.first().map(|kind| Self::Dhcp6(*kind)),
                (_, DNS) => question(payload),
                _ => None,
            },
            Transport::Icmp { kind, body, .. } if is_error(ip.protocol, kind) => {
                quoted(body.get(4..).unwrap_or_default()).map(Self::About)
            }
            _ => None,
        };
        found.unwrap_or(Self::Data)
    }
}

/// Whether a type of ICMP tells of another packet.
pub(crate) const fn is_error(protocol: u8, kind: u8) -> bool {
    match protocol {
        proto::ICMP => matches!(kind, 3 | 4 | 5 | 11 | 12),
        proto::ICMPV6 => kind < 128,
        _ => false,
    }
}

/// The first question of a DNS message (RFC 1035, section 4.1).
fn question(bytes: &[u8]) -> Option<Payload> {
    let header = bytes.get(..12)?;
    let is_answer = header[2] & 0x80 != 0;
    if is_answer || header[4..6] == [0, 0] {
        return None;
    }
    let mut labels = Vec::new();
    let mut rest = &bytes[12..];
    loop {
        let (length, behind) = rest.split_first()?;
        let length = usize::from(*length);
        if length == 0 {
            let kind: [u8; 2] = behind.get(..2)?.try_into().ok()?;
            return Some(Payload::Dns {
                name: labels.join("."),
                kind: u16::from_be_bytes(kind),
            });
        }
        labels.push(String::from_utf8_lossy(behind.get(..length)?).into_owned());
        rest = &behind[length..];
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_question_is_read() {
        let mut bytes = vec![0, 1, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
        bytes.extend(b"\x02db\x07example\x00\x00\x1c\x00\x01");
        let expected = Payload::Dns {
            name: "db.example".into(),
            kind: 28,
        };
        assert_eq!(question(&bytes), Some(expected));
        for end in 0..bytes.len() - 2 {
            assert_eq!(question(&bytes[..end]), None);
        }
        bytes[2] |= 0x80;
        assert_eq!(question(&bytes), None);
    }

    #[test]
    fn a_dhcp_message_is_read() {
        let mut bytes = vec![0; DHCP_HEADER];
        bytes[0] = 1;
        bytes[10] = 0x80;
        bytes[28..34].copy_from_slice(&[2, 0, 0, 0, 0, 1]);
        bytes.extend([53, 1, 3, 50, 4, 10, 0, 0, 5, 255]);
        let read = Dhcp4::read(&bytes).unwrap();
        let expected = Dhcp4 {
            kind: Dhcp4::REQUEST,
            wanted: Ipv4Addr::new(10, 0, 0, 5),
            ..Dhcp4::discover(Mac([2, 0, 0, 0, 0, 1]))
        };
        assert_eq!(read, expected);
        assert_eq!(Dhcp4::read(&bytes[..DHCP_HEADER]), None);
    }
}
