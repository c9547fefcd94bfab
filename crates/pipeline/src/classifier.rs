//! Finds the flow of a table that a packet matches, looking at as few bits as it can.
//!
//! Conjunctions that look at the same bits are one hash table (tuple space search). Tables are visited in the order
//! of the best flow in them, until no table can hold a better one than what was found.
//!
//! Invariant: the result is the first flow, in the order they were added, whose normal form holds; and any packet
//! that agrees in the bits consulted gets the same result.

use logic::{Conjunctive, Field, NormalForm, Packet};
use rustc_hash::FxHashMap;
use smallvec::SmallVec;

use crate::fields::{COUNT, Fields, place};

/// Which bits of a packet a decision looked at.
#[derive(Clone, PartialEq, Eq)]
pub struct Consulted {
    masks: [u128; COUNT],
}

impl Default for Consulted {
    fn default() -> Self {
        Self { masks: [0; COUNT] }
    }
}

impl Consulted {
    /// The bits of a field that were looked at.
    pub fn mask(&self, field: Field) -> u128 {
        self.masks[place(field)]
    }

    /// Notes that bits were looked at.
    pub(crate) fn add(&mut self, field: Field, mask: u128) {
        match field {
            Field::XReg(_) | Field::XxReg(_) => {
                let count = field.parts().count();
                for (at, part) in field.parts().enumerate() {
                    self.masks[place(part)] |= mask >> (32 * (count - 1 - at)) & 0xffff_ffff;
                }
            }
            _ => self.masks[place(field)] |= mask,
        }
    }

    /// The fields that were looked at, with their bits.
    pub fn iter(&self) -> impl Iterator<Item = (Field, u128)> + '_ {
        Field::MATCHABLE
            .into_iter()
            .filter(|field| *field != Field::RemoteOutPort)
            .map(|field| (field, self.mask(field)))
            .filter(|(_, mask)| *mask != 0)
    }
}

impl std::fmt::Debug for Consulted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut map = f.debug_map();
        for (field, mask) in self.iter() {
            map.entry(&format_args!("{field}"), &format_args!("{mask:#x}"));
        }
        map.finish()
    }
}

/// The bits that some conjunctions have in common, sorted by field.
type Shape = SmallVec<[(Field, u128); 4]>;
/// The values of those bits.
type Values = SmallVec<[u128; 4]>;

/// The flows of one table, by rank: the lower, the better.
#[derive(Debug, Default)]
pub(crate) struct Classifier {
    /// Sorted by `best` when complete.
    spaces: Vec<Space>,
    /// What is no plain conjunction, sorted by rank.
    products: Vec<(u32, Conjunctive)>,
}

#[derive(Debug)]
struct Space {
    shape: Shape,
    best: u32,
    ranks: FxHashMap<Values, u32>,
}

/// Adds flows to a classifier in the order of their rank.
#[derive(Debug, Default)]
pub(crate) struct Builder {
    by_shape: FxHashMap<Shape, usize>,
    made: Classifier,
}

impl Builder {
    /// Adds a flow, which comes behind all those before it.
    pub(crate) fn add(&mut self, rank: u32, form: &NormalForm) {
        for conjunct in &form.conjuncts {
            let terms = conjunct.terms();
            let shape: Shape = terms.iter().map(|term| (term.field, term.mask)).collect();
            let values: Values = terms.iter().map(|term| term.value).collect();
            let spaces = &mut self.made.spaces;
            let at = *self.by_shape.entry(shape).or_insert_with_key(|shape| {
                spaces.push(Space {
                    shape: shape.clone(),
                    best: rank,
                    ranks: FxHashMap::default(),
                });
                spaces.len() - 1
            });
            spaces[at].ranks.entry(values).or_insert(rank);
        }
        let products = form.conjunctives.iter().map(|it| (rank, it.clone()));
        self.made.products.extend(products);
    }

    pub(crate) fn finish(mut self) -> Classifier {
        self.made.spaces.sort_by_key(|space| space.best);
        self.made
    }
}

impl Classifier {
    /// The rank of the flow that the packet matches.
    pub(crate) fn find(&self, packet: &Fields, consulted: &mut Consulted) -> Option<u32> {
        let mut found = u32::MAX;
        for space in &self.spaces {
            if space.best >= found {
                break;
            }
            let mut values = Values::new();
            for (field, mask) in &space.shape {
                consulted.masks[place(*field)] |= mask;
                values.push(packet.field(*field) & mask);
            }
            if let Some(rank) = space.ranks.get(&values) {
                found = found.min(*rank);
            }
        }
        for (rank, product) in &self.products {
            if *rank >= found {
                break;
            }
            consult(product, consulted);
            if product.holds(packet) {
                found = *rank;
            }
        }
        (found != u32::MAX).then_some(found)
    }
}

fn consult(product: &Conjunctive, consulted: &mut Consulted) {
    for term in product
        .dimensions
        .iter()
        .flatten()
        .flat_map(|it| it.terms())
    {
        consulted.masks[place(term.field)] |= term.mask;
    }
}
