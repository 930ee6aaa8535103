//! Circles: files that need each other, so that none can be understood without the others.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use crate::tree::{Tree, Use};

/// Files that need each other.
#[derive(Debug)]
pub(crate) struct Circle {
    /// From the folder of the crate's source.
    pub(crate) files: BTreeSet<String>,
    ties: Vec<Use>,
}

impl fmt::Display for Circle {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(formatter, "{} files need each other:", self.files.len())?;
        self.ties.iter().try_for_each(|tie| writeln!(formatter, "  {tie}"))
    }
}

/// All circles between files of a crate.
pub(crate) fn find(tree: &Tree) -> Vec<Circle> {
    let uses = tree.uses();
    let mut needs = BTreeMap::<String, BTreeSet<String>>::new();
    for tie in uses.iter().filter(|tie| tie.to.ends_with(".rs")) {
        needs.entry(tie.from.display().to_string()).or_default().insert(tie.to.clone());
    }
    let reached: BTreeMap<_, _> = needs.keys().map(|file| (file.clone(), reach(&needs, file))).collect();
    let meets = |one: &String, other: &String| {
        reached[one].contains(other) && reached.get(other).is_some_and(|reached| reached.contains(one))
    };
    let mut circles = Vec::<Circle>::new();
    for file in reached.keys().filter(|file| meets(file, file)) {
        if circles.iter().any(|circle| circle.files.contains(file)) {
            continue;
        }
        let files: BTreeSet<_> = reached.keys().filter(|other| meets(file, other)).cloned().collect();
        let is_tie = |tie: &&Use| files.contains(&tie.from.display().to_string()) && files.contains(&tie.to);
        circles.push(Circle { ties: uses.iter().filter(is_tie).cloned().collect(), files });
    }
    circles
}

/// All that a file needs, and what that needs.
fn reach(needs: &BTreeMap<String, BTreeSet<String>>, from: &str) -> BTreeSet<String> {
    let (mut reached, mut open) = (BTreeSet::new(), vec![from.to_owned()]);
    while let Some(file) = open.pop() {
        for next in needs.get(&file).into_iter().flatten() {
            if reached.insert(next.clone()) {
                open.push(next.clone());
            }
        }
    }
    reached
}
