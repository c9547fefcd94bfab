//! Values as people read them, in the forms that `ovs-vsctl(8)` and `ovsdb-client(1)` print.

use serde::Serialize;

use crate::{Atom, ColumnType, Datum};

/// How a value is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Style {
    /// `[a, b]` and `{k=v}`, text in quotes unless it is a plain word.
    #[default]
    String,
    /// Without brackets and quotes.
    Bare,
    /// As RFC 7047 section 5.1 has it.
    Json,
}

/// The value of a column of this type.
pub fn datum(datum: &Datum, column: &ColumnType, style: Style) -> String {
    if style == Style::Json {
        return json(datum);
    }
    let pairs = datum
        .pairs()
        .iter()
        .map(|(key, value)| format!("{}={}", atom(key, style), atom(value, style)));
    let items: Vec<String> = datum
        .atoms()
        .iter()
        .map(|item| atom(item, style))
        .chain(pairs)
        .collect();
    if style == Style::Bare {
        return items.join(" ");
    }
    let items = (items.len(), items.join(", "));
    match items {
        (_, text) if column.is_map() => format!("{{{text}}}"),
        // A column that never holds more than one value needs no brackets around it.
        (1, text) if column.max == 1 => text,
        (_, text) => format!("[{text}]"),
    }
}

/// One value.
pub fn atom(atom: &Atom, style: Style) -> String {
    match atom {
        _ if style == Style::Json => json(atom),
        Atom::String(text) if style == Style::String && !is_plain(text) => json(atom),
        Atom::String(text) => text.to_string(),
        Atom::Uuid(uuid) => uuid.to_string(),
        other => json(other),
    }
}

fn json<T: Serialize>(value: &T) -> String {
    serde_json::to_string(value).expect("values are text, numbers and arrays")
}

/// Whether text can stand without quotes and still be told from other values.
fn is_plain(text: &str) -> bool {
    let word = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
    let begins = text
        .bytes()
        .next()
        .is_some_and(|b| b.is_ascii_alphabetic() || b == b'_');
    begins
        && text.bytes().all(word)
        && !matches!(text, "true" | "false")
        && crate::json::parse_uuid(text).is_none()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::BaseType;

    #[test]
    fn brackets_and_quotes() {
        let set = ColumnType::set(BaseType::string());
        let text = |value: &Datum, style| datum(value, &set, style);
        let value = Datum::set(["a", "b c", "true", "1"]);
        assert_eq!(text(&value, Style::String), r#"["1", a, "b c", "true"]"#);
        assert_eq!(text(&value, Style::Bare), "1 a b c true");
        assert_eq!(text(&Datum::one("a"), Style::String), "[a]");
        assert_eq!(text(&Datum::EMPTY_SET, Style::Bare), "");
        let optional = ColumnType::optional(BaseType::string());
        assert_eq!(datum(&Datum::one("a"), &optional, Style::String), "a");
        assert_eq!(datum(&Datum::EMPTY_SET, &optional, Style::String), "[]");
    }
}
