//! Why bytes could not be read.

/// A reason for which a message, or a part of one, could not be decoded.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The bytes end before the thing they announce.
    #[error("truncated: {wanted} bytes wanted, {left} left")]
    Truncated {
        /// How many bytes the decoder asked for.
        wanted: usize,
        /// How many there were.
        left: usize,
    },
    /// A length field contradicts what it is the length of.
    #[error("{what}: bad length {length}")]
    BadLength {
        /// What the length belongs to.
        what: &'static str,
        /// The length found.
        length: usize,
    },
    /// A value that the protocol does not allow at this place.
    #[error("{what}: bad value {value:#x}")]
    BadValue {
        /// What the value belongs to.
        what: &'static str,
        /// The value found.
        value: u64,
    },
    /// Actions are nested deeper than any switch accepts.
    #[error("actions are nested too deeply")]
    TooDeep,
}

/// The result of decoding.
pub type Result<T, E = Error> = std::result::Result<T, E>;
