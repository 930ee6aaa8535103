//! All cells: first the node beside the floor, then what it promises beside the same without the promise.

use std::borrow::Cow;

use ringpost_loadgen::measure::Measure;
use ringpost_loadgen::results::Goal;

use super::{Beside, Cell, Cost, Rate, Wire, Work};

const ONE_AT_A_TIME: Work = Work {
    scenario: "fanout",
    settings: &["outstanding=1"],
    cost: Cost::CpuPer(Measure::Delivery),
    shards: 1,
    has_store: false,
    rate: None,
};
const SIXTEEN: Work = Work { settings: &["outstanding=16", "burst=16"], ..ONE_AT_A_TIME };

const PUBLISH: Work = Work {
    scenario: "publish",
    settings: &["channels=1", "outstanding=1"],
    cost: Cost::CpuPer(Measure::Reply),
    ..ONE_AT_A_TIME
};
const PIPELINED: Work = Work { settings: &["channels=1", "outstanding=32", "burst=32"], ..PUBLISH };

const STORM: Work = Work {
    scenario: "connect-storm",
    settings: &["clients=2000", "channels=200"],
    cost: Cost::CpuPer(Measure::Connect),
    ..ONE_AT_A_TIME
};

/// Fan-out at half of what the node can.
const HALF_FAN_OUT: Work = Work {
    settings: &[],
    cost: Cost::P99(Measure::Delivery),
    rate: Some(Rate { share: 0.5, saturating: &["outstanding=4"] }),
    ..ONE_AT_A_TIME
};

/// Publishes with replies at half of what the node can, where few leave together.
const HALF_PUBLISH: Work = Work {
    settings: &["channels=1"],
    cost: Cost::P99(Measure::Reply),
    rate: Some(Rate { share: 0.5, saturating: &["outstanding=1"] }),
    ..PUBLISH
};

/// What all have in common that are measured beside [`KEPT`], before what is their own.
macro_rules! kept {
    ($($own:literal),* $(,)?) => {
        &["burst=16", "busy_poll=true", "quick_ack=true", $($own),*]
    };
}

/// Fan-out of a node with a store, in the namespaces that it has then.
///
/// At half of what the node can, and with a load generator that stays awake on both sides: one that sleeps between two sends has to
/// be woken by each of them, and how often it does depends on what else it has to do, such as to say what was received.
const KEPT: Work = Work {
    settings: kept!["channel_prefix=memory:"],
    rate: Some(Rate { share: 0.5, saturating: &["outstanding=16", "channel_prefix=memory:", "received_every_s=0"] }),
    has_store: true,
    ..ONE_AT_A_TIME
};
const KEPT_ON_DISK: Work = Work { settings: kept!["channel_prefix=disk:"], ..KEPT };

/// Members who say what they have received upon a message, as the protocol advises clients to, where the way is short: the word is
/// there while the node still sends.
const UPON_MESSAGES_IN_MEMORY: &[&str] = kept![
    "channel_prefix=memory-received:",
    "received_every_s=0.5",
    "received_is_answered=false",
    "received_with_messages=true",
];
const UPON_MESSAGES_ON_DISK: &[&str] = kept![
    "channel_prefix=disk-received:",
    "received_every_s=0.5",
    "received_is_answered=false",
    "received_with_messages=true",
];
/// Members whose words come at any time: those of clients whose ways are long, and differ.
const ANY_TIME_IN_MEMORY: &[&str] =
    kept!["channel_prefix=memory-received:", "received_every_s=0.5", "received_is_answered=false"];
const ANY_TIME_ON_DISK: &[&str] =
    kept!["channel_prefix=disk-received:", "received_every_s=0.5", "received_is_answered=false"];
/// Five times as many words as the protocol advises.
const OFTEN_IN_MEMORY: &[&str] =
    kept!["channel_prefix=memory-received:", "received_every_s=0.1", "received_is_answered=false"];
const OFTEN_UPON_MESSAGES_IN_MEMORY: &[&str] = kept![
    "channel_prefix=memory-received:",
    "received_every_s=0.1",
    "received_is_answered=false",
    "received_with_messages=true",
];

/// Publishes of 200 bytes with replies, half as many as a node can keep in memory.
const KEPT_PUBLISH: Work = Work {
    settings: &["channels=1", "burst=32", "payload_bytes=200", "channel_prefix=memory:"],
    rate: Some(Rate { share: 0.2, saturating: &["outstanding=32", "channel_prefix=memory:"] }),
    has_store: true,
    ..PUBLISH
};

/// Rooms of all sizes, whose members all talk as much.
const ZIPF: Work = Work {
    scenario: "fanout-zipf",
    settings: &["channels=50", "publishers=2", "subscribers=40", "outstanding=1"],
    ..ONE_AT_A_TIME
};

const FLOOR: Beside = Beside::Floor(Wire::Tcp);

/// How the design has it for a connection: beside a server that checks no token and knows no protocol.
const CONNECTION: Option<Goal> = Some(Goal::Peer { server: Cow::Borrowed("uWebSockets"), ratio: 1.5 });

const DELIVERY: &str = "ns CPU per delivery";
const REPLY: &str = "ns CPU per publish";
const CONNECT: &str = "ns CPU per connection";
const ANSWERED: &str = "ns from due to answered, p99";

const fn ratio(most: f64) -> Option<Goal> {
    Some(Goal::Ratio(most))
}

const fn cell(name: &'static str, unit: &'static str, goal: Option<Goal>, work: Work, beside: Beside) -> Cell {
    Cell { name, unit, goal, work, beside }
}

/// The node beside the floor, or beside itself at plainer work: what is done, what the cost counts, what it should be, the
/// node's work, and what that is beside.
pub(crate) const ALL: [Cell; 28] = [
    cell("fan-out 1 to 1,000, 16 messages a send", DELIVERY, ratio(1.1), SIXTEEN, FLOOR),
    cell("fan-out 1 to 1,000, one message at a time", DELIVERY, ratio(1.1), ONE_AT_A_TIME, FLOOR),
    cell("publish with reply, 100 conns, 1 outstanding", REPLY, ratio(1.15), PUBLISH, FLOOR),
    cell("publish with reply, 100 conns, 32 outstanding", REPLY, ratio(1.5), PIPELINED, FLOOR),
    cell(
        "an idle, authenticated, subscribed connection",
        "bytes of user memory",
        Some(Goal::Cost(640.0)),
        Work { scenario: "idle", settings: &[], cost: Cost::Memory, ..ONE_AT_A_TIME },
        FLOOR,
    ),
    cell(
        "a new connection (TCP, upgrade, JWT, connect, subscribe), of 2,000 at once",
        CONNECT,
        CONNECTION,
        STORM,
        Beside::Floor(Wire::WebSocket),
    ),
    // Here the server sleeps and wakes several times for each, which is most of the cost.
    cell(
        "the same, 1,000 a second",
        CONNECT,
        CONNECTION,
        Work { scenario: "connect", settings: &["channels=200"], ..STORM },
        Beside::Floor(Wire::WebSocket),
    ),
    cell(
        "promise: Protobuf, fan-out 1 to 1,000, 16 messages a send",
        DELIVERY,
        ratio(1.1),
        Work { settings: &["outstanding=16", "burst=16", "encoding=protobuf"], ..ONE_AT_A_TIME },
        FLOOR,
    ),
    cell(
        "promise: Protobuf, publish with reply, 32 outstanding",
        REPLY,
        ratio(1.5),
        Work { settings: &["channels=1", "outstanding=32", "burst=32", "encoding=protobuf"], ..PUBLISH },
        FLOOR,
    ),
    cell(
        "promise: history, recovery and positioning, fan-out 1 to 1,000, 16 messages a send",
        DELIVERY,
        ratio(1.2),
        Work { settings: &["outstanding=16", "burst=16", "channel_prefix=kept:"], ..ONE_AT_A_TIME },
        Beside::Plain(SIXTEEN),
    ),
    cell(
        "promise: history, recovery and positioning, fan-out 1 to 1,000, one message at a time",
        DELIVERY,
        ratio(1.2),
        Work { settings: &["outstanding=1", "channel_prefix=kept:"], ..ONE_AT_A_TIME },
        Beside::Plain(ONE_AT_A_TIME),
    ),
    cell(
        "promise: history, publish with reply, 32 outstanding",
        REPLY,
        None,
        Work { settings: &["channels=1", "outstanding=32", "burst=32", "channel_prefix=kept:"], ..PUBLISH },
        Beside::Plain(PIPELINED),
    ),
    cell(
        "promise: at least once, received every 0.5 s upon a message, log in memory, fan-out 1 to 1,000, 16 messages a send, half of saturation",
        DELIVERY,
        ratio(1.2),
        Work { settings: UPON_MESSAGES_IN_MEMORY, ..KEPT },
        Beside::Plain(KEPT),
    ),
    // A word that comes between two fan-outs wakes a node that sleeps; one that comes upon a message finds it at work.
    cell(
        "promise: the same, received at any time, log in memory",
        DELIVERY,
        ratio(1.2),
        Work { settings: ANY_TIME_IN_MEMORY, ..KEPT },
        Beside::Plain(KEPT),
    ),
    // What is received costs by how often it is said, not by how much it covers.
    cell(
        "promise: the same, received at any time, each word answered, log in memory",
        DELIVERY,
        None,
        Work { settings: kept!["channel_prefix=memory-received:", "received_every_s=0.5"], ..KEPT },
        Beside::Plain(KEPT),
    ),
    // As often as clients were to say it before, so that older results can be compared.
    cell(
        "promise: the same, received every 0.1 s upon a message, log in memory",
        DELIVERY,
        None,
        Work { settings: OFTEN_UPON_MESSAGES_IN_MEMORY, ..KEPT },
        Beside::Plain(KEPT),
    ),
    cell(
        "promise: the same, received every 0.1 s at any time, log in memory",
        DELIVERY,
        None,
        Work { settings: OFTEN_IN_MEMORY, ..KEPT },
        Beside::Plain(KEPT),
    ),
    cell(
        "promise: at least once, received every 0.5 s upon a message, log on disk, fan-out 1 to 1,000, 16 messages a send, half of saturation",
        DELIVERY,
        ratio(1.2),
        Work { settings: UPON_MESSAGES_ON_DISK, ..KEPT },
        Beside::Plain(KEPT_ON_DISK),
    ),
    cell(
        "promise: the same, received at any time, log on disk",
        DELIVERY,
        ratio(1.2),
        Work { settings: ANY_TIME_ON_DISK, ..KEPT },
        Beside::Plain(KEPT_ON_DISK),
    ),
    // A fifth of the rate that memory takes, and twice the processor time at the most. Much faster a new store would refuse: a
    // disk has to write the segments, and the zeros of those that are new, and memory takes more than a million a second.
    cell(
        "promise: log on disk beside log in memory, publish of 200 bytes with reply, a fifth of what memory takes",
        REPLY,
        ratio(2.0),
        Work { settings: &["channels=1", "burst=32", "payload_bytes=200", "channel_prefix=disk:"], ..KEPT_PUBLISH },
        Beside::Plain(KEPT_PUBLISH),
    ),
    cell(
        "promise: presence and join/leave, fan-out 1 to 1,000, 16 messages a send",
        DELIVERY,
        ratio(1.2),
        Work { settings: &["outstanding=16", "burst=16", "channel_prefix=present:"], ..ONE_AT_A_TIME },
        Beside::Plain(SIXTEEN),
    ),
    cell(
        "promise: presence and join/leave, a new connection of 2,000 at once, ten to a room",
        CONNECT,
        None,
        Work { settings: &["clients=2000", "channels=200", "channel_prefix=present:"], ..STORM },
        Beside::Plain(STORM),
    ),
    cell(
        "promise: two shards that share the audience, fan-out 1 to 1,000, 16 messages a send",
        DELIVERY,
        None,
        Work { shards: 2, ..SIXTEEN },
        Beside::Plain(SIXTEEN),
    ),
    cell(
        "promise: 100 publishers in 50 rooms by Zipf's law, 2,000 members, beside rooms of one size",
        DELIVERY,
        None,
        ZIPF,
        Beside::Plain(Work {
            settings: &["channels=50", "publishers=2", "subscribers=40", "outstanding=1", "zipf=0", "rates=even"],
            ..ZIPF
        }),
    ),
    cell(
        "promise: 10,000 clients that recover 10 messages each at once, beside those that only come back",
        "ns CPU per client",
        None,
        Work {
            scenario: "recovery-storm",
            settings: &["clients=10000", "channels=1000", "missed=10", "channel_prefix=kept:"],
            ..STORM
        },
        Beside::Plain(Work { scenario: "reconnect-storm", settings: &["clients=10000", "channels=1000"], ..STORM }),
    ),
    cell(
        "latency: fan-out 1 to 1,000 at half of saturation",
        "ns from due to delivered, p99",
        ratio(2.0),
        HALF_FAN_OUT,
        FLOOR,
    ),
    cell("latency: publish with reply at half of saturation", ANSWERED, ratio(2.0), HALF_PUBLISH, FLOOR),
    cell(
        "latency: the publisher's reply of a fan-out 1 to 1,000 at a quarter of saturation",
        ANSWERED,
        None,
        Work { cost: Cost::P99(Measure::Reply), rate: QUARTER, ..HALF_FAN_OUT },
        Beside::Plain(Work {
            settings: &["subscribers=1"],
            cost: Cost::P99(Measure::Reply),
            rate: QUARTER,
            ..HALF_FAN_OUT
        }),
    ),
];

const QUARTER: Option<Rate> = Some(Rate { share: 0.25, saturating: &["outstanding=4"] });
