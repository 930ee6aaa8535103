//! Shards without I/O: what they would send is taken and forgotten.

use std::sync::Arc;

use rand::SeedableRng;
use rand::rngs::StdRng;
use ringpost::auth::Verifier;
use ringpost::broker::{Broker, BrokerSetup, Input};
use ringpost::config::{ChannelOptions, Config, Delivery, Duration, Namespace};
use ringpost::hub::Placement;
use ringpost::protocol::Format;

use super::{NOW, token};

/// The shards of one node, on which users may subscribe and publish.
pub(crate) fn shards(count: u16) -> Vec<Broker> {
    let mut config = Config::default();
    config.client.token = token::config();
    // The clock stands still here: nothing would be paid for.
    config.client.work_limit = Duration::default();
    config.client.user_work_limit = Duration::default();
    config.channel.without_namespace = ChannelOptions {
        allow_subscribe_for_client: true,
        allow_publish_for_client: true,
        ..ChannelOptions::default()
    };
    config.channel.namespaces = vec![Namespace { name: "inbox".into(), options: at_least_once() }];
    let verifier = Arc::new(Verifier::new(&config.client.tokens(), None).expect("the secret is a key"));
    let (config, placement) = (Arc::new(config), placement(count));
    let broker = |me: u16| {
        let (placement, config, verifier) = (placement.clone(), config.clone(), verifier.clone());
        let random = StdRng::seed_from_u64(me.into());
        let setup = BrokerSetup { me, placement, config, verifier, metrics: Arc::default(), secret: 1, random };
        Broker::new(setup).expect("the configuration has no expressions")
    };
    (0..count).map(broker).collect()
}

/// Of a namespace whose subscribers are members, who are to say what they have received.
fn at_least_once() -> ChannelOptions {
    ChannelOptions {
        history_size: 100,
        history_ttl: Duration::from_secs(3600),
        delivery: Delivery::AtLeastOnce,
        members_by_subscribing: true,
        allow_subscribe_for_client: true,
        allow_publish_for_client: true,
        ..ChannelOptions::default()
    }
}

/// Which of them is a channel's home.
fn placement(shards: u16) -> Placement {
    Placement::new(shards, 1)
}

/// A channel that is at home on this one of so many shards.
pub(crate) fn channel_at(shard: u16, shards: u16) -> String {
    let placement = placement(shards);
    (0..).map(|number| format!("room{number}")).find(|name| placement.of(name) == shard).expect("one of many")
}

/// A session of a new conn, connected with a token.
pub(crate) fn connect(broker: &mut Broker, conn: u32, format: Format, token: &str) -> u32 {
    broker.edge.outbox.open(conn);
    let session = broker.open(conn, format, std::net::Ipv4Addr::LOCALHOST.into(), NOW);
    tell(broker, session, &format!(r#"{{"id":1,"connect":{{"token":"{token}"}}}}"#));
    session
}

/// Gives a session one frame.
pub(crate) fn tell(broker: &mut Broker, session: u32, frame: &str) {
    broker.begin_tick(NOW);
    assert_eq!(broker.input(session, frame.as_bytes(), NOW), Input::Ready);
}

pub(crate) fn subscribe(channel: &str) -> String {
    format!(r#"{{"id":2,"subscribe":{{"channel":"{channel}"}}}}"#)
}

pub(crate) fn publish(channel: &str) -> String {
    let data = String::from_utf8(super::data()).expect("the data is text");
    format!(r#"{{"id":3,"publish":{{"channel":"{channel}","data":{data}}}}}"#)
}

/// Sends what waits, into sockets that take everything.
pub(crate) fn flush(broker: &mut Broker) {
    while broker.edge.outbox.is_dirty() {
        broker.edge.outbox.flush(|_, bytes| Ok(bytes.len()), |conn, flushed| unreachable!("conn {conn}: {flushed:?}"));
    }
    while broker.next_resumed().is_some() {}
}
