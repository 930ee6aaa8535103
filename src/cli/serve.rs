//! `ringpost serve`: runs a node.

use std::process::ExitCode;

use clap::Args;

use super::source::Source;
use super::{banner, print};
use crate::config::Config;
use crate::doctor::{Verdict, examine, raise_limits};
use crate::log;
use crate::node::Node;

/// Run a node until SIGTERM or SIGINT; SIGHUP reads the configuration again
#[derive(Debug, Args)]
pub(super) struct Serve {
    #[command(flatten)]
    source: Source,
}

impl Serve {
    pub(super) fn run(self) -> anyhow::Result<ExitCode> {
        let config = self.source.load()?;
        // Until the end of this function: what waits to be logged is written when it goes.
        let _log = log::start(&config.log)?;
        if let Err(error) = raise_limits() {
            tracing::warn!(%error, "the limits of descriptors and locked memory cannot be raised to the hard ones");
        }
        look_at_host(&config)?;
        for advice in config.advice() {
            tracing::warn!("{advice}");
        }
        let dev = self.source.dev;
        let source = self.source;
        let node = Node::start(config.clone(), Box::new(move || source.read()))?;
        // A node serves whether or not somebody reads where it does.
        let _ = print(&banner::text(&config, &node, dev));
        node.wait()?;
        Ok(ExitCode::SUCCESS)
    }
}

/// What the host lacks ends the start; what could be better is only counted, `ringpost doctor` tells it whole.
fn look_at_host(config: &Config) -> anyhow::Result<()> {
    let findings = examine(config);
    let found = |verdict| findings.iter().filter(move |finding| finding.verdict == verdict);
    let failures: String = found(Verdict::Fail).map(|finding| format!("\n  - {finding}")).collect();
    anyhow::ensure!(failures.is_empty(), "this host cannot run a node:{failures}");
    let warnings: Vec<_> = found(Verdict::Warn).map(|finding| finding.check).collect();
    if !warnings.is_empty() {
        tracing::info!("the host could be better in {}: `ringpost doctor` tells how", warnings.join(", "));
    }
    Ok(())
}
