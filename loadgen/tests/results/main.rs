//! What the checkout shows of results is whole and the newest.

use ringpost_loadgen::results::{Repository, directory, readme};

#[test]
fn every_result_of_the_checkout_lacks_nothing() {
    for folder in directory::all(&Repository::here().unwrap().results()).unwrap() {
        directory::check(&folder).unwrap();
    }
}

#[test]
fn the_readme_shows_the_newest_results() {
    let repository = Repository::here().unwrap();
    let readme = std::fs::read_to_string(repository.root.join("README.md")).unwrap();
    let renewed = readme::renewed(&readme, &repository.results()).unwrap();
    assert_eq!(readme, renewed, "`make results` writes the newest results into the README");
}
