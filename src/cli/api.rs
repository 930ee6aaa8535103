//! `ringpost api`: the backend API, described for machines and for people, without a node.

use std::process::ExitCode;

use clap::Subcommand;

use super::print::print;
use crate::control::{api_document, api_reference};

/// Print the description of the backend API, for machines or for people
#[derive(Debug, Subcommand)]
pub(super) enum Api {
    /// Print the description in OpenAPI 3.1, which a node gives at /api/openapi.json
    Openapi,
    /// Print the reference of all methods as Markdown, which is docs/API.md
    Docs,
}

impl Api {
    pub(super) fn run(&self) -> anyhow::Result<ExitCode> {
        match self {
            Self::Openapi => print(&format!("{:#}\n", api_document()))?,
            Self::Docs => print(&api_reference())?,
        }
        Ok(ExitCode::SUCCESS)
    }
}
