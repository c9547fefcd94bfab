//! What a `controller` action of ours carries to the agent: an operation and its arguments.
//!
//! The user data of a packet-in is an eight-byte header, the operation as a big-endian 32-bit number and
//! four bytes of padding, then arguments whose form the operation decides. Numbers and forms are OVN
//! 23.03's, because both ends of that wire can be programs of another project during a migration. This
//! module encodes and decodes; it does not act.

use std::fmt;

use thiserror::Error;

macro_rules! opcodes {
    ($($(#[$doc:meta])* $variant:ident = $number:literal, $name:literal;)*) => {
        /// An operation that a flow asks of the agent. The number is what travels.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[repr(u32)]
        pub enum Opcode {
            $($(#[$doc])* $variant = $number,)*
        }

        impl Opcode {
            /// Every operation, in the order of their numbers.
            pub const ALL: &[Self] = &[$(Self::$variant),*];

            /// The operation with this number.
            pub fn from_number(number: u32) -> Option<Self> {
                match number {
                    $($number => Some(Self::$variant),)*
                    _ => None,
                }
            }

            /// The logical action that asks for it.
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)*
                }
            }
        }
    };
}

opcodes! {
    /// Turn the packet into an ARP request; nested actions follow.
    Arp = 0, "arp";
    /// Learn an IPv4 neighbour: IP in reg0, MAC in `eth.src`, port in reg14, datapath in metadata.
    PutArp = 1, "put_arp";
    /// Answer DHCPv4 in place and resume ([`OptionsRequest`] with an offered address).
    PutDhcpOpts = 2, "put_dhcp_opts";
    /// Turn the packet into a neighbour advertisement; nested actions follow.
    NdNa = 3, "nd_na";
    /// Learn an IPv6 neighbour: as [`Opcode::PutArp`] with the address in xxreg0.
    PutNd = 4, "put_nd";
    /// Answer DHCPv6 in place and resume ([`OptionsRequest`]).
    PutDhcpv6Opts = 5, "put_dhcpv6_opts";
    /// Answer DNS in place and resume ([`OptionsRequest`] with no options).
    DnsLookup = 6, "dns_lookup";
    /// Log the packet ([`LogRequest`]).
    Log = 7, "log";
    /// Answer a router solicitation in place and resume ([`OptionsRequest`] holding the advertisement).
    PutNdRaOpts = 8, "put_nd_ra_opts";
    /// Turn the packet into a neighbour solicitation; nested actions follow.
    NdNs = 9, "nd_ns";
    /// Turn the packet into an ICMP error of its own family; nested actions follow.
    Icmp = 10, "icmp";
    /// Turn the packet into a TCP reset; nested actions follow.
    TcpReset = 11, "tcp_reset";
    /// As [`Opcode::NdNa`] with the router flag set.
    NdNaRouter = 12, "nd_na_router";
    /// Put a 16-bit MTU into the ICMPv4 error and go on.
    PutIcmp4FragMtu = 13, "icmp4.frag_mtu";
    /// Turn the packet into an ICMPv4 error that quotes it; nested actions follow.
    Icmp4Error = 14, "icmp4_error";
    /// Tell the control plane of an event.
    Event = 15, "trigger_event";
    /// Snoop IGMP or MLD.
    Igmp = 16, "igmp";
    /// Claim a virtual port for the parent that announced it.
    BindVport = 17, "bind_vport";
    /// The answer to a service probe.
    HandleSvcCheck = 18, "handle_svc_check";
    /// The answer of a DHCPv6 server to our prefix delegation.
    Dhcp6Server = 19, "handle_dhcpv6_reply";
    /// Turn the packet into an ICMPv6 error that quotes it; nested actions follow.
    Icmp6Error = 20, "icmp6_error";
    /// Put a 32-bit MTU into the ICMPv6 error and go on.
    PutIcmp6FragMtu = 21, "icmp6.frag_mtu";
    /// Refuse the packet by the means of its protocol; nested actions follow.
    Reject = 22, "reject";
    /// A BFD packet.
    BfdMsg = 23, "handle_bfd_msg";
    /// Turn the packet into an SCTP abort; nested actions follow.
    SctpAbort = 24, "sctp_abort";
    /// Learn a source address: MAC in `eth.src`, port in reg14, datapath in metadata.
    PutFdb = 25, "put_fdb";
    /// The announcement that activates a migrated port.
    ActivationStrategyRarp = 26, "activation_strategy_rarp";
}

impl fmt::Display for Opcode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Why user data could not be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum Error {
    /// The data ends before what the operation needs.
    #[error("user data is cut short")]
    Truncated,
    /// The number is none of [`Opcode`].
    #[error("user data asks for the unknown operation {0}")]
    UnknownOpcode(u32),
    /// The reference to the result's field is not one that we produce.
    #[error("user data names no known field")]
    BadField,
    /// An option's value does not fit its length field.
    #[error("an option is longer than its length field can say")]
    OptionTooLong,
}

/// Length of the header before the arguments.
pub const HEADER_LEN: usize = 8;

/// One operation with its arguments, not yet taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Userdata {
    /// What to do.
    pub opcode: Opcode,
    /// With what: nested OpenFlow 1.5 actions, or one of the request types of this module.
    pub arguments: Vec<u8>,
}

impl Userdata {
    /// An operation with these arguments.
    pub fn new(opcode: Opcode, arguments: impl Into<Vec<u8>>) -> Self {
        Self {
            opcode,
            arguments: arguments.into(),
        }
    }

    /// The bytes that the `controller` action carries.
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(HEADER_LEN + self.arguments.len());
        bytes.extend_from_slice(&(self.opcode as u32).to_be_bytes());
        bytes.extend_from_slice(&[0; 4]);
        bytes.extend_from_slice(&self.arguments);
        bytes
    }

    /// Reads what [`Userdata::encode`] wrote. The padding is not looked at.
    pub fn decode(bytes: &[u8]) -> Result<Self, Error> {
        let mut reader = Reader(bytes);
        let number = reader.u32()?;
        reader.take(4)?;
        let opcode = Opcode::from_number(number).ok_or(Error::UnknownOpcode(number))?;
        Ok(Self {
            opcode,
            arguments: reader.0.to_vec(),
        })
    }
}

/// A single bit of a register, as an OXM header and an offset: where a result goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ResultBit {
    /// The register.
    pub field: ResultField,
    /// The bit, counted from the least significant.
    pub bit: u32,
}

/// The registers that can hold a result.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ResultField {
    /// 32-bit register 0 to 15.
    Reg(u8),
    /// 64-bit register 0 to 7.
    Xreg(u8),
    /// 128-bit register 0 to 3.
    Xxreg(u8),
}

impl ResultField {
    /// The OXM header: class, field number without a mask, length.
    pub fn header(self) -> u32 {
        match self {
            Self::Reg(n) => 0x0001_0000 | u32::from(n) << 9 | 4,
            Self::Xreg(n) => 0x8001_0000 | u32::from(n) << 9 | 8,
            Self::Xxreg(n) => 0x0001_0000 | (111 + u32::from(n)) << 9 | 16,
        }
    }

    /// The field with this OXM header.
    pub fn from_header(header: u32) -> Option<Self> {
        let number = u8::try_from((header >> 9) & 0x7f).ok()?;
        let candidate = match header >> 16 {
            0x0001 if number < 16 => Self::Reg(number),
            0x0001 => Self::Xxreg(number.checked_sub(111).filter(|n| *n < 4)?),
            0x8001 if number < 8 => Self::Xreg(number),
            _ => return None,
        };
        (candidate.header() == header).then_some(candidate)
    }

    /// How many bits it has.
    pub fn bits(self) -> u32 {
        match self {
            Self::Reg(_) => 32,
            Self::Xreg(_) => 64,
            Self::Xxreg(_) => 128,
        }
    }
}

impl ResultBit {
    /// The 32-bit register and bit that this is, whatever the width of the field that names it: the
    /// wide registers are the narrow ones side by side, the lowest number the most significant.
    pub fn narrow(self) -> (u8, u8) {
        let (first, words) = match self.field {
            ResultField::Reg(n) => (n, 1),
            ResultField::Xreg(n) => (n * 2, 2),
            ResultField::Xxreg(n) => (n * 4, 4),
        };
        let word = (self.bit / 32).min(words - 1);
        let register = first + u8::try_from(words - 1 - word).expect("at most three");
        (register, u8::try_from(self.bit % 32).expect("below 32"))
    }

    fn encode(self, bytes: &mut Vec<u8>) {
        bytes.extend_from_slice(&self.field.header().to_be_bytes());
        bytes.extend_from_slice(&self.bit.to_be_bytes());
    }

    fn decode(reader: &mut Reader<'_>) -> Result<Self, Error> {
        let field = ResultField::from_header(reader.u32()?).ok_or(Error::BadField)?;
        let bit = reader.u32()?;
        if bit >= field.bits() {
            return Err(Error::BadField);
        }
        Ok(Self { field, bit })
    }
}

/// Arguments of the operations that answer in place, set a bit to say whether they did, and resume:
/// `put_dhcp_opts`, `put_dhcpv6_opts`, `put_nd_ra_opts`, `dns_lookup`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OptionsRequest {
    /// Where to say whether the packet was answered.
    pub result: ResultBit,
    /// What to answer, in the form of the protocol: for DHCPv4 see [`Dhcpv4Request`]; for DHCPv6 a list
    /// of options with 16-bit code and length; for router advertisements the whole ICMPv6 message.
    pub body: Vec<u8>,
}

impl OptionsRequest {
    /// The arguments as they travel.
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(8 + self.body.len());
        self.result.encode(&mut bytes);
        bytes.extend_from_slice(&self.body);
        bytes
    }

    /// Reads what [`OptionsRequest::encode`] wrote.
    pub fn decode(bytes: &[u8]) -> Result<Self, Error> {
        let mut reader = Reader(bytes);
        let result = ResultBit::decode(&mut reader)?;
        Ok(Self {
            result,
            body: reader.0.to_vec(),
        })
    }
}

/// Body of a DHCPv4 [`OptionsRequest`]: the address to offer and the options to send, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dhcpv4Request {
    /// The address to offer.
    pub offer: std::net::Ipv4Addr,
    /// Option code and value. Codes 253 (next server) and 254 (alternative boot file) are instructions
    /// to the agent and not options on the wire.
    pub options: Vec<(u8, Vec<u8>)>,
}

impl Dhcpv4Request {
    /// The body as it travels. An option holds at most 255 bytes.
    pub fn encode(&self) -> Result<Vec<u8>, Error> {
        let mut bytes = self.offer.octets().to_vec();
        for (code, value) in &self.options {
            bytes.push(*code);
            bytes.push(u8::try_from(value.len()).map_err(|_| Error::OptionTooLong)?);
            bytes.extend_from_slice(value);
        }
        Ok(bytes)
    }

    /// Reads what [`Dhcpv4Request::encode`] wrote.
    pub fn decode(bytes: &[u8]) -> Result<Self, Error> {
        let mut reader = Reader(bytes);
        let offer = std::net::Ipv4Addr::from(reader.u32()?);
        let mut options = Vec::new();
        while !reader.0.is_empty() {
            let code = reader.u8()?;
            let len = reader.u8()?;
            options.push((code, reader.take(usize::from(len))?.to_vec()));
        }
        Ok(Self { offer, options })
    }
}

/// A list of DHCPv6 options: 16-bit code, 16-bit length, value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dhcpv6Options(pub Vec<(u16, Vec<u8>)>);

impl Dhcpv6Options {
    /// The body as it travels. An option holds at most 65,535 bytes.
    pub fn encode(&self) -> Result<Vec<u8>, Error> {
        let mut bytes = Vec::new();
        for (code, value) in &self.0 {
            bytes.extend_from_slice(&code.to_be_bytes());
            let len = u16::try_from(value.len()).map_err(|_| Error::OptionTooLong)?;
            bytes.extend_from_slice(&len.to_be_bytes());
            bytes.extend_from_slice(value);
        }
        Ok(bytes)
    }

    /// Reads what [`Dhcpv6Options::encode`] wrote.
    pub fn decode(bytes: &[u8]) -> Result<Self, Error> {
        let mut reader = Reader(bytes);
        let mut options = Vec::new();
        while !reader.0.is_empty() {
            let code = reader.u16()?;
            let len = reader.u16()?;
            options.push((code, reader.take(usize::from(len))?.to_vec()));
        }
        Ok(Self(options))
    }
}

/// Arguments of [`Opcode::Log`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogRequest {
    /// What was decided: 0 allow, 1 drop, 2 reject.
    pub verdict: u8,
    /// How severe: the syslog number, 1 alert to 7 debug.
    pub severity: u8,
    /// The name of the rule, or nothing.
    pub name: String,
}

impl LogRequest {
    /// The arguments as they travel.
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = vec![self.verdict, self.severity];
        bytes.extend_from_slice(self.name.as_bytes());
        bytes
    }

    /// Reads what [`LogRequest::encode`] wrote. A name that is not UTF-8 keeps what can be read.
    pub fn decode(bytes: &[u8]) -> Result<Self, Error> {
        let mut reader = Reader(bytes);
        let (verdict, severity) = (reader.u8()?, reader.u8()?);
        let name = String::from_utf8_lossy(reader.0).into_owned();
        Ok(Self {
            verdict,
            severity,
            name,
        })
    }
}

/// The bytes that are left, taken from the front.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, len: usize) -> Result<&'a [u8], Error> {
        let (head, tail) = self.0.split_at_checked(len).ok_or(Error::Truncated)?;
        self.0 = tail;
        Ok(head)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Error> {
        let (head, tail) = self.0.split_first_chunk::<N>().ok_or(Error::Truncated)?;
        self.0 = tail;
        Ok(*head)
    }

    fn u8(&mut self) -> Result<u8, Error> {
        self.array::<1>().map(|bytes| bytes[0])
    }

    fn u16(&mut self) -> Result<u16, Error> {
        self.array().map(u16::from_be_bytes)
    }

    fn u32(&mut self) -> Result<u32, Error> {
        self.array().map(u32::from_be_bytes)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn numbers_are_dense_and_round_trip() {
        for (index, opcode) in Opcode::ALL.iter().enumerate() {
            assert_eq!(*opcode as usize, index);
            assert_eq!(Opcode::from_number(index as u32), Some(*opcode));
        }
        assert_eq!(Opcode::from_number(27), None);
    }

    #[test]
    fn dhcp_request_has_the_documented_form() {
        let body = Dhcpv4Request {
            offer: std::net::Ipv4Addr::new(10, 0, 0, 4),
            options: vec![(1, vec![255, 255, 255, 0])],
        };
        let request = OptionsRequest {
            result: ResultBit {
                field: ResultField::Xxreg(0),
                bit: 99,
            },
            body: body.encode().unwrap(),
        };
        let bytes = Userdata::new(Opcode::PutDhcpOpts, request.encode()).encode();
        let expected: &[u8] = &[
            0, 0, 0, 2, 0, 0, 0, 0, 0x00, 0x01, 0xde, 0x10, 0, 0, 0, 99, 10, 0, 0, 4, 1, 4, 255,
            255, 255, 0,
        ];
        assert_eq!(bytes, expected);
        assert_eq!(request.result.narrow(), (0, 3));
    }

    #[test]
    fn wide_registers_name_narrow_bits() {
        let narrow = |field, bit| ResultBit { field, bit }.narrow();
        assert_eq!(narrow(ResultField::Reg(9), 5), (9, 5));
        assert_eq!(narrow(ResultField::Xreg(4), 5), (9, 5));
        assert_eq!(narrow(ResultField::Xreg(4), 37), (8, 5));
        assert_eq!(narrow(ResultField::Xxreg(1), 0), (7, 0));
        assert_eq!(narrow(ResultField::Xxreg(1), 127), (4, 31));
    }

    #[test]
    fn cut_user_data_is_refused() {
        let bytes = Userdata::new(Opcode::Arp, vec![]).encode();
        for len in 0..HEADER_LEN {
            assert_eq!(Userdata::decode(&bytes[..len]), Err(Error::Truncated));
        }
        assert_eq!(
            Userdata::decode(&[0, 0, 0, 99, 0, 0, 0, 0]),
            Err(Error::UnknownOpcode(99))
        );
    }

    proptest! {
        #[test]
        fn any_bytes_decode_or_are_refused(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            if let Ok(userdata) = Userdata::decode(&bytes) {
                prop_assert_eq!(&userdata.encode()[HEADER_LEN..], &bytes[HEADER_LEN..]);
            }
            if let Ok(request) = OptionsRequest::decode(&bytes) {
                prop_assert_eq!(request.encode(), bytes.clone());
            }
            if let Ok(request) = Dhcpv4Request::decode(&bytes) {
                prop_assert_eq!(request.encode().unwrap(), bytes.clone());
            }
            if let Ok(options) = Dhcpv6Options::decode(&bytes) {
                prop_assert_eq!(options.encode().unwrap(), bytes);
            }
        }
    }
}
