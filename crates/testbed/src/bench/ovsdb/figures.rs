//! What was measured, side by side.

use std::io::Write;
use std::time::Duration;

use anyhow::Result;

use super::side::Side;

/// All figures, in the order in which they were first measured.
#[derive(Default)]
pub(super) struct Figures(Vec<Line>);

struct Line {
    what: String,
    unit: Unit,
    stock: Vec<f64>,
    heddle: Vec<f64>,
}

/// What a figure counts.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Unit {
    /// The only one of which more is better.
    PerSecond,
    Seconds,
    Bytes,
}

impl Figures {
    pub(super) fn rate(&mut self, side: Side, what: &str, per_second: f64) {
        self.add(side, what, Unit::PerSecond, per_second);
    }

    pub(super) fn time(&mut self, side: Side, what: &str, time: Duration) {
        self.add(side, what, Unit::Seconds, time.as_secs_f64());
    }

    pub(super) fn bytes(&mut self, side: Side, what: &str, bytes: u64) {
        self.add(side, what, Unit::Bytes, bytes as f64);
    }

    fn add(&mut self, side: Side, what: &str, unit: Unit, value: f64) {
        let at = self
            .0
            .iter()
            .position(|line| line.what == what)
            .unwrap_or_else(|| {
                self.0.push(Line {
                    what: what.to_owned(),
                    unit,
                    stock: vec![],
                    heddle: vec![],
                });
                self.0.len() - 1
            });
        match side {
            Side::Stock => self.0[at].stock.push(value),
            Side::Heddle => self.0[at].heddle.push(value),
        }
    }

    /// Writes the medians, and how many times as good ours is.
    pub(super) fn write(&self, out: &mut dyn Write) -> Result<()> {
        writeln!(
            out,
            "| what | stock | heddle | times as good |\n|---|---|---|---|"
        )?;
        for line in &self.0 {
            let (stock, heddle) = (median(&line.stock), median(&line.heddle));
            let cell = |value: Option<f64>| {
                value.map_or_else(|| "-".to_owned(), |value| line.unit.text(value))
            };
            let ratio = stock.zip(heddle).map(|(stock, heddle)| match line.unit {
                Unit::PerSecond => heddle / stock,
                Unit::Seconds | Unit::Bytes => stock / heddle,
            });
            let ratio = ratio.map_or_else(|| "-".to_owned(), |ratio| format!("{ratio:.2}"));
            writeln!(
                out,
                "| {} | {} | {} | {ratio} |",
                line.what,
                cell(stock),
                cell(heddle)
            )?;
        }
        Ok(())
    }
}

/// The value at a part of the way, of all in order.
pub(super) fn quantile<T: Copy + PartialOrd>(values: &[T], part: f64) -> Option<T> {
    let mut values = values.to_vec();
    values.sort_by(|a, b| a.partial_cmp(b).unwrap_or(std::cmp::Ordering::Equal));
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a place among few values"
    )]
    let at = (values.len() as f64 * part) as usize;
    values.get(at.min(values.len().saturating_sub(1))).copied()
}

fn median(values: &[f64]) -> Option<f64> {
    quantile(values, 0.5)
}

impl Unit {
    fn text(self, value: f64) -> String {
        match self {
            Self::PerSecond => format!("{value:.0} /s"),
            Self::Seconds if value < 0.001 => format!("{:.0} µs", value * 1e6),
            Self::Seconds if value < 1.0 => format!("{:.1} ms", value * 1e3),
            Self::Seconds => format!("{value:.2} s"),
            Self::Bytes => format!("{:.1} MB", value / 1e6),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_is_better_for_rates_alone() {
        let mut figures = Figures::default();
        for value in [1.0, 2.0, 3.0] {
            figures.rate(Side::Stock, "rate", value);
            figures.rate(Side::Heddle, "rate", 2.0 * value);
        }
        figures.bytes(Side::Stock, "bytes", 3_000_000);
        figures.bytes(Side::Heddle, "bytes", 1_000_000);
        figures.time(Side::Stock, "time", Duration::from_micros(5));
        let mut text = Vec::new();
        figures.write(&mut text).unwrap();
        let text = String::from_utf8(text).unwrap();
        let lines: Vec<&str> = text.lines().skip(2).collect();
        assert_eq!(lines[0], "| rate | 2 /s | 4 /s | 2.00 |");
        assert_eq!(lines[1], "| bytes | 3.0 MB | 1.0 MB | 3.00 |");
        assert_eq!(lines[2], "| time | 5 µs | - | - |");
    }

    #[test]
    fn quantiles_of_few_values() {
        assert_eq!(quantile::<u8>(&[], 0.5), None);
        assert_eq!(quantile(&[5, 1, 3], 0.5), Some(3));
        assert_eq!(quantile(&[5, 1, 3], 0.99), Some(5));
    }
}
