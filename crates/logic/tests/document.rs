//! `docs/logical-language.md` says what the code says: its tables are the code's, and its examples are read.
//!
//! `HEDDLE_WRITE_DOCS=1` writes the tables instead of comparing them.

#![allow(clippy::unwrap_used, reason = "part of tests")]

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::PathBuf;

use logic::{
    ACTIONS, CarriedOut, DHCP_V4_OPTIONS, DHCP_V6_OPTIONS, Kind, Level, OptionDef, RA_OPTIONS,
    Scope, Slice, Str, Symbol, Symbols, expand_actions, expand_match, parse_actions, parse_match,
};

fn path() -> PathBuf {
    PathBuf::from(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../docs/logical-language.md"
    ))
}

fn document() -> String {
    std::fs::read_to_string(path()).unwrap()
}

/// A cell of a table: code whose bars do not end it.
fn code(text: impl std::fmt::Display) -> String {
    format!("`{}`", text.to_string().replace('|', "\\|"))
}

fn actions() -> String {
    let mut out =
        "| action | what it does | who | needs | example |\n|---|---|---|---|---|\n".to_owned();
    for info in ACTIONS {
        let by = match info.by {
            CarriedOut::Switch => "switch".to_owned(),
            CarriedOut::Agent(opcode) => format!("agent, {opcode}"),
        };
        let forms: Vec<String> = split_forms(info.form).map(code).collect();
        let example = parse_actions(info.example, Symbols::ovn()).unwrap();
        let needs = match example.prerequisites().to_string() {
            none if none == "1" => String::new(),
            some => code(some),
        };
        let (forms, meaning, example) = (forms.join("<br>"), info.meaning, code(info.example));
        writeln!(out, "| {forms} | {meaning} | {by} | {needs} | {example} |").unwrap();
    }
    out
}

/// Several forms of one action stand behind each other.
fn split_forms(form: &str) -> impl Iterator<Item = &str> {
    let mut depth = 0;
    let mut starts = vec![0];
    for (at, c) in form.char_indices() {
        match c {
            '(' | '{' => depth += 1,
            ')' | '}' => depth -= 1,
            ' ' if depth == 0 && form[..at].ends_with(';') => starts.push(at + 1),
            _ => {}
        }
    }
    starts.push(form.len() + 1);
    let pairs: Vec<&str> = starts
        .windows(2)
        .map(|pair| &form[pair[0]..pair[1] - 1])
        .collect();
    pairs.into_iter()
}

fn options(table: &[OptionDef]) -> String {
    let mut out = "| option | code | value |\n|---|---|---|\n".to_owned();
    for option in table {
        writeln!(
            out,
            "| {} | {} | {} |",
            code(option.name),
            option.code,
            option.kind.wanted()
        )
        .unwrap();
    }
    out
}

fn level(level: Level) -> &'static str {
    match level {
        Level::Nominal => "nominal",
        Level::Boolean => "boolean",
        Level::Ordinal => "ordinal",
    }
}

fn written(scope: Scope) -> &'static str {
    match scope {
        Scope::Default => "yes",
        Scope::CtCommit => "in `ct_commit`",
        Scope::IcmpError => "in an ICMP error, not matched",
        Scope::ReadOnly => "no",
    }
}

/// The bits of which field a symbol is, when it is not a whole one.
fn part_of(symbol: &'static Symbol) -> String {
    let bits = symbol.bits().unwrap();
    if bits.width == bits.field.width() {
        return String::new();
    }
    let whole = Symbols::ovn().find(&bits.field.to_string()).unwrap();
    let last = bits.first + bits.width - 1;
    code(Slice::part(whole, bits.first, last).unwrap())
}

fn field_row(out: &mut String, symbol: &'static Symbol) {
    let kind = match symbol.kind() {
        Kind::Port(_) => "port".to_owned(),
        _ => format!(
            "{} bit{}",
            symbol.width(),
            if symbol.width() == 1 { "" } else { "s" }
        ),
    };
    let needs = symbol.prerequisite().map(code).unwrap_or_default();
    let (name, level, written) = (
        code(symbol.name()),
        level(symbol.level()),
        written(symbol.scope()),
    );
    writeln!(
        out,
        "| {name} | {kind} | {level} | {} | {needs} | {written} |",
        part_of(symbol)
    )
    .unwrap();
}

const FIELDS: &str =
    "| field | value | level | part of | prerequisite | written |\n|---|---|---|---|---|---|\n";
const PREDICATES: &str = "| predicate | means | level |\n|---|---|---|\n";

fn predicate_row(out: &mut String, symbol: &Symbol) {
    if let Kind::Predicate(expansion) = symbol.kind() {
        let (name, means) = (code(symbol.name()), code(expansion));
        writeln!(out, "| {name} | {means} | {} |", level(symbol.level())).unwrap();
    }
}

fn symbols() -> String {
    let mut out = FIELDS.to_owned();
    for symbol in Symbols::ovn()
        .iter()
        .filter(|symbol| symbol.bits().is_some())
    {
        field_row(&mut out, symbol);
    }
    out
}

fn predicates() -> String {
    let mut out = PREDICATES.to_owned();
    for symbol in Symbols::ovn().iter() {
        predicate_row(&mut out, symbol);
    }
    out
}

fn translated() -> String {
    let own = |symbol: &&'static Symbol| Symbols::ovn().find(symbol.name()) != Some(symbol);
    let all = || Symbols::ct_translation().iter().filter(own);
    let mut out = FIELDS.to_owned();
    for symbol in all().filter(|symbol| symbol.bits().is_some()) {
        field_row(&mut out, symbol);
    }
    out += "\n";
    out += PREDICATES;
    for symbol in all() {
        predicate_row(&mut out, symbol);
    }
    out
}

#[test]
fn the_tables_are_those_of_the_code() {
    let made: BTreeMap<&str, String> = BTreeMap::from([
        ("actions", actions()),
        ("dhcp4", options(DHCP_V4_OPTIONS)),
        ("dhcp6", options(DHCP_V6_OPTIONS)),
        ("ra", options(RA_OPTIONS)),
        ("symbols", symbols()),
        ("predicates", predicates()),
        ("translated", translated()),
    ]);
    let text = document();
    let mut new = text.clone();
    for (name, table) in &made {
        let begin = format!("<!-- {name} -->\n");
        let start = new
            .find(&begin)
            .unwrap_or_else(|| panic!("no section {name}"))
            + begin.len();
        let end = start + new[start..].find("<!-- end -->").unwrap();
        new.replace_range(start..end, &format!("\n{table}\n"));
    }
    if std::env::var_os("HEDDLE_WRITE_DOCS").is_some() {
        std::fs::write(path(), new).unwrap();
    } else {
        let write = "run this with HEDDLE_WRITE_DOCS=1";
        for (there, made) in text.lines().zip(new.lines()) {
            assert_eq!(there, made, "{write}");
        }
        assert_eq!(text.len(), new.len(), "{write}");
    }
}

/// The lines of all blocks of a kind, with what stands behind the kind.
fn blocks(kind: &str) -> Vec<(String, Vec<String>)> {
    let text = document();
    let mut found = Vec::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        let Some(head) = line.strip_prefix("```").filter(|head| !head.is_empty()) else {
            continue;
        };
        let body: Vec<String> = lines
            .by_ref()
            .take_while(|line| *line != "```")
            .map(str::to_owned)
            .collect();
        let (name, rest) = head.split_once(' ').unwrap_or((head, ""));
        if name == kind {
            found.push((rest.to_owned(), body));
        }
    }
    assert!(!found.is_empty(), "no block of {kind}");
    found
}

fn lines(kind: &str) -> Vec<String> {
    blocks(kind)
        .into_iter()
        .flat_map(|(_, lines)| lines)
        .collect()
}

#[test]
fn the_examples_are_in_the_language() {
    for text in lines("match") {
        let expr =
            parse_match(&text, Symbols::ovn()).unwrap_or_else(|error| panic!("{text}\n{error}"));
        assert_eq!(parse_match(&expr.to_string(), Symbols::ovn()), Ok(expr));
    }
    for text in lines("actions") {
        let actions =
            parse_actions(&text, Symbols::ovn()).unwrap_or_else(|error| panic!("{text}\n{error}"));
        assert_eq!(actions.to_string(), text);
    }
}

#[test]
fn the_errors_are_those_of_the_code() {
    let pairs = |kind| -> Vec<(String, String)> {
        let lines = lines(kind);
        lines
            .chunks(2)
            .map(|pair| (pair[0].clone(), pair[1].trim_start().to_owned()))
            .collect()
    };
    for (text, wanted) in pairs("errors") {
        assert_eq!(
            parse_match(&text, Symbols::ovn()).unwrap_err().to_string(),
            wanted
        );
    }
    for (text, wanted) in pairs("action-errors") {
        assert_eq!(
            parse_actions(&text, Symbols::ovn())
                .unwrap_err()
                .to_string(),
            wanted
        );
    }
}

#[test]
fn the_variables_stand_for_what_it_says() {
    let mut count = 0;
    for (values, lines) in blocks("template") {
        let pairs = values.split(' ').map(|pair| pair.split_once('=').unwrap());
        let values: BTreeMap<Str, Str> = pairs
            .map(|(name, value)| (name.into(), value.into()))
            .collect();
        for pair in lines.chunks(2) {
            let result = match pair[0].split_once(": ").unwrap() {
                ("match", text) => {
                    expand_match(text, Symbols::ovn(), &values).map(|it| it.to_string())
                }
                ("actions", text) => {
                    expand_actions(text, Symbols::ovn(), &values).map(|it| it.to_string())
                }
                other => panic!("{other:?}"),
            };
            let said = match result {
                Ok(text) => format!("is: {text}"),
                Err(error) => format!("error: {error}"),
            };
            assert_eq!(said, pair[1]);
            count += 1;
        }
    }
    assert!(count >= 4);
}
