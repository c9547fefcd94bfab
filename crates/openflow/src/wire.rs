//! Reading and writing big-endian values: the only place where offsets are computed.

use crate::error::{Error, Result};

/// A cursor over received bytes. Every accessor fails rather than read past the end.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reader<'a> {
    bytes: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(crate) const fn new(bytes: &'a [u8]) -> Self {
        Self { bytes }
    }

    pub(crate) const fn len(&self) -> usize {
        self.bytes.len()
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// What has not been read yet.
    pub(crate) const fn rest(&self) -> &'a [u8] {
        self.bytes
    }

    pub(crate) fn take(&mut self, n: usize) -> Result<&'a [u8]> {
        let (head, tail) = self.bytes.split_at_checked(n).ok_or(Error::Truncated {
            wanted: n,
            left: self.bytes.len(),
        })?;
        self.bytes = tail;
        Ok(head)
    }

    /// A reader over the next `n` bytes, which this one skips.
    pub(crate) fn sub(&mut self, n: usize) -> Result<Self> {
        self.take(n).map(Self::new)
    }

    pub(crate) fn skip(&mut self, n: usize) -> Result<()> {
        self.take(n).map(drop)
    }

    /// Skips padding up to `n` bytes; the last element of a message may lack its padding.
    pub(crate) fn skip_padding(&mut self, n: usize) {
        let n = n.min(self.bytes.len());
        self.bytes = &self.bytes[n..];
    }

    pub(crate) fn array<const N: usize>(&mut self) -> Result<[u8; N]> {
        let mut out = [0; N];
        out.copy_from_slice(self.take(N)?);
        Ok(out)
    }

    pub(crate) fn u8(&mut self) -> Result<u8> {
        Ok(self.array::<1>()?[0])
    }

    pub(crate) fn u16(&mut self) -> Result<u16> {
        self.array().map(u16::from_be_bytes)
    }

    pub(crate) fn u32(&mut self) -> Result<u32> {
        self.array().map(u32::from_be_bytes)
    }

    pub(crate) fn u64(&mut self) -> Result<u64> {
        self.array().map(u64::from_be_bytes)
    }

    /// A big-endian number of `n` bytes, at most sixteen.
    pub(crate) fn uint(&mut self, n: usize) -> Result<u128> {
        if n > 16 {
            return Err(Error::BadLength {
                what: "value",
                length: n,
            });
        }
        Ok(self
            .take(n)?
            .iter()
            .fold(0, |sum, byte| sum << 8 | u128::from(*byte)))
    }
}

/// A name in a field of fixed length, which ends with a zero byte or with the field. OpenFlow's names are
/// ASCII; a byte that is not becomes a question mark.
pub(crate) fn fixed_name(bytes: &[u8]) -> String {
    let name = bytes.iter().take_while(|byte| **byte != 0);
    name.map(|byte| {
        if byte.is_ascii() {
            char::from(*byte)
        } else {
            '?'
        }
    })
    .collect()
}

/// A growing message.
pub(crate) trait Put {
    fn u8(&mut self, value: u8);
    fn u16(&mut self, value: u16);
    fn u32(&mut self, value: u32);
    fn u64(&mut self, value: u64);
    fn bytes(&mut self, value: &[u8]);
    fn zeros(&mut self, n: usize);
    /// The low `n` bytes of a number, big end first.
    fn uint(&mut self, value: u128, n: usize);
    /// Zeros until the part that begins at `start` is a multiple of eight bytes long.
    fn pad8(&mut self, start: usize);
    /// Writes the length of the part that begins at `start` into its two bytes at `at`. A part longer
    /// than a length field can say is cut off by [`crate::message::Message::encode`], which refuses it.
    fn patch_len(&mut self, at: usize, start: usize);
}

impl Put for Vec<u8> {
    fn u8(&mut self, value: u8) {
        self.push(value);
    }

    fn u16(&mut self, value: u16) {
        self.extend_from_slice(&value.to_be_bytes());
    }

    fn u32(&mut self, value: u32) {
        self.extend_from_slice(&value.to_be_bytes());
    }

    fn u64(&mut self, value: u64) {
        self.extend_from_slice(&value.to_be_bytes());
    }

    fn bytes(&mut self, value: &[u8]) {
        self.extend_from_slice(value);
    }

    fn zeros(&mut self, n: usize) {
        self.resize(self.len() + n, 0);
    }

    fn uint(&mut self, value: u128, n: usize) {
        self.extend_from_slice(&value.to_be_bytes()[16 - n.min(16)..]);
    }

    fn pad8(&mut self, start: usize) {
        let len = self.len() - start;
        self.zeros(len.next_multiple_of(8) - len);
    }

    fn patch_len(&mut self, at: usize, start: usize) {
        let len = u16::try_from(self.len() - start).unwrap_or(u16::MAX);
        self[at..at + 2].copy_from_slice(&len.to_be_bytes());
    }
}
