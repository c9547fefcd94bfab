//! A flow as options, in their order.

use std::net::Ipv4Addr;

use odp::{Action, Ethernet, Format, Key, KeyField, Match, PortNames, PortNo, Tunnel};
use packet::Mac;

use super::Flag;

/// Options, as they are being written.
struct Writer<'a> {
    names: &'a PortNames,
    parts: Vec<String>,
}

/// A flow as options, which a shell and `read` understand.
pub(in crate::odp) fn write(matches: &Match, actions: &[Action], names: &PortNames) -> String {
    let mut writer = Writer {
        names,
        parts: Vec::new(),
    };
    writer.matches(matches);
    writer.actions(actions);
    writer.parts.join(" ")
}

/// A key alone, as `listen --keys` writes it.
pub(in crate::odp) fn write_key(key: &Key, names: &PortNames) -> String {
    write(&Match::exact(key.clone()), &[], names)
}

impl Writer<'_> {
    fn put(&mut self, flag: Flag, value: impl std::fmt::Display) {
        self.parts.push(format!("--{}={value}", flag.name()));
    }

    /// With its mask, unless all counts; not at all, if nothing does.
    fn masked<T: PartialEq>(
        &mut self,
        flag: Flag,
        (value, mask): (T, T),
        (zero, exact): (T, T),
        show: impl Fn(&T) -> String,
    ) {
        if mask == exact {
            self.put(flag, show(&value));
        } else if mask != zero {
            self.put(flag, format!("{}/{}", show(&value), show(&mask)));
        }
    }

    fn matches(&mut self, matches: &Match) {
        let mut rest = Match {
            key: Key::default(),
            mask: matches.mask.as_ref().map(|_| Key::default()),
        };
        for field in &matches.key.0 {
            let exact = field.exact_mask();
            let mask = match &matches.mask {
                None => Some(&exact),
                Some(mask) => mask.field(field.number()),
            };
            if !self.field(field, mask) {
                rest.key.0.push(field.clone());
                if let Some(masks) = &mut rest.mask {
                    masks.0.extend(mask.cloned());
                }
            }
        }
        if !rest.key.0.is_empty() {
            let format = Format {
                more: false,
                names: Some(self.names),
            };
            let text = format.key(&rest.key, rest.mask.as_ref());
            if !text.is_empty() {
                self.put(Flag::Key, quoted(&text));
            }
        }
    }

    /// Writes a field that has options of its own, and says whether it has.
    fn field(&mut self, field: &KeyField, mask: Option<&KeyField>) -> bool {
        match (field, mask) {
            (KeyField::InPort(port), Some(KeyField::InPort(mask))) if *mask == PortNo::EXACT => {
                self.put(Flag::InPort, self.names.show(*port));
            }
            (KeyField::Ethernet(key), mask) => {
                let mask = match mask {
                    Some(KeyField::Ethernet(mask)) => *mask,
                    _ => Ethernet::ZERO,
                };
                let ends = (Mac::ZERO, Mac::BROADCAST);
                self.masked(Flag::EthSrc, (key.src, mask.src), ends, Mac::to_string);
                self.masked(Flag::EthDst, (key.dst, mask.dst), ends, Mac::to_string);
            }
            (KeyField::Tunnel(key), Some(KeyField::Tunnel(mask))) if is_plain(key) => {
                self.tunnel(key, mask);
            }
            _ => return false,
        }
        true
    }

    fn tunnel(&mut self, key: &Tunnel, mask: &Tunnel) {
        macro_rules! put {
            ($flag:ident $field:ident $zero:expr, $exact:expr, $show:expr) => {
                if let (Some(value), Some(mask)) = (key.$field, mask.$field) {
                    self.masked(Flag::$flag, (value, mask), ($zero, $exact), $show);
                }
            };
        }
        let (none, all) = (Ipv4Addr::UNSPECIFIED, Ipv4Addr::BROADCAST);
        put!(TunnelId id 0, u64::MAX, |id| format!("{id:016x}"));
        put!(TunnelSrc ipv4_src none, all, Ipv4Addr::to_string);
        put!(TunnelDst ipv4_dst none, all, Ipv4Addr::to_string);
        put!(TunnelTos tos 0, u8::MAX, u8::to_string);
        put!(TunnelTtl ttl 0, u8::MAX, u8::to_string);
        if mask.dont_fragment {
            self.put(Flag::TunnelDf, key.dont_fragment);
        }
        if mask.checksum {
            self.put(Flag::TunnelCsum, key.checksum);
        }
        put!(TunnelTpSrc tp_src 0, u16::MAX, u16::to_string);
        put!(TunnelTpDst tp_dst 0, u16::MAX, u16::to_string);
    }

    fn actions(&mut self, actions: &[Action]) {
        let mut ports: Vec<String> = Vec::new();
        for (n, action) in actions.iter().enumerate() {
            let flushes = !matches!(action, Action::Output(_));
            if flushes && !ports.is_empty() {
                self.put(Flag::Output, std::mem::take(&mut ports).join(","));
            }
            let goes_out = matches!(actions.get(n + 1), Some(Action::Output(_)));
            match action {
                Action::Output(port) => ports.push(self.names.show(*port)),
                Action::Set(KeyField::Tunnel(tunnel)) if goes_out && is_plain(tunnel) => {
                    self.set_tunnel(tunnel);
                }
                other => {
                    let format = Format {
                        more: false,
                        names: Some(self.names),
                    };
                    let text = format.actions(std::slice::from_ref(other));
                    self.put(Flag::Actions, quoted(&text));
                }
            }
        }
        if !ports.is_empty() {
            self.put(Flag::Output, ports.join(","));
        }
    }

    fn set_tunnel(&mut self, tunnel: &Tunnel) {
        macro_rules! put {
            ($($flag:ident $field:ident)*) => {
                $(if let Some(value) = tunnel.$field {
                    self.put(Flag::$flag, value);
                })*
            };
        }
        if let Some(id) = tunnel.id {
            self.put(Flag::SetTunnelId, format!("{id:016x}"));
        }
        put!(SetTunnelSrc ipv4_src SetTunnelDst ipv4_dst SetTunnelTos tos SetTunnelTtl ttl);
        if tunnel.dont_fragment {
            self.put(Flag::SetTunnelDf, true);
        }
        if tunnel.checksum {
            self.put(Flag::SetTunnelCsum, true);
        }
        put!(SetTunnelTpSrc tp_src SetTunnelTpDst tp_dst);
    }
}

/// True if a tunnel is no more than its options can say.
fn is_plain(tunnel: &Tunnel) -> bool {
    let said = Tunnel {
        id: tunnel.id,
        ipv4_src: tunnel.ipv4_src,
        ipv4_dst: tunnel.ipv4_dst,
        tos: tunnel.tos,
        ttl: tunnel.ttl,
        dont_fragment: tunnel.dont_fragment,
        checksum: tunnel.checksum,
        tp_src: tunnel.tp_src,
        tp_dst: tunnel.tp_dst,
        ..Tunnel::default()
    };
    // Without a time to live it would be given one.
    *tunnel == said && tunnel.ttl.is_some()
}

/// For a shell: what it would read otherwise stands in quotes.
fn quoted(text: &str) -> String {
    match text.contains(['(', ')', '\'', ' ', '{', '&', '|']) {
        true => format!("'{}'", text.replace('\'', "'\\''")),
        false => text.to_owned(),
    }
}
