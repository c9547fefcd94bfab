//! Groups that actions choose from: backends of a load balancer, next hops.

use logic::Backend;
use openflow::action::{Ct, Nat, NatDirection};
use openflow::group::SelectionMethod;
use openflow::{Action, Bucket, Field, Group, GroupKind, Subfield};

use super::Trouble;
use super::encode::range;
use super::place::Place;

/// A group that gives each connection to one of the backends. Its number is set later.
pub(super) fn backends(
    place: &Place,
    backends: &[Backend],
    hash_fields: Option<&str>,
    marks: &[Action],
) -> Result<Group, Trouble> {
    let table = Some(place.next()?);
    let bucket = |(id, backend): (u32, &Backend)| {
        let nat = Nat {
            direction: Some(NatDirection::Destination),
            range: Some(range(backend.address)),
            ports: backend.port.map(|port| (port, None)),
            ..Nat::default()
        };
        let mut actions = vec![Action::Nat(Box::new(nat))];
        actions.extend_from_slice(marks);
        let ct = Ct {
            commit: true,
            zone: place.zone(),
            table,
            actions,
            ..Ct::default()
        };
        Bucket {
            id,
            weight: 100,
            actions: vec![Action::Ct(Box::new(ct))],
            ..Bucket::default()
        }
    };
    let buckets = (0..).zip(backends).map(bucket).collect();
    Ok(Group {
        kind: GroupKind::Select,
        buckets,
        selection: Some(selection(hash_fields)?),
        ..Group::default()
    })
}

/// A group that writes one of the numbers, by weight, and goes on. Its number is set later.
pub(super) fn select(
    target: Subfield,
    next: u8,
    members: &[(u16, u16)],
    hash_fields: Option<&str>,
) -> Result<Group, Trouble> {
    let bucket = |(id, (number, weight)): (u32, &(u16, u16))| Bucket {
        id,
        weight: *weight,
        actions: vec![Action::load(*number, target), Action::resubmit(next)],
        ..Bucket::default()
    };
    let buckets = (0..).zip(members).map(bucket).collect();
    Ok(Group {
        kind: GroupKind::Select,
        buckets,
        selection: Some(selection(hash_fields)?),
        ..Group::default()
    })
}

fn selection(hash_fields: Option<&str>) -> Result<SelectionMethod, Trouble> {
    let Some(names) = hash_fields else {
        return Ok(SelectionMethod {
            method: "dp_hash".into(),
            ..SelectionMethod::default()
        });
    };
    let mut fields = Vec::new();
    for name in names
        .split(',')
        .map(str::trim)
        .filter(|name| !name.is_empty())
    {
        let field = hash_field(name)
            .ok_or_else(|| Trouble::NotSupported(format!("hash field {name}").into()))?;
        fields.push((field, field.full_mask()));
    }
    Ok(SelectionMethod {
        method: "hash".into(),
        param: 0,
        fields,
    })
}

/// The fields that ovn-nb(5) names for `selection_fields`, as ovs-fields(7) does.
fn hash_field(name: &str) -> Option<Field> {
    Some(match name {
        "eth_src" => Field::EthSrc,
        "eth_dst" => Field::EthDst,
        "ip_proto" | "nw_proto" => Field::IpProto,
        "ip_src" | "nw_src" => Field::IpSrc,
        "ip_dst" | "nw_dst" => Field::IpDst,
        "ipv6_src" => Field::Ipv6Src,
        "ipv6_dst" => Field::Ipv6Dst,
        "tcp_src" => Field::TcpSrc,
        "tcp_dst" => Field::TcpDst,
        "udp_src" => Field::UdpSrc,
        "udp_dst" => Field::UdpDst,
        "sctp_src" => Field::SctpSrc,
        "sctp_dst" => Field::SctpDst,
        _ => return None,
    })
}
