//! `ringpost serve`: runs a node.

use std::process::ExitCode;

use anyhow::Context as _;
use clap::Args;

use super::banner;
use super::print::print;
use super::source::Source;
use crate::config::Config;
use crate::control::notice;
use crate::control::requests::Requests;
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
        // Before anything else: until then a signal ends the process without a goodbye, and a reload with code 0.
        let requests = Requests::of_signals().context("signals cannot be caught")?;
        let config = self.source.load()?;
        let raised = raise_limits();
        let short = look_at_host(&config)?;
        // Until the end of this function: what waits to be logged is written when it goes.
        let _log = log::start(&config.log)?;
        if let Err(error) = raised {
            tracing::warn!(%error, "descriptors, locked memory and threads cannot be raised to their hard limits");
        }
        if !short.is_empty() {
            tracing::info!("the host could be better in {}: `ringpost doctor` tells how", short.join(", "));
        }
        for advice in config.advice() {
            tracing::warn!("{advice}");
        }
        let dev = self.source.dev;
        let source = self.source;
        let node = Node::start(config.clone(), Box::new(move || source.read()), requests)?;
        notice::ready();
        // A node serves whether or not somebody reads where it does.
        let _ = print(&banner::text(&config, &node, dev));
        node.wait()?;
        Ok(ExitCode::SUCCESS)
    }
}

/// What the host lacks ends the start; what could be better is only named, `ringpost doctor` tells it whole.
fn look_at_host(config: &Config) -> anyhow::Result<Vec<&'static str>> {
    let findings = examine(config);
    let found = |verdict| findings.iter().filter(move |finding| finding.verdict == verdict);
    let failures: String = found(Verdict::Fail).map(|finding| format!("\n  - {finding}")).collect();
    anyhow::ensure!(failures.is_empty(), "this host cannot run a node:{failures}");
    Ok(found(Verdict::Warn).map(|finding| finding.check).collect())
}
