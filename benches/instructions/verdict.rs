//! One operation's instructions beside those of the baseline.

use std::fmt;

/// How much more or fewer instructions are no change, percent.
pub(crate) const TOLERANCE_PERCENT: f64 = 5.0;

/// An operation then and now.
#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) name: String,
    /// What the baseline says.
    pub(crate) before: Option<f64>,
    /// What was counted; `None` where there is no such operation.
    pub(crate) now: Option<f64>,
}

/// What a row comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// As many, within the tolerance.
    Same,
    /// So many fewer that more of them would go unnoticed.
    Fewer,
    /// Too many more.
    More,
    /// The baseline does not know the operation.
    Unknown,
    /// Only the baseline knows it.
    Gone,
}

impl Verdict {
    pub(crate) fn is_failure(self) -> bool {
        matches!(self, Self::More | Self::Unknown | Self::Gone)
    }
}

impl Row {
    fn change_percent(&self) -> Option<f64> {
        let (before, now) = (self.before?, self.now?);
        Some((now - before) / before * 100.0)
    }

    pub(crate) fn verdict(&self) -> Verdict {
        match self.change_percent() {
            Some(change) if change > TOLERANCE_PERCENT => Verdict::More,
            Some(change) if change < -TOLERANCE_PERCENT => Verdict::Fewer,
            Some(_) => Verdict::Same,
            None if self.before.is_none() => Verdict::Unknown,
            None => Verdict::Gone,
        }
    }
}

impl fmt::Display for Row {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = |count: Option<f64>| count.map_or("-".into(), |count| format!("{count:.1}"));
        let change = self.change_percent().map_or("-".into(), |change| format!("{change:+.1} %"));
        let mark = if self.verdict().is_failure() { " !" } else { "" };
        write!(out, "{:<74} {:>10} {:>10} {change:>8}{mark}", self.name, count(self.before), count(self.now))
    }
}
