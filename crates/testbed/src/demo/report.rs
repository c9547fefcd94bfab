//! What a person sees: progress, a line for each expectation, and totals.

use std::io::Write;
use std::time::{Duration, Instant};

use anyhow::Result;
use api::document::Outcome;

use super::check::{Check, Verdict};

/// How many expectations held.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// As they should.
    pub held: usize,
    /// Otherwise.
    pub differed: usize,
    /// Of those that held, how many were to get no answer.
    pub failed_as_expected: usize,
}

/// Writes as things happen.
pub(super) struct Report<'a> {
    out: &'a mut dyn Write,
    widths: [usize; 3],
    totals: Totals,
}

impl<'a> Report<'a> {
    pub(super) fn new(out: &'a mut dyn Write) -> Self {
        Self {
            out,
            widths: [0; 3],
            totals: Totals::default(),
        }
    }

    /// Names what is being done, does it, and says how long it took.
    pub(super) fn step<T>(&mut self, what: &str, work: impl FnOnce() -> Result<T>) -> Result<T> {
        write!(self.out, "{what} ... ")?;
        self.out.flush()?;
        let start = Instant::now();
        let result = work();
        match &result {
            Ok(_) => writeln!(self.out, "{:.1} s", start.elapsed().as_secs_f64())?,
            Err(_) => writeln!(self.out, "failed")?,
        }
        result
    }

    /// A step without which the rest still makes sense: its failure counts as something that differs.
    pub(super) fn attempt(&mut self, what: &str, work: impl FnOnce() -> Result<()>) -> Result<()> {
        if let Err(error) = self.step(what, work) {
            writeln!(self.out, "    {error:#}   <--- DIFFERS")?;
            self.totals.differed += 1;
        }
        Ok(())
    }

    /// Makes room for these lines, so that they stand in columns.
    pub(super) fn lines(&mut self, checks: &[Check]) -> Result<()> {
        for check in checks {
            for (width, text) in self.widths.iter_mut().zip(check.columns()) {
                *width = (*width).max(text.chars().count());
            }
        }
        writeln!(self.out)?;
        Ok(())
    }

    /// Writes the line of a check, with what comes of it at the end.
    pub(super) fn check(
        &mut self,
        check: &Check,
        run: impl FnOnce() -> Result<Verdict>,
    ) -> Result<()> {
        let [from, to, what] = check.columns();
        let [a, b, c] = self.widths;
        let should = word(check.should);
        write!(
            self.out,
            "{from:a$} ---> {to:b$}  {what:c$}  should {should} ... "
        )?;
        self.out.flush()?;
        // What could not even be asked did not come out as it should.
        let verdict = run().unwrap_or_else(|error| Verdict::differs(format!("{error:#}")));
        let mark = if verdict.holds { "" } else { "   <--- DIFFERS" };
        writeln!(self.out, "{}{mark}", verdict.said)?;
        if !verdict.holds {
            self.totals.differed += 1;
        } else {
            self.totals.held += 1;
            self.totals.failed_as_expected += usize::from(check.should == Outcome::Fail);
        }
        Ok(())
    }

    /// Writes the last line.
    pub(super) fn totals(self, took: Duration) -> Result<Totals> {
        let Totals {
            held,
            differed,
            failed_as_expected,
        } = self.totals;
        writeln!(
            self.out,
            "\n{} expectations: {held} held ({failed_as_expected} of them failed as expected), \
             {differed} differed; {:.1} s",
            held + differed,
            took.as_secs_f64()
        )?;
        Ok(self.totals)
    }
}

fn word(should: Outcome) -> &'static str {
    match should {
        Outcome::Pass => "pass",
        Outcome::Fail => "fail",
        Outcome::Expire => "expire",
    }
}
