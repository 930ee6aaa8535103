//! Says in a catalog that the node is there, for load balancers and services that look: once its doors are open, again when the
//! catalog has lost it, and takes it off when it drains. Whatever the catalog does, the node goes on.

mod consul;
mod counts;
mod registration;

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

use self::consul::Consul;
pub(super) use self::counts::DiscoveryCounts;
pub(super) use self::registration::Doors;
use self::registration::Registration;
use super::aside::Aside;
use super::state::ControlState;
use crate::limits::{DISCOVERY_LEAVE_MS, DISCOVERY_RETRY_MS, DISCOVERY_RETRY_MS_MAX};

/// Starts the thread that keeps the node registered, where there is a catalog. Does not wait for the catalog.
///
/// # Errors
/// What the host does not give, or an address that is none.
pub(super) fn start(state: &Arc<ControlState>, doors: &Doors) -> anyhow::Result<Option<Aside>> {
    let config = state.config();
    if !config.discovery.consul.is_set() {
        return Ok(None);
    }
    let registration = Registration::new(&config, doors);
    let begin = move || Consul::new(&config.discovery.consul).context("discovery.consul");
    let state = state.clone();
    let run = async move |consul: Consul, mut ending: watch::Receiver<bool>| {
        tokio::select! {
            _ = ending.wait_for(|is_ending| *is_ending) => {}
            () = keep(&consul, &registration, &state) => {}
        }
        let leave = timeout(Duration::from_millis(DISCOVERY_LEAVE_MS), consul.deregister(&registration.id));
        match leave.await {
            Ok(Ok(())) => tracing::info!(service = registration.id, "taken off Consul"),
            Ok(Err(error)) => tracing::warn!(service = registration.id, "not taken off Consul: {error:#}"),
            Err(_) => tracing::warn!(service = registration.id, "not taken off Consul: it does not answer"),
        }
        state.discovery.is_registered.set(0);
    };
    Aside::start("discovery", begin, run).map(Some)
}

/// Registers the node and looks whether it still is, for ever.
async fn keep(consul: &Consul, registration: &Registration, state: &ControlState) {
    let interval = Duration::from(state.config().discovery.consul.check_interval);
    let mut retry_ms = DISCOVERY_RETRY_MS;
    loop {
        let told = match consul.knows(&registration.id).await {
            Ok(true) if state.discovery.is_registered.get() == 1 => Ok(()),
            // One of an earlier run may say something else.
            Ok(_) => consul.register(registration).await,
            Err(error) => Err(error),
        };
        match told {
            Ok(()) => {
                if state.discovery.is_registered.set(1) == 0 {
                    tracing::info!(service = registration.id, "registered with Consul");
                }
                retry_ms = DISCOVERY_RETRY_MS;
                sleep(interval).await;
            }
            Err(error) => {
                state.discovery.is_registered.set(0);
                state.discovery.errors.inc();
                tracing::warn!(service = registration.id, retry_ms, "Consul: {error:#}");
                sleep(Duration::from_millis(retry_ms)).await;
                retry_ms = (retry_ms * 2).min(DISCOVERY_RETRY_MS_MAX);
            }
        }
    }
}
