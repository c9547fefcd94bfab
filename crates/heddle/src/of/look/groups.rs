//! Groups and meters: what they are, what they have counted, what they can be.

use std::process::ExitCode;

use anyhow::Context;
use openflow::Group;
use openflow::message::Meter;
use openflow::message::multipart::MultipartRequest;
use openflow::session::Reply;

use super::super::changes::group_id;
use super::super::print;
use super::{LookArgs, Switch, answer};

/// `N`, `meter=N` or `all`; nothing means all.
pub(in super::super) fn meter_id(text: Option<&str>) -> anyhow::Result<u32> {
    let text = text.unwrap_or("all");
    match text.strip_prefix("meter=").unwrap_or(text) {
        "all" => Ok(Meter::ALL),
        number => number
            .parse()
            .with_context(|| format!("`{text}`: expected meter=NUMBER")),
    }
}

fn id(text: Option<&str>) -> anyhow::Result<u32> {
    group_id(text.unwrap_or("all"))
}

/// The groups of a switch in order of their numbers.
async fn all_groups(switch: &Switch, id: u32) -> anyhow::Result<Vec<Group>> {
    let reply = switch
        .dump(MultipartRequest::Groups(id), "its groups")
        .await?;
    let mut groups = answer!(switch, reply, Groups);
    groups.sort_by_key(|group| group.id);
    Ok(groups)
}

/// The meters of a switch in order of their numbers.
async fn all_meters(switch: &Switch, id: u32) -> anyhow::Result<Vec<Meter>> {
    let reply = switch
        .dump(MultipartRequest::Meters(id), "its meters")
        .await?;
    let mut meters = answer!(switch, reply, Meters);
    meters.sort_by_key(|meter| meter.id);
    Ok(meters)
}

pub(super) async fn groups(
    switch: &Switch,
    how: LookArgs,
    group: Option<&str>,
) -> anyhow::Result<ExitCode> {
    let id = id(group)?;
    let mut groups = all_groups(switch, id).await?;
    groups.retain(|group| id == Group::ALL || group.id == id);
    how.print(&groups, ToString::to_string, print::group_json)
}

pub(super) async fn stats(
    switch: &Switch,
    how: LookArgs,
    group: Option<&str>,
) -> anyhow::Result<ExitCode> {
    let question = MultipartRequest::GroupStats(id(group)?);
    let reply = switch.dump(question, "its groups").await?;
    let stats = answer!(switch, reply, GroupStats);
    how.print(&stats, print::group_stats, print::group_stats_json)
}

pub(super) async fn features(switch: &Switch, how: LookArgs) -> anyhow::Result<ExitCode> {
    let question = MultipartRequest::GroupFeatures;
    let reply = switch.dump(question, "what its groups can be").await?;
    let features = answer!(switch, reply, GroupFeatures);
    how.print_one(&features, print::group_features, print::group_features_json)
}

pub(super) async fn meters(
    switch: &Switch,
    how: LookArgs,
    meter: Option<&str>,
) -> anyhow::Result<ExitCode> {
    let meters = all_meters(switch, meter_id(meter)?).await?;
    how.print(&meters, ToString::to_string, print::meter_json)
}

pub(super) async fn meter_stats(
    switch: &Switch,
    how: LookArgs,
    meter: Option<&str>,
) -> anyhow::Result<ExitCode> {
    let question = MultipartRequest::MeterStats(meter_id(meter)?);
    let reply = switch.dump(question, "its meters").await?;
    let stats = answer!(switch, reply, MeterStats);
    how.print(&stats, print::meter_stats, print::meter_stats_json)
}

pub(super) async fn meter_features(switch: &Switch, how: LookArgs) -> anyhow::Result<ExitCode> {
    let question = MultipartRequest::MeterFeatures;
    let reply = switch.dump(question, "what its meters can be").await?;
    let features = answer!(switch, reply, MeterFeatures);
    how.print_one(&features, print::meter_features, print::meter_features_json)
}
