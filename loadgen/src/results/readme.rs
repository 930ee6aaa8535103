//! The newest results in the README, between two marks.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use anyhow::Context as _;

use super::directory::{self, CHART};
use super::{Repository, summary};

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
    let mut text = String::new();
    for (name, (folder, head)) in &by_name {
        let link = format!("results/{}", head.folder());
        let raw = directory::raw(folder).with_context(|| format!("{} is no result", folder.display()))?;
        let _ = write!(
            text,
            "### {name}\n{}\n![{name} as a chart]({link}/{CHART})\n\n[All of it]({link}/summary.md)\n\n",
            summary::overview(head, &raw)
        );
    }
    text.pop();
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::results::head::tests::head;
    use crate::results::raw::tests::raw;

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
    fn a_readme_without_marks_is_left_alone() {
        let error = renewed("# title\n", Path::new("nowhere")).unwrap_err().to_string();
        assert!(error.contains("lacks the lines"), "{error}");
    }
}
