//! The engine that recomputes only what a change touched.
//!
//! A program for the engine is a set of *relations*, each a map from keys to values:
//!
//! - an [`Input`] is set from outside;
//! - a [`Rule`] has one instance for each key of its driver, another relation; an instance is a pure
//!   function of its key and of what it looks up through a [`Context`];
//! - a [`Collected`] relation gathers what the entries of another relation emit, grouped by key. An
//!   [`Index`] is the special case that gathers the keys of the entries.
//!
//! A relation is declared after all that it reads, because a handle exists only once its relation
//! does; so each relation is a stratum of its own and there can be no cycle. The context records every
//! look-up, those that found nothing included. [`Engine::run`] evaluates, in order of declaration,
//! exactly the instances that read something which changed; an output equal to the former one stops
//! the wave.
//!
//! # Invariants
//!
//! - The contents of all relations are a function of the inputs alone: neither the order of edits nor
//!   their division into runs can be seen in them.
//! - The cost of a run follows what changed and who read it. No relation is scanned.
//! - What nothing holds any more is freed, bookkeeping of look-ups that found nothing included.
//!
//! This crate knows nothing of networks or databases.
//!
//! ```
//! let mut build = incremental::Builder::new();
//! let price = build.input::<&str, u32>("price");
//! let basket = build.input::<u32, Vec<&str>>("basket");
//! let total = build.rule("total", basket, move |cx, id| {
//!     let names = cx.get(basket, id).into_iter().flatten();
//!     names.filter_map(|name| cx.get(price, name)).sum::<u32>()
//! });
//! let mut engine = build.build();
//! engine.set(basket, 1, Some(vec!["tea", "salt"]));
//! engine.set(price, "tea", Some(3));
//! engine.run();
//! assert_eq!(engine.get(total, &1), Some(&3));
//! engine.set(price, "salt", Some(2)); // The rule had looked for it and found nothing.
//! engine.run();
//! assert_eq!(engine.get(total, &1), Some(&5));
//! ```

mod builder;
mod collect;
mod context;
mod engine;
mod group;
mod handle;
mod readers;
mod rule;
mod table;

pub use builder::Builder;
pub use context::Context;
pub use engine::{Change, Engine, Footprint, Ran};
pub use group::Group;
pub use handle::{Collected, Index, Input, Key, Relation, Rule, Value};
