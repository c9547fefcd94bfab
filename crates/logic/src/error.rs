//! What can be wrong with a text, and what can go wrong when an expression is normalised.

use crate::Str;

/// A text that is not in the language.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("column {column}: {message}{}", near(.token))]
pub struct Error {
    /// Where, counted in characters from 1.
    pub column: usize,
    /// The token found there; empty at the end of the text.
    pub token: Str,
    /// What is wrong or what was expected, one sentence without the place.
    pub message: String,
}

fn near(token: &str) -> String {
    if token.is_empty() {
        " (at the end of the text)".into()
    } else {
        format!(" (at `{token}`)")
    }
}

/// Why an expression has no normal form here and now.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NormalError {
    /// The expression names an address set that does not exist (yet).
    #[error("address set ${0} does not exist")]
    UnknownAddressSet(Str),
    /// The expression names a port group that does not exist (yet).
    #[error("port group @{0} does not exist")]
    UnknownPortGroup(Str),
    /// The expression would need more flows than [`crate::Limits`] allows.
    #[error(
        "the match needs more than {limit} flows; split it, or put its addresses into address sets \
         combined with && instead of !="
    )]
    TooLarge {
        /// The bound that was hit.
        limit: usize,
    },
}
