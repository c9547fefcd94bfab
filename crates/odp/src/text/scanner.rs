//! Reading: a cursor over text.

use super::value::{Style, TextValue};

/// What separates attributes and actions.
const DELIMITERS: &[char] = &[',', ' ', '\t', '\r', '\n'];

/// A text is not what it should be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{expected} expected at byte {at}, before {rest:?}")]
pub struct ParseError {
    /// Where in the text, in bytes from its beginning.
    pub at: usize,
    /// What should stand there.
    pub expected: String,
    /// The beginning of what stands there.
    pub rest: String,
}

pub(crate) type Result<T, E = ParseError> = std::result::Result<T, E>;

/// A cursor over text.
#[derive(Debug, Clone)]
pub(crate) struct Scanner<'a> {
    whole: &'a str,
    at: usize,
    /// How deep in parentheses of actions or keys.
    pub(crate) depth: usize,
}

impl<'a> Scanner<'a> {
    pub(crate) const fn new(whole: &'a str) -> Self {
        Self {
            whole,
            at: 0,
            depth: 0,
        }
    }

    pub(crate) fn rest(&self) -> &'a str {
        &self.whole[self.at..]
    }

    pub(crate) fn is_done(&self) -> bool {
        self.rest().is_empty()
    }

    pub(crate) fn error(&self, expected: impl Into<String>) -> ParseError {
        ParseError {
            at: self.at,
            expected: expected.into(),
            rest: self.rest().chars().take(24).collect(),
        }
    }

    pub(crate) fn eat(&mut self, text: &str) -> bool {
        let there = self.rest().starts_with(text);
        if there {
            self.at += text.len();
        }
        there
    }

    pub(crate) fn expect(&mut self, text: &str) -> Result<()> {
        match self.eat(text) {
            true => Ok(()),
            false => Err(self.error(format!("{text:?}"))),
        }
    }

    /// Takes a word, if it stands alone: what follows is no part of a word.
    pub(crate) fn word(&mut self, word: &str) -> bool {
        let Some(after) = self.rest().strip_prefix(word) else {
            return false;
        };
        let alone = !after.starts_with(|c: char| c.is_ascii_alphanumeric() || "_-.=".contains(c));
        if alone {
            self.at += word.len();
        }
        alone
    }

    /// Takes one of the names, which bars separate, and the equals sign after it.
    pub(crate) fn name(&mut self, names: &str) -> bool {
        let found = names.split('|').find(|name| {
            let after = self.rest().strip_prefix(*name);
            after.is_some_and(|after| after.starts_with('='))
        });
        if let Some(name) = found {
            self.at += name.len() + 1;
        }
        found.is_some()
    }

    /// As far as the characters are wanted.
    pub(crate) fn while_(&mut self, wanted: impl Fn(char) -> bool) -> &'a str {
        let rest = self.rest();
        let end = rest.find(|c| !wanted(c)).unwrap_or(rest.len());
        self.at += end;
        &rest[..end]
    }

    pub(crate) fn skip_delimiters(&mut self) {
        self.while_(|c| DELIMITERS.contains(&c));
    }

    /// One level deeper, for as long as `work` lasts.
    pub(crate) fn deeper<T>(&mut self, work: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        if self.depth == crate::attribute::MAX_DEPTH {
            return Err(self.error("less nesting"));
        }
        self.depth += 1;
        let done = work(self);
        self.depth -= 1;
        done
    }

    /// Items with commas between, up to the closing parenthesis, which it takes. `item` says whether it
    /// took one.
    pub(crate) fn list(&mut self, mut item: impl FnMut(&mut Self) -> Result<bool>) -> Result<()> {
        loop {
            if self.eat(")") {
                return Ok(());
            }
            if !item(self)? {
                return Err(self.error("a known field or \")\""));
            }
            if !self.eat(",") {
                return self.expect(")");
            }
        }
    }

    /// A value, and behind a slash what of it counts; all of it, where there is no slash.
    pub(crate) fn masked<T: TextValue>(&mut self, style: Style) -> Result<(T, T)> {
        let value = T::parse(self, style)?;
        let mask = match self.eat("/") {
            true => T::parse(self, Style::of_mask(style))?,
            false => T::exact(style),
        };
        Ok((value, mask))
    }

    /// A number as C writes it: decimal, `0x` hexadecimal, or octal with a leading zero.
    pub(crate) fn number(&mut self, max: u64) -> Result<u64> {
        let before = self.at;
        let (digits, radix) = match self.eat("0x") || self.eat("0X") {
            true => (self.while_(|c| c.is_ascii_hexdigit()), 16),
            false => {
                let digits = self.while_(|c| c.is_ascii_digit());
                (digits, if digits.starts_with('0') { 8 } else { 10 })
            }
        };
        let number = u64::from_str_radix(digits, radix).ok();
        number.filter(|number| *number <= max).ok_or_else(|| {
            self.at = before;
            self.error(format!("a number up to {max}"))
        })
    }

    pub(crate) fn u32(&mut self) -> Result<u32> {
        let number = self.number(u32::MAX.into())?;
        Ok(u32::try_from(number).unwrap_or(u32::MAX))
    }

    pub(crate) fn u16(&mut self) -> Result<u16> {
        let number = self.number(u16::MAX.into())?;
        Ok(u16::try_from(number).unwrap_or(u16::MAX))
    }

    pub(crate) fn u8(&mut self) -> Result<u8> {
        let number = self.number(u8::MAX.into())?;
        Ok(u8::try_from(number).unwrap_or(u8::MAX))
    }

    /// Something that knows how to read itself, out of these characters.
    pub(crate) fn parse<T: std::str::FromStr>(
        &mut self,
        characters: impl Fn(char) -> bool,
        what: &str,
    ) -> Result<T> {
        let before = self.at;
        let text = self.while_(characters);
        text.parse().map_err(|_| {
            self.at = before;
            self.error(what)
        })
    }

    /// Bytes in hexadecimal, perhaps with spaces between; or behind `0x` as a number, which may lack its
    /// first zero.
    pub(crate) fn hex(&mut self) -> Result<Vec<u8>> {
        let number = self.eat("0x");
        let before = self.clone();
        let text = self.while_(|c| c.is_ascii_hexdigit() || c == ' ');
        let mut digits: Vec<u8> = text.bytes().filter(|byte| *byte != b' ').collect();
        if number && digits.len() % 2 == 1 {
            digits.insert(0, b'0');
        }
        let digit = |byte: u8| char::from(byte).to_digit(16);
        let pairs = digits.chunks(2).map(|pair| match pair {
            [high, low] => u8::try_from(digit(*high)? * 16 + digit(*low)?).ok(),
            _ => None,
        });
        let bytes: Option<Vec<u8>> = pairs.collect();
        bytes.ok_or_else(|| before.error("an even number of hexadecimal digits"))
    }

    /// A big number of this many bytes, in hexadecimal or decimal, as network order would have it.
    pub(crate) fn wide(&mut self, length: usize) -> Result<Vec<u8>> {
        if !self.rest().starts_with("0x") && !self.rest().starts_with("0X") {
            let number = self.number(u64::MAX)?.to_be_bytes();
            return fit(&number, length).ok_or_else(|| self.error("a smaller number"));
        }
        let before = self.clone();
        self.at += 2;
        let digits = self.while_(|c| c.is_ascii_hexdigit());
        let even = match digits.len() % 2 {
            0 => digits.to_owned(),
            _ => format!("0{digits}"),
        };
        let bytes = Scanner::new(&even).hex()?;
        fit(&bytes, length)
            .filter(|_| !digits.is_empty())
            .ok_or_else(|| before.error(format!("a number of at most {length} bytes")))
    }
}

/// The number in this many bytes, if it is not greater.
fn fit(number: &[u8], length: usize) -> Option<Vec<u8>> {
    let start = number.iter().position(|byte| *byte != 0);
    let digits = start.map_or(&[][..], |start| &number[start..]);
    let missing = length.checked_sub(digits.len())?;
    let mut out = vec![0; missing];
    out.extend_from_slice(digits);
    Some(out)
}
