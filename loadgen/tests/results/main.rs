//! What the checkout shows of results is whole and the newest.

use std::path::Path;

use ringpost_loadgen::results::{directory, readme};

/// The top of the checkout.
fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

#[test]
fn every_result_of_the_checkout_lacks_nothing() {
    for folder in directory::all(&root().join("results")).unwrap() {
        directory::check(&folder).unwrap();
    }
}

#[test]
fn the_readme_shows_the_newest_results() {
    let readme = std::fs::read_to_string(root().join("README.md")).unwrap();
    let renewed = readme::renewed(&readme, &root().join("results")).unwrap();
    assert_eq!(readme, renewed, "`make results` writes the newest results into the README");
}
