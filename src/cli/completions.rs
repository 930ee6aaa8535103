//! `ringpost completions`.

use clap::{Args, Command};
use clap_complete::{Shell, generate};

use super::print::print;

/// Print what a shell needs to complete the command: bash, zsh, fish, elvish, powershell
#[derive(Debug, Args)]
#[command(after_help = "Example: ringpost completions bash > /etc/bash_completion.d/ringpost")]
pub(super) struct Completions {
    /// The shell
    shell: Shell,
}

impl Completions {
    /// `ringpost` is the whole command line.
    pub(super) fn run(self, mut ringpost: Command) -> anyhow::Result<()> {
        let mut text = Vec::new();
        generate(self.shell, &mut ringpost, "ringpost", &mut text);
        Ok(print(&String::from_utf8(text)?)?)
    }
}
