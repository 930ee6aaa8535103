//! One line at the terminal that says how far a run has come. Nothing where standard error is no terminal.

use std::io::{IsTerminal as _, Write as _, stderr};

use crate::report::text::{count, duration};
use crate::run::Progress;

const BAR_CELLS: usize = 24;

/// The line.
#[derive(Debug)]
pub(super) struct ProgressLine {
    is_shown: bool,
    /// How many load processes were told of.
    shared_by: u32,
}

impl ProgressLine {
    /// Nothing is shown yet.
    pub(super) fn new() -> Self {
        Self { is_shown: stderr().is_terminal(), shared_by: 1 }
    }

    /// Replaces the line. How the load is shared is said for good, whether standard error is a terminal or not; once
    /// for all steps of a ramp.
    pub(super) fn show(&mut self, progress: Progress) {
        match progress {
            Progress::Shared { processes, .. } if processes == self.shared_by => {}
            Progress::Shared { processes, .. } => {
                self.shared_by = processes;
                self.clear();
                // A terminal that is gone is no reason to end a run.
                let _ = writeln!(stderr(), "{}", line(progress));
            }
            Progress::Stopping => {
                self.clear();
                // A terminal that is gone is no reason not to end.
                let _ = writeln!(stderr(), "{}", line(progress));
            }
            Progress::Step { .. } => self.write(&(line(progress) + "\n")),
            _ => self.write(&line(progress)),
        }
    }

    /// Leaves the terminal as it was.
    pub(super) fn clear(&mut self) {
        self.write("");
    }

    fn write(&self, text: &str) {
        if self.is_shown {
            // A terminal that is gone is no reason to end a run.
            let _ = write!(stderr(), "\r\x1b[K{text}");
        }
    }
}

fn line(progress: Progress) -> String {
    match progress {
        Progress::Shared { connections, processes } => {
            format!("{} connections, shared by {processes} load processes", count(connections as f64))
        }
        Progress::Stopping => "ending the run; Ctrl-C once more ends it at once".into(),
        Progress::Gathering { ready, total } => {
            format!("{} {} of {} clients", bar(ready as f64 / total as f64), count(ready as f64), count(total as f64))
        }
        Progress::Step { rate_per_s, held, p99_ns } => {
            let (outcome, p99) = (if held { "held" } else { "broke" }, p99_ns.map_or("–".into(), duration));
            format!("{} per s {outcome}, p99 {p99}", count(rate_per_s))
        }
        Progress::Second { measured, elapsed_s, total_s, measure, summary } => {
            let stage = if measured { "measuring" } else { "warming up" };
            let (bar, name, per_s) = (bar(elapsed_s / total_s), measure.name(), count(summary.per_s));
            let (p50, p99, max) = (duration(summary.p50_ns), duration(summary.p99_ns), duration(summary.max_ns));
            format!(
                "{bar} {elapsed_s:.0} of {total_s:.0} s, {stage}: {per_s} {name}/s, p50 {p50}, p99 {p99}, max {max}"
            )
        }
    }
}

fn bar(share: f64) -> String {
    let full = (share.clamp(0.0, 1.0) * BAR_CELLS as f64).round() as usize;
    format!("[{}{}]", "█".repeat(full), "·".repeat(BAR_CELLS - full))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::{Measure, Summary};

    #[test]
    fn the_bar_is_as_full_as_the_run_is_old() {
        assert_eq!(bar(0.0).matches('█').count(), 0);
        assert_eq!(bar(0.5).matches('█').count(), BAR_CELLS / 2);
        assert_eq!(bar(1.7).matches('█').count(), BAR_CELLS);
    }

    #[test]
    fn the_line_tells_rate_and_latency() {
        let summary = Summary { per_s: 12_345.0, p50_ns: 1500, p99_ns: 2_000_000, ..Summary::default() };
        let (measured, measure) = (true, Measure::Delivery);
        let line = line(Progress::Second { measured, elapsed_s: 3.0, total_s: 12.0, measure, summary });
        assert!(line.contains("3 of 12 s, measuring: 12,345 delivery/s, p50 1.50 µs, p99 2.00 ms"), "{line}");
    }
}
