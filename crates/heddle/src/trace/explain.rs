//! `heddle explain`: says what a logical flow is for.

use std::io::Write;
use std::process::ExitCode;

use anyhow::bail;
use pipeline::{Flow, Network};

use super::origin::Origins;
use super::source::{Source, SourceArgs};

/// Arguments of `heddle explain`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// The UUID of a logical flow or its beginning, or the cookie of an OpenFlow flow (0x...).
    #[arg(required = true, value_name = "UUID|COOKIE")]
    what: Vec<String>,
    #[command(flatten)]
    source: SourceArgs,
}

pub(crate) async fn run(args: Args) -> anyhow::Result<ExitCode> {
    let source = Source::connect(&args.source).await?;
    let network = Network::new(&source.rows());
    let origins = Origins::connect(&args.source).await;
    let mut out = std::io::stdout().lock();
    for what in &args.what {
        let wanted = beginning(what)?;
        let found: Vec<&Flow> = network
            .flows()
            .map(|it| it.1)
            .filter(|flow| flow.uuid.simple().to_string().starts_with(&wanted))
            .collect();
        if found.is_empty() {
            bail!(
                "{what}: no logical flow of the Southbound begins like that; flows that only a chassis has \
                 (ports, tunnels, neighbours) carry the UUID of the row that they are for"
            );
        }
        for flow in found {
            let stage = flow.stage.as_deref().unwrap_or("(no stage)");
            writeln!(out, "logical flow {}", flow.uuid)?;
            writeln!(
                out,
                "  stage     {} table {} ({stage})",
                flow.pipeline, flow.table
            )?;
            writeln!(out, "  priority  {}", flow.priority)?;
            writeln!(out, "  match     {}", flow.matches)?;
            writeln!(out, "  actions   {}", flow.actions)?;
            if let Some(origin) = origins.of_flow(flow) {
                writeln!(out, "  for       {origin}")?;
            }
            if let Some(source) = &flow.source {
                writeln!(out, "  made by   {source}")?;
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// The hexadecimal digits that a UUID or cookie begins with.
fn beginning(text: &str) -> anyhow::Result<String> {
    let digits = match text.strip_prefix("0x") {
        // A cookie is the first 32 bits as a number.
        Some(cookie) => format!("{cookie:0>8}"),
        None => text.replace('-', ""),
    };
    if digits.is_empty() || !digits.chars().all(|c| c.is_ascii_hexdigit()) || digits.len() > 32 {
        bail!("{text}: neither a UUID, nor its beginning, nor a cookie such as 0x1f2e3d4c");
    }
    Ok(digits.to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cookies_and_uuids_are_read() {
        assert_eq!(beginning("0x1f").unwrap(), "0000001f");
        assert_eq!(beginning("1F2e-3d").unwrap(), "1f2e3d");
        for bad in ["", "0xzz", "vm1"] {
            assert!(beginning(bad).is_err(), "{bad}");
        }
    }
}
