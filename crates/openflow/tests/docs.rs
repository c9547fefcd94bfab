//! The tables of `docs/openflow.md` are what the code says. `UPDATE_DOCS=1` writes them anew.

mod samples;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::PathBuf;

use openflow::message::multipart::codes;
use openflow::message::{MessageCode, Space};
use openflow::{Field, Message, Version};

fn fields() -> String {
    let mut out = String::from(
        "| Field | Bits | Mask | Presupposes | Actions write it | Code points | On a switch |\n|---|---|---|---|---|---|---|\n",
    );
    let tried: BTreeSet<Field> = samples::matches_by_field();
    for field in Field::all().filter(|field| field.index() == 0) {
        let info = field.info();
        let many = match info.count {
            1 => String::new(),
            count => format!("0 to {}", count - 1),
        };
        let yes = |yes: bool| if yes { "yes" } else { "no" };
        let codes: Vec<_> = info.codes.iter().map(|code| code.name).collect();
        let _ = writeln!(
            out,
            "| `{}{many}` | {} | {} | {} | {} | {} | {} |",
            info.name,
            info.bits,
            yes(info.maskable),
            format!("{:?}", info.needs).replace("None", ""),
            yes(info.writable),
            codes.join(", "),
            yes(tried.contains(&field))
        );
    }
    out
}

/// The number of an action in bytes: its type, or the subtype of an extension.
fn action_code(bytes: &[u8]) -> String {
    let number = |at: usize| u16::from_be_bytes([bytes[at], bytes[at + 1]]);
    match number(0) {
        0xffff => format!("N{}", number(8)),
        kind => kind.to_string(),
    }
}

/// Every action that is installed on a real switch and compared with `ovs-ofctl` there, with its numbers in
/// OpenFlow 1.5, and the versions that can say it.
fn actions() -> String {
    let mut rows = BTreeMap::new();
    let samples = samples::flows();
    let extra = openflow::Parser::default()
        .actions(
            "encap(nsh(md_type=1)),decap(),dec_nsh_ttl,fin_timeout(idle_timeout=5),enqueue:1:2,\
             sample(probability=1,collector_set_id=1,obs_domain_id=NXM_NX_REG1[],obs_point_id=2)",
        )
        .expect("actions");
    let all = samples.iter().flat_map(|flow| &flow.actions).chain(extra);
    for action in all {
        let text = action.to_string();
        let end = text.find(['(', ':']).unwrap_or(text.len());
        let name = text[..end].to_owned();
        let bytes = openflow::action::encode(std::slice::from_ref(&action));
        let code = match bytes.is_empty() {
            true => "instruction".to_owned(),
            false => action_code(&bytes),
        };
        let says = |version: &Version| {
            let flow = openflow::Flow::new(0, 0, openflow::Match::new(), vec![action.clone()]);
            let add = openflow::message::FlowMod::add(flow);
            Message::FlowMod(Box::new(add))
                .encode_as(*version, 1)
                .is_ok()
        };
        let versions: Vec<bool> = Version::ALL.iter().map(says).collect();
        let row: &mut (BTreeSet<String>, Vec<bool>) = rows
            .entry(name)
            .or_insert_with(|| (BTreeSet::new(), versions));
        row.0.insert(code);
    }
    let mut out =
        String::from("| Action | Number | 1.0 | 1.3 | 1.4 | 1.5 |\n|---|---|---|---|---|---|\n");
    for (name, (codes, versions)) in rows {
        let codes: Vec<_> = codes.into_iter().collect();
        let _ = write!(out, "| `{name}` | {} |", codes.join(", "));
        for can in versions {
            out.push_str(if can { " yes |" } else { " no |" });
        }
        out.push('\n');
    }
    out
}

fn number(code: &MessageCode) -> String {
    match code.space {
        Space::Standard => code.number.to_string(),
        Space::Nicira => format!("N{}", code.number),
        Space::Onf => format!("O{}", code.number),
    }
}

/// The kinds of many-part questions: a number for each version.
fn statistics() -> String {
    let mut out = String::from("| Statistics | 1.0 | 1.3 | 1.4 | 1.5 |\n|---|---|---|---|---|\n");
    let mut names: Vec<&str> = Vec::new();
    for (name, _) in codes() {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    for name in names {
        let _ = write!(out, "| {name} |");
        for version in Version::ALL {
            let mut found = codes().filter(|(known, code)| {
                *known == name && (code.first..=code.last).contains(&version)
            });
            let number = found.next().map(|(_, code)| number(&code));
            let _ = write!(out, " {} |", number.unwrap_or_default());
        }
        out.push('\n');
    }
    out
}

/// The lines of the table of messages in the source: a number for each version.
fn messages() -> String {
    let mut out =
        String::from("| Message | Says | 1.0 | 1.3 | 1.4 | 1.5 |\n|---|---|---|---|---|---|\n");
    for info in Message::TABLE {
        let _ = write!(out, "| {} | {} |", info.name, info.says);
        for version in Version::ALL {
            let has = |code: &&MessageCode| (code.first..=code.last).contains(&version);
            let number = info.codes.iter().find(has).map(number);
            let _ = write!(out, " {} |", number.unwrap_or_default());
        }
        out.push('\n');
    }
    out
}

/// The names of tests that a document names.
#[test]
fn every_test_that_the_document_names_is_there() {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(root.join("../../docs/openflow.md")).expect("the document");
    let mut sources = String::new();
    for directory in [
        "tests",
        "../transport/tests",
        "src/action",
        "src/server",
        "src/session",
        "src",
    ] {
        for entry in std::fs::read_dir(root.join(directory)).expect("a directory") {
            let path = entry.expect("an entry").path();
            if path.extension().is_some_and(|extension| extension == "rs") {
                sources += &std::fs::read_to_string(&path).expect("a source");
            }
        }
    }
    let mut named = 0;
    for word in text.split('`') {
        let Some((file, test)) = word.split_once("::") else {
            continue;
        };
        if !test.contains('_') || !file.chars().all(|c| c.is_ascii_lowercase() || c == '_') {
            continue;
        }
        named += 1;
        assert!(
            sources.contains(&format!("fn {test}(")),
            "no such test: {word}"
        );
    }
    assert!(named > 15, "{named}");
}

#[test]
fn the_tables_of_the_document_are_what_the_code_says() {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../docs/openflow.md");
    let old = std::fs::read_to_string(&path).expect("the document");
    let mut new = old.clone();
    for (name, table) in [
        ("fields", fields()),
        ("actions", actions()),
        ("messages", messages()),
        ("statistics", statistics()),
    ] {
        let (begin, end) = (
            format!("<!-- {name} -->\n"),
            format!("<!-- end of {name} -->"),
        );
        let (before, rest) = new.split_once(&begin).expect("a mark");
        let (_, after) = rest.split_once(&end).expect("a mark");
        new = format!("{before}{begin}\n{table}\n{end}{after}");
    }
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(&path, &new).expect("the document can be written");
        return;
    }
    assert!(
        old == new,
        "docs/openflow.md is old: run this test with UPDATE_DOCS=1"
    );
}
