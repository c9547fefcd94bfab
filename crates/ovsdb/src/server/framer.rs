//! Cuts a stream of bytes into JSON texts: OVSDB's JSON-RPC has nothing between its messages.
//!
//! Only brackets and strings are looked at; whether the text is JSON is for its reader to find out.
//!
//! Invariant: each byte is looked at once, however the stream is cut into pieces, and no more than one
//! message of the greatest length is held beyond what was pushed.

use bytes::{Buf, Bytes, BytesMut};

/// What makes a stream unusable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// A message begins with something else than an object.
    #[error("a message begins with byte {0:#04x} where an object was expected")]
    NotAnObject(u8),
    /// A message is longer than is allowed.
    #[error("a message is longer than {0} bytes")]
    TooLong(usize),
    /// Arrays and objects are nested deeper than is allowed.
    #[error("a message is nested deeper than {0} levels")]
    TooDeep(u32),
}

/// Collects bytes and gives whole messages.
#[derive(Debug)]
pub struct Framer {
    buffer: BytesMut,
    /// Bytes of the current message that were looked at.
    scanned: usize,
    depth: u32,
    in_string: bool,
    escaped: bool,
    max_length: usize,
    max_depth: u32,
}

impl Framer {
    /// A framer that refuses messages of more bytes or levels than this.
    pub fn new(max_length: usize, max_depth: u32) -> Self {
        Self {
            buffer: BytesMut::new(),
            scanned: 0,
            depth: 0,
            in_string: false,
            escaped: false,
            max_length,
            max_depth,
        }
    }

    /// Adds bytes to the stream.
    pub fn push(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// The next whole message; `None` until more bytes come.
    ///
    /// # Errors
    /// When the stream is unusable from here on.
    pub fn next_message(&mut self) -> Result<Option<Bytes>, FrameError> {
        if self.scanned == 0 {
            self.skip_blanks()?;
        }
        while let Some(&byte) = self.buffer.get(self.scanned) {
            self.scanned += 1;
            if self.ends_with(byte)? {
                let length = std::mem::take(&mut self.scanned);
                return Ok(Some(self.buffer.split_to(length).freeze()));
            }
            if self.scanned > self.max_length {
                return Err(FrameError::TooLong(self.max_length));
            }
        }
        Ok(None)
    }

    fn skip_blanks(&mut self) -> Result<(), FrameError> {
        let blank = self
            .buffer
            .iter()
            .take_while(|byte| byte.is_ascii_whitespace())
            .count();
        self.buffer.advance(blank);
        match self.buffer.first() {
            None | Some(b'{') => Ok(()),
            Some(&byte) => Err(FrameError::NotAnObject(byte)),
        }
    }

    /// Whether the message ends with this byte.
    fn ends_with(&mut self, byte: u8) -> Result<bool, FrameError> {
        if self.in_string {
            match byte {
                _ if self.escaped => self.escaped = false,
                b'\\' => self.escaped = true,
                b'"' => self.in_string = false,
                _ => {}
            }
            return Ok(false);
        }
        match byte {
            b'"' => self.in_string = true,
            b'{' | b'[' => {
                self.depth += 1;
                if self.depth > self.max_depth {
                    return Err(FrameError::TooDeep(self.max_depth));
                }
            }
            b'}' | b']' => {
                self.depth = self.depth.saturating_sub(1);
                return Ok(self.depth == 0);
            }
            _ => {}
        }
        Ok(false)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_make_no_difference() {
        let stream = br#" {"a":"}\"{"} {"b":[{"c":"\\"}]}{}"#;
        for size in 1..stream.len() {
            let mut framer = Framer::new(100, 10);
            let mut found = Vec::new();
            for piece in stream.chunks(size) {
                framer.push(piece);
                while let Some(message) = framer.next_message().unwrap() {
                    found.push(message);
                }
            }
            assert_eq!(
                found,
                [&br#"{"a":"}\"{"}"#[..], br#"{"b":[{"c":"\\"}]}"#, b"{}"]
            );
        }
    }

    #[test]
    fn bounds_hold() {
        let error = |bytes: &[u8]| {
            let mut framer = Framer::new(8, 3);
            framer.push(bytes);
            framer.next_message().unwrap_err()
        };
        assert_eq!(error(b"GET / HTTP/1.1"), FrameError::NotAnObject(b'G'));
        assert_eq!(error(b"{[[[["), FrameError::TooDeep(3));
        assert_eq!(error(b"{\"aaaaaaaaaaaaa"), FrameError::TooLong(8));
    }
}
