//! What the operations took when the counts were last accepted: a file of the repository.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use std::{env, fs};

use anyhow::{Context, ensure};
use serde::{Deserialize, Serialize};

/// Counts, and how they came about.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Baseline {
    /// What made the instructions.
    pub(crate) origin: Origin,
    /// By the operation's name, per unit.
    pub(crate) instructions: BTreeMap<String, f64>,
}

/// What makes instructions out of a source.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Origin {
    /// The processor's instruction set.
    pub(crate) architecture: String,
    /// What `rustc --version` says.
    pub(crate) rustc: String,
}

impl Origin {
    /// What makes them here.
    pub(crate) fn here() -> anyhow::Result<Self> {
        let rustc = env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
        let output = Command::new(rustc).arg("--version").output().context("rustc cannot be asked for its version")?;
        let rustc = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        ensure!(output.status.success() && !rustc.is_empty(), "rustc does not tell its version");
        Ok(Self { architecture: env::consts::ARCH.into(), rustc })
    }

    /// Refuses to compare what cannot be compared. Another compiler can be: see `docs/decisions/instructions.md`.
    ///
    /// # Errors
    /// The instruction sets differ.
    pub(crate) fn check(&self, here: &Self) -> anyhow::Result<()> {
        ensure!(
            self.architecture == here.architecture,
            "the baseline counts instructions of {}, and this is {}: run the gate there, or take a baseline of your own \
             with --accept --baseline FILE",
            self.architecture,
            here.architecture
        );
        Ok(())
    }
}

impl Baseline {
    /// Without counts.
    pub(crate) fn new(origin: Origin) -> Self {
        Self { origin, instructions: BTreeMap::new() }
    }

    /// Takes over the counts of another baseline.
    ///
    /// # Errors
    /// It was counted with another compiler or on another processor: one file must not mix the two.
    pub(crate) fn keep(&mut self, old: &Self) -> anyhow::Result<()> {
        ensure!(
            self.origin == old.origin,
            "the baseline comes from {} on {}, and this is {} on {}: accept all operations, without a filter",
            old.origin.rustc,
            old.origin.architecture,
            self.origin.rustc,
            self.origin.architecture
        );
        self.instructions.extend(old.instructions.clone());
        Ok(())
    }

    pub(crate) fn read(path: &Path) -> anyhow::Result<Self> {
        let text = fs::read_to_string(path)
            .with_context(|| format!("{} cannot be read; --accept writes it", path.display()))?;
        toml::from_str(&text).with_context(|| format!("{} is no baseline; --accept writes it anew", path.display()))
    }

    pub(crate) fn write(&self, path: &Path) -> anyhow::Result<()> {
        let text = toml::to_string(self).context("a baseline is always TOML")?;
        let text =
            format!("# Written by `make gate-accept`; what it is for: docs/decisions/instructions.md.\n\n{text}");
        fs::write(path, text).with_context(|| format!("{} cannot be written", path.display()))
    }
}
