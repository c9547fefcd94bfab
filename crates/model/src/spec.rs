//! The constraints that a declaration adds to what a column's Rust type implies.
//!
//! The methods here are the words that may stand in brackets behind a column or a table in
//! [`crate::nb`], [`crate::sb`] and [`crate::vswitch`].

use std::ops::{Bound, RangeBounds};

use ovsdb::schema::{BaseType, ColumnSchema, ColumnType, TableSchema};

use crate::column::Column;

/// A column under declaration.
pub(crate) struct ColumnSpec(ColumnSchema);

impl ColumnSpec {
    /// The column that the field `field` of type `C` stands for. A `_` at the end is not part of the
    /// column's name: it keeps the field apart from Rust's keywords.
    pub(crate) fn of<C: Column>(field: &str) -> Self {
        Self(ColumnSchema::new(
            field.trim_end_matches('_'),
            C::column_type(),
        ))
    }

    /// Integers (the keys, in a map) are within `range`.
    pub(crate) fn range(mut self, range: impl RangeBounds<i64>) -> Self {
        self.0.column_type.key = integer_within(&range);
        self
    }

    /// The values of a map are within `range`.
    pub(crate) fn value_range(mut self, range: impl RangeBounds<i64>) -> Self {
        self.0.column_type.value = Some(integer_within(&range));
        self
    }

    /// Text has at most `length` characters.
    pub(crate) fn max_length(mut self, length: u32) -> Self {
        self.0.column_type.key = BaseType::string_length(0, length);
        self
    }

    /// There are at least `count` elements (0 or 1).
    pub(crate) fn at_least(self, count: u32) -> Self {
        let max = self.0.column_type.max;
        self.bounds(count, max)
    }

    /// There are at most `count` elements.
    pub(crate) fn at_most(self, count: u32) -> Self {
        let min = self.0.column_type.min;
        self.bounds(min, count)
    }

    /// The content is not kept when the server ends.
    pub(crate) fn ephemeral(self) -> Self {
        Self(self.0.ephemeral())
    }

    /// The content is fixed when the row is inserted.
    pub(crate) fn immutable(self) -> Self {
        Self(self.0.immutable())
    }

    /// The column.
    pub(crate) fn build(self) -> ColumnSchema {
        self.0
    }

    fn bounds(mut self, min: u32, max: u32) -> Self {
        let plain: ColumnType = self.0.column_type;
        self.0.column_type = plain.with_bounds(min, max);
        self
    }
}

fn integer_within(range: &impl RangeBounds<i64>) -> BaseType {
    let end = |bound: Bound<&i64>| match bound {
        Bound::Included(value) => Some(*value),
        Bound::Excluded(_) | Bound::Unbounded => None,
    };
    BaseType::integer_range(end(range.start_bound()), end(range.end_bound()))
}

/// A table under declaration.
pub(crate) struct TableSpec(TableSchema);

impl TableSpec {
    /// A table whose rows go when nothing refers to them strongly.
    pub(crate) fn new(name: &str, columns: Vec<ColumnSchema>) -> Self {
        Self(TableSchema::new(name, columns).expect("the declared columns have distinct names"))
    }

    /// Rows stay without being referred to.
    pub(crate) fn root(self) -> Self {
        Self(self.0.root())
    }

    /// There are at most `count` rows.
    pub(crate) fn max_rows(self, count: u32) -> Self {
        Self(self.0.with_max_rows(count))
    }

    /// No two rows are equal in all of `columns`.
    pub(crate) fn index(self, columns: &[&str]) -> Self {
        let schema = self.0.with_index(columns.iter().copied());
        Self(schema.expect("an index is made of declared columns that are kept"))
    }

    /// The table.
    pub(crate) fn build(self) -> TableSchema {
        self.0
    }
}
