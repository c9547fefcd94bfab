//! Tables: what they have counted, can do, and how they are set.

use std::fmt::Write as _;

use openflow::message::TableConfig;
use openflow::message::multipart::{TableDesc, TableFeatures, TableStats};
use serde_json::{Value, json};

use super::put;

pub(in super::super) fn table_stats(stats: &TableStats) -> String {
    format!(
        "table {}:\n    active={}, lookup={}, matched={}",
        stats.table, stats.active, stats.lookups, stats.matched
    )
}

pub(in super::super) fn table_stats_json(stats: &TableStats) -> Value {
    json!({
        "table": stats.table, "active": stats.active, "lookups": stats.lookups,
        "matched": stats.matched,
    })
}

/// The instructions by number (OpenFlow 1.5, section 7.2.5), as `ovs-ofctl` calls them.
const INSTRUCTIONS: [&str; 7] = [
    "",
    "goto_table",
    "write_metadata",
    "write_actions",
    "apply_actions",
    "clear_actions",
    "meter",
];

/// The actions by number, as `ovs-ofctl` calls them.
const ACTIONS: [(u16, &str); 13] = [
    (0, "output"),
    (15, "set_mpls_ttl"),
    (16, "dec_mpls_ttl"),
    (17, "push_vlan"),
    (18, "strip_vlan"),
    (19, "push_mpls"),
    (20, "pop_mpls"),
    (21, "set_queue"),
    (22, "group"),
    (23, "mod_nw_ttl"),
    (24, "dec_ttl"),
    (25, "set_field"),
    (28, "move"),
];

/// What a table can do for packets that match a flow, or for those that match none.
#[derive(PartialEq, Eq)]
struct Abilities {
    next: Vec<u8>,
    instructions: Vec<String>,
    write: Writes,
    apply: Writes,
}

#[derive(PartialEq, Eq)]
struct Writes {
    actions: Vec<String>,
    fields: Vec<String>,
}

impl Abilities {
    /// The properties of each pair are those of flows, and behind them those of the table miss, which are left out
    /// where they are the same.
    fn of(table: &TableFeatures, miss: bool) -> Self {
        let bytes = |kind: u16| {
            let own = miss.then(|| table.property(kind + 1)).flatten();
            own.or_else(|| table.property(kind)).unwrap_or_default()
        };
        let writes = |actions, fields| Writes {
            actions: names(bytes(actions), &|kind| {
                let known = ACTIONS.iter().find(|(number, _)| *number == kind);
                known.map(|(_, name)| *name)
            }),
            fields: fields_of(bytes(fields))
                .into_iter()
                .map(|(field, _)| field)
                .collect(),
        };
        Self {
            next: bytes(TableFeatures::NEXT_TABLES).to_vec(),
            instructions: names(bytes(TableFeatures::INSTRUCTIONS), &|kind| {
                INSTRUCTIONS
                    .get(usize::from(kind))
                    .copied()
                    .filter(|name| !name.is_empty())
            }),
            write: writes(TableFeatures::WRITE_ACTIONS, TableFeatures::WRITE_SET_FIELD),
            apply: writes(TableFeatures::APPLY_ACTIONS, TableFeatures::APPLY_SET_FIELD),
        }
    }
}

/// The names in a list of types, each of which stands before its length.
fn names(bytes: &[u8], name: &dyn Fn(u16) -> Option<&'static str>) -> Vec<String> {
    let mut out = Vec::new();
    let mut rest = bytes;
    while let [a, b, c, d, tail @ ..] = rest {
        let (kind, length) = (u16::from_be_bytes([*a, *b]), u16::from_be_bytes([*c, *d]));
        out.push(match name(kind) {
            Some(name) => name.to_owned(),
            None => kind.to_string(),
        });
        rest = tail
            .get(usize::from(length).saturating_sub(4)..)
            .unwrap_or(&[]);
    }
    out
}

/// The fields whose headers these are, and whether with a mask.
fn fields_of(bytes: &[u8]) -> Vec<(String, bool)> {
    let headers = openflow::field::headers(bytes);
    headers
        .filter_map(|(field, masked)| Some((field?.to_string(), masked)))
        .collect()
}

/// How fields can be matched, by name, and which fields those are.
fn matching(table: &TableFeatures) -> [(&'static str, Vec<String>); 3] {
    let bytes = |kind| table.property(kind).unwrap_or_default();
    let wild: Vec<String> = fields_of(bytes(TableFeatures::WILDCARDS))
        .into_iter()
        .map(|(field, _)| field)
        .collect();
    let all = fields_of(bytes(TableFeatures::MATCH));
    let some = |masked: bool, optional: bool| {
        let good =
            |(field, mask): &&(String, bool)| *mask == masked && wild.contains(field) == optional;
        all.iter()
            .filter(good)
            .map(|(field, _)| field.clone())
            .collect()
    };
    [
        ("arbitrary mask", some(true, true)),
        ("exact match or wildcard", some(false, true)),
        ("must exact match", some(false, false)),
    ]
}

fn ranges(tables: &[u8]) -> String {
    let mut out = Vec::new();
    for run in tables.chunk_by(|a, b| a.checked_add(1) == Some(*b)) {
        match run {
            [one] => out.push(one.to_string()),
            [first, .., last] => out.push(format!("{first}-{last}")),
            [] => {}
        }
    }
    out.join(",")
}

fn writes(out: &mut String, writes: &Writes) {
    if !writes.actions.is_empty() {
        put!(out, "\n        actions: {}", writes.actions.join(" "));
    }
    if !writes.fields.is_empty() {
        put!(
            out,
            "\n        supported on Set-Field: {}",
            writes.fields.join(" ")
        );
    }
}

fn abilities(out: &mut String, title: &str, of: &Abilities) {
    put!(out, "\n    instructions ({title}):");
    if !of.next.is_empty() {
        put!(out, "\n      next tables: {}", ranges(&of.next));
    }
    put!(out, "\n      instructions: {}", of.instructions.join(" "));
    if of.write == of.apply {
        out.push_str("\n      Write-Actions and Apply-Actions features:");
        writes(out, &of.write);
    } else {
        out.push_str("\n      Write-Actions features:");
        writes(out, &of.write);
        out.push_str("\n      Apply-Actions features:");
        writes(out, &of.apply);
    }
}

/// Whether flows of a table can make place for others, and whether its filling can be told.
const fn can(table: &TableFeatures, what: u32) -> bool {
    table.capabilities & what != 0
}

/// In the form of `ovs-ofctl`, every name written out.
pub(in super::super) fn table_features(table: &TableFeatures) -> String {
    let mut out = format!("table {}", table.table);
    if !table.name.is_empty() {
        put!(out, " (\"{}\")", table.name);
    }
    put!(
        out,
        ":\n    metadata: match={:#x} write={:#x}",
        table.metadata_match,
        table.metadata_write
    );
    for (what, name) in [
        (TableConfig::EVICTION, "eviction"),
        (TableConfig::VACANCY_EVENTS, "vacancy events"),
    ] {
        let not = if can(table, what) { "" } else { "not " };
        put!(out, "\n    {name}: {not}supported");
    }
    put!(out, "\n    max_entries={}", table.max_entries);
    let (flows, miss) = (Abilities::of(table, false), Abilities::of(table, true));
    if flows == miss {
        abilities(&mut out, "table miss and others", &flows);
    } else {
        abilities(&mut out, "other than table miss", &flows);
        abilities(&mut out, "table miss", &miss);
    }
    out.push_str("\n    matching:");
    for (how, fields) in matching(table) {
        if !fields.is_empty() {
            put!(out, "\n      {how}: {}", fields.join(" "));
        }
    }
    out
}

pub(in super::super) fn table_features_json(table: &TableFeatures) -> Value {
    let writes = |of: Writes| json!({"actions": of.actions, "set_field": of.fields});
    let abilities = |of: Abilities| {
        json!({
            "next_tables": of.next, "instructions": of.instructions, "write_actions": writes(of.write),
            "apply_actions": writes(of.apply),
        })
    };
    let [masked, exact, must] = matching(table).map(|(_, fields)| fields);
    json!({
        "table": table.table, "name": table.name, "max_entries": table.max_entries,
        "metadata_match": format!("{:#x}", table.metadata_match),
        "metadata_write": format!("{:#x}", table.metadata_write),
        "eviction": can(table, TableConfig::EVICTION),
        "vacancy_events": can(table, TableConfig::VACANCY_EVENTS),
        "flows": abilities(Abilities::of(table, false)),
        "table_miss": abilities(Abilities::of(table, true)),
        "match": {"masked": masked, "exact": exact, "required": must},
    })
}

const EVICTION: [&str; 3] = ["OTHER", "IMPORTANCE", "LIFETIME"];

fn on(set: bool) -> &'static str {
    if set { "on" } else { "off" }
}

/// In the form of `ovs-ofctl`.
pub(in super::super) fn table_desc(table: &TableDesc) -> String {
    let config = &table.config;
    let flags = config.eviction.unwrap_or(0);
    let flags = match flags {
        0 => "(none)".to_owned(),
        flags => super::bits(flags, &EVICTION).replace(' ', "|"),
    };
    let vacancy = config.config & TableConfig::VACANCY_EVENTS != 0;
    let mut out = format!(
        "table {}:\n   eviction={} eviction_flags={flags}\n   vacancy={}",
        table.table,
        on(config.config & TableConfig::EVICTION != 0),
        on(vacancy)
    );
    if let Some((down, up, now)) = config.vacancy.filter(|_| vacancy) {
        put!(out, " vacancy_down={down}% vacancy_up={up}% vacancy={now}%");
    }
    out
}

pub(in super::super) fn table_desc_json(table: &TableDesc) -> Value {
    let config = &table.config;
    let vacancy = config.config & TableConfig::VACANCY_EVENTS != 0;
    let vacancy = config.vacancy.filter(|_| vacancy);
    json!({
        "table": table.table, "eviction": config.config & TableConfig::EVICTION != 0,
        "eviction_flags": super::bits(config.eviction.unwrap_or(0), &EVICTION),
        "vacancy": vacancy.map(|(down, up, now)| json!({"down": down, "up": up, "now": now})),
    })
}
