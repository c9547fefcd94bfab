//! DHCPv4: the answer is made in place of the request, and the pipeline goes on with it.
//!
//! The answer keeps the request's Ethernet addresses, IP source and UDP ports: by them the flow that
//! follows knows it, and turns it around. Names and numbers in log lines are those that scripts look for.

use std::net::{IpAddr, Ipv4Addr};

use packet::dhcp4::{CLIENT_PORT, RawOption, Reply, ReplyKind, Request, RequestKind, SERVER_PORT};
use packet::{Frame, Ip, Transport};
use physical::opcode::{Dhcpv4Request, OptionsRequest};

use super::{Effect, Module};

/// Options that say to whom an address belongs and for how long; an answer to INFORM has none.
const ABOUT_THE_LEASE: [u8; 4] = [1, 51, 58, 59];
const BOOT_FILE: u8 = 67;
/// Instruction: next server for booting.
const NEXT_SERVER: u8 = 253;
/// Instruction: the boot file for clients that do not run iPXE yet.
const BOOT_FILE_ALT: u8 = 254;

/// What to do with a request: always exactly one resume, and perhaps a line for the log.
pub(super) fn answer(frame: &Frame<'_>, args: &[u8]) -> (Vec<Effect>, Option<(Module, String)>) {
    let options = match OptionsRequest::decode(args) {
        Ok(options) => options,
        Err(error) => {
            let resume = Effect::Resume {
                packet: None,
                result: None,
            };
            return (
                vec![resume],
                Some((Module::Warn, format!("put_dhcp_opts: {error}"))),
            );
        }
    };
    let (packet, line) = match Dhcpv4Request::decode(&options.body) {
        Ok(offer) => reply(frame, &offer),
        Err(error) => (
            None,
            Some((Module::Warn, format!("put_dhcp_opts: {error}"))),
        ),
    };
    let result = Some((options.result, packet.is_some()));
    (vec![Effect::Resume { packet, result }], line)
}

fn reply(frame: &Frame<'_>, offer: &Dhcpv4Request) -> (Option<Vec<u8>>, Option<(Module, String)>) {
    let warn = |text: String| (None, Some((Module::Warn, text)));
    let Some(ip) = frame.ip() else {
        return warn("put_dhcp_opts: not an IP packet".into());
    };
    let request = match Request::parse(ip) {
        Ok(request) => request,
        Err(error) => return warn(error.to_string()),
    };
    let client = frame.eth.src;
    let (kind, said) = match request.kind {
        RequestKind::Discover => (ReplyKind::Offer, None),
        RequestKind::Request if request.requested == offer.offer => (ReplyKind::Ack, None),
        RequestKind::Request => {
            let (asked, ours) = (request.requested, offer.offer);
            let text = format!("DHCPREQUEST requested IP {asked} does not match offer {ours}");
            (ReplyKind::Nak, Some((Module::Warn, text)))
        }
        RequestKind::Inform => {
            let text = format!("DHCPINFORM from {client} {}", ip.src);
            (ReplyKind::Ack, Some((Module::Info, text)))
        }
        RequestKind::Release => {
            let text = format!("DHCPRELEASE {client} {}", request.ciaddr());
            return (None, Some((Module::Info, text)));
        }
        RequestKind::Decline => {
            let text = format!("DHCPDECLINE from {client}, {} duplicated", offer.offer);
            return (
                None,
                (request.requested == offer.offer).then_some((Module::Info, text)),
            );
        }
    };
    let packet = request.reply(frame.eth, &compose(ip, &request, kind, offer));
    let done = || {
        (
            Module::Info,
            format!("DHCP{} {client} {}", kind.name(), offer.offer),
        )
    };
    let line = said.or_else(|| packet.as_ref().map(|_| done()));
    (packet, line)
}

fn compose(ip: &Ip<'_>, request: &Request, kind: ReplyKind, offer: &Dhcpv4Request) -> Reply {
    let inform = request.kind == RequestKind::Inform;
    let nak = kind == ReplyKind::Nak;
    let address = if inform || nak {
        Ipv4Addr::UNSPECIFIED
    } else {
        offer.offer
    };
    let next_server = offer
        .options
        .iter()
        .find(|(code, _)| *code == NEXT_SERVER)
        .and_then(|(_, value)| <[u8; 4]>::try_from(value.as_slice()).ok())
        .map_or_else(|| request.siaddr(), Ipv4Addr::from);
    let options = if nak {
        Vec::new()
    } else {
        wire_options(request, &offer.options)
    };
    // A client that is refused has no address that a unicast could reach (RFC 2131 section 4.1).
    let dst = if request.broadcast() || nak {
        Ipv4Addr::BROADCAST
    } else {
        offer.offer
    };
    let src = match ip.src {
        IpAddr::V4(src) => src,
        IpAddr::V6(_) => Ipv4Addr::UNSPECIFIED,
    };
    let ports = match ip.transport {
        Transport::Udp { src, dst, .. } => (src, dst),
        _ => (CLIENT_PORT, SERVER_PORT),
    };
    let siaddr = if nak {
        Ipv4Addr::UNSPECIFIED
    } else {
        next_server
    };
    Reply {
        kind,
        yiaddr: address,
        siaddr,
        options,
        src,
        dst,
        ports,
    }
}

/// The options that go on the wire: instructions to the agent are carried out and left out.
fn wire_options(request: &Request, given: &[(u8, Vec<u8>)]) -> Vec<RawOption> {
    let value = |code| {
        given
            .iter()
            .find(|(c, _)| *c == code)
            .map(|(_, value)| value.clone())
    };
    // The alternative file chain-loads iPXE, so it is for those who are not iPXE yet.
    let boot_file = match (value(BOOT_FILE), value(BOOT_FILE_ALT)) {
        (Some(file), Some(_)) if request.ipxe => Some(file),
        (_, Some(alternative)) => Some(alternative),
        (file, None) => file,
    };
    let inform = request.kind == RequestKind::Inform;
    given
        .iter()
        .filter(|(code, _)| !matches!(*code, BOOT_FILE | BOOT_FILE_ALT | NEXT_SERVER))
        .filter(|(code, _)| !inform || !ABOUT_THE_LEASE.contains(code))
        .map(|(code, data)| RawOption {
            code: *code,
            data: data.clone(),
        })
        .chain(boot_file.map(|data| RawOption {
            code: BOOT_FILE,
            data,
        }))
        .collect()
}
