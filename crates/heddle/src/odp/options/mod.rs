//! Flows in the words of options, both ways.

#[cfg(test)]
mod tests;
mod write;

pub(super) use write::{write, write_key};

use std::net::Ipv4Addr;
use std::str::FromStr;

use anyhow::{Context as _, bail};
use odp::{Action, Actions, Ethernet, KeyField, Match, PortNames, PortNo, Tunnel, Ufid};
use packet::Mac;

use super::flags::{Flag, Flags};

/// A flow, as options say it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct FlowOptions {
    pub(super) matches: Match,
    pub(super) actions: Vec<Action>,
    pub(super) ufid: Option<Ufid>,
}

/// Reads options one after another.
struct Reader<'a> {
    names: &'a PortNames,
    matches: Match,
    ethernet: (Ethernet, Ethernet),
    tunnel: (Tunnel, Tunnel),
    actions: Vec<Action>,
    /// The tunnel that is being said; it is set before what goes out next.
    set: Option<Tunnel>,
    ufid: Option<Ufid>,
}

/// What options say. Packets are Ethernet's, unless `--key` says otherwise.
pub(super) fn read(flags: &Flags, names: &PortNames) -> anyhow::Result<FlowOptions> {
    let mut reader = Reader {
        names,
        matches: Match::default(),
        ethernet: Default::default(),
        tunnel: Default::default(),
        actions: Vec::new(),
        set: None,
        ufid: None,
    };
    for (flag, value) in &flags.0 {
        reader
            .take(*flag, value)
            .with_context(|| format!("--{}={value}", flag.name()))?;
    }
    reader.finish()
}

/// The number of a port.
fn port(names: &PortNames, text: &str) -> anyhow::Result<PortNo> {
    let number = names.number(text).or_else(|| text.parse().ok().map(PortNo));
    number.with_context(|| format!("there is no port {text} in this datapath"))
}

/// A value and its mask: behind a slash or an ampersand.
fn masked<T>(
    text: &str,
    exact: T,
    parse: impl Fn(&str) -> anyhow::Result<T>,
) -> anyhow::Result<(T, T)> {
    match text.split_once(['/', '&']) {
        Some((value, mask)) => Ok((parse(value)?, parse(mask)?)),
        None => Ok((parse(text)?, exact)),
    }
}

fn plain<T: FromStr<Err: std::error::Error + Send + Sync + 'static>>(
    text: &str,
) -> anyhow::Result<T> {
    Ok(text.parse()?)
}

/// An address and its mask, which may also stand behind a colon.
fn mac(text: &str) -> anyhow::Result<(Mac, Mac)> {
    let colons = text.match_indices(':');
    if let (11, Some((middle, _))) = (colons.clone().count(), colons.clone().nth(5)) {
        return Ok((text[..middle].parse()?, text[middle + 1..].parse()?));
    }
    masked(text, Mac::BROADCAST, plain)
}

/// The key of a tunnel.
fn tunnel_id(text: &str) -> anyhow::Result<u64> {
    let digits = match text.strip_prefix("0x") {
        Some(digits) => digits,
        None if text.len() == 16 => text,
        None => bail!("write sixteen hexadecimal digits, or fewer after 0x"),
    };
    Ok(u64::from_str_radix(digits, 16)?)
}

/// Sets a part of a tunnel, and which of it counts.
fn set<T>(places: (&mut Option<T>, &mut Option<T>), (value, mask): (T, T)) {
    *places.0 = Some(value);
    *places.1 = Some(mask);
}

impl Reader<'_> {
    fn take(&mut self, flag: Flag, text: &str) -> anyhow::Result<()> {
        match flag {
            Flag::InPort => {
                let port = KeyField::InPort(port(self.names, text)?);
                self.add(port, KeyField::InPort(PortNo::EXACT));
            }
            Flag::EthSrc => (self.ethernet.0.src, self.ethernet.1.src) = mac(text)?,
            Flag::EthDst => (self.ethernet.0.dst, self.ethernet.1.dst) = mac(text)?,
            Flag::Key => {
                let more = Actions {
                    names: Some(self.names),
                };
                let Match { key, mask } = more.key(text)?;
                for (field, mask) in key.0.into_iter().zip(mask.unwrap_or_default().0) {
                    self.add(field, mask);
                }
            }
            Flag::Ufid => self.ufid = Some(text.parse()?),
            Flag::Output => {
                self.set_tunnel();
                for name in text.split(',') {
                    self.actions.push(Action::Output(port(self.names, name)?));
                }
            }
            Flag::Actions => {
                self.set_tunnel();
                let more = Actions {
                    names: Some(self.names),
                };
                self.actions.extend(more.parse(text)?);
            }
            tunnel => self.take_tunnel(tunnel, text)?,
        }
        Ok(())
    }

    fn take_tunnel(&mut self, flag: Flag, text: &str) -> anyhow::Result<()> {
        macro_rules! looked_at {
            ($field:ident, $value:expr) => {
                set(
                    (&mut self.tunnel.0.$field, &mut self.tunnel.1.$field),
                    $value,
                )
            };
        }
        match flag {
            Flag::TunnelId => looked_at!(id, masked(text, u64::MAX, tunnel_id)?),
            Flag::TunnelSrc => looked_at!(ipv4_src, masked(text, Ipv4Addr::BROADCAST, plain)?),
            Flag::TunnelDst => looked_at!(ipv4_dst, masked(text, Ipv4Addr::BROADCAST, plain)?),
            Flag::TunnelTos => looked_at!(tos, masked(text, u8::MAX, plain)?),
            Flag::TunnelTtl => looked_at!(ttl, masked(text, u8::MAX, plain)?),
            Flag::TunnelTpSrc => looked_at!(tp_src, masked(text, u16::MAX, plain)?),
            Flag::TunnelTpDst => looked_at!(tp_dst, masked(text, u16::MAX, plain)?),
            Flag::TunnelDf => {
                self.tunnel.0.dont_fragment = plain(text)?;
                self.tunnel.1.dont_fragment = true;
            }
            Flag::TunnelCsum => {
                self.tunnel.0.checksum = plain(text)?;
                self.tunnel.1.checksum = true;
            }
            set => self.take_set(set, text)?,
        }
        Ok(())
    }

    fn take_set(&mut self, flag: Flag, text: &str) -> anyhow::Result<()> {
        let set = self.set.get_or_insert_with(|| Tunnel {
            ttl: Some(64),
            ..Tunnel::default()
        });
        match flag {
            Flag::SetTunnelId => set.id = Some(tunnel_id(text)?),
            Flag::SetTunnelSrc => set.ipv4_src = Some(text.parse()?),
            Flag::SetTunnelDst => set.ipv4_dst = Some(text.parse()?),
            Flag::SetTunnelTos => set.tos = Some(text.parse()?),
            Flag::SetTunnelTtl => set.ttl = Some(text.parse()?),
            Flag::SetTunnelDf => set.dont_fragment = text.parse()?,
            Flag::SetTunnelCsum => set.checksum = text.parse()?,
            Flag::SetTunnelTpSrc => set.tp_src = Some(text.parse()?),
            Flag::SetTunnelTpDst => set.tp_dst = Some(text.parse()?),
            _ => bail!("not supported here"),
        }
        Ok(())
    }

    fn add(&mut self, field: KeyField, mask: KeyField) {
        self.matches = std::mem::take(&mut self.matches).masked(field, mask);
    }

    fn set_tunnel(&mut self) {
        self.actions.extend(self.set.take().map(Action::set_tunnel));
    }

    fn finish(mut self) -> anyhow::Result<FlowOptions> {
        if self.set.is_some() {
            bail!("a tunnel is set, but nothing goes out behind it: say --output after it");
        }
        if self.tunnel.1 != Tunnel::default() {
            let (tunnel, mut mask) = std::mem::take(&mut self.tunnel);
            let tunnel = complete(tunnel, &mut mask);
            let make = |tunnel| KeyField::Tunnel(Box::new(tunnel));
            self.add(make(tunnel), make(mask));
        }
        let said = self.ethernet.1 != Ethernet::ZERO;
        if said || self.matches.key.ethernet().is_none() {
            let (addresses, mask) = self.ethernet;
            self.add(KeyField::Ethernet(addresses), KeyField::Ethernet(mask));
        }
        Ok(FlowOptions {
            matches: self.matches.complete(),
            actions: self.actions,
            ufid: self.ufid,
        })
    }
}

/// The kernel takes no tunnel without a destination and a time to live. What was not said of them does not
/// count, and so it does not matter what they are.
fn complete(mut tunnel: Tunnel, mask: &mut Tunnel) -> Tunnel {
    if tunnel.ipv4_dst.is_none() {
        tunnel.ipv4_dst = Some(Ipv4Addr::LOCALHOST);
        mask.ipv4_dst = Some(Ipv4Addr::UNSPECIFIED);
    }
    if tunnel.ttl.is_none() {
        tunnel.ttl = Some(64);
        mask.ttl = Some(0);
    }
    tunnel
}
