use std::borrow::Cow;

use rdkafka::mocking::MockCluster;
use rustix::io::Errno;
use uuid::Uuid;

use super::*;
use crate::broker::ending::Ending;
use crate::broker::visit::{Guest, Visit, VisitEvent};
use crate::events::{LoginDevice, LoginSdk, UserLogin};
use crate::model::Device;
use crate::model::refusal::DisconnectKind;
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
    let (log, guard) = start(&silent);
    assert!(!log.takes_visits() && guard.is_none());
}
