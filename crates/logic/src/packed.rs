//! Expressions as a few bytes each, for who keeps a million of them and looks at few.
//!
//! Invariant: `Packed::new(x).unpack() == x`. The bytes mean something to this process alone: symbols are numbers of its
//! table.

use crate::expr::{Comparison, Expr, Relation, Value};
use crate::{Constant, Format, Slice, Str, Symbols};

/// An expression in few bytes. Equal expressions have equal bytes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Packed(Box<[u8]>);

const FORMATS: [Format; 5] = [
    Format::Decimal,
    Format::Hex,
    Format::Ethernet,
    Format::Ip4,
    Format::Ip6,
];

const RELATIONS: [Relation; 6] = [
    Relation::Equal,
    Relation::NotEqual,
    Relation::Less,
    Relation::LessOrEqual,
    Relation::Greater,
    Relation::GreaterOrEqual,
];

/// What an expression begins with; comparisons take six numbers, one a relation.
mod kind {
    pub(super) const FALSE: u8 = 0;
    pub(super) const TRUE: u8 = 1;
    pub(super) const PREDICATE: u8 = 2;
    pub(super) const BIT: u8 = 3;
    pub(super) const RESIDENT: u8 = 4;
    pub(super) const AND: u8 = 5;
    pub(super) const OR: u8 = 6;
    pub(super) const NOT: u8 = 7;
    pub(super) const COMPARE: u8 = 8;
}

/// What a value begins with; numbers take one a format, and as many again where a mask follows.
mod value {
    pub(super) const TEXT: u8 = 0;
    pub(super) const ADDRESS_SET: u8 = 1;
    pub(super) const PORT_GROUP: u8 = 2;
    pub(super) const NUMBER: u8 = 3;
    pub(super) const MASKED: u8 = NUMBER + super::FORMATS.len() as u8;
}

impl Packed {
    /// The expression as bytes.
    pub fn new(expr: &Expr) -> Self {
        let mut out = Vec::with_capacity(32);
        write_expr(&mut out, expr);
        Self(out.into())
    }

    /// The expression.
    pub fn unpack(&self) -> Expr {
        let mut reader = Reader { rest: &self.0 };
        reader.expr()
    }

    /// How many bytes it takes.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Never: every expression takes a byte.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

fn write_expr(out: &mut Vec<u8>, expr: &Expr) {
    match expr {
        Expr::Const(value) => out.push(if *value { kind::TRUE } else { kind::FALSE }),
        Expr::Predicate(symbol) => {
            out.push(kind::PREDICATE);
            write_number(out, u128::from(symbol.id));
        }
        Expr::Bit(slice) => {
            out.push(kind::BIT);
            write_slice(out, *slice);
        }
        Expr::Compare(comparison) => {
            let relation = position(&RELATIONS, &comparison.relation);
            out.push(kind::COMPARE + relation);
            write_slice(out, comparison.operand);
            write_number(out, comparison.values.len() as u128);
            for value in &comparison.values {
                write_value(out, value);
            }
        }
        Expr::Resident(port) => {
            out.push(kind::RESIDENT);
            write_text(out, port);
        }
        Expr::And(parts) => write_parts(out, kind::AND, parts),
        Expr::Or(parts) => write_parts(out, kind::OR, parts),
        Expr::Not(inner) => {
            out.push(kind::NOT);
            write_expr(out, inner);
        }
    }
}

fn position<T: PartialEq>(all: &[T], one: &T) -> u8 {
    all.iter().position(|it| it == one).unwrap_or_default() as u8
}

fn write_parts(out: &mut Vec<u8>, kind: u8, parts: &[Expr]) {
    out.push(kind);
    write_number(out, parts.len() as u128);
    for part in parts {
        write_expr(out, part);
    }
}

/// The symbol's number, doubled, and one more when a range follows.
fn write_slice(out: &mut Vec<u8>, slice: Slice) {
    let id = u128::from(slice.symbol().id) << 1;
    match slice.range() {
        None => write_number(out, id),
        Some((first, last)) => {
            write_number(out, id | 1);
            out.extend([first, last]);
        }
    }
}

fn write_value(out: &mut Vec<u8>, value: &Value) {
    match value {
        Value::Text(text) => {
            out.push(value::TEXT);
            write_text(out, text);
        }
        Value::AddressSet(name) => {
            out.push(value::ADDRESS_SET);
            write_text(out, name);
        }
        Value::PortGroup(name) => {
            out.push(value::PORT_GROUP);
            write_text(out, name);
        }
        Value::Number(number) => {
            let first = match number.mask {
                None => value::NUMBER,
                Some(_) => value::MASKED,
            };
            out.push(first + position(&FORMATS, &number.format));
            write_bytes(out, number.value);
            if let Some(mask) = number.mask {
                // Prefixes are ones with zeros below, so their complement is short.
                write_bytes(out, !mask);
            }
        }
    }
}

fn write_text(out: &mut Vec<u8>, text: &str) {
    write_number(out, text.len() as u128);
    out.extend(text.as_bytes());
}

/// Seven bits a byte, the lowest first.
fn write_number(out: &mut Vec<u8>, mut number: u128) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

/// How many bytes, and they, the highest first. One-byte numbers below 240 stand for themselves.
fn write_bytes(out: &mut Vec<u8>, number: u128) {
    if number < 240 {
        return out.push(number as u8);
    }
    let bytes = number.to_be_bytes();
    let skip = (number.leading_zeros() / 8) as usize;
    out.push(240 + (bytes.len() - skip - 1) as u8);
    out.extend(&bytes[skip..]);
}

/// Reads what was written here; so nothing can be missing.
struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    fn byte(&mut self) -> u8 {
        self.bytes(1)[0]
    }

    fn bytes(&mut self, count: usize) -> &'a [u8] {
        let (bytes, rest) = self.rest.split_at(count);
        self.rest = rest;
        bytes
    }

    fn number(&mut self) -> usize {
        let (mut number, mut shift) = (0, 0);
        loop {
            let byte = self.byte();
            number |= usize::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return number;
            }
            shift += 7;
        }
    }

    fn wide(&mut self) -> u128 {
        let first = self.byte();
        if first < 240 {
            return first.into();
        }
        let bytes = self.bytes(usize::from(first - 240) + 1);
        bytes
            .iter()
            .fold(0, |number, byte| number << 8 | u128::from(*byte))
    }

    fn text(&mut self) -> Str {
        let length = self.number();
        let bytes = self.bytes(length);
        std::str::from_utf8(bytes)
            .expect("it was a text when it was written")
            .into()
    }

    fn slice(&mut self) -> Slice {
        let id = self.number();
        let symbol = Symbols::numbered(id >> 1);
        let slice = if id & 1 == 0 {
            Slice::whole(symbol)
        } else {
            let (first, last) = (self.byte(), self.byte());
            Slice::part(symbol, first, last)
        };
        slice.expect("it was a slice when it was written")
    }

    fn expr(&mut self) -> Expr {
        match self.byte() {
            kind::FALSE => Expr::Const(false),
            kind::TRUE => Expr::Const(true),
            kind::PREDICATE => Expr::Predicate(Symbols::numbered(self.number())),
            kind::BIT => Expr::Bit(self.slice()),
            kind::RESIDENT => Expr::Resident(self.text()),
            kind::AND => Expr::And(self.parts()),
            kind::OR => Expr::Or(self.parts()),
            kind::NOT => Expr::Not(Box::new(self.expr())),
            compare => {
                let operand = self.slice();
                let count = self.number();
                Expr::Compare(Comparison {
                    operand,
                    relation: RELATIONS[usize::from(compare - kind::COMPARE)],
                    values: (0..count).map(|_| self.value()).collect(),
                })
            }
        }
    }

    fn parts(&mut self) -> Vec<Expr> {
        let count = self.number();
        (0..count).map(|_| self.expr()).collect()
    }

    fn value(&mut self) -> Value {
        match self.byte() {
            value::TEXT => Value::Text(self.text()),
            value::ADDRESS_SET => Value::AddressSet(self.text()),
            value::PORT_GROUP => Value::PortGroup(self.text()),
            number => {
                let value = self.wide();
                let (first, mask) = if number < value::MASKED {
                    (value::NUMBER, None)
                } else {
                    (value::MASKED, Some(!self.wide()))
                };
                Value::Number(Constant {
                    value,
                    mask,
                    format: FORMATS[usize::from(number - first)],
                })
            }
        }
    }
}
