//! What is said of two rows that are equal in an index, in the words of `ovsdb-server`.

use super::select::compare;
use super::table::Table;
use crate::tool::text::{Style, datum};
use crate::{AtomicType, Error, Row, Uuid};

/// The error for two rows that are equal in an index. `former` gives what a row was before, if the transaction has
/// touched it.
pub(super) fn error<'r>(
    table: &Table,
    index: &[usize],
    rows: [Uuid; 2],
    former: impl Fn(Uuid) -> Option<Option<&'r Row>>,
) -> Error {
    let [Some(a), Some(b)] = rows.map(|uuid| Some((uuid, &**table.row(&uuid)?))) else {
        return Error::constraint("Transaction causes multiple rows to have identical values");
    };
    let (first, second) = if in_order(table, a.1, b.1) {
        (b, a)
    } else {
        (a, b)
    };
    let column = |at: &usize| &table.schema.columns()[*at];
    let names = index.iter().map(|at| format!("\"{}\"", column(at).name));
    let many = if index.len() > 1 { "s" } else { "" };
    let describe = |(uuid, row): (Uuid, &Row)| {
        let what = match former(uuid) {
            Some(None) => "was inserted by this transaction.".to_owned(),
            None => UNTOUCHED.to_owned(),
            Some(Some(old)) if old == row => UNTOUCHED.to_owned(),
            Some(Some(old)) if index.iter().all(|at| old[*at] == row[*at]) => {
                "existed in the database before this transaction, which modified some of the row's columns but \
                 not any columns in this index."
                    .to_owned()
            }
            Some(Some(old)) => format!(
                "had the following index values before the transaction: {}.",
                values(table, index, old)
            ),
        };
        format!("row, with UUID {uuid}, {what}")
    };
    Error::constraint(format!(
        "Transaction causes multiple rows in \"{}\" table to have identical values ({}) for index on column{many} {}.  \
         First {}  Second {}",
        table.schema.name,
        values(table, index, first.1),
        english(names.collect()),
        describe(first),
        describe(second),
    ))
}

const UNTOUCHED: &str =
    "existed in the database before this transaction and was not modified by the transaction.";

/// Whether a row comes before another one by all columns that hold no UUIDs, in the order of their names.
fn in_order(table: &Table, a: &Row, b: &Row) -> bool {
    let columns = table.schema.columns().iter().enumerate();
    let mut columns: Vec<_> = columns
        .filter(|(_, column)| {
            let types = &column.column_type;
            let value = types.value.as_ref().map(|value| &value.atomic);
            types.key.atomic != AtomicType::Uuid && value != Some(&AtomicType::Uuid)
        })
        .collect();
    columns.sort_by(|a, b| a.1.name.cmp(&b.1.name));
    let differences = columns.iter().map(|(at, _)| compare(&a[*at], &b[*at]));
    differences
        .into_iter()
        .find(|it| it.is_ne())
        .is_some_and(std::cmp::Ordering::is_lt)
}

fn values(table: &Table, index: &[usize], row: &Row) -> String {
    let columns = table.schema.columns();
    let value = |at: &usize| datum(&row[*at], &columns[*at].column_type, Style::String);
    english(index.iter().map(value).collect())
}

/// A list as people write it.
fn english(items: Vec<String>) -> String {
    match &items[..] {
        [] => String::new(),
        [one] => one.clone(),
        [a, b] => format!("{a} and {b}"),
        [first @ .., last] => format!("{}, and {last}", first.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists() {
        let list = |text: &str| english(text.split_whitespace().map(str::to_owned).collect());
        assert_eq!(list("a"), "a");
        assert_eq!(list("a b"), "a and b");
        assert_eq!(list("a b c"), "a, b, and c");
    }
}
