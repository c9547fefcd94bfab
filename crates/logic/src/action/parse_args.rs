//! The arguments of the actions that take any.

use std::net::{IpAddr, Ipv4Addr, SocketAddrV4, SocketAddrV6};

use super::parse::Reader;
use super::{
    Action, Backend, Endpoint, Family, LbFlag, LbKind, NatKind, NatTarget, ObservationPoint, Zone,
};
use crate::lexer::Token;
use crate::{Constant, Error, Format, Slice};

/// The highest number of a queue that Linux' schedulers have room for.
const MAX_QUEUE: u64 = 0xf000;

impl Reader<'_> {
    /// `( inner )`
    pub(super) fn in_parentheses<T>(
        &mut self,
        inner: impl FnOnce(&mut Self) -> Result<T, Error>,
    ) -> Result<T, Error> {
        self.parser.expect("(")?;
        let value = inner(self)?;
        self.parser.expect(")")?;
        Ok(value)
    }

    /// `name =`
    pub(super) fn key(&mut self, name: &str) -> Result<(), Error> {
        if !self.accept_key(name)? {
            return Err(self.parser.unexpected(&format!("`{name} =`")));
        }
        Ok(())
    }

    /// `name =`, if it stands here.
    pub(super) fn accept_key(&mut self, name: &str) -> Result<bool, Error> {
        let found = self.parser.accept_name(name);
        if found {
            self.parser.expect("=")?;
        }
        Ok(found)
    }

    /// A comma, unless the parenthesis closes.
    pub(super) fn separator(&mut self) -> Result<(), Error> {
        if self.parser.is(")") {
            Ok(())
        } else {
            self.parser.expect(",")
        }
    }

    /// A decimal or hexadecimal number up to `highest`.
    pub(super) fn number(&mut self, highest: u64, expected: &str) -> Result<u64, Error> {
        match *self.parser.peek() {
            Token::Number(Constant {
                value,
                mask: None,
                format: Format::Decimal | Format::Hex,
            }) if value <= highest.into() => {
                self.parser.next();
                Ok(value as u64)
            }
            _ => Err(self.parser.unexpected(expected)),
        }
    }

    pub(super) fn uint16(&mut self, expected: &str) -> Result<u16, Error> {
        Ok(self.number(u16::MAX.into(), expected)? as u16)
    }

    pub(super) fn queue(&mut self) -> Result<u16, Error> {
        Ok(self.number(MAX_QUEUE, "the number of a queue up to 61440")? as u16)
    }

    /// A field of just that width that holds a number.
    pub(super) fn field(&mut self, width: u8) -> Result<Slice, Error> {
        let at = self.parser.position();
        let slice = self.parser.slice()?;
        if slice.is_port() {
            let message = format!("`{slice}` is a port where a number is needed");
            return Err(self.parser.error_from(at, message));
        }
        self.check_width(slice, width, at)?;
        Ok(slice)
    }

    /// A field that holds a port.
    pub(super) fn port_field(&mut self) -> Result<Slice, Error> {
        let at = self.parser.position();
        let slice = self.parser.slice()?;
        self.check_port(slice, at)?;
        Ok(slice)
    }

    pub(super) fn check_port(&self, slice: Slice, at: usize) -> Result<(), Error> {
        if slice.is_port() {
            return Ok(());
        }
        let message = format!("`{slice}` is a number where a port is needed");
        Err(self.parser.error_from(at, message))
    }

    /// `true` or `false`, in double quotes or without.
    fn truth(&mut self) -> Result<bool, Error> {
        let value = match self.parser.peek() {
            Token::Name(word) => word.parse().ok(),
            Token::Text(word) => word.parse().ok(),
            _ => None,
        };
        let value = value.ok_or_else(|| self.parser.unexpected("`true` or `false`"))?;
        self.parser.next();
        Ok(value)
    }

    pub(super) fn slice_in_parentheses(&mut self) -> Result<Slice, Error> {
        self.in_parentheses(|r| r.parser.slice())
    }

    pub(super) fn optional_zone(&mut self) -> Result<Option<Zone>, Error> {
        if !self.parser.is("(") {
            return Ok(None);
        }
        self.in_parentheses(Self::zone).map(Some)
    }

    pub(super) fn next(&mut self) -> Result<Action, Error> {
        let (mut pipeline, mut table) = (None, None);
        if self.parser.accept("(") {
            if let Token::Number(_) = self.parser.peek() {
                table = Some(self.table()?);
            } else {
                while !self.parser.is(")") {
                    if self.accept_key("pipeline")? {
                        pipeline = Some(self.pipeline()?);
                    } else if self.accept_key("table")? {
                        table = Some(self.table()?);
                    } else {
                        return Err(self.parser.unexpected("`pipeline` or `table`"));
                    }
                    self.separator()?;
                }
            }
            self.parser.expect(")")?;
        }
        Ok(Action::Next { pipeline, table })
    }

    fn table(&mut self) -> Result<u8, Error> {
        Ok(self.number(u8::MAX.into(), "the number of a table")? as u8)
    }

    /// An IPv4 or IPv6 address.
    fn address(&mut self) -> Result<IpAddr, Error> {
        let address = match self.parser.peek() {
            Token::Number(constant) if constant.mask.is_none() => constant
                .ip4()
                .map(IpAddr::V4)
                .or_else(|| constant.ip6().map(IpAddr::V6)),
            _ => None,
        };
        let address = address.ok_or_else(|| self.parser.unexpected("an IPv4 or IPv6 address"))?;
        self.parser.next();
        Ok(address)
    }

    fn address_v4(&mut self) -> Result<Ipv4Addr, Error> {
        let at = self.parser.position();
        match self.address()? {
            IpAddr::V4(address) => Ok(address),
            IpAddr::V6(_) => Err(self.parser.error_from(at, "an IPv4 address was expected")),
        }
    }

    pub(super) fn nat(&mut self, kind: NatKind) -> Result<Action, Error> {
        if !self.parser.is("(") {
            return Ok(Action::Nat { kind, target: None });
        }
        let target = self.in_parentheses(|r| {
            let address = r.address()?;
            let ports = if r.parser.accept(",") {
                Some(r.port_range()?)
            } else {
                None
            };
            Ok(NatTarget { address, ports })
        })?;
        Ok(Action::Nat {
            kind,
            target: Some(target),
        })
    }

    fn port_range(&mut self) -> Result<(u16, Option<u16>), Error> {
        let at = self.parser.position();
        let low = self.uint16("a port")?;
        let high = if self.parser.accept("-") {
            Some(self.uint16("a port")?)
        } else {
            None
        };
        if low == 0 || high.is_some_and(|high| high <= low) {
            return Err(self
                .parser
                .error_from(at, "a range of ports is LOW-HIGH, from 1 up"));
        }
        Ok((low, high))
    }

    pub(super) fn load_balance(&mut self, kind: LbKind) -> Result<Action, Error> {
        let (mut backends, mut hash_fields, mut flag) = (Vec::new(), None, None);
        if self.parser.accept("(") {
            if !self.parser.is(")") {
                self.key("backends")?;
            }
            while !self.parser.is(")") && !self.parser.is(";") {
                backends.push(self.backend(kind)?);
                self.parser.accept(",");
            }
            while self.parser.accept(";") {
                if self.accept_key("hash_fields")? {
                    hash_fields = Some(self.parser.text("fields in double quotes")?);
                } else if self.parser.accept_name("skip_snat") {
                    flag = Some(LbFlag::SkipSnat);
                } else if self.parser.accept_name("force_snat") {
                    flag = Some(LbFlag::ForceSnat);
                } else {
                    let words = "`hash_fields`, `skip_snat` or `force_snat`";
                    return Err(self.parser.unexpected(words));
                }
            }
            self.parser.expect(")")?;
        }
        Ok(Action::CtLb {
            kind,
            backends,
            hash_fields,
            flag,
        })
    }

    fn backend(&mut self, kind: LbKind) -> Result<Backend, Error> {
        let mut port_name = None;
        if kind == LbKind::MarkLocal {
            port_name = Some(self.parser.text("the name of a port in double quotes")?);
            self.parser.expect(":")?;
        }
        let bracket = self.parser.accept("[");
        let address = self.address()?;
        if bracket {
            self.parser.expect("]")?;
        }
        let mut port = None;
        if self.parser.is(":") {
            if address.is_ipv6() && !bracket {
                return Err(self
                    .parser
                    .error("an IPv6 address with a port needs square brackets"));
            }
            self.parser.next();
            port = Some(self.uint16("a port")?);
        }
        Ok(Backend {
            port_name,
            address,
            port,
        })
    }

    pub(super) fn get_neighbour(&mut self, family: Family) -> Result<Action, Error> {
        self.in_parentheses(|r| {
            let port = r.port_field()?;
            r.parser.expect(",")?;
            Ok(Action::GetNeighbour {
                family,
                port,
                ip: r.field(family.width())?,
            })
        })
    }

    pub(super) fn put_neighbour(&mut self, family: Family) -> Result<Action, Error> {
        self.in_parentheses(|r| {
            let port = r.port_field()?;
            r.parser.expect(",")?;
            let ip = r.field(family.width())?;
            r.parser.expect(",")?;
            Ok(Action::PutNeighbour {
                family,
                port,
                ip,
                mac: r.field(48)?,
            })
        })
    }

    pub(super) fn lookup_neighbour(
        &mut self,
        target: Slice,
        family: Family,
        with_mac: bool,
    ) -> Result<Action, Error> {
        self.in_parentheses(|r| {
            let port = r.port_field()?;
            r.parser.expect(",")?;
            let ip = r.field(family.width())?;
            let mut mac = None;
            if with_mac {
                r.parser.expect(",")?;
                mac = Some(r.field(48)?);
            }
            Ok(Action::LookupNeighbour {
                family,
                target,
                port,
                ip,
                mac,
            })
        })
    }

    pub(super) fn put_fdb(&mut self) -> Result<Action, Error> {
        let (port, mac) = self.in_parentheses(Self::port_and_mac)?;
        Ok(Action::PutFdb { port, mac })
    }

    pub(super) fn lookup_fdb(&mut self, target: Slice) -> Result<Action, Error> {
        let (port, mac) = self.in_parentheses(Self::port_and_mac)?;
        Ok(Action::LookupFdb { target, port, mac })
    }

    fn port_and_mac(&mut self) -> Result<(Slice, Slice), Error> {
        let port = self.port_field()?;
        self.parser.expect(",")?;
        Ok((port, self.field(48)?))
    }

    pub(super) fn dhcp_relay(&mut self, target: Slice, response: bool) -> Result<Action, Error> {
        self.in_parentheses(|r| {
            let relay = r.address_v4()?;
            r.parser.accept(",");
            Ok(Action::DhcpRelay {
                target,
                response,
                relay,
                server: r.address_v4()?,
            })
        })
    }

    pub(super) fn select(&mut self, target: Slice, at: usize) -> Result<Action, Error> {
        if target.width() < 16 {
            let message = format!("`{target}` has {} bits, select needs 16", target.width());
            return Err(self.parser.error_from(at, message));
        }
        self.parser.expect("(")?;
        let hashed = self.accept_key("values")?;
        if hashed {
            self.parser.expect("(")?;
        }
        let mut members = Vec::new();
        while !self.parser.accept(")") {
            let id = self.uint16("a number of 16 bits")?;
            let weight_at = self.parser.position();
            // A weight that is not written is the same for all.
            let weight = if self.parser.accept("=") {
                self.uint16("a weight")?
            } else {
                100
            };
            if weight == 0 {
                return Err(self.parser.error_from(weight_at, "a weight is at least 1"));
            }
            members.push((id, weight));
            self.parser.accept(",");
        }
        if members.len() < 2 {
            return Err(self.parser.error("select needs at least two members"));
        }
        let mut hash_fields = None;
        if hashed {
            self.parser.expect(";")?;
            self.key("hash_fields")?;
            hash_fields = Some(self.parser.text("fields in double quotes")?);
            self.parser.expect(")")?;
        }
        Ok(Action::Select {
            target,
            members,
            hash_fields,
        })
    }

    pub(super) fn set_meter(&mut self) -> Result<Action, Error> {
        self.in_parentheses(|r| {
            let at = r.parser.position();
            let rate = r.number(u64::MAX, "a rate in kbit/s")?;
            if rate == 0 {
                return Err(r.parser.error_from(at, "a rate is at least 1 kbit/s"));
            }
            let mut burst = None;
            if r.parser.accept(",") {
                burst = Some(r.number(u64::MAX, "a burst in kbit")?);
            }
            Ok(Action::SetMeter { rate, burst })
        })
    }

    pub(super) fn bind_vport(&mut self) -> Result<Action, Error> {
        self.in_parentheses(|r| {
            let vport = r.parser.text("the name of a port in double quotes")?;
            r.parser.expect(",")?;
            Ok(Action::BindVport {
                vport,
                parent: r.port_field()?,
            })
        })
    }

    pub(super) fn forwarding_group(&mut self) -> Result<Action, Error> {
        self.in_parentheses(|r| {
            let mut liveness = false;
            if r.accept_key("liveness")? {
                liveness = r.truth()?;
                r.parser.expect(",")?;
            }
            r.key("childports")?;
            let mut child_ports = vec![r.parser.text("the name of a port in double quotes")?];
            while r.parser.accept(",") {
                child_ports.push(r.parser.text("the name of a port in double quotes")?);
            }
            Ok(Action::FwdGroup {
                liveness,
                child_ports,
            })
        })
    }

    pub(super) fn commit_ecmp_nh(&mut self) -> Result<Action, Error> {
        self.in_parentheses(|r| {
            r.key("ipv6")?;
            let ipv6 = r.truth()?;
            r.parser.expect(",")?;
            r.key("proto")?;
            Ok(Action::CommitEcmpNh {
                ipv6,
                transport: r.transport()?,
            })
        })
    }

    pub(super) fn commit_lb_aff(&mut self) -> Result<Action, Error> {
        self.in_parentheses(|r| {
            r.key("vip")?;
            let vip = r.endpoint()?;
            r.parser.expect(",")?;
            r.key("backend")?;
            let at = r.parser.position();
            let backend = r.endpoint()?;
            if backend.address.is_ipv4() != vip.address.is_ipv4() {
                let message = "the backend must be of the same address family as the VIP";
                return Err(r.parser.error_from(at, message));
            }
            r.parser.expect(",")?;
            let mut transport = None;
            if r.accept_key("proto")? {
                transport = Some(r.transport()?);
                r.parser.expect(",")?;
            }
            r.key("timeout")?;
            let timeout = r.uint16("a time in seconds")?;
            Ok(Action::CommitLbAff {
                vip,
                backend,
                transport,
                timeout,
            })
        })
    }

    /// An address with an optional port in double quotes.
    fn endpoint(&mut self) -> Result<Endpoint, Error> {
        let at = self.parser.position();
        let text = self
            .parser
            .text("an address with a port in double quotes")?;
        endpoint(&text).ok_or_else(|| {
            let message = "\"ADDRESS\", \"IPV4:PORT\" or \"[IPV6]:PORT\" was expected";
            self.parser.error_from(at, message)
        })
    }

    pub(super) fn observation_point(&mut self) -> Result<ObservationPoint, Error> {
        if *self.parser.peek() == Token::Set("cookie") {
            self.parser.next();
            return Ok(ObservationPoint::Cookie);
        }
        if let Token::Number(_) = self.parser.peek() {
            let number = self.number(u32::MAX.into(), "a number of 32 bits")?;
            return Ok(ObservationPoint::Number(number as u32));
        }
        Ok(ObservationPoint::Field(self.field(32)?))
    }
}

fn endpoint(text: &str) -> Option<Endpoint> {
    let unbracketed = text
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'));
    if let Ok(address) = unbracketed.unwrap_or(text).parse::<IpAddr>() {
        return Some(Endpoint {
            address,
            port: None,
        });
    }
    if let Ok(socket) = text.parse::<SocketAddrV4>() {
        return Some(Endpoint {
            address: (*socket.ip()).into(),
            port: Some(socket.port()),
        });
    }
    let socket: SocketAddrV6 = text.parse().ok()?;
    Some(Endpoint {
        address: (*socket.ip()).into(),
        port: Some(socket.port()),
    })
}

impl Family {
    const fn width(self) -> u8 {
        match self {
            Self::V4 => 32,
            Self::V6 => 128,
        }
    }
}
