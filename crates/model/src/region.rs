//! Heddle_Region: what a regional service keeps. A struct a table, a field a column.

use crate::column::{Map, Set, Strong};
use crate::table::{database, values};
use ovsdb::Str;

values! {
    /// Values of `Action.state`: how far an action is.
    ActionState { Running = "running", Done = "done", Stopped = "stopped", Superseded = "superseded" }
    /// Values of `Opening.direction`, as the machine sees it.
    OpeningDirection { Inbound = "inbound", Outbound = "outbound" }
}

database! {
    "Heddle_Region" version "1.0.0"

    /// A hypervisor, and where its daemon is reached.
    Hypervisor = "Hypervisor" [root(), index(&["name"])] {
        name: Str [immutable()],
        /// `https://HOST:PORT`, `http://HOST:PORT` or `unix:PATH`.
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
        tags: Set<Str>,
        /// One that is not has no connectivity.
        enabled: bool,
        /// Its network parameters as a JSON document, without what the region adds to them.
        parameters: Str,
    }

    /// Ports that are open for a set of machines: those of a customer, with a tag, or one; for all that fit when
    /// several are said, and for all machines when none is.
    Opening = "Opening" [root()] {
        customer: Option<Strong<Customer>>,
        machine: Option<Strong<Machine>>,
        tag: Option<Str>,
        direction: OpeningDirection,
        /// `tcp`, `udp`, `icmp`, or as network parameters have it.
        protocol: Str,
        first_port: Option<i64> [range(0..=65535)],
        last_port: Option<i64> [range(0..=65535)],
        /// From where, or to where; everywhere if empty.
        remote: Set<Str>,
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
        /// What was asked for, as the request has it.
        request: Str [immutable()],
        state: ActionState,
        /// Of each hypervisor what came of it.
        outcomes: Map<Str, Str>,
    }
}
