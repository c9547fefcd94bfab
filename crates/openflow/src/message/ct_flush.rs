//! Connections to be forgotten (`ovs-ofctl(8)`, "ct-flush").

use std::net::{IpAddr, Ipv6Addr};

use super::Body;
use crate::error::Result;
use crate::property::{Properties, put_property};
use crate::wire::{Reader, Writer};

/// One direction of the connections that are meant; what is not said may be anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct CtTuple {
    /// From where.
    pub source: Option<IpAddr>,
    /// To where.
    pub destination: Option<IpAddr>,
    /// From which port.
    pub source_port: Option<u16>,
    /// To which port.
    pub destination_port: Option<u16>,
    /// The identifier of an echo.
    pub icmp_id: Option<u16>,
    /// The ICMP type.
    pub icmp_type: Option<u8>,
    /// The ICMP code.
    pub icmp_code: Option<u8>,
}

/// Connections to be forgotten: those that agree with all that is said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct CtFlush {
    /// The IP protocol; zero for any.
    pub protocol: u8,
    /// The direction in which the connection was opened.
    pub original: CtTuple,
    /// The direction of the answers.
    pub reply: CtTuple,
    /// The zone.
    pub zone: Option<u16>,
}

const ORIGINAL: u16 = 0;
const REPLY: u16 = 1;
const ZONE: u16 = 2;

const SOURCE: u16 = 0;
const DESTINATION: u16 = 1;
const SOURCE_PORT: u16 = 2;
const DESTINATION_PORT: u16 = 3;
const ICMP_ID: u16 = 4;
const ICMP_TYPE: u16 = 5;
const ICMP_CODE: u16 = 6;

fn address(value: &mut Reader<'_>) -> Result<IpAddr> {
    let address = Ipv6Addr::from_bits(value.uint(16)?);
    Ok(address.to_canonical())
}

impl CtTuple {
    fn read(reader: &mut Reader<'_>) -> Result<Self> {
        // The nested list begins behind padding to eight bytes.
        reader.skip(4)?;
        let mut out = Self::default();
        for property in Properties::new(reader) {
            let (kind, mut value) = property?;
            match kind {
                SOURCE => out.source = Some(address(&mut value)?),
                DESTINATION => out.destination = Some(address(&mut value)?),
                SOURCE_PORT => out.source_port = Some(value.u16()?),
                DESTINATION_PORT => out.destination_port = Some(value.u16()?),
                ICMP_ID => out.icmp_id = Some(value.u16()?),
                ICMP_TYPE => out.icmp_type = Some(value.u8()?),
                ICMP_CODE => out.icmp_code = Some(value.u8()?),
                _ => {}
            }
        }
        Ok(out)
    }

    fn write(&self, out: &mut Writer) {
        out.zeros(4);
        for (kind, address) in [(SOURCE, self.source), (DESTINATION, self.destination)] {
            let bits = address.map(|address| match address {
                IpAddr::V4(address) => address.to_ipv6_mapped().to_bits(),
                IpAddr::V6(address) => address.to_bits(),
            });
            if let Some(bits) = bits {
                put_property(out, kind, |out| out.uint(bits, 16));
            }
        }
        for (kind, number) in [
            (SOURCE_PORT, self.source_port),
            (DESTINATION_PORT, self.destination_port),
            (ICMP_ID, self.icmp_id),
        ] {
            if let Some(number) = number {
                put_property(out, kind, |out| out.u16(number));
            }
        }
        for (kind, number) in [(ICMP_TYPE, self.icmp_type), (ICMP_CODE, self.icmp_code)] {
            if let Some(number) = number {
                put_property(out, kind, |out| out.u8(number));
            }
        }
    }
}

impl Body for CtFlush {
    fn read(reader: &mut Reader<'_>) -> Result<Self> {
        let mut out = Self {
            protocol: reader.u8()?,
            ..Self::default()
        };
        reader.skip(7)?;
        for property in Properties::new(reader) {
            let (kind, mut value) = property?;
            match kind {
                ORIGINAL => out.original = CtTuple::read(&mut value)?,
                REPLY => out.reply = CtTuple::read(&mut value)?,
                ZONE => out.zone = Some(value.u16()?),
                _ => {}
            }
        }
        Ok(out)
    }

    fn write(&self, out: &mut Writer) {
        out.u8(self.protocol);
        out.zeros(7);
        for (kind, tuple) in [(ORIGINAL, &self.original), (REPLY, &self.reply)] {
            if *tuple != CtTuple::default() {
                put_property(out, kind, |out| tuple.write(out));
            }
        }
        if let Some(zone) = self.zone {
            put_property(out, ZONE, |out| out.u16(zone));
        }
    }
}
