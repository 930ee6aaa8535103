//! Lines as a server of NATS with JetStream writes them.

use ringpost::protocol::centrifuge::Encoding;

use super::*;
use crate::payload::Stamp;
use crate::scenario::{find, read, set};

fn terms() -> Terms {
    Terms { encoding: Encoding::Json, payload_bytes: 64, has_audience: false }
}

fn hear(input: &[u8]) -> (Vec<String>, usize) {
    let mut heard = Vec::new();
    let read = Reader.read(input, &mut |word| heard.push(format!("{word:?}"))).unwrap();
    (heard, read)
}

#[test]
fn a_publish_names_where_its_publisher_hears_the_answer() {
    let (writer, mut out) = (Writer::new(&terms()), Vec::new());
    writer.connect(&Client { user: "loadgen-17", token: "", subscribes: false }, &mut out);
    let said = String::from_utf8(std::mem::take(&mut out)).unwrap();
    assert!(said.ends_with("SUB _INBOX.17.* 1\r\nPING\r\n") && said.contains("\"verbose\":false"), "{said}");
    let mut payloads = Payloads::new(64);
    let payload = payloads.write(Stamp { stream: 17, sequence: 3, due_ns: 5 }).to_vec();
    writer.publish(9, "durable.loadgen-17", &payload, &mut out);
    assert!(out.starts_with(b"PUB durable.loadgen-17 _INBOX.17.9 64\r\n") && out.ends_with(b"\"}\r\n"));
}

#[test]
fn an_answer_says_which_publish_was_kept_or_was_not() {
    let kept = "MSG _INBOX.17.9 1 28\r\n{\"stream\":\"durable\",\"seq\":1}\r\n";
    assert_eq!(hear(kept.as_bytes()), (vec!["Acknowledged { id: 9 }".into()], kept.len()));
    assert_eq!(hear(&kept.as_bytes()[..kept.len() - 1]), (vec![], 0), "not whole yet");
    let refused = "MSG _INBOX.17.10 1 12\r\n{\"error\":{}}\r\n";
    assert!(hear(refused.as_bytes()).0[0].starts_with("Refused { id: 10"));
    assert_eq!(hear(b"INFO {\"version\":\"2.15.2\"}\r\nPONG\r\nPING\r\n").0, ["Version(\"2.15.2\")", "Done", "Ping"]);
}

#[test]
fn only_publishers_whom_nobody_hears_are_measured() {
    let plan = |name: &str, setting: &str| set(&read(&find(name).unwrap()).unwrap(), setting).unwrap().plan().unwrap();
    check(&plan("publish", "channels=100"), &["durable.a".into()]).unwrap();
    assert!(check(&plan("direct", "users=10"), &[]).is_err());
}
