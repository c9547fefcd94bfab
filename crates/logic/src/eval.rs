//! What an expression means: its truth for one packet. The normal form is tested against this.

use crate::bits::matches;
use crate::normal::Environment;
use crate::{Comparison, Expr, Field, Kind, Relation, Slice, Value};

/// A packet with its metadata: the value of every basic field, 0 for what it does not have.
pub trait Packet {
    /// The value of a field, right-aligned.
    fn field(&self, field: Field) -> u128;
}

impl<F: Fn(Field) -> u128> Packet for F {
    fn field(&self, field: Field) -> u128 {
        self(field)
    }
}

impl Expr {
    /// Whether `packet` satisfies the expression. `!` is applied to the comparisons themselves, and
    /// each comparison demands the prerequisites of its symbol: `!(tcp.dst == 80)` holds for TCP
    /// packets to other ports and for nothing that is not TCP. A set, group or port that does not
    /// exist matches nothing.
    pub fn eval(&self, packet: &dyn Packet, environment: &dyn Environment) -> bool {
        self.eval_sense(true, packet, environment)
    }

    fn eval_sense(&self, positive: bool, packet: &dyn Packet, env: &dyn Environment) -> bool {
        match self {
            Self::Const(value) => *value == positive,
            Self::Resident(port) => env.is_resident(port) == positive,
            Self::Not(inner) => inner.eval_sense(!positive, packet, env),
            Self::And(parts) | Self::Or(parts) => {
                let all = matches!(self, Self::And(_)) == positive;
                let mut parts = parts
                    .iter()
                    .map(|part| part.eval_sense(positive, packet, env));
                if all {
                    parts.all(|holds| holds)
                } else {
                    parts.any(|holds| holds)
                }
            }
            Self::Predicate(symbol) => {
                let Kind::Predicate(expansion) = symbol.kind() else {
                    return false;
                };
                prerequisite(symbol.prerequisite(), packet, env)
                    && expansion.eval_sense(positive, packet, env)
            }
            Self::Bit(slice) => {
                prerequisite(slice.symbol().prerequisite(), packet, env)
                    && (read(slice, packet) == 1) == positive
            }
            Self::Compare(comparison) => {
                prerequisite(comparison.operand.symbol().prerequisite(), packet, env)
                    && compare(comparison, positive, packet, env)
            }
        }
    }
}

fn prerequisite(expr: Option<&Expr>, packet: &dyn Packet, env: &dyn Environment) -> bool {
    expr.is_none_or(|expr| expr.eval_sense(true, packet, env))
}

/// The value of a slice, put together from its registers where it spans several.
fn read(slice: &Slice, packet: &dyn Packet) -> u128 {
    let bits = slice.bits();
    let whole = bits.field.parts().fold(0, |value: u128, part| {
        value.unbounded_shl(part.width().into()) | packet.field(part)
    });
    (whole >> bits.first) & crate::bits::ones(bits.width)
}

fn compare(
    comparison: &Comparison,
    positive: bool,
    packet: &dyn Packet,
    env: &dyn Environment,
) -> bool {
    let relation = if positive {
        comparison.relation
    } else {
        comparison.relation.negated()
    };
    let actual = read(&comparison.operand, packet);
    let width = comparison.operand.width();
    let is_one_of = || {
        comparison.values.iter().any(|value| match value {
            Value::Number(constant) => matches(actual, constant.value, constant.mask_or_exact()),
            Value::Text(name) => env.port_key(name).is_some_and(|key| actual == key.into()),
            Value::PortGroup(name) => env.port_group(name).is_some_and(|ports| {
                ports
                    .iter()
                    .any(|port| env.port_key(port).is_some_and(|key| actual == key.into()))
            }),
            Value::AddressSet(name) => env.address_set(name).is_some_and(|members| {
                members.iter().any(|member| {
                    member.fits(width) && matches(actual, member.value, member.mask_or_exact())
                })
            }),
        })
    };
    let number = match comparison.values.first() {
        Some(Value::Number(constant)) => constant.value,
        _ => 0,
    };
    match relation {
        Relation::Equal => is_one_of(),
        Relation::NotEqual => !is_one_of(),
        Relation::Less => actual < number,
        Relation::LessOrEqual => actual <= number,
        Relation::Greater => actual > number,
        Relation::GreaterOrEqual => actual >= number,
    }
}
