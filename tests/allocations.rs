//! How often a message allocates, once everything has its size: not at all on its way to the subscribers,
//! twice (the payload, the publication) where it is published. And how much a client keeps that does nothing.

use std::sync::Arc;

use allocation_counter::measure;
use rand::SeedableRng;
use rand::rngs::StdRng;
use ringpost::auth::Verifier;
use ringpost::broker::letter::Letter;
use ringpost::broker::{Broker, BrokerSetup, Input};
use ringpost::config::{ChannelOptions, Config, Delivery, Duration, Namespace};
use ringpost::hub::Placement;
use ringpost::protocol::Format;
use ringpost::time::Now;

const SUBSCRIBERS: u32 = 100;
const MESSAGES: u64 = 100;
const SECRET: &str = "a secret of the tests";
const NOW: Now = Now { mono_ms: 1_000, unix_ms: 1_700_000_000_000 };

fn shards() -> Vec<Broker> {
    let mut config = Config::default();
    config.client.allow_anonymous_connect_without_token = true;
    config.client.token.hmac_secret_key = SECRET.into();
    config.channel.without_namespace = ChannelOptions {
        history_size: 10,
        history_ttl: Duration::from_secs(60),
        force_recovery: true,
        allow_subscribe_for_client: true,
        allow_subscribe_for_anonymous: true,
        allow_publish_for_client: true,
        allow_publish_for_anonymous: true,
        ..ChannelOptions::default()
    };
    let at_least_once = ChannelOptions {
        delivery: Delivery::AtLeastOnce,
        members_by_subscribing: true,
        ..config.channel.without_namespace.clone()
    };
    config.channel.namespaces = vec![Namespace { name: "inbox".into(), options: at_least_once }];
    // The clock stands still here: nothing would be paid for.
    config.client.work_limit = Duration::default();
    config.client.user_work_limit = Duration::default();
    let verifier = Arc::new(Verifier::new(&config.client.tokens(), None).expect("no keys, no error"));
    let (config, placement) = (Arc::new(config), Placement::new(2, 1));
    let broker = |me: u16| {
        let (placement, config, verifier) = (placement.clone(), config.clone(), verifier.clone());
        let random = StdRng::seed_from_u64(me.into());
        let setup = BrokerSetup { me, placement, config, verifier, metrics: Arc::default(), secret: 1, random };
        Broker::new(setup).expect("no expressions, no error")
    };
    (0..2).map(broker).collect()
}

/// Carries letters between the shards until none is left, and sends all bytes.
fn settle(shards: &mut [Broker]) {
    loop {
        let (first, second) = shards.split_at_mut(1);
        let (first, second) = (&mut first[0], &mut second[0]);
        if !first.has_letters() && !second.has_letters() {
            break;
        }
        carry(0, first, second);
        carry(1, second, first);
    }
    shards.iter_mut().for_each(flush);
}

fn carry(number: u16, from: &mut Broker, to: &mut Broker) {
    from.post(NOW, |_, _, _, letter| {
        to.letter_arrived(number, letter, NOW);
        Ok(())
    });
    while to.next_resumed().is_some() {}
}

fn flush(shard: &mut Broker) {
    while shard.edge.outbox.is_dirty() {
        shard.edge.outbox.flush(|_, bytes| Ok(bytes.len()), |_, flushed| panic!("{flushed:?}"));
    }
}

fn command(shard: &mut Broker, session: u32, command: &str) {
    shard.begin_tick(NOW);
    assert_eq!(shard.input(session, command.as_bytes(), NOW), Input::Ready);
}

fn subscribed(shards: &mut [Broker], shard: usize, conn: u32, channel: &str) -> u32 {
    shards[shard].edge.outbox.open(conn);
    let session = shards[shard].open(conn, Format::WebSocketJson, std::net::Ipv4Addr::LOCALHOST.into(), NOW);
    command(&mut shards[shard], session, r#"{"id":1,"connect":{}}"#);
    command(&mut shards[shard], session, &format!(r#"{{"id":2,"subscribe":{{"channel":"{channel}"}}}}"#));
    settle(shards);
    session
}

fn channel_at(shard: u16) -> String {
    channel_at_with(shard, "")
}

/// As [`channel_at`], in a namespace.
fn channel_at_with(shard: u16, prefix: &str) -> String {
    let placement = Placement::new(2, 1);
    let mut names = (0..).map(|number: u32| format!("{prefix}{number}"));
    names.find(|name| placement.of(name) == shard).expect("every shard has some")
}

fn publish(channel: &str) -> String {
    format!(r#"{{"id":3,"publish":{{"channel":"{channel}","data":{{"text":"hello, everybody"}}}}}}"#)
}

#[test]
fn a_publish_allocates_twice_and_its_fan_out_never() {
    let mut shards = shards();
    let channel = channel_at(0);
    let sessions: Vec<u32> = (0..SUBSCRIBERS).map(|conn| subscribed(&mut shards, 0, conn, &channel)).collect();
    let frame = publish(&channel);
    let shard = &mut shards[0];
    let mut messages = || {
        for _ in 0..MESSAGES {
            command(shard, sessions[0], &frame);
            flush(shard);
        }
    };
    messages();
    let allocations = measure(messages);
    assert_eq!(allocations.count_total, 2 * MESSAGES);
    assert_eq!(allocations.count_current, 0, "as much is freed");
}

#[test]
fn a_publish_to_another_shard_allocates_no_more() {
    let mut shards = shards();
    let channel = channel_at(1);
    let session = subscribed(&mut shards, 0, 0, &channel);
    let frame = publish(&channel);
    let mut messages = || {
        for _ in 0..MESSAGES {
            command(&mut shards[0], session, &frame);
            settle(&mut shards);
        }
    };
    messages();
    assert_eq!(measure(messages).count_total, 2 * MESSAGES);
}

#[test]
fn a_publication_from_another_shard_allocates_nothing() {
    let mut shards = shards();
    let channel = channel_at(1);
    for conn in 0..SUBSCRIBERS {
        subscribed(&mut shards, 0, conn, &channel);
    }
    let publisher = subscribed(&mut shards, 1, 0, &channel);
    let frame = publish(&channel);
    let letters = |shards: &mut [Broker]| -> Vec<Letter> {
        for _ in 0..MESSAGES {
            command(&mut shards[1], publisher, &frame);
        }
        let mut letters = Vec::new();
        shards[1].post(NOW, |_, _, _, letter| {
            letters.push(letter);
            Ok(())
        });
        letters
    };
    let deliver = |shard: &mut Broker, letters: Vec<Letter>| {
        for letter in letters {
            shard.letter_arrived(1, letter, NOW);
            flush(shard);
        }
    };
    let (first, second) = (letters(&mut shards), letters(&mut shards));
    deliver(&mut shards[0], first);
    assert_eq!(measure(|| deliver(&mut shards[0], second)).count_total, 0);
}

#[test]
fn a_word_of_what_a_device_has_received_allocates_once() {
    let mut shards = shards();
    let channel = channel_at_with(0, "inbox:");
    // So many that they do not hear of each other.
    let members = 2 * SUBSCRIBERS;
    let sessions: Vec<_> = (0..members).map(|conn| user(&mut shards, conn, &channel)).collect();
    let mut words = |offset: u64| {
        command(&mut shards[0], sessions[0], &publish(&channel));
        flush(&mut shards[0]);
        let data = format!(r#"{{"channel":"{channel}","offset":{offset}}}"#);
        let word = format!(r#"{{"send":{{"data":{{"method":"inbox.received","data":{data}}}}}}}"#);
        measure(|| sessions.iter().for_each(|session| command(&mut shards[0], *session, &word))).count_total
    };
    words(1);
    // For what is said. The trace of what has happened grows now and then.
    let counts: Vec<_> = (2..6).map(words).collect();
    assert_eq!(counts.iter().min(), Some(&u64::from(members)), "{counts:?}");
}

/// A user's client that has subscribed and does nothing.
fn idle(shards: &mut [Broker], conn: u32, channel: &str) {
    user(shards, conn, channel);
}

/// A user's client that has subscribed: its session.
fn user(shards: &mut [Broker], conn: u32, channel: &str) -> u32 {
    shards[0].edge.outbox.open(conn);
    let session = shards[0].open(conn, Format::WebSocketJson, std::net::Ipv4Addr::LOCALHOST.into(), NOW);
    let claims = serde_json::json!({ "sub": format!("user{conn}") });
    let key = jsonwebtoken::EncodingKey::from_secret(SECRET.as_bytes());
    let token = jsonwebtoken::encode(&jsonwebtoken::Header::default(), &claims, &key).expect("a token");
    command(&mut shards[0], session, &format!(r#"{{"id":1,"connect":{{"token":"{token}","name":"an SDK's name"}}}}"#));
    command(&mut shards[0], session, &format!(r#"{{"id":2,"subscribe":{{"channel":"{channel}"}}}}"#));
    settle(shards);
    session
}

#[test]
fn an_idle_client_takes_little_memory() {
    // Where tables have just doubled, and where they are nearly full: what a client takes lies between the two.
    for (clients, most_bytes) in [(4_100, 700), (7_100, 450)] {
        let mut shards = shards();
        let channel = channel_at(0);
        idle(&mut shards, 0, &channel);
        let all = measure(|| (1..=clients).for_each(|conn| idle(&mut shards, conn, &channel)));
        let each_bytes = all.bytes_current / i64::from(clients);
        assert!(each_bytes <= most_bytes, "{each_bytes} bytes for each of {clients} clients");
        let blocks = all.count_current / i64::from(clients);
        assert_eq!(blocks, 2, "the user's name, and what others see of it; all else lies in tables");
    }
}
