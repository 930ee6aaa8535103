//! The command line: one file per command.

mod api;
mod banner;
mod cluster;
mod completions;
mod config;
mod doctor;
mod findings;
mod man;
mod print;
mod serve;
mod source;
mod store;
mod token;
mod trace;

use std::process::ExitCode;

use clap::{CommandFactory as _, Parser, Subcommand};

/// A realtime messaging gateway: WebSocket and TCP connections, channels with history, recovery and presence.
#[derive(Debug, Parser)]
#[command(name = "ringpost", version, after_help = "To try it out: ringpost serve --dev")]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Serve(serve::Serve),
    #[command(subcommand)]
    Config(config::Config),
    #[command(subcommand)]
    Token(token::Token),
    #[command(subcommand)]
    Api(api::Api),
    Trace(trace::Trace),
    Doctor(doctor::Doctor),
    #[command(subcommand)]
    Store(store::Store),
    #[command(subcommand)]
    Cluster(cluster::Cluster),
    Completions(completions::Completions),
    Man(man::Man),
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
            Command::Api(api) => api.run(),
            Command::Trace(trace) => trace.run(),
            Command::Doctor(doctor) => doctor.run(),
            Command::Store(store) => store.run(),
            Command::Cluster(cluster) => cluster.run(),
            Command::Completions(completions) => completions.run(Self::command()).map(|()| ExitCode::SUCCESS),
            Command::Man(man) => man.run(Self::command()).map(|()| ExitCode::SUCCESS),
        }
    }
}
