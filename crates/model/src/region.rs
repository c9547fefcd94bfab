//! Heddle_Region: what a regional service keeps. A struct a table, a field a column.

use crate::column::{Map, Set, Strong};
use crate::table::{database, values};
use ovsdb::Str;

values! {
    /// Values of `Action.state`: how far an action is.
    ActionState { Running = "running", Done = "done", Stopped = "stopped" }
}

database! {
    "Heddle_Region" version "1.0.0"

    /// A hypervisor, and where its daemon is reached.
    Hypervisor = "Hypervisor" [root(), index(&["name"])] {
        name: Str [immutable()],
        /// `unix:PATH`, `tcp:HOST:PORT` or `ssl:HOST:PORT`.
        endpoint: Str,
        tags: Set<Str>,
        /// Nothing is told to one that is not.
        enabled: bool,
        /// The number of the action that stopped before it told this one; until that is resumed it is told nothing.
        held_by: Option<i64>,
    }

    /// Whom machines belong to.
    Customer = "Customer" [root(), index(&["name"])] {
        name: Str [immutable()],
        /// The machines of one that is not have no connectivity.
        enabled: bool,
    }

    /// A virtual machine.
    Machine = "Machine" [root(), index(&["number"])] {
        /// `droplet_id` of its network parameters.
        number: i64 [immutable(), range(1..=4_294_967_295)],
        customer: Strong<Customer>,
        /// Where it runs.
        hypervisor: Option<Strong<Hypervisor>>,
        /// Where it comes from, while it moves: that one keeps what it has.
        leaving: Option<Strong<Hypervisor>>,
        /// Those that are to forget it; each goes from here when it has.
        departed: Set<Strong<Hypervisor>>,
        /// The row itself goes when nobody has to forget it any more.
        removed: bool,
        tags: Set<Str>,
        /// One that is not has no connectivity.
        enabled: bool,
        /// Its network parameters as a JSON document, without what the region adds to them.
        parameters: Str,
    }

    /// A rule for the security policies of a set of machines: one machine, those of a customer, those with a tag; those
    /// for which all of that holds when several are said, and all machines when nothing is.
    Rule = "Rule" [root()] {
        machine: Option<Strong<Machine>>,
        customer: Option<Strong<Customer>>,
        tag: Option<Str>,
        /// A rule of network parameters as a JSON document.
        rule: Str,
    }

    /// A floating address, and the machine that has it.
    FloatingAddress = "Floating_Address" [root(), index(&["address"])] {
        address: Str [immutable()],
        customer: Strong<Customer>,
        machine: Option<Strong<Machine>>,
        /// The name of the machine's card that bears it; its first public one if empty.
        card: Option<Str>,
    }

    /// Who changed what, and what came of it. The oldest ones go when there are too many.
    Action = "Action" [root(), index(&["number"])] {
        number: i64 [immutable(), range(1..)],
        /// Milliseconds since 1970.
        time: i64 [immutable()],
        /// The name in the caller's certificate, or the user of a local socket.
        who: Str [immutable()],
        what: Str [immutable()],
        /// What was asked for, for people.
        request: Map<Str, Str>,
        /// Names of the hypervisors that it concerns.
        hypervisors: Set<Str> [immutable()],
        /// How it is carried out: `parallel`, `attempts`, `stop_after`, and in milliseconds `deadline`, `backoff` and
        /// `max_backoff`.
        policy: Map<Str, i64> [immutable()],
        state: ActionState,
        /// Of each hypervisor what came of it.
        outcomes: Map<Str, Str>,
        /// What the caller named the request, to be able to send it again.
        key: Option<Str> [immutable()],
    }

    /// The service that has the lock, and so tells hypervisors and takes changes.
    Leader = "Leader" [root(), max_rows(1)] {
        /// What that service calls itself.
        name: Str,
        /// Since when, in milliseconds since 1970.
        since: i64,
    }
}
