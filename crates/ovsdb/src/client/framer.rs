//! Cuts a stream of bytes into JSON values: OVSDB's JSON-RPC has nothing between its messages.
//!
//! Invariant: each byte is looked at once, however the stream is cut into pieces.

/// Collects bytes and gives whole objects.
#[derive(Debug, Default)]
pub struct Framer {
    buffer: Vec<u8>,
    /// Bytes of the buffer that were looked at.
    scanned: usize,
    depth: u32,
    in_string: bool,
    escaped: bool,
}

impl Framer {
    /// The longest message that is taken.
    pub const MAX_MESSAGE: usize = 1 << 30;

    /// Adds bytes to the stream.
    pub fn push(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// How many bytes wait for the rest of their message.
    pub fn pending(&self) -> usize {
        self.buffer.len()
    }

    /// The next whole message. Whether it is JSON is for the reader of the message to find out; what
    /// cannot even begin one is given out as it stands.
    pub fn next_message(&mut self) -> Option<Vec<u8>> {
        let blank = self
            .buffer
            .iter()
            .take_while(|byte| byte.is_ascii_whitespace())
            .count();
        if self.scanned == 0 && blank > 0 {
            self.buffer.drain(..blank);
        }
        while let Some(&byte) = self.buffer.get(self.scanned) {
            self.scanned += 1;
            if self.ends_with(byte) {
                let rest = self.buffer.split_off(self.scanned);
                let message = std::mem::replace(&mut self.buffer, rest);
                self.scanned = 0;
                return Some(message);
            }
        }
        None
    }

    /// Whether the message ends with this byte.
    fn ends_with(&mut self, byte: u8) -> bool {
        if self.in_string {
            match byte {
                _ if self.escaped => self.escaped = false,
                b'\\' => self.escaped = true,
                b'"' => self.in_string = false,
                _ => {}
            }
            return false;
        }
        match byte {
            b'{' | b'[' => self.depth += 1,
            b'}' | b']' => self.depth = self.depth.saturating_sub(1),
            b'"' if self.depth > 0 => self.in_string = true,
            _ => {}
        }
        self.depth == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_cut_gives_the_same_messages() {
        let messages = [r#"{"a":"}\"{[","b":[{},[]]}"#, r#"{"id":1}"#, r#"["\\"]"#];
        let stream = format!("{} \n{}{}", messages[0], messages[1], messages[2]);
        for size in 1..stream.len() {
            let mut framer = Framer::default();
            let mut found = Vec::new();
            for piece in stream.as_bytes().chunks(size) {
                framer.push(piece);
                while let Some(message) = framer.next_message() {
                    found.push(String::from_utf8(message).unwrap());
                }
            }
            assert_eq!(found, messages, "cut every {size} bytes");
            assert_eq!(framer.pending(), 0);
        }
    }

    #[test]
    fn garbage_is_given_out_to_be_refused() {
        let mut framer = Framer::default();
        framer.push(b"GET / HTTP/1.1");
        assert_eq!(framer.next_message().unwrap(), b"G");
    }
}
