//! Who made the switch, and what IPFIX has exported.

use crate::error::Result;
use crate::wire::{Reader, Writer, fixed_name};

/// Who made the switch.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Description {
    /// Who made it.
    pub manufacturer: String,
    /// What it is made of.
    pub hardware: String,
    /// What it runs.
    pub software: String,
    /// Its serial number.
    pub serial: String,
    /// What people call it.
    pub datapath: String,
}

const LONG: usize = 256;
const SHORT: usize = 32;

impl Description {
    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Self> {
        let mut text = |length| reader.take(length).map(fixed_name);
        Ok(Self {
            manufacturer: text(LONG)?,
            hardware: text(LONG)?,
            software: text(LONG)?,
            serial: text(SHORT)?,
            datapath: text(LONG)?,
        })
    }

    pub(super) fn write(&self, out: &mut Writer) {
        for (text, length) in [
            (&self.manufacturer, LONG),
            (&self.hardware, LONG),
            (&self.software, LONG),
            (&self.serial, SHORT),
            (&self.datapath, LONG),
        ] {
            out.name(text, length);
        }
    }
}

/// What an IPFIX exporter has done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct IpfixStats {
    /// Flows seen.
    pub total_flows: u64,
    /// Flows in its cache.
    pub current_flows: u64,
    /// Packets sampled.
    pub packets: u64,
    /// Of these, IPv4.
    pub ipv4_packets: u64,
    /// Of these, IPv6.
    pub ipv6_packets: u64,
    /// Packets that could not be sampled.
    pub error_packets: u64,
    /// Of these, IPv4.
    pub ipv4_error_packets: u64,
    /// Of these, IPv6.
    pub ipv6_error_packets: u64,
    /// Messages sent to the collectors.
    pub sent: u64,
    /// Messages that could not be sent.
    pub send_errors: u64,
    /// The collectors; zero for those of the bridge.
    pub collector_set: u32,
}

impl IpfixStats {
    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Self> {
        let out = Self {
            total_flows: reader.u64()?,
            current_flows: reader.u64()?,
            packets: reader.u64()?,
            ipv4_packets: reader.u64()?,
            ipv6_packets: reader.u64()?,
            error_packets: reader.u64()?,
            ipv4_error_packets: reader.u64()?,
            ipv6_error_packets: reader.u64()?,
            sent: reader.u64()?,
            send_errors: reader.u64()?,
            collector_set: reader.u32()?,
        };
        reader.skip(4)?;
        Ok(out)
    }

    pub(super) fn write(&self, out: &mut Writer) {
        for count in [
            self.total_flows,
            self.current_flows,
            self.packets,
            self.ipv4_packets,
            self.ipv6_packets,
            self.error_packets,
            self.ipv4_error_packets,
            self.ipv6_error_packets,
            self.sent,
            self.send_errors,
        ] {
            out.u64(count);
        }
        out.u32(self.collector_set);
        out.zeros(4);
    }
}
