//! What members and their floors take in memory.
//!
//! A million floors of devices that are away, in the inboxes and the hub of one shard, with the node's allocator. Each shape
//! has a process of its own, whose resident memory before and after is compared: names of users and ids of devices are in it,
//! since a node keeps them, too. What the allocator was asked for is not counted.

use std::process::Command;
use std::sync::Arc;

use anyhow::{Context as _, ensure};
use ringpost::delivery::{Delivery, InboxOptions, Whose};
use ringpost::hub::{Hub, HubOptions, NewPublication};
use ringpost::model::Payload;
use ringpost::model::refusal::Error;
use ringpost::time::Now;
use ringpost_loadgen::results::{Bound, Part, Reading};

/// Floors, spread over channels, members and devices.
#[derive(Clone, Copy, Debug)]
struct Shape {
    /// Members of each channel; `None` for one channel that has all.
    members: Option<usize>,
    devices: &'static [&'static str],
}

const SHAPES: [Shape; 4] = [
    Shape { members: None, devices: &[""] },
    Shape { members: None, devices: &["phone", "laptop"] },
    Shape { members: None, devices: &["phone", "laptop", "tablet", "browser"] },
    Shape { members: Some(100), devices: &[""] },
];

/// Bytes of a floor: the design's goal.
const GOAL: f64 = 64.0;

const NOW: Now = Now { mono_ms: 1_000, unix_ms: 1 << 40 };

const OPTIONS: InboxOptions = InboxOptions {
    ack_timeout_ms: 30_000,
    backoff_factor: 2,
    backoff_max_ms: 600_000,
    max_attempts: 10,
    max_unacked: 64,
    device_ttl_ms: 30 * 86_400_000,
    devices_max: 8,
    is_durable: false,
    is_shared: false,
    skips_own: false,
    members_subscribe: true,
    push_after_ms: 0,
    namespace: 0,
};

/// What a floor takes in each shape, of so many.
pub(super) fn parts(floors: u64) -> anyhow::Result<Vec<Part>> {
    let shapes = SHAPES.iter().enumerate();
    shapes.map(|(number, shape)| measure(number, *shape, floors)).collect()
}

fn measure(number: usize, shape: Shape, floors: u64) -> anyhow::Result<Part> {
    let this = std::env::current_exe()?;
    let output = Command::new(this).args(["--shape", &number.to_string(), "--floors", &floors.to_string()]).output()?;
    ensure!(output.status.success(), "{}: {}", output.status, String::from_utf8_lossy(&output.stderr));
    let value = String::from_utf8(output.stdout)?.trim().parse()?;
    let (channels, members) = shape.of(floors as usize);
    let rooms = if channels == 1 { "a room".to_owned() } else { format!("{channels} rooms") };
    let devices = match shape.devices.len() {
        1 => "one device".to_owned(),
        several => format!("{several} devices"),
    };
    Ok(Part {
        work: format!("a floor, {rooms} of {members} members with {devices} each"),
        unit: "bytes of resident memory".into(),
        goal: Some(Bound::AtMost(GOAL)),
        readings: vec![Reading { value, ..Reading::default() }],
    })
}

impl Shape {
    /// How many channels, and members of each, make so many floors.
    fn of(self, floors: usize) -> (usize, usize) {
        let members = floors / self.devices.len();
        self.members.map_or((1, members), |each| (members / each, each))
    }
}

/// Makes floors of the shape of this number, and prints the bytes that one takes.
pub(super) fn fill(number: usize, floors: usize) -> anyhow::Result<()> {
    let shape = SHAPES.get(number).context("there is no such shape")?;
    let (channels, members) = shape.of(floors);
    let devices = shape.devices;
    let (mut hub, mut delivery) = (Hub::new(1, usize::MAX), Delivery::new(1));
    let before = resident_bytes()?;
    for number in 0..channels {
        let channel: Arc<str> = format!("room:{number}").into();
        publish(&mut hub, &channel)?;
        for user in 0..members {
            let user: Arc<str> = format!("user-{user:07}").into();
            delivery.add_member(&channel, &user, 0, OPTIONS, hub.shelf(&channel, NOW)).map_err(told)?;
            for device in devices {
                delivery.admit(&channel, Whose { user: &user, device }, NOW).map_err(told)?;
            }
            drop(delivery.counts());
        }
    }
    let floors = channels * members * devices.len();
    println!("{}", (resident_bytes()? - before) as f64 / floors as f64);
    drop((hub, delivery));
    Ok(())
}

fn publish(hub: &mut Hub, channel: &str) -> anyhow::Result<()> {
    let message = NewPublication::new(Payload::json("{}"));
    let options = HubOptions { history_size: 10, history_ttl_ms: 60_000, ..HubOptions::default() };
    hub.publish(channel, message, options, NOW).map(drop).map_err(told)
}

fn told(error: Error) -> anyhow::Error {
    anyhow::anyhow!("{error:?}")
}

fn resident_bytes() -> anyhow::Result<u64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("the kernel does not say")?;
    let kib = line.trim().trim_end_matches(" kB").parse::<u64>()?;
    Ok(1024 * kib)
}
