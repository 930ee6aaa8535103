//! What nodes share, against real servers of Redis and Valkey.

mod check;
mod functions;
mod listening;
mod lost;
mod model;
mod revisions;
mod revocations;
mod seats;
mod server;
mod sessions;

use tokio::runtime::{Builder, Runtime};

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().expect("the host gives threads")
}
