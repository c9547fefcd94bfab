//! What a flow matches: a sorted set of fields with values and masks, in one canonical form.
//!
//! The canonical form is the finest that the switch itself distinguishes: packet registers in words of
//! 32 bits, one kind of input port, VLAN identifier and priority apart, no field that is wholly
//! wildcarded, and no packet type where it is Ethernet. So equality means equality for the switch.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::ops::Range;

use smallvec::SmallVec;

use crate::error::{Error, Result};
use crate::field::{EntryBytes, Field, FieldValue, IntoValue, Needs, Raw};
use crate::port::Port;
use crate::wire::{Reader, Writer};

/// The conditions of a flow. Usable as a map key; equal exactly where a switch sees no difference.
///
/// They are kept in the bytes in which messages have them, so that writing, comparing and hashing is
/// work on bytes, and most matches need no memory of their own.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Match {
    /// First those that the table of fields knows, each field once, in the table's order; then the others,
    /// sorted.
    entries: SmallVec<[u8; INLINE]>,
}

/// As many bytes as the conditions of nearly every flow have.
const INLINE: usize = 56;

impl fmt::Debug for Match {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list()
            .entries(self.fields())
            .entries(self.opaque())
            .finish()
    }
}

/// A match names a field without the condition that a switch demands for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a match on {field} needs {needs:?} as well")]
pub struct MissingPrerequisite {
    /// The field that cannot be matched yet.
    pub field: Field,
    /// What it presupposes.
    pub needs: Needs,
}

const ETH_IPV4: u128 = 0x0800;
const ETH_ARP: u128 = 0x0806;
const ETH_RARP: u128 = 0x8035;
const ETH_IPV6: u128 = 0x86dd;
const ETH_MPLS: u128 = 0x8847;
const ETH_MPLS_MULTICAST: u128 = 0x8848;
const ETH_NSH: u128 = 0x894f;

impl Match {
    /// Matches every packet.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            entries: SmallVec::new_const(),
        }
    }

    /// Whether every packet matches.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    fn raw(&self) -> impl Iterator<Item = Raw<'_>> {
        let mut reader = Reader::new(&self.entries);
        // Only whole entries are ever put in.
        std::iter::from_fn(move || Raw::read(&mut reader).ok())
    }

    /// The fields, in the table's order.
    pub fn fields(&self) -> impl Iterator<Item = FieldValue> {
        self.raw().map_while(|raw| raw.value())
    }

    /// The entries that are not understood: header, value and mask as received.
    pub fn opaque(&self) -> impl Iterator<Item = &[u8]> {
        let others = self.raw().filter(|raw| raw.field.is_none());
        others.map(|raw| raw.whole)
    }

    /// The condition on a field. Ask for the canonical field: registers of 32 bits, for example.
    #[must_use]
    pub fn get(&self, field: Field) -> Option<FieldValue> {
        self.find(field).ok().and_then(|(_, raw)| raw.value())
    }

    /// The value of a field all of whose bits are fixed.
    #[must_use]
    pub fn exact(&self, field: Field) -> Option<u128> {
        self.get(field)
            .filter(FieldValue::is_exact)
            .map(|entry| entry.value())
    }

    /// Where a field stands, or would stand.
    fn find(&self, field: Field) -> Result<(Range<usize>, Raw<'_>), usize> {
        let mut at = 0;
        for raw in self.raw() {
            let end = at + raw.whole.len();
            match raw.field {
                Some(known) if known < field => at = end,
                Some(known) if known == field => return Ok((at..end, raw)),
                _ => return Err(at),
            }
        }
        Err(at)
    }

    /// What it says about what other fields presuppose.
    fn said(&self) -> Said {
        let mut out = Said::default();
        for raw in self.raw() {
            let place = match raw.field {
                Some(Field::PacketType) => &mut out.packet_type,
                Some(Field::EthType) => &mut out.eth_type,
                Some(Field::IpProto) => &mut out.protocol,
                Some(Field::Icmpv6Type) => &mut out.icmp_type,
                Some(Field::CtState) => {
                    out.ct = true;
                    continue;
                }
                Some(Field::VlanVid) => {
                    out.vlan = true;
                    continue;
                }
                Some(_) => continue,
                None => break,
            };
            let exact = raw.value().filter(FieldValue::is_exact);
            *place = exact.map(FieldValue::value);
        }
        out
    }

    /// Sets one field in canonical form, replacing only the bits that `entry` speaks of.
    fn put(&mut self, entry: FieldValue) {
        let field = entry.field();
        if entry.mask() == 0 {
            return;
        }
        if field.index() >= field.info().count {
            // There is no such field: it is what its bytes say it is.
            let bytes = EntryBytes::of(&entry);
            if let Ok(raw) = Raw::read(&mut Reader::new(&bytes)) {
                self.take(&raw);
            }
            return;
        }
        match self.find(field) {
            Err(at) => self.entries.insert_from_slice(at, &EntryBytes::of(&entry)),
            Ok((range, raw)) => {
                let (old, old_mask) = raw.value().map_or((0, 0), |old| (old.value(), old.mask()));
                let value = old & !entry.mask() | entry.value();
                let entry = FieldValue::masked(field, value, old_mask | entry.mask());
                self.entries.drain(range.clone());
                self.entries
                    .insert_from_slice(range.start, &EntryBytes::of(&entry));
            }
        }
    }

    /// Adds an entry that is not understood.
    fn put_opaque(&mut self, bytes: &[u8]) {
        let mut at = 0;
        for raw in self.raw() {
            if raw.field.is_none() && raw.whole >= bytes {
                break;
            }
            at += raw.whole.len();
        }
        self.entries.insert_from_slice(at, bytes);
    }

    /// Adds a condition, whatever the form in which it is given. Bits already fixed are replaced.
    pub fn insert(&mut self, entry: FieldValue) {
        let (field, value, mask) = (entry.field(), entry.value(), entry.mask());
        match field {
            Field::XReg(n) => self.put_words(n.wrapping_mul(2), 2, value, mask),
            Field::XxReg(n) => self.put_words(n.wrapping_mul(4), 4, value, mask),
            Field::InPort => {
                let port = Port::from_u16(u16::try_from(value).unwrap_or(u16::MAX));
                self.put(FieldValue::exact(Field::InPortOxm, port.into_value()));
            }
            Field::IpTos => self.put(FieldValue::masked(Field::IpDscp, value >> 2, mask >> 2)),
            Field::VlanTci => {
                self.put(FieldValue::masked(Field::VlanVid, value, mask));
                // Where there is no VLAN there is no priority either.
                if mask & 0x1000 == 0 || value & 0x1000 != 0 {
                    self.put(FieldValue::masked(Field::VlanPcp, value >> 13, mask >> 13));
                }
            }
            // Ethernet is what a packet is unless something else is said.
            Field::PacketType if value == 0 => {}
            _ => self.put(entry),
        }
    }

    fn put_words(&mut self, first: u8, words: u8, value: u128, mask: u128) {
        for word in 0..words {
            let shift = 32 * u32::from(words - 1 - word);
            let entry = FieldValue::masked(
                Field::Reg(first.wrapping_add(word)),
                value >> shift,
                mask >> shift & 0xffff_ffff,
            );
            self.put(entry);
        }
    }

    /// Adds what `needs` presupposes, where there is only one way to satisfy it and nothing is said yet.
    fn imply(&mut self, needs: Needs) {
        let (eth_type, protocol, icmp_type) = match needs {
            Needs::None | Needs::Ct | Needs::VlanVid | Needs::Ip => return,
            Needs::Mpls => (Some(ETH_MPLS), None, None),
            Needs::Ipv4 => (Some(ETH_IPV4), None, None),
            Needs::Ipv6 => (Some(ETH_IPV6), None, None),
            Needs::Arp => (Some(ETH_ARP), None, None),
            Needs::Nsh => (Some(ETH_NSH), None, None),
            Needs::Tcp => (None, Some(6), None),
            Needs::Udp => (None, Some(17), None),
            Needs::Sctp => (None, Some(132), None),
            Needs::Icmp4 => (Some(ETH_IPV4), Some(1), None),
            Needs::Icmp6 | Needs::Nd => (Some(ETH_IPV6), Some(58), None),
            Needs::NdSolicit => (Some(ETH_IPV6), Some(58), Some(135)),
            Needs::NdAdvert => (Some(ETH_IPV6), Some(58), Some(136)),
        };
        for (field, value) in [
            (Field::EthType, eth_type),
            (Field::IpProto, protocol),
            (Field::Icmpv6Type, icmp_type),
        ] {
            let said = match field {
                Field::EthType => self.ether_type().is_some(),
                _ => self.get(field).is_some(),
            };
            if let Some(value) = value
                && !said
            {
                self.put(FieldValue::exact(field, value));
            }
        }
    }

    /// The Ethernet type, also of a packet that begins behind its Ethernet header.
    fn ether_type(&self) -> Option<u128> {
        self.said().ether_type()
    }

    /// Whether a switch would accept every field: a TCP port, for example, needs an IP version too.
    ///
    /// # Errors
    /// The first field whose prerequisite is missing.
    pub fn check(&self) -> Result<(), MissingPrerequisite> {
        let mut said = None;
        for field in self.raw().map_while(|raw| raw.field) {
            let needs = field.info().needs;
            if needs != Needs::None && !said.get_or_insert_with(|| self.said()).satisfies(needs) {
                return Err(MissingPrerequisite { field, needs });
            }
        }
        Ok(())
    }

    pub(crate) fn satisfies(&self, needs: Needs) -> bool {
        needs == Needs::None || self.said().satisfies(needs)
    }
}

/// What a match says about what fields presuppose: values that are fixed.
#[derive(Debug, Clone, Copy, Default)]
struct Said {
    packet_type: Option<u128>,
    eth_type: Option<u128>,
    protocol: Option<u128>,
    icmp_type: Option<u128>,
    ct: bool,
    vlan: bool,
}

impl Said {
    /// The Ethernet type, also of a packet that begins behind its Ethernet header.
    fn ether_type(&self) -> Option<u128> {
        let bare = self.packet_type.filter(|kind| kind >> 16 == 1);
        bare.map(|kind| kind & 0xffff).or(self.eth_type)
    }

    fn satisfies(&self, needs: Needs) -> bool {
        let eth = |types: &[u128]| self.ether_type().is_some_and(|t| types.contains(&t));
        let proto = |p: u128| self.protocol == Some(p);
        let ip = &[ETH_IPV4, ETH_IPV6];
        let icmp_type = |types: &[u128]| self.icmp_type.is_some_and(|t| types.contains(&t));
        let nd = |types: &[u128]| eth(&[ETH_IPV6]) && proto(58) && icmp_type(types);
        match needs {
            Needs::None => true,
            Needs::Ct => self.ct,
            Needs::VlanVid => self.vlan,
            Needs::Mpls => eth(&[ETH_MPLS, ETH_MPLS_MULTICAST]),
            Needs::Ipv4 => eth(&[ETH_IPV4]),
            Needs::Ipv6 => eth(&[ETH_IPV6]),
            Needs::Ip => eth(ip),
            Needs::Arp => eth(&[ETH_ARP, ETH_RARP]),
            Needs::Nsh => eth(&[ETH_NSH]),
            Needs::Tcp => eth(ip) && proto(6),
            Needs::Udp => eth(ip) && proto(17),
            Needs::Sctp => eth(ip) && proto(132),
            Needs::Icmp4 => eth(&[ETH_IPV4]) && proto(1),
            Needs::Icmp6 => eth(&[ETH_IPV6]) && proto(58),
            Needs::Nd => nd(&[135, 136]),
            Needs::NdSolicit => nd(&[135]),
            Needs::NdAdvert => nd(&[136]),
        }
    }
}

/// Whether a field stands in a match as it is, and says anything.
fn is_canonical(entry: &FieldValue) -> bool {
    let other = matches!(
        entry.field(),
        Field::XReg(_)
            | Field::XxReg(_)
            | Field::InPort
            | Field::IpTos
            | Field::VlanTci
            | Field::PacketType
    );
    !other && entry.mask() != 0
}

/// Building. Each method takes the match and gives it back, with what the field presupposes added
/// where it is unambiguous: an IPv4 address adds the Ethernet type, a TCP port only the protocol.
impl Match {
    /// Fixes all of a field.
    #[must_use]
    pub fn with(self, field: Field, value: impl IntoValue) -> Self {
        self.with_value(FieldValue::exact(field, value.into_value()))
    }

    /// Fixes some bits of a field.
    #[must_use]
    pub fn with_masked(self, field: Field, value: impl IntoValue, mask: impl IntoValue) -> Self {
        self.with_value(FieldValue::masked(
            field,
            value.into_value(),
            mask.into_value(),
        ))
    }

    /// Fixes what `entry` says.
    #[must_use]
    pub fn with_value(mut self, entry: FieldValue) -> Self {
        self.imply(entry.field().info().needs);
        self.insert(entry);
        self
    }

    /// The port of arrival.
    #[must_use]
    pub fn in_port(self, port: impl Into<Port>) -> Self {
        self.with(Field::InPortOxm, port.into())
    }

    /// OpenFlow metadata: with OVN, the datapath's key.
    #[must_use]
    pub fn metadata(self, value: u64) -> Self {
        self.with(Field::Metadata, value)
    }

    /// All of a 32-bit register.
    #[must_use]
    pub fn reg(self, n: u8, value: u32) -> Self {
        self.with(Field::Reg(n), value)
    }

    /// Some bits of a 32-bit register.
    #[must_use]
    pub fn reg_masked(self, n: u8, value: u32, mask: u32) -> Self {
        self.with_masked(Field::Reg(n), value, mask)
    }

    /// The Ethernet type.
    #[must_use]
    pub fn eth_type(self, value: u16) -> Self {
        self.with(Field::EthType, value)
    }

    /// IPv4 packets.
    #[must_use]
    pub fn ip(self) -> Self {
        self.eth_type(0x0800)
    }

    /// IPv6 packets.
    #[must_use]
    pub fn ipv6(self) -> Self {
        self.eth_type(0x86dd)
    }

    /// ARP packets.
    #[must_use]
    pub fn arp(self) -> Self {
        self.eth_type(0x0806)
    }

    /// The IP protocol. It needs [`Match::ip`] or [`Match::ipv6`] beside it.
    #[must_use]
    pub fn ip_proto(self, value: u8) -> Self {
        self.with(Field::IpProto, value)
    }

    /// An Ethernet source.
    #[must_use]
    pub fn eth_src(self, address: [u8; 6]) -> Self {
        self.with(Field::EthSrc, address)
    }

    /// An Ethernet destination.
    #[must_use]
    pub fn eth_dst(self, address: [u8; 6]) -> Self {
        self.with(Field::EthDst, address)
    }

    /// An IPv4 destination.
    #[must_use]
    pub fn ipv4_dst(self, address: Ipv4Addr) -> Self {
        self.with(Field::IpDst, address)
    }

    /// An IPv6 destination.
    #[must_use]
    pub fn ipv6_dst(self, address: Ipv6Addr) -> Self {
        self.with(Field::Ipv6Dst, address)
    }

    /// Packets with this VLAN identifier.
    #[must_use]
    pub fn vlan_vid(self, vid: u16) -> Self {
        self.with(Field::VlanVid, 0x1000 | vid & 0xfff)
    }

    /// Packets without a VLAN header.
    #[must_use]
    pub fn no_vlan(self) -> Self {
        self.with(Field::VlanVid, 0u16)
    }

    /// Connection-tracking state bits: those of `mask` must be as in `value`.
    #[must_use]
    pub fn ct_state(self, value: u32, mask: u32) -> Self {
        self.with_masked(Field::CtState, value, mask)
    }
}

/// The fewest values with masks that together are the ports from `first` to `last`, in their order.
/// None where the range is empty.
///
/// ```
/// let masks = openflow::port_masks(1000, 1003);
/// assert_eq!(masks, [(1000, 0xfffc)]);
/// ```
#[must_use]
pub fn port_masks(first: u16, last: u16) -> Vec<(u16, u16)> {
    let mut out = Vec::new();
    let (mut next, end) = (u32::from(first), u32::from(last) + 1);
    while next < end {
        // The largest aligned block that begins here and does not go beyond the end.
        let aligned = next.trailing_zeros().min(16);
        let fits = (end - next).ilog2();
        let size = 1u32 << aligned.min(fits);
        out.push((next as u16, !(size - 1) as u16));
        next += size;
    }
    out
}

/// The binary form.
impl Match {
    /// Reads entries until the reader ends.
    pub(crate) fn read_entries(reader: &mut Reader<'_>) -> Result<Self> {
        let mut out = Self::new();
        // Switches write nearly all fields in the table's order: these go straight to the end.
        let (mut last, mut in_order) = (None, true);
        while !reader.is_empty() {
            let raw = Raw::read(reader)?;
            match raw.value() {
                Some(entry) if in_order && is_canonical(&entry) && last < Some(entry.field()) => {
                    out.entries.extend_from_slice(&EntryBytes::of(&entry));
                    last = Some(entry.field());
                }
                _ => {
                    out.take(&raw);
                    in_order = false;
                }
            }
        }
        Ok(out)
    }

    /// Reads one entry.
    pub(crate) fn read_one(&mut self, reader: &mut Reader<'_>) -> Result<()> {
        let raw = Raw::read(reader)?;
        self.take(&raw);
        Ok(())
    }

    fn take(&mut self, raw: &Raw<'_>) {
        match raw.value() {
            Some(entry) => self.insert(entry),
            None => self.put_opaque(raw.whole),
        }
    }

    /// Reads entries that stand alone.
    pub(crate) fn decode_entries(bytes: &[u8]) -> Result<Self> {
        Self::read_entries(&mut Reader::new(bytes))
    }

    /// Adds the conditions of another match.
    pub(crate) fn extend(&mut self, other: &Self) {
        other.raw().for_each(|raw| self.take(&raw));
    }

    /// Writes the entries alone, in an order in which prerequisites come first.
    pub(crate) fn write_entries(&self, out: &mut Writer) {
        out.bytes(&self.entries);
    }

    /// Reads a `struct ofp_match` with its padding (OpenFlow 1.5, section 7.2.3.1).
    pub(crate) fn read(reader: &mut Reader<'_>) -> Result<Self> {
        let kind = reader.u16()?;
        if kind != 1 {
            return Err(Error::BadValue {
                what: "match type",
                value: kind.into(),
            });
        }
        let length = usize::from(reader.u16()?);
        let entries = length.checked_sub(4).ok_or(Error::BadLength {
            what: "match",
            length,
        })?;
        let out = Self::read_entries(&mut reader.sub(entries)?)?;
        reader.skip_padding(length.next_multiple_of(8) - length);
        Ok(out)
    }

    /// Writes a `struct ofp_match` with its padding.
    pub(crate) fn write(&self, out: &mut Writer) {
        let start = out.len();
        out.u16(1);
        out.u16(0);
        self.write_entries(out);
        out.patch_len(start + 2, start);
        out.pad8(start);
    }
}
