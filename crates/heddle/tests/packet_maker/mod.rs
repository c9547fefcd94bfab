//! Random documents, and marked frames for their machines.

use std::fmt::Write as _;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use logic::Field;
use packet::Mac;
use pipeline::{Dhcp4, Fields, Filling, Payload};

/// What each frame has in it, before its number.
const MARK: &[u8; 6] = b"heddle";
/// Source ports of packets are their numbers above this.
const PORTS: usize = 20_000;

/// Numbers that are the same in every run.
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap_or_default() % limit
    }

    fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    fn of<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())]
    }
}

/// The addresses of a host: 10.0.NET.HOST and fd00:NET::HOST, the last byte written in hexadecimal in both, so that
/// `HOST` of the document's IPv4 address is its decimal digits.
fn addresses(net: u8, host: u8) -> (Ipv4Addr, Ipv6Addr) {
    let digits = host / 16 * 10 + host % 16;
    (
        Ipv4Addr::new(10, 0, net, digits),
        Ipv6Addr::new(0xfd00, net.into(), 0, 0, 0, 0, 0, host.into()),
    )
}

#[derive(Clone)]
struct Machine {
    port: String,
    mac: Mac,
    net: u8,
    host: u8,
}

/// A frame with what it is, where it goes in.
pub(crate) struct Made {
    pub(crate) from: String,
    pub(crate) said: String,
    pub(crate) frame: Vec<u8>,
}

/// Makes frames for the machines of a network.
#[derive(Default)]
pub(crate) struct Maker {
    machines: Vec<Machine>,
    /// The Ethernet address of the router on each network.
    routers: Vec<(u8, Mac)>,
}

impl Maker {
    pub(crate) fn machine(&mut self, port: &str, mac: &str, net: u8, host: u8) {
        self.machines.push(Machine {
            port: port.to_owned(),
            mac: mac.parse().unwrap_or(Mac::ZERO),
            net,
            host,
        });
    }

    /// Takes over the routers' addresses from a list of MAC address and networks.
    pub(crate) fn routers(&mut self, list: &str) {
        for line in list.lines() {
            let mac = line
                .split(',')
                .next()
                .and_then(|it| it.trim_matches('"').parse().ok());
            let net = line
                .split("10.0.")
                .nth(1)
                .and_then(|it| it.split('.').next()?.parse().ok());
            if let (Some(mac), Some(net)) = (mac, net) {
                self.routers.push((net, mac));
            }
        }
    }

    fn router(&self, net: u8) -> Mac {
        let found = self.routers.iter().find(|it| it.0 == net);
        found.map_or(Mac::ZERO, |it| it.1)
    }

    pub(crate) fn packets(&self, count: usize, seed: u64) -> Vec<Made> {
        let mut dice = Dice(seed);
        let mut made: Vec<Made> = Vec::new();
        let mut tries = 0;
        while made.len() < count && tries < 3 * count {
            tries += 1;
            let next = self.packet(made.len(), &mut dice);
            // Two questions alike have answers alike, which nobody could tell apart.
            let is_known = |it: &Made| (&it.from, &it.said) == (&next.from, &next.said);
            if !(next.said.starts_with("who has") && made.iter().any(is_known)) {
                made.push(next);
            }
        }
        made
    }

    fn packet(&self, number: usize, dice: &mut Dice) -> Made {
        let from = self.machines[dice.below(self.machines.len())].clone();
        match dice.below(12) {
            0 => self.dhcp(&from, number),
            1 => self.arp(&from, number, dice),
            _ => self.ip(&from, number, dice),
        }
    }

    fn dhcp(&self, from: &Machine, number: usize) -> Made {
        let packet = Fields::default()
            .with(Field::EthSrc, bits(from.mac))
            .with(Field::EthDst, 0xffff_ffff_ffff_u64)
            .with(Field::EthType, 0x800_u32)
            .with(Field::Ip4Dst, u32::MAX)
            .with(Field::IpProto, 17_u32)
            .with(Field::IpTtl, 64_u32)
            .with(Field::UdpSrc, 68_u32)
            .with(Field::UdpDst, 67_u32);
        let payload = Payload::Dhcp4(Dhcp4::discover(from.mac));
        made(from, "DHCPDISCOVER".into(), &packet, &payload, number)
    }

    /// A question for an address, from one that nobody else asks from.
    fn arp(&self, from: &Machine, number: usize, dice: &mut Dice) -> Made {
        let target = match dice.below(3) {
            0 => addresses(from.net, 1).0,
            1 => Ipv4Addr::new(10, 0, from.net, 200),
            _ => {
                let to = &self.machines[dice.below(self.machines.len())];
                addresses(to.net, to.host).0
            }
        };
        let own = addresses(from.net, from.host).0;
        let packet = Fields::default()
            .with(Field::EthSrc, bits(from.mac))
            .with(Field::EthDst, 0xffff_ffff_ffff_u64)
            .with(Field::EthType, 0x806_u32)
            .with(Field::ArpOp, 1_u32)
            .with(Field::ArpSha, bits(from.mac))
            // Nobody looks at it in a question; here it is the number.
            .with(Field::ArpTha, number as u64 + 1)
            .with(Field::ArpSpa, own.to_bits())
            .with(Field::ArpTpa, target.to_bits());
        made(
            from,
            format!("who has {target}"),
            &packet,
            &Payload::Data,
            number,
        )
    }

    fn ip(&self, from: &Machine, number: usize, dice: &mut Dice) -> Made {
        let to = self.machines[dice.below(self.machines.len())].clone();
        let is_ip6 = dice.chance(35);
        let (net, host, mac) = match dice.below(10) {
            0 => (dice.of(&[1, 2, 3]), 1, self.router(from.net)),
            1 => (dice.of(&[2, 9]), 0x99, self.router(from.net)),
            _ if to.net == from.net => (to.net, to.host, to.mac),
            _ => (to.net, to.host, self.router(from.net)),
        };
        let mac = if dice.chance(4) {
            Mac([2, 0, 0, 0, 0x99, 1])
        } else {
            mac
        };
        let host_of = if dice.chance(6) { 0x98 } else { from.host };
        let (own4, own6) = addresses(from.net, host_of);
        let (to4, to6) = addresses(net, host);
        let ttl = dice.of(&[64_u32, 64, 64, 64, 1, 2]);
        let packet = Fields::default()
            .with(Field::EthSrc, bits(from.mac))
            .with(Field::EthDst, bits(mac))
            .with(Field::EthType, if is_ip6 { 0x86dd_u32 } else { 0x800 })
            .with(Field::IpTtl, ttl);
        let packet = if is_ip6 {
            packet
                .with(Field::Ip6Src, own6.to_bits())
                .with(Field::Ip6Dst, to6.to_bits())
        } else {
            packet
                .with(Field::Ip4Src, own4.to_bits())
                .with(Field::Ip4Dst, to4.to_bits())
        };
        let source = (PORTS + number) as u32;
        let (word, packet) = match dice.below(5) {
            0 | 1 => {
                let port = dice.of(&[80_u32, 5432, 22, 443]);
                let packet = packet
                    .with(Field::IpProto, 6_u32)
                    .with(Field::TcpSrc, source)
                    .with(Field::TcpDst, port)
                    .with(Field::TcpFlags, 2_u32);
                (format!("tcp/{port}"), packet)
            }
            2 => {
                let port = dice.of(&[7000_u32, 53]);
                let packet = packet
                    .with(Field::IpProto, 17_u32)
                    .with(Field::UdpSrc, source)
                    .with(Field::UdpDst, port);
                (format!("udp/{port}"), packet)
            }
            _ if is_ip6 => {
                let packet = packet
                    .with(Field::IpProto, 58_u32)
                    .with(Field::Icmp6Type, 128_u32);
                ("ping".into(), packet)
            }
            _ => {
                let packet = packet
                    .with(Field::IpProto, 1_u32)
                    .with(Field::Icmp4Type, 8_u32);
                ("ping".into(), packet)
            }
        };
        let (src, dst): (IpAddr, IpAddr) = if is_ip6 {
            (own6.into(), to6.into())
        } else {
            (own4.into(), to4.into())
        };
        let said = format!("{word} {src} to {dst} ({mac}) ttl {ttl}");
        made(from, said, &packet, &Payload::Data, number)
    }
}

fn bits(mac: Mac) -> u64 {
    mac.to_u64()
}

fn made(from: &Machine, said: String, packet: &Fields, payload: &Payload, number: usize) -> Made {
    let filling = Filling {
        length: 0,
        number: number as u32 + 1,
    };
    let room = |length| Filling { length, ..filling };
    let bare = pipeline::to_bytes(packet, payload, filling).unwrap_or_default();
    // Room for the mark, which is put into the data; checksums are those of the data with it.
    let mut frame = bare;
    if *payload == Payload::Data && packet.get(Field::EthType) != 0x806 {
        let length = frame.len() + MARK.len() + 4;
        frame = pipeline::to_bytes(packet, payload, room(length)).unwrap_or_default();
        let at = frame.len() - MARK.len() - 4;
        frame[at..at + MARK.len()].copy_from_slice(MARK);
        frame[at + MARK.len()..].copy_from_slice(&(number as u32).to_be_bytes());
        fix_checksum(&mut frame, at);
    }
    Made {
        from: from.port.clone(),
        said,
        frame,
    }
}

/// Corrects the checksum of TCP, UDP or ICMP for what was put in place of zeros at an even or odd distance.
fn fix_checksum(frame: &mut [u8], at: usize) {
    let is_ip6 = frame[12..14] == [0x86, 0xdd];
    let (header, protocol) = if is_ip6 {
        (54, frame[20])
    } else {
        (34, frame[23])
    };
    let field = header
        + match protocol {
            6 => 16,
            17 => 6,
            _ => 2,
        };
    let mut sum = u32::from(!u16::from_be_bytes([frame[field], frame[field + 1]]));
    for (place, byte) in frame.iter().enumerate().skip(at) {
        let shift = if (place - header) % 2 == 0 { 8 } else { 0 };
        sum += u32::from(*byte) << shift;
    }
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    frame[field..field + 2].copy_from_slice(&(!(sum as u16)).to_be_bytes());
}

/// What a request for a next hop asks for, which carries nothing of the packet that waits for it.
pub(crate) fn sought(frame: &[u8], made: &[Made]) -> Option<IpAddr> {
    let packet = pipeline::from_bytes(frame)?;
    let get = |field| packet.get(field);
    match (get(Field::EthType), get(Field::Icmp6Type)) {
        (0x806, _) if get(Field::ArpOp) == 1 && number(frame, made).is_none() => {
            Some(Ipv4Addr::from_bits(get(Field::ArpTpa) as u32).into())
        }
        (0x86dd, 135) => Some(Ipv6Addr::from_bits(get(Field::NdTarget)).into()),
        _ => None,
    }
}

/// Which of the packets that were made a frame is, or is about, or answers.
pub(crate) fn number(frame: &[u8], made: &[Made]) -> Option<usize> {
    let marked = frame
        .windows(MARK.len() + 4)
        .find(|it| it.starts_with(MARK));
    let number = |bytes: &[u8]| -> Option<usize> {
        Some(u32::from_be_bytes(bytes.try_into().ok()?) as usize)
    };
    if let Some(marked) = marked {
        return number(&marked[MARK.len()..]).filter(|it| *it < made.len());
    }
    let packet = pipeline::from_bytes(frame)?;
    let get = |field| packet.get(field) as usize;
    let found = match (get(Field::EthType), get(Field::IpProto)) {
        // Its question has the number where the answer has the asker.
        (0x806, _) if get(Field::ArpOp) == 1 => get(Field::ArpTha).checked_sub(1),
        (0x806, _) => made.iter().position(|it| is_question_of(&packet, it)),
        // A reset carries nothing of the segment that it resets.
        (_, 6) => get(Field::TcpDst).checked_sub(PORTS),
        (0x800, 17) if [get(Field::UdpSrc), get(Field::UdpDst)].contains(&67) => {
            number(frame.get(46..50)?)?.checked_sub(1)
        }
        _ => None,
    };
    found.filter(|it| *it < made.len())
}

fn is_question_of(answer: &Fields, made: &Made) -> bool {
    let question = pipeline::from_bytes(&made.frame).unwrap_or_default();
    let pairs = [
        (Field::EthType, Field::EthType),
        (Field::ArpSpa, Field::ArpTpa),
        (Field::ArpTpa, Field::ArpSpa),
    ];
    question.get(Field::ArpOp) == 1
        && pairs
            .iter()
            .all(|it| answer.get(it.0) == question.get(it.1))
}

/// A random document, with its machines, where they are, and their addresses.
pub(crate) struct Network {
    pub(crate) document: String,
    pub(crate) machines: Vec<(String, String)>,
    pub(crate) addresses: Vec<(u8, u8)>,
}

impl Network {
    pub(crate) fn random(seed: u64) -> Self {
        let mut dice = Dice(seed.wrapping_mul(77));
        let mut network = Self {
            document: String::new(),
            machines: Vec::new(),
            addresses: Vec::new(),
        };
        let mut switches = String::new();
        let mut ports = String::new();
        for net in 1..=3_u8 {
            let _ = write!(
                switches,
                "  s{net}:\n    subnets: [10.0.{net}.0/24, \"fd00:{net}::/64\"]\n"
            );
            if dice.chance(60) {
                let _ = writeln!(switches, "    dhcp: {{router: 10.0.{net}.1}}");
            }
            switches.push_str("    ports:\n");
            for host in 0x11..0x12 + dice.below(2) as u8 {
                network.machine(net, host, &mut switches, &mut dice);
            }
            let rules = network.rules(&format!("s{net}"), None, &mut dice);
            let _ = writeln!(switches, "    acls:{}", or_none(&rules));
            let _ = writeln!(
                ports,
                "      s{net}: [10.0.{net}.1/24, \"fd00:{net}::1/64\"]"
            );
        }
        let members = network.machines.iter().filter(|_| dice.chance(50));
        let members: Vec<&str> = members.map(|it| it.0.as_str()).collect();
        let members = members.join(", ");
        let rules = network.rules("g", Some("@g"), &mut dice);
        network.document = format!(
            "version: 1\nname: random\naddress_sets:\n  some: [10.0.1.0/24, 10.0.2.11]\n\
             port_groups:\n  g:\n    ports: [{members}]\n    acls:{}\nswitches:\n{switches}\
             routers:\n  r:\n    ports:\n{ports}    routes:\n      - {{to: 10.0.9.0/24, via: 10.0.2.11}}\n",
            or_none(&rules)
        );
        network
    }

    fn machine(&mut self, net: u8, host: u8, switches: &mut String, dice: &mut Dice) {
        let name = format!("m{net}{host:x}");
        let (ip4, ip6) = addresses(net, host);
        let security = if dice.chance(30) {
            ", port_security: false"
        } else {
            ""
        };
        let _ = writeln!(
            switches,
            "      {name}: {{addresses: [{ip4}, \"{ip6}\"]{security}}}"
        );
        let hypervisor = dice.of(&["hv1", "hv2"]);
        self.machines.push((name, hypervisor.to_owned()));
        self.addresses.push((net, host));
    }

    fn rules(&self, owner: &str, group: Option<&str>, dice: &mut Dice) -> String {
        let mut text = String::new();
        for number in 0..dice.below(4) {
            let (direction, port) = dice.of(&[("to-lport", "outport"), ("from-lport", "inport")]);
            let what = dice.of(&[
                "ip4.src == $some && tcp.dst == 80",
                "tcp.dst == {22, 443}",
                "ip6 && udp",
                "icmp4 || icmp6",
                "ip4.dst == 10.0.2.0/24 && udp.dst != 53",
                "ip.ttl == 64 && tcp",
                "!(tcp.dst == {22, 80}) && ip",
            ]);
            let action = dice.of(&[
                "allow-related",
                "allow",
                "drop",
                "reject",
                "allow-stateless",
            ]);
            let place = group.map_or(String::new(), |it| format!("{port} == {it} && "));
            let priority = 1000 + dice.below(4);
            let _ = write!(
                text,
                "\n      - {{name: {owner}-{number}, direction: {direction}, priority: {priority}, \
                 action: {action}, match: \"{place}({what})\"}}"
            );
        }
        text
    }
}

fn or_none(rules: &str) -> &str {
    if rules.is_empty() { " []" } else { rules }
}
