//! Flows in the words of options, both ways.

use std::net::Ipv4Addr;
use std::str::FromStr;

use anyhow::{Context as _, bail};
use odp::{
    Action, Actions, Ethernet, Format, Key, KeyField, Match, PortNames, PortNo, Tunnel, Ufid,
};
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

/// Options, as they are being written.
struct Writer<'a> {
    names: &'a PortNames,
    parts: Vec<String>,
}

/// A flow as options, which a shell and [`read`] understand.
pub(super) fn write(matches: &Match, actions: &[Action], names: &PortNames) -> String {
    let mut writer = Writer {
        names,
        parts: Vec::new(),
    };
    writer.matches(matches);
    writer.actions(actions);
    writer.parts.join(" ")
}

/// A key alone, as `listen --keys` writes it.
pub(super) fn write_key(key: &Key, names: &PortNames) -> String {
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

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Command {
        #[command(flatten)]
        flags: Flags,
    }

    fn names() -> PortNames {
        let ports = [(1, "ethx"), (2, "vx"), (3, "gnv0")];
        ports
            .map(|(number, name)| (PortNo(number), name.to_owned()))
            .into_iter()
            .collect()
    }

    fn parse(words: &[&str]) -> anyhow::Result<FlowOptions> {
        let words = std::iter::once(&"odp").chain(words);
        read(&Command::try_parse_from(words)?.flags, &names())
    }

    fn text(words: &[&str]) -> String {
        let options = parse(words).unwrap();
        let format = Format::default();
        format!(
            "{} -> {}",
            options.matches,
            format.actions(&options.actions)
        )
    }

    fn error(words: &[&str]) -> String {
        format!("{:#}", parse(words).unwrap_err())
    }

    #[test]
    fn the_walk_through_of_the_seed_is_understood() {
        let words = [
            "--in-port=ethx",
            "--set-tunnel-ipv4-src=10.0.0.112",
            "--set-tunnel-ipv4-dst=10.0.0.113",
            "--set-tunnel-ttl=64",
            "--output=vx",
        ];
        assert_eq!(
            text(&words),
            "in_port(1),eth() -> set(tunnel(src=10.0.0.112,dst=10.0.0.113,ttl=64,flags(0))),2"
        );
    }

    /// The peer sets first and puts out last, whatever was said.
    #[test]
    fn actions_keep_their_order() {
        let words = [
            "--output=ethx",
            "--set-tunnel-ipv4-dst=10.0.0.1",
            "--output=vx",
            "--actions=pop_vlan",
            "--set-tunnel-ipv4-dst=10.0.0.2",
            "--output=vx,gnv0",
        ];
        assert_eq!(
            text(&words),
            "eth() -> 1,set(tunnel(dst=10.0.0.1,ttl=64,flags(0))),2,pop_vlan,\
             set(tunnel(dst=10.0.0.2,ttl=64,flags(0))),2,3"
        );
    }

    /// The peer takes no notice of the first where the second is right.
    #[test]
    fn a_bad_source_is_refused_beside_a_good_destination() {
        let words = ["--eth-src=nonsense", "--eth-dst=00:00:00:00:00:01"];
        assert_eq!(
            error(&words),
            "--eth-src=nonsense: not an Ethernet address (expected xx:xx:xx:xx:xx:xx)"
        );
    }

    /// The peer forgets it when nothing else of the tunnel is said.
    #[test]
    fn fragmentation_alone_makes_a_tunnel_count() {
        assert_eq!(
            text(&["--tunnel-df", "--output=1"]),
            "tunnel(flags(+df)),eth() -> 1"
        );
        let options = parse(&["--tunnel-df=false"]).unwrap();
        let tunnel = options.matches.mask.unwrap().tunnel().unwrap().clone();
        assert!(tunnel.dont_fragment && !tunnel.checksum);
    }

    #[test]
    fn masks_are_taken_in_three_ways() {
        let mask = "eth(src=02:00:00:00:00:01/ff:ff:ff:00:00:00) -> drop";
        for between in ["/", "&", ":"] {
            let word = format!("--eth-src=02:00:00:00:00:01{between}ff:ff:ff:00:00:00");
            assert_eq!(text(&[&word]), mask);
        }
        let words = ["--tunnel-id=0x10/0xf0", "--tunnel-tos=4/12"];
        assert!(text(&words).starts_with("tunnel(tun_id=0x10/0xf0,tos=0x4/0xc"));
    }

    #[test]
    fn what_is_not_understood_is_named() {
        assert_eq!(
            error(&["--output=nowhere"]),
            "--output=nowhere: there is no port nowhere in this datapath"
        );
        assert_eq!(
            error(&["--tunnel-id=10"]),
            "--tunnel-id=10: write sixteen hexadecimal digits, or fewer after 0x"
        );
        assert!(error(&["--set-tunnel-id=0x1"]).contains("say --output after it"));
        assert!(error(&["--key=ipv4("]).starts_with("--key=ipv4(: a known field or"));
    }

    #[test]
    fn a_flow_is_written_as_it_is_said() {
        for line in [
            "--in-port=ethx --output=vx",
            "--in-port=vx --eth-src=02:00:00:00:00:01/ff:ff:ff:00:00:00 --eth-dst=02:00:00:00:00:02",
            "--in-port=vx --tunnel-id=000000000000002a --tunnel-ipv4-src=10.0.0.1 --tunnel-df=false --output=ethx",
            "--in-port=ethx --set-tunnel-id=0000000000000007 --set-tunnel-ipv4-dst=10.0.0.1 --set-tunnel-ttl=9 --output=vx,gnv0",
            "--in-port=ethx --actions=pop_vlan --output=vx --actions=ct_clear --output=gnv0",
        ] {
            let words: Vec<&str> = line.split(' ').collect();
            let options = parse(&words).unwrap();
            assert_eq!(write(&options.matches, &options.actions, &names()), line);
        }
    }

    #[test]
    fn what_has_no_option_is_written_in_the_words_of_dpctl() {
        let words = [
            "--in-port=1",
            "--key=eth_type(0x0806),arp(op=1)",
            "--actions=push_vlan(vid=7,pcp=0)",
        ];
        let options = parse(&words).unwrap();
        let text = write(&options.matches, &options.actions, &names());
        assert_eq!(
            text,
            "--in-port=ethx --key='eth_type(0x0806),arp(op=1)' --actions='push_vlan(vid=7,pcp=0)'"
        );
    }
}
