//! The `ringpost-loadgen` command.

use std::io::Write as _;
use std::process::ExitCode;

use clap::Parser as _;
use ringpost_loadgen::cli::Cli;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    match Cli::parse().run() {
        Ok(code) => code,
        Err(error) => {
            // Nobody is left to be told when this fails.
            let _ = writeln!(std::io::stderr(), "ringpost-loadgen: {error:#}");
            ExitCode::from(2)
        }
    }
}
