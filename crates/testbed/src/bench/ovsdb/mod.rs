//! Two OVSDB servers over the same Southbound: Debian's `ovsdb-server` and ours, in one run on one machine.
//!
//! Both run over copies of one file on a real disk, are fed the same by the same small clients, and take turns in
//! going first. What a server costs is the processor time of its process. Figures only: nothing here asserts how
//! fast anything is.

mod compaction;
mod contents;
mod fan_out;
mod figures;
mod side;
mod swarm;
mod transactions;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Result;

use contents::Contents;
use figures::Figures;
use side::{Server, Side};

use crate::namespace::Namespace;
use crate::scratch::Scratch;

/// How long a server may take for anything. Stock evaluates each condition for each row: a thousand first views of
/// 200,000 rows take it many minutes.
const PATIENCE: Duration = Duration::from_secs(3600);

/// What can be measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Measure {
    /// Transactions a second.
    Transactions,
    /// Opening a file, and memory.
    Memory,
    /// Many monitors.
    FanOut,
    /// How long compaction holds others up.
    Compaction,
}

/// What to compare, and how large.
#[derive(Clone, Debug, clap::Args)]
pub struct Arguments {
    /// Rows of the Southbound.
    #[arg(long, default_value_t = 200_000)]
    pub rows: usize,
    /// Hypervisors that monitor it; 1000 take the stock server a quarter of an hour for each round.
    #[arg(long, default_value_t = 100)]
    pub monitors: usize,
    /// Rows of the one that is compacted; 530,000 are 300 MB.
    #[arg(long, default_value_t = 530_000)]
    pub compaction_rows: usize,
    /// Seconds for each number of clients.
    #[arg(long, default_value_t = 3)]
    pub seconds: u64,
    /// How often all is measured; medians count.
    #[arg(long, default_value_t = 3)]
    pub rounds: usize,
    /// What to measure; everything when absent.
    #[arg(long, value_enum, value_delimiter = ',')]
    pub measure: Vec<Measure>,
}

/// The places that a run needs.
struct Place<'a> {
    heddle: &'a Path,
    namespace: Namespace,
    scratch: Scratch,
}

impl Place<'_> {
    fn start(&self, side: Side, file: &Path) -> Result<Server> {
        Server::start(side, self.heddle, &self.namespace, &self.scratch, file)
    }

    /// Makes the file of a database.
    fn file(&self, contents: Contents, name: &str) -> Result<PathBuf> {
        let path = self.scratch.path().join(name);
        contents.write(&path)?;
        Ok(path)
    }
}

/// Measures both sides and writes the figures.
///
/// # Errors
/// When a server does not come up or refuses something.
pub fn run(out: &mut dyn Write, heddle: &Path, arguments: &Arguments) -> Result<()> {
    let place = Place {
        heddle,
        namespace: Namespace::new("ovsdb")?,
        scratch: Scratch::new()?,
    };
    let wanted = |measure| arguments.measure.is_empty() || arguments.measure.contains(&measure);
    let contents = Contents::of_rows(arguments.rows);
    let file = place.file(contents, "sb.db")?;
    let large = if wanted(Measure::Compaction) {
        Some(place.file(Contents::of_rows(arguments.compaction_rows), "large.db")?)
    } else {
        None
    };
    let megabytes = std::fs::metadata(&file)?.len() / 1_000_000;
    writeln!(
        out,
        "OVN_Southbound of {} rows, {megabytes} MB; medians of {} rounds\n",
        contents.rows(),
        arguments.rounds
    )?;
    let mut figures = Figures::default();
    for round in 0..arguments.rounds {
        let mut sides = [Side::Stock, Side::Heddle];
        sides.rotate_left(round % 2);
        for side in sides {
            if wanted(Measure::Transactions) {
                transactions::measure(&place, side, arguments, &mut figures)?;
            }
            if wanted(Measure::Memory) {
                memory(&place, side, &file, &mut figures)?;
            }
            if wanted(Measure::FanOut) {
                fan_out::measure(
                    &place,
                    side,
                    &file,
                    contents,
                    arguments.monitors,
                    &mut figures,
                )?;
            }
            if let Some(large) = &large {
                compaction::measure(&place, side, large, &mut figures)?;
            }
        }
    }
    figures.write(out)
}

/// Opens the file and looks at the process.
fn memory(place: &Place<'_>, side: Side, file: &Path, figures: &mut Figures) -> Result<()> {
    let server = place.start(side, file)?;
    let memory = server.memory()?;
    figures.time(side, "open: time", server.opening);
    figures.time(side, "open: processor time", server.processor()?);
    figures.bytes(side, "open: memory (Pss)", memory.now);
    figures.bytes(side, "open: peak memory", memory.peak);
    Ok(())
}
