//! The operations of a transaction (RFC 7047 section 5.2), typed.
//!
//! A client builds them from names and values, without a schema; a server reads them with the schema, so
//! that their values have the types of their columns. Named UUIDs are resolved while reading.

mod decode;
mod encode;

pub use decode::{OperationNames, decode_condition, decode_operation};

use crate::{Datum, Str, Uuid};

/// One operation.
#[derive(Debug, Clone, PartialEq)]
pub enum Operation {
    /// Adds a row.
    Insert {
        /// The table.
        table: Str,
        /// The UUID to give to the row; without it the server chooses.
        uuid: Option<Uuid>,
        /// The name by which other operations of the transaction may refer to the row.
        uuid_name: Option<Str>,
        /// The columns that differ from their defaults.
        row: Vec<(Str, Datum)>,
    },
    /// Reads rows.
    Select {
        /// The table.
        table: Str,
        /// Which rows.
        condition: Vec<Condition>,
        /// Which columns; without it all, `_uuid` and `_version` included.
        columns: Option<Vec<Str>>,
        /// By which columns the rows are sorted; an extension of `ovsdb-server`.
        sort: Vec<Str>,
    },
    /// Sets columns of rows.
    Update {
        /// The table.
        table: Str,
        /// Which rows.
        condition: Vec<Condition>,
        /// The new values.
        row: Vec<(Str, Datum)>,
    },
    /// Changes columns of rows by what they hold.
    Mutate {
        /// The table.
        table: Str,
        /// Which rows.
        condition: Vec<Condition>,
        /// The changes, in order.
        mutations: Vec<Mutation>,
    },
    /// Removes rows.
    Delete {
        /// The table.
        table: Str,
        /// Which rows.
        condition: Vec<Condition>,
    },
    /// Holds the transaction until rows are, or are not, as said.
    Wait {
        /// The table.
        table: Str,
        /// Which rows.
        condition: Vec<Condition>,
        /// Which columns are compared; without it all.
        columns: Option<Vec<Str>>,
        /// Whether the rows must be equal or unequal.
        until: Until,
        /// The rows to compare with.
        rows: Vec<Vec<(Str, Datum)>>,
        /// For how many milliseconds to wait; without it for ever.
        timeout: Option<u64>,
    },
    /// Asks that the transaction be durable, which it is in any case.
    Commit {
        /// Whether that is asked for.
        durable: bool,
    },
    /// Ends the transaction without effect.
    Abort,
    /// A remark for the log.
    Comment {
        /// The text.
        comment: Str,
    },
    /// Fails unless the session holds a lock.
    Assert {
        /// The lock's name.
        lock: Str,
    },
}

/// One clause of a `where`; a row must satisfy all.
#[derive(Debug, Clone, PartialEq)]
pub enum Condition {
    /// Satisfied by every row, or by none.
    Always(bool),
    /// Compares a column, which may be `_uuid` or `_version`.
    Clause {
        /// The column.
        column: Str,
        /// How it is compared.
        function: Function,
        /// With what.
        value: Datum,
    },
}

impl Condition {
    /// The clause `column == value`.
    pub fn equal(column: impl Into<Str>, value: impl Into<Datum>) -> Self {
        Self::Clause {
            column: column.into(),
            function: Function::Equal,
            value: value.into(),
        }
    }

    /// The clause that only the row `uuid` satisfies.
    pub fn uuid(uuid: Uuid) -> Self {
        Self::equal(Str::new_static("_uuid"), uuid)
    }
}

/// How a clause compares (RFC 7047 section 5.1 `<function>`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Function {
    /// `<`
    Less,
    /// `<=`
    LessOrEqual,
    /// `==`
    Equal,
    /// `!=`
    NotEqual,
    /// `>=`
    GreaterOrEqual,
    /// `>`
    Greater,
    /// `includes`
    Includes,
    /// `excludes`
    Excludes,
}

impl Function {
    const ALL: [(Self, &'static str); 8] = [
        (Self::Less, "<"),
        (Self::LessOrEqual, "<="),
        (Self::Equal, "=="),
        (Self::NotEqual, "!="),
        (Self::GreaterOrEqual, ">="),
        (Self::Greater, ">"),
        (Self::Includes, "includes"),
        (Self::Excludes, "excludes"),
    ];

    /// The word of the protocol.
    pub fn name(self) -> &'static str {
        Self::ALL
            .iter()
            .find(|entry| entry.0 == self)
            .map_or("", |entry| entry.1)
    }

    /// The function of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL
            .iter()
            .find(|entry| entry.1 == name)
            .map(|entry| entry.0)
    }
}

/// A change of a column by what it holds.
#[derive(Debug, Clone, PartialEq)]
pub struct Mutation {
    /// The column.
    pub column: Str,
    /// What is done.
    pub mutator: Mutator,
    /// With what.
    pub value: Datum,
}

impl Mutation {
    /// A mutation of `column`.
    pub fn new(column: impl Into<Str>, mutator: Mutator, value: impl Into<Datum>) -> Self {
        Self {
            column: column.into(),
            mutator,
            value: value.into(),
        }
    }
}

/// What a mutation does (RFC 7047 section 5.1 `<mutator>`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Mutator {
    /// `+=`
    Add,
    /// `-=`
    Subtract,
    /// `*=`
    Multiply,
    /// `/=`
    Divide,
    /// `%=`
    Remainder,
    /// `insert`
    Insert,
    /// `delete`
    Delete,
}

impl Mutator {
    const ALL: [(Self, &'static str); 7] = [
        (Self::Add, "+="),
        (Self::Subtract, "-="),
        (Self::Multiply, "*="),
        (Self::Divide, "/="),
        (Self::Remainder, "%="),
        (Self::Insert, "insert"),
        (Self::Delete, "delete"),
    ];

    /// The word of the protocol.
    pub fn name(self) -> &'static str {
        Self::ALL
            .iter()
            .find(|entry| entry.0 == self)
            .map_or("", |entry| entry.1)
    }

    /// The mutator of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL
            .iter()
            .find(|entry| entry.1 == name)
            .map(|entry| entry.0)
    }
}

/// What a `wait` waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Until {
    /// The rows are the ones given.
    Equal,
    /// They are not.
    NotEqual,
}
