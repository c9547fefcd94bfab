//! Values as people write them on a command line (`ovs-vsctl(8)`, "Database Values").
//!
//! It must not know what the values are for. Invariant: a value that is given out satisfies the type that it was
//! read for, and text of bounded length makes a bounded number of elements.

use std::collections::BTreeMap;

use anyhow::{Context, bail, ensure};
use ovsdb::schema::BaseType;
use ovsdb::{Atom, AtomicType, ColumnType, Datum, Real, Uuid};

/// How many elements the ranges of one value may make.
const MOST: usize = 1 << 16;

/// A row that is named by `@NAME` within one call.
#[derive(Debug, Clone)]
pub(super) struct Symbol {
    pub(super) uuid: Uuid,
    /// Whether an `--id` has said which row it is.
    pub(super) created: bool,
    /// Whether something keeps the row alive.
    pub(super) kept: bool,
}

/// The names of rows of one call.
#[derive(Debug, Default)]
pub(super) struct Symbols(BTreeMap<String, Symbol>);

impl Symbols {
    /// The row of a name; an unknown name stands for a row that is yet to come.
    pub(super) fn mention(&mut self, name: &str) -> &mut Symbol {
        self.0.entry(name.to_owned()).or_insert_with(|| Symbol {
            uuid: Uuid::new_v4(),
            created: false,
            kept: false,
        })
    }

    /// Says which row a name means, for `--id=@NAME`. Also tells whether the name was used before.
    pub(super) fn create(&mut self, name: &str) -> anyhow::Result<(&mut Symbol, bool)> {
        ensure!(
            name.starts_with('@'),
            "row id \"{name}\" does not begin with \"@\""
        );
        let used = self.0.contains_key(name);
        let symbol = self.mention(name);
        ensure!(
            !symbol.created,
            "row id \"{name}\" may only be specified on one --id option"
        );
        symbol.created = true;
        Ok((symbol, used))
    }

    /// All names.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, &Symbol)> {
        self.0.iter().map(|(name, symbol)| (name.as_str(), symbol))
    }
}

/// Whether a character ends a word.
fn is_delimiter(c: char) -> bool {
    ":=, []{}!<>".contains(c)
}

/// Takes a word off `rest`: up to a delimiter that is neither quoted nor behind a backslash.
pub(super) fn word(rest: &mut &str) -> anyhow::Result<String> {
    let text = *rest;
    let mut out = String::new();
    let mut quoted = false;
    let mut chars = text.char_indices();
    *rest = "";
    while let Some((at, c)) = chars.next() {
        match c {
            '\\' => {
                if quoted {
                    out.push('\\');
                }
                let next = chars.next();
                out.push(
                    next.with_context(|| format!("{text}: backslash at end of argument"))?
                        .1,
                );
            }
            c if !quoted && is_delimiter(c) => {
                *rest = &text[at..];
                break;
            }
            c => {
                quoted ^= c == '"';
                out.push(c);
            }
        }
    }
    ensure!(
        !quoted,
        "{text}: quoted string extends past end of argument"
    );
    Ok(out)
}

/// Reads one value.
pub(super) fn atom(base: &BaseType, text: &str, symbols: &mut Symbols) -> anyhow::Result<Atom> {
    let atom = match base.atomic {
        AtomicType::Integer => {
            let number = text.trim_start().parse::<i64>();
            Atom::Integer(
                number
                    .ok()
                    .with_context(|| format!("\"{text}\" is not a valid integer or range"))?,
            )
        }
        AtomicType::Real => {
            let number = text.trim().parse::<f64>().ok().and_then(Real::new);
            Atom::Real(number.with_context(|| format!("\"{text}\" is not a valid real number"))?)
        }
        AtomicType::Boolean => match text {
            "true" | "yes" | "on" | "1" => Atom::Boolean(true),
            "false" | "no" | "off" | "0" => Atom::Boolean(false),
            _ => bail!("\"{text}\" is not a valid boolean (use \"true\" or \"false\")"),
        },
        AtomicType::String if text.is_empty() => {
            bail!("An empty string is not valid as input; use \"\" to represent the empty string")
        }
        AtomicType::String if text.starts_with('"') => {
            let inner: Result<String, _> = serde_json::from_str(text);
            Atom::from(inner.with_context(|| format!("{text}: is not a quoted string"))?)
        }
        AtomicType::String => Atom::from(text),
        AtomicType::Uuid if text.starts_with('@') => {
            let strong = base.reference().is_some_and(|(_, strong)| strong);
            let symbol = symbols.mention(text);
            symbol.kept |= strong;
            Atom::Uuid(symbol.uuid)
        }
        AtomicType::Uuid => Atom::Uuid(
            ovsdb::json::parse_uuid(text)
                .with_context(|| format!("\"{text}\" is not a valid UUID"))?,
        ),
    };
    base.check(&atom)?;
    Ok(atom)
}

/// Reads an integer or a range of them.
fn integers(base: &BaseType, text: &str) -> anyhow::Result<Vec<Atom>> {
    let from = text.find(|c: char| c.is_ascii_digit()).unwrap_or(0);
    let dash = text[from..].find('-').map(|at| at + from);
    let ends = dash.and_then(|at| {
        let first: i64 = text[..at].trim_start().parse().ok()?;
        let last: i64 = text[at + 1..].parse().ok()?;
        Some((first, last))
    });
    let Some((first, last)) = ends else {
        return Ok(vec![atom(base, text, &mut Symbols::default())?]);
    };
    ensure!(
        first <= last,
        "\"{text}\" is not a valid range. Range end cannot be before start."
    );
    for end in [first, last] {
        base.check(&Atom::Integer(end))?;
    }
    let count = last.abs_diff(first);
    ensure!(
        count < MOST as u64,
        "\"{text}\" is a range of more than {MOST} values"
    );
    Ok((first..=last).map(Atom::Integer).collect())
}

/// Reads what a column of this type may hold.
pub(super) fn datum(
    column: &ColumnType,
    text: &str,
    symbols: &mut Symbols,
) -> anyhow::Result<Datum> {
    let (open, close) = if column.is_map() {
        ('{', '}')
    } else {
        ('[', ']')
    };
    let mut rest = text.trim_start();
    ensure!(
        !rest.is_empty(),
        "use \"{open}{close}\" to specify the empty {}",
        if column.is_map() { "map" } else { "set" }
    );
    let bracketed = rest.starts_with(open);
    if bracketed {
        rest = rest[1..].trim_start();
    }
    let (mut items, mut pairs) = (Vec::new(), Vec::new());
    while let Some(next) = rest.chars().next() {
        if bracketed && next == close {
            break;
        }
        ensure!(!is_delimiter(next), "{text}: unexpected \"{next}\"");
        let key = word(&mut rest)?;
        if let Some(value) = &column.value {
            rest = rest.trim_start();
            let behind = rest.strip_prefix('=');
            let behind = behind.with_context(|| {
                format!("{text}: syntax error at \"{rest}\" expecting \"=\" after {key}")
            })?;
            rest = behind.trim_start();
            let key = atom(&column.key, &key, symbols)?;
            let word = word(&mut rest)?;
            pairs.push((key, atom(value, &word, symbols)?));
        } else if column.key.atomic == AtomicType::Integer {
            items.extend(integers(&column.key, &key)?);
        } else {
            items.push(atom(&column.key, &key, symbols)?);
        }
        ensure!(items.len() <= MOST, "{text}: more than {MOST} values");
        rest = rest.trim_start();
        rest = rest.strip_prefix(',').unwrap_or(rest).trim_start();
    }
    if bracketed {
        let behind = rest.strip_prefix(close);
        let behind =
            behind.with_context(|| format!("{text}: missing \"{close}\" at end of data"))?;
        ensure!(
            behind.trim_start().is_empty(),
            "{text}: trailing garbage after \"{close}\""
        );
    }
    let given = items.len() + pairs.len();
    let (value, what) = if column.is_map() {
        (Datum::map(pairs), "pair(s)")
    } else {
        (Datum::set(items), "value(s)")
    };
    let (min, max) = (column.min as usize, column.max as usize);
    ensure!(
        given >= min,
        "{text}: {given} {what} specified but the minimum number is {min}"
    );
    ensure!(
        given <= max,
        "{text}: {given} {what} specified but the maximum number is {max}"
    );
    ensure!(
        value.len() == given,
        "{text}: contains a duplicate {}",
        if column.is_map() { "key" } else { "value" }
    );
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(column: &ColumnType, text: &str) -> Result<Datum, String> {
        datum(column, text, &mut Symbols::default()).map_err(|error| error.to_string())
    }

    #[test]
    fn words_and_quotes() {
        let mut rest = r#"a\:b"c:d"=e"#;
        assert_eq!(word(&mut rest).unwrap(), r#"a:b"c:d""#);
        assert_eq!(rest, "=e");
        assert!(word(&mut "a\\").is_err());
        assert!(word(&mut "\"a").is_err());
    }

    #[test]
    fn sets_ranges_and_maps() {
        let ints = ColumnType::set(BaseType::integer());
        assert_eq!(
            read(&ints, "1, 3-5 -2"),
            Ok(Datum::set([-2_i64, 1, 3, 4, 5]))
        );
        assert_eq!(read(&ints, "[]"), Ok(Datum::EMPTY_SET));
        assert_eq!(read(&ints, "-3--2"), Ok(Datum::set([-3_i64, -2])));
        for bad in ["", "[1", "[1]2", "5-3", "0-99999999", "1,1", ":", "x"] {
            assert!(read(&ints, bad).is_err(), "{bad}");
        }
        let map = ColumnType::map(BaseType::string(), BaseType::string());
        assert_eq!(
            read(&map, r#"{a=b, "c d"=e}"#),
            Ok(Datum::map([("a", "b"), ("c d", "e")]))
        );
        for bad in ["a", "a=", "{a=b", "a=b,a=c"] {
            assert!(read(&map, bad).is_err(), "{bad}");
        }
    }
}
