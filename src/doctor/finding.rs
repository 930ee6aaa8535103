//! What a check of the host found.

use std::fmt;

use serde::Serialize;

/// How much a finding matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// As it should be.
    Ok,
    /// A node runs, but not as far as it could.
    Warn,
    /// A node cannot run.
    Fail,
}

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What was looked at.
    pub check: &'static str,
    /// How much it matters.
    pub verdict: Verdict,
    /// What it is.
    pub value: String,
    /// What that means for a node.
    pub meaning: String,
    /// What to run or to write to mend it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fix: Option<String>,
    /// The file of the repository that mends it, or tells more about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub see: Option<&'static str>,
}

impl Finding {
    pub(crate) fn ok(check: &'static str, value: impl ToString, meaning: impl Into<String>) -> Self {
        Self { check, verdict: Verdict::Ok, value: value.to_string(), meaning: meaning.into(), fix: None, see: None }
    }

    pub(crate) fn warn(
        check: &'static str,
        value: impl ToString,
        meaning: impl Into<String>,
        fix: impl Into<String>,
        see: &'static str,
    ) -> Self {
        Self { verdict: Verdict::Warn, fix: Some(fix.into()), see: Some(see), ..Self::ok(check, value, meaning) }
    }

    pub(crate) fn fail(
        check: &'static str,
        value: impl ToString,
        meaning: impl Into<String>,
        fix: impl Into<String>,
        see: &'static str,
    ) -> Self {
        Self { verdict: Verdict::Fail, ..Self::warn(check, value, meaning, fix, see) }
    }

    /// Leads to a file that tells more, where nothing has to be mended.
    pub(super) fn see(self, page: &'static str) -> Self {
        Self { see: Some(page), ..self }
    }

    /// A check whose value the host does not tell, which does not stop a node.
    pub(super) fn unknown(check: &'static str, problem: String) -> Self {
        Self { verdict: Verdict::Warn, ..Self::ok(check, "unknown", problem) }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {}: {}", self.check, self.value, self.meaning)?;
        if let Some(fix) = &self.fix {
            write!(formatter, "\n      fix: {fix}")?;
        }
        if let Some(see) = self.see {
            write!(formatter, "\n      see: {see}")?;
        }
        Ok(())
    }
}
