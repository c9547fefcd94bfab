//! `heddle trace`: says what becomes of a packet, and why.

pub(crate) mod captured;
pub(crate) mod explain;
mod json;
mod origin;
mod pcap;
mod question;
mod source;
pub(crate) mod stock;

use std::io::Write;
use std::process::ExitCode;

use anyhow::{Context, bail};
use pipeline::{Form, Network, Options, State, Trace};

use origin::Origins;
use question::Question;
use source::Source;

/// Arguments of `heddle trace`.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  heddle trace vm1 --to 10.0.0.5 tcp/443        a packet as people describe it; the rest is looked up
  heddle trace vm1 --to 10.0.0.5 ping --both    and its answer
  heddle trace 'inport == \"vm1\" && eth.src == 02:00:00:00:00:01 && eth.dst == ff:ff:ff:ff:ff:ff'
  heddle trace vm1 --pcap capture.pcap --packet 3")]
pub(crate) struct Args {
    #[command(flatten)]
    question: question::QuestionArgs,
    #[command(flatten)]
    source: source::SourceArgs,
    /// Trace the answer as well, with what the network remembers of the packet.
    #[arg(long)]
    both: bool,
    /// Every table that says something, with its flow and actions.
    #[arg(long)]
    detailed: bool,
    /// Pipelines and actions.
    #[arg(long)]
    summary: bool,
    /// What changed the packet, and where it went.
    #[arg(long)]
    minimal: bool,
    /// All three of them.
    #[arg(long)]
    all: bool,
    /// As JSON.
    #[arg(long, conflicts_with_all = ["detailed", "summary", "minimal", "all"])]
    json: bool,
    #[command(flatten)]
    assume: AssumeArgs,
}

/// What is assumed about the state of the network.
#[derive(clap::Args)]
pub(crate) struct AssumeArgs {
    /// State that connection tracking is assumed to report, such as new or est,rpl; once for each look-up. Without,
    /// connections are modelled, beginning with none.
    #[arg(long, value_name = "FLAGS", value_parser = parse_state)]
    ct: Vec<u32>,
    /// The backend that load balancers prefer.
    #[arg(long, value_name = "IP[:PORT]", value_parser = parse_endpoint)]
    lb_dst: Option<(std::net::IpAddr, u16)>,
    /// The member that select actions prefer.
    #[arg(long, value_name = "ID")]
    select_id: Option<u16>,
}

impl AssumeArgs {
    fn options(&self) -> Options {
        Options {
            backend: self.lb_dst,
            select: self.select_id,
            ..Options::default()
        }
    }
}

fn parse_endpoint(text: &str) -> Result<(std::net::IpAddr, u16), String> {
    pipeline::endpoint(text).ok_or_else(|| format!("{text}: not an address, nor ADDRESS:PORT"))
}

/// Reads names of connection states between commas, spaces or bars.
fn parse_state(text: &str) -> Result<u32, String> {
    let names = pipeline::STATE_NAMES;
    let mut words = text.split([',', ' ', '|']).filter(|word| !word.is_empty());
    words.try_fold(0, |bits, word| {
        let at = names.iter().position(|name| *name == word);
        let at = at.ok_or_else(|| format!("{word}: not one of {}", names.join(", ")))?;
        Ok(bits | 1 << at)
    })
}

/// One packet with what became of it.
struct Answer {
    trace: Trace,
    sentence: String,
}

pub(crate) async fn run(args: Args) -> anyhow::Result<ExitCode> {
    let source = Source::connect(&args.source).await?;
    let network = Network::new(&source.rows());
    let origins = Origins::connect(&args.source).await;
    let question = Question::read(&args.question, &network)?;
    let options = args.assume.options();
    let mut state = if args.assume.ct.is_empty() {
        State::default()
    } else {
        State::assuming(args.assume.ct.clone())
    };
    let mut answers = Vec::new();
    let (mut inport, mut packet) = (question.inport, question.packet);
    loop {
        let trace = network.run(inport, &packet, &mut state, &options);
        let sentence = pipeline::sentence(&network, &trace, &|flow| origins.of_flow(flow));
        answers.push(Answer { trace, sentence });
        if !args.both || answers.len() == 2 {
            break;
        }
        let Some(reply) = network.reply(&answers[0].trace) else {
            break;
        };
        (inport, packet) = reply;
    }
    let text = if args.json {
        json::print(&network, &origins, &answers)
    } else {
        print(&network, &answers, &forms(&args), args.both)
    };
    std::io::stdout()
        .lock()
        .write_all(text.as_bytes())
        .context("standard output")?;
    Ok(ExitCode::SUCCESS)
}

fn forms(args: &Args) -> Vec<Form> {
    let wanted = [
        (args.detailed, Form::Detailed),
        (args.summary, Form::Summary),
        (args.minimal, Form::Minimal),
    ];
    let wanted = wanted.iter().filter(|it| it.0 || args.all);
    wanted.map(|it| it.1).collect()
}

fn print(network: &Network, answers: &[Answer], forms: &[Form], both: bool) -> String {
    let mut text = String::new();
    for (at, answer) in answers.iter().enumerate() {
        match (both, at) {
            (false, _) => {}
            (true, 0) => text.push_str("there: "),
            (true, _) => text.push_str("back: "),
        }
        text.push_str(&answer.sentence);
        text.push('\n');
        if !forms.is_empty() {
            text.push_str(&pipeline::print(network, &answer.trace, forms));
        }
    }
    if both && answers.len() == 1 {
        text.push_str("back: nothing, because the packet was not delivered to exactly one port\n");
    }
    text
}

/// The names that are nearest to one that does not exist, as a hint.
pub(crate) fn nearest<'a>(name: &str, names: impl Iterator<Item = &'a str>) -> String {
    let mut near: Vec<(usize, &str)> = names
        .filter(|it| !it.is_empty())
        .map(|it| (distance(name, it), it))
        .filter(|it| it.0 <= name.len().max(3) / 2)
        .collect();
    near.sort_unstable();
    near.dedup();
    let least = near.first().map_or(0, |it| it.0);
    near.retain(|it| it.0 == least);
    let names: Vec<&str> = near.iter().take(3).map(|it| it.1).collect();
    if names.is_empty() {
        String::new()
    } else {
        format!("; did you mean {}?", names.join(" or "))
    }
}

/// How many characters must be added, removed, replaced or exchanged with their neighbour to make one of the other.
fn distance(one: &str, other: &str) -> usize {
    let one: Vec<char> = one.chars().collect();
    let other: Vec<char> = other.chars().collect();
    let mut before = Vec::new();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (at, a) in one.iter().enumerate() {
        let mut next = vec![at + 1];
        for (column, b) in other.iter().enumerate() {
            let replaced = row[column] + usize::from(a != b);
            let mut least = replaced.min(row[column + 1] + 1).min(next[column] + 1);
            if at > 0 && column > 0 && *a == other[column - 1] && one[at - 1] == *b {
                least = least.min(before[column - 1] + 1);
            }
            next.push(least);
        }
        before = std::mem::replace(&mut row, next);
    }
    row[other.len()]
}

/// Fails with the names that are nearest to one that does not exist.
pub(crate) fn no_such_port<T>(network: &Network, name: &str) -> anyhow::Result<T> {
    let names = network.ports().map(|it| &*it.1.logical_name);
    bail!("unknown port \"{name}\"{}", nearest(name, names))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_names_are_told() {
        assert_eq!(distance("vm1", "vm1"), 0);
        assert_eq!(distance("vm1", "vm12"), 1);
        assert_eq!(distance("kitten", "sitting"), 3);
        assert_eq!(distance("wbe1", "web1"), 1);
        let names = ["web1", "web2", "db1"];
        assert_eq!(nearest("wbe1", names.into_iter()), "; did you mean web1?");
        assert_eq!(nearest("nothing-like-it", names.into_iter()), "");
    }

    #[test]
    fn states_are_read() {
        assert_eq!(parse_state("trk,est"), Ok(0x22));
        assert_eq!(parse_state("new|rpl"), Ok(0x9));
        assert!(parse_state("old").unwrap_err().contains("not one of new"));
    }
}
