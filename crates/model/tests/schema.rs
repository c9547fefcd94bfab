//! The generated schemas against the facts: a list of every table and column of OVN 26.03 and Open vSwitch,
//! the schemas that Debian's packages install, and `ovsdb-tool`.

use std::path::Path;
use std::process::Command;

use model::Table;
use ovsdb::schema::{BaseType, ColumnSchema, ColumnType, Constraint, DatabaseSchema};

fn base(base: &BaseType) -> String {
    let name = base.atomic.name();
    match &base.constraint {
        Constraint::None => name.to_owned(),
        Constraint::Enum(atoms) => {
            let words = atoms
                .iter()
                .map(|atom| atom.as_str().cloned().unwrap_or_default());
            words.collect::<Vec<_>>().join("|")
        }
        Constraint::IntegerRange(min, max) => {
            let end = |end: &Option<i64>| end.map(|x| x.to_string()).unwrap_or_default();
            format!("{name} {}..{}", end(min), end(max))
        }
        Constraint::RealRange(min, max) => format!("{name} {min:?}..{max:?}"),
        Constraint::Length(min, max) => format!("{name} length {min}..{max}"),
        Constraint::Reference { table, strong } => {
            format!("{}{table}", if *strong { "&" } else { "~" })
        }
    }
}

fn kind(column: &ColumnType) -> String {
    let many = match (column.min, column.max) {
        (1, 1) => String::new(),
        (0, 1) => "?".to_owned(),
        (0, ColumnType::UNLIMITED) => "*".to_owned(),
        (1, ColumnType::UNLIMITED) => "+".to_owned(),
        (min, max) => format!(" {{{min},{max}}}"),
    };
    match &column.value {
        Some(value) => format!("({} -> {}){many}", base(&column.key), base(value)),
        None => format!("{}{many}", base(&column.key)),
    }
}

fn line(column: &ColumnSchema) -> String {
    let ephemeral = if column.ephemeral { ", ephemeral" } else { "" };
    let mutable = if column.mutable { "" } else { ", immutable" };
    format!(
        "{}: {}{ephemeral}{mutable}",
        column.name,
        kind(&column.column_type)
    )
}

/// One line a table, then one a column, sorted: the order of columns means nothing.
fn lines(schema: &DatabaseSchema) -> Vec<String> {
    let mut lines = Vec::new();
    for table in schema.tables() {
        let columns = table.columns();
        let indexes = table.indexes().iter().map(|index| {
            let names = index.iter().map(|at| columns[*at].name.as_str());
            format!(", index {}", names.collect::<Vec<_>>().join("+"))
        });
        let root = if table.is_root { ", root" } else { "" };
        let most = table
            .max_rows
            .map(|n| format!(", at most {n}"))
            .unwrap_or_default();
        lines.push(format!(
            "{}{root}{most}{}",
            table.name,
            indexes.collect::<String>()
        ));
        lines.extend(
            columns
                .iter()
                .map(|c| format!("{}.{}", table.name, line(c))),
        );
    }
    lines.sort();
    lines
}

fn schemas() -> [(DatabaseSchema, &'static str, &'static str); 3] {
    [
        (
            model::nb::schema(),
            "/usr/share/ovn/ovn-nb.ovsschema",
            "ovn-common",
        ),
        (
            model::sb::schema(),
            "/usr/share/ovn/ovn-sb.ovsschema",
            "ovn-common",
        ),
        (
            model::vswitch::schema(),
            "/usr/share/openvswitch/vswitch.ovsschema",
            "openvswitch-common",
        ),
    ]
}

/// `facts/<database>.txt` lists what the schema of the version that we are compatible with holds.
#[test]
fn every_table_and_column_of_the_compatible_version_is_there() {
    for (schema, _, _) in schemas() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("facts/{}.txt", schema.name));
        let facts = std::fs::read_to_string(&path).expect("the facts are part of the crate");
        let ours = lines(&schema);
        for fact in facts.lines() {
            assert!(
                ours.iter().any(|line| line == fact),
                "{} lacks or differs in: {fact}",
                schema.name
            );
        }
        let facts: Vec<&str> = facts.lines().collect();
        let extra: Vec<_> = ours
            .iter()
            .filter(|line| !facts.contains(&line.as_str()))
            .collect();
        let own: &[&str] = match schema.name.as_str() {
            "OVN_Northbound" => &["ACL.status: (string -> string)*"],
            _ => &[],
        };
        assert_eq!(extra, own, "columns of ours in {}", schema.name);
    }
}

/// What the packaged (older) version holds, a stock client may ask for.
#[test]
fn every_column_of_the_packaged_version_is_there() {
    for (schema, path, package) in schemas() {
        let text = std::fs::read_to_string(path)
            .unwrap_or_else(|e| panic!("{path}: {e}; install the package {package}"));
        let stock = DatabaseSchema::from_json_text(&text).expect("a packaged schema parses");
        for table in stock.tables() {
            let ours = schema
                .table(&table.name)
                .unwrap_or_else(|| panic!("no {}", table.name));
            for column in table.columns() {
                assert!(
                    ours.column(&column.name).is_some(),
                    "no {}.{}",
                    table.name,
                    column.name
                );
            }
        }
    }
}

#[test]
fn ovsdb_tool_makes_a_database_of_each_schema() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    for (schema, _, _) in schemas() {
        let (file, db) = (
            folder.path().join("schema"),
            folder.path().join(schema.name.as_str()),
        );
        std::fs::write(&file, schema.to_json_text()).expect("a file in the folder");
        let output = Command::new("ovsdb-tool")
            .arg("create")
            .args([&db, &file])
            .output();
        let output = output.expect("ovsdb-tool runs; it is in the package openvswitch-common");
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
    }
}

#[test]
fn a_row_survives_the_way_to_the_database_and_back() {
    let port = model::nb::LogicalSwitchPort {
        name: "web0".into(),
        addresses: ["0a:00:00:00:00:01 10.0.0.2".into(), "unknown".into()]
            .into_iter()
            .collect(),
        options: [("requested-chassis".into(), "hv1".into())]
            .into_iter()
            .collect(),
        tag: Some(7),
        enabled: Some(false),
        dhcpv4_options: Some(model::Uuid::from_u128(9).into()),
        ..Default::default()
    };
    assert_eq!(
        model::nb::LogicalSwitchPort::from_row(&port.to_row()),
        Ok(port)
    );
    let acl = model::nb::Acl {
        direction: model::nb::Direction::ToLport,
        action: model::nb::AclAction::AllowRelated,
        match_: "ip4".into(),
        ..Default::default()
    };
    assert_eq!(model::nb::Acl::from_row(&acl.to_row()), Ok(acl));
}

#[test]
fn a_word_that_is_not_among_the_values_names_table_and_column() {
    let acl = model::nb::Acl::default();
    let at = model::nb::Acl::schema()
        .column_index("action")
        .expect("ACL has an action");
    let mut row = acl.to_row();
    row.set(at, ovsdb::Datum::one("explode"));
    let error = model::nb::Acl::from_row(&row).expect_err("an action that does not exist");
    assert_eq!((error.table, error.column), ("ACL", "action"));
    assert!(error.to_string().contains("explode"), "{error}");
}
