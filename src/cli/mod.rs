//! The command line: one file per command.

mod banner;
mod config;
mod doctor;
mod serve;
mod source;
mod token;

use std::io::{self, Write as _};
use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// A realtime messaging gateway: WebSocket and TCP connections, channels with history, recovery and presence.
#[derive(Debug, Parser)]
#[command(name = "ringpost", version, after_help = "To try it out: ringpost serve --dev")]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
#[expect(clippy::large_enum_variant, reason = "there is one, and only for a moment")]
enum Command {
    Serve(serve::Serve),
    #[command(subcommand)]
    Config(config::Config),
    #[command(subcommand)]
    Token(token::Token),
    Doctor(doctor::Doctor),
}

impl Cli {
    /// Does what was asked for.
    ///
    /// # Errors
    /// What stood in the way, for the person at the terminal, with what to do about it.
    pub fn run(self) -> anyhow::Result<ExitCode> {
        match self.command {
            Command::Serve(serve) => serve.run(),
            Command::Config(config) => config.run(),
            Command::Token(token) => token.run(),
            Command::Doctor(doctor) => doctor.run(),
        }
    }
}

/// Writes to standard output. A reader that has seen enough, as in `ringpost config default | head`, is no error.
fn print(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        written => written,
    }
}
