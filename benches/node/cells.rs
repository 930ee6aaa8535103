//! What is measured, once against the node and once against the floor.

use std::time::{Duration, Instant};

use anyhow::ensure;
use hdrhistogram::Histogram;
use serde_json::json;

use crate::client::{Framing, Swarm, frame, upgrade};
use crate::floor::MESSAGE_BYTES;
use crate::process::{SECRET, Server, settle};

/// One server's figure.
pub(crate) struct Figure {
    /// In the cell's unit; less is better.
    pub(crate) cost: f64,
    /// From asked to answered, nanoseconds, where the cell asks and waits.
    pub(crate) latency: Option<Histogram<u64>>,
}

type Measure = fn(&Server, Duration, usize) -> anyhow::Result<Figure>;

/// One kind of work.
pub(crate) struct Cell {
    /// What is done.
    pub(crate) name: &'static str,
    /// What the figure counts.
    pub(crate) unit: &'static str,
    /// Against the node.
    pub(crate) measure: Measure,
    /// Against the floor.
    pub(crate) floor: Measure,
}

const SUBSCRIBERS: usize = 1000;
/// Publishes in one send of the saturating publisher; the floor's get as many.
const BATCH: usize = 16;
const PUBLISHERS: usize = 100;

/// All cells.
pub(crate) const ALL: &[Cell] = &[
    Cell {
        name: "fan-out 1 to 1,000, 16 messages a send",
        unit: "ns CPU per delivery",
        measure: |server, length, _| fan_out(server, length, BATCH),
        floor: |server, length, _| floor_fan_out(server, length, BATCH),
    },
    Cell {
        name: "fan-out 1 to 1,000, one message at a time",
        unit: "ns CPU per delivery",
        measure: |server, length, _| fan_out(server, length, 1),
        floor: |server, length, _| floor_fan_out(server, length, 1),
    },
    Cell {
        name: "publish with reply, 100 conns, 1 outstanding",
        unit: "ns CPU per publish",
        measure: |server, length, _| publish(server, length, 1),
        floor: |server, length, _| floor_echo(server, length, 1),
    },
    Cell {
        name: "publish with reply, 100 conns, 32 outstanding",
        unit: "ns CPU per publish",
        measure: |server, length, _| publish(server, length, 32),
        floor: |server, length, _| floor_echo(server, length, 32),
    },
    Cell {
        name: "an idle, authenticated, subscribed connection",
        unit: "bytes of user memory",
        measure: |server, _, idle| idle_memory(server, idle),
        floor: |server, _, idle| floor_idle_memory(server, idle),
    },
    Cell {
        name: "a new connection: TCP, upgrade, JWT, connect, subscribe",
        unit: "ns CPU per connection",
        measure: |server, _, _| new_connections(server),
        floor: |server, length, _| floor_fan_out(server, length, 1),
    },
];

/// 96 bytes of application data.
fn publish_frame(id: usize, channel: &str) -> Vec<u8> {
    let text = "x".repeat(84);
    frame(&json!({"id": id, "publish": {"channel": channel, "data": {"text": text}}}).to_string())
}

fn client(swarm: &mut Swarm, server: &Server, user: &str, channel: Option<&str>) -> anyhow::Result<usize> {
    let token = ringpost::auth::mint::hs256(SECRET, &json!({"sub": user}));
    let conn = swarm.connect(server.address)?;
    upgrade(swarm, conn)?;
    swarm.send(conn, &frame(&json!({"id": 1, "connect": {"token": token}}).to_string()))?;
    let mut last = b"\"connect\":{\"client\"".as_slice();
    if let Some(channel) = channel {
        swarm.send(conn, &frame(&json!({"id": 2, "subscribe": {"channel": channel}}).to_string()))?;
        last = b"\"subscribe\":{";
    }
    swarm.until(|from, message| from == conn && memchr::memmem::find(message, last).is_some())?;
    Ok(conn)
}

/// Measures while `step` runs again and again; it returns how much work it has done.
fn measure(
    server: &Server,
    length: Duration,
    mut step: impl FnMut(&mut Histogram<u64>) -> anyhow::Result<u64>,
) -> anyhow::Result<Figure> {
    let mut latency = Histogram::new(3)?;
    let warm = Instant::now() + length / 4;
    while Instant::now() < warm {
        step(&mut latency)?;
    }
    latency.reset();
    let (before, until, mut work) = (server.cpu_ns(), Instant::now() + length, 0);
    while Instant::now() < until {
        work += step(&mut latency)?;
    }
    let cost = (server.cpu_ns() - before) as f64 / work as f64;
    Ok(Figure { cost, latency: Some(latency) })
}

/// Publishes `batch` messages, waits until every subscriber has them all, and again.
fn fan_out(server: &Server, length: Duration, batch: usize) -> anyhow::Result<Figure> {
    let mut swarm = Swarm::new(Framing::WebSocket)?;
    for number in 0..SUBSCRIBERS {
        client(&mut swarm, server, &format!("user{number}"), Some("room"))?;
    }
    let publisher = client(&mut swarm, server, "publisher", None)?;
    let burst = publish_frame(3, "room").repeat(batch);
    let due = SUBSCRIBERS * batch + batch;
    measure(server, length, |latency| {
        let sent = Instant::now();
        swarm.send(publisher, &burst)?;
        let mut got = 0;
        swarm.until(|conn, _| {
            got += 1;
            if conn != publisher && got % 50 == 0 {
                let _ = latency.record(sent.elapsed().as_nanos() as u64);
            }
            got == due
        })?;
        Ok((SUBSCRIBERS * batch) as u64)
    })
}

fn floor_fan_out(server: &Server, length: Duration, batch: usize) -> anyhow::Result<Figure> {
    let mut swarm = Swarm::new(Framing::Fixed(MESSAGE_BYTES))?;
    for _ in 0..SUBSCRIBERS {
        let conn = swarm.connect(server.address)?;
        swarm.send(conn, b"S")?;
    }
    settle(server);
    let publisher = swarm.connect(server.address)?;
    swarm.send(publisher, b"P")?;
    let burst = vec![7; MESSAGE_BYTES * batch];
    let due = SUBSCRIBERS * batch;
    measure(server, length, |latency| {
        let sent = Instant::now();
        swarm.send(publisher, &burst)?;
        let mut got = 0;
        swarm.until(|_, _| {
            got += 1;
            if got % 50 == 0 {
                let _ = latency.record(sent.elapsed().as_nanos() as u64);
            }
            got == due
        })?;
        Ok(due as u64)
    })
}

/// Every connection keeps `depth` requests outstanding.
fn ping_pong(
    server: &Server,
    length: Duration,
    swarm: &mut Swarm,
    request: &[u8],
    depth: usize,
) -> anyhow::Result<Figure> {
    let burst = request.repeat(depth);
    let mut sent = vec![Instant::now(); PUBLISHERS];
    for (conn, sent) in sent.iter_mut().enumerate() {
        swarm.send(conn, &burst)?;
        *sent = Instant::now();
    }
    let mut missing = vec![depth; PUBLISHERS];
    let mut again = Vec::new();
    measure(server, length, |latency| {
        let mut got = 0;
        swarm.turn(Duration::from_millis(100), |conn, _| {
            got += 1;
            missing[conn] -= 1;
            if missing[conn] == 0 {
                again.push(conn);
            }
        })?;
        for conn in again.drain(..) {
            let _ = latency.record(sent[conn].elapsed().as_nanos() as u64);
            sent[conn] = Instant::now();
            missing[conn] = depth;
            swarm.send(conn, &burst)?;
        }
        Ok(got)
    })
}

fn publish(server: &Server, length: Duration, depth: usize) -> anyhow::Result<Figure> {
    let mut swarm = Swarm::new(Framing::WebSocket)?;
    for number in 0..PUBLISHERS {
        client(&mut swarm, server, &format!("user{number}"), None)?;
    }
    ping_pong(server, length, &mut swarm, &publish_frame(3, "nobody-listens"), depth)
}

fn floor_echo(server: &Server, length: Duration, depth: usize) -> anyhow::Result<Figure> {
    let mut swarm = Swarm::new(Framing::Fixed(MESSAGE_BYTES))?;
    for _ in 0..PUBLISHERS {
        let conn = swarm.connect(server.address)?;
        swarm.send(conn, b"E")?;
    }
    ping_pong(server, length, &mut swarm, &[7; MESSAGE_BYTES], depth)
}

/// What the second half of the connections costs: what the server needs anyway is in the first.
fn idle_memory(server: &Server, idle: usize) -> anyhow::Result<Figure> {
    let mut swarm = Swarm::new(Framing::WebSocket)?;
    let mut connect = |from: usize, to: usize| -> anyhow::Result<()> {
        for number in from..to {
            client(&mut swarm, server, &format!("user{number}"), Some(&format!("room{}", number / 10)))?;
        }
        settle(server);
        Ok(())
    };
    per_connection(server, idle, &mut connect)
}

fn floor_idle_memory(server: &Server, idle: usize) -> anyhow::Result<Figure> {
    let mut swarm = Swarm::new(Framing::Fixed(MESSAGE_BYTES))?;
    let mut connect = |from: usize, to: usize| -> anyhow::Result<()> {
        for _ in from..to {
            let conn = swarm.connect(server.address)?;
            swarm.send(conn, b"S")?;
        }
        settle(server);
        Ok(())
    };
    per_connection(server, idle, &mut connect)
}

fn per_connection(
    server: &Server,
    idle: usize,
    connect: &mut dyn FnMut(usize, usize) -> anyhow::Result<()>,
) -> anyhow::Result<Figure> {
    ensure!(idle >= 100, "too few connections to tell anything");
    connect(0, idle / 2)?;
    let before = server.memory_bytes();
    connect(idle / 2, idle)?;
    let cost = server.memory_bytes().saturating_sub(before) as f64 / (idle - idle / 2) as f64;
    Ok(Figure { cost, latency: None })
}

fn new_connections(server: &Server) -> anyhow::Result<Figure> {
    const CONNECTIONS: usize = 2000;
    let mut swarm = Swarm::new(Framing::WebSocket)?;
    for number in 0..200 {
        client(&mut swarm, server, &format!("warm{number}"), Some("room"))?;
    }
    let before = server.cpu_ns();
    for number in 0..CONNECTIONS {
        client(&mut swarm, server, &format!("user{number}"), Some(&format!("room{}", number / 10)))?;
    }
    Ok(Figure { cost: (server.cpu_ns() - before) as f64 / CONNECTIONS as f64, latency: None })
}
