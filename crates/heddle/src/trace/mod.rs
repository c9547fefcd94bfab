//! `heddle trace`: says what becomes of a packet, and why.

pub(crate) mod annotate;
mod attend;
pub(crate) mod captured;
pub(crate) mod explain;
mod json;
mod live;
mod origin;
mod pcap;
mod question;
pub(crate) mod source;
pub(crate) mod stock;
mod switches;

use std::io::Write;
use std::process::ExitCode;

use anyhow::{Context, bail};
use pipeline::{Choice, Fields, Form, Network, Options, Payload, State, Trace};

use origin::Origins;
use question::Question;
use source::Source;
use switches::Switches;

/// Arguments of `heddle trace`.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  heddle trace vm1 --to 10.0.0.5 tcp/443        a packet as people describe it; the rest is looked up
  heddle trace vm1 --to 10.0.0.5 ping --both    and its answer
  heddle trace vm1 --to 10.0.0.5 ping --live    and a real packet, in the switch of this host
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
    #[command(flatten)]
    forms: stock::FormArgs,
    /// As JSON.
    #[arg(long, conflicts_with_all = ["detailed", "summary", "minimal", "all"])]
    json: bool,
    /// The OpenFlow flows beside the logical flows, of the switches that are named, or of this one [default: br-int].
    #[arg(long, num_args = 0..=1, require_equals = true, value_name = "REMOTE")]
    ovs: Option<Option<String>>,
    /// Send the packet into the real switch of its port, follow it by the counters of flows, and say whether it went
    /// the same way.
    #[arg(long, conflicts_with_all = ["both", "ct", "pcap"])]
    live: bool,
    #[command(flatten)]
    switches: switches::SwitchesArgs,
    /// The whole network as one place, without chassis and the tunnels between them.
    #[arg(long, conflicts_with = "live")]
    one_place: bool,
    #[command(flatten)]
    assume: AssumeArgs,
}

/// What is assumed about the state of the network.
#[derive(clap::Args, Clone)]
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
    /// How other backends and members are chosen: by the addresses, the first, or by the addresses with this number.
    #[arg(long, value_name = "addresses|first|NUMBER", default_value = "addresses", value_parser = parse_choice)]
    choice: Choice,
    /// The length of the packet in bytes, for what depends on it.
    #[arg(long, value_name = "BYTES")]
    length: Option<u32>,
}

impl AssumeArgs {
    fn options(&self) -> Options {
        Options {
            backend: self.lb_dst,
            select: self.select_id,
            choice: self.choice,
            length: self.length,
            ..Options::default()
        }
    }
}

fn parse_endpoint(text: &str) -> Result<(std::net::IpAddr, u16), String> {
    pipeline::endpoint(text).ok_or_else(|| format!("{text}: not an address, nor ADDRESS:PORT"))
}

fn parse_choice(text: &str) -> Result<Choice, String> {
    match text {
        "addresses" => Ok(Choice::Addresses),
        "first" => Ok(Choice::First),
        number => number
            .parse()
            .map(Choice::Seed)
            .map_err(|_| "say addresses, first, or a number".to_owned()),
    }
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
    /// Which of the two ways it is, where both are traced.
    way: &'static str,
    trace: Trace,
    sentence: String,
    live: Option<live::Outcome>,
    /// Its answer is asked for, and there is none.
    has_no_answer: bool,
}

pub(crate) async fn run(mut args: Args) -> anyhow::Result<ExitCode> {
    args.point_at_demo();
    let source = Source::connect(&args.source).await?;
    let network = Network::new(&source.rows());
    let origins = Origins::connect(&args.source).await;
    let mark = live::Mark::new();
    if args.live {
        // A connection that nobody knows yet, as the interpreter takes it to be.
        let port = args.question.source_port;
        args.question.source_port = port.or_else(|| Some(mark.source_port()));
    }
    let questions = Question::read(&args.question, &network)?;
    let mut answers = converse(&args, &network, &origins, &questions);
    let switches = args.switches(&network).await?;
    if args.live {
        let ([question], [answer]) = (questions.as_slice(), answers.as_mut_slice()) else {
            bail!("--live: send one packet at a time");
        };
        let switches = switches.as_ref().context("--live: no switch is named")?;
        let sent = live::Sent {
            network: &network,
            switches,
            packet: &question.packet,
            payload: &question.payload,
            trace: &answer.trace,
            mark,
        };
        answer.live = Some(sent.follow().await?);
    }
    if let Some(switches) = switches.filter(|_| args.ovs.is_some()) {
        for answer in &mut answers {
            switches.annotate(&network, &mut answer.trace).await?;
        }
    }
    let text = if args.json {
        json::print(&network, &origins, &answers)
    } else {
        print(&network, &answers, &forms(&args))
    };
    std::io::stdout()
        .lock()
        .write_all(text.as_bytes())
        .context("standard output")?;
    let differs = |it: &Answer| {
        it.live
            .as_ref()
            .is_some_and(|it| !it.differences.is_empty())
    };
    Ok(ExitCode::from(u8::from(answers.iter().any(differs))))
}

/// The packets, and the answers to them if those are asked for too, one after the other in one state.
fn converse(
    args: &Args,
    network: &Network,
    origins: &Origins,
    questions: &[Question],
) -> Vec<Answer> {
    let mut state = if args.assume.ct.is_empty() {
        State::default()
    } else {
        State::assuming(args.assume.ct.clone())
    };
    let mut run = |inport, packet: &Fields, payload, length| {
        let options = Options {
            payload,
            length,
            places: !args.one_place,
            ..args.assume.options()
        };
        let trace = network.run(inport, packet, &mut state, &options);
        let sentence = pipeline::sentence(network, &trace, &|flow| origins.of_flow(flow));
        Answer {
            way: if args.both { "there: " } else { "" },
            trace,
            sentence,
            live: None,
            has_no_answer: false,
        }
    };
    let mut answers = Vec::new();
    for question in questions {
        let length = args.assume.length.or(question.length);
        let mut there = run(
            question.inport,
            &question.packet,
            question.payload.clone(),
            length,
        );
        let reply = network.reply(&there.trace).filter(|_| args.both);
        there.has_no_answer = args.both && reply.is_none();
        answers.push(there);
        if let Some((inport, packet)) = reply {
            let back = run(inport, &packet, Payload::Data, None);
            answers.push(Answer {
                way: "back: ",
                ..back
            });
        }
    }
    answers
}

impl Args {
    /// A kept demo has its databases in its folder.
    fn point_at_demo(&mut self) {
        if let Some(folder) = self.switches.demo() {
            let socket = |name: &str| Some(format!("unix:{}", folder.join(name).display()));
            let source = &mut self.source;
            source.db = source.db.take().or_else(|| socket("ovnsb_db.sock"));
            source.nb_db = source.nb_db.take().or_else(|| socket("ovnnb_db.sock"));
        }
    }

    /// The switches that are asked for; the one of this host where none is named.
    async fn switches(&self, network: &Network) -> anyhow::Result<Option<Switches>> {
        if self.ovs.is_none() && !self.live {
            anyhow::ensure!(
                !self.switches.is_named(),
                "--switch: say what it is for, --ovs or --live"
            );
            return Ok(None);
        }
        let named = self.ovs.clone().flatten();
        let other = named.or_else(|| {
            let none = !self.switches.is_some();
            none.then(switches::of_this_host)
        });
        let switches = self.switches.connect(network, other, &self.source).await?;
        Ok(Some(switches))
    }
}

fn forms(args: &Args) -> Vec<Form> {
    let mut forms = args.forms.named();
    if forms.is_empty() && args.ovs.is_some() && !args.json {
        // Flows stand beside flows, so there must be some.
        forms.push(Form::Detailed);
    }
    forms
}

fn print(network: &Network, answers: &[Answer], forms: &[Form]) -> String {
    let mut text = String::new();
    for answer in answers {
        text.push_str(answer.way);
        text.push_str(&answer.sentence);
        text.push('\n');
        if let Some(live) = &answer.live {
            text.push_str(&live.sentence(network, answer.trace.inport));
        }
        if !forms.is_empty() {
            text.push_str(&pipeline::print(network, &answer.trace, forms));
        }
        if let Some(live) = answer.live.as_ref().filter(|_| !forms.is_empty()) {
            text.push_str(&live.lines(network));
        }
        if answer.has_no_answer {
            let why = "because the packet was not delivered to exactly one port";
            text.push_str(&format!("back: nothing, {why}\n"));
        }
    }
    text
}

/// The names that are nearest to one that does not exist, as a hint.
pub(crate) fn nearest<'a>(name: &str, names: impl Iterator<Item = &'a str>) -> String {
    let names = logic::nearest(name, names);
    if names.is_empty() {
        String::new()
    } else {
        format!("; did you mean {}?", names.join(" or "))
    }
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
