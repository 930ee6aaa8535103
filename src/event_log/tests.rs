use std::borrow::Cow;
use std::thread;

use rdkafka::mocking::MockCluster;
use rustix::io::Errno;
use uuid::Uuid;

use super::*;
use crate::broker::ending::Ending;
use crate::broker::visit::{Guest, Visit, VisitEvent};
use crate::delivery::{Push, PushTo, PushWhat};
use crate::events::{LoginDevice, LoginSdk, PushOffline, PushUser, UserLogin};
use crate::limits::PUSH_DATA_BYTES_MAX;
use crate::model::refusal::DisconnectKind;
use crate::model::{ClientInfo, Device, Payload, Publication};
use crate::protocol::Format;

const PLACE: Place = Place { incarnation: 7, slot: 3 };

fn guest(device: Option<Device>) -> Guest {
    Guest { user: "ann".into(), client: Uuid::nil(), device: device.map(Into::into) }
}

fn visit(event: VisitEvent) -> Visit {
    Visit {
        time_unix_ms: 1_700_000_000_123,
        address: [192, 0, 2, 1].into(),
        format: Some(Format::WebSocketJson),
        event,
    }
}

fn told(event: VisitEvent) -> UserLogin {
    login::event(&visit(event), "edge-1", PLACE)
}

#[test]
fn who_comes_is_told_with_user_client_device_sdk_and_where_to() {
    let event = told(VisitEvent::Connected(guest(Some(Device::named("d", "phone", "js").running("5.3")))));
    assert_eq!(Uuid::parse_str(&event.id).unwrap().get_version_num(), 4);
    assert_eq!(
        event,
        UserLogin {
            id: event.id.clone(),
            kind: "connected".into(),
            at_unix_ms: 1_700_000_000_123,
            node: "edge-1".into(),
            incarnation: 7,
            slot: 3,
            user: "ann".into(),
            client: Uuid::nil().to_string(),
            device: Some(LoginDevice { id: "d".into(), kind: "phone".into() }),
            address: "192.0.2.1".into(),
            transport: "websocket".into(),
            sdk: Some(LoginSdk { name: "js".into(), version: "5.3".into() }),
            ..UserLogin::default()
        }
    );
    let unknown = told(VisitEvent::Connected(guest(None)));
    assert_eq!((unknown.device, unknown.sdk), (None, None));
    let only_sdk = told(VisitEvent::Connected(guest(Some(Device::named("", "", "go")))));
    assert_eq!((only_sdk.device, only_sdk.sdk.unwrap().version), (None, String::new()));
}

#[test]
fn who_goes_is_told_with_cause_code_reason_and_how_long() {
    let closed = |ending, reason: Option<&'static str>| {
        let reason = reason.map(Cow::Borrowed);
        told(VisitEvent::Closed { guest: guest(None), ending, reason, duration_ms: 1_500 })
    };
    let of = |event: UserLogin| (event.kind, event.cause, event.code, event.reason, event.connected_ms);
    let is = |cause: &str, code, reason: &str| ("disconnected".into(), cause.into(), code, reason.into(), 1_500);
    assert_eq!(of(closed(Ending::Disconnect(DisconnectKind::Slow), None)), is("disconnect", 3008, "slow"));
    let backend = Ending::Disconnect(DisconnectKind::Backend(4000));
    assert_eq!(of(closed(backend, Some("go"))), is("disconnect", 4000, "go"));
    assert_eq!(of(closed(Ending::PeerClosed, None)), is("peer_closed", 0, ""));
    let broken = closed(Ending::Broken(Errno::CONNRESET), None);
    assert!(broken.cause == "broken" && !broken.reason.is_empty(), "{broken:?}");
}

#[test]
fn who_is_refused_is_told_without_a_session() {
    let reason = Some(Cow::Borrowed("token required"));
    let event = told(VisitEvent::Refused { ending: Ending::Refusal(403), reason });
    assert_eq!((&*event.kind, event.code, &*event.reason), ("refused", 403, "token required"));
    assert_eq!((&*event.user, &*event.client, event.connected_ms), ("", "", 0));
}

fn config(brokers: String) -> KafkaConfig {
    KafkaConfig { brokers: vec![brokers], timeout: crate::config::Duration::from_millis(200), ..KafkaConfig::default() }
}

fn start(config: &KafkaConfig) -> (EventLog, Option<EventLogGuard>) {
    let producer = Arc::new(Producer::new(config, "test").unwrap());
    EventLog::start(config, "edge-1", Some(producer), || Some(PLACE)).unwrap()
}

fn connected() -> Entry {
    Entry::Visit(visit(VisitEvent::Connected(guest(None))))
}

#[test]
fn what_is_told_is_with_kafka_when_the_guard_is_gone() {
    let cluster = MockCluster::new(1).unwrap();
    cluster.create_topic("user.login.log", 1, 1).unwrap();
    let mut config = config(cluster.bootstrap_servers());
    config.timeout = crate::config::Duration::from_secs(5);
    let (log, guard) = start(&config);
    let counts = log.0.as_ref().unwrap().logins.clone().unwrap();
    (0..1_000).for_each(|_| log.write(connected()));
    drop(log);
    drop(guard);
    assert_eq!((counts.written(), counts.waiting(), counts.dropped()), (1_000, 0, vec![("crowded", 0)]));
}

#[test]
fn without_a_broker_nobody_waits_and_all_is_counted_as_dropped() {
    let (log, guard) = start(&config("127.0.0.1:1".into()));
    let counts = log.0.as_ref().unwrap().logins.clone().unwrap();
    let number = 2 * EVENT_LOG_VISITS_MAX as u64;
    (0..number).for_each(|_| log.write(connected()));
    drop(log);
    drop(guard);
    // A delivery that was given up is told on librdkafka's thread.
    for _ in 0..200 {
        if counts.waiting() == 0 {
            break;
        }
        thread::sleep(Duration::from_millis(50));
    }
    let dropped = counts.dropped().iter().map(|(_, number)| number).sum::<u64>();
    assert_eq!((counts.written(), dropped), (0, number), "{:?}", counts.dropped());
}

#[test]
fn without_a_kafka_or_a_topic_there_is_no_thread() {
    let (log, guard) = EventLog::start(&KafkaConfig::default(), "n", None, || None).unwrap();
    assert!(!log.takes_visits() && guard.is_none() && log.counts().next().is_none());
    log.write(connected());
    let mut silent = config("127.0.0.1:1".into());
    silent.topics.login.clear();
    silent.topics.push.clear();
    let (log, guard) = start(&silent);
    assert!(!log.takes_visits() && guard.is_none());
}

fn push(what: PushWhat) -> Push {
    let to = |user: &str, is_background| PushTo { user: user.into(), unread: 3, is_background };
    let users = vec![to("ann", false), to("bob", true)];
    Push { channel: "chat:7".into(), epoch: "e".into(), offset: 9, what, users }
}

fn offline(data: Payload, part: u32) -> PushWhat {
    let info = ClientInfo { user: "cyd".into(), client: Uuid::nil(), conn_info: None, chan_info: None };
    let publication = Publication {
        offset: 9,
        data,
        info: Some(info.into()),
        tags: Some([("k".into(), "v".into())].into()),
        time_unix_ms: 1_700_000_000_123,
    };
    PushWhat::Offline { publication: Some(publication.into()), part }
}

#[test]
fn whom_a_push_is_to_tell_is_told_with_the_message() {
    let event = push::event(&push(offline(Payload::json("{\"a\":1}"), 0)));
    let user = |user: &str, reason: &str| PushUser { user: user.into(), unread: 3, reason: reason.into() };
    assert_eq!(
        event,
        PushOffline {
            id: event.id.clone(),
            kind: "offline".into(),
            channel: "chat:7".into(),
            epoch: "e".into(),
            offset: 9,
            time_unix_ms: 1_700_000_000_123,
            sender: "cyd".into(),
            data: "{\"a\":1}".into(),
            tags: [("k".to_owned(), "v".to_owned())].into(),
            users: vec![user("ann", "away"), user("bob", "background")],
            ..PushOffline::default()
        }
    );
    let long = Payload::json(format!("\"{}\"", "x".repeat(PUSH_DATA_BYTES_MAX)));
    let event = push::event(&push(offline(long, 0)));
    assert_eq!((event.truncated, event.data.len(), event.b64data.len()), (true, 0, PUSH_DATA_BYTES_MAX));
    let forgotten = push::event(&push(PushWhat::Offline { publication: None, part: 0 }));
    assert_eq!((forgotten.offset, forgotten.time_unix_ms, forgotten.data.len()), (9, 0, 0));
}

#[test]
fn an_event_that_comes_again_has_the_same_id_and_no_other_has() {
    let id = |push: &Push| Uuid::parse_str(&push::event(push).id).unwrap();
    let of = |part| push(offline(Payload::json("1"), part));
    assert_eq!(id(&of(0)), id(&of(0)));
    assert_eq!(id(&of(0)).get_version_num(), 8);
    let mut other = of(0);
    other.offset = 10;
    let mut withdrawn_later = push(PushWhat::Withdrawn);
    withdrawn_later.users.remove(0);
    let all = [of(0), of(1), other, push(PushWhat::Withdrawn), withdrawn_later];
    let ids: std::collections::BTreeSet<_> = all.iter().map(id).collect();
    assert_eq!(ids.len(), all.len());
    let event = push::event(&all[3]);
    assert_eq!((&*event.kind, &*event.users[0].reason), ("withdrawn", ""));
}

#[test]
fn pushes_that_find_no_room_are_counted_by_themselves() {
    let (log, _guard) = start(&config("127.0.0.1:1".into()));
    let counts = log.0.as_ref().unwrap().pushes.clone().unwrap();
    log.0.as_ref().unwrap().waiting_pushes.fetch_add(EVENT_LOG_PUSHES_MAX, Relaxed);
    log.write(Entry::Push(Box::new(push(PushWhat::Withdrawn))));
    assert_eq!(counts.dropped(), [("crowded", 1)]);
    assert_eq!(log.counts().map(|(topic, _)| topic).collect::<Vec<_>>(), ["login", "push"]);
}
