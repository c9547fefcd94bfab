//! Reading and writing big-endian values: the only place where offsets are computed.

use std::cell::Cell;
use std::ops::{Deref, DerefMut};

use crate::error::{Error, Result};
use crate::port::Port;
use crate::version::Version;

/// A cursor over received bytes. Every accessor fails rather than read past the end.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reader<'a> {
    bytes: &'a [u8],
    /// The version that the bytes are written in.
    pub(crate) version: Version,
    /// The subtype of the message if it is an extension, where it has a standard form as well; or zero.
    pub(crate) extension: u32,
}

impl<'a> Reader<'a> {
    /// A cursor over bytes of the newest version.
    pub(crate) const fn new(bytes: &'a [u8]) -> Self {
        Self {
            bytes,
            version: Version::V15,
            extension: 0,
        }
    }

    /// A cursor over bytes of a version.
    pub(crate) const fn of_version(bytes: &'a [u8], version: Version) -> Self {
        Self {
            bytes,
            version,
            extension: 0,
        }
    }

    /// The same with other bytes.
    pub(crate) const fn over<'b>(&self, bytes: &'b [u8]) -> Reader<'b> {
        Reader {
            bytes,
            version: self.version,
            extension: self.extension,
        }
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
        let bytes = self.take(n)?;
        Ok(self.over(bytes))
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
        let mut out = [0; 16];
        out[16 - n..].copy_from_slice(self.take(n)?);
        Ok(u128::from_be_bytes(out))
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

/// A fixed field for a name: cut to its length, filled up with zeros.
fn name_bytes(name: &str, length: usize) -> &[u8] {
    &name.as_bytes()[..name.len().min(length)]
}

/// A growing message.
#[derive(Debug, Default)]
pub(crate) struct Writer {
    bytes: Vec<u8>,
    /// The version to write.
    pub(crate) version: Version,
    /// What the version has no words for, if there is such a thing.
    unsayable: Option<&'static str>,
}

impl Writer {
    pub(crate) const fn new(version: Version) -> Self {
        Self {
            bytes: Vec::new(),
            version,
            unsayable: None,
        }
    }

    /// A writer that appends to these bytes.
    pub(crate) const fn behind(bytes: Vec<u8>, version: Version) -> Self {
        Self {
            bytes,
            version,
            unsayable: None,
        }
    }

    pub(crate) fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    /// Notes that the version has no words for something. The first such thing is kept.
    pub(crate) fn unsayable(&mut self, what: &'static str) {
        self.unsayable.get_or_insert(what);
    }

    /// What the version has no words for.
    pub(crate) const fn first_unsayable(&self) -> Option<&'static str> {
        self.unsayable
    }

    pub(crate) fn u8(&mut self, value: u8) {
        self.bytes.push(value);
    }

    pub(crate) fn u16(&mut self, value: u16) {
        self.bytes.extend_from_slice(&value.to_be_bytes());
    }

    pub(crate) fn u32(&mut self, value: u32) {
        self.bytes.extend_from_slice(&value.to_be_bytes());
    }

    pub(crate) fn u64(&mut self, value: u64) {
        self.bytes.extend_from_slice(&value.to_be_bytes());
    }

    pub(crate) fn bytes(&mut self, value: &[u8]) {
        self.bytes.extend_from_slice(value);
    }

    pub(crate) fn zeros(&mut self, n: usize) {
        self.bytes.resize(self.bytes.len() + n, 0);
    }

    /// The low `n` bytes of a number, big end first.
    pub(crate) fn uint(&mut self, value: u128, n: usize) {
        self.bytes
            .extend_from_slice(&value.to_be_bytes()[16 - n.min(16)..]);
    }

    /// A port in sixteen bits; one that has no such number cannot be said.
    pub(crate) fn port16(&mut self, port: Port) {
        if port.to_u16() == 0xffff && port != Port::ANY {
            self.unsayable("a port number above 65279");
        }
        self.u16(port.to_u16());
    }

    /// A name in a field of `length` bytes.
    pub(crate) fn name(&mut self, name: &str, length: usize) {
        let name = name_bytes(name, length);
        self.bytes(name);
        self.zeros(length - name.len());
    }

    /// Zeros until the part that begins at `start` is a multiple of eight bytes long.
    pub(crate) fn pad8(&mut self, start: usize) {
        let len = self.len() - start;
        self.zeros(len.next_multiple_of(8) - len);
    }

    /// Writes the length of the part that begins at `start` into its two bytes at `at`. A part longer
    /// than a length field can say is cut off by [`crate::message::Message::encode`], which refuses it.
    pub(crate) fn patch_len(&mut self, at: usize, start: usize) {
        let len = u16::try_from(self.len() - start).unwrap_or(u16::MAX);
        self.bytes[at..at + 2].copy_from_slice(&len.to_be_bytes());
    }
}

thread_local! {
    /// Memory for [`with_scratch`].
    static SCRATCH: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// Beyond this, scratch memory is given back.
const KEEP: usize = 1 << 16;

/// Calls `write` with an empty writer whose memory is used again by the next call.
pub(crate) fn with_scratch<T>(version: Version, write: impl FnOnce(&mut Writer) -> T) -> T {
    let mut bytes = SCRATCH.take();
    bytes.clear();
    let mut writer = Writer::behind(bytes, version);
    let result = write(&mut writer);
    let bytes = writer.into_bytes();
    if bytes.capacity() <= KEEP {
        SCRATCH.set(bytes);
    }
    result
}

impl Deref for Writer {
    type Target = Vec<u8>;

    fn deref(&self) -> &Vec<u8> {
        &self.bytes
    }
}

impl DerefMut for Writer {
    fn deref_mut(&mut self) -> &mut Vec<u8> {
        &mut self.bytes
    }
}
