//! A home whose deliveries find no room: the other shard has a subscriber, and reads nothing.

use super::*;
use crate::broker::letter::{Answer, Asker};
use crate::broker::order::Publish;
use crate::hub::RecoveryMode;
use crate::limits::WINDOW_BYTES;
use crate::model::{ClientInfo, Payload, PayloadKind};
use crate::session::{Flags, Terms};

const PUBLISHES: usize = 500;

/// What a publication of these tests makes, bytes, at the most.
const COPY_BYTES: u64 = 1024;

/// The other shard has a subscriber of a channel that is at home here.
fn subscribed(half: &mut Half) -> String {
    let placement = Placement::new(2, 1);
    let channel = (0..).map(|number| format!("c{number}")).find(|name| placement.of(name) == 0).unwrap();
    let client = uuid::Uuid::from_u128(7);
    let terms = Terms {
        filter: None,
        info: Arc::new(ClientInfo { user: "7".into(), client, conn_info: None, chan_info: None }),
        flags: Flags::default(),
        announce: false,
        presence: false,
        recover: None,
        device: None,
        was_recovering: false,
        mode: RecoveryMode::Stream,
        recovery_max: 0,
        whole: false,
        data: None,
        expire_at_unix_s: None,
    };
    let asker = Asker { session: 0, generation: 0, id: 1, bytes: 0 };
    let letter = Letter::Subscribe { asker, channel: channel.as_str().into(), terms: terms.into() };
    half._other.push(0, Lane::Asks, 1, letter).unwrap();
    half._other.wake();
    half.tick();
    let answer = half._other.receive(0, Lane::Deliveries);
    assert!(matches!(answer, Some(Letter::Answer { answer: Answer::Subscribed { .. }, .. })), "{answer:?}");
    channel
}

/// A client that says very much at once; the thread ends when all was taken from it.
fn flood(half: &mut Half, channel: &str) -> (TcpStream, u32, std::thread::JoinHandle<()>) {
    let (client, conn) = half.client();
    let mut writer = client.try_clone().unwrap();
    let text = "x".repeat(300);
    let publish = |id: usize| format!("{}\n", json!({"id": id + 2, "publish": {"channel": channel, "data": text}}));
    let all: String = (0..PUBLISHES).map(publish).collect();
    let writing = std::thread::spawn(move || writer.write_all(all.as_bytes()).unwrap());
    (client, conn, writing)
}

fn waiting_bytes(shard: &Shard) -> u64 {
    shard.broker.report();
    shard.metrics.mailbox_waiting_bytes.get()
}

#[test]
fn a_publisher_is_not_read_until_its_deliveries_have_left_and_loses_none() {
    let mut half = Half::with(|_| {});
    let channel = subscribed(&mut half);
    let (mut client, conn, writing) = flood(&mut half, &channel);
    half.until("the publisher waits", |shard| shard.conns[conn as usize].waits());
    for _ in 0..100 {
        half.tick();
        assert!(waiting_bytes(&half.shard) <= WINDOW_BYTES as u64 + COPY_BYTES, "{}", waiting_bytes(&half.shard));
    }
    let published = half.shard.metrics.namespaces.sum(|namespace| namespace.publishes.get());
    assert!(published < 100, "{published} publishes, and nobody waits");
    let mut delivered = 0;
    while delivered < PUBLISHES {
        match half._other.receive(0, Lane::Deliveries) {
            Some(letter) => delivered += usize::from(matches!(letter, Letter::Publication { .. })),
            None => half.tick(),
        }
    }
    half.until("all is acknowledged", |shard| !shard.waits_for_room());
    writing.join().unwrap();
    client.shutdown(std::net::Shutdown::Write).unwrap();
    half.until("the conn goes", |shard| shard.conns.is_empty());
    let mut heard = String::new();
    client.read_to_string(&mut heard).unwrap();
    assert_eq!(heard.matches("\"publish\":{}").count(), PUBLISHES);
}

#[test]
fn a_backend_waits_while_what_it_has_published_finds_no_room() {
    let mut half = Half::with(|_| {});
    let channel = subscribed(&mut half);
    let mut answers = Vec::new();
    for _ in 0..100 {
        let publish = Publish {
            channel: channel.as_str().into(),
            data: Payload { bytes: vec![b'1'; 300].into(), kind: PayloadKind::Json },
            tags: None,
            skip_history: false,
            idempotency_key: None,
            version: None,
            ttl_ms: None,
            exclude_client: None,
        };
        let (answer, answered) = tokio::sync::oneshot::channel();
        if half.orders.try_send(Order::Publish(publish.into(), answer)).is_err() {
            break;
        }
        answers.push(answered);
        half.tick();
        assert!(waiting_bytes(&half.shard) <= WINDOW_BYTES as u64 + COPY_BYTES, "{}", waiting_bytes(&half.shard));
    }
    assert!(answers.len() < 60, "the queue of orders is full");
    let mut delivered = 0;
    while delivered < answers.len() {
        match half._other.receive(0, Lane::Deliveries) {
            Some(_) => delivered += 1,
            None => half.tick(),
        }
    }
    assert!(answers.iter_mut().all(|answer| answer.try_recv().is_ok()), "all are answered");
}
