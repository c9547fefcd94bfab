//! Flows that make flows.

use super::field::subfield;
use super::lexer::{Item, Joint, Text};
use super::words::field_of;
use super::{Parser, Result};
use crate::action::{Action, Learn, LearnSource, LearnSpec, LearnTarget};
use crate::field::{Field, ones};

pub(super) fn learn(parser: Parser<'_>, text: Text<'_>) -> Result<Action> {
    let mut out = Learn {
        priority: 0x8000,
        table: 1,
        ..Learn::default()
    };
    for item in text.items() {
        let item = item?;
        if !attribute(&mut out, &item)? {
            out.specs.push(spec(parser, &item)?);
        }
    }
    Ok(Action::Learn(Box::new(out)))
}

fn attribute(out: &mut Learn, item: &Item<'_>) -> Result<bool> {
    let value = item.value;
    match item.key.str() {
        "table" => out.table = value.u8()?,
        "idle_timeout" => out.idle_timeout = value.u16()?,
        "hard_timeout" => out.hard_timeout = value.u16()?,
        "fin_idle_timeout" => out.fin_idle_timeout = value.u16()?,
        "fin_hard_timeout" => out.fin_hard_timeout = value.u16()?,
        "priority" => out.priority = value.u16()?,
        "cookie" => out.cookie = value.u64()?,
        "limit" => out.limit = value.u32()?,
        "send_flow_rem" => out.send_flow_rem = true,
        "delete_learned" => out.delete_learned = true,
        "result_dst" => {
            let result = subfield(value)?;
            if result.bits != 1 {
                return Err(value.error("a single bit"));
            }
            out.result = Some(result);
        }
        _ => return Ok(false),
    }
    Ok(true)
}

fn spec(parser: Parser<'_>, item: &Item<'_>) -> Result<LearnSpec> {
    match (item.key.str(), item.joint) {
        ("load", Joint::Colon) => load(item.value),
        ("output", Joint::Colon) => {
            let source = subfield(item.value)?;
            Ok(LearnSpec {
                bits: source.bits,
                source: LearnSource::Field(source),
                target: LearnTarget::Output,
            })
        }
        (_, Joint::None) => {
            let field = subfield(item.key)?;
            Ok(LearnSpec {
                bits: field.bits,
                source: LearnSource::Field(field),
                target: LearnTarget::Match(field),
            })
        }
        (_, Joint::Equals) => matches(parser, item),
        _ => Err(item.error("field=.., load:.., output:.. or an attribute of learn")),
    }
}

fn load(value: Text<'_>) -> Result<LearnSpec> {
    let (source, destination) = value
        .split_last("->")
        .ok_or_else(|| value.error("value->field"))?;
    let target = subfield(destination)?;
    let source = if source.str().starts_with(|c: char| c.is_ascii_digit()) {
        LearnSource::Value(source.number(ones(target.bits.into()))?)
    } else {
        let field = subfield(source)?;
        if field.bits != target.bits {
            let bits = field.bits;
            return Err(destination.error(format!("{bits} bits, as many as the source has")));
        }
        LearnSource::Field(field)
    };
    Ok(LearnSpec {
        bits: target.bits,
        source,
        target: LearnTarget::Load(target),
    })
}

fn matches(parser: Parser<'_>, item: &Item<'_>) -> Result<LearnSpec> {
    let value = item.value;
    let target = subfield(item.key)?;
    let name = value.split("[").map_or(value, |(name, _)| name).str();
    let source = if field_of(name).is_some() {
        let field = subfield(value)?;
        if field.bits != target.bits {
            return Err(value.error(format!("{} bits, as many as are matched", target.bits)));
        }
        LearnSource::Field(field)
    } else if target.is_whole() {
        let entry = parser.value(target.field, value)?;
        let whole = entry.is_exact() || target.field == Field::VlanVid;
        if !whole {
            return Err(value.error("a value without a mask"));
        }
        LearnSource::Value(entry.value() & ones(target.bits.into()))
    } else {
        LearnSource::Value(value.number(ones(target.bits.into()))?)
    };
    Ok(LearnSpec {
        bits: target.bits,
        source,
        target: LearnTarget::Match(target),
    })
}
