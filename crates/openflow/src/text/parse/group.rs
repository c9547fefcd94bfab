//! Groups and meters.

use super::action::Reader;
use super::field::field;
use super::lexer::{Item, Items, Joint, Text};
use super::{Parser, Result};
use crate::group::{Bucket, Group, GroupKind, SelectionMethod};
use crate::message::{Meter, MeterBand};

pub(super) fn read<'a>(parser: Parser<'a>, line: Text<'a>) -> Result<Group> {
    let mut out = Group::default();
    let mut selection = SelectionMethod::default();
    let mut has_id = false;
    let mut items = line.items();
    let buckets = loop {
        if let Some(buckets) = bucket_behind(&items) {
            break Some(buckets);
        }
        let Some(item) = items.next() else {
            break None;
        };
        let item = item?;
        has_id |= item.key.str() == "group_id";
        attribute(&mut out, &mut selection, &item)?;
    };
    if !has_id {
        return Err(line.end().error("group_id=.."));
    }
    let mut next = buckets;
    while let Some(text) = next {
        let (this, more) = split_buckets(text);
        let place = out.buckets.len() as u32;
        out.buckets.push(bucket(parser, out.kind, place, this)?);
        next = more;
    }
    out.selection = Some(selection).filter(|selection| !selection.method.is_empty());
    Ok(out)
}

fn attribute(out: &mut Group, selection: &mut SelectionMethod, item: &Item<'_>) -> Result<()> {
    let value = item.value;
    match item.key.str() {
        "group_id" => {
            out.id = match value.str() {
                "all" => Group::ALL,
                _ => value.u32()?,
            };
        }
        "type" => {
            out.kind = match value.str() {
                "all" => GroupKind::All,
                "select" => GroupKind::Select,
                "indirect" => GroupKind::Indirect,
                "ff" | "fast_failover" => GroupKind::FastFailover,
                _ => GroupKind::from_code(
                    value
                        .u8()
                        .map_err(|_| value.error("all, select, indirect or ff"))?,
                ),
            };
        }
        "selection_method" => {
            if value.str().len() > 15 {
                return Err(value.error("a name of up to 15 bytes"));
            }
            value.str().clone_into(&mut selection.method);
        }
        "selection_method_param" => selection.param = value.u64()?,
        "fields" => {
            for name in value.items() {
                let name = name?;
                let known = field(name.key)?;
                let mask = match name.joint {
                    Joint::None => known.full_mask(),
                    _ => name.value.number(known.full_mask())?,
                };
                selection.fields.push((known, mask));
            }
        }
        _ => {
            return Err(item.error(
                "group_id, type, selection_method, selection_method_param, fields or bucket",
            ));
        }
    }
    Ok(())
}

/// The first bucket and those behind it, if the next item begins one.
fn bucket_behind<'a>(items: &Items<'a>) -> Option<Text<'a>> {
    let rest = items.rest_trimmed();
    rest.strip_prefix("bucket=")
        .or_else(|| rest.strip_prefix("buckets="))
}

/// One bucket, and the text of those behind it.
fn split_buckets(text: Text<'_>) -> (Text<'_>, Option<Text<'_>>) {
    let separated = text
        .str()
        .match_indices("bucket=")
        .find(|(at, _)| text.str()[..*at].ends_with([',', ' ', '\t']));
    match separated {
        Some((at, word)) => (
            text.slice(0, at),
            Some(text.slice(at + word.len(), text.str().len())),
        ),
        None => (text, None),
    }
}

fn bucket<'a>(parser: Parser<'a>, kind: GroupKind, place: u32, text: Text<'a>) -> Result<Bucket> {
    let mut out = Bucket {
        id: place,
        weight: u16::from(kind == GroupKind::Select),
        ..Bucket::default()
    };
    let mut items = text.items();
    loop {
        let rest = items.rest_trimmed();
        if rest.is_empty() {
            return Ok(out);
        }
        let named = rest
            .strip_prefix("actions=")
            .or_else(|| rest.strip_prefix("actions:"));
        if let Some(actions) = named {
            out.actions = Reader::new(parser, false).vec(actions)?;
            return Ok(out);
        }
        let Some(item) = items.next() else {
            return Ok(out);
        };
        let item = item?;
        match item.key.str() {
            "bucket_id" => out.id = item.value.u32()?,
            "weight" => out.weight = item.value.u16()?,
            "watch_port" => out.watch_port = Some(parser.port(item.value)?),
            "watch_group" => out.watch_group = Some(item.value.u32()?),
            // What is none of these begins the actions.
            _ => {
                out.actions = Reader::new(parser, false).vec(rest)?;
                return Ok(out);
            }
        }
    }
}

pub(super) fn read_meter(line: Text<'_>) -> Result<Meter> {
    let mut out = Meter::default();
    let mut items = line.items();
    let bands = loop {
        let rest = items.rest_trimmed();
        if let Some(bands) = rest
            .strip_prefix("bands=")
            .or_else(|| rest.strip_prefix("band="))
        {
            break Some(bands);
        }
        let Some(item) = items.next() else {
            break None;
        };
        let item = item?;
        match item.key.str() {
            "meter" => out.id = item.value.u32()?,
            "kbps" => out.flags |= Meter::KBPS,
            "pktps" => out.flags |= Meter::PACKETS,
            "burst" => out.flags |= Meter::BURST,
            "stats" => out.flags |= Meter::STATISTICS,
            _ => return Err(item.error("meter, kbps, pktps, burst, stats or bands")),
        }
    };
    if out.id == 0 {
        return Err(line.end().error("meter=.. above zero"));
    }
    if let Some(bands) = bands {
        read_bands(&mut out, bands)?;
    }
    Ok(out)
}

fn read_bands(out: &mut Meter, text: Text<'_>) -> Result<()> {
    for item in text.items() {
        let item = item?;
        let value = item.value;
        if item.key.str() == "type" {
            out.bands.push(match value.str() {
                "drop" => MeterBand::Drop { rate: 0, burst: 0 },
                "dscp_remark" => MeterBand::DscpRemark {
                    rate: 0,
                    burst: 0,
                    level: 0,
                },
                _ => return Err(value.error("drop or dscp_remark")),
            });
            continue;
        }
        let band = out.bands.last_mut();
        match (item.key.str(), band) {
            ("rate", Some(MeterBand::Drop { rate, .. } | MeterBand::DscpRemark { rate, .. })) => {
                *rate = value.u32()?;
            }
            (
                "burst_size",
                Some(MeterBand::Drop { burst, .. } | MeterBand::DscpRemark { burst, .. }),
            ) => *burst = value.u32()?,
            ("prec_level", Some(MeterBand::DscpRemark { level, .. })) => *level = value.u8()?,
            _ => return Err(item.error("type, then rate, burst_size or prec_level")),
        }
    }
    Ok(())
}
