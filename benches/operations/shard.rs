//! Shards without I/O: what they would send is taken and forgotten.

use std::sync::Arc;

use rand::SeedableRng;
use rand::rngs::StdRng;
use ringpost::auth::Verifier;
use ringpost::broker::{Core, CoreSetup, Input};
use ringpost::config::{ChannelOptions, Config, Duration};
use ringpost::hub::Placement;
use ringpost::protocol::Format;

use super::{NOW, token};

/// The shards of one node, on which users may subscribe and publish.
pub(crate) fn shards(count: u16) -> Vec<Core> {
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
    let verifier = Arc::new(Verifier::new(&config.client.tokens(), None).expect("the secret is a key"));
    let (config, placement) = (Arc::new(config), placement(count));
    let core = |me: u16| {
        let (placement, config, verifier) = (placement.clone(), config.clone(), verifier.clone());
        let random = StdRng::seed_from_u64(me.into());
        let setup = CoreSetup { me, placement, config, verifier, metrics: Arc::default(), secret: 1, random };
        Core::new(setup).expect("the configuration has no expressions")
    };
    (0..count).map(core).collect()
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
pub(crate) fn connect(core: &mut Core, conn: u32, format: Format, token: &str) -> u32 {
    core.edge.outbox.open(conn);
    let session = core.open(conn, format, NOW);
    tell(core, session, &format!(r#"{{"id":1,"connect":{{"token":"{token}"}}}}"#));
    session
}

/// Gives a session one frame.
pub(crate) fn tell(core: &mut Core, session: u32, frame: &str) {
    core.begin_tick();
    assert_eq!(core.input(session, frame.as_bytes(), NOW), Input::Ready);
}

pub(crate) fn subscribe(channel: &str) -> String {
    format!(r#"{{"id":2,"subscribe":{{"channel":"{channel}"}}}}"#)
}

pub(crate) fn publish(channel: &str) -> String {
    let data = String::from_utf8(super::data()).expect("the data is text");
    format!(r#"{{"id":3,"publish":{{"channel":"{channel}","data":{data}}}}}"#)
}

/// Sends what waits, into sockets that take everything.
pub(crate) fn flush(core: &mut Core) {
    while core.edge.outbox.is_dirty() {
        core.edge.outbox.flush(|_, bytes| Ok(bytes.len()), |conn, flushed| unreachable!("conn {conn}: {flushed:?}"));
    }
    core.edge.resumed.clear();
}
