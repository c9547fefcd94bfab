//! Writing actions.

use std::net::IpAddr;

use super::key::{bytes, mpls_entry, one, print_port, print_vlan, wide};
use super::value::{List, hex, ipv6, plain};
use super::{Format, cookie, nsh};
use crate::action::{
    Action, Ct, Hash, HashAlgorithm, Nat, NatDirection, PushVlan, Sample, Sampled, Userspace,
};
use crate::attribute::Raw;
use crate::key::{KeyField, Vlan};

/// A list of actions.
pub(super) fn print(actions: &[Action], format: &Format<'_>, out: &mut String) {
    if actions.is_empty() {
        out.push_str("drop");
    }
    let mut list = List::new(out, false);
    for action in actions {
        print_one(action, format, list.next());
    }
}

/// Actions in parentheses after a name.
fn nested_in(name: &str, actions: &[Action], format: &Format<'_>, out: &mut String) {
    out.push_str(name);
    out.push('(');
    print(actions, format, out);
    out.push(')');
}

fn print_one(action: &Action, format: &Format<'_>, out: &mut String) {
    match action {
        Action::Output(port) => print_port(*port, format, out),
        Action::Userspace(userspace) => print_userspace(userspace, format, out),
        Action::Set(field) => print_set(field, None, true, out),
        Action::SetMasked { value, mask } => print_set(value, Some(mask), false, out),
        Action::PushVlan(vlan) => print_push_vlan(*vlan, out),
        Action::PopVlan => out.push_str("pop_vlan"),
        Action::Sample(sample) => print_sample(sample, format, out),
        Action::Recirc(id) => {
            out.push_str("recirc(");
            hex(*id, out);
            out.push(')');
        }
        Action::Hash(hash) => print_hash(*hash, out),
        Action::PushMpls(mpls) => {
            out.push_str("push_mpls(");
            mpls_entry(mpls.entry, out);
            plain(format_args!(",eth_type={:#x})", mpls.ether_type), out);
        }
        Action::PopMpls(kind) => plain(format_args!("pop_mpls(eth_type={kind:#x})"), out),
        Action::Ct(ct) => print_ct(ct, out),
        Action::Trunc(length) => plain(format_args!("trunc({length})"), out),
        Action::PushEthernet(header) => {
            let (src, dst) = (header.src, header.dst);
            plain(format_args!("push_eth(src={src},dst={dst})"), out);
        }
        Action::PopEthernet => out.push_str("pop_eth"),
        Action::CtClear => out.push_str("ct_clear"),
        Action::PushNsh(header) => {
            out.push_str("push_nsh(");
            nsh::print_push(header, out);
            out.push(')');
        }
        Action::PopNsh => out.push_str("pop_nsh()"),
        Action::Meter(meter) => plain(format_args!("meter({meter})"), out),
        Action::Clone(actions) => nested_in("clone", actions, format, out),
        Action::CheckPacketLength(check) => {
            plain(format_args!("check_pkt_len(size={}", check.length), out);
            nested_in(",gt", &check.greater, format, out);
            nested_in(",le", &check.less_equal, format, out);
            out.push(')');
        }
        Action::AddMpls(mpls) => {
            out.push_str("add_mpls(");
            mpls_entry(mpls.entry, out);
            plain(format_args!(",eth_type={:#x}", mpls.ether_type), out);
            if mpls.flags != 0 {
                plain(format_args!(",tun_flags={:#x}", mpls.flags), out);
            }
            out.push(')');
        }
        Action::DecTtl(actions) => {
            nested_in("dec_ttl(le_1", actions, format, out);
            out.push(')');
        }
        Action::Drop(0) => out.push_str("drop"),
        Action::Drop(reason) => plain(format_args!("drop({reason})"), out),
        Action::Psample(sampled) => print_psample(sampled, out),
        Action::Unknown(raw) => print_unknown(raw, out),
    }
}

/// A tunnel is set in whole, and written as what is looked at in whole.
fn print_set(value: &KeyField, mask: Option<&KeyField>, more: bool, out: &mut String) {
    let format = Format { more, names: None };
    out.push_str("set(");
    one(value, mask, &format, out);
    out.push(')');
}

fn print_push_vlan(vlan: PushVlan, out: &mut String) {
    out.push_str("push_vlan(");
    let mut list = List::new(out, false);
    if vlan.tpid != 0x8100 {
        plain(format_args!("tpid={:#06x}", vlan.tpid), list.next());
    }
    print_vlan(vlan.tci, Vlan(u16::MAX), false, &mut list);
    out.push(')');
}

fn print_sample(sample: &Sample, format: &Format<'_>, out: &mut String) {
    let percent = 100.0 * f64::from(sample.probability) / f64::from(u32::MAX);
    plain(format_args!("sample(sample={percent:.1}%"), out);
    nested_in(",actions", &sample.actions, format, out);
    out.push(')');
}

fn print_hash(hash: Hash, out: &mut String) {
    let basis = hash.basis;
    let text = match hash.algorithm {
        HashAlgorithm::L4 => format!("hash(l4({basis}))"),
        HashAlgorithm::SymmetricL4 => format!("hash(sym_l4({basis}))"),
        HashAlgorithm::Other(other) => format!("hash(alg{other}({basis}))"),
    };
    out.push_str(&text);
}

fn print_psample(sampled: &Sampled, out: &mut String) {
    plain(format_args!("psample(group={}", sampled.group), out);
    if let Some(cookie) = &sampled.cookie {
        out.push_str(",cookie=0x");
        for byte in cookie {
            plain(format_args!("{byte:02x}"), out);
        }
    }
    out.push(')');
}

fn print_unknown(raw: &Raw, out: &mut String) {
    plain(format_args!("action{}", raw.number()), out);
    if !raw.bytes.is_empty() {
        out.push('(');
        bytes(&raw.bytes, out);
        out.push(')');
    }
}

fn print_userspace(userspace: &Userspace, format: &Format<'_>, out: &mut String) {
    plain(format_args!("userspace(pid={}", userspace.pid), out);
    if let Some(data) = &userspace.data {
        cookie::print(data, format, out);
    }
    if userspace.with_actions {
        out.push_str(",actions");
    }
    if let Some(port) = userspace.tunnel_port {
        out.push_str(",tunnel_out_port=");
        print_port(port, format, out);
    }
    out.push(')');
}

fn print_ct(ct: &Ct, out: &mut String) {
    out.push_str("ct");
    if *ct == Ct::default() {
        return;
    }
    let begin = out.len();
    out.push('(');
    let mut list = List::new(out, false);
    if ct.commit {
        list.next().push_str("commit");
    }
    if ct.force_commit {
        list.next().push_str("force_commit");
    }
    // Zone 0 is where connections are by themselves.
    if let Some(zone) = ct.zone.filter(|zone| zone.0 != 0) {
        plain(format_args!("zone={zone}"), list.next());
    }
    if let Some((mark, mask)) = ct.mark {
        let out = list.next();
        out.push_str("mark=");
        hex(mark, out);
        out.push('/');
        hex(mask, out);
    }
    if let Some((labels, mask)) = ct.labels {
        let out = list.next();
        out.push_str("label=");
        wide(labels, Some(mask), out);
    }
    if let Some(helper) = &ct.helper {
        plain(format_args!("helper={helper}"), list.next());
    }
    if let Some(timeout) = &ct.timeout {
        plain(format_args!("timeout={timeout}"), list.next());
    }
    if let Some(mask) = ct.event_mask {
        plain(format_args!("eventmask={mask:#x}"), list.next());
    }
    if let Some(nat) = &ct.nat {
        print_nat(nat, list.next());
    }
    out.push(')');
    if out.ends_with("ct()") {
        out.truncate(begin);
    }
}

fn print_nat(nat: &Nat, out: &mut String) {
    out.push_str("nat");
    let Some(direction) = nat.direction else {
        return;
    };
    out.push('(');
    out.push_str(match direction {
        NatDirection::Source => "src",
        NatDirection::Destination => "dst",
    });
    let ports = nat.ports;
    if let Some(range) = nat.addresses {
        out.push('=');
        print_address(range.min, ports.is_some(), out);
        if let Some(max) = range.max.filter(|max| *max != range.min) {
            out.push('-');
            print_address(max, ports.is_some(), out);
        }
        if let Some(ports) = ports {
            plain(format_args!(":{}", ports.min), out);
            if let Some(max) = ports.max.filter(|max| *max != ports.min) {
                plain(format_args!("-{max}"), out);
            }
        }
    }
    for (set, name) in [
        (nat.persistent, ",persistent"),
        (nat.hash, ",hash"),
        (nat.random, ",random"),
    ] {
        out.push_str(if set { name } else { "" });
    }
    out.push(')');
}

/// In brackets where a port follows that could be taken for a part of it.
fn print_address(address: IpAddr, bracket: bool, out: &mut String) {
    match address {
        IpAddr::V4(address) => plain(address, out),
        IpAddr::V6(address) if bracket => {
            out.push('[');
            ipv6(address, out);
            out.push(']');
        }
        IpAddr::V6(address) => ipv6(address, out),
    }
}
