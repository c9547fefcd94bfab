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
    pub(super) fn list(self) -> Vec<Self> {
        let mut out = Vec::new();
        let mut rest = self.trim();
        while let Some((piece, more)) = rest.split(",") {
            out.push(piece.trim());
            rest = more;
        }
        if !rest.is_empty() || !out.is_empty() {
            out.push(rest.trim());
        }
        out
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

    /// Whether it begins with a digit.
    pub(super) fn is_number(self) -> bool {
        self.bytes_of().first().is_some_and(u8::is_ascii_digit)
    }

    pub(super) fn u8(self) -> Result<u8> {
        self.number(u8::MAX.into()).map(|value| value as u8)
    }

    pub(super) fn u16(self) -> Result<u16> {
        self.number(u16::MAX.into()).map(|value| value as u16)
    }

    pub(super) fn u32(self) -> Result<u32> {
        self.number(u32::MAX.into()).map(|value| value as u32)
    }

    pub(super) fn u64(self) -> Result<u64> {
        self.number(u64::MAX.into()).map(|value| value as u64)
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

    /// Whether what is left begins with this byte.
    pub(super) fn begins_with(&self, byte: u8) -> bool {
        self.rest_trimmed().bytes_of().first() == Some(&byte)
    }

    /// What is left, without the separators before it.
    pub(super) fn rest_trimmed(&self) -> Text<'a> {
        let text = self.rest.bytes_of();
        let skip = text.iter().take_while(|byte| is(**byte, SEPARATOR)).count();
        self.rest.slice(skip, text.len())
    }

    /// How far from `text` the first separator outside parentheses stands.
    fn value_end(text: Text<'a>) -> Result<usize> {
        let bytes = text.bytes_of();
        let (mut open, mut at) = (0usize, 0);
        while let Some(rest) = bytes.get(at..) {
            let special = |byte: &u8| is(*byte, OPEN | CLOSE | SEPARATOR);
            let Some(next) = rest.iter().position(special) else {
                break;
            };
            at += next;
            if is(bytes[at], OPEN) {
                open += 1;
            } else if is(bytes[at], CLOSE) {
                open = open
                    .checked_sub(1)
                    .ok_or_else(|| text.slice(at, at + 1).error("no closing bracket"))?;
            } else if open == 0 {
                return Ok(at);
            }
            at += 1;
        }
        if open > 0 {
            return Err(text.end().error("a closing bracket"));
        }
        Ok(text.bytes_of().len())
    }

    fn read(&mut self, text: Text<'a>) -> Result<Item<'a>> {
        let bytes = text.bytes_of();
        let length = bytes.len();
        let key_end = bytes.iter().position(|byte| is(*byte, JOINT | SEPARATOR));
        let key_end = key_end.unwrap_or(length);
        let key = text.slice(0, key_end);
        let joint = match bytes.get(key_end) {
            Some(b'=') => Joint::Equals,
            Some(b':') => Joint::Colon,
            Some(b'(') => Joint::Parentheses,
            _ => Joint::None,
        };
        if key.is_empty() {
            return Err(text.error("a name"));
        }
        let mut item = Item {
            key,
            joint,
            value: key.end(),
            target: None,
        };
        if joint == Joint::None {
            self.rest = text.slice(key_end, length);
            return Ok(item);
        }
        let behind = text.slice(key_end, length);
        let end = key_end + Self::value_end(behind)?;
        self.rest = text.slice(end, length);
        item.value = text.slice(key_end + 1, end);
        if joint == Joint::Parentheses {
            let close =
                matching_close(behind).ok_or_else(|| text.end().error("a closing bracket"))?;
            item.value = behind.slice(1, close);
            let tail = text.slice(key_end + close + 1, end);
            if let Some(target) = tail.strip_prefix("->") {
                item.target = Some(target);
            } else if !tail.is_empty() {
                return Err(tail.error("a comma"));
            }
        }
        Ok(item)
    }
}

/// Where the parenthesis closes with which `text` begins.
fn matching_close(text: Text<'_>) -> Option<usize> {
    let mut open = 0usize;
    for (at, byte) in text.str().bytes().enumerate() {
        match byte {
            b'(' => open += 1,
            b')' if open == 1 => return Some(at),
            b')' => open = open.checked_sub(1)?,
            _ => {}
        }
    }
    None
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
