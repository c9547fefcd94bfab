//! Reading what is said to the connection tracker.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::read_key::labels;
use super::scanner::{Result, Scanner};
use super::value::{Style, TextValue};
use crate::action::{Ct, Nat, NatDirection, NatRange};
use crate::id::Zone;

/// What stands behind `ct(`.
pub(super) fn ct(scanner: &mut Scanner<'_>) -> Result<Ct> {
    let mut ct = Ct::default();
    let begin = scanner.clone();
    scanner.list(|scanner| {
        if scanner.word("commit") {
            ct.commit = true;
        } else if scanner.word("force_commit") {
            ct.force_commit = true;
        } else if scanner.name("zone") {
            ct.zone = Some(Zone(scanner.u16()?));
        } else if scanner.name("mark") {
            ct.mark = Some(scanner.masked(Style::Hex)?);
        } else if scanner.name("label") {
            ct.labels = Some(labels(scanner)?);
        } else if scanner.name("helper") {
            ct.helper = Some(name(scanner, 15)?);
        } else if scanner.name("timeout") {
            ct.timeout = Some(name(scanner, 31)?);
        } else if scanner.name("eventmask") {
            ct.event_mask = Some(scanner.u32()?);
        } else if scanner.eat("nat(") {
            ct.nat = Some(nat(scanner)?);
        } else if scanner.word("nat") {
            ct.nat = Some(Nat::default());
        } else {
            return Ok(false);
        }
        Ok(true)
    })?;
    match ct.commit && ct.force_commit {
        true => Err(begin.error("commit or force_commit, not both")),
        false => Ok(ct),
    }
}

/// A name of so many bytes at most.
fn name(scanner: &mut Scanner<'_>, max: usize) -> Result<String> {
    let begin = scanner.clone();
    let name = scanner.while_(|c| !", \t\r\n)\0".contains(c));
    match (1..=max).contains(&name.len()) {
        true => Ok(name.to_owned()),
        false => Err(begin.error(format!("a name of one to {max} bytes"))),
    }
}

fn nat(scanner: &mut Scanner<'_>) -> Result<Nat> {
    let mut nat = Nat::default();
    let begin = scanner.clone();
    scanner.list(|scanner| {
        let direction = match (scanner.eat("src"), scanner.eat("dst")) {
            (true, _) => Some(NatDirection::Source),
            (_, true) => Some(NatDirection::Destination),
            _ => None,
        };
        if direction.is_some() {
            if nat.direction.is_some() {
                return Err(begin.error("src or dst, not both"));
            }
            nat.direction = direction;
            if scanner.eat("=") {
                range(scanner, &mut nat)?;
            }
        } else if scanner.word("persistent") {
            nat.persistent = true;
        } else if scanner.word("hash") {
            nat.hash = true;
        } else if scanner.word("random") {
            nat.random = true;
        } else {
            return Ok(false);
        }
        Ok(true)
    })?;
    if nat.hash && nat.random {
        return Err(begin.error("hash or random, not both"));
    }
    if nat.direction.is_none() && nat != Nat::default() {
        return Err(begin.error("src or dst"));
    }
    Ok(nat)
}

/// Addresses, and behind a colon ports.
fn range(scanner: &mut Scanner<'_>, nat: &mut Nat) -> Result<()> {
    let begin = scanner.clone();
    let min = address(scanner)?;
    let max = match scanner.eat("-") {
        true => Some(address(scanner)?),
        false => None,
    };
    let ordered = |max: &IpAddr| max.is_ipv4() == min.is_ipv4() && *max >= min;
    if !max.as_ref().is_none_or(ordered) {
        return Err(begin.error("addresses in order"));
    }
    nat.addresses = Some(NatRange { min, max });
    if scanner.eat(":") {
        let min = scanner.u16()?;
        let max = match scanner.eat("-") {
            true => Some(scanner.u16()?),
            false => None,
        };
        if max.is_some_and(|max| max < min) {
            return Err(begin.error("ports in order"));
        }
        nat.ports = Some(NatRange { min, max });
    }
    Ok(())
}

/// An address, of version 6 perhaps in brackets.
fn address(scanner: &mut Scanner<'_>) -> Result<IpAddr> {
    if scanner.eat("[") {
        let address = Ipv6Addr::parse(scanner, Style::Plain)?;
        scanner.expect("]")?;
        return Ok(address.into());
    }
    let before = scanner.clone();
    if let Ok(address) = Ipv4Addr::parse(scanner, Style::Plain) {
        return Ok(address.into());
    }
    *scanner = before;
    Ipv6Addr::parse(scanner, Style::Plain).map(Into::into)
}
