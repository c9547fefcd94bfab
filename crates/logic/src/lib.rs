//! The logical language: what a logical flow matches and what it does, as typed values.
//!
//! Text comes in through [`parse_match`] and [`parse_actions`]; `Display` gives the normalised text
//! back, and `parse(print(x)) == x`. A data plane asks for [`Expr::normalise`], a disjunction of
//! small conjunctions over basic [`Field`]s with address sets, port groups and residency resolved by
//! an [`Environment`]; [`Expr::references`] says in advance which of those an expression needs, so a
//! caller can depend on just them.
//!
//! This crate knows no pipeline stage (a table is a number here), no OpenFlow, no database.
//!
//! Invariant: [`Expr::eval`] defines what an expression means, and the normal form agrees with it on
//! every packet. Parsing never panics, is linear in its input, and bounds nesting.

mod action;
mod bits;
mod constant;
mod error;
mod eval;
mod expr;
mod field;
mod flow;
mod lexer;
mod near;
mod normal;
mod packed;
mod parse;
mod symbol;
mod table;
mod template;

pub use action::options::{
    DHCP_V4_OPTIONS, DHCP_V6_OPTIONS, OptionDef, OptionKind, RA_OPTIONS, RouterAdvertisement,
};
pub use action::*;
pub use constant::{Constant, Format};
pub use error::{Error, NormalError};
pub use eval::Packet;
pub use expr::{Comparison, Expr, References, Relation, Value};
pub use field::{Bits, Field};
pub use flow::{About, Flow, FlowError, FlowText, Interner, Stage};
pub use near::nearest;
pub use normal::{Conjunct, Conjunctive, Environment, Limits, NormalForm, Term};
pub use packed::Packed;
pub use parse::{parse_match, parse_match_with};
pub use smol_str::SmolStr as Str;
pub use symbol::{Kind, Level, Scope, Slice, Symbol, Symbols};
pub use template::{Variables, check_match, expand_actions, expand_match, variables};

#[cfg(test)]
mod tests;
