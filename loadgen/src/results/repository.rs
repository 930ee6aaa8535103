//! The checkout that is measured: where it is, and which commit it is.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, ensure};

/// What no figure comes from: it may differ from the commit.
const APART: [&str; 2] = [":(exclude)results", ":(exclude)*.md"];

/// A checkout of this repository, and where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Repository {
    /// Its topmost folder.
    pub root: PathBuf,
    /// Its commit, as 40 digits.
    pub commit: String,
    /// Whether something that is measured differs from the commit.
    pub is_changed: bool,
}

impl Repository {
    /// The one that the folder is in.
    ///
    /// # Errors
    /// When it is in none, `git` is missing, or nothing was committed.
    pub fn around(folder: &Path) -> anyhow::Result<Self> {
        let root = git(folder, &["rev-parse", "--show-toplevel"])
            .context("a result names the commit that was measured, and here is no git checkout: measure within one")?;
        let root = PathBuf::from(root);
        let commit = git(&root, &["rev-parse", "HEAD"]).context("there is no commit yet to measure")?;
        let status = git(&root, &[&["status", "--porcelain", "--", "."], &APART[..]].concat())?;
        Ok(Self { root, commit, is_changed: !status.is_empty() })
    }

    /// The one that the process works in.
    ///
    /// # Errors
    /// As [`Repository::around`].
    pub fn here() -> anyhow::Result<Self> {
        Self::around(&std::env::current_dir()?)
    }

    /// Where results are.
    pub fn results(&self) -> PathBuf {
        self.root.join("results")
    }
}

fn git(folder: &Path, arguments: &[&str]) -> anyhow::Result<String> {
    let output = Command::new("git").arg("-C").arg(folder).args(arguments).output().context("git cannot be run")?;
    let error = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "git {} failed: {}", arguments.join(" "), error.trim());
    Ok(String::from_utf8(output.stdout)?.trim().to_owned())
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A checkout with a commit.
    pub(crate) fn repository() -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        git(folder.path(), &["init", "--quiet"]).unwrap();
        std::fs::write(folder.path().join("code.rs"), "fn main() {}").unwrap();
        git(folder.path(), &["add", "."]).unwrap();
        let name = ["-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "commit.gpgsign=false"];
        git(folder.path(), &[&name[..], &["commit", "--quiet", "-m", "First"]].concat()).unwrap();
        folder
    }

    #[test]
    fn a_change_of_code_is_one_and_a_change_of_results_or_documents_is_none() {
        let folder = repository();
        let is_changed = || Repository::around(folder.path()).unwrap().is_changed;
        std::fs::create_dir(folder.path().join("results")).unwrap();
        std::fs::write(folder.path().join("results/raw.json"), "{}").unwrap();
        std::fs::write(folder.path().join("README.md"), "newest").unwrap();
        assert!(!is_changed());
        std::fs::write(folder.path().join("new.rs"), "").unwrap();
        assert!(is_changed());
        std::fs::remove_file(folder.path().join("new.rs")).unwrap();
        std::fs::write(folder.path().join("code.rs"), "fn main() { todo!() }").unwrap();
        assert!(is_changed());
    }

    #[test]
    fn outside_of_a_checkout_nothing_can_be_measured() {
        let folder = tempfile::tempdir().unwrap();
        let error = format!("{:#}", Repository::around(folder.path()).unwrap_err());
        assert!(error.contains("measure within one"), "{error}");
    }
}
