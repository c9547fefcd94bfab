//! A packet as the values of its basic fields.

use std::fmt;

use logic::{Field, Packet, Slice};

/// How many basic fields there are.
pub(crate) const COUNT: usize = 57;

/// The place of a basic field; containers of registers have none.
pub(crate) const fn place(field: Field) -> usize {
    use Field::*;
    match field {
        // They share a register.
        RemoteOutPort => place(Reg(1)),
        InPort => 0,
        OutPort => 1,
        Reg(number) => 2 + number as usize,
        Flags => 12,
        CtState => 13,
        CtMark => 14,
        CtLabel => 15,
        EthSrc => 16,
        EthDst => 17,
        EthType => 18,
        VlanTci => 19,
        IpProto => 20,
        IpDscp => 21,
        IpEcn => 22,
        IpTtl => 23,
        IpFrag => 24,
        Ip4Src => 25,
        Ip4Dst => 26,
        Ip6Src => 27,
        Ip6Dst => 28,
        Ip6Label => 29,
        ArpOp => 30,
        ArpSpa => 31,
        ArpSha => 32,
        ArpTpa => 33,
        ArpTha => 34,
        Icmp4Type => 35,
        Icmp4Code => 36,
        Icmp6Type => 37,
        Icmp6Code => 38,
        NdTarget => 39,
        NdSll => 40,
        NdTll => 41,
        TcpSrc => 42,
        TcpDst => 43,
        TcpFlags => 44,
        UdpSrc => 45,
        UdpDst => 46,
        SctpSrc => 47,
        SctpDst => 48,
        PktMark => 49,
        Icmp4FragMtu => 50,
        Icmp6FragMtu => 51,
        XReg(_) => 52,
        XxReg(_) => 53,
        CtProto => 54,
        CtTpSrc => 55,
        CtTpDst => 56,
    }
}

/// The value of every basic field: 0 for what the packet does not have.
#[derive(Clone, PartialEq, Eq)]
pub struct Fields {
    values: [u128; COUNT],
}

impl Default for Fields {
    fn default() -> Self {
        Self { values: [0; COUNT] }
    }
}

impl Packet for Fields {
    fn field(&self, field: Field) -> u128 {
        self.values[place(field)]
    }
}

impl Fields {
    /// The value of a field, right-aligned, put together from its registers where it spans several.
    pub fn get(&self, field: Field) -> u128 {
        match field {
            Field::XReg(_) | Field::XxReg(_) => field
                .parts()
                .fold(0, |value, part| value << 32 | self.values[place(part)]),
            _ => self.values[place(field)],
        }
    }

    /// Sets a field; bits beyond its width are cut off.
    pub fn set(&mut self, field: Field, value: u128) {
        match field {
            Field::XReg(_) | Field::XxReg(_) => {
                let count = field.parts().count();
                for (at, part) in field.parts().enumerate() {
                    let shift = 32 * (count - 1 - at);
                    self.values[place(part)] = value >> shift & 0xffff_ffff;
                }
            }
            _ => self.values[place(field)] = value & field.mask(),
        }
    }

    /// With a field set; see [`Fields::set`].
    #[must_use]
    pub fn with(mut self, field: Field, value: impl Into<u128>) -> Self {
        self.set(field, value.into());
        self
    }

    /// The value of some bits, right-aligned.
    pub fn read(&self, slice: &Slice) -> u128 {
        let bits = slice.bits();
        (self.get(bits.field) & bits.mask()) >> bits.first
    }

    /// Sets some bits; what does not fit is cut off.
    pub fn write(&mut self, slice: &Slice, value: u128) {
        let bits = slice.bits();
        self.write_masked(slice, value, bits.mask() >> bits.first);
    }

    /// Sets those of some bits that `mask` has; both are aligned to the first of the bits.
    pub(crate) fn write_masked(&mut self, slice: &Slice, value: u128, mask: u128) {
        let bits = slice.bits();
        let mask = mask << bits.first & bits.mask();
        let old = self.get(bits.field);
        self.set(bits.field, old & !mask | value << bits.first & mask);
    }

    /// Sets all registers to zero, as on the way into another pipeline.
    pub(crate) fn clear_registers(&mut self) {
        for number in 0..10 {
            self.values[place(Field::Reg(number))] = 0;
        }
    }

    /// The fields that are not zero, in their order.
    pub fn iter(&self) -> impl Iterator<Item = (Field, u128)> + '_ {
        Field::MATCHABLE
            .into_iter()
            .filter(|field| *field != Field::RemoteOutPort)
            .map(|field| (field, self.get(field)))
            .filter(|(_, value)| *value != 0)
    }
}

impl fmt::Debug for Fields {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut map = f.debug_map();
        for (field, value) in self.iter() {
            map.entry(&format_args!("{field}"), &format_args!("{value:#x}"));
        }
        map.finish()
    }
}
