//! Pieces of a text that know their place in it.

use super::{ParseError, Result};

/// What separates items.
const SEPARATOR: u8 = 1;
/// What stands between a key and its value.
const JOINT: u8 = 1 << 1;
/// What opens and what closes a nested text.
const OPEN: u8 = 1 << 2;
const CLOSE: u8 = 1 << 3;

/// What each byte is. Bytes of characters beyond ASCII are none of these, so that every place that is found
/// by them is between two characters.
static CLASSES: [u8; 256] = {
    let mut classes = [0; 256];
    let mut at = 0;
    while at < 256 {
        classes[at] = match at as u8 {
            b',' | b' ' | b'\t' | b'\r' | b'\n' => SEPARATOR,
            b'=' | b':' => JOINT,
            b'(' => JOINT | OPEN,
            b'[' => OPEN,
            b')' | b']' => CLOSE,
            _ => 0,
        };
        at += 1;
    }
    classes
};

fn is(byte: u8, class: u8) -> bool {
    CLASSES[usize::from(byte)] & class != 0
}

/// A piece of a text.
#[derive(Debug, Clone, Copy)]
pub(super) struct Text<'a> {
    whole: &'a str,
    from: usize,
    to: usize,
}

/// How an item's value is attached to its key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Joint {
    /// There is none.
    None,
    /// `key=value`.
    Equals,
    /// `key:value`.
    Colon,
    /// `key(value)`.
    Parentheses,
}

/// `key`, `key=value`, `key:value`, `key(value)` or `key(value)->target`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Item<'a> {
    pub(super) key: Text<'a>,
    pub(super) joint: Joint,
    pub(super) value: Text<'a>,
    pub(super) target: Option<Text<'a>>,
}

impl<'a> Text<'a> {
    pub(super) const fn new(whole: &'a str) -> Self {
        Self {
            whole,
            from: 0,
            to: whole.len(),
        }
    }

    pub(super) fn str(self) -> &'a str {
        self.whole.get(self.from..self.to).unwrap_or("")
    }

    /// The same as bytes.
    fn bytes_of(self) -> &'a [u8] {
        self.whole.as_bytes().get(self.from..self.to).unwrap_or(&[])
    }

    /// The bytes of the whole up to the end of this, in which places are places in the whole.
    fn bytes_up_to(self) -> &'a [u8] {
        self.whole.as_bytes().get(..self.to).unwrap_or(&[])
    }

    const fn part(self, from: usize, to: usize) -> Self {
        Self {
            whole: self.whole,
            from,
            to,
        }
    }

    pub(super) const fn is_empty(self) -> bool {
        self.from >= self.to
    }

    /// The place behind the text.
    pub(super) const fn end(self) -> Self {
        self.part(self.to, self.to)
    }

    /// An error at this place.
    pub(super) fn error(self, expected: impl Into<String>) -> ParseError {
        let before = self.whole.get(..self.from).unwrap_or("");
        ParseError {
            column: before.chars().count() + 1,
            token: self.str().chars().take(80).collect(),
            expected: expected.into(),
        }
    }

    pub(super) fn trim(self) -> Self {
        let text = self.str();
        let start = self.from + (text.len() - text.trim_start().len());
        self.part(start, start + text.trim().len())
    }

    /// What stands before and behind the first `separator`.
    pub(super) fn split(self, separator: &str) -> Option<(Self, Self)> {
        let (text, word) = (self.bytes_of(), separator.as_bytes());
        let (first, mut from) = (*word.first()?, 0);
        loop {
            // Texts are short: looking at each byte is faster than preparing to be clever.
            let at = from + text.get(from..)?.iter().position(|byte| *byte == first)?;
            if text[at..].starts_with(word) {
                return Some(self.around(at, word.len()));
            }
            from = at + 1;
        }
    }

    /// What stands before and behind the last `separator`.
    pub(super) fn split_last(self, separator: &str) -> Option<(Self, Self)> {
        let (text, word) = (self.bytes_of(), separator.as_bytes());
        let (first, mut to) = (*word.first()?, text.len());
        loop {
            let at = text[..to].iter().rposition(|byte| *byte == first)?;
            if text[at..].starts_with(word) {
                return Some(self.around(at, word.len()));
            }
            to = at;
        }
    }

    const fn around(self, at: usize, length: usize) -> (Self, Self) {
        let at = self.from + at;
        (self.part(self.from, at), self.part(at + length, self.to))
    }

    pub(super) fn strip_suffix(self, suffix: &str) -> Option<Self> {
        let text = self.str().strip_suffix(suffix)?;
        Some(self.part(self.from, self.from + text.len()))
    }

    pub(super) fn strip_prefix(self, prefix: &str) -> Option<Self> {
        self.str().strip_prefix(prefix)?;
        Some(self.part(self.from + prefix.len(), self.to))
    }

    /// Places of this text that an iterator over `str` names.
    pub(super) fn slice(self, from: usize, to: usize) -> Self {
        self.part(self.from + from, (self.from + to).min(self.to))
    }

    /// The pieces between commas, trimmed; none of an empty text.
    pub(super) fn pieces(self) -> impl Iterator<Item = Self> {
        let whole = self.trim();
        let mut rest = (!whole.is_empty()).then_some(whole);
        std::iter::from_fn(move || {
            let text = rest?;
            let (piece, more) = match text.split(",") {
                Some((piece, more)) => (piece, Some(more)),
                None => (text, None),
            };
            rest = more;
            Some(piece.trim())
        })
    }

    /// The items.
    pub(super) const fn items(self) -> Items<'a> {
        Items { rest: self }
    }

    /// A number, in decimal or with `0x`, up to `max`.
    pub(super) fn number(self, max: u128) -> Result<u128> {
        if let Some(value) = short_number(self.bytes_of())
            && u128::from(value) <= max
        {
            return Ok(value.into());
        }
        let text = self.str();
        let value = match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
            Some(digits) if digits.starts_with(|c: char| c.is_ascii_hexdigit()) => {
                u128::from_str_radix(digits, 16).ok()
            }
            None if text.starts_with(|c: char| c.is_ascii_digit()) => text.parse().ok(),
            _ => None,
        };
        value
            .filter(|value| *value <= max)
            .ok_or_else(|| self.error(format!("a number up to {max}")))
    }

    /// The same of no more than 64 bits.
    fn small(self, max: u64) -> Result<u64> {
        match short_number(self.bytes_of()) {
            Some(value) if value <= max => Ok(value),
            _ => self.number(max.into()).map(|value| value as u64),
        }
    }

    /// Whether it begins with a digit.
    pub(super) fn is_number(self) -> bool {
        self.bytes_of().first().is_some_and(u8::is_ascii_digit)
    }

    pub(super) fn u8(self) -> Result<u8> {
        self.small(u8::MAX.into()).map(|value| value as u8)
    }

    pub(super) fn u16(self) -> Result<u16> {
        self.small(u16::MAX.into()).map(|value| value as u16)
    }

    pub(super) fn u32(self) -> Result<u32> {
        self.small(u32::MAX.into()).map(|value| value as u32)
    }

    pub(super) fn u64(self) -> Result<u64> {
        self.small(u64::MAX)
    }

    /// Bytes in hexadecimal, with or without dots.
    pub(super) fn bytes(self) -> Result<Vec<u8>> {
        let digits: Vec<u8> = self
            .str()
            .bytes()
            .filter(|byte| *byte != b'.')
            .map(|byte| char::from(byte).to_digit(16).map(|digit| digit as u8))
            .collect::<Option<_>>()
            .ok_or_else(|| self.error("bytes in hexadecimal"))?;
        if !digits.len().is_multiple_of(2) {
            return Err(self.error("an even number of hexadecimal digits"));
        }
        Ok(digits
            .chunks(2)
            .map(|pair| pair[0] << 4 | pair[1])
            .collect())
    }
}

/// A number of no more digits than surely fit.
fn short_number(text: &[u8]) -> Option<u64> {
    let (digits, base, most) = match text {
        [b'0', b'x' | b'X', digits @ ..] => (digits, 16, 16),
        digits => (digits, 10, 19),
    };
    if digits.is_empty() || digits.len() > most {
        return None;
    }
    let mut value = 0u64;
    for byte in digits {
        let digit = match byte {
            b'0'..=b'9' => byte - b'0',
            b'a'..=b'f' if base == 16 => byte - b'a' + 10,
            b'A'..=b'F' if base == 16 => byte - b'A' + 10,
            _ => return None,
        };
        value = value * base + u64::from(digit);
    }
    Some(value)
}

impl Item<'_> {
    /// An item that has no value.
    pub(super) fn bare(&self) -> Result<()> {
        match self.joint {
            Joint::None => Ok(()),
            _ => Err(self.value.error(format!("no value of {}", self.key.str()))),
        }
    }

    /// An error that names the item.
    pub(super) fn error(&self, expected: &str) -> ParseError {
        self.key.error(expected)
    }
}

/// The items of a text.
#[derive(Debug, Clone)]
pub(super) struct Items<'a> {
    rest: Text<'a>,
}

impl<'a> Items<'a> {
    /// Skips everything to the end.
    pub(super) const fn stop(&mut self) {
        self.rest = self.rest.end();
    }

    /// Skips separators. Whether what is left begins with this byte.
    pub(super) fn begins_with(&mut self, byte: u8) -> bool {
        self.rest = self.rest_trimmed();
        self.rest.bytes_up_to().get(self.rest.from) == Some(&byte)
    }

    /// What is left, without the separators before it.
    pub(super) fn rest_trimmed(&self) -> Text<'a> {
        let Text { from, to, .. } = self.rest;
        let at = find_not(self.rest.bytes_up_to(), from, SEPARATOR);
        self.rest.part(at, to)
    }

    /// Takes the item with which `text` begins.
    fn read(&mut self, text: Text<'a>) -> Result<Item<'a>> {
        let (bytes, from) = (text.bytes_up_to(), text.from);
        let key_end = find(bytes, from, JOINT | SEPARATOR);
        let key = text.part(from, key_end);
        let joint = match bytes.get(key_end) {
            Some(b'=') => Joint::Equals,
            Some(b':') => Joint::Colon,
            Some(b'(') => Joint::Parentheses,
            _ => Joint::None,
        };
        if key.is_empty() {
            return Err(text.error("a name"));
        }
        let (mut end, mut value, mut target) = (key_end, key.end(), None);
        if joint != Joint::None {
            let extent = extent(text, key_end)?;
            end = extent.end;
            value = text.part(key_end + 1, end);
            if joint == Joint::Parentheses {
                value = text.part(key_end + 1, extent.close);
                let tail = text.part(extent.close + 1, end);
                target = tail.strip_prefix("->");
                if target.is_none() && !tail.is_empty() {
                    return Err(tail.error("a comma"));
                }
            }
        }
        self.rest = text.part(end, text.to);
        Ok(Item {
            key,
            joint,
            value,
            target,
        })
    }
}

/// Where the next byte of a class stands, or the end.
fn find(bytes: &[u8], from: usize, class: u8) -> usize {
    let rest = bytes.get(from..).unwrap_or(&[]);
    let found = rest.iter().position(|byte| is(*byte, class));
    found.map_or(bytes.len(), |at| from + at)
}

/// Where the next byte of no class stands that `class` names, or the end.
fn find_not(bytes: &[u8], from: usize, class: u8) -> usize {
    let rest = bytes.get(from..).unwrap_or(&[]);
    let found = rest.iter().position(|byte| !is(*byte, class));
    found.map_or(bytes.len(), |at| from + at)
}

/// How far something with brackets reaches.
struct Extent {
    /// Where the first bracket is closed; its end if there is none.
    close: usize,
    /// Where it ends: at the first separator outside brackets.
    end: usize,
}

/// How far what begins at `from`, a place in the whole, reaches.
fn extent(text: Text<'_>, from: usize) -> Result<Extent> {
    let bytes = text.bytes_up_to();
    let (mut open, mut at, mut close) = (0usize, from, None);
    loop {
        at = find(bytes, at, OPEN | CLOSE | SEPARATOR);
        match bytes.get(at) {
            None if open == 0 => break,
            None => return Err(text.end().error("a closing bracket")),
            Some(byte) if is(*byte, OPEN) => open += 1,
            Some(byte) if is(*byte, CLOSE) => {
                open = open
                    .checked_sub(1)
                    .ok_or_else(|| text.part(at, at + 1).error("no closing bracket"))?;
                if open == 0 {
                    close.get_or_insert(at);
                }
            }
            Some(_) if open == 0 => break,
            Some(_) => {}
        }
        at += 1;
    }
    Ok(Extent {
        close: close.unwrap_or(at),
        end: at,
    })
}

impl<'a> Iterator for Items<'a> {
    type Item = Result<Item<'a>>;

    fn next(&mut self) -> Option<Self::Item> {
        let rest = self.rest_trimmed();
        self.rest = rest;
        if rest.is_empty() {
            return None;
        }
        let item = self.read(rest);
        if item.is_err() {
            self.stop();
        }
        Some(item)
    }
}
