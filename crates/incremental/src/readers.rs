//! Who read a cell.

use rustc_hash::FxHashSet;
use smallvec::SmallVec;

/// Names one entry of one relation, whether it has a value or was only looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct CellId {
    pub(crate) relation: u16,
    pub(crate) slot: u32,
}

/// The slot that stands for "which keys exist" of a relation.
pub(crate) const MEMBERSHIP: u32 = u32::MAX;

/// Above this many readers a list would make removal slow.
const FEW: usize = 16;

/// The instances that read one cell. Most cells have one or two readers, a few have very many.
#[derive(Default)]
pub(crate) enum Readers {
    #[default]
    None,
    Few(Box<SmallVec<[CellId; 2]>>),
    Many(Box<FxHashSet<CellId>>),
}

impl Readers {
    pub(crate) fn is_empty(&self) -> bool {
        matches!(self, Self::None)
    }

    pub(crate) fn len(&self) -> usize {
        match self {
            Self::None => 0,
            Self::Few(list) => list.len(),
            Self::Many(set) => set.len(),
        }
    }

    /// Adds a reader that is not there yet.
    pub(crate) fn add(&mut self, reader: CellId) {
        match self {
            Self::None => *self = Self::Few(Box::new(SmallVec::from_slice(&[reader]))),
            Self::Few(list) if list.len() < FEW => list.push(reader),
            Self::Few(list) => {
                let mut set: FxHashSet<CellId> = list.iter().copied().collect();
                set.insert(reader);
                *self = Self::Many(Box::new(set));
            }
            Self::Many(set) => {
                set.insert(reader);
            }
        }
    }

    pub(crate) fn remove(&mut self, reader: CellId) {
        match self {
            Self::None => {}
            Self::Few(list) => list.retain(|known| *known != reader),
            Self::Many(set) => {
                set.remove(&reader);
                if set.capacity() > 64 && set.len() < set.capacity() / 8 {
                    set.shrink_to_fit();
                }
            }
        }
        let is_empty = match self {
            Self::None => true,
            Self::Few(list) => list.is_empty(),
            Self::Many(set) => set.is_empty(),
        };
        if is_empty {
            *self = Self::None;
        }
    }

    pub(crate) fn for_each(&self, mut visit: impl FnMut(CellId)) {
        match self {
            Self::None => {}
            Self::Few(list) => list.iter().copied().for_each(&mut visit),
            Self::Many(set) => set.iter().copied().for_each(&mut visit),
        }
    }
}
