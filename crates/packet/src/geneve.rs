//! The Geneve option that carries a packet's logical ports between hosts.
//!
//! Class 0x0102, type 0x80 (critical), four octets: one reserved bit, the 15-bit key of the logical
//! ingress port, the 16-bit key of the logical egress port. The VNI is the datapath's key.

/// Option class registered for OVN.
pub const OPTION_CLASS: u16 = 0x0102;
/// Option type; the high bit says that receivers who do not know it must drop.
pub const OPTION_TYPE: u8 = 0x80;
/// Octets of option data.
pub const OPTION_LEN: u8 = 4;

/// The ports that the option carries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ports {
    /// Key of the logical ingress port, below 2^15.
    pub inport: u16,
    /// Key of the logical egress port or multicast group.
    pub outport: u16,
}

impl Ports {
    /// The option's data. A key that does not fit in 15 bits loses its high bit.
    pub fn pack(self) -> u32 {
        u32::from(self.inport & 0x7fff) << 16 | u32::from(self.outport)
    }

    /// From the option's data; the reserved bit is ignored.
    pub fn unpack(data: u32) -> Self {
        let [a, b, c, d] = data.to_be_bytes();
        Self {
            inport: u16::from_be_bytes([a, b]) & 0x7fff,
            outport: u16::from_be_bytes([c, d]),
        }
    }
}

/// UDP port of Geneve (RFC 8926, section 3.3).
pub const PORT: u16 = 6081;

/// A Geneve packet, read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tunnelled<'a> {
    /// The virtual network: the datapath's key.
    pub vni: u32,
    /// What the packet inside is, as an EtherType; 0x6558 for an Ethernet frame.
    pub protocol: u16,
    /// The logical ports, when the option is there.
    pub ports: Option<Ports>,
    /// The packet inside.
    pub inner: &'a [u8],
}

/// Reads the payload of a UDP datagram as Geneve (RFC 8926, section 3.4); none when it is not whole, or not
/// version 0. Options of others are passed over.
pub fn parse(payload: &[u8]) -> Option<Tunnelled<'_>> {
    let [first, _, p1, p0, v2, v1, v0, _, rest @ ..] = payload else {
        return None;
    };
    if first >> 6 != 0 {
        return None;
    }
    // In units of four octets.
    let length = usize::from(first & 0x3f) * 4;
    let (mut options, inner) = rest.split_at_checked(length)?;
    let mut ports = None;
    while let [c1, c0, kind, size, data @ ..] = options {
        let size = usize::from(size & 0x1f) * 4;
        let (value, next) = data.split_at_checked(size)?;
        if u16::from_be_bytes([*c1, *c0]) == OPTION_CLASS
            && *kind == OPTION_TYPE
            && let Ok(value) = <[u8; 4]>::try_from(value)
        {
            ports = Some(Ports::unpack(u32::from_be_bytes(value)));
        }
        options = next;
    }
    Some(Tunnelled {
        vni: u32::from_be_bytes([0, *v2, *v1, *v0]),
        protocol: u16::from_be_bytes([*p1, *p0]),
        ports,
        inner,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The header of the seed's worked example: VNI 1, in 1, out 2, with an Ethernet frame inside.
    const PACKET: [u8; 18] = [
        0x02, 0x40, 0x65, 0x58, 0, 0, 1, 0, 0x01, 0x02, 0x80, 0x01, 0, 1, 0, 2, 0xaa, 0xbb,
    ];

    #[test]
    fn header_and_option_are_read() {
        let read = parse(&PACKET).unwrap();
        assert_eq!((read.vni, read.protocol), (1, 0x6558));
        let ports = read.ports.unwrap();
        assert_eq!((ports.inport, ports.outport), (1, 2));
        assert_eq!(read.inner, [0xaa, 0xbb]);
    }

    #[test]
    fn what_is_not_whole_is_refused() {
        for length in 0..16 {
            assert_eq!(parse(&PACKET[..length]), None, "{length}");
        }
        let mut other = PACKET;
        other[0] = 0x42;
        assert_eq!(parse(&other), None, "version 1");
        // An option that is longer than the space for options.
        let mut long = PACKET;
        long[11] = 2;
        assert_eq!(parse(&long), None);
    }
}
