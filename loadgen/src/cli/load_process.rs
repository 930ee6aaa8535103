//! What a load process runs; people do not type it.

use std::process::ExitCode;

use clap::Args;

use crate::crew;

/// Make load as another process of this program says on standard input
#[derive(Debug, Args)]
pub(super) struct LoadProcess {}

impl LoadProcess {
    pub(super) fn run(self) -> anyhow::Result<ExitCode> {
        crew::work()?;
        Ok(ExitCode::SUCCESS)
    }
}
