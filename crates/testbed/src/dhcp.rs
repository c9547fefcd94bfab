//! A DHCP client (RFC 2131) for VMs: discover, offer, request, acknowledgement; once.

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use dhcproto::v4::{DhcpOption, Flags, Message, MessageType, OptionCode};
use dhcproto::{Decodable, Decoder, Encodable};
use nix::sys::socket::{setsockopt, sockopt};

/// Each question is asked this often, and so long is waited for each answer.
const TRIES: u32 = 5;
const PATIENCE: Duration = Duration::from_millis(700);

/// What the server granted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lease {
    /// The address.
    pub address: Ipv4Addr,
    /// Length of the subnet's prefix.
    pub prefix: u8,
    /// The first router, if any is named.
    pub gateway: Option<Ipv4Addr>,
    /// Servers for names.
    pub dns: Vec<Ipv4Addr>,
    /// The MTU of the interface, if it is to change.
    pub mtu: Option<u16>,
    /// Seconds that the lease holds.
    pub seconds: u32,
    /// Who granted it.
    pub server: Ipv4Addr,
}

/// Asks on `interface`, which needs no address yet, in the namespace of the calling thread.
pub(crate) fn ask(interface: &str, mac: &str) -> Result<Lease> {
    let mac = parse_mac(mac)?;
    let socket = open(interface)?;
    let number = u32::from_be_bytes([mac[2], mac[3], mac[4], mac[5]]);
    let offer = exchange(&socket, &discover(&mac, number), MessageType::Offer)
        .context("asking for an offer by DHCP")?;
    let request = request(&mac, number, &offer);
    let granted = exchange(&socket, &request, MessageType::Ack).context("taking the DHCP offer")?;
    read(&granted)
}

fn parse_mac(text: &str) -> Result<[u8; 6]> {
    let bytes: Vec<u8> = text
        .split(':')
        .map(|part| u8::from_str_radix(part, 16))
        .collect::<Result<_, _>>()
        .with_context(|| format!("bad MAC address {text}"))?;
    bytes
        .try_into()
        .ok()
        .with_context(|| format!("bad MAC address {text}"))
}

fn open(interface: &str) -> Result<UdpSocket> {
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 68)).context("cannot bind port 68")?;
    socket.set_broadcast(true)?;
    socket.set_read_timeout(Some(PATIENCE))?;
    setsockopt(&socket, sockopt::BindToDevice, &interface.into())
        .with_context(|| format!("cannot bind to {interface}"))?;
    Ok(socket)
}

/// A message of ours. Without an address the kernel takes in no packet sent to one, so the answers are
/// asked for as broadcasts (RFC 2131, section 4.1).
fn message(mac: &[u8; 6], number: u32, kind: MessageType) -> Message {
    let mut message = Message::default();
    message
        .set_xid(number)
        .set_flags(Flags::default().set_broadcast())
        .set_chaddr(mac);
    let options = message.opts_mut();
    options.insert(DhcpOption::MessageType(kind));
    options.insert(DhcpOption::ParameterRequestList(vec![
        OptionCode::SubnetMask,
        OptionCode::Router,
        OptionCode::DomainNameServer,
        OptionCode::InterfaceMtu,
    ]));
    message
}

fn discover(mac: &[u8; 6], number: u32) -> Message {
    message(mac, number, MessageType::Discover)
}

fn request(mac: &[u8; 6], number: u32, offer: &Message) -> Message {
    let mut message = message(mac, number, MessageType::Request);
    let options = message.opts_mut();
    options.insert(DhcpOption::RequestedIpAddress(offer.yiaddr()));
    if let Some(server) = offer.opts().get(OptionCode::ServerIdentifier) {
        options.insert(server.clone());
    }
    message
}

fn exchange(socket: &UdpSocket, question: &Message, wanted: MessageType) -> Result<Message> {
    let bytes = question.to_vec()?;
    let everybody = SocketAddr::from((Ipv4Addr::BROADCAST, 67));
    for _ in 0..TRIES {
        socket.send_to(&bytes, everybody).context("cannot send")?;
        let mut buffer = [0; 1500];
        // A timeout means that the question is asked again.
        while let Ok(length) = socket.recv(&mut buffer) {
            let Ok(answer) = Message::decode(&mut Decoder::new(&buffer[..length])) else {
                continue;
            };
            if answer.xid() != question.xid() {
                continue;
            }
            match answer.opts().msg_type() {
                Some(kind) if kind == wanted => return Ok(answer),
                Some(MessageType::Nak) => bail!("the server refused"),
                _ => {}
            }
        }
    }
    bail!("no answer to {TRIES} questions")
}

fn read(message: &Message) -> Result<Lease> {
    let mut lease = Lease {
        address: message.yiaddr(),
        prefix: 32,
        gateway: None,
        dns: vec![],
        mtu: None,
        seconds: 0,
        server: Ipv4Addr::UNSPECIFIED,
    };
    for (_, option) in message.opts().iter() {
        match option {
            DhcpOption::SubnetMask(mask) => {
                lease.prefix = u8::try_from(mask.to_bits().leading_ones()).unwrap_or(32);
            }
            DhcpOption::Router(routers) => lease.gateway = routers.first().copied(),
            DhcpOption::DomainNameServer(servers) => lease.dns.clone_from(servers),
            DhcpOption::InterfaceMtu(mtu) => lease.mtu = Some(*mtu),
            DhcpOption::AddressLeaseTime(seconds) => lease.seconds = *seconds,
            DhcpOption::ServerIdentifier(server) => lease.server = *server,
            _ => {}
        }
    }
    if lease.address.is_unspecified() {
        bail!("the server granted no address");
    }
    Ok(lease)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAC: [u8; 6] = [2, 0, 0, 0, 0, 1];

    fn acknowledgement() -> Message {
        let mut answer = Message::default();
        answer.set_yiaddr([192, 0, 2, 10]);
        let options = answer.opts_mut();
        options.insert(DhcpOption::MessageType(MessageType::Ack));
        options.insert(DhcpOption::SubnetMask(Ipv4Addr::new(255, 255, 255, 0)));
        options.insert(DhcpOption::Router(vec![Ipv4Addr::new(192, 0, 2, 1)]));
        options.insert(DhcpOption::AddressLeaseTime(3600));
        options.insert(DhcpOption::ServerIdentifier(Ipv4Addr::new(192, 0, 2, 1)));
        answer
    }

    #[test]
    fn a_lease_is_read() {
        let lease = read(&acknowledgement()).unwrap();
        assert_eq!(lease.address, Ipv4Addr::new(192, 0, 2, 10));
        assert_eq!((lease.prefix, lease.seconds), (24, 3600));
        assert_eq!(lease.gateway, Some(Ipv4Addr::new(192, 0, 2, 1)));
    }

    #[test]
    fn an_answer_without_an_address_is_no_lease() {
        assert!(read(&Message::default()).is_err());
    }

    #[test]
    fn the_request_names_the_server_that_offered() {
        let request = request(&MAC, 7, &acknowledgement());
        let server = request.opts().get(OptionCode::ServerIdentifier);
        assert_eq!(
            server,
            Some(&DhcpOption::ServerIdentifier(Ipv4Addr::new(192, 0, 2, 1)))
        );
        assert_eq!(request.xid(), 7);
    }

    #[test]
    fn a_bad_mac_is_refused() {
        assert!(parse_mac("02:00:00:00:00").is_err());
        assert!(parse_mac("02:00:00:00:00:zz").is_err());
    }
}
