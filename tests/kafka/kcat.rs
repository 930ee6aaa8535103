//! Records as a program writes them that has nothing of ours.

use std::ffi::OsStr;
use std::io::Write as _;
use std::os::unix::ffi::OsStrExt as _;
use std::process::{Command, Stdio};

use crate::kafka::Kafka;

/// Has kcat write a record, with headers as `name=value`.
pub(crate) fn kcat_writes(kafka: &Kafka, topic: &str, key: &str, headers: &[&[u8]], value: &str) {
    let mut kcat = Command::new("kcat");
    // As Java's clients do.
    kcat.args(["-P", "-q", "-X", "partitioner=murmur2_random", "-b", &kafka.address(), "-t", topic, "-k", key]);
    for header in headers {
        kcat.arg("-H").arg(OsStr::from_bytes(header));
    }
    let mut child = kcat.stdin(Stdio::piped()).spawn().expect("tests/packages installs it");
    child.stdin.take().expect("it reads").write_all(value.as_bytes()).expect("it reads all");
    assert!(child.wait().expect("it ends").success(), "kcat has failed");
}
