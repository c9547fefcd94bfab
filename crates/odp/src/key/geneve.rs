//! Options of Geneve (RFC 8926 section 3.5), as tunnels carry them.

/// The options of a packet, one after another as on the wire. As a mask: the same length, with a one for
/// each bit that counts.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct GeneveOptions(pub Vec<u8>);

/// One of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GeneveOption<'a> {
    /// Who defines the type.
    pub class: u16,
    /// The type; its highest bit makes it critical.
    pub kind: u8,
    /// The octet of the length in four-byte units, with three reserved bits above it.
    pub length: u8,
    /// The data.
    pub data: &'a [u8],
}

const HEADER: usize = 4;
/// The bits of the length octet that are the length.
const LENGTH: u8 = 0x1f;

impl GeneveOptions {
    /// Adds an option. Its data is filled up with zeros to a multiple of four bytes, and cut after 124.
    #[must_use]
    pub fn with(mut self, class: u16, kind: u8, data: &[u8]) -> Self {
        let data = &data[..data.len().min(usize::from(LENGTH) * 4)];
        let words = data.len().div_ceil(4);
        self.0.extend_from_slice(&class.to_be_bytes());
        self.0.push(kind);
        // At most thirty-one.
        self.0.push(u8::try_from(words).unwrap_or(LENGTH));
        self.0.extend_from_slice(data);
        let padding = words * 4 - data.len();
        self.0.extend(std::iter::repeat_n(0, padding));
        self
    }

    /// A mask by which all of these options counts.
    #[must_use]
    pub fn exact_mask(&self) -> Self {
        Self(vec![0xff; self.0.len()])
    }

    /// The options, and what is left over if the last is cut short.
    #[must_use]
    pub fn split(&self) -> (Vec<GeneveOption<'_>>, &[u8]) {
        self.split_like(self)
    }

    /// A mask's parts, where `key` has its options: a mask does not say where they begin.
    pub(crate) fn split_like<'a>(&'a self, key: &Self) -> (Vec<GeneveOption<'a>>, &'a [u8]) {
        let mut options = Vec::new();
        let mut at = 0;
        while let Some([.., length]) = key.0.get(at..at + HEADER) {
            let end = at + HEADER + usize::from(length & LENGTH) * 4;
            let (Some([high, low, kind, length]), Some(data)) = (
                self.0.get(at..at + HEADER),
                self.0.get(at + HEADER..end.max(at + HEADER)),
            ) else {
                break;
            };
            options.push(GeneveOption {
                class: u16::from_be_bytes([*high, *low]),
                kind: *kind,
                length: *length,
                data,
            });
            at = end;
        }
        (options, self.0.get(at..).unwrap_or_default())
    }
}
