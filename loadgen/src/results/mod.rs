//! Results: what was measured, on what, with what, from which commit. A directory each, `results/YYYY-MM-DD-name/`:
//!
//! | file | holds |
//! |---|---|
//! | `result.json` | the [`Head`]: machine, kernel, settings, commit, command, versions |
//! | `raw.json` | the [`Raw`] figures, with the record of every run |
//! | `summary.md` | tables, for people |
//! | `chart.svg` | the same as bars and lines |
//!
//! What lacks any of it is no result: [`write`](directory::write()) refuses to write it, and [`check`](directory::check)
//! finds it. Nothing in a result names a place on the machine.

mod chart;
pub mod curve;
pub mod directory;
pub mod head;
pub mod pairing;
pub mod part;
pub mod raw;
pub mod readme;
pub mod repository;
pub mod row;
mod summary;
pub mod taking;

use std::path::PathBuf;

pub use self::curve::{Curve, Line, Point};
pub use self::head::Head;
pub use self::pairing::{Pair, Pairing, Side};
pub use self::part::{Bound, Part, Reading};
pub use self::raw::Raw;
pub use self::repository::Repository;
pub use self::row::{Goal, Measured, Round, Row};
pub use self::taking::{Bench, ResultOptions, Taking};

/// Writes a result into a checkout and shows it in the README, unless it is a trial; its folder, from the top of the
/// checkout.
///
/// # Errors
/// What it lacks, or what cannot be written.
pub fn publish(repository: &Repository, head: &Head, raw: &Raw) -> anyhow::Result<PathBuf> {
    let folder = directory::write(&repository.results(), head, raw)?;
    if !head.is_trial {
        readme::write(repository)?;
    }
    Ok(folder.strip_prefix(&repository.root).map_or(folder.clone(), PathBuf::from))
}
