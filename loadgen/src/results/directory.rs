//! The folder of a result: written whole or not at all, and checked.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, ensure};
use serde::de::DeserializeOwned;

use super::{Head, Raw, Repository, chart, summary};

/// How the name of a folder begins that is not whole yet, or never was, where the writer was killed.
const UNFINISHED: &str = ".unfinished-";
const HEAD: &str = "result.json";
const RAW: &str = "raw.json";
const SUMMARY: &str = "summary.md";
/// The chart's file.
pub const CHART: &str = "chart.svg";

/// Writes a result below `results`. One of the same name and day is replaced.
///
/// # Errors
/// What it lacks to be a result; then nothing is written.
pub fn write(results: &Path, head: &Head, raw: &Raw) -> anyhow::Result<PathBuf> {
    fs::create_dir_all(results).with_context(|| format!("{} cannot be made", results.display()))?;
    let folder = results.join(head.folder());
    // Beside the others until it is whole, so that it can be renamed.
    let readable = fs::Permissions::from_mode(0o755);
    let unfinished = tempfile::Builder::new().prefix(UNFINISHED).permissions(readable).tempdir_in(results)?;
    let files = [
        (HEAD, serde_json::to_string_pretty(head)? + "\n"),
        (RAW, serde_json::to_string(raw)? + "\n"),
        (SUMMARY, summary::of(head, raw)),
        (CHART, chart::of(head, raw)),
    ];
    for (name, text) in files {
        fs::write(unfinished.path().join(name), text)?;
    }
    let lacks = lacks(unfinished.path())?;
    ensure!(lacks.is_empty(), "what was measured is no result: it lacks {}", lacks.join(", "));
    if folder.exists() {
        fs::remove_dir_all(&folder)?;
    }
    fs::rename(unfinished.keep(), &folder).with_context(|| format!("{} cannot be written", folder.display()))?;
    Ok(folder)
}

/// Writes the chart of a result anew, from its figures.
///
/// # Errors
/// When the folder holds no result.
pub fn draw(folder: &Path) -> anyhow::Result<()> {
    let name = folder.display();
    let head = head(folder).with_context(|| format!("{name} is no result"))?;
    let raw = raw(folder).with_context(|| format!("{name} is no result"))?;
    fs::write(folder.join(CHART), chart::of(&head, &raw)).with_context(|| format!("{CHART} cannot be written"))
}

/// Looks whether a folder holds a result that may be shown.
///
/// # Errors
/// What it lacks.
pub fn check(folder: &Path) -> anyhow::Result<()> {
    let name = folder.display();
    let mut lacks = lacks(folder).with_context(|| format!("{name} is no result"))?;
    let head = head(folder)?;
    if head.is_trial {
        lacks.push("seriousness: it was taken with --trial".into());
    }
    if folder.file_name().is_none_or(|file_name| *file_name != *head.folder()) {
        lacks.push(format!("its own name, {}", head.folder()));
    }
    ensure!(lacks.is_empty(), "{name} is no result: it lacks {}", lacks.join(", "));
    Ok(())
}

/// What a result's folder lacks.
fn lacks(folder: &Path) -> anyhow::Result<Vec<String>> {
    let (head, raw) = (head(folder)?, raw(folder)?);
    let (summary, chart) = (text(folder, SUMMARY)?, text(folder, CHART)?);
    let mut lacks = head.lacks();
    lacks.extend(raw.lacks());
    let names = raw.rows.iter().map(|row| &row.work).chain(raw.curves.iter().map(|curve| &curve.by));
    let names = names.chain(raw.parts.iter().map(|part| &part.work));
    lacks.extend(names.filter(|name| !summary.contains(*name)).map(|name| format!("{name} in {SUMMARY}")));
    if !chart.starts_with("<svg") || !chart.contains("class=\"s") {
        lacks.push(format!("anything drawn in {CHART}"));
    }
    let texts = [serde_json::to_string(&head)?, serde_json::to_string(&raw)?, summary, chart];
    lacks.extend(
        places()
            .into_iter()
            .filter(|place| texts.iter().any(|text| text.contains(place)))
            .map(|place| format!("privacy: it names {place}, a place on this machine")),
    );
    Ok(lacks)
}

/// Places on this machine that a result must not name.
fn places() -> Vec<String> {
    let root = Repository::here().map(|repository| repository.root).ok();
    let folders = [root, std::env::home_dir(), std::env::current_exe().ok()];
    let folders = folders.into_iter().flatten().filter(|folder| folder.components().count() > 1);
    folders.map(|folder| folder.to_string_lossy().into_owned()).collect()
}

/// The head of a result.
///
/// # Errors
/// When it is not there, or lacks something.
pub fn head(folder: &Path) -> anyhow::Result<Head> {
    json(folder, HEAD)
}

/// The figures of a result.
///
/// # Errors
/// When they are not there.
pub fn raw(folder: &Path) -> anyhow::Result<Raw> {
    json(folder, RAW)
}

fn json<T: DeserializeOwned>(folder: &Path, name: &str) -> anyhow::Result<T> {
    serde_json::from_str(&text(folder, name)?).with_context(|| format!("{name} is not as this program writes it"))
}

fn text(folder: &Path, name: &str) -> anyhow::Result<String> {
    fs::read_to_string(folder.join(name)).with_context(|| format!("it lacks {name}"))
}

/// The folders of results below a folder, by name, so that older ones come first.
///
/// # Errors
/// When it cannot be read. Where there is none, there are no results.
pub fn all(results: &Path) -> anyhow::Result<Vec<PathBuf>> {
    if !results.exists() {
        return Ok(Vec::new());
    }
    let entries = fs::read_dir(results)?.collect::<Result<Vec<_>, _>>()?;
    let is_unfinished = |entry: &fs::DirEntry| entry.file_name().to_string_lossy().starts_with(UNFINISHED);
    let whole = entries.into_iter().filter(|entry| !is_unfinished(entry)).map(|entry| entry.path());
    let mut folders: Vec<_> = whole.filter(|path| path.is_dir()).collect();
    folders.sort();
    Ok(folders)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::results::head::tests::head;
    use crate::results::raw::tests::raw;

    #[test]
    fn a_result_is_written_whole_and_passes_its_check_and_may_be_replaced() {
        let results = tempfile::tempdir().unwrap();
        let head = head();
        for _ in 0..2 {
            let folder = write(results.path(), &head, &raw()).unwrap();
            assert_eq!(folder, results.path().join(head.folder()));
            check(&folder).unwrap();
            let chart = fs::read(folder.join(CHART)).unwrap();
            fs::write(folder.join(CHART), "").unwrap();
            draw(&folder).unwrap();
            assert_eq!(fs::read(folder.join(CHART)).unwrap(), chart);
            assert_eq!((super::head(&folder).unwrap(), super::raw(&folder).unwrap()), (head.clone(), raw()));
            assert_eq!(all(results.path()).unwrap(), [folder], "nothing else is left");
        }
    }

    #[test]
    fn what_lacks_something_is_refused_and_nothing_is_written() {
        let results = tempfile::tempdir().unwrap();
        let (mut without_kernel, whole) = (head(), head());
        without_kernel.machine.kernel.clear();
        let mut failed = raw();
        failed.rows[0].servers[0].rounds[0].records[0].faults.note(crate::fault::Fault::Lost, || "one".into());
        let mut telling = head();
        telling.command = format!("make bench --node {}", std::env::current_exe().unwrap().display());
        for (head, raw, expected) in [
            (&without_kernel, raw(), "it lacks the kernel"),
            (&whole, Raw::default(), "figures, anything drawn"),
            (&whole, failed, "runs without faults"),
            (&telling, raw(), "a place on this machine"),
        ] {
            let error = write(results.path(), head, &raw).unwrap_err().to_string();
            assert!(error.contains(expected), "{expected}: {error}");
        }
        assert_eq!(all(results.path()).unwrap(), Vec::<PathBuf>::new());
    }

    #[test]
    fn a_folder_that_lacks_a_file_or_a_part_of_one_is_no_result() {
        let results = tempfile::tempdir().unwrap();
        for (name, expected) in [(HEAD, HEAD), (RAW, RAW), (SUMMARY, SUMMARY), (CHART, CHART)] {
            let folder = write(results.path(), &head(), &raw()).unwrap();
            fs::remove_file(folder.join(name)).unwrap();
            let error = format!("{:#}", check(&folder).unwrap_err());
            assert!(error.contains(&format!("it lacks {expected}")), "{error}");
        }
        for (name, from, to, expected) in [
            (HEAD, "\"kernel\"", "\"colonel\"", "kernel"),
            (HEAD, "\"command\"", "\"order\"", "command"),
            (RAW, "\"faults\"", "\"virtues\"", "faults"),
            (SUMMARY, "fan-out <1", "", "fan-out <1 to 1,000> in summary.md"),
            (SUMMARY, "the store alone", "", "the store alone in summary.md"),
            (CHART, "class", "", "anything drawn"),
            (HEAD, "\"is_trial\": false", "\"is_trial\": true", "--trial"),
        ] {
            let folder = write(results.path(), &head(), &raw()).unwrap();
            let text = text(&folder, name).unwrap();
            assert!(text.contains(from), "{from} in {text}");
            fs::write(folder.join(name), text.replace(from, to)).unwrap();
            let error = format!("{:#}", check(&folder).unwrap_err());
            assert!(error.contains(expected), "{expected}: {error}");
        }
    }

    #[test]
    fn a_result_is_found_by_its_day_and_name_and_nothing_else() {
        let results = tempfile::tempdir().unwrap();
        let folder = write(results.path(), &head(), &raw()).unwrap();
        let renamed = results.path().join("2020-01-01-bench");
        fs::rename(folder, &renamed).unwrap();
        assert!(check(&renamed).unwrap_err().to_string().contains("its own name"));
        fs::create_dir(results.path().join(".unfinished-1")).unwrap();
        assert_eq!(all(results.path()).unwrap(), [renamed]);
        assert_eq!(all(&results.path().join("nowhere")).unwrap(), Vec::<PathBuf>::new());
    }
}
