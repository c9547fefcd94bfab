//! Tables: what they have counted, can do, and how they are set; and flows in sum.

use std::process::ExitCode;

use anyhow::bail;
use openflow::message::multipart::{MultipartRequest, TableDesc, TableFeatures};
use openflow::session::Reply;

use super::super::print;
use super::{LookArgs, Switch, answer, query};

pub(super) async fn stats(switch: &Switch, how: LookArgs) -> anyhow::Result<ExitCode> {
    let reply = switch.dump(MultipartRequest::Tables, "its tables").await?;
    let tables = answer!(switch, reply, Tables);
    how.print(&tables, print::table_stats, print::table_stats_json)
}

pub(super) async fn features(
    switch: &Switch,
    how: LookArgs,
    table: Option<u8>,
) -> anyhow::Result<ExitCode> {
    let mut tables = table_features(switch, Vec::new()).await?;
    tables.retain(|one| table.is_none_or(|table| table == one.table));
    if let (Some(table), []) = (table, tables.as_slice()) {
        bail!("{}: no table {table}", switch.name);
    }
    how.print(&tables, print::table_features, print::table_features_json)
}

/// What the tables of a switch can do, after a change of some.
pub(in super::super) async fn table_features(
    switch: &Switch,
    change: Vec<TableFeatures>,
) -> anyhow::Result<Vec<TableFeatures>> {
    let question = MultipartRequest::TableFeatures(change);
    let reply = switch.dump(question, "what its tables can do").await?;
    Ok(answer!(switch, reply, TableFeatures))
}

/// How the tables of a switch are set.
pub(in super::super) async fn table_descs(switch: &Switch) -> anyhow::Result<Vec<TableDesc>> {
    let question = MultipartRequest::TableDescs;
    let reply = switch.dump(question, "how its tables are set").await?;
    Ok(answer!(switch, reply, TableDescs))
}

pub(super) async fn descs(
    switch: &Switch,
    how: LookArgs,
    table: Option<u8>,
) -> anyhow::Result<ExitCode> {
    let mut tables = table_descs(switch).await?;
    tables.retain(|one| table.is_none_or(|table| table == one.table));
    if let (Some(table), []) = (table, tables.as_slice()) {
        bail!("{}: no table {table}", switch.name);
    }
    how.print(&tables, print::table_desc, print::table_desc_json)
}

pub(super) async fn aggregate(
    switch: &Switch,
    how: LookArgs,
    filter: Option<&str>,
) -> anyhow::Result<ExitCode> {
    let question = MultipartRequest::Aggregate(query(switch, filter)?);
    let reply = switch.dump(question, "its flows").await?;
    let all = answer!(switch, reply, Aggregate);
    how.print_one(&all, print::aggregate, print::aggregate_json)
}
