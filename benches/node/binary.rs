//! The node's binary: that of this build, so that what is measured is what is in the checkout.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context as _, ensure};
use serde_json::Value;

/// Builds the node with the profile of this program; where it is.
pub(crate) fn node() -> anyhow::Result<PathBuf> {
    let this = std::env::current_exe()?;
    // `target/PROFILE/deps/THIS`, where `dev` lies in `debug`.
    let profile = this.ancestors().nth(2).and_then(|folder| folder.file_name()?.to_str());
    let profile = match profile.context("this program is not where cargo builds it: give --node PATH")? {
        "debug" => "dev",
        profile => profile,
    };
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.args(["build", "--package", "ringpost", "--bin", "ringpost", "--profile", profile]);
    cargo.args(["--message-format", "json-render-diagnostics"]).current_dir(env!("CARGO_MANIFEST_DIR"));
    let output = cargo.stderr(Stdio::inherit()).output().context("cargo does not start: give --node PATH")?;
    ensure!(output.status.success(), "the node cannot be built");
    let mut messages = output.stdout.split(|byte| *byte == b'\n').filter_map(|line| serde_json::from_slice(line).ok());
    let executable = |message: Value| message["executable"].as_str().map(PathBuf::from);
    messages.find_map(executable).context("cargo does not say where the node is: give --node PATH")
}
