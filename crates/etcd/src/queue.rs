//! Who has a lock, who waits for it, and what a process does about that. Pure.
//!
//! The first of those who wait takes a lock that nobody has. Who has lost it to a thief is put before the others.
//!
//! Invariant: a step names the revisions that it was decided on, so that it is not carried out when they have
//! changed.

/// A process, on a lease: with another lease it is another one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Process {
    pub(crate) id: String,
    pub(crate) lease: i64,
}

/// Who has a lock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Owner {
    pub(crate) process: Process,
    /// Changes with the owner.
    pub(crate) revision: i64,
}

/// Who waits for a lock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Waiting {
    pub(crate) process: Process,
    /// When he came.
    pub(crate) revision: i64,
    /// Whether he had the lock, and it was stolen.
    pub(crate) robbed: bool,
}

/// A lock as etcd has it at one moment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct View {
    pub(crate) owner: Option<Owner>,
    pub(crate) waiting: Vec<Waiting>,
}

/// What to do next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Step {
    /// It is ours, since this revision.
    Owned(i64),
    /// Somebody else comes first.
    Wait,
    /// Put ourselves in the queue.
    Join,
    /// Take the lock, which nobody has.
    Take,
    /// Take the lock from this one, who waits from then on.
    Steal(Owner),
}

/// What a process that wants the lock does next.
pub(crate) fn step(view: &View, me: &Process, steal: bool) -> Step {
    let waits = view.waiting.iter().any(|waiting| waiting.process == *me);
    match &view.owner {
        Some(owner) if owner.process == *me => Step::Owned(owner.revision),
        Some(owner) if steal => Step::Steal(owner.clone()),
        Some(_) if waits => Step::Wait,
        Some(_) => Step::Join,
        None if steal => Step::Take,
        None => match first(&view.waiting) {
            None => Step::Take,
            Some(first) if first.process == *me => Step::Take,
            Some(_) if waits => Step::Wait,
            Some(_) => Step::Join,
        },
    }
}

fn first(waiting: &[Waiting]) -> Option<&Waiting> {
    waiting
        .iter()
        .min_by_key(|waiting| (!waiting.robbed, waiting.revision))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn process(id: &str) -> Process {
        Process {
            id: id.into(),
            lease: 7,
        }
    }

    fn waiting(id: &str, revision: i64, robbed: bool) -> Waiting {
        Waiting {
            process: process(id),
            revision,
            robbed,
        }
    }

    fn view(owner: Option<&str>, waiting: &[Waiting]) -> View {
        let owner = owner.map(|id| Owner {
            process: process(id),
            revision: 3,
        });
        View {
            owner,
            waiting: waiting.to_vec(),
        }
    }

    #[test]
    fn every_step() {
        let b = waiting("b", 5, false);
        let me = process("a");
        let steps = |view: View| [false, true].map(|steal| step(&view, &me, steal));
        let mine = waiting("a", 6, false);
        assert_eq!(steps(view(None, &[])), [Step::Take, Step::Take]);
        assert_eq!(
            steps(view(None, std::slice::from_ref(&b))),
            [Step::Join, Step::Take]
        );
        assert_eq!(
            steps(view(None, &[b.clone(), mine.clone()])),
            [Step::Wait, Step::Take]
        );
        let robbed = waiting("a", 9, true);
        assert_eq!(steps(view(None, &[b, robbed])), [Step::Take, Step::Take]);
        assert_eq!(
            steps(view(Some("a"), &[])),
            [Step::Owned(3), Step::Owned(3)]
        );
        let steal = Step::Steal(Owner {
            process: process("b"),
            revision: 3,
        });
        assert_eq!(steps(view(Some("b"), &[])), [Step::Join, steal.clone()]);
        assert_eq!(steps(view(Some("b"), &[mine])), [Step::Wait, steal]);
    }

    #[test]
    fn a_former_life_is_somebody_else() {
        let me = Process {
            lease: 8,
            ..process("a")
        };
        assert_eq!(step(&view(Some("a"), &[]), &me, false), Step::Join);
    }
}
