//! What was measured, on what, with what, from which commit: all of a result but its figures.

use std::collections::BTreeMap;
use std::process::Command;

use anyhow::{Context as _, ensure};
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use super::Repository;
use crate::record::Machine;

/// All of a result but its figures.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Head {
    /// What it is called, such as `bench`.
    pub name: String,
    /// The day on which it began, such as `2026-11-24`, in UTC.
    pub date: String,
    /// In a sentence or two: what was measured how.
    pub about: String,
    /// What it ran on; its kernel is in it.
    pub machine: Machine,
    /// The commit that was measured, 40 digits.
    pub commit: String,
    /// Whether it is a trial: of code that may differ from the commit, perhaps built with assertions. [`check`] refuses
    /// it.
    ///
    /// [`check`]: super::directory::check
    pub is_trial: bool,
    /// What was typed.
    pub command: String,
    /// How the servers were configured and how the load was made: names and values. What each run did is in its
    /// record.
    pub settings: BTreeMap<String, String>,
    /// Of the programs, and of the compiler of ours.
    pub versions: BTreeMap<String, String>,
}

/// What the person who measures decides.
#[derive(Clone, Debug)]
pub struct Intent {
    /// What the result is called: letters, digits, `-`.
    pub name: String,
    /// In a sentence or two: what is measured how.
    pub about: String,
    /// What was typed.
    pub command: String,
    /// How the servers are configured and how the load is made.
    pub settings: BTreeMap<String, String>,
    /// What servers of others are: names and versions.
    pub versions: BTreeMap<String, String>,
    /// Whether the programs are built with assertions, which take time.
    pub has_assertions: bool,
    /// Whether it is for looking at only.
    pub is_trial: bool,
}

impl Head {
    /// Of a measuring that is about to begin, here and now. It is asked for before the first run, so that nothing is
    /// measured in vain.
    ///
    /// # Errors
    /// What a result would lack, and what to do about it.
    pub fn of(intent: Intent, repository: &Repository) -> anyhow::Result<Self> {
        let Intent { name, about, command, settings, versions, has_assertions, is_trial } = intent;
        ensure!(
            is_trial || !repository.is_changed,
            "the code differs from its commit, so that nobody could measure it again: commit first, or try it out with \
             --trial"
        );
        ensure!(
            is_trial || !has_assertions,
            "this build has assertions, which take time: leave --profile out, or try it out with --trial"
        );
        let compiler = Command::new("rustc").arg("--version").output().context("rustc cannot be asked its version")?;
        let compiler = String::from_utf8(compiler.stdout)?.trim().trim_start_matches("rustc ").to_owned();
        let own = [("ringpost", ringpost::VERSION.to_owned()), ("rustc", compiler)];
        let own = own.map(|(name, version)| (name.to_owned(), version));
        let head = Self {
            name,
            date: OffsetDateTime::now_utc().date().to_string(),
            about,
            machine: Machine::this(),
            commit: repository.commit.clone(),
            is_trial,
            command,
            settings,
            versions: versions.into_iter().chain(own).collect(),
        };
        let lacks = head.lacks();
        ensure!(lacks.is_empty(), "a result would lack {}", lacks.join(", "));
        Ok(head)
    }

    /// What its folder is called.
    pub fn folder(&self) -> String {
        format!("{}-{}", self.date, self.name)
    }

    /// What it lacks to be a result's.
    pub(super) fn lacks(&self) -> Vec<String> {
        let is_word =
            |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        let is_commit = self.commit.len() == 40 && self.commit.bytes().all(|byte| byte.is_ascii_hexdigit());
        let wanted = [
            (is_word(&self.name), "a name of letters, digits and `-`"),
            (is_date(&self.date), "a date such as 2026-11-24"),
            (!self.about.is_empty(), "a sentence about it"),
            (!self.machine.processor.is_empty(), "the processor"),
            (self.machine.cores > 0, "the number of cores"),
            (self.machine.memory_bytes > 0, "the memory of the machine"),
            (!self.machine.kernel.is_empty(), "the kernel"),
            (is_commit, "a commit of 40 digits"),
            (!self.command.is_empty(), "the command"),
            (!self.settings.is_empty(), "settings"),
            (!self.versions.is_empty() && self.versions.values().all(|version| !version.is_empty()), "versions"),
        ];
        wanted.into_iter().filter(|(is_there, _)| !is_there).map(|(_, what)| what.to_owned()).collect()
    }
}

/// Whether it is written as ISO 8601 has it: so dates sort by their names.
fn is_date(text: &str) -> bool {
    let parts: Vec<_> = text.split('-').collect();
    let is_number = |part: &&str| part.bytes().all(|byte| byte.is_ascii_digit());
    parts.iter().map(|part| part.len()).eq([4, 2, 2]) && parts.iter().all(is_number)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::results::repository::tests::repository;

    pub(crate) fn intent() -> Intent {
        Intent {
            name: "bench".into(),
            about: "A test.".into(),
            command: "make bench".into(),
            settings: BTreeMap::from([("node".into(), "1 shard".into())]),
            versions: BTreeMap::from([("peer".into(), "1.2".into())]),
            has_assertions: false,
            is_trial: false,
        }
    }

    pub(crate) fn head() -> Head {
        Head::of(intent(), &Repository::around(repository().path()).unwrap()).unwrap()
    }

    #[test]
    fn a_head_is_of_here_and_now() {
        let head = head();
        assert_eq!(head.machine, Machine::this());
        assert!(head.folder().starts_with("20") && head.folder().ends_with("-bench"), "{head:?}");
        assert!(head.versions["rustc"].starts_with("1.") && head.versions["peer"] == "1.2", "{head:?}");
    }

    #[test]
    fn changed_code_and_builds_with_assertions_are_measured_only_for_a_trial() {
        let folder = repository();
        let clean = Repository::around(folder.path()).unwrap();
        std::fs::write(folder.path().join("code.rs"), "").unwrap();
        let changed = Repository::around(folder.path()).unwrap();
        let slow = Intent { has_assertions: true, ..intent() };
        for (intent, repository) in [(intent(), &changed), (slow, &clean)] {
            let error = Head::of(intent.clone(), repository).unwrap_err().to_string();
            assert!(error.contains("--trial"), "{error}");
            assert!(Head::of(Intent { is_trial: true, ..intent }, repository).unwrap().is_trial);
        }
    }

    #[test]
    fn each_part_that_lacks_is_named() {
        type Spoil = fn(&mut Head);
        let cases: [(Spoil, &str); 8] = [
            (|head| head.name = "../up".into(), "name"),
            (|head| head.date = "24.11.2026".into(), "date"),
            (|head| head.machine.kernel.clear(), "kernel"),
            (|head| head.machine.processor.clear(), "processor"),
            (|head| head.commit = "main".into(), "commit"),
            (|head| head.command.clear(), "command"),
            (|head| head.settings.clear(), "settings"),
            (|head| head.versions.clear(), "versions"),
        ];
        for (spoil, expected) in cases {
            let mut head = head();
            spoil(&mut head);
            let lacks = head.lacks();
            assert!(lacks.len() == 1 && lacks[0].contains(expected), "{expected}: {lacks:?}");
        }
    }
}
