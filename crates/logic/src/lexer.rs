//! Text to tokens. Every token knows its place, so that an error can name its column.

use std::net::{Ipv4Addr, Ipv6Addr};

use crate::bits::ones;
use crate::{Constant, Error, Format, Str};

/// One token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Token<'a> {
    /// A name: letters, digits, `_` and `.`.
    Name(&'a str),
    /// A quoted text.
    Text(Str),
    /// A number with its mask.
    Number(Constant),
    /// `$name`
    Set(&'a str),
    /// `@name`
    Group(&'a str),
    /// `^name`
    Template(&'a str),
    /// An operator or a bracket.
    Sign(&'static str),
    /// The end of the text.
    End,
}

/// A token and where it stands, in bytes.
#[derive(Clone, Debug)]
pub(crate) struct Placed<'a> {
    pub(crate) token: Token<'a>,
    pub(crate) start: usize,
    pub(crate) end: usize,
}

/// The operator or bracket that a text begins with, the longest that it can be.
fn sign(text: &str) -> Option<&'static str> {
    let bytes = text.as_bytes();
    let second = bytes.get(1).copied().unwrap_or_default();
    Some(match (*bytes.first()?, second) {
        (b'<', b'-') if bytes.get(2) == Some(&b'>') => "<->",
        (b'=', b'=') => "==",
        (b'!', b'=') => "!=",
        (b'<', b'=') => "<=",
        (b'>', b'=') => ">=",
        (b'&', b'&') => "&&",
        (b'|', b'|') => "||",
        (b'.', b'.') => "..",
        (b'-', b'-') => "--",
        (b'(', _) => "(",
        (b')', _) => ")",
        (b'{', _) => "{",
        (b'}', _) => "}",
        (b'[', _) => "[",
        (b']', _) => "]",
        (b'<', _) => "<",
        (b'>', _) => ">",
        (b'!', _) => "!",
        (b'=', _) => "=",
        (b',', _) => ",",
        (b';', _) => ";",
        (b':', _) => ":",
        (b'-', _) => "-",
        (b'+', _) => "+",
        (b'&', _) => "&",
        (b'|', _) => "|",
        (b'/', _) => "/",
        _ => return None,
    })
}

/// An error about the bytes from `start` to `end` of `text`.
pub(crate) fn error_at(text: &str, start: usize, end: usize, message: impl Into<String>) -> Error {
    let column = text.get(..start).unwrap_or(text).chars().count() + 1;
    let token: String = text
        .get(start..end)
        .unwrap_or("")
        .chars()
        .take(40)
        .collect();
    Error {
        column,
        token: token.into(),
        message: message.into(),
    }
}

/// Splits `text`; the last token is [`Token::End`].
pub(crate) fn tokens(text: &str) -> Result<Vec<Placed<'_>>, Error> {
    // Few texts have more than a token in three bytes; a long one may grow.
    let mut result = Vec::with_capacity(text.len().min(256) / 3 + 2);
    let mut at = 0;
    loop {
        at = skip_blank(text, at)?;
        let (token, end) = token(text, at)?;
        let done = token == Token::End;
        result.push(Placed {
            token,
            start: at,
            end,
        });
        if done {
            return Ok(result);
        }
        at = end;
    }
}

/// Reads a text that is just one constant.
pub(crate) fn single_constant(text: &str) -> Result<Constant, Error> {
    match tokens(text)?.as_slice() {
        [
            Placed {
                token: Token::Number(constant),
                ..
            },
            Placed {
                token: Token::End, ..
            },
        ] => Ok(*constant),
        _ => Err(error_at(
            text,
            0,
            text.len(),
            "a number or an address was expected",
        )),
    }
}

/// Passes over spaces and comments.
fn skip_blank(text: &str, mut at: usize) -> Result<usize, Error> {
    let bytes = text.as_bytes();
    loop {
        while matches!(bytes.get(at), Some(b' ' | b'\t' | b'\r' | b'\n')) {
            at += 1;
        }
        match (bytes.get(at), bytes.get(at + 1)) {
            (Some(b'/'), Some(b'/')) => at += text[at..].find('\n').unwrap_or(text.len() - at),
            (Some(b'/'), Some(b'*')) => {
                let length = text[at..].find("*/").ok_or_else(|| {
                    let message = "this comment has no end; close it with `*/`";
                    error_at(text, at, at + 2, message)
                })?;
                at += length + 2;
            }
            _ => return Ok(at),
        }
    }
}

fn token(text: &str, at: usize) -> Result<(Token<'_>, usize), Error> {
    let rest = &text[at..];
    let Some(first) = rest.chars().next() else {
        return Ok((Token::End, at));
    };
    if first == '"' {
        return quoted(text, at);
    }
    if let Some(found) = number(text, at)? {
        return Ok(found);
    }
    if first.is_ascii_alphabetic() || first == '_' || first == '.' && !rest.starts_with("..") {
        let length = name_length(rest);
        return Ok((Token::Name(&rest[..length]), at + length));
    }
    if let '$' | '@' | '^' = first {
        let length = name_length(&rest[1..]);
        if length == 0 {
            let message = format!("a name was expected right after `{first}`");
            return Err(error_at(text, at, at + 1, message));
        }
        let name = &rest[1..=length];
        let token = match first {
            '$' => Token::Set(name),
            '@' => Token::Group(name),
            _ => Token::Template(name),
        };
        return Ok((token, at + 1 + length));
    }
    match sign(rest) {
        Some(sign) => Ok((Token::Sign(sign), at + sign.len())),
        None => Err(error_at(
            text,
            at,
            at + first.len_utf8(),
            "this character has no meaning here; texts stand in double quotes",
        )),
    }
}

/// Where what begins at `at` ends, for who looks for something outside of quotes and comments: a quoted text, a comment,
/// or one character.
pub(crate) fn skip_token(text: &str, at: usize) -> Result<usize, Error> {
    let rest = &text[at..];
    if rest.starts_with('"') {
        return quoted(text, at).map(|(_, end)| end);
    }
    if rest.starts_with("//") || rest.starts_with("/*") {
        return skip_blank(text, at);
    }
    Ok(at + rest.chars().next().map_or(1, char::len_utf8))
}

/// The length of the name that `text` begins with; it may begin with a digit too.
pub(crate) fn name_length(text: &str) -> usize {
    let is_name = |c: &u8| c.is_ascii_alphanumeric() || matches!(c, b'_' | b'.');
    text.bytes().take_while(is_name).count()
}

/// A quoted text with JSON's escapes.
fn quoted(text: &str, at: usize) -> Result<(Token<'static>, usize), Error> {
    let rest = &text[at + 1..];
    if let Some(end) = rest.find(['"', '\\'])
        && rest.as_bytes()[end] == b'"'
    {
        return Ok((Token::Text(rest[..end].into()), at + 1 + end + 1));
    }
    let mut value = String::new();
    let mut chars = text[at + 1..].char_indices();
    while let Some((offset, c)) = chars.next() {
        match c {
            '"' => return Ok((Token::Text(value.into()), at + 1 + offset + 1)),
            '\\' => {
                let bad = || {
                    let start = at + 1 + offset;
                    error_at(
                        text,
                        start,
                        start + 1,
                        "this escape in a text is not one of JSON's",
                    )
                };
                let (_, escape) = chars.next().ok_or_else(bad)?;
                value.push(match escape {
                    'n' => '\n',
                    'r' => '\r',
                    't' => '\t',
                    'b' => '\u{8}',
                    'f' => '\u{c}',
                    'u' => {
                        let digits: String = chars.by_ref().take(4).map(|(_, c)| c).collect();
                        let code = u32::from_str_radix(&digits, 16).map_err(|_| bad())?;
                        char::from_u32(code)
                            .filter(|_| digits.len() == 4)
                            .ok_or_else(bad)?
                    }
                    same @ ('"' | '\\' | '/') => same,
                    _ => return Err(bad()),
                });
            }
            c => value.push(c),
        }
    }
    Err(error_at(
        text,
        at,
        at + 1,
        "this text has no end; close it with `\"`",
    ))
}

/// A number with its mask, if there is one at `at`.
fn number(text: &str, at: usize) -> Result<Option<(Token<'static>, usize)>, Error> {
    let Some((value, format, end)) = plain_number(text, at)? else {
        return Ok(None);
    };
    let rest = &text[end..];
    let masked = rest.starts_with('/') && !rest.starts_with("//") && !rest.starts_with("/*");
    if !masked {
        return Ok(Some((
            Token::Number(Constant {
                value,
                mask: None,
                format,
            }),
            end,
        )));
    }
    let (mask, end) = mask(text, end + 1, format)?;
    if value & !mask != 0 {
        let network = Constant {
            value: value & mask,
            mask: Some(mask),
            format,
        };
        let message = format!("bits are set outside the mask; write {network}");
        return Err(error_at(text, at, end, message));
    }
    Ok(Some((
        Token::Number(Constant {
            value,
            mask: Some(mask),
            format,
        }),
        end,
    )))
}

fn mask(text: &str, at: usize, of: Format) -> Result<(u128, usize), Error> {
    let bad = |end, message: &str| Err(error_at(text, at, end, message));
    let Some((value, format, end)) = plain_number(text, at)? else {
        return bad(at, "a mask was expected after `/`");
    };
    match (of, format) {
        (Format::Ip4 | Format::Ip6, Format::Decimal) => {
            let width = of.width().unwrap_or(128);
            if value > width.into() {
                return bad(end, &format!("a prefix length is at most {width} here"));
            }
            Ok((ones(width) & !ones(width - value as u8), end))
        }
        (of, format) if of == format => Ok((value, end)),
        (Format::Decimal | Format::Hex, Format::Decimal | Format::Hex) => Ok((value, end)),
        _ => bad(end, "the mask must be written like the value it masks"),
    }
}

fn plain_number(text: &str, at: usize) -> Result<Option<(u128, Format, usize)>, Error> {
    let rest = &text[at..];
    if !rest.starts_with(|c: char| c.is_ascii_hexdigit() || c == ':') {
        return Ok(None);
    }
    let starts_digit = rest.starts_with(|c: char| c.is_ascii_digit());
    if let Some(digits) = rest.strip_prefix("0x").or_else(|| rest.strip_prefix("0X")) {
        let length = digits
            .find(|c: char| !c.is_ascii_hexdigit())
            .unwrap_or(digits.len());
        let end = at + 2 + length;
        return match u128::from_str_radix(&digits[..length], 16) {
            Ok(value) => Ok(Some((value, Format::Hex, end))),
            Err(_) => Err(error_at(
                text,
                at,
                end,
                "1 to 32 hexadecimal digits were expected after 0x",
            )),
        };
    }
    let is_address = |c: &u8| c.is_ascii_hexdigit() || matches!(c, b':' | b'.');
    let length = rest.bytes().take_while(is_address).count();
    let run = &rest[..length];
    if run.bytes().filter(|c| *c == b':').count() >= 2 {
        return colon_address(text, at, run, starts_digit);
    }
    if !starts_digit {
        return Ok(None);
    }
    let length = rest
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(rest.len());
    let dotted = rest[length..].starts_with('.')
        && rest[length + 1..].starts_with(|c: char| c.is_ascii_digit());
    if dotted {
        let length = run
            .find(|c: char| !(c.is_ascii_digit() || c == '.'))
            .unwrap_or(run.len());
        let end = at + length;
        return match run[..length].parse::<Ipv4Addr>() {
            Ok(address) => Ok(Some((address.to_bits().into(), Format::Ip4, end))),
            Err(_) => Err(error_at(text, at, end, "this is not an IPv4 address")),
        };
    }
    let end = at + length;
    match rest[..length].parse::<u64>() {
        Ok(value) => Ok(Some((value.into(), Format::Decimal, end))),
        Err(_) => Err(error_at(
            text,
            at,
            end,
            "a decimal number must be less than 2^64",
        )),
    }
}

/// A MAC or IPv6 address; nothing when it is none and could be something else.
fn colon_address(
    text: &str,
    at: usize,
    run: &str,
    certain: bool,
) -> Result<Option<(u128, Format, usize)>, Error> {
    let end = at + run.len();
    if let Some(mac) = mac(run) {
        return Ok(Some((mac.into(), Format::Ethernet, end)));
    }
    if let Ok(address) = run.parse::<Ipv6Addr>() {
        return Ok(Some((address.to_bits(), Format::Ip6, end)));
    }
    if certain || run.starts_with("::") {
        return Err(error_at(
            text,
            at,
            end,
            "this is neither a MAC nor an IPv6 address",
        ));
    }
    Ok(None)
}

fn mac(text: &str) -> Option<u64> {
    let mut value = 0;
    let mut groups = 0;
    for group in text.split(':') {
        if group.len() != 2 {
            return None;
        }
        value = value << 8 | u64::from_str_radix(group, 16).ok()?;
        groups += 1;
    }
    (groups == 6).then_some(value)
}
