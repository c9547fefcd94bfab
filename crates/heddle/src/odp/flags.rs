//! The options that say which packets a flow is for and what it does, in the order in which they stand.
//!
//! Order counts: what is set is set for the outputs behind it.

use clap::{Arg, ArgAction, ArgMatches, Command};

/// Declares the options: `Variant "name" "VALUE" "what it is"`.
macro_rules! flags {
    ($($variant:ident $name:literal $value:literal $help:literal;)*) => {
        /// An option.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(super) enum Flag {
            $($variant,)*
        }

        const ALL: &[(Flag, &str, &str, &str)] = &[$((Flag::$variant, $name, $value, $help),)*];
    };
}

flags! {
    InPort "in-port" "VPORT" "Packets that came in at this port: its name or number";
    EthSrc "eth-src" "MAC[/MASK]" "Packets from this address";
    EthDst "eth-dst" "MAC[/MASK]" "Packets to this address";
    TunnelId "tunnel-id" "ID[/MASK]" "Packets out of a tunnel with this key: sixteen hexadecimal digits, or fewer after 0x";
    TunnelSrc "tunnel-ipv4-src" "IP[/MASK]" "Packets out of a tunnel from this address";
    TunnelDst "tunnel-ipv4-dst" "IP[/MASK]" "Packets out of a tunnel to this address";
    TunnelTos "tunnel-tos" "N[/MASK]" "Packets out of a tunnel with this type of service";
    TunnelTtl "tunnel-ttl" "N[/MASK]" "Packets out of a tunnel with this time to live";
    TunnelDf "tunnel-df" "true|false" "Packets out of a tunnel that could not be fragmented, or could";
    TunnelCsum "tunnel-csum" "true|false" "Packets out of a tunnel with a checksum, or without";
    TunnelTpSrc "tunnel-tp-src" "PORT[/MASK]" "Packets out of a tunnel from this UDP port";
    TunnelTpDst "tunnel-tp-dst" "PORT[/MASK]" "Packets out of a tunnel to this UDP port";
    Key "key" "KEY" "More to look at, in the words of ovs-dpctl: eth_type(0x0800),ipv4(proto=6)";
    Ufid "ufid" "UFID" "The flow's identifier";
    SetTunnelId "set-tunnel-id" "ID" "The key of the tunnel that is put around what goes out from here on";
    SetTunnelSrc "set-tunnel-ipv4-src" "IP" "Its source";
    SetTunnelDst "set-tunnel-ipv4-dst" "IP" "Its destination";
    SetTunnelTos "set-tunnel-tos" "N" "Its type of service";
    SetTunnelTtl "set-tunnel-ttl" "N" "Its time to live; 64 by default";
    SetTunnelDf "set-tunnel-df" "true|false" "It is not to be fragmented";
    SetTunnelCsum "set-tunnel-csum" "true|false" "It has a checksum";
    SetTunnelTpSrc "set-tunnel-tp-src" "PORT" "Its source UDP port";
    SetTunnelTpDst "set-tunnel-tp-dst" "PORT" "Its destination UDP port";
    Output "output" "VPORT[,VPORT...]" "Out of these ports";
    Actions "actions" "ACTIONS" "More to do, in the words of ovs-dpctl: push_vlan(vid=7,pcp=0),2";
}

impl Flag {
    /// Its name, without dashes.
    pub(super) fn name(self) -> &'static str {
        ALL.iter()
            .find(|(flag, ..)| *flag == self)
            .map_or("", |(_, name, ..)| name)
    }

    /// True if it can stand without a value, which is then `true`.
    const fn is_switch(self) -> bool {
        matches!(
            self,
            Self::TunnelDf | Self::TunnelCsum | Self::SetTunnelDf | Self::SetTunnelCsum
        )
    }
}

/// Options in their order.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Flags(pub(super) Vec<(Flag, String)>);

impl clap::FromArgMatches for Flags {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let mut found = Vec::new();
        for (flag, name, ..) in ALL {
            let places = matches.indices_of(name).into_iter().flatten();
            let values = matches.get_many::<String>(name).into_iter().flatten();
            found.extend(
                places
                    .zip(values)
                    .map(|(place, value)| (place, *flag, value.clone())),
            );
        }
        found.sort_by_key(|(place, ..)| *place);
        Ok(Self(
            found
                .into_iter()
                .map(|(_, flag, value)| (flag, value))
                .collect(),
        ))
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

impl clap::Args for Flags {
    fn augment_args(command: Command) -> Command {
        command.args(ALL.iter().map(|(flag, name, value, help)| {
            let arg = Arg::new(*name)
                .long(*name)
                .value_name(*value)
                .help(*help)
                .action(ArgAction::Append);
            match flag.is_switch() {
                true => arg
                    .num_args(0..=1)
                    .require_equals(true)
                    .default_missing_value("true"),
                false => arg,
            }
        }))
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}
