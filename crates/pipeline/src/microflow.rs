//! A packet described by an expression, as `ovn-trace` takes it.

use logic::{Expr, Limits, NormalError};

use crate::fields::Fields;
use crate::network::{DatapathId, Network};

/// Why a description is no packet.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MicroflowError {
    /// It is not in the language.
    #[error("error parsing flow: {0}")]
    Syntax(#[from] logic::Error),
    /// It refers to what does not exist.
    #[error("error parsing flow: {0}")]
    Reference(#[from] NormalError),
    /// No packet is like this.
    #[error(
        "error parsing flow: the description contradicts itself, or names a port that does not exist: no packet can be like that"
    )]
    Contradiction,
    /// Several kinds of packets are.
    #[error(
        "error parsing flow: the description is ambiguous: {0}; say which one with &&, for example `ip4 && ...`"
    )]
    Ambiguous(String),
    /// It names no input port.
    #[error("error parsing flow: inport is not set: add `inport == \"PORT\"`")]
    NoInport,
    /// Its input port is on another datapath, or does not exist.
    #[error("unknown port \"{0}\"")]
    UnknownPort(String),
}

/// Reads a packet at `datapath`; what is not said is zero.
///
/// # Errors
/// When the text is not in the language, or fits no packet or more than one kind.
pub fn parse(
    text: &str,
    network: &Network,
    datapath: DatapathId,
) -> Result<Fields, MicroflowError> {
    let expr = logic::parse_match_with(text)?;
    let form = expr.normalise(&network.environment(datapath), Limits::flat(64))?;
    let [conjunct] = form.conjuncts.as_slice() else {
        if form.conjuncts.is_empty() {
            return Err(MicroflowError::Contradiction);
        }
        let kinds: Vec<String> = form
            .conjuncts
            .iter()
            .take(3)
            .map(|it| format!("`{it}`"))
            .collect();
        return Err(MicroflowError::Ambiguous(kinds.join(" or ")));
    };
    let mut fields = Fields::default();
    for term in conjunct.terms() {
        fields.set(term.field, term.value);
    }
    Ok(fields)
}

/// The name of the input port that a description asks for.
///
/// # Errors
/// When the text is not in the language, or names none.
pub fn inport(text: &str) -> Result<String, MicroflowError> {
    let expr = logic::parse_match_with(text)?;
    find(&expr).ok_or(MicroflowError::NoInport)
}

fn find(expr: &Expr) -> Option<String> {
    match expr {
        Expr::And(parts) | Expr::Or(parts) => parts.iter().find_map(find),
        Expr::Compare(comparison) if comparison.operand.symbol().name() == "inport" => {
            comparison.values.iter().find_map(|value| match value {
                logic::Value::Text(name) => Some(name.to_string()),
                _ => None,
            })
        }
        _ => None,
    }
}
