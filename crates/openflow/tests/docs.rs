//! The tables of `docs/openflow.md` are what the code says. `UPDATE_DOCS=1` writes them anew.

mod samples;

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::PathBuf;

use openflow::message::{MessageCode, Space};
use openflow::{Field, Message, Version};

fn fields() -> String {
    let mut out = String::from(
        "| Field | Bits | Mask | Presupposes | Actions write it | Code points |\n|---|---|---|---|---|---|\n",
    );
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
            "| `{}{many}` | {} | {} | {} | {} | {} |",
            info.name,
            info.bits,
            yes(info.maskable),
            format!("{:?}", info.needs).replace("None", ""),
            yes(info.writable),
            codes.join(", ")
        );
    }
    out
}

/// Every action that is installed on a real switch and compared with `ovs-ofctl` there.
fn actions() -> String {
    let mut names = BTreeSet::new();
    for flow in samples::flows() {
        for action in &flow.actions {
            let text = action.to_string();
            let end = text.find(['(', ':']).unwrap_or(text.len());
            names.insert(format!("`{}`", &text[..end]));
        }
    }
    let names: Vec<_> = names.into_iter().collect();
    format!("{}\n", names.join(", "))
}

/// The lines of the table of messages in the source: a number for each version.
fn messages() -> String {
    let mut out =
        String::from("| Message | Says | 1.0 | 1.3 | 1.4 | 1.5 |\n|---|---|---|---|---|---|\n");
    for info in Message::TABLE {
        let _ = write!(out, "| {} | {} |", info.name, info.says);
        for version in Version::ALL {
            let has = |code: &&MessageCode| (code.first..=code.last).contains(&version);
            let number = info.codes.iter().find(has).map(|code| match code.space {
                Space::Standard => code.number.to_string(),
                Space::Nicira => format!("N{}", code.number),
                Space::Onf => format!("O{}", code.number),
            });
            let _ = write!(out, " {} |", number.unwrap_or_default());
        }
        out.push('\n');
    }
    out
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
