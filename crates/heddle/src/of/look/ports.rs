//! Ports and their queues.

use std::process::ExitCode;

use openflow::message::multipart::{MultipartRequest, QueueDesc, QueueQuery};
use openflow::message::{Message, QueueConfigRequest};
use openflow::session::Reply;
use openflow::{Port, Version};

use super::super::print;
use super::{LookArgs, Switch, answer};

fn one_port(switch: &Switch, port: Option<&str>) -> anyhow::Result<Port> {
    port.map_or(Ok(Port::ANY), |port| switch.port(port))
}

pub(super) fn descs(
    switch: &Switch,
    how: LookArgs,
    port: Option<&str>,
) -> anyhow::Result<ExitCode> {
    let port = one_port(switch, port)?;
    let ports = switch.ports.iter();
    let ports: Vec<_> = ports
        .filter(|one| port == Port::ANY || one.number == port)
        .collect();
    how.print(
        &ports,
        |port| print::port(port),
        |port| print::port_json(port),
    )
}

pub(super) async fn stats(
    switch: &Switch,
    how: LookArgs,
    port: Option<&str>,
) -> anyhow::Result<ExitCode> {
    let question = MultipartRequest::PortStats(one_port(switch, port)?);
    let reply = switch.dump(question, "its counters").await?;
    let stats = answer!(switch, reply, PortStats);
    how.print(&stats, print::port_stats, print::port_stats_json)
}

fn queues(switch: &Switch, port: Option<&str>, queue: Option<u32>) -> anyhow::Result<QueueQuery> {
    Ok(QueueQuery {
        port: one_port(switch, port)?,
        queue: queue.unwrap_or(QueueQuery::ALL),
    })
}

pub(super) async fn queue_stats(
    switch: &Switch,
    how: LookArgs,
    port: Option<&str>,
    queue: Option<u32>,
) -> anyhow::Result<ExitCode> {
    let question = MultipartRequest::QueueStats(queues(switch, port, queue)?);
    let reply = switch.dump(question, "its queues").await?;
    let stats = answer!(switch, reply, QueueStats);
    how.print(&stats, print::queue_stats, print::queue_stats_json)
}

pub(super) async fn queue_config(
    switch: &Switch,
    how: LookArgs,
    port: Option<&str>,
    queue: Option<u32>,
) -> anyhow::Result<ExitCode> {
    let query = queues(switch, port, queue)?;
    let mut queues = match switch.version {
        Version::V10 | Version::V13 => queues_of_old(switch, query.port).await?,
        Version::V14 | Version::V15 => {
            let question = MultipartRequest::Queues(query);
            let reply = switch.dump(question, "its queues").await?;
            answer!(switch, reply, Queues)
        }
    };
    queues.retain(|one| query.queue == QueueQuery::ALL || one.queue == query.queue);
    queues.sort_by_key(|one| (one.port, one.queue));
    how.print(&queues, print::queue, print::queue_json)
}

/// How queues are set, by the question of OpenFlow 1.0 to 1.3, of which 1.0 can ask for one port only.
async fn queues_of_old(switch: &Switch, port: Port) -> anyhow::Result<Vec<QueueDesc>> {
    let ports = match (switch.version, port) {
        (Version::V10, Port::ANY) => {
            let all = switch.ports.iter().map(|port| port.number);
            all.filter(|port| *port < Port::MAX).collect()
        }
        _ => vec![port],
    };
    let mut out = Vec::new();
    for port in ports {
        let question = Message::QueueConfigRequest(QueueConfigRequest { port });
        let reply = switch.ask(question, "its queues").await?;
        match answer!(switch, reply, Message) {
            Message::QueueConfig(config) => out.extend(config.queues),
            _ => anyhow::bail!("{}: its answer is no queues", switch.name),
        }
    }
    Ok(out)
}
