//! The difference between what a document asks for and what the Northbound holds, as one transaction.
//!
//! Invariant: a row is touched only if `external_ids:heddle-document` names the document, and references of
//! such rows to rows of others stay. Every operation on an existing row is guarded by a `wait` for what
//! was read, so that a change in between makes the whole transaction fail instead of being undone.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use model::{Table, nb};
use ovsdb::operation::{Condition, Mutation, Mutator, Operation, Until};
use ovsdb::schema::{DatabaseSchema, TableSchema};
use ovsdb::{Atom, Datum, Row, Str, Uuid};

use crate::desired::{Object, ObjectId, Value, objects};
use crate::document::Document;

const DOCUMENT: &str = "heddle-document";
const OBJECT: &str = "heddle-object";

/// The tables that a document is made of: a plan is made from all rows of these.
pub const TABLES: [&str; 9] = [
    nb::LogicalSwitch::NAME,
    nb::LogicalSwitchPort::NAME,
    nb::LogicalRouter::NAME,
    nb::LogicalRouterPort::NAME,
    nb::LogicalRouterStaticRoute::NAME,
    nb::PortGroup::NAME,
    nb::AddressSet::NAME,
    nb::DhcpOptions::NAME,
    nb::Acl::NAME,
];

/// What the Northbound holds.
#[derive(Debug)]
pub struct Northbound {
    schema: DatabaseSchema,
    rows: BTreeMap<Str, BTreeMap<Uuid, Arc<Row>>>,
}

impl Default for Northbound {
    fn default() -> Self {
        Self {
            schema: nb::schema(),
            rows: BTreeMap::new(),
        }
    }
}

impl Northbound {
    /// Adds a row, its columns in the order of the generated schema.
    pub fn insert(&mut self, table: &str, uuid: Uuid, row: Arc<Row>) {
        self.rows.entry(table.into()).or_default().insert(uuid, row);
    }

    fn table(&self, table: &str) -> impl Iterator<Item = (Uuid, &Arc<Row>)> {
        self.rows
            .get(table)
            .into_iter()
            .flatten()
            .map(|(uuid, row)| (*uuid, row))
    }

    fn schema(&self, table: &str) -> Option<&TableSchema> {
        self.schema.table(table).map(Arc::as_ref)
    }

    fn datum<'a>(&self, table: &str, row: &'a Row, column: &str) -> Option<&'a Datum> {
        row.get(self.schema(table)?.column_index(column)?)
    }

    fn mark(&self, table: &str, row: &Row, key: &str) -> Option<Str> {
        let ids = self.datum(table, row, "external_ids")?;
        ids.get(&Atom::from(key))?.as_str().cloned()
    }
}

/// One line of the difference.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// Something is made.
    Add(String),
    /// Something is made different; what, in words.
    Modify(String, Vec<String>),
    /// Something goes.
    Remove(String),
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Add(label) => write!(f, "+ {label}"),
            Self::Remove(label) => write!(f, "- {label}"),
            Self::Modify(label, what) => write!(f, "~ {label}: {}", what.join("; ")),
        }
    }
}

/// What is to be done.
#[derive(Debug, Default)]
pub struct Plan {
    /// One transaction; empty when there is nothing to do.
    pub operations: Vec<Operation>,
    /// The same for a person.
    pub changes: Vec<Change>,
}

/// An object of somebody else is in the way.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{object}: the Northbound has one of this name that {owner} made; rename it in the document, or remove \
     the other one"
)]
pub struct Clash {
    /// The object of the document.
    pub object: String,
    /// Who made the other one.
    pub owner: String,
}

/// Compares a document with the Northbound.
///
/// # Errors
/// The objects whose names are taken by rows that the document does not own.
pub fn plan(document: &Document, northbound: &Northbound) -> Result<Plan, Vec<Clash>> {
    let objects = objects(document);
    let planner = Planner::new(document, northbound, &objects);
    let clashes: Vec<Clash> = objects
        .iter()
        .filter_map(|object| planner.clash(object))
        .collect();
    if !clashes.is_empty() {
        return Err(clashes);
    }
    let mut plan = Plan::default();
    for object in &objects {
        match planner.owned.get(&object.id) {
            Some((uuid, row)) => planner.modify(object, *uuid, row, &mut plan),
            None => planner.add(object, &mut plan),
        }
    }
    planner.remove(&objects, &mut plan);
    Ok(plan)
}

struct Planner<'a> {
    document: &'a Document,
    northbound: &'a Northbound,
    /// The rows that the document owns.
    owned: BTreeMap<ObjectId, (Uuid, Arc<Row>)>,
    /// The UUIDs of the objects asked for and of the rows owned.
    uuids: BTreeMap<ObjectId, Uuid>,
}

impl<'a> Planner<'a> {
    fn new(document: &'a Document, northbound: &'a Northbound, objects: &[Object]) -> Self {
        let mut owned = BTreeMap::new();
        for table in TABLES {
            for (uuid, row) in northbound.table(table) {
                if northbound.mark(table, row, DOCUMENT).as_ref() == Some(&document.name)
                    && let Some(key) = northbound.mark(table, row, OBJECT)
                {
                    owned.insert(
                        ObjectId {
                            table,
                            key: key.to_string(),
                        },
                        (uuid, Arc::clone(row)),
                    );
                }
            }
        }
        let mut uuids: BTreeMap<ObjectId, Uuid> = owned
            .iter()
            .map(|(id, (uuid, _))| (id.clone(), *uuid))
            .collect();
        for object in objects {
            let new = || new_uuid(&document.name, &object.id);
            uuids.entry(object.id.clone()).or_insert_with(new);
        }
        Self {
            document,
            northbound,
            owned,
            uuids,
        }
    }

    /// Says whether the object's name is that of a row that is not the document's.
    fn clash(&self, object: &Object) -> Option<Clash> {
        let (name, table) = (object.name.as_ref()?, object.id.table);
        let name = Datum::one(name.clone());
        let mine = self.owned.get(&object.id).map(|(uuid, _)| *uuid);
        let (_, row) = self.northbound.table(table).find(|(uuid, row)| {
            Some(*uuid) != mine && self.northbound.datum(table, row, "name") == Some(&name)
        })?;
        let owner = match self.northbound.mark(table, row, DOCUMENT) {
            // A row of the same document under another key is about to be removed.
            Some(document) if document == self.document.name => return None,
            Some(document) => format!("the document {document}"),
            None => "somebody else".to_owned(),
        };
        Some(Clash {
            object: object.label.clone(),
            owner,
        })
    }

    fn datum(&self, value: &Value) -> Datum {
        match value {
            Value::Data(datum) => datum.clone(),
            Value::Link(link) => {
                Datum::set(link.iter().filter_map(|id| self.uuids.get(id)).copied())
            }
            Value::Members(ids) => {
                Datum::set(ids.iter().filter_map(|id| self.uuids.get(id)).copied())
            }
        }
    }

    fn add(&self, object: &Object, plan: &mut Plan) {
        let marks = [
            (DOCUMENT, self.document.name.as_str()),
            (OBJECT, object.id.key.as_str()),
        ];
        let marks = ("external_ids".into(), Datum::map(marks));
        let columns = object
            .columns
            .iter()
            .map(|(name, value)| ((*name).into(), self.datum(value)));
        plan.operations.push(Operation::Insert {
            table: object.id.table.into(),
            uuid: self.uuids.get(&object.id).copied(),
            uuid_name: None,
            row: columns
                .filter(|(_, datum): &(Str, Datum)| !datum.is_empty())
                .chain([marks])
                .collect(),
        });
        plan.changes.push(Change::Add(object.label.clone()));
    }

    fn modify(&self, object: &Object, uuid: Uuid, row: &Row, plan: &mut Plan) {
        let table = object.id.table;
        let (mut set, mut guard, mut mutations, mut words) = (vec![], vec![], vec![], vec![]);
        for (column, value) in &object.columns {
            let Some(old) = self.northbound.datum(table, row, column) else {
                continue;
            };
            let new = self.datum(value);
            if let Value::Members(_) = value {
                let (added, removed) = self.members(old, &new);
                words.extend(self.words(column, &added, "+"));
                words.extend(self.words(column, &removed, "-"));
                mutations.extend(mutation(column, Mutator::Insert, added));
                mutations.extend(mutation(column, Mutator::Delete, removed));
            } else if *old != new {
                words.push(format!("{column} {} -> {}", show(old), show(&new)));
                guard.push(((*column).into(), old.clone()));
                set.push(((*column).into(), new));
            }
        }
        if !set.is_empty() {
            plan.operations.push(unchanged(table, uuid, guard));
            let condition = vec![Condition::uuid(uuid)];
            plan.operations.push(Operation::Update {
                table: table.into(),
                condition,
                row: set,
            });
        }
        if !mutations.is_empty() {
            let condition = vec![Condition::uuid(uuid)];
            plan.operations.push(Operation::Mutate {
                table: table.into(),
                condition,
                mutations,
            });
        }
        if !words.is_empty() {
            plan.changes
                .push(Change::Modify(object.label.clone(), words));
        }
    }

    /// The references to add and to remove; those to rows of others stay.
    fn members(&self, old: &Datum, new: &Datum) -> (BTreeSet<Uuid>, BTreeSet<Uuid>) {
        let uuids = |datum: &Datum| -> BTreeSet<Uuid> {
            datum.atoms().iter().filter_map(Atom::as_uuid).collect()
        };
        let (old, new) = (uuids(old), uuids(new));
        let ours: BTreeSet<Uuid> = self.owned.values().map(|(uuid, _)| *uuid).collect();
        let removed = old
            .difference(&new)
            .filter(|uuid| ours.contains(uuid))
            .copied()
            .collect();
        (new.difference(&old).copied().collect(), removed)
    }

    fn words(&self, column: &str, uuids: &BTreeSet<Uuid>, sign: &str) -> Option<String> {
        let names = self.uuids.iter().filter(|(_, uuid)| uuids.contains(*uuid));
        let names: Vec<String> = names.map(|(id, _)| format!("{sign}{}", id.key)).collect();
        (!names.is_empty()).then(|| format!("{column} {}", names.join(" ")))
    }

    /// Removes what the document no longer asks for. A row that lives by being referred to goes with the
    /// reference; `modify` has removed those of the rows that stay.
    fn remove(&self, objects: &[Object], plan: &mut Plan) {
        let wanted: BTreeSet<&ObjectId> = objects.iter().map(|object| &object.id).collect();
        for (id, (uuid, row)) in &self.owned {
            if wanted.contains(id) {
                continue;
            }
            plan.changes
                .push(Change::Remove(format!("{} {}", noun(id.table), id.key)));
            let root = self
                .northbound
                .schema(id.table)
                .is_some_and(|table| table.is_root);
            if root {
                let marks = self
                    .northbound
                    .datum(id.table, row, "external_ids")
                    .cloned();
                plan.operations.push(unchanged(
                    id.table,
                    *uuid,
                    marks
                        .into_iter()
                        .map(|marks| ("external_ids".into(), marks))
                        .collect(),
                ));
                let condition = vec![Condition::uuid(*uuid)];
                plan.operations.push(Operation::Delete {
                    table: id.table.into(),
                    condition,
                });
            }
        }
    }
}

fn new_uuid(document: &str, id: &ObjectId) -> Uuid {
    let key = format!("heddle document {document}\0{}\0{}", id.table, id.key);
    Uuid::new_v5(&Uuid::NAMESPACE_OID, key.as_bytes())
}

fn mutation(column: &str, mutator: Mutator, uuids: BTreeSet<Uuid>) -> Option<Mutation> {
    (!uuids.is_empty()).then(|| Mutation::new(column, mutator, Datum::set(uuids)))
}

fn unchanged(table: &str, uuid: Uuid, columns: Vec<(Str, Datum)>) -> Operation {
    Operation::Wait {
        table: table.into(),
        condition: vec![Condition::uuid(uuid)],
        columns: Some(columns.iter().map(|(column, _)| column.clone()).collect()),
        until: Until::Equal,
        rows: vec![columns],
        timeout: Some(0),
    }
}

fn noun(table: &str) -> &'static str {
    match table {
        nb::LogicalSwitch::NAME => "switch",
        nb::LogicalSwitchPort::NAME => "port",
        nb::LogicalRouter::NAME => "router",
        nb::LogicalRouterPort::NAME => "router port",
        nb::LogicalRouterStaticRoute::NAME => "route",
        nb::PortGroup::NAME => "port group",
        nb::AddressSet::NAME => "address set",
        nb::DhcpOptions::NAME => "DHCP options of",
        _ => "ACL",
    }
}

fn show(datum: &Datum) -> String {
    let text = |atom: &Atom| {
        atom.as_str()
            .map_or_else(|| atom.to_string(), ToString::to_string)
    };
    let atoms = datum.atoms().iter().map(text);
    let pairs = datum
        .pairs()
        .iter()
        .map(|(key, value)| format!("{}={}", text(key), text(value)));
    let all: Vec<String> = atoms.chain(pairs).collect();
    if all.is_empty() {
        "nothing".to_owned()
    } else {
        all.join(", ")
    }
}
