//! The house rules of the source: no circle between files, and what each folder must never name.
//!
//! The source is read as the compiler reads it, module by module, without what exists in tests only. A name that a
//! module re-exports counts as one of the file that defines it. What is called on a value is not seen, only what is
//! named by a path.

mod circles;
mod nevers;
mod paths;
mod tree;

use std::path::Path;

use circles::Circle;
use nevers::Never;
use tree::Tree;

/// Folders of the node within which files still need each other; across folders none may. The list only gets shorter.
const STANDING: [&str; 0] = [];

/// Files of the node that still need each other across folders.
const STANDING_ACROSS: [&str; 0] = [];

fn crate_in(folder: &str) -> Tree {
    Tree::read(&Path::new(env!("CARGO_MANIFEST_DIR")).join(folder))
}

fn told(circles: &[Circle]) -> String {
    circles.iter().map(ToString::to_string).collect()
}

#[test]
fn no_files_of_the_node_need_each_other() {
    let stands = |circle: &Circle| {
        let is_within = |folder: &&str| circle.files.iter().all(|file| file.starts_with(folder));
        let is_across = circle.files.iter().all(|file| STANDING_ACROSS.contains(&file.as_str()));
        is_across || STANDING.iter().any(is_within)
    };
    let mut circles = circles::find(&crate_in("src"));
    circles.retain(|circle| !stands(circle));
    assert!(circles.is_empty(), "{}", told(&circles));
}

#[test]
fn no_files_of_the_load_generator_need_each_other() {
    let circles = circles::find(&crate_in("loadgen/src"));
    assert!(circles.is_empty(), "{}", told(&circles));
}

#[test]
fn no_folder_names_what_it_must_never_name() {
    let mut broken = nevers::broken(&crate_in("src"), &nevers::NODE);
    broken.extend(nevers::broken(&crate_in("loadgen/src"), &nevers::LOAD_GENERATOR));
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

#[test]
fn only_the_adapter_of_the_client_protocol_says_its_codes() {
    let source = crate_in("src");
    let places = ["model", "work", "session", "hub", "outbox", "broker", "shard", "control"];
    let said = nevers::codes(&source, &places);
    assert!(said.is_empty(), "{}", said.join("\n"));
    let codes = nevers::codes(&source, &["protocol/centrifuge"]);
    assert!(codes.contains(&"protocol/centrifuge/codes.rs says 3501".into()), "{codes:?}");
}

/// A crate with these files.
fn crate_of(files: &[(&str, &str)]) -> Tree {
    let folder = tempfile::tempdir().unwrap();
    for (file, text) in files {
        let path = folder.path().join(file);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    Tree::read(folder.path())
}

#[test]
fn a_circle_is_found_through_re_exports_imported_modules_and_macros() {
    let files = [
        ("lib.rs", "mod low; mod high;"),
        ("low.rs", "use crate::high; fn f() { println!(\"{}\", high::name()); }"),
        ("high/mod.rs", "mod inner; pub use self::inner::name;"),
        ("high/inner.rs", "pub fn name() -> u8 { super::super::low::f() }"),
    ];
    let circles = circles::find(&crate_of(&files));
    assert_eq!(circles.len(), 1, "{}", told(&circles));
    assert!(circles[0].files.iter().eq(["high/inner.rs", "low.rs"]), "{}", told(&circles));
}

#[test]
fn re_exports_imports_of_modules_and_tests_tie_no_files() {
    let files = [
        ("lib.rs", "pub mod low; pub mod high; pub use high::High;"),
        ("low.rs", "pub struct Low; #[cfg(test)] mod tests { use crate::high::High; }"),
        (
            "high.rs",
            "use crate::low::{self, Low}; pub struct High(Low); fn f(of: low::Low) -> crate::High { High(of) }",
        ),
    ];
    let circles = circles::find(&crate_of(&files));
    assert!(circles.is_empty(), "{}", told(&circles));
}

#[test]
fn a_broken_never_is_found_however_it_is_written() {
    let never = [Never { places: &["low"], named: &["high.rs", "std::thread"] }];
    let files = |text| [("lib.rs", "mod low; mod high;"), ("low/mod.rs", text), ("high.rs", "pub struct High;")];
    let broken = |text| nevers::broken(&crate_of(&files(text)), &never).len();
    for text in [
        "use crate::high::High;",
        "fn f() -> super::high::High { todo!() }",
        "use std::thread;",
        "fn f() { std::thread::yield_now(); }",
        "mod inner { use std::{fmt, thread::{self as other}}; }",
        "fn f() { println!(\"{:?}\", std::thread::current().id()); }",
    ] {
        assert_eq!(broken(text), 1, "{text}");
    }
    assert_eq!(broken("use std::fmt; #[cfg(test)] mod tests { use std::thread; }"), 0);
}
