//! Symbols and slices of symbols. The table of all symbols is in `table.rs`.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::OnceLock;

use rustc_hash::FxHashMap;

use crate::{Bits, Conjunct, Expr};

/// How a symbol's values may be compared (ovn-sb(5), "Level of Measurement").
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    /// Only tested for equality, in a positive sense.
    Nominal,
    /// True or false.
    Boolean,
    /// Every bit can be looked at, so that it can be ordered and sliced.
    Ordinal,
}

/// Where a symbol may be assigned to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scope {
    /// Anywhere but in `ct_commit { ... }`.
    Default,
    /// Only in `ct_commit { ... }`.
    CtCommit,
    /// Only in an ICMP error action.
    IcmpError,
    /// Nowhere.
    ReadOnly,
}

/// What a symbol stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Bits of a basic field.
    Bits(Bits),
    /// A port name, held in a basic field as a tunnel key.
    Port(Bits),
    /// An expression.
    Predicate(Box<Expr>),
}

/// A name of the language.
#[derive(Debug)]
pub struct Symbol {
    pub(crate) name: &'static str,
    /// Its place in the table.
    pub(crate) id: u16,
    pub(crate) kind: Kind,
    pub(crate) level: Level,
    pub(crate) prerequisite: Option<Expr>,
    pub(crate) scope: Scope,
    /// What the prerequisite, or the expansion of a predicate, comes to: the same everywhere, so made once.
    pub(crate) form: OnceLock<Vec<Conjunct>>,
}

impl Symbol {
    /// The name.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// What it stands for.
    pub fn kind(&self) -> &Kind {
        &self.kind
    }

    /// How its values may be compared.
    pub fn level(&self) -> Level {
        self.level
    }

    /// What must hold of a packet for the symbol to exist in it.
    pub fn prerequisite(&self) -> Option<&Expr> {
        self.prerequisite.as_ref()
    }

    /// Where it may be assigned to.
    pub fn scope(&self) -> Scope {
        self.scope
    }

    /// Whether its values are port names.
    pub fn is_port(&self) -> bool {
        matches!(self.kind, Kind::Port(_))
    }

    /// Width in bits; 1 for a predicate.
    pub fn width(&self) -> u8 {
        self.bits().map_or(1, |bits| bits.width)
    }

    /// The basic bits behind it; none for a predicate.
    pub fn bits(&self) -> Option<Bits> {
        match self.kind {
            Kind::Bits(bits) | Kind::Port(bits) => Some(bits),
            Kind::Predicate(_) => None,
        }
    }
}

/// A symbol is the one of its table: the same name can mean another thing in another table.
impl PartialEq for Symbol {
    fn eq(&self, other: &Self) -> bool {
        std::ptr::eq(self, other)
    }
}

impl Eq for Symbol {}

impl Hash for Symbol {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.name.hash(state);
    }
}

/// A field symbol or consecutive bits of one, as written: `ip4.dst`, `ip4.dst[28..31]`.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Slice {
    symbol: &'static Symbol,
    /// First and last bit within the symbol; none when the whole symbol is meant.
    range: Option<(u8, u8)>,
}

impl Slice {
    /// The whole symbol; `None` when it is a predicate.
    pub fn whole(symbol: &'static Symbol) -> Option<Self> {
        symbol.bits().map(|_| Self {
            symbol,
            range: None,
        })
    }

    /// Bits `first` to `last` of `symbol`; the whole symbol when that is all of them. `None` when
    /// they do not exist.
    pub fn part(symbol: &'static Symbol, first: u8, last: u8) -> Option<Self> {
        let width = symbol.bits()?.width;
        let range = (first != 0 || last + 1 != width).then_some((first, last));
        (first <= last && last < width).then_some(Self { symbol, range })
    }

    /// First and last bit within the symbol; none when the whole symbol is meant.
    pub(crate) fn range(&self) -> Option<(u8, u8)> {
        self.range
    }

    /// The symbol it is taken from.
    pub fn symbol(&self) -> &'static Symbol {
        self.symbol
    }

    /// The basic bits it stands for, in the smallest container of registers.
    pub fn bits(&self) -> Bits {
        let whole = self
            .symbol
            .bits()
            .expect("a slice is never made of a predicate");
        let bits = match self.range {
            None => whole,
            Some((first, last)) => Bits {
                field: whole.field,
                first: whole.first + first,
                width: last - first + 1,
            },
        };
        bits.canonical()
    }

    /// Width in bits.
    pub fn width(&self) -> u8 {
        self.range
            .map_or_else(|| self.symbol.width(), |(first, last)| last - first + 1)
    }

    /// Whether its values are port names.
    pub fn is_port(&self) -> bool {
        self.symbol.is_port()
    }
}

impl fmt::Display for Slice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.symbol.name)?;
        match self.range {
            None => Ok(()),
            Some((first, last)) if first == last => write!(f, "[{first}]"),
            Some((first, last)) => write!(f, "[{first}..{last}]"),
        }
    }
}

impl fmt::Debug for Slice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The names that a text may use.
#[derive(Clone, Debug)]
pub struct Symbols {
    by_name: FxHashMap<&'static str, &'static Symbol>,
    /// In the order of the table; a symbol that replaces one is at the end.
    all: Vec<&'static Symbol>,
}

impl Symbols {
    /// All symbols of OVN, made once for the life of the process.
    pub fn ovn() -> &'static Self {
        static SYMBOLS: OnceLock<Symbols> = OnceLock::new();
        SYMBOLS.get_or_init(crate::table::build)
    }

    /// The same, but TCP, UDP and SCTP and their ports are those of the connection's first packet, so that all
    /// fragments of a packet match. OVN means these in flows with the tag `acl_ct_translation`.
    pub fn ct_translation() -> &'static Self {
        static SYMBOLS: OnceLock<Symbols> = OnceLock::new();
        SYMBOLS.get_or_init(|| crate::table::build_ct_translation(Self::ovn()))
    }

    pub(crate) fn empty() -> Self {
        Self {
            by_name: FxHashMap::default(),
            all: Vec::new(),
        }
    }

    /// Adds a symbol for the life of the process; only the table does, once.
    pub(crate) fn add(&mut self, mut symbol: Symbol) {
        symbol.id = self.all.len() as u16;
        let symbol: &'static Symbol = Box::leak(Box::new(symbol));
        self.by_name.insert(symbol.name, symbol);
        self.all.push(symbol);
    }

    /// The symbol with that number, in whichever table. The numbers of one are those of the other, and more.
    pub(crate) fn numbered(id: usize) -> &'static Symbol {
        let first = &Self::ovn().all;
        first
            .get(id)
            .copied()
            .unwrap_or_else(|| Self::ct_translation().all[id])
    }

    /// The symbol of that name.
    pub fn find(&self, name: &str) -> Option<&'static Symbol> {
        self.by_name.get(name).copied()
    }

    /// All symbols, in the order in which they are declared.
    pub fn iter(&self) -> impl Iterator<Item = &'static Symbol> + '_ {
        let is_found = |symbol: &&'static Symbol| self.by_name.get(symbol.name) == Some(symbol);
        self.all.iter().copied().filter(is_found)
    }
}
