//! DHCPv4 (RFC 2131) as a server needs it: read a client's message, build the answer from options
//! that are already encoded.

use std::net::Ipv4Addr;

use dhcproto::v4::{self, DhcpOption, MessageType, OptionCode, UnknownOption};
use dhcproto::{Decodable, Encodable};

use crate::build::{Addresses, ip};
use crate::{Ethernet, Ip, Mac, Transport, with_vlan};

/// UDP port of servers.
pub const SERVER_PORT: u16 = 67;
/// Length of the fixed part of a message with the magic cookie, in octets.
const HEADER: usize = 240;
/// The option that ends the options.
const END: u8 = 255;
/// UDP port of clients.
pub const CLIENT_PORT: u16 = 68;

/// What a client sent.
#[derive(Clone, Debug)]
pub struct Request {
    message: v4::Message,
    /// What it wants.
    pub kind: RequestKind,
    /// Requested address option, or else the client's own address; unspecified when it gave none.
    pub requested: Ipv4Addr,
    /// Server identifier option: the server that the client chose.
    pub server: Option<Ipv4Addr>,
    /// The client runs iPXE (option 175 is present).
    pub ipxe: bool,
}

/// Messages of clients (RFC 2131 section 3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RequestKind {
    /// Looks for servers.
    Discover,
    /// Asks for, or renews, an address.
    Request,
    /// Has found the address in use.
    Decline,
    /// Gives the address back.
    Release,
    /// Has an address and wants only options.
    Inform,
}

/// Messages of servers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReplyKind {
    /// Offers an address.
    Offer,
    /// Grants it.
    Ack,
    /// Refuses.
    Nak,
}

impl ReplyKind {
    /// The name used in logs.
    pub fn name(self) -> &'static str {
        match self {
            Self::Offer => "OFFER",
            Self::Ack => "ACK",
            Self::Nak => "NAK",
        }
    }
}

/// Why a packet is not a client's message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Not UDP, or too short.
    #[error("invalid or incomplete DHCP packet received")]
    NotDhcp,
    /// A server's message.
    #[error("invalid opcode in the DHCP packet")]
    NotRequest,
    /// Option 53 is missing or not a client's.
    #[error("missing or invalid DHCP message type")]
    MessageType,
}

/// One option, encoded: code and data (at most 255 octets are sent in one piece).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RawOption {
    /// Option code, neither 0 (pad) nor 255 (end).
    pub code: u8,
    /// Data, without code and length.
    pub data: Vec<u8>,
}

/// The answer to build.
#[derive(Clone, Debug)]
pub struct Reply {
    /// Kind of the message.
    pub kind: ReplyKind,
    /// The client's address; unspecified in NAK and in the answer to INFORM.
    pub yiaddr: Ipv4Addr,
    /// Next server for booting.
    pub siaddr: Ipv4Addr,
    /// Options besides the message type.
    pub options: Vec<RawOption>,
    /// IP source of the answer.
    pub src: Ipv4Addr,
    /// IP destination of the answer.
    pub dst: Ipv4Addr,
    /// UDP source and destination port; [`SERVER_PORT`] and [`CLIENT_PORT`] in a finished answer.
    pub ports: (u16, u16),
}

impl Request {
    /// Reads the DHCP message in an IP packet. The library reads the fixed part only: it panics on options
    /// whose length is not the one that their code asks for.
    pub fn parse(packet: &Ip<'_>) -> Result<Self, Error> {
        let Transport::Udp { payload, .. } = packet.transport else {
            return Err(Error::NotDhcp);
        };
        // The hardware address has room for 16 octets, whatever length the message states.
        if payload.get(2).is_none_or(|hlen| *hlen > 16) {
            return Err(Error::NotDhcp);
        }
        // A missing magic cookie decodes as BOOTP; that is no DHCP.
        if payload.get(236..240) != Some(&v4::MAGIC[..]) {
            return Err(Error::NotDhcp);
        }
        let (header, rest) = payload.split_at(HEADER);
        let mut header = header.to_vec();
        header.push(END);
        let message = v4::Message::from_bytes(&header).map_err(|_| Error::NotDhcp)?;
        if message.opcode() != v4::Opcode::BootRequest {
            return Err(Error::NotRequest);
        }
        let options = options(rest);
        let option = |code: u8| options.iter().find(|option| option.code == code);
        let address = |code| {
            Some(Ipv4Addr::from(
                <[u8; 4]>::try_from(&*option(code)?.data).ok()?,
            ))
        };
        let kind = match option(53).map(|option| &*option.data) {
            Some([1]) => RequestKind::Discover,
            Some([3]) => RequestKind::Request,
            Some([4]) => RequestKind::Decline,
            Some([7]) => RequestKind::Release,
            Some([8]) => RequestKind::Inform,
            _ => return Err(Error::MessageType),
        };
        let requested = address(50).unwrap_or_else(|| message.ciaddr());
        let server = address(54);
        let ipxe = option(175).is_some();
        Ok(Self {
            message,
            kind,
            requested,
            server,
            ipxe,
        })
    }

    /// The client's hardware address, when it is an Ethernet address.
    pub fn client(&self) -> Option<Mac> {
        <[u8; 6]>::try_from(self.message.chaddr()).ok().map(Mac)
    }

    /// The client's own address.
    pub fn ciaddr(&self) -> Ipv4Addr {
        self.message.ciaddr()
    }

    /// Next server as the client states it.
    pub fn siaddr(&self) -> Ipv4Addr {
        self.message.siaddr()
    }

    /// The client cannot receive unicast before it is configured.
    pub fn broadcast(&self) -> bool {
        self.message.flags().broadcast()
    }

    /// The frame of an answer. `None` when the options do not fit in a packet.
    pub fn reply(&self, eth: Ethernet, reply: &Reply) -> Option<Vec<u8>> {
        let mut message = self.message.clone();
        message.set_opcode(v4::Opcode::BootReply);
        message.set_yiaddr(reply.yiaddr);
        message.set_siaddr(reply.siaddr);
        let mut options = v4::DhcpOptions::new();
        for o in reply
            .options
            .iter()
            .filter(|o| !matches!(o.code, 0 | 53 | 255))
        {
            let code = OptionCode::from(o.code);
            options.insert(DhcpOption::Unknown(UnknownOption::new(
                code,
                o.data.clone(),
            )));
        }
        options.insert(DhcpOption::MessageType(match reply.kind {
            ReplyKind::Offer => MessageType::Offer,
            ReplyKind::Ack => MessageType::Ack,
            ReplyKind::Nak => MessageType::Nak,
        }));
        message.set_opts(options);
        let mut payload = message.to_vec().ok()?;
        // Relays and old clients expect the size of a BOOTP message (RFC 1542 section 2.1).
        payload.resize(payload.len().max(v4::MIN_PACKET_SIZE), 0);
        let addresses = Addresses {
            src: reply.src.into(),
            dst: reply.dst.into(),
        };
        let step = ip(eth, addresses, 64)?.udp(reply.ports.0, reply.ports.1);
        let mut out = Vec::with_capacity(step.size(payload.len()) + 4);
        step.write(&mut out, &payload).ok()?;
        Some(with_vlan(out, eth.vlan))
    }
}

/// Splits encoded options; what is cut short ends the list.
pub fn options(mut bytes: &[u8]) -> Vec<RawOption> {
    let mut found = Vec::new();
    loop {
        match *bytes {
            [0, ref rest @ ..] => bytes = rest,
            [255, ..] | [] | [_] => return found,
            [code, len, ref rest @ ..] => {
                let Some((data, rest)) = rest.split_at_checked(usize::from(len)) else {
                    return found;
                };
                found.push(RawOption {
                    code,
                    data: data.to_vec(),
                });
                bytes = rest;
            }
        }
    }
}
