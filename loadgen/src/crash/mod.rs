//! A crash trial: a node is killed (SIGKILL) while it is at work, started again on what it has kept, and asked for all
//! that it had acknowledged or shown to anybody, again and again.
//!
//! ```text
//! server (start, kill) ─ clients (connections: publish, hear, come back, read the whole history)
//!                            └→ ledger (what must be there) → told (what was counted in each life)
//! ```
//!
//! All clients wait for the look at what is kept before anybody publishes again: then nothing is under way. It tells what
//! survives a process that is killed. It tells nothing of power cuts: what the kernel has taken survives a killed process,
//! synced or not.

mod clients;
mod ledger;
mod order;
mod server;
mod told;

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{bail, ensure};

use self::clients::Clients;
pub use self::order::Order;
pub use self::server::Handling;
use self::server::Server;
pub use self::told::{Counts, Life, Told, Wrong};
use crate::advice::advice;
use crate::clock::Clock;
use crate::limits::PAYLOAD_BYTES_MAX;
use crate::payload::PAYLOAD_BYTES_MIN;

/// Makes a trial. `watch` is told of each life that is over.
///
/// # Errors
/// When it cannot be made, or the node does not come back. What the node does wrong is told.
pub fn run(order: &Order, stop: &AtomicBool, mut watch: impl FnMut(&Life)) -> anyhow::Result<Told> {
    ensure!(order.channels > 0, "`channels` is 0: there must be one");
    ensure!(order.rate_per_s.is_finite() && order.rate_per_s > 0.0, "the rate must be above 0");
    ensure!(order.life_s.is_finite() && order.life_s > 0.0, "a life must be longer than 0");
    ensure!(
        (PAYLOAD_BYTES_MIN..=PAYLOAD_BYTES_MAX).contains(&order.payload_bytes),
        "the payload must have {PAYLOAD_BYTES_MIN} to {PAYLOAD_BYTES_MAX} bytes"
    );
    let mut random = fastrand::Rng::with_seed(order.seed);
    let clock = Clock::start();
    let mut server = Server::new(order.handling.clone(), order.target.address)?;
    let mut clients = Clients::new(order, clock)?;
    let mut told = Told { command: order.command.clone(), ..Told::default() };
    loop {
        let start_ns = server.start()?.as_nanos() as u64;
        let came_ns = clock.now_ns();
        clients.come_back()?;
        let back_ns = clock.now_ns() - came_ns;
        told.version = clients.version().to_owned();
        let is_last = told.lives.len() as u32 == order.kills;
        told.is_interrupted = !is_last && stop.load(Ordering::Relaxed);
        let mut life = Life { start_ns, back_ns, ..Life::default() };
        if !is_last && !told.is_interrupted {
            let life_s = order.life_s * (0.5 + random.f64());
            life.load_ns = clients.work(Duration::from_secs_f64(life_s), stop)?;
            server.kill()?;
            clients.mourn()?;
        }
        life.counts = clients.take_counts();
        watch(&life);
        let is_over = life.load_ns == 0;
        told.lives.push(life);
        if is_over {
            break;
        }
    }
    told.examples = clients.examples().to_vec();
    if let Some(why) = clients.refused_publish().filter(|_| told.total().acknowledged == 0) {
        bail!("nothing was acknowledged: {why}{}", advice(why));
    }
    Ok(told)
}
