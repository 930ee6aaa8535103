//! The command line: one file per command.

mod abuse;
mod command;
mod crash;
mod file;
mod interrupt;
mod list;
mod load_process;
mod output;
mod progress;
mod report;
mod results;
mod run;
mod show;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::crew::LOAD_PROCESS;

const EXIT_CODES: &str = "\
Exit code: 0 when all went well, 1 when the server did something wrong (a message lost, out of order or twice, a \
command refused, a connection ended), 2 when the run could not be made or its files could not be written.

Ctrl-C (or SIGTERM) ends a run early, with its table and the files that were asked for; a second one ends it at once.

To try it out: `make run`, and in another terminal: ringpost-loadgen run fanout";

/// Makes load for a server of the Centrifugo client protocol, measures it, and checks every message.
#[derive(Debug, Parser)]
#[command(name = "ringpost-loadgen", version, after_help = EXIT_CODES)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Run(run::Run),
    Abuse(abuse::Abuse),
    Crash(crash::Crash),
    List(list::List),
    Show(show::Show),
    Report(report::Report),
    Results(results::Results),
    #[command(name = LOAD_PROCESS, hide = true)]
    LoadProcess(load_process::LoadProcess),
}

impl Cli {
    /// Does what was asked for.
    ///
    /// # Errors
    /// What stood in the way, for the person at the terminal, with what to do about it.
    pub fn run(self) -> anyhow::Result<ExitCode> {
        match self.command {
            Command::Run(run) => run.run(),
            Command::Abuse(abuse) => abuse.run(),
            Command::Crash(crash) => crash.run(),
            Command::List(list) => list.run(),
            Command::Show(show) => show.run(),
            Command::Report(report) => report.run(),
            Command::Results(results) => results.run(),
            Command::LoadProcess(load_process) => load_process.run(),
        }
    }
}
