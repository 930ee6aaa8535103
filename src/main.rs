//! The `ringpost` command.

use std::io::Write as _;
use std::process::ExitCode;

use clap::Parser as _;
use ringpost::cli::Cli;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    // The allocator asks for huge pages, which makes a small node ten times as large (tuning/huge-pages.sh). Where
    // this is forbidden, `ringpost doctor` says so.
    let _ = rustix::thread::disable_transparent_huge_pages(true);
    match Cli::parse().run() {
        Ok(code) => code,
        Err(error) => {
            // Nobody is left to be told when this fails.
            let _ = writeln!(std::io::stderr(), "ringpost: {error:#}");
            ExitCode::FAILURE
        }
    }
}
