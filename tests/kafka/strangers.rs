//! The broker of the tests, and records as other programs write and read them.

use std::process::Command;

use crate::kafka::Kafka;
use crate::kcat::kcat_writes;

#[test]
fn what_one_program_writes_another_reads_and_a_broker_that_was_killed_has_it() {
    let mut kafka = Kafka::start();
    kafka.topic("plain", 3);
    kcat_writes(&kafka, "plain", "ann", &[b"kind=note"], "hello");
    let (partition, _) = kafka.write("plain", Some("ann"), b"again", &[("kind", b"other")]);
    kafka.restart();
    kafka.write("plain", None, b"third", &[]);
    let read = kafka.read("plain", 3);
    let of_ann: Vec<_> = read.iter().filter(|kept| kept.key.as_deref() == Some("ann")).collect();
    assert_eq!(of_ann.iter().map(|kept| kept.value.as_slice()).collect::<Vec<_>>(), [&b"hello"[..], b"again"]);
    assert_eq!((of_ann[0].header("kind"), of_ann[1].header("kind")), (Some("note"), Some("other")));
    assert_eq!(of_ann[1].partition, partition);
    assert_eq!(read.len(), 3);
    let output = Command::new("kcat").args(["-C", "-q", "-e", "-b", &kafka.address(), "-t", "plain"]).output();
    let told = String::from_utf8(output.expect("tests/packages installs it").stdout).expect("it is text");
    assert_eq!(told.lines().count(), 3, "{told}");
}

#[test]
fn tests_share_a_broker_as_long_as_one_of_them_has_it() {
    let (one, other) = (Kafka::shared(), Kafka::shared());
    assert_eq!(one.address(), other.address());
    assert_ne!(one.prefix(), other.prefix());
}
