//! Template variables: outside of quotes, `^NAME` in a match or in actions stands for a text of which each chassis has
//! its own (ovn-sb(5), "Chassis_Template_Var").
//!
//! The text is put in where the variable stands, whatever it is: an address, a list of backends, half an expression.
//! It is not searched for variables again. So a flow with variables can only be read where their values are known;
//! [`variables`] says beforehand which ones it needs, and what is wrong with the rest is told at its place in the text
//! as it was written.

use std::borrow::Cow;
use std::ops::Range;

use crate::lexer::{error_at, name_length, skip_token, tokens};
use crate::near::hint;
use crate::{Actions, Error, Expr, Str, Symbols, parse_actions, parse_match};

/// The longest text that all values together may make of a flow's, in bytes.
const MAX_LENGTH: usize = 1 << 20;

/// The values that variables have at one place.
pub trait Variables {
    /// The text that `^name` stands for.
    fn value(&self, name: &str) -> Option<Str>;

    /// The variables that there are, to find the nearest to one that does not exist.
    fn names(&self) -> Vec<Str> {
        Vec::new()
    }
}

/// Nothing has a value.
impl Variables for () {
    fn value(&self, _: &str) -> Option<Str> {
        None
    }
}

impl Variables for std::collections::BTreeMap<Str, Str> {
    fn value(&self, name: &str) -> Option<Str> {
        self.get(name).cloned()
    }

    fn names(&self) -> Vec<Str> {
        self.keys().cloned().collect()
    }
}

/// The variables in a text, sorted, without the `^`. Most texts have none, and are only searched for a `^`.
///
/// # Errors
///
/// A `^` that no name follows, or a quoted text or a comment without an end.
pub fn variables(text: &str) -> Result<Vec<Str>, Error> {
    let mut names: Vec<Str> = find(text)?
        .into_iter()
        .map(|place| text[place.start + 1..place.end].into())
        .collect();
    names.sort_unstable();
    names.dedup();
    Ok(names)
}

/// [`parse_match`] of a text in which variables have values.
///
/// # Errors
///
/// A variable that has none, or what is wrong with the text that the values make; places are those in `text`.
pub fn expand_match(
    text: &str,
    symbols: &Symbols,
    variables: &dyn Variables,
) -> Result<Expr, Error> {
    let expanded = Expanded::new(text, variables)?;
    parse_match(&expanded.text, symbols).map_err(|error| expanded.place(error))
}

/// [`parse_actions`] of a text in which variables have values.
///
/// # Errors
///
/// As [`expand_match`].
pub fn expand_actions(
    text: &str,
    symbols: &Symbols,
    variables: &dyn Variables,
) -> Result<Actions, Error> {
    let expanded = Expanded::new(text, variables)?;
    parse_actions(&expanded.text, symbols).map_err(|error| expanded.place(error))
}

/// Checks a match as far as that can be done where variables have no values: whole, when it has none of them, or else
/// its tokens.
///
/// # Errors
///
/// The first thing that is not in the language, with its column.
pub fn check_match(text: &str, symbols: &Symbols) -> Result<(), Error> {
    if variables(text)?.is_empty() {
        parse_match(text, symbols).map(drop)
    } else {
        tokens(text).map(drop)
    }
}

/// Where variables stand, each with its `^`.
fn find(text: &str) -> Result<Vec<Range<usize>>, Error> {
    let mut places = Vec::new();
    if !text.contains('^') {
        return Ok(places);
    }
    let mut at = 0;
    while at < text.len() {
        if text.as_bytes()[at] == b'^' {
            let end = at + 1 + name_length(&text[at + 1..]);
            if !text[at + 1..end].starts_with(|c: char| !c.is_ascii_digit()) {
                let message = "the name of a template variable was expected right after `^`";
                return Err(error_at(text, at, at + 1, message));
            }
            places.push(at..end);
            at = end;
        } else {
            at = skip_token(text, at)?;
        }
    }
    Ok(places)
}

/// A text with values in it, and where they are.
struct Expanded<'a> {
    source: &'a str,
    text: Cow<'a, str>,
    /// The variables' places in the source, and their values' places in the text.
    pieces: Vec<(Range<usize>, Range<usize>)>,
}

impl<'a> Expanded<'a> {
    fn new(source: &'a str, variables: &dyn Variables) -> Result<Self, Error> {
        let places = find(source)?;
        let mut expanded = Self {
            source,
            text: Cow::Borrowed(source),
            pieces: Vec::with_capacity(places.len()),
        };
        if places.is_empty() {
            return Ok(expanded);
        }
        let (mut text, mut at) = (String::with_capacity(source.len()), 0);
        for place in places {
            let name = &source[place.start + 1..place.end];
            let Some(value) = variables.value(name) else {
                let names = variables.names();
                let hint = hint(name, names.iter().map(Str::as_str));
                let message = format!("the template variable ^{name} has no value here{hint}");
                return Err(error_at(source, place.start, place.end, message));
            };
            text.push_str(&source[at..place.start]);
            at = place.end;
            let start = text.len();
            text.push_str(&value);
            if text.len() > MAX_LENGTH {
                let message =
                    format!("with the value of ^{name} the text has more than {MAX_LENGTH} bytes");
                return Err(error_at(source, place.start, place.end, message));
            }
            expanded.pieces.push((place, start..text.len()));
        }
        text.push_str(&source[at..]);
        expanded.text = Cow::Owned(text);
        Ok(expanded)
    }

    /// An error about the text, as one about the source. One in a value names the variable and what it stands for.
    fn place(&self, error: Error) -> Error {
        if self.pieces.is_empty() {
            return error;
        }
        let text = &*self.text;
        let at = text
            .char_indices()
            .nth(error.column - 1)
            .map_or(text.len(), |(at, _)| at);
        let before = |range: &Range<usize>| range.end <= at && range.start < at;
        let count = self
            .pieces
            .iter()
            .take_while(|(_, made)| before(made))
            .count();
        if let Some((place, made)) = self.pieces.get(count)
            && made.start <= at
            && (at < made.end || made.is_empty())
        {
            let value: String = text[made.clone()].chars().take(40).collect();
            let message = format!(
                "{}; here ^{} is `{value}`",
                error.message,
                &self.source[place.start + 1..place.end]
            );
            return error_at(self.source, place.start, place.end, message);
        }
        let (source, made) = match count.checked_sub(1).map(|last| &self.pieces[last]) {
            Some((place, made)) => (place.end, made.end),
            None => (0, 0),
        };
        let start = source + (at - made);
        error_at(self.source, start, start + error.token.len(), error.message)
    }
}
