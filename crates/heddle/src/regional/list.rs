//! `heddle region hypervisor apply`: the hypervisors of a list.

use std::collections::BTreeMap;
use std::io::Write;
use std::process::ExitCode;

use anyhow::Context;
use rpc::region::v1;

use super::asks::read;
use super::client::Ask;
use super::follow::Asker;
use super::how::How;
use super::look;

/// The list, and what becomes of hypervisors that are not in it.
#[derive(clap::Args)]
pub(super) struct Args {
    /// The list, YAML or JSON; - is the standard input.
    #[arg(value_name = "FILE")]
    file: String,
    /// Forget hypervisors that are not in the list; they must have no machines.
    #[arg(long)]
    prune: bool,
    #[command(flatten)]
    how: How,
}

pub(super) async fn apply(asker: &mut Asker, args: Args) -> anyhow::Result<ExitCode> {
    let text = String::from_utf8(read(&args.file)?).context(args.file.clone())?;
    let listed = match api::hypervisors::read(&text) {
        Ok(listed) => listed,
        Err(problems) => {
            let (mut out, name) = (std::io::stderr().lock(), &args.file);
            for problem in &problems {
                writeln!(out, "{name}:{problem}")?;
            }
            let count = problems.len();
            writeln!(out, "{name}: {count} problem(s); nothing was applied")?;
            return Ok(ExitCode::FAILURE);
        }
    };
    let known = look::all_hypervisors(asker, v1::ListHypervisorsRequest::default()).await?;
    let asks = changes(listed, known, args.prune);
    if asks.is_empty() {
        writeln!(
            std::io::stderr(),
            "heddle: all hypervisors are as the list says"
        )?;
    }
    asker.carry_out(asks, &args.how).await
}

/// What makes the hypervisors that are known those of the list.
fn changes(
    listed: Vec<api::hypervisors::Hypervisor>,
    known: Vec<v1::Hypervisor>,
    prune: bool,
) -> Vec<Ask> {
    let mut known: BTreeMap<String, v1::Hypervisor> =
        known.into_iter().map(|it| (it.name.clone(), it)).collect();
    let mut asks = Vec::new();
    for mut wanted in listed {
        wanted.tags.sort_unstable();
        wanted.tags.dedup();
        let same = known.remove(&wanted.name).is_some_and(|mut is| {
            is.tags.sort_unstable();
            (is.endpoint, is.tags, is.enabled)
                == (wanted.endpoint.clone(), wanted.tags.clone(), wanted.enabled)
        });
        if !same {
            let put = v1::PutHypervisorRequest {
                name: wanted.name,
                endpoint: wanted.endpoint,
                tags: wanted.tags,
                enabled: Some(wanted.enabled),
                options: None,
            };
            asks.push(put.into());
        }
    }
    let left = known.into_keys().filter(|_| prune);
    asks.extend(left.map(|name| {
        let (force, options) = (false, None);
        v1::RemoveHypervisorRequest {
            name,
            force,
            options,
        }
        .into()
    }));
    asks
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_differs_is_asked_for() {
        let listed = |name: &str, endpoint: &str| api::hypervisors::Hypervisor {
            name: name.into(),
            endpoint: endpoint.into(),
            tags: vec!["b".into(), "a".into()],
            enabled: true,
        };
        let known = |name: &str, endpoint: &str| v1::Hypervisor {
            name: name.into(),
            endpoint: endpoint.into(),
            tags: vec!["a".into(), "b".into()],
            enabled: true,
            ..v1::Hypervisor::default()
        };
        let list = || {
            vec![
                listed("same", "tcp:a:1"),
                listed("moved", "tcp:b:2"),
                listed("new", "tcp:c:1"),
            ]
        };
        let rows = || {
            vec![
                known("same", "tcp:a:1"),
                known("moved", "tcp:b:1"),
                known("gone", "tcp:d:1"),
            ]
        };
        let names = |asks: Vec<Ask>| -> Vec<String> {
            let name = |ask| match ask {
                Ask::PutHypervisorRequest(it) => it.name,
                Ask::RemoveHypervisorRequest(it) => format!("-{}", it.name),
                other => format!("{other:?}"),
            };
            asks.into_iter().map(name).collect()
        };
        assert_eq!(names(changes(list(), rows(), false)), ["moved", "new"]);
        assert_eq!(
            names(changes(list(), rows(), true)),
            ["moved", "new", "-gone"]
        );
    }
}
