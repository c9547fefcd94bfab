//! Flows in the words of `ovs-dpctl`.

use anyhow::{Context as _, bail};
use odp::{
    Actions, DatapathId, Flow, FlowId, FlowPut, FlowText, Format, Omit, PortNames, PutMode, Ufid,
    monotonic_milliseconds,
};

use super::which::{Which, find_or_only};
use super::{Context, json};

/// How flows are printed.
#[derive(Clone, Copy, clap::Args)]
struct How {
    /// Print what does not count too, and UFIDs.
    #[arg(short, long)]
    more: bool,
    /// Print the names of ports in place of their numbers; so does `-m`.
    #[arg(long)]
    names: bool,
}

/// Arguments of `dump-flows`.
#[derive(clap::Args)]
pub(super) struct DumpArgs {
    #[command(flatten)]
    how: How,
    #[command(flatten)]
    which: Which,
}

/// A flow to be put.
#[derive(clap::Args)]
pub(super) struct PutArgs {
    /// The datapath, which need not be said if there is only one; the flow; the actions.
    #[arg(num_args = 2..=3, value_names = ["DATAPATH", "FLOW", "ACTIONS"], required = true)]
    words: Vec<String>,
}

/// Arguments of `mod-flow`.
#[derive(clap::Args)]
pub(super) struct ModArgs {
    /// Add it if there is none.
    #[arg(long)]
    may_create: bool,
    /// Set its counters to zero.
    #[arg(long)]
    clear: bool,
    #[command(flatten)]
    put: PutArgs,
}

/// Arguments of `get-flow`.
#[derive(clap::Args)]
pub(super) struct GetArgs {
    #[command(flatten)]
    how: How,
    /// The datapath, which need not be said if there is only one; the UFID.
    #[arg(num_args = 1..=2, value_names = ["DATAPATH", "UFID"], required = true)]
    words: Vec<String>,
}

/// Arguments of `del-flow`.
#[derive(clap::Args)]
pub(super) struct DelArgs {
    /// Print what it has counted.
    #[arg(short, long)]
    statistics: bool,
    /// The datapath, which need not be said if there is only one; the flow, or its UFID.
    #[arg(num_args = 1..=2, value_names = ["DATAPATH", "FLOW"], required = true)]
    words: Vec<String>,
}

/// A datapath with what is to be known for printing.
struct Place {
    datapath: DatapathId,
    names: PortNames,
    now: u64,
}

impl Place {
    /// The datapath, if more words stand there than those that must.
    fn find<'a>(
        context: &Context,
        words: &'a [String],
        needed: usize,
    ) -> anyhow::Result<(Self, &'a [String])> {
        let (name, rest) = words.split_at(words.len().saturating_sub(needed));
        let name = name.first().map(String::as_str);
        let datapath = find_or_only(&context.connection, name)?.id;
        Ok((Self::of(context, datapath)?, rest))
    }

    fn of(context: &Context, datapath: DatapathId) -> anyhow::Result<Self> {
        Ok(Self {
            datapath,
            names: context.connection.port_names(datapath)?,
            now: monotonic_milliseconds()?,
        })
    }

    const fn text(&self) -> Actions<'_> {
        Actions {
            names: Some(&self.names),
        }
    }

    fn print(&self, context: &mut Context, flow: &Flow, how: How) -> anyhow::Result<()> {
        let format = Format {
            more: how.more,
            names: (how.names || how.more).then_some(&self.names),
        };
        let now = self.now;
        context.out.line(
            || FlowText { flow, format, now }.to_string(),
            || json::flow(flow, &self.names, now),
        )
    }

    fn put(&self, words: &[String]) -> anyhow::Result<FlowPut> {
        let [flow, actions] = words else {
            bail!("say a flow and its actions");
        };
        let matches = self.text().key(flow).with_context(|| flow.clone())?;
        let actions = self
            .text()
            .parse(actions)
            .with_context(|| actions.clone())?;
        let mut put = FlowPut::new(matches, actions);
        put.ufid = ufid(flow)?;
        Ok(put)
    }
}

/// The UFID that a flow's text begins with.
fn ufid(flow: &str) -> anyhow::Result<Option<Ufid>> {
    let Some(rest) = flow.strip_prefix("ufid:") else {
        return Ok(None);
    };
    let end = rest.find([',', ' ']).unwrap_or(rest.len());
    Ok(Some(rest[..end].parse()?))
}

pub(super) fn dump(context: &mut Context, args: &DumpArgs) -> anyhow::Result<()> {
    let datapath = args.which.find(&context.connection)?.id;
    let place = Place::of(context, datapath)?;
    for flow in context.connection.flows(datapath, Omit::default())? {
        place.print(context, &flow?, args.how)?;
    }
    Ok(())
}

pub(super) fn add(context: &mut Context, args: &PutArgs) -> anyhow::Result<()> {
    let (place, words) = Place::find(context, &args.words, 2)?;
    let put = place.put(words)?.with_mode(PutMode::Create);
    Ok(context.connection.put_flow(place.datapath, &put)?)
}

pub(super) fn modify(context: &mut Context, args: &ModArgs) -> anyhow::Result<()> {
    let (place, words) = Place::find(context, &args.put.words, 2)?;
    let mut put = place.put(words)?;
    put.mode = match args.may_create {
        true => PutMode::Replace,
        false => PutMode::Modify,
    };
    put.clear = args.clear;
    Ok(context.connection.put_flow(place.datapath, &put)?)
}

pub(super) fn get(context: &mut Context, args: &GetArgs) -> anyhow::Result<()> {
    let (place, words) = Place::find(context, &args.words, 1)?;
    let ufid: Ufid = words.concat().parse()?;
    let flow = context.connection.flow(place.datapath, &ufid.into())?;
    place.print(context, &flow, args.how)
}

pub(super) fn delete(context: &mut Context, args: &DelArgs) -> anyhow::Result<()> {
    let (place, words) = Place::find(context, &args.words, 1)?;
    let text = words.concat();
    let id = match ufid(&text)? {
        Some(ufid) => FlowId::Ufid(ufid),
        None => FlowId::Key(place.text().key(&text).with_context(|| text.clone())?.key),
    };
    let flow = context.connection.take_flow(place.datapath, &id)?;
    match args.statistics {
        true => {
            let how = How {
                more: false,
                names: false,
            };
            place.print(context, &flow, how)
        }
        false => Ok(()),
    }
}

pub(super) fn flush(context: &Context, which: &Which) -> anyhow::Result<()> {
    let datapath = which.find(&context.connection)?.id;
    Ok(context.connection.flush_flows(datapath)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ufid_before_a_flow_is_its_own() {
        let text = "ufid:01234567-89ab-cdef-0123-456789abcdef, in_port(1),eth()";
        let found = ufid(text).unwrap().unwrap();
        assert_eq!(
            found.to_string(),
            "ufid:01234567-89ab-cdef-0123-456789abcdef"
        );
        assert_eq!(ufid("in_port(1)").unwrap(), None);
        assert!(ufid("ufid:0123").is_err());
    }
}
