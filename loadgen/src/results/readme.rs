//! The newest results in the README, between two marks: the widest comparison as a chart and a few lines, and where
//! all of them are.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use anyhow::Context as _;

use super::directory::{self, CHART};
use super::row::{FLOOR, NODE, PLAIN, servers};
use super::summary::verdict;
use super::{Head, Raw, Repository, Row};
use crate::report::text::count;

const BEGIN: &str = "<!-- the newest results; `make results` writes this part -->\n";
const END: &str = "<!-- end of the newest results -->\n";
const FILE: &str = "README.md";

/// Writes the newest results of each name into the README of a checkout; whether that changed it.
///
/// # Errors
/// When a result or the README is not as it should be.
pub fn write(repository: &Repository) -> anyhow::Result<bool> {
    let path = repository.root.join(FILE);
    let before = fs::read_to_string(&path).with_context(|| format!("{FILE} cannot be read"))?;
    let after = renewed(&before, &repository.results())?;
    if after != before {
        fs::write(&path, &after)?;
    }
    Ok(after != before)
}

/// A README with the newest results of each name.
///
/// # Errors
/// When it has no marks, or a result cannot be read.
pub fn renewed(readme: &str, results: &Path) -> anyhow::Result<String> {
    let marks = || format!("{FILE} lacks the lines `{}` and `{}`", BEGIN.trim(), END.trim());
    let (before, rest) = readme.split_once(BEGIN).with_context(marks)?;
    let (_, after) = rest.split_once(END).with_context(marks)?;
    Ok(format!("{before}{BEGIN}{}{END}{after}", newest(results)?))
}

fn newest(results: &Path) -> anyhow::Result<String> {
    let mut by_name = BTreeMap::new();
    // The later ones replace the earlier ones.
    for folder in directory::all(results)? {
        let head = directory::head(&folder).with_context(|| format!("{} is no result", folder.display()))?;
        if !head.is_trial {
            by_name.insert(head.name.clone(), (folder, head));
        }
    }
    if by_name.is_empty() {
        return Ok("None were taken yet.\n".into());
    }
    let mut all = Vec::new();
    for (folder, head) in by_name.into_values() {
        let raw = directory::raw(&folder).with_context(|| format!("{} is no result", folder.display()))?;
        all.push((head, raw));
    }
    let widest = all.iter().rev().max_by_key(|(_, raw)| others(raw).len()).expect("there is a result");
    let mut text = comparison(&widest.0, &widest.1);
    let link = |(head, _): &(Head, Raw)| format!("[{}](results/{}/summary.md)", head.name, head.folder());
    let links: Vec<_> = all.iter().map(link).collect();
    let _ = writeln!(text, "All figures, and how to take them again: {}.", links.join(", "));
    Ok(text)
}

/// Servers that are neither the floor nor the node, in whichever way that is set up.
fn others(raw: &Raw) -> Vec<&str> {
    let is_own = |server: &&str| [NODE, FLOOR, PLAIN].contains(server) || server.starts_with("node, ");
    servers(&raw.rows).into_iter().filter(|server| !is_own(server)).collect()
}

/// A result in a line for each kind of work, and its chart.
fn comparison(head: &Head, raw: &Raw) -> String {
    let machine = &head.machine;
    let (commit, folder) = (&head.commit[..12.min(head.commit.len())], head.folder());
    let mut text = format!(
        "{} {}, commit {commit}, {} cores of {}, {}.\n\nLess is better.",
        head.about, head.date, machine.cores, machine.processor, machine.kernel
    );
    let others = others(raw);
    if !others.is_empty() {
        let _ = write!(text, " The others are {}.", others.join(", "));
    }
    text.push_str("\n\n");
    for row in &raw.rows {
        let _ = writeln!(text, "- {}", sentence(row));
    }
    let _ = write!(text, "\n![{} as a chart](results/{folder}/{CHART})\n\n", head.name);
    text
}

/// What some work cost the node, beside whom, and how far from the goal where it was missed.
fn sentence(row: &Row) -> String {
    let figure = |server: &str| row.cost(server).map_or("not measured".into(), |cost| count(cost.round()));
    let ratio =
        |server: &str| row.ratio(server).map_or(String::new(), |ratio| format!("{ratio:.2}× the {}", row.beside));
    let mut text = format!("{}: **{}** {}, {}", row.work, figure(NODE), row.unit, ratio(NODE));
    let others = row.servers.iter().map(|measured| &measured.server).filter(|server| **server != *NODE);
    let ratios: Vec<_> =
        others.filter(|server| **server != row.beside).filter_map(|server| row.ratio(server)).collect();
    if let (Some(low), Some(high)) = (ratios.iter().copied().reduce(f64::min), ratios.iter().copied().reduce(f64::max))
    {
        let _ = write!(text, "; the others {low:.2}× to {high:.2}×");
    }
    if let Some(excess) = row.excess().filter(|excess| *excess > 0.0) {
        let _ = write!(text, "; its goal was {}", verdict(excess));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::results::head::tests::head;
    use crate::results::raw::tests::raw;
    use crate::results::row::tests::rounds;
    use crate::results::{Goal, Measured};

    #[test]
    fn the_newest_of_each_name_is_shown_and_the_rest_of_the_readme_stays() {
        let results = tempfile::tempdir().unwrap();
        let [old, mut new, mut curves, mut trial] = std::array::from_fn(|_| head());
        (new.date, new.about) = ("9999-01-01".into(), "The newer one.".into());
        curves.name = "curves".into();
        (trial.date, trial.is_trial) = ("9999-01-02".into(), true);
        for head in [&old, &new, &curves, &trial] {
            directory::write(results.path(), head, &raw()).unwrap();
        }
        let readme = renewed(&format!("above\n{BEGIN}old\n{END}below\n"), results.path()).unwrap();
        assert!(readme.starts_with("above\n") && readme.ends_with("below\n") && !readme.contains("old\n"), "{readme}");
        assert!(readme.contains("results/9999-01-01-bench/chart.svg") && readme.contains("The newer one."), "{readme}");
        assert!(readme.contains(&format!("results/{}/summary.md", curves.folder())), "{readme}");
        assert!(!readme.contains(&old.folder()) && !readme.contains(&trial.folder()), "{readme}");
        assert_eq!(renewed(&readme, results.path()).unwrap(), readme);
    }

    #[test]
    fn the_result_with_the_most_servers_is_told_with_the_goals_that_it_missed() {
        let results = tempfile::tempdir().unwrap();
        let [bench, mut peers] = std::array::from_fn(|_| head());
        peers.name = "peers".into();
        let mut wide = raw();
        let row = &mut wide.rows[0];
        (row.work, row.goal) = ("fan-out".into(), Some(Goal::Ratio(1.0)));
        for (name, cost) in [("nats", 900.0), ("mosquitto", 3000.0)] {
            row.servers.push(Measured { server: name.into(), rounds: rounds(&[cost]) });
        }
        directory::write(results.path(), &bench, &raw()).unwrap();
        directory::write(results.path(), &peers, &wide).unwrap();
        let readme = renewed(&format!("{BEGIN}{END}"), results.path()).unwrap();
        let line = "- fan-out: **360** ns CPU per delivery, 1.20× the floor; the others 3.00× to 10.00×; its goal was missed \
                    by 20 %\n";
        assert!(readme.contains(line), "{readme}");
        assert_eq!(readme.matches("chart.svg").count(), 1, "{readme}");
        assert!(readme.contains(&format!("results/{}/chart.svg", peers.folder())), "{readme}");
    }

    #[test]
    fn a_readme_without_marks_is_left_alone() {
        let error = renewed("# title\n", Path::new("nowhere")).unwrap_err().to_string();
        assert!(error.contains("lacks the lines"), "{error}");
    }
}
