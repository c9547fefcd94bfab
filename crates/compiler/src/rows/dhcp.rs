//! DHCP_Options and DHCPv6_Options: the options that agents can send, by name.

use logic::{DHCP_V4_OPTIONS, DHCP_V6_OPTIONS, OptionDef, OptionKind};
use model::sb;
use ovsdb::Str;

use crate::program::{Program, SbRow};

/// The rows exist while the Northbound has its one row of settings.
pub(crate) fn declare(program: &mut Program) {
    // Readers look up `offerip` here too, though no Northbound row names it.
    for option in DHCP_V4_OPTIONS {
        let identity = program.identity.clone();
        let global = program.topology.nb.global;
        program.rows("rows/dhcp v4", global, move |_, _| {
            let (name, code) = (Str::new_static(option.name), i64::from(option.code));
            let row = sb::DhcpOptions {
                name,
                code,
                type_: v4_type(option)?,
            };
            Some(SbRow {
                uuid: identity.of::<sb::DhcpOptions>(option.name),
                row,
            })
        });
    }
    for option in DHCP_V6_OPTIONS {
        let identity = program.identity.clone();
        let global = program.topology.nb.global;
        program.rows("rows/dhcp v6", global, move |_, _| {
            let (name, code) = (Str::new_static(option.name), i64::from(option.code));
            let row = sb::Dhcpv6Options {
                name,
                code,
                type_: v6_type(option)?,
            };
            Some(SbRow {
                uuid: identity.of::<sb::Dhcpv6Options>(option.name),
                row,
            })
        });
    }
}

fn v4_type(option: &OptionDef) -> Option<sb::DhcpOptionsType> {
    Some(match option.kind {
        OptionKind::Bool => sb::DhcpOptionsType::Bool,
        OptionKind::Uint8 => sb::DhcpOptionsType::Uint8,
        OptionKind::Uint16 => sb::DhcpOptionsType::Uint16,
        OptionKind::Uint32 => sb::DhcpOptionsType::Uint32,
        OptionKind::Ip4 => sb::DhcpOptionsType::Ipv4,
        OptionKind::StaticRoutes => sb::DhcpOptionsType::StaticRoutes,
        OptionKind::Text => sb::DhcpOptionsType::Str,
        OptionKind::HostId => sb::DhcpOptionsType::HostId,
        OptionKind::Domains => sb::DhcpOptionsType::Domains,
        OptionKind::Ip6 | OptionKind::Mac | OptionKind::Domain => return None,
    })
}

fn v6_type(option: &OptionDef) -> Option<sb::Dhcpv6OptionsType> {
    Some(match option.kind {
        OptionKind::Ip6 => sb::Dhcpv6OptionsType::Ipv6,
        OptionKind::Text => sb::Dhcpv6OptionsType::Str,
        OptionKind::Mac => sb::Dhcpv6OptionsType::Mac,
        // Clients of 23.03 do not know the type `domain` and would complain at every look.
        _ => return None,
    })
}
