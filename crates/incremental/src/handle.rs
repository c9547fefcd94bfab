//! Typed names of relations: small, `Copy`, captured by rules.

use std::fmt::Debug;
use std::hash::Hash;
use std::marker::PhantomData;

use crate::Group;

/// What can be the key of a relation.
pub trait Key: Clone + Ord + Hash + Debug + Send + Sync + 'static {}
impl<T: Clone + Ord + Hash + Debug + Send + Sync + 'static> Key for T {}

/// What can be the value of a relation. Large values belong behind an `Arc`: they are compared and
/// cloned when they change.
pub trait Value: Clone + PartialEq + Send + Sync + 'static {}
impl<T: Clone + PartialEq + Send + Sync + 'static> Value for T {}

/// A handle of something that maps keys to values. A handle is good for the engine of the builder
/// that made it; in another engine it finds nothing.
pub trait Relation: Copy + Send + Sync + 'static {
    /// The type of its keys.
    type Key: Key;
    /// The type of its values.
    type Value: Value;
    #[doc(hidden)]
    fn id(self) -> RelationId;
}

/// The place of a relation in the order of declaration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RelationId(pub(crate) u16);

macro_rules! handle {
    ($(#[$doc:meta])* $name:ident, $value:ty) => {
        $(#[$doc])*
        pub struct $name<K, V> {
            pub(crate) id: RelationId,
            pub(crate) types: PhantomData<fn() -> (K, V)>,
        }

        impl<K, V> $name<K, V> {
            pub(crate) fn new(id: RelationId) -> Self {
                Self { id, types: PhantomData }
            }
        }

        impl<K, V> Clone for $name<K, V> {
            fn clone(&self) -> Self {
                *self
            }
        }

        impl<K, V> Copy for $name<K, V> {}
    };
}

handle!(
    /// A relation that is set from outside, with [`Engine::set`](crate::Engine::set).
    Input,
    V
);
handle!(
    /// A relation computed by one function, one instance for each key of its driver.
    Rule,
    V
);
handle!(
    /// A relation whose value for a key is the sorted set of what was emitted for that key. A key
    /// exists while something is emitted for it.
    Collected,
    Group<V>
);

/// A relation from what entries are found by (`I`) to the keys of those entries (`K`).
pub type Index<I, K> = Collected<I, K>;

impl<K: Key, V: Value> Relation for Input<K, V> {
    type Key = K;
    type Value = V;
    fn id(self) -> RelationId {
        self.id
    }
}

impl<K: Key, V: Value> Relation for Rule<K, V> {
    type Key = K;
    type Value = V;
    fn id(self) -> RelationId {
        self.id
    }
}

impl<K: Key, V: Value + Ord> Relation for Collected<K, V> {
    type Key = K;
    type Value = Group<V>;
    fn id(self) -> RelationId {
        self.id
    }
}
