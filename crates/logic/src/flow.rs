//! Logical flows as typed values, small enough for a million of them: the match packed into a few bytes, and shared what
//! many flows have in common, which are actions and what is said about a flow.
//!
//! Which datapaths have a flow is the caller's to name; this crate only carries it.

use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, PoisonError};

use rustc_hash::FxHashSet;

use crate::{Actions, Error, Expr, Packed, Pipeline, Str, Symbols, Variables};
use crate::{expand_actions, expand_match};

/// A place in a pipeline.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Stage {
    /// Which half.
    pub pipeline: Pipeline,
    /// The number of the table in it.
    pub table: u8,
}

/// A logical flow in the datapath, or the group of datapaths, `D`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Flow<D> {
    /// Who has it.
    pub datapaths: D,
    /// Where it stands.
    pub stage: Stage,
    /// Of the flows that match, the one with the highest priority counts.
    pub priority: u16,
    /// The beginning of the UUID of the Northbound row that it is for.
    pub hint: Option<NonZeroU32>,
    /// The match as it was written.
    pub matches: Packed,
    /// The actions.
    pub actions: Arc<Actions>,
    /// What else is said about it.
    pub about: Arc<About>,
}

/// What is said about a flow besides what it does. Many flows have the same.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct About {
    /// The meter that bounds what it sends to the agent.
    pub controller_meter: Option<Str>,
    /// Where the code is that made it.
    pub source: Option<Str>,
    /// Remarks by name, sorted.
    pub tags: Vec<(Str, Str)>,
}

/// A flow as a database holds it.
#[derive(Clone, Copy, Debug)]
pub struct FlowText<'a, D> {
    /// Who has it.
    pub datapaths: D,
    /// Where it stands.
    pub stage: Stage,
    /// Its priority.
    pub priority: u16,
    /// The beginning of the UUID of the Northbound row that it is for.
    pub hint: Option<NonZeroU32>,
    /// The text of the match.
    pub matches: &'a str,
    /// The text of the actions.
    pub actions: &'a str,
}

/// Why a text is no flow.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FlowError {
    /// The match is not in the language.
    #[error("match: {0}")]
    Match(Error),
    /// The actions are not.
    #[error("actions: {0}")]
    Actions(Error),
}

impl<D> Flow<D> {
    /// What a packet must be for the flow to hold: its match, and what its actions presuppose.
    pub fn condition(&self) -> Expr {
        Expr::and([self.matches.unpack(), self.actions.prerequisites()])
    }
}

impl About {
    /// The symbols that the flow's match is about: `acl_ct_translation=true` among the tags means the connection's.
    pub fn symbols(&self) -> &'static Symbols {
        let is_translated =
            |(name, value): &(Str, Str)| name == "acl_ct_translation" && value == "true";
        if self.tags.iter().any(is_translated) {
            Symbols::ct_translation()
        } else {
            Symbols::ovn()
        }
    }
}

/// Holds what flows share. What no flow has any more is forgotten now and then.
#[derive(Debug, Default)]
pub struct Interner {
    actions: Pool<Actions>,
    abouts: Pool<About>,
}

impl Interner {
    /// Reads a flow.
    ///
    /// # Errors
    ///
    /// When the match or the actions are not in the language with these values of variables.
    pub fn read<D>(
        &self,
        text: FlowText<'_, D>,
        about: About,
        variables: &dyn Variables,
    ) -> Result<Flow<D>, FlowError> {
        let matches =
            expand_match(text.matches, about.symbols(), variables).map_err(FlowError::Match)?;
        let actions =
            expand_actions(text.actions, Symbols::ovn(), variables).map_err(FlowError::Actions)?;
        let tidy = |actions: &mut Actions| actions.0.shrink_to_fit();
        Ok(Flow {
            datapaths: text.datapaths,
            stage: text.stage,
            priority: text.priority,
            hint: text.hint,
            matches: Packed::new(&matches),
            actions: self.actions.share(actions, tidy),
            about: self.abouts.share(about, |_| ()),
        })
    }

    /// How many different actions and remarks are held, those included that no flow has any more.
    pub fn len(&self) -> usize {
        self.actions.len() + self.abouts.len()
    }

    /// Whether nothing is held.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Values of which equal ones are one.
#[derive(Debug)]
struct Pool<T> {
    values: Mutex<Values<T>>,
}

#[derive(Debug)]
struct Values<T> {
    all: FxHashSet<Arc<T>>,
    /// How many there may be before those are let go that nobody else has.
    limit: usize,
}

/// How many values a pool may hold before it looks for some that nobody has.
const FIRST_LIMIT: usize = 64;

impl<T> Default for Pool<T> {
    fn default() -> Self {
        Self {
            values: Mutex::new(Values {
                all: FxHashSet::default(),
                limit: FIRST_LIMIT,
            }),
        }
    }
}

impl<T: Eq + std::hash::Hash> Pool<T> {
    /// The one that is equal to `value`; a new one is made `tidy`, as it will stay.
    fn share(&self, mut value: T, tidy: impl FnOnce(&mut T)) -> Arc<T> {
        // A pool is whole between any two of its operations, so one that panicked leaves it so.
        let mut values = self.values.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = values.all.get(&value) {
            return known.clone();
        }
        if values.all.len() >= values.limit {
            values.all.retain(|value| Arc::strong_count(value) > 1);
            values.limit = FIRST_LIMIT.max(values.all.len() * 2);
        }
        tidy(&mut value);
        let value = Arc::new(value);
        values.all.insert(value.clone());
        value
    }

    fn len(&self) -> usize {
        let values = self.values.lock().unwrap_or_else(PoisonError::into_inner);
        values.all.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(interner: &Interner, actions: &str) -> Flow<u32> {
        let text = FlowText {
            datapaths: 1,
            stage: Stage {
                pipeline: Pipeline::Ingress,
                table: 3,
            },
            priority: 100,
            hint: NonZeroU32::new(0x1234_5678),
            matches: "tcp.dst == 80",
            actions,
        };
        interner.read(text, About::default(), &()).expect("a flow")
    }

    #[test]
    fn equal_actions_are_one() {
        let interner = Interner::default();
        let (one, other) = (read(&interner, "next;"), read(&interner, "next ;"));
        assert!(Arc::ptr_eq(&one.actions, &other.actions));
        assert!(Arc::ptr_eq(&one.about, &other.about));
        assert_eq!(one, other);
        let third = read(&interner, "ct_next;");
        assert_eq!(third.condition().to_string(), "tcp.dst == 80 && ip");
        assert_eq!(interner.len(), 3);
    }

    #[test]
    fn what_no_flow_has_is_forgotten() {
        let interner = Interner::default();
        let kept = read(&interner, "next;");
        for table in 0..10_000 {
            read(&interner, &format!("reg0 = {table}; next;"));
        }
        assert!(interner.len() <= 2 * FIRST_LIMIT, "{}", interner.len());
        assert!(Arc::ptr_eq(
            &kept.actions,
            &read(&interner, "next;").actions
        ));
    }

    #[test]
    fn the_tag_chooses_the_symbols() {
        let interner = Interner::default();
        let about = About {
            tags: vec![("acl_ct_translation".into(), "true".into())],
            ..About::default()
        };
        assert!(about.symbols().find("ct_proto").is_some());
        assert!(About::default().symbols().find("ct_proto").is_none());
        let mut flow = read(&interner, "next;");
        let text = "tcp.dst == 80";
        let expr = crate::parse_match(text, about.symbols()).expect("parses");
        flow.matches = Packed::new(&expr);
        assert_eq!(flow.matches.unpack(), expr);
        assert_ne!(Ok(expr), crate::parse_match(text, Symbols::ovn()));
    }

    #[test]
    fn errors_say_which_text_is_wrong() {
        let interner = Interner::default();
        let text = |matches, actions| FlowText {
            datapaths: (),
            stage: Stage {
                pipeline: Pipeline::Egress,
                table: 0,
            },
            priority: 0,
            hint: None,
            matches,
            actions,
        };
        let error = |text| {
            let error = interner
                .read(text, About::default(), &())
                .expect_err("not a flow");
            error.to_string()
        };
        assert_eq!(
            error(text("ip4 &&", "next;")),
            "match: column 7: a field, a predicate, a constant, `!` or `(` was expected (at the end of the text)"
        );
        assert_eq!(
            error(text("ip4", "nxt;")),
            "actions: column 1: there is no action called `nxt`; did you mean `next`? (at `nxt`)"
        );
    }
}
