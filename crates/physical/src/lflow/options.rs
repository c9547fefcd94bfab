//! What the agent is to answer: options of DHCP and router advertisements as the bytes that it sends.

use logic::{OptionKind, OptionValue, RouterAdvertisement, Severity, Slice, Verdict};

use super::Trouble;
use super::names;
use crate::opcode::{Dhcpv4Request, Dhcpv6Options, OptionsRequest, ResultBit, ResultField};

/// DHCPv4 option 67, the name of a boot file.
const BOOT_FILE: u8 = 67;
/// The boot file for clients that have booted into iPXE already.
const ALTERNATIVE_BOOT_FILE: u8 = 254;
/// The server that the boot file is on.
const NEXT_SERVER: u8 = 253;

pub(super) fn verdict(verdict: Verdict) -> u8 {
    match verdict {
        Verdict::Allow => 0,
        Verdict::Drop => 1,
        Verdict::Reject => 2,
        Verdict::Pass => 3,
    }
}

/// The severity of syslog (RFC 5424, section 6.2.1).
pub(super) fn severity(severity: Severity) -> u8 {
    match severity {
        Severity::Alert => 1,
        Severity::Warning => 4,
        Severity::Notice => 5,
        Severity::Info => 6,
        Severity::Debug => 7,
    }
}

/// Arguments that name the bit for the answer, then a body.
pub(super) fn request(target: &Slice, body: Vec<u8>) -> Result<Vec<u8>, Trouble> {
    let bits = target.bits();
    let field = match bits.field {
        logic::Field::Reg(n) => ResultField::Reg(n),
        logic::Field::XReg(n) => ResultField::Xreg(n),
        logic::Field::XxReg(n) => ResultField::Xxreg(n),
        _ => return Err(Trouble::field(target)),
    };
    Ok(OptionsRequest {
        result: ResultBit {
            field,
            bit: bits.first.into(),
        },
        body,
    }
    .encode())
}

pub(super) fn dhcp4(target: &Slice, options: &[OptionValue]) -> Result<Vec<u8>, Trouble> {
    let offer = options
        .iter()
        .find(|option| option.option.name == "offerip");
    let offer = offer
        .and_then(|option| option.numbers().next())
        .and_then(logic::Constant::ip4);
    let mut encoded = Vec::new();
    for option in options
        .iter()
        .filter(|option| option.option.name != "offerip")
    {
        let code = u8::try_from(option.option.code).map_err(|_| Trouble::option(option))?;
        encoded.push((code, value(option)?));
    }
    // The agent reads these before all others, because they decide how it answers.
    let rank = |code: u8| match code {
        BOOT_FILE => 0,
        ALTERNATIVE_BOOT_FILE => 1,
        NEXT_SERVER => 2,
        _ => 3,
    };
    encoded.sort_by_key(|(code, _)| rank(*code));
    let offer = offer.ok_or_else(|| Trouble::BadOption("offerip".into()))?;
    let body = Dhcpv4Request {
        offer,
        options: encoded,
    }
    .encode();
    request(
        target,
        body.map_err(|_| Trouble::BadOption("of more than 255 bytes".into()))?,
    )
}

pub(super) fn dhcp6(target: &Slice, options: &[OptionValue]) -> Result<Vec<u8>, Trouble> {
    let encode = |option: &OptionValue| Ok((option.option.code, value(option)?));
    let options = options.iter().map(encode).collect::<Result<_, Trouble>>()?;
    let body = Dhcpv6Options(options).encode();
    request(
        target,
        body.map_err(|_| Trouble::BadOption("of more than 65,535 bytes".into()))?,
    )
}

/// The bytes of an option's value.
fn value(option: &OptionValue) -> Result<Vec<u8>, Trouble> {
    let numbers = |bytes: usize| -> Vec<u8> {
        let low = |number: &logic::Constant| number.value.to_be_bytes()[16 - bytes..].to_vec();
        option.numbers().flat_map(low).collect()
    };
    let one = |bytes: usize| numbers(bytes).into_iter().take(bytes).collect();
    let text = || option.text().unwrap_or_default().as_bytes().to_vec();
    let bytes = match option.option.kind {
        OptionKind::Bool | OptionKind::Uint8 => one(1),
        OptionKind::Uint16 => one(2),
        OptionKind::Uint32 => one(4),
        OptionKind::Ip4 => numbers(4),
        OptionKind::Ip6 => numbers(16),
        OptionKind::Mac => one(6),
        OptionKind::Text => text(),
        OptionKind::HostId if option.text().is_some() => text(),
        OptionKind::HostId => one(4),
        OptionKind::Domains => names::compressed(option.text().unwrap_or_default())
            .ok_or_else(|| Trouble::option(option))?,
        OptionKind::Domain => names::plain(option.text().unwrap_or_default())
            .ok_or_else(|| Trouble::option(option))?,
        OptionKind::StaticRoutes => static_routes(option)?,
    };
    Ok(bytes)
}

/// Classless static routes (RFC 3442): the significant bytes of a network, then its router.
fn static_routes(option: &OptionValue) -> Result<Vec<u8>, Trouble> {
    let mut bytes = Vec::new();
    let routes: Vec<_> = option.numbers().collect();
    for pair in routes.chunks_exact(2) {
        let network = pair[0].ip4().ok_or_else(|| Trouble::option(option))?;
        let router = pair[1].ip4().ok_or_else(|| Trouble::option(option))?;
        let mask = u32::try_from(pair[0].mask_or_exact() & 0xffff_ffff).expect("32 bits");
        let length = mask.leading_ones() as usize;
        bytes.push(u8::try_from(length).expect("at most 32"));
        bytes.extend_from_slice(&network.octets()[..length.div_ceil(8)]);
        bytes.extend_from_slice(&router.octets());
    }
    Ok(bytes)
}

/// A router advertisement (RFC 4861, section 4.2), checksum left out: the agent knows the addresses.
pub(super) fn router_advertisement(
    target: &Slice,
    options: &[OptionValue],
) -> Result<Vec<u8>, Trouble> {
    const INFINITE: [u8; 4] = [0xff; 4];
    const MANAGED: u8 = 0x80;
    let mut flags = 0;
    for option in options {
        flags |= match (option.option.router_advertisement(), option.text()) {
            (Some(RouterAdvertisement::AddressMode), Some("dhcpv6_stateful")) => MANAGED,
            (Some(RouterAdvertisement::AddressMode), Some("dhcpv6_stateless")) => 0x40,
            (Some(RouterAdvertisement::Preference), Some(text)) => preference(text),
            _ => 0,
        };
    }
    // Type, code, checksum; hop limit 255; flags; the longest lifetime; no timers.
    let mut body = vec![134, 0, 0, 0, 255, flags, 0xff, 0xff, 0, 0, 0, 0, 0, 0, 0, 0];
    for option in options {
        let number = option.numbers().next();
        let bytes = |count: usize| {
            let number = number.ok_or_else(|| Trouble::option(option))?;
            Ok::<_, Trouble>(number.value.to_be_bytes()[16 - count..].to_vec())
        };
        match option.option.router_advertisement() {
            Some(RouterAdvertisement::SourceLinkLayer) => {
                body.extend([1, 1]);
                body.extend(bytes(6)?);
            }
            Some(RouterAdvertisement::Mtu) => {
                body.extend([5, 1, 0, 0]);
                body.extend(bytes(4)?);
            }
            Some(RouterAdvertisement::Prefix) => {
                let length = number.map_or(128, |number| number.mask_or_exact().leading_ones());
                let length = u8::try_from(length).expect("at most 128");
                // Hosts make addresses of their own unless DHCP gives them out.
                let on_link = if flags & MANAGED == 0 {
                    0x80 | 0x40
                } else {
                    0x80
                };
                body.extend([3, 4, length, on_link]);
                body.extend([INFINITE, INFINITE, [0; 4]].concat());
                body.extend(bytes(16)?);
            }
            Some(RouterAdvertisement::DnsServer) => {
                body.extend([25, 3, 0, 0]);
                body.extend(INFINITE);
                body.extend(bytes(16)?);
            }
            Some(RouterAdvertisement::DnsSearch) => {
                dns_search(option, INFINITE, &mut body)?;
            }
            Some(RouterAdvertisement::RouteInfo) => {
                route_info(option, INFINITE, &mut body)?;
            }
            Some(RouterAdvertisement::AddressMode | RouterAdvertisement::Preference) | None => {}
        }
    }
    request(target, body)
}

/// Bits 3 and 4 of the flags of a router or route (RFC 4191, section 2.1).
fn preference(text: &str) -> u8 {
    match text {
        "HIGH" => 0x08,
        "LOW" => 0x18,
        _ => 0,
    }
}

/// RFC 8106, section 5.2.
fn dns_search(option: &OptionValue, lifetime: [u8; 4], body: &mut Vec<u8>) -> Result<(), Trouble> {
    let mut domains = Vec::new();
    for name in option.text().unwrap_or_default().split(',') {
        domains.extend(names::plain(name).ok_or_else(|| Trouble::option(option))?);
    }
    domains.resize(domains.len().next_multiple_of(8), 0);
    let units = u8::try_from(domains.len() / 8 + 1).map_err(|_| Trouble::option(option))?;
    body.extend([31, units, 0, 0]);
    body.extend(lifetime);
    body.extend(domains);
    Ok(())
}

/// RFC 4191, section 2.3; the text is `PREFERENCE-NETWORK`, separated by commas.
fn route_info(option: &OptionValue, lifetime: [u8; 4], body: &mut Vec<u8>) -> Result<(), Trouble> {
    for route in option.text().unwrap_or_default().split(',').map(str::trim) {
        let (rank, network) = route
            .split_once('-')
            .ok_or_else(|| Trouble::option(option))?;
        let network: ipnet::Ipv6Net = network.parse().map_err(|_| Trouble::option(option))?;
        let units = network.prefix_len().div_ceil(64);
        body.extend([24, 1 + units, network.prefix_len(), preference(rank)]);
        body.extend(lifetime);
        body.extend_from_slice(&network.network().octets()[..usize::from(units) * 8]);
    }
    Ok(())
}
