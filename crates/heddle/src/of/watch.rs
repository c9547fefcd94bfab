//! `monitor` and `watch`: what a switch says unasked.

use std::process::ExitCode;

use anyhow::{Context, bail};
use openflow::message::multipart::{FlowMonitor, FlowUpdate, MultipartRequest, Part};
use openflow::message::{PacketIn, PortReason, REASONS, SetPacketInFormat, SwitchConfig};
use openflow::session::Reply;
use openflow::{Field, Message};
use serde_json::{Value, json};
use transport::openflow::Event;

use super::look::{LookArgs, answer, config, print_lines, query};
use super::print;
use super::switch::{Switch, SwitchArgs};

/// The length that means whole packets.
const WHOLE: u16 = 0xffff;

/// What is printed of what comes.
#[derive(clap::Args)]
pub(crate) struct MonitorArgs {
    #[command(flatten)]
    pub(super) look: LookArgs,
    /// End after this many messages.
    #[arg(long, value_name = "COUNT")]
    pub(super) count: Option<u64>,
}

/// Something that came, as text and as JSON.
type Said = (String, Value);

pub(super) async fn monitor(args: &SwitchArgs, how: &MonitorArgs) -> anyhow::Result<ExitCode> {
    let mut switch = args.connect().await?;
    let format = Message::SetPacketInFormat(SetPacketInFormat::NXT_PACKET_IN2);
    switch.tell(format, "the form of packets").await?;
    let now = config(&switch).await?;
    // Until it is told a length, a switch sends this kind of controller no packets.
    let whole = Message::SetConfig(SwitchConfig {
        miss_send_len: WHOLE,
        ..now
    });
    switch.tell(whole, "the length of packets").await?;
    listen(&mut switch, how, |message| Ok(vec![say(&message)])).await
}

pub(super) async fn watch(
    args: &SwitchArgs,
    how: &MonitorArgs,
    filter: Option<&str>,
) -> anyhow::Result<ExitCode> {
    let mut switch = args.connect().await?;
    let query = query(&switch, filter)?;
    let monitor = FlowMonitor {
        out_port: query.out_port,
        out_group: query.out_group,
        table: query.table,
        matches: query.matches,
        ..FlowMonitor::all(1)
    };
    let question = MultipartRequest::FlowMonitor(vec![monitor]);
    let reply = switch.dump(question, "the flow monitor").await?;
    let first = answer!(switch, reply, FlowUpdates);
    print_said(how, first.iter().map(say_update).collect())?;
    listen(&mut switch, how, |message| match message {
        Message::MultipartReply(reply) => match reply.part {
            Part::FlowUpdates(updates) => Ok(updates.iter().map(say_update).collect()),
            _ => Ok(Vec::new()),
        },
        _ => Ok(Vec::new()),
    })
    .await
}

fn say_update(update: &FlowUpdate) -> Said {
    (print::flow_update(update), print::flow_update_json(update))
}

fn print_said(how: &MonitorArgs, said: Vec<Said>) -> anyhow::Result<()> {
    print_lines(said.into_iter().map(|(text, json)| match how.look.json {
        true => json.to_string(),
        false => text,
    }))
}

/// Prints what comes until the connection ends.
async fn listen(
    switch: &mut Switch,
    how: &MonitorArgs,
    read: impl Fn(Message) -> anyhow::Result<Vec<Said>>,
) -> anyhow::Result<ExitCode> {
    let mut left = how.count.unwrap_or(u64::MAX);
    while left > 0 {
        let message = match switch.event().await {
            Some(Event::Message(message)) => message,
            Some(Event::Connected) => continue,
            Some(Event::Disconnected) | None => bail!("{}: the connection ended", switch.name),
        };
        let said = read(message).with_context(|| switch.name.clone())?;
        left = left.saturating_sub(said.len() as u64);
        print_said(how, said)?;
    }
    Ok(ExitCode::SUCCESS)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn say(message: &Message) -> Said {
    match message {
        Message::PacketIn(packet) => say_packet(packet),
        Message::PortStatus(status) => {
            let what = match status.reason {
                PortReason::Added => "ADD".to_owned(),
                PortReason::Removed => "DEL".to_owned(),
                PortReason::Modified => "MOD".to_owned(),
                PortReason::Unknown(reason) => reason.to_string(),
            };
            let port = print::port(&status.port);
            let json = json!({"message": "port_status", "what": what, "port": print::port_json(&status.port)});
            (format!("PORT_STATUS {what}: {port}"), json)
        }
        Message::FlowRemoved(removed) => {
            let text = format!("FLOW_REMOVED {:?} {}", removed.reason, removed.key);
            let json = json!({"message": "flow_removed", "flow": removed.key.to_string()});
            (text, json)
        }
        other => (other.name().to_owned(), json!({"message": other.name()})),
    }
}

/// A packet, why it came, what is known of it, and its bytes.
fn say_packet(packet: &PacketIn) -> Said {
    let reason = packet
        .reason
        .and_then(|reason| REASONS.get(usize::from(reason)));
    let reason = reason.copied().unwrap_or("unknown");
    let length = packet
        .full_len
        .map_or(packet.packet.len(), |len| len as usize);
    let port = packet.metadata.exact(Field::InPortOxm);
    let metadata = packet.metadata.to_string();
    let summary = summary(&packet.packet);
    let bytes = hex(&packet.packet);
    let mut text = format!("PACKET_IN total_len={length}");
    if let Some(cookie) = packet.cookie.filter(|cookie| *cookie != u64::MAX) {
        text.push_str(&format!(" cookie={cookie:#x}"));
    }
    if let Some(table) = packet.table {
        text.push_str(&format!(" table_id={table}"));
    }
    text.push_str(&format!(" {metadata} (via {reason})\n{summary}\n{bytes}"));
    let json = json!({
        "message": "packet_in", "reason": reason, "table": packet.table, "total_len": length,
        "cookie": packet.cookie.map(|cookie| format!("{cookie:#x}")),
        "in_port": port.map(|port| port.to_string()),
        "metadata": metadata, "summary": summary, "packet": bytes, "userdata": hex(&packet.userdata),
    });
    (text, json)
}

/// The headers of a packet in the words of the flow language.
fn summary(packet: &[u8]) -> String {
    super::headers::describe(packet)
}
