//! A store that is refused at the start, and looked at without a node.

use std::fs;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use ringpost::store::files::{Files, Layout};
use ringpost::store::segment::{HEAD_BYTES, ShardOf};
use ringpost::store::{Directory, Journal, JournalSetup, Record, Request};

use super::{failure, output, success};

/// A store with these records, each in a batch of its own.
fn store(path: &Path, channels: &[&str]) {
    let directory = std::sync::Arc::new(Directory::open(path, "here").expect("a store can be made"));
    let layout = Layout { shards: 1, segment_size: 4 << 20, max_size: 1 << 30 };
    let mut files = Files::new(directory.clone(), layout);
    let first = files.prepare(0).expect("there is room");
    let (start, writer) = (directory.identity().starts, ShardOf { shard: 0, shards: 1 });
    let setup =
        JournalSetup { start, writer, first: first.prepared, ends: Vec::new(), found: Vec::new(), sync_interval_ns: 0 };
    let mut journal = Journal::new(setup);
    for channel in channels {
        journal.append(&Record::Over(channel)).expect("it takes records");
        while let Some(request) = journal.next_request(0) {
            match request {
                Request::Prepare { .. } => journal.prepared(None),
                Request::Hurry => {}
                Request::Write { at, bytes, .. } => {
                    first.file.write_all_at(&bytes, at).expect("the file takes bytes");
                    journal.written(true, bytes);
                }
                Request::Discard { .. } => unreachable!("nothing is old"),
            }
        }
    }
}

fn segment(path: &Path) -> PathBuf {
    path.join("000000000001.segment")
}

#[test]
fn a_store_says_whose_it_is_and_what_it_takes() {
    let folder = tempfile::tempdir().expect("a folder can be made");
    let path = folder.path().to_str().expect("the path is text");
    assert!(failure(&["store", "info", path]).contains("there is no store"));
    store(folder.path(), &["a", "b"]);
    let info = success(&["store", "info", path]);
    assert!(info.contains("node      here\n") && info.contains("1 of shard 0 among 1, 4194304 bytes"), "{info}");
}

#[test]
fn a_store_is_dumped_as_lines_of_json_by_channel() {
    let folder = tempfile::tempdir().expect("a folder can be made");
    let path = folder.path().to_str().expect("the path is text");
    store(folder.path(), &["a", "b", "a"]);
    let lines = success(&["store", "dump", path, "--channel", "a"]);
    let lines: Vec<serde_json::Value> =
        lines.lines().map(|line| serde_json::from_str(line).expect("a line is JSON")).collect();
    assert_eq!(lines.len(), 2);
    assert!(lines.iter().all(|line| line["record"] == serde_json::json!({"over": "a"})), "{lines:?}");
    assert!(lines[0]["batch"].as_u64() < lines[1]["batch"].as_u64());
    assert_eq!(success(&["store", "dump", path]).lines().count(), 4, "and what the segment begins with");
}

#[test]
fn a_damaged_store_is_told_and_no_node_starts_on_it() {
    let folder = tempfile::tempdir().expect("a folder can be made");
    let path = folder.path().to_str().expect("the path is text");
    store(folder.path(), &["a", "b", "c"]);
    assert!(success(&["store", "check", path]).contains("whole: 1 segments, 4 records"));
    let file = fs::File::options().write(true).open(segment(folder.path())).expect("the segment is there");
    file.write_all_at(&[0xff], HEAD_BYTES + 60).expect("the file takes bytes");
    let looked = output(&["store", "check", path]);
    assert_eq!(looked.status.code(), Some(1));
    let said = String::from_utf8(looked.stdout).expect("it is text");
    assert!(said.contains("damaged") && said.contains("segment 1: what lies at byte"), "{said}");
    let refused = refusal(path, "here");
    assert!(refused.contains("ringpost store check"), "{refused}");
}

#[test]
fn a_segment_whose_head_is_damaged_is_told_with_all_that_is_wrong_in_others() {
    let folder = tempfile::tempdir().expect("a folder can be made");
    let path = folder.path().to_str().expect("the path is text");
    store(folder.path(), &["a", "b", "c"]);
    let first = segment(folder.path());
    store(folder.path(), &["d", "e"]);
    let file = fs::File::options().write(true).open(&first).expect("the segment is there");
    file.write_all_at(&[0xff], 40).expect("the file takes bytes");
    let looked = output(&["store", "check", path]);
    assert_eq!(looked.status.code(), Some(1));
    let said = String::from_utf8(looked.stdout).expect("it is text");
    assert!(said.contains("segment 1: its head is damaged") && said.contains(": damaged: 1 segments"), "{said}");
    assert!(!said.contains("has gone"), "its file is there: {said}");
    assert!(failure(&["store", "dump", path]).contains("its head is damaged"));
}

#[test]
fn a_node_refuses_the_store_of_another_and_one_that_is_in_use() {
    let folder = tempfile::tempdir().expect("a folder can be made");
    let path = folder.path().to_str().expect("the path is text");
    store(folder.path(), &["a"]);
    let refused = refusal(path, "there");
    assert!(refused.contains("the store is of the node \"here\""), "{refused}");
    let _used = Directory::open(folder.path(), "here").expect("it is free");
    assert!(refusal(path, "here").contains("a node uses this directory"));
    assert!(failure(&["store", "check", path]).contains("a node uses this directory"));
}

/// What a node says that does not start on a store.
fn refusal(path: &str, name: &str) -> String {
    let config = format!(
        "name = \"{name}\"\n[http_server]\naddress = \"127.0.0.1\"\nport = 0\n[tcp_server]\nenabled = false\n\
         [store]\npath = \"{path}\"\nsegment_size = 4194304\n"
    );
    let folder = tempfile::tempdir().expect("a folder can be made");
    let file = folder.path().join("node.toml");
    fs::write(&file, config).expect("the file is written");
    failure(&["serve", "--config", file.to_str().expect("the path is text")])
}
