//! `dump-flows --explain`: each flow with the row that it comes from.
//!
//! What is said stands in lines that begin with `#`, so that what is printed can still be read as flows.

use std::collections::HashMap;
use std::process::ExitCode;

use openflow::message::multipart::FlowDesc;
use openflow::{Action, Field, Flow};
use serde_json::Value;

use super::look::{LookArgs, print_lines};
use super::print;
use super::switch::SwitchArgs;
use crate::trace::annotate::{Annotations, Meaning};

/// Whether flows are explained, and where the databases are.
#[derive(clap::Args)]
pub(crate) struct ExplainArgs {
    /// Say of each flow what it comes from: the logical flow or other row of the Southbound, and the row of the
    /// Northbound that this is for.
    #[arg(long, conflicts_with_all = ["stats", "names"])]
    explain: bool,
    /// With --explain, the Southbound database: unix:PATH, tcp:HOST:PORT or ssl:HOST:PORT, several with commas
    /// between.
    #[arg(long, value_name = "REMOTE", env = "OVN_SB_DB")]
    sb_db: Option<String>,
    /// With --explain, the Northbound database, for names.
    #[arg(long, value_name = "REMOTE", env = "OVN_NB_DB")]
    nb_db: Option<String>,
}

impl ExplainArgs {
    pub(super) const fn is_asked(&self) -> bool {
        self.explain
    }

    /// Prints the flows, each behind what it comes from.
    pub(super) async fn print(
        &self,
        switch: &SwitchArgs,
        how: LookArgs,
        flows: &[FlowDesc],
    ) -> anyhow::Result<ExitCode> {
        let source = switch.source(self.sb_db.clone(), self.nb_db.clone());
        let rows = Annotations::connect(&source).await?;
        let cookies = Conjunctions::of(flows);
        print_lines(flows.iter().map(|desc| {
            let meanings = cookies.of_flow(&desc.flow).map(|cookie| rows.of(cookie));
            let meanings = meanings.unwrap_or_default();
            match how.json {
                true => with_json(desc, meanings).to_string(),
                false => with_text(&desc.flow, meanings),
            }
        }))?;
        Ok(ExitCode::SUCCESS)
    }
}

/// The cookies of the flows that conjunctions lead to, by their numbers. The clauses themselves may serve several
/// rows, and carry no cookie.
struct Conjunctions(HashMap<u32, u64>);

impl Conjunctions {
    fn of(flows: &[FlowDesc]) -> Self {
        let ends = flows.iter().filter_map(|desc| {
            let id = desc.flow.key.matches.exact(Field::ConjId)?;
            Some((u32::try_from(id).ok()?, desc.flow.cookie))
        });
        Self(ends.collect())
    }

    /// The cookie that tells what a flow comes from.
    fn of_flow(&self, flow: &Flow) -> Option<u64> {
        if flow.cookie != 0 {
            return Some(flow.cookie);
        }
        flow.actions.iter().find_map(|action| match action {
            Action::Conjunction { id, .. } => self.0.get(&id).copied(),
            _ => None,
        })
    }
}

fn with_text(flow: &Flow, meanings: &[Meaning]) -> String {
    let mut out = String::new();
    for meaning in meanings {
        out.push_str(&format!("# {}\n", meaning.text.replace('\n', " ")));
    }
    if meanings.is_empty() {
        out.push_str(if flow.cookie == 0 {
            "# of no one row: every chassis has it, or several rows ask for it\n"
        } else {
            "# of no row of this Southbound\n"
        });
    }
    out + &flow.to_string()
}

fn with_json(desc: &FlowDesc, meanings: &[Meaning]) -> Value {
    let mut out = print::flow_desc_json(desc);
    out["explained"] = meanings.iter().map(|it| it.json.clone()).collect();
    out
}
