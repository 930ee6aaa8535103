//! What the host must give a node, and what it should: read from the host, judged against the configuration,
//! each with what it means and how to mend it. `ringpost doctor` prints it; `ringpost serve` looks first.
//!
//! Every check is a file: it reads its values and hands them to a `judge` that knows nothing of the host.

/// A file of the repository that tells more. Where it is not there, this does not compile.
macro_rules! page {
    ($path:literal) => {{
        const _: &[u8] = include_bytes!(concat!("../../", $path));
        $path
    }};
}

mod cores;
mod descriptors;
mod device;
mod drops;
mod huge_pages;
mod interrupts;
mod io_uring;
mod isolation;
mod kernel;
mod limit;
mod memlock;
mod memory;
mod network;
mod ports;
mod power;
mod proc;
mod queues;
mod tcp_memory;
mod threads;

use std::fmt;

use serde::Serialize;

use crate::config::Config;

pub use limit::raise_limits;
pub use ports::why as why_not_listening;

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
    fn ok(check: &'static str, value: impl ToString, meaning: impl Into<String>) -> Self {
        Self { check, verdict: Verdict::Ok, value: value.to_string(), meaning: meaning.into(), fix: None, see: None }
    }

    fn warn(
        check: &'static str,
        value: impl ToString,
        meaning: impl Into<String>,
        fix: impl Into<String>,
        see: &'static str,
    ) -> Self {
        Self { verdict: Verdict::Warn, fix: Some(fix.into()), see: Some(see), ..Self::ok(check, value, meaning) }
    }

    fn fail(
        check: &'static str,
        value: impl ToString,
        meaning: impl Into<String>,
        fix: impl Into<String>,
        see: &'static str,
    ) -> Self {
        Self { verdict: Verdict::Fail, ..Self::warn(check, value, meaning, fix, see) }
    }

    /// Leads to a file that tells more, where nothing has to be mended.
    fn see(self, page: &'static str) -> Self {
        Self { see: Some(page), ..self }
    }

    /// A check whose value the host does not tell, which does not stop a node.
    fn unknown(check: &'static str, problem: String) -> Self {
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

/// Looks at the host as a node with this configuration would need it.
pub fn examine(config: &Config) -> Vec<Finding> {
    let allowed = crate::cores::allowed().unwrap_or_default();
    // Where the list of cores is wrong the other checks judge by one shard.
    let cores = crate::cores::choose_among(&config.shards.cores, &allowed).unwrap_or_else(|_| vec![0]);
    let shards = cores.len() * config.shards.per_core;
    let mut findings = vec![
        kernel::check(),
        io_uring::check(),
        cores::check(&config.shards, &allowed),
        memlock::check(shards, &config.shards),
        threads::check(shards),
        descriptors::check(config.client.connection_limit),
        memory::check(shards, &config.shards),
        huge_pages::check(),
    ];
    findings.extend(ports::check(config));
    findings.extend(network::check(config));
    findings.extend(drops::check(config.http_server.backlog));
    findings.extend(tcp_memory::check(&config.client));
    findings.push(queues::check(shards));
    findings.extend(interrupts::check());
    findings.extend(power::check(&cores));
    findings.push(isolation::check(&cores));
    findings
}
