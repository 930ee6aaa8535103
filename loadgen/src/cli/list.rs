//! `ringpost-loadgen list`.

use std::process::ExitCode;

use clap::Args;

use super::output::print;
use crate::scenario::{BUILT_IN, read};

/// List the built-in scenarios
#[derive(Debug, Args)]
pub(super) struct List {}

impl List {
    pub(super) fn run(self) -> anyhow::Result<ExitCode> {
        let mut text = String::new();
        for (name, file) in BUILT_IN {
            text.push_str(&format!("{name:<20} {}\n", read(file)?.about));
        }
        print(&text)?;
        Ok(ExitCode::SUCCESS)
    }
}
