//! The switch as a whole.

use std::process::ExitCode;

use anyhow::{Context, bail};
use openflow::Message;
use openflow::message::SwitchConfig;
use openflow::message::multipart::MultipartRequest;
use openflow::session::Reply;
use serde_json::json;

use super::super::print;
use super::{LookArgs, Switch, answer, print_lines};

pub(in super::super) async fn config(switch: &Switch) -> anyhow::Result<SwitchConfig> {
    let reply = switch
        .ask(Message::GetConfigRequest, "its settings")
        .await?;
    match answer!(switch, reply, Message) {
        Message::Config(config) => Ok(config),
        _ => bail!("{}: its answer is no settings", switch.name),
    }
}

pub(super) async fn show(switch: &Switch, how: LookArgs) -> anyhow::Result<ExitCode> {
    let features = switch.handle.features().await;
    let features = features.with_context(|| format!("{}: what it is", switch.name))?;
    let config = config(switch).await?;
    let frags = print::frags(config.flags);
    if how.json {
        let mut all = print::features_json(&features);
        all["ports"] = switch.ports.iter().map(print::port_json).collect();
        all["frags"] = json!(frags);
        all["miss_send_len"] = json!(config.miss_send_len);
        print_lines([all.to_string()])?;
    } else {
        let first = [print::features(&features)];
        let ports = switch.ports.iter().map(print::port);
        let last = format!("frags={frags} miss_send_len={}", config.miss_send_len);
        print_lines(first.into_iter().chain(ports).chain([last]))?;
    }
    Ok(ExitCode::SUCCESS)
}

pub(super) async fn description(switch: &Switch, how: LookArgs) -> anyhow::Result<ExitCode> {
    let reply = switch
        .dump(MultipartRequest::Description, "its maker")
        .await?;
    let who = answer!(switch, reply, Description);
    how.print_one(&*who, print::description, print::description_json)
}

pub(super) async fn tlv_map(switch: &Switch, how: LookArgs) -> anyhow::Result<ExitCode> {
    let table = switch.handle.tlv_table().await;
    let table = table.with_context(|| format!("{}: its tunnel options", switch.name))?;
    how.print_one(&table, print::tlv_table, print::tlv_table_json)
}

pub(super) async fn frags(switch: &Switch, how: LookArgs) -> anyhow::Result<ExitCode> {
    let config = config(switch).await?;
    how.print_one(
        &config,
        |config| print::frags(config.flags).to_owned(),
        |config| json!({"frags": print::frags(config.flags)}),
    )
}

pub(super) async fn ipfix_bridge(switch: &Switch, how: LookArgs) -> anyhow::Result<ExitCode> {
    let question = MultipartRequest::IpfixBridge;
    let reply = switch.dump(question, "its IPFIX exporter").await?;
    let stats = answer!(switch, reply, IpfixBridge);
    how.print_one(
        &stats,
        |stats| print::ipfix(stats, None),
        |stats| print::ipfix_json(stats, None),
    )
}

pub(super) async fn ipfix_flow(switch: &Switch, how: LookArgs) -> anyhow::Result<ExitCode> {
    let question = MultipartRequest::IpfixFlows;
    let reply = switch.dump(question, "its IPFIX exporters").await?;
    let stats = answer!(switch, reply, IpfixFlows);
    how.print(
        &stats,
        |stats| print::ipfix(stats, Some(stats.collector_set)),
        |stats| print::ipfix_json(stats, Some(stats.collector_set)),
    )
}
