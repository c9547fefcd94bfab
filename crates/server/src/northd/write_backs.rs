//! Write-backs to the Northbound as operations of a transaction.

use compiler::WriteBack;
use ovsdb::Operation;
use ovsdb::operation::Condition;

/// The operations that make these write-backs.
pub(super) fn operations(write_backs: &[WriteBack]) -> Vec<Operation> {
    write_backs
        .iter()
        .map(|it| Operation::Update {
            table: it.table.into(),
            condition: vec![Condition::uuid(it.uuid)],
            row: vec![(it.column.into(), it.value.clone())],
        })
        .collect()
}
