//! One Northbound loaded into Heddle and into the stock programs, side by side on this machine.
//!
//! Figures only: nothing here asserts how fast anything is.

pub mod agent;
mod allocations;
pub mod hvflow;
pub mod openflow;
pub mod ovsdb;
pub mod region;
mod shape;
mod switch;

use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::Result;
use serde_json::json;

pub use self::allocations::Counting;
pub use self::shape::Kubernetes;
use crate::centre::{Central, Centre};
use crate::database::Database;
use crate::scratch::Scratch;

const PATIENCE: Duration = Duration::from_secs(1800);

/// What one side did.
#[derive(Clone, Debug)]
pub struct Figures {
    /// From the first commit of the load until the Southbound held all of it.
    pub complete: Duration,
    /// Until the commits alone were acknowledged.
    pub committed: Duration,
    /// Per kind of edit, from the request to the Southbound committed; the median.
    pub edits: Vec<(&'static str, Duration)>,
    /// The most memory that its processes ever held, in bytes.
    pub memory: u64,
    /// Rows of `Logical_Flow`.
    pub logical_flows: usize,
}

/// Runs one side: loads `shape`, then makes each kind of edit `times` times.
///
/// # Errors
/// When a program does not come up or refuses something.
pub fn run(central: Central, heddle: &Path, shape: Kubernetes, times: usize) -> Result<Figures> {
    let scratch = Scratch::new()?;
    let running = Centre::start(central, heddle, &scratch)?;
    let mut northbound = Database::open(&running.northbound(), "OVN_Northbound")?;
    northbound.sync("sb_cfg", PATIENCE)?;

    let start = Instant::now();
    shape.load(&mut northbound)?;
    let committed = start.elapsed();
    northbound.sync("sb_cfg", PATIENCE)?;
    let complete = start.elapsed();

    let mut edits = Vec::new();
    for (name, edit) in EDITS {
        edits.push((*name, median_edit(&mut northbound, *edit, times)?));
    }
    let mut southbound = Database::open(&running.southbound(), "OVN_Southbound")?;
    let logical_flows = southbound
        .select("Logical_Flow", json!([]), &["_uuid"])?
        .len();
    Ok(Figures {
        complete,
        committed,
        edits,
        memory: running.peak_memory()?,
        logical_flows,
    })
}

type Edit = fn(usize) -> Vec<serde_json::Value>;

const EDITS: &[(&str, Edit)] = &[
    ("one port added", shape::one_port),
    ("one route added", shape::one_route),
    ("one router port added", shape::one_router_port),
];

fn median_edit(northbound: &mut Database, edit: Edit, times: usize) -> Result<Duration> {
    let mut took = Vec::new();
    for number in 0..times {
        took.push(northbound.commit_and_wait(edit(number), "sb_cfg", PATIENCE)?);
    }
    took.sort_unstable();
    Ok(took.get(took.len() / 2).copied().unwrap_or_default())
}

/// Writes the sides that were measured, and the ratios if both were.
///
/// # Errors
/// When `out` cannot be written.
pub fn write(out: &mut dyn Write, stock: Option<&Figures>, ours: Option<&Figures>) -> Result<()> {
    writeln!(
        out,
        "| what | stock | heddle | stock / heddle |\n|---|---|---|---|"
    )?;
    for (number, what) in lines(stock.or(ours)).into_iter().enumerate() {
        let of = |side: Option<&Figures>| side.map(|side| side.values()[number]);
        let cell = |value: Option<Value>| value.map_or_else(|| "-".to_owned(), Value::text);
        let ratio = of(stock)
            .zip(of(ours))
            .map(|(stock, ours)| stock.number() / ours.number());
        let ratio = ratio.map_or_else(|| "-".to_owned(), |ratio| format!("{ratio:.1}"));
        writeln!(
            out,
            "| {what} | {} | {} | {ratio} |",
            cell(of(stock)),
            cell(of(ours))
        )?;
    }
    Ok(())
}

fn lines(figures: Option<&Figures>) -> Vec<String> {
    let edits = figures.into_iter().flat_map(|figures| &figures.edits);
    let mut lines = vec![
        "load to last commit".to_owned(),
        "load to Southbound complete".to_owned(),
    ];
    lines.extend(edits.map(|(name, _)| format!("{name}, median")));
    lines.extend(["peak memory".to_owned(), "Logical_Flow rows".to_owned()]);
    lines
}

/// One figure.
#[derive(Clone, Copy)]
enum Value {
    Time(Duration),
    Bytes(u64),
    Count(usize),
}

impl Figures {
    /// In the order of [`lines`].
    fn values(&self) -> Vec<Value> {
        let mut values = vec![Value::Time(self.committed), Value::Time(self.complete)];
        values.extend(self.edits.iter().map(|(_, took)| Value::Time(*took)));
        values.extend([Value::Bytes(self.memory), Value::Count(self.logical_flows)]);
        values
    }
}

impl Value {
    fn number(self) -> f64 {
        match self {
            Self::Time(time) => time.as_secs_f64(),
            Self::Bytes(bytes) => bytes as f64,
            Self::Count(count) => count as f64,
        }
    }

    fn text(self) -> String {
        match self {
            Self::Time(time) if time < Duration::from_secs(1) => {
                format!("{:.1} ms", time.as_secs_f64() * 1000.0)
            }
            Self::Time(time) => format!("{:.2} s", time.as_secs_f64()),
            Self::Bytes(bytes) => format!("{:.0} MB", bytes as f64 / 1e6),
            Self::Count(count) => count.to_string(),
        }
    }
}
