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

/// Rooms of all sizes, whose members all talk as much.
const ZIPF: Work = Work {
    scenario: "fanout-zipf",
    settings: &["channels=50", "publishers=2", "subscribers=40", "outstanding=1"],
    ..ONE_AT_A_TIME
};

const FLOOR: Beside = Beside::Floor(Wire::Tcp);

/// How the design has it for a connection: beside a server that checks no token and knows no protocol.
const CONNECTION: Option<Goal> = Some(Goal::Peer { server: Cow::Borrowed("uWebSockets"), ratio: 1.5 });

/// The node beside the floor, or beside itself at plainer work.
pub(crate) const ALL: [Cell; 20] = [
    Cell {
        name: "fan-out 1 to 1,000, 16 messages a send",
        unit: "ns CPU per delivery",
        goal: Some(Goal::Ratio(1.1)),
        work: SIXTEEN,
        beside: FLOOR,
    },
    Cell {
        name: "fan-out 1 to 1,000, one message at a time",
        unit: "ns CPU per delivery",
        goal: Some(Goal::Ratio(1.1)),
        work: ONE_AT_A_TIME,
        beside: FLOOR,
    },
    Cell {
        name: "publish with reply, 100 conns, 1 outstanding",
        unit: "ns CPU per publish",
        goal: Some(Goal::Ratio(1.15)),
        work: PUBLISH,
        beside: FLOOR,
    },
    Cell {
        name: "publish with reply, 100 conns, 32 outstanding",
        unit: "ns CPU per publish",
        goal: Some(Goal::Ratio(1.5)),
        work: PIPELINED,
        beside: FLOOR,
    },
    Cell {
        name: "an idle, authenticated, subscribed connection",
        unit: "bytes of user memory",
        goal: Some(Goal::Cost(640.0)),
        work: Work { scenario: "idle", settings: &[], cost: Cost::Memory, ..ONE_AT_A_TIME },
        beside: FLOOR,
    },
    Cell {
        name: "a new connection (TCP, upgrade, JWT, connect, subscribe), of 2,000 at once",
        unit: "ns CPU per connection",
        goal: CONNECTION,
        work: STORM,
        beside: Beside::Floor(Wire::WebSocket),
    },
    Cell {
        // Here the server sleeps and wakes several times for each, which is most of the cost.
        name: "the same, 1,000 a second",
        unit: "ns CPU per connection",
        goal: CONNECTION,
        work: Work { scenario: "connect", settings: &["channels=200"], ..STORM },
        beside: Beside::Floor(Wire::WebSocket),
    },
    Cell {
        name: "promise: Protobuf, fan-out 1 to 1,000, 16 messages a send",
        unit: "ns CPU per delivery",
        goal: Some(Goal::Ratio(1.1)),
        work: Work { settings: &["outstanding=16", "burst=16", "encoding=protobuf"], ..ONE_AT_A_TIME },
        beside: FLOOR,
    },
    Cell {
        name: "promise: Protobuf, publish with reply, 32 outstanding",
        unit: "ns CPU per publish",
        goal: Some(Goal::Ratio(1.5)),
        work: Work { settings: &["channels=1", "outstanding=32", "burst=32", "encoding=protobuf"], ..PUBLISH },
        beside: FLOOR,
    },
    Cell {
        name: "promise: history, recovery and positioning, fan-out 1 to 1,000, 16 messages a send",
        unit: "ns CPU per delivery",
        goal: Some(Goal::Ratio(1.2)),
        work: Work { settings: &["outstanding=16", "burst=16", "channel_prefix=kept:"], ..ONE_AT_A_TIME },
        beside: Beside::Plain(SIXTEEN),
    },
    Cell {
        name: "promise: history, recovery and positioning, fan-out 1 to 1,000, one message at a time",
        unit: "ns CPU per delivery",
        goal: Some(Goal::Ratio(1.2)),
        work: Work { settings: &["outstanding=1", "channel_prefix=kept:"], ..ONE_AT_A_TIME },
        beside: Beside::Plain(ONE_AT_A_TIME),
    },
    Cell {
        name: "promise: history, publish with reply, 32 outstanding",
        unit: "ns CPU per publish",
        goal: None,
        work: Work { settings: &["channels=1", "outstanding=32", "burst=32", "channel_prefix=kept:"], ..PUBLISH },
        beside: Beside::Plain(PIPELINED),
    },
    Cell {
        name: "promise: presence and join/leave, fan-out 1 to 1,000, 16 messages a send",
        unit: "ns CPU per delivery",
        goal: Some(Goal::Ratio(1.2)),
        work: Work { settings: &["outstanding=16", "burst=16", "channel_prefix=present:"], ..ONE_AT_A_TIME },
        beside: Beside::Plain(SIXTEEN),
    },
    Cell {
        name: "promise: presence and join/leave, a new connection of 2,000 at once, ten to a room",
        unit: "ns CPU per connection",
        goal: None,
        work: Work { settings: &["clients=2000", "channels=200", "channel_prefix=present:"], ..STORM },
        beside: Beside::Plain(STORM),
    },
    Cell {
        name: "promise: two shards that share the audience, fan-out 1 to 1,000, 16 messages a send",
        unit: "ns CPU per delivery",
        goal: None,
        work: Work { shards: 2, ..SIXTEEN },
        beside: Beside::Plain(SIXTEEN),
    },
    Cell {
        name: "promise: 100 publishers in 50 rooms by Zipf's law, 2,000 members, beside rooms of one size",
        unit: "ns CPU per delivery",
        goal: None,
        work: ZIPF,
        beside: Beside::Plain(Work {
            settings: &["channels=50", "publishers=2", "subscribers=40", "outstanding=1", "zipf=0", "rates=even"],
            ..ZIPF
        }),
    },
    Cell {
        name: "promise: 10,000 clients that recover 10 messages each at once, beside those that only come back",
        unit: "ns CPU per client",
        goal: None,
        work: Work {
            scenario: "recovery-storm",
            settings: &["clients=10000", "channels=1000", "missed=10", "channel_prefix=kept:"],
            ..STORM
        },
        beside: Beside::Plain(Work {
            scenario: "reconnect-storm",
            settings: &["clients=10000", "channels=1000"],
            ..STORM
        }),
    },
    Cell {
        name: "latency: fan-out 1 to 1,000 at half of saturation",
        unit: "ns from due to delivered, p99",
        goal: Some(Goal::Ratio(2.0)),
        work: HALF_FAN_OUT,
        beside: FLOOR,
    },
    Cell {
        name: "latency: publish with reply at half of saturation",
        unit: "ns from due to answered, p99",
        goal: Some(Goal::Ratio(2.0)),
        work: HALF_PUBLISH,
        beside: FLOOR,
    },
    Cell {
        name: "latency: the publisher's reply of a fan-out 1 to 1,000 at a quarter of saturation",
        unit: "ns from due to answered, p99",
        goal: None,
        work: Work { cost: Cost::P99(Measure::Reply), rate: QUARTER, ..HALF_FAN_OUT },
        beside: Beside::Plain(Work {
            settings: &["subscribers=1"],
            cost: Cost::P99(Measure::Reply),
            rate: QUARTER,
            ..HALF_FAN_OUT
        }),
    },
];

const QUARTER: Option<Rate> = Some(Rate { share: 0.25, saturating: &["outstanding=4"] });
