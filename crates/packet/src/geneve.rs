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
