//! The instructions that each operation takes, against those of the baseline: `cargo bench --bench instructions`.
//!
//! Time moves by half on a shared machine; the instructions of one binary do not. The run fails where an operation
//! takes more than [`verdict::TOLERANCE_PERCENT`] more of them than `baseline.toml` says, and `--accept` writes the
//! baseline anew. Why it is made so: `docs/decisions/instructions.md`.

mod baseline;
mod callgrind;
#[path = "../operations/mod.rs"]
mod operations;
mod verdict;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, ensure};
use clap::Parser;

use self::baseline::{Baseline, Origin};
use self::operations::Operation;
use self::verdict::{Row, Verdict};

const BASELINE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/instructions/baseline.toml");

/// Counts the instructions of each operation and compares them with the baseline.
#[derive(Debug, Parser)]
struct Options {
    /// Only operations whose name contains this.
    #[arg(default_value = "")]
    filter: String,
    /// Write the counts to the baseline instead of comparing.
    #[arg(long)]
    accept: bool,
    /// Another baseline than the repository's.
    #[arg(long, default_value = BASELINE)]
    baseline: PathBuf,
    /// Run this operation (the bench starts itself so, under valgrind).
    #[arg(long, hide = true)]
    run: Option<String>,
    /// Given by `cargo bench`.
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() -> anyhow::Result<ExitCode> {
    let options = Options::parse();
    if let Some(name) = &options.run {
        let operation = chosen(name)?.into_iter().find(|operation| full_name(operation) == *name);
        let operation = operation.with_context(|| format!("there is no operation \"{name}\""))?;
        callgrind::run(&mut (operation.prepare)());
        return Ok(ExitCode::SUCCESS);
    }
    if options.accept { accept(&options) } else { compare(&options) }
}

fn full_name(operation: &Operation) -> String {
    format!("{}: {}", operation.part, operation.name)
}

/// The operations whose name contains `filter`.
fn chosen(filter: &str) -> anyhow::Result<Vec<Operation>> {
    let mut operations = operations::all();
    operations.retain(|operation| full_name(operation).contains(filter));
    ensure!(!operations.is_empty(), "no operation's name contains \"{filter}\"");
    Ok(operations)
}

/// An operation's name, and its instructions per unit.
fn count(operation: &Operation) -> anyhow::Result<(String, f64)> {
    let name = full_name(operation);
    let each = callgrind::count(&name)? / f64::from(operation.units);
    // A tenth is what a reader can tell apart, and a file should show.
    Ok((name, (each * 10.0).round() / 10.0))
}

fn accept(options: &Options) -> anyhow::Result<ExitCode> {
    let origin = Origin::here()?;
    let mut baseline = Baseline::new(origin);
    if !options.filter.is_empty() && options.baseline.exists() {
        // The others stay as they are, if they were counted in the same way.
        baseline.keep(&Baseline::read(&options.baseline)?)?;
    }
    for operation in chosen(&options.filter)? {
        let (name, count) = count(&operation)?;
        println!("{name:<74} {count:>10.1}");
        baseline.instructions.insert(name, count);
    }
    baseline.write(&options.baseline)?;
    println!("written to {}; say in the commit why they have changed", options.baseline.display());
    Ok(ExitCode::SUCCESS)
}

fn compare(options: &Options) -> anyhow::Result<ExitCode> {
    let baseline = Baseline::read(&options.baseline)?;
    let origin = Origin::here()?;
    baseline.origin.check(&origin)?;
    println!("{:<74} {:>10} {:>10} {:>8}", "instructions", "baseline", "now", "change");
    let mut rows = Vec::new();
    for operation in chosen(&options.filter)? {
        let (name, now) = count(&operation)?;
        let row = Row { before: baseline.instructions.get(&name).copied(), now: Some(now), name };
        println!("{row}");
        rows.push(row);
    }
    if options.filter.is_empty() {
        for (name, before) in &baseline.instructions {
            if !rows.iter().any(|row| row.name == *name) {
                let row = Row { name: name.clone(), before: Some(*before), now: None };
                println!("{row}");
                rows.push(row);
            }
        }
    }
    Ok(judge(&rows, &baseline.origin, &origin))
}

/// Says what the rows come to, and what to do about it.
fn judge(rows: &[Row], then: &Origin, now: &Origin) -> ExitCode {
    let named = |verdict| rows.iter().filter(move |row| row.verdict() == verdict);
    let tolerance = verdict::TOLERANCE_PERCENT;
    if then.rustc != now.rustc {
        println!(
            "\nThe baseline was taken with {}, this is {}: a part of every change may be the compiler's.",
            then.rustc, now.rustc
        );
    }
    if named(Verdict::Fewer).next().is_some() {
        println!("\nWhat takes more than {tolerance} % fewer can become the new bound: make gate-accept");
    }
    if rows.iter().all(|row| !row.verdict().is_failure()) {
        println!("\nNo operation takes more than {tolerance} % more instructions than the baseline says.");
        return ExitCode::SUCCESS;
    }
    for row in named(Verdict::More) {
        let out = callgrind::out_file(&row.name);
        println!("\n{} takes more than {tolerance} % more instructions. Where they are: ", row.name);
        println!("    callgrind_annotate {}", out.display());
    }
    for row in named(Verdict::Unknown) {
        println!("\n{} is not in the baseline.", row.name);
    }
    for row in named(Verdict::Gone) {
        println!("\n{} is in the baseline and is no operation any more.", row.name);
    }
    println!("\nMend it, or, where it is meant, write the baseline anew and say why in the commit: make gate-accept");
    ExitCode::FAILURE
}
