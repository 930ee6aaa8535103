//! What nodes share, against real servers of Redis and Valkey.

mod check;
mod copies;
mod fleeting;
mod foreign;
mod functions;
mod inboxes;
mod inboxes_seeded;
mod letters;
mod listening;
mod lost;
mod model;
mod moves;
mod presence;
mod pushes;
mod revisions;
mod revocations;
mod schedules;
mod seats;
mod server;
mod sessions;

use tokio::runtime::{Builder, Runtime};

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().expect("the host gives threads")
}
