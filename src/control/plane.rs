//! The control plane's life: it serves until it is asked to leave, drains, and ends after the last shard.

use std::sync::Arc;
use std::time::SystemTime;

use anyhow::{Context as _, bail};
use tokio::runtime;
use tokio::time::{Instant, sleep_until};

use super::http::HttpServer;
use super::keys::{KeyKeeper, KeyRequests};
use super::reload::keep_fixed;
use super::router::router;
use super::shards::Shards;
use super::signals::{Request, Signals};
use super::state::ControlState;
use crate::broker::order::{Errand, Order};
use crate::config::Config;
use crate::control::reload::Reload;
use crate::hub::{Placement, ShardSet};
use crate::shard::handle::ShardHandle;

/// What the control plane is made of.
pub struct ControlSetup {
    /// The configuration.
    pub config: Arc<Config>,
    /// Reads it again.
    pub reload: Reload,
    /// The shards, by number.
    pub shards: Vec<ShardHandle>,
    /// Which shard is a channel's home.
    pub placement: Placement,
    /// What shards ask.
    pub errands: flume::Receiver<Errand>,
    /// A message is as good as SIGTERM.
    pub stop: flume::Receiver<()>,
    /// When the node began.
    pub started: SystemTime,
    /// Told once signals are caught and errands are done.
    pub ready: flume::Sender<()>,
}

/// Runs the control plane on this thread. Returns when it was asked to leave and every shard has ended.
///
/// # Errors
/// When shards have not ended: after `shutdown.timeout`, or when it is asked to leave twice; their threads run
/// still. When a shard has ended unasked. What the host does not give: descriptors, signals.
pub fn run(setup: ControlSetup) -> anyhow::Result<()> {
    let runtime = runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("the control plane's runtime cannot be built")?;
    let result = runtime.block_on(async { Plane::new(setup)?.run().await });
    // A name that is still being looked up must not hold the node.
    runtime.shutdown_background();
    result
}

struct Plane {
    state: Arc<ControlState>,
    reload: Reload,
    errands: flume::Receiver<Errand>,
    signals: Signals,
    http: HttpServer,
    keys: KeyRequests,
    ended: ShardSet,
}

impl Plane {
    fn new(setup: ControlSetup) -> anyhow::Result<Self> {
        let ControlSetup { config, reload, shards, placement, errands, stop, started, ready } = setup;
        let state = Arc::new(ControlState::new(Shards::new(shards, placement), config, started));
        let signals = Signals::new(stop).context("signals cannot be caught")?;
        let http = HttpServer::new(|purpose| router(state.clone(), purpose), state.http_conns.clone());
        let (keeper, keys) = KeyKeeper::new(state.clone());
        tokio::spawn(keeper.run());
        // The node waits for this.
        let _ = ready.send(());
        Ok(Self { state, reload, errands, signals, http, keys, ended: ShardSet::EMPTY })
    }

    async fn run(mut self) -> anyhow::Result<()> {
        loop {
            tokio::select! {
                errand = self.errands.recv_async() => match errand {
                    Ok(Errand::Ended { shard }) => bail!("shard {shard} has failed"),
                    Ok(errand) => self.errand(errand).await,
                    Err(flume::RecvError::Disconnected) => bail!("all shards have gone"),
                },
                request = self.signals.next() => match request {
                    Request::Reload => self.reload().await,
                    Request::Leave => break,
                },
            }
        }
        let drained = self.drain().await;
        self.http.shutdown().await;
        drained
    }

    async fn errand(&mut self, errand: Errand) {
        match errand {
            Errand::Http { socket, read, purpose } => self.http.serve(socket, read, purpose),
            Errand::FetchKeys { shard, ticket } => {
                if !self.keys.fetch(shard, ticket) {
                    self.state.shards.tell(shard, Order::KeysFetched { ticket, fetched: false }).await;
                }
            }
            Errand::Ended { shard } => self.ended.insert(shard),
        }
    }

    async fn reload(&mut self) {
        let mut config = match (self.reload)() {
            Ok(config) => config,
            Err(error) => {
                for problem in error.problems {
                    tracing::error!("the configuration stays as it was: {problem}");
                }
                return;
            }
        };
        let kept = keep_fixed(&self.state.config(), &mut config);
        if !kept.is_empty() {
            tracing::warn!("only a restart changes {}: kept as before", kept.join(", "));
        }
        let config = Arc::new(config);
        self.state.set_config(config.clone());
        self.state.shards.tell_all(|| Order::Reload(config.clone())).await;
        self.keys.changed().await;
        tracing::info!("the configuration was read again");
    }

    /// Waits until every shard has ended, for a while.
    async fn drain(&mut self) -> anyhow::Result<()> {
        self.state.drain();
        let shutdown = self.state.config().shutdown.clone();
        let deadline = Instant::now() + shutdown.timeout.into();
        tracing::info!(over = %shutdown.drain_time, "leaving: clients are told to reconnect");
        self.state.shards.tell_all(|| Order::Drain(shutdown.drain_time.into())).await;
        while !self.all_ended() {
            tokio::select! {
                errand = self.errands.recv_async() => match errand {
                    Ok(errand) => self.errand(errand).await,
                    Err(flume::RecvError::Disconnected) => break,
                },
                request = self.signals.next() => if request == Request::Leave {
                    bail!("asked to leave twice: left before every shard had ended");
                },
                () = sleep_until(deadline) => {
                    bail!("not every shard had ended {} after the node was asked to leave", shutdown.timeout);
                }
            }
        }
        Ok(())
    }

    fn all_ended(&self) -> bool {
        self.state.shards.handles().iter().all(|handle| self.ended.contains(handle.shard))
    }
}
