//! What `docs/hvflow.md` shows is what the library makes. `UPDATE_DOCS=1` writes the flows anew.

#![allow(
    clippy::unwrap_used,
    reason = "what cannot be is a failure of the test"
)]

use std::path::PathBuf;

use hvflow::cookie::Selection;
use hvflow::params::NetworkParams;
use hvflow::pipeline::TABLES;
use hvflow::{Desired, Host, Installed, Ports, Uplink};

fn path() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../docs/hvflow.md")
}

fn guide() -> String {
    std::fs::read_to_string(path()).unwrap()
}

/// The block of code that follows a mark.
fn block<'a>(text: &'a str, mark: &str) -> &'a str {
    let after = text.split_once(&format!("<!-- {mark} -->\n```")).unwrap().1;
    let body = after.split_once('\n').unwrap().1;
    body.split_once("```").unwrap().0
}

fn installed(params: &NetworkParams) -> Installed {
    let host = Host {
        public: Some(Uplink {
            port: "eth0".to_owned(),
            vlan: 100,
            router_mac: None,
        }),
        ..Host::default()
    };
    let ports: Ports = [("eth0", 1), ("tapext1", 10)].into_iter().collect();
    let mut installed = Installed::default();
    let commit = Desired::new(&host, &ports, [params])
        .commit(&installed)
        .unwrap();
    installed.apply(&commit);
    installed
}

/// The flows of a table: by falling priority, a machine's before the host's own.
fn table(installed: &Installed, number: u8) -> String {
    let mut flows = Vec::new();
    for (place, selection) in [Selection::Machines, Selection::Host]
        .into_iter()
        .enumerate()
    {
        let of_table = installed
            .flows(selection)
            .filter(|flow| flow.key.table == number);
        flows.extend(of_table.map(|flow| {
            let text = flow.clone().cookie(0).to_string();
            (!flow.key.priority, place, text)
        }));
    }
    flows.sort_unstable();
    let lines: Vec<_> = flows.into_iter().map(|(_, _, text)| text).collect();
    format!("```text\n{}\n```\n", lines.join("\n"))
}

#[test]
fn the_flows_in_the_guide_are_what_is_made() {
    let mut guide = guide();
    let params = NetworkParams::from_json(block(&guide, "parameters").as_bytes()).unwrap();
    let installed = installed(&params);
    let mut wrong = Vec::new();
    for (number, name) in TABLES {
        let mark = format!("<!-- flows {number} -->\n");
        let start = guide
            .find(&mark)
            .unwrap_or_else(|| panic!("table {name} is missing"))
            + mark.len();
        let end = start + guide[start..].find("<!-- end -->").unwrap();
        let made = table(&installed, number);
        if guide[start..end] != made {
            wrong.push(name);
            guide.replace_range(start..end, &made);
        }
    }
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(path(), guide).unwrap();
        return;
    }
    assert!(
        wrong.is_empty(),
        "UPDATE_DOCS=1 writes these tables anew: {wrong:?}"
    );
}

#[test]
fn the_guide_names_every_table() {
    let guide = guide();
    let (_, tables) = guide.split_once("<!-- tables -->\n").unwrap();
    let rows: Vec<_> = tables.lines().skip(2).take(TABLES.len()).collect();
    for ((number, name), row) in TABLES.into_iter().zip(rows) {
        assert!(row.starts_with(&format!("| {number} | {name} |")), "{row}");
    }
}

#[test]
fn the_command_in_the_guide_selects_the_machine() {
    let guide = guide();
    let command = block(&guide, "cookies");
    assert!(
        command.contains(&format!(" {}\n", Selection::Machine(1))),
        "{command}"
    );
}

#[test]
fn the_parameters_in_the_guide_say_what_the_schema_allows() {
    let schema: serde_json::Value =
        serde_json::from_str(include_str!("../../../docs/netparams.schema.json")).unwrap();
    assert_eq!(schema, hvflow::params::json_schema());
    let guide = guide();
    // Every field that the table of fields names is one of the schema's.
    let fields = guide
        .lines()
        .filter_map(|line| line.strip_prefix("| `vnics[]."));
    let names: Vec<_> = fields.map(|rest| rest.split_once('`').unwrap().0).collect();
    assert!(names.len() > 8);
    for name in names {
        let known = &schema["$defs"]["Vnic"]["properties"][name];
        assert!(!known.is_null(), "{name} is no field of a card");
    }
}
