//! What members and their floors take in memory: `cargo bench --bench inboxes`.
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

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// A million floors, spread over channels, members and devices.
#[derive(Clone, Copy, Debug)]
struct Shape {
    channels: usize,
    members: usize,
    devices: &'static [&'static str],
}

const SHAPES: [Shape; 4] = [
    Shape { channels: 1, members: 1_000_000, devices: &[""] },
    Shape { channels: 1, members: 500_000, devices: &["phone", "laptop"] },
    Shape { channels: 1, members: 250_000, devices: &["phone", "laptop", "tablet", "browser"] },
    Shape { channels: 10_000, members: 100, devices: &[""] },
];

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

fn main() -> anyhow::Result<()> {
    // `cargo bench` adds `--bench`.
    let number = std::env::args().nth(1).and_then(|argument| argument.parse::<usize>().ok());
    if let Some(shape) = number.and_then(|number| SHAPES.get(number)) {
        return fill(*shape);
    }
    println!("a million floors of users such as user-0000000, resident memory for each:");
    for number in 0..SHAPES.len() {
        let status = Command::new(std::env::current_exe()?).arg(number.to_string()).status()?;
        ensure!(status.success(), "{status}");
    }
    Ok(())
}

fn fill(Shape { channels, members, devices }: Shape) -> anyhow::Result<()> {
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
    let each = (resident_bytes()? - before) as f64 / floors as f64;
    println!("  {channels} channels, {members} members, {} devices each: {each:.0} B", devices.len());
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
