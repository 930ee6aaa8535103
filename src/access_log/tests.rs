use std::borrow::Cow;
use std::path::Path;
use std::thread;
use std::time::Instant;

use rustix::io::Errno;
use serde_json::{Value, json};
use uuid::Uuid;

use super::*;
use crate::broker::ending::Ending;
use crate::broker::visit::Visit;
use crate::broker::visit::{Guest, VisitEvent};
use crate::model::Device;
use crate::model::refusal::DisconnectKind;
use crate::protocol::Format;

fn guest(user: &str) -> Guest {
    Guest { user: user.into(), client: Uuid::nil(), device: Some(Device::named("", "", "js").into()) }
}

fn visit(event: VisitEvent) -> Entry {
    Entry::Visit(Visit {
        time_unix_ms: 1_700_000_000_123,
        address: [192, 0, 2, 1].into(),
        format: Some(Format::WebSocketJson),
        event,
    })
}

fn line_of(entry: &Entry) -> String {
    let mut line = Vec::new();
    assert!(line::write(entry, &mut line));
    String::from_utf8(line).unwrap()
}

fn object_of(entry: &Entry) -> Value {
    serde_json::from_str(&line_of(entry)).unwrap()
}

#[test]
fn who_comes_is_told_with_user_client_address_device_and_transport() {
    assert_eq!(
        line_of(&visit(VisitEvent::Connected(guest("ann")))),
        "{\"time\":\"2023-11-14T22:13:20.123Z\",\"event\":\"connect\",\"address\":\"192.0.2.1\",\"user\":\"ann\",\
         \"client\":\"00000000-0000-0000-0000-000000000000\",\"device\":\"js\",\"transport\":\"websocket\",\
         \"protocol\":\"json\"}\n"
    );
}

#[test]
fn who_goes_is_told_with_code_reason_and_duration() {
    let closed = |ending, reason: Option<&'static str>| {
        let reason = reason.map(Cow::Borrowed);
        object_of(&visit(VisitEvent::Closed { guest: guest("ann"), ending, reason, duration_ms: 1500 }))
    };
    let line = closed(Ending::Disconnect(DisconnectKind::Slow), None);
    assert_eq!([&line["event"], &line["cause"], &line["code"]], [&json!("close"), &json!("disconnect"), &json!(3008)]);
    assert_eq!([&line["reason"], &line["duration_ms"]], [&json!("slow"), &json!(1500)]);
    assert_eq!(closed(Ending::Disconnect(DisconnectKind::Backend(4000)), Some("go"))["reason"], "go");
    let line = closed(Ending::Broken(Errno::CONNRESET), None);
    assert_eq!((line["cause"].as_str(), &line["code"]), (Some("broken"), &Value::Null));
    assert!(line["reason"].as_str().unwrap().contains("reset"), "{line}");
    assert_eq!(closed(Ending::PeerClosed, None)["cause"], "peer_closed");
}

#[test]
fn refused_calls_are_told_with_method_and_codes() {
    let call = RefusedCall {
        time_unix_ms: 0,
        address: [192, 0, 2, 1].into(),
        method: "publish".into(),
        status: 200,
        code: Some(102),
    };
    let expected = json!({
        "time": "1970-01-01T00:00:00Z", "event": "call_refused", "address": "192.0.2.1", "method": "publish",
        "status": 200, "code": 102,
    });
    assert_eq!(object_of(&Entry::Call(call)), expected);
}

#[test]
fn nobody_writes_a_line_or_to_a_terminal_by_their_name() {
    let name = "a\n{\"event\":\"connect\"}\r\u{1b}[2J\u{9b}31m\u{7f}\u{2028}\u{85}ü\"\\";
    let line = line_of(&visit(VisitEvent::Connected(guest(name))));
    assert!(line.strip_suffix('\n').unwrap().chars().all(|char| !char.is_control() && char != '\u{2028}'), "{line}");
    assert_eq!(serde_json::from_str::<Value>(&line).unwrap()["user"], name);
}

fn log_to(path: &Path) -> (AccessLog, AccessLogGuard) {
    let config = AccessLogConfig { enabled: true, path: path.to_str().unwrap().into(), ..AccessLogConfig::default() };
    let (log, guard) = AccessLog::start(&config).unwrap();
    (log, guard.unwrap())
}

fn lines_in(path: &Path) -> usize {
    std::fs::read(path).unwrap_or_default().iter().filter(|byte| **byte == b'\n').count()
}

fn users_in(path: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(path).unwrap();
    let user = |line: &str| serde_json::from_str::<Value>(line).unwrap()["user"].as_str().unwrap().to_owned();
    text.lines().map(user).collect()
}

fn connected(user: &str) -> Entry {
    visit(VisitEvent::Connected(guest(user)))
}

fn wait_until(holds: impl Fn() -> bool) {
    let until = Instant::now() + Duration::from_secs(20);
    while !holds() {
        assert!(Instant::now() < until, "it takes too long");
        thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn what_waits_is_written_when_the_log_ends() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("access.log");
    let (log, guard) = log_to(&path);
    for number in 0..1000 {
        log.write(connected(&number.to_string()));
    }
    drop((log, guard));
    wait_until(|| lines_in(&path) == 1000);
    assert_eq!(users_in(&path), (0..1000).map(|number| number.to_string()).collect::<Vec<_>>());
}

#[test]
fn after_a_rotation_lines_go_to_the_new_file() {
    let folder = tempfile::tempdir().unwrap();
    let (path, rotated) = (folder.path().join("access.log"), folder.path().join("access.log.1"));
    let (log, guard) = log_to(&path);
    log.write(connected("before"));
    wait_until(|| lines_in(&path) == 1);
    std::fs::rename(&path, &rotated).unwrap();
    log.reopen();
    wait_until(|| path.exists());
    log.write(connected("after"));
    drop((log, guard));
    wait_until(|| lines_in(&path) == 1);
    assert_eq!((users_in(&rotated), users_in(&path)), (vec!["before".into()], vec!["after".into()]));
}

#[test]
fn nobody_waits_for_a_reader_that_stands_still() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("fifo");
    rustix::fs::mknodat(rustix::fs::CWD, &path, rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
    // Opened for both, so that opening waits for nobody; nothing is read.
    let reader = std::fs::OpenOptions::new().read(true).write(true).open(&path).unwrap();
    let (log, guard) = log_to(&path);
    let told = 10 * ACCESS_LINES_MAX;
    for _ in 0..told {
        log.write(connected("ann"));
    }
    // The pipe, the writer's buffer and the queue hold some.
    assert!(log.dropped_lines() as usize > told / 2, "{}", log.dropped_lines());
    drop((log, guard));
    drop(reader);
}

#[test]
fn a_file_that_cannot_be_opened_stops_the_start() {
    let config = AccessLogConfig { enabled: true, path: "/nowhere/access.log".into(), ..AccessLogConfig::default() };
    let error = format!("{:#}", AccessLog::start(&config).unwrap_err());
    assert!(error.contains("access_log.path") && error.contains("/nowhere/access.log"), "{error}");
}
