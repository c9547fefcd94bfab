//! Who may change what: `ovsdb(7)`, "Role-Based Access Control", and read-only connections.
//!
//! A connection may have a *role*, which is the name of a row of the table `RBAC_Role`; the *client id* is the
//! name in the client's certificate. The row has for each table that the role may write a row of
//! `RBAC_Permission`: the columns of which one has to name the client (`authorization`), whether rows may be
//! inserted and deleted, and which columns may be changed. Reading is always allowed.
//!
//! The tables are read as the transaction has left them so far, and rows as they are before the operation (for
//! an insert: after). A role in a database without the table `RBAC_Role` has no limits.
//!
//! Invariant: with a role nothing is allowed that no row allows; a client without an id may only read.

use crate::schema::{ColumnType, Constraint};
use crate::value::AtomicType;
use crate::{Atom, Datum, Error, ErrorKind, Operation, Row, Str, TableSchema};

use super::Database;

/// What a session may do.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rights {
    /// Only read.
    pub read_only: bool,
    /// What this role may do; an empty one may do everything.
    pub role: Str,
    /// Who the client is, if that is proven.
    pub id: Option<Str>,
}

/// A change that needs a permission.
#[derive(Debug, Clone, Copy)]
pub(super) enum Change<'a> {
    Insert,
    Delete,
    /// Writes these columns.
    Update(&'a [usize]),
    /// The same by mutations.
    Mutate(&'a [usize]),
}

impl Rights {
    /// Whether everything is allowed.
    pub fn are_unlimited(&self) -> bool {
        !self.read_only && self.role.is_empty()
    }

    /// Refuses an operation that a read-only session must not do. `commit` is one, as for `ovsdb-server`.
    pub(super) fn check_operation(&self, operation: &Operation) -> Result<(), Error> {
        if !self.read_only {
            return Ok(());
        }
        let name = match operation {
            Operation::Insert { .. } => "insert",
            Operation::Update { .. } => "update",
            Operation::Mutate { .. } => "mutate",
            Operation::Delete { .. } => "delete",
            Operation::Commit { .. } => "commit",
            Operation::Select { .. }
            | Operation::Wait { .. }
            | Operation::Abort
            | Operation::Comment { .. }
            | Operation::Assert { .. } => return Ok(()),
        };
        let text =
            format!("{name} operation not allowed when database server is in read only mode");
        Err(Error::new(ErrorKind::NotAllowed, text))
    }

    /// Refuses a change of rows that the role must not make.
    pub(super) fn check_change<'r>(
        &self,
        db: &Database,
        table: &TableSchema,
        change: Change<'_>,
        rows: impl IntoIterator<Item = &'r Row>,
    ) -> Result<(), Error> {
        if self.role.is_empty() || db.schema.table_index("RBAC_Role").is_none() {
            return Ok(());
        }
        let permission = self.id.as_deref().zip(Permission::find(db, self, table));
        let allowed = permission.is_some_and(|(id, permission)| {
            permission.knows(change)
                && rows.into_iter().all(|row| {
                    permission.is_authorized(table, row, id) && permission.allows(table, change)
                })
        });
        if allowed {
            return Ok(());
        }
        let what = match change {
            Change::Insert => "row insertion into",
            Change::Delete => "row deletion from",
            Change::Update(_) => "modification of",
            Change::Mutate(_) => "mutate operation on",
        };
        // What the standard library of C prints for nobody.
        let id = self.id.as_deref().unwrap_or("(null)");
        let text = format!(
            "RBAC rules for client \"{id}\" role \"{}\" prohibit {what} table \"{}\".",
            self.role, table.name
        );
        Err(Error::new(ErrorKind::Permission, text))
    }
}

/// A row of `RBAC_Permission`.
struct Permission<'a> {
    authorization: Option<&'a Datum>,
    insert_delete: Option<bool>,
    update: Option<&'a Datum>,
}

impl<'a> Permission<'a> {
    /// The one of the role for a table.
    fn find(db: &'a Database, rights: &Rights, table: &TableSchema) -> Option<Self> {
        let (schema, role) = role(db, &rights.role)?;
        let at = schema.column_index("permissions")?;
        let column = &schema.columns()[at].column_type;
        let Some(Constraint::Reference { table: to, .. }) =
            column.value.as_ref().map(|value| &value.constraint)
        else {
            return None;
        };
        if column.key.atomic != AtomicType::String {
            return None;
        }
        let uuid = role[at].get(&Atom::String(table.name.clone()))?.as_uuid()?;
        let index = db.schema.table_index(to)?;
        let schema = &db.schema.tables()[index];
        let row = db.tables[index].row(&uuid)?;
        let flag = field(schema, row, "insert_delete", |column| {
            is_scalar(column, AtomicType::Boolean)
        });
        Some(Self {
            authorization: field(schema, row, "authorization", is_set_of_text),
            insert_delete: flag.and_then(Datum::as_one).and_then(Atom::as_boolean),
            update: field(schema, row, "update", is_set_of_text),
        })
    }

    /// Whether the row says anything on this kind of change.
    const fn knows(&self, change: Change<'_>) -> bool {
        match change {
            Change::Insert | Change::Delete => true,
            Change::Update(_) | Change::Mutate(_) => self.update.is_some(),
        }
    }

    /// Whether a row is the client's. Empty text stands for every row, `COLUMN:KEY` for one value of a map.
    fn is_authorized(&self, table: &TableSchema, row: &Row, id: &str) -> bool {
        let Some(columns) = self.authorization else {
            return false;
        };
        columns.atoms().iter().filter_map(Atom::as_str).any(|name| {
            let value = if name.is_empty() {
                return true;
            } else if name.contains(':') {
                let mut parts = name.split(':').filter(|part| !part.is_empty());
                let (Some(column), Some(key)) = (parts.next(), parts.next()) else {
                    return false;
                };
                let map = field(table, row, column, is_map_of_text);
                map.and_then(|map| map.get(&Atom::String(key.into())))
            } else {
                let is_text = |column: &ColumnType| is_scalar(column, AtomicType::String);
                field(table, row, name, is_text).and_then(Datum::as_one)
            };
            value.and_then(Atom::as_str).is_some_and(|it| it == id)
        })
    }

    fn allows(&self, table: &TableSchema, change: Change<'_>) -> bool {
        match change {
            Change::Insert | Change::Delete => self.insert_delete == Some(true),
            Change::Update(columns) | Change::Mutate(columns) => columns.iter().all(|at| {
                let name = Atom::String(table.columns()[*at].name.clone());
                self.update.is_some_and(|update| update.contains(&name))
            }),
        }
    }
}

/// The row of a role; of several with one name that with the least UUID.
fn role<'a>(db: &'a Database, name: &str) -> Option<(&'a TableSchema, &'a Row)> {
    let index = db.schema.table_index("RBAC_Role")?;
    let schema = &db.schema.tables()[index];
    let at = schema.column_index("name")?;
    let names = |row: &Row| {
        let mut atoms = row[at].atoms().iter();
        atoms.any(|atom| atom.as_str().is_some_and(|it| it == name))
    };
    let found = db.tables[index].iter().filter(|(_, row)| names(row));
    let (_, row) = found.min_by_key(|(uuid, _)| **uuid)?;
    Some((schema, row))
}

/// A column of a row, if its type is as it should be.
fn field<'a>(
    schema: &TableSchema,
    row: &'a Row,
    name: &str,
    is_right: impl FnOnce(&ColumnType) -> bool,
) -> Option<&'a Datum> {
    let at = schema.column_index(name)?;
    is_right(&schema.columns()[at].column_type).then(|| &row[at])
}

fn is_scalar(column: &ColumnType, atomic: AtomicType) -> bool {
    column.key.atomic == atomic && column.value.is_none() && column.max == 1
}

fn is_set_of_text(column: &ColumnType) -> bool {
    column.key.atomic == AtomicType::String
        && column.value.is_none()
        && column.max == ColumnType::UNLIMITED
}

fn is_map_of_text(column: &ColumnType) -> bool {
    let value = column.value.as_ref();
    column.key.atomic == AtomicType::String
        && value.is_some_and(|value| value.atomic == AtomicType::String)
        && column.max == ColumnType::UNLIMITED
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use rstest::rstest;
    use serde_json::{Value, json};

    use super::*;
    use crate::database::{Context, Outcome};
    use crate::{DatabaseSchema, Uuid};

    const SCHEMA: &str = r#"{"name":"D","version":"1.0.0","tables":{
        "T":{"columns":{"owner":{"type":"string"},"n":{"type":"integer"},"m":{"type":"integer"},
            "ids":{"type":{"key":"string","value":"string","min":0,"max":"unlimited"}}},"isRoot":true},
        "Other":{"columns":{"n":{"type":"integer"}},"isRoot":true},
        "RBAC_Role":{"columns":{"name":{"type":"string"},"permissions":{"type":{"key":"string",
            "value":{"type":"uuid","refTable":"RBAC_Permission"},"min":0,"max":"unlimited"}}},"isRoot":true},
        "RBAC_Permission":{"columns":{"table":{"type":"string"},
            "authorization":{"type":{"key":"string","min":0,"max":"unlimited"}},
            "insert_delete":{"type":"boolean"},
            "update":{"type":{"key":"string","min":0,"max":"unlimited"}}},"isRoot":true}}}"#;

    fn run(db: &mut Database, rights: &Rights, operations: &[Value]) -> Option<Error> {
        let mut context = Context {
            now: 0,
            new_uuid: &mut Uuid::new_v4,
            holds_lock: &|_| false,
            waited: 0,
            read_only: None,
        };
        match db.execute_json_as(rights, operations, &mut context) {
            Outcome::Done(executed) => executed.error().cloned(),
            Outcome::Blocked(_) => panic!("nothing waits here"),
        }
    }

    /// A database where the role `r` may write T, its own rows by `authorization`.
    fn database(authorization: &Value, insert_delete: bool) -> Database {
        let schema = DatabaseSchema::from_json_text(SCHEMA).unwrap();
        let mut db = Database::new(Arc::new(schema));
        let row = |owner: &str, id: &str| {
            json!({"op": "insert", "table": "T", "row":
            {"owner": owner, "ids": ["map", [["id", id]]]}})
        };
        let operations = [
            json!({"op": "insert", "table": "RBAC_Permission", "uuid-name": "p", "row": {
                "table": "T", "authorization": ["set", authorization],
                "insert_delete": insert_delete, "update": ["set", ["n", "owner"]]}}),
            json!({"op": "insert", "table": "RBAC_Role", "row": {
                "name": "r", "permissions": ["map", [["T", ["named-uuid", "p"]]]]}}),
            row("me", "x"),
            row("you", "me"),
        ];
        assert_eq!(run(&mut db, &Rights::default(), &operations), None);
        db
    }

    fn of(role: &str, id: Option<&str>) -> Rights {
        Rights {
            read_only: false,
            role: role.into(),
            id: id.map(Str::from),
        }
    }

    fn mine(op: &str, rest: &Value) -> Value {
        let mut operation = json!({"op": op, "table": "T", "where": [["owner", "==", "me"]]});
        for (name, value) in rest.as_object().unwrap() {
            operation[name] = value.clone();
        }
        operation
    }

    #[rstest]
    #[case(mine("update", &json!({"row": {"n": 1}})), true)]
    #[case(mine("update", &json!({"row": {"m": 1}})), false)]
    #[case(mine("update", &json!({"row": {"n": 1}, "where": []})), false)]
    #[case(mine("update", &json!({"row": {"m": 1}, "where": [["n", "==", 9]]})), true)]
    #[case(mine("mutate", &json!({"mutations": [["n", "+=", 1]]})), true)]
    #[case(mine("mutate", &json!({"mutations": [["m", "+=", 1]]})), false)]
    #[case(mine("mutate", &json!({"mutations": [], "where": []})), true)]
    #[case(mine("delete", &json!({})), true)]
    #[case(mine("delete", &json!({"where": []})), false)]
    #[case(mine("select", &json!({"where": []})), true)]
    #[case(json!({"op": "insert", "table": "T", "row": {"owner": "me"}}), true)]
    #[case(json!({"op": "insert", "table": "T", "row": {"owner": "you"}}), false)]
    #[case(json!({"op": "insert", "table": "Other", "row": {}}), false)]
    #[case(json!({"op": "delete", "table": "RBAC_Role", "where": []}), false)]
    fn what_a_role_may_do_to_rows_of_its_own(#[case] operation: Value, #[case] allowed: bool) {
        let mut db = database(&json!(["owner"]), true);
        let error = run(&mut db, &of("r", Some("me")), &[operation]);
        assert_eq!(error.is_none(), allowed, "{error:?}");
        assert!(error.is_none_or(|error| error.kind == ErrorKind::Permission));
    }

    #[rstest]
    #[case(json!([""]), "anybody", true)]
    #[case(json!(["ids:id"]), "x", true)]
    #[case(json!(["ids:id"]), "me", false)]
    #[case(json!(["ids:"]), "x", false)]
    #[case(json!(["ids"]), "x", false)]
    #[case(json!(["n"]), "0", false)]
    #[case(json!(["nothing", "owner"]), "me", true)]
    #[case(json!([]), "me", false)]
    fn whose_a_row_is(#[case] authorization: Value, #[case] id: &str, #[case] allowed: bool) {
        let mut db = database(&authorization, false);
        let update = mine("update", &json!({"row": {"n": 1}}));
        let error = run(&mut db, &of("r", Some(id)), &[update]);
        assert_eq!(error.is_none(), allowed, "{error:?}");
    }

    #[test]
    fn who_is_nobody_or_has_an_unknown_role_may_only_read() {
        for (rights, name) in [(of("r", None), "(null)"), (of("s", Some("me")), "me")] {
            let mut db = database(&json!([""]), true);
            let insert = json!({"op": "insert", "table": "T", "row": {}});
            let error = run(&mut db, &rights, &[insert]).unwrap();
            let text = format!(
                "RBAC rules for client \"{name}\" role \"{}\" prohibit row insertion into table \"T\".",
                rights.role
            );
            assert_eq!((error.kind, error.details), (ErrorKind::Permission, text));
            let select = mine("select", &json!({}));
            assert_eq!(run(&mut db, &rights, &[select]), None);
        }
    }

    #[test]
    fn insert_delete_is_apart_from_update() {
        let mut db = database(&json!([""]), false);
        let delete = mine("delete", &json!({}));
        let rights = of("r", Some("me"));
        assert!(run(&mut db, &rights, &[delete]).is_some());
        let update = mine("update", &json!({"row": {"n": 3}}));
        assert_eq!(run(&mut db, &rights, &[update]), None);
    }

    #[test]
    fn read_only_refuses_what_would_have_worked() {
        let mut db = database(&json!([""]), true);
        let rights = Rights {
            read_only: true,
            ..Rights::default()
        };
        for (name, operation) in [
            ("update", mine("update", &json!({"row": {"n": 3}}))),
            ("delete", mine("delete", &json!({}))),
            ("commit", json!({"op": "commit", "durable": false})),
        ] {
            let error = run(&mut db, &rights, &[operation]).unwrap();
            let text =
                format!("{name} operation not allowed when database server is in read only mode");
            assert_eq!((error.kind, error.details), (ErrorKind::NotAllowed, text));
        }
        let wrong = mine("update", &json!({"row": {"nothing": 3}}));
        let error = run(&mut db, &rights, &[wrong]).unwrap();
        assert_ne!(error.kind, ErrorKind::NotAllowed);
        assert_eq!(
            run(&mut db, &rights, &[json!({"op": "comment", "comment": ""})]),
            None
        );
    }
}
