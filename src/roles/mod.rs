//! What a process does beside holding connections, or instead of it: the roles `state` and `notify`, on one thread with a runtime of
//! its own. They read what edges write into Kafka, and keep their own state in Redis; shards know nothing of them.
//!
//! ```text
//! Kafka ─→ consumer ┬→ state ─→ Redis (who is online, last seen) ─→ `session.update` in Kafka
//!                   └→ notify ─→ webhooks to the application; Redis (badges, mutes)
//! control plane ←view── both (what the API asks)    ←pulse── every role (health, lag)
//! ```
//!
//! Several processes with one role share its work as a consumer group. A role never writes what routing reads.

pub mod consumer;
pub mod notify;
pub mod pulse;
pub mod state;

use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::Context as _;
use tokio::sync::watch;

use self::notify::NotifyRole;
use self::notify::view::NotifyView;
use self::pulse::Pulse;
use self::state::StateRole;
use self::state::view::StateView;
use crate::cluster::kafka::producer::Producer;
use crate::config::{Config, Role};
use crate::vital;

/// What the roles of a process are made of.
pub struct RolesSetup {
    /// What the process was started with.
    pub config: Arc<Config>,
    /// Writes what they have to tell.
    pub producer: Arc<Producer>,
    /// True from when on they are to end.
    pub ending: watch::Receiver<bool>,
}

/// The roles of a process, as the control plane sees them.
#[derive(Clone, Debug, Default)]
pub struct RolesView {
    /// Who is online, where the process has the role `state`.
    pub state: Option<StateView>,
    /// Badges and mutes, where it has the role `notify`.
    pub notify: Option<NotifyView>,
}

impl RolesView {
    /// The pulse of each role that the process has; the role `notify` has two.
    pub fn pulses(&self) -> impl Iterator<Item = (&'static str, &Arc<Pulse>)> {
        let state = self.state.iter().map(|state| ("state", &state.pulse));
        let pushes = self.notify.iter().flat_map(|notify| &notify.pushes).map(|pulse| ("notify", pulse));
        let sessions = self.notify.iter().flat_map(|notify| &notify.sessions).map(|pulse| ("notify_sessions", pulse));
        state.chain(pushes).chain(sessions)
    }

    /// Whether each consumes, or did a moment ago.
    pub fn are_well(&self) -> bool {
        self.pulses().all(|(_, pulse)| pulse.is_well())
    }
}

/// The thread of the roles.
#[derive(Debug)]
pub struct Roles {
    /// What the control plane is given.
    pub view: RolesView,
    thread: JoinHandle<anyhow::Result<()>>,
}

impl Roles {
    /// Starts the roles that the configuration names, but for the edge. `on_end` goes when their thread has ended, by a panic too.
    ///
    /// # Errors
    /// Options that a client does not know, files that cannot be read; what the host does not give.
    pub fn start(setup: &RolesSetup, on_end: impl Send + 'static) -> anyhow::Result<Self> {
        let RolesSetup { config, producer, ending } = setup;
        let view = RolesView {
            state: config.roles.has(Role::State).then(|| StateView::new(config)).transpose()?,
            notify: config.roles.has(Role::Notify).then(|| NotifyView::new(config)).transpose()?,
        };
        // Where the host has no more than the first of these threads, what blocks waits for it.
        let runtime = vital::runtime(4).build().context("the runtime of the roles cannot be built")?;
        let (state, notify) = {
            // Their consumers need the runtime.
            let _inside = runtime.enter();
            let state = |view: &StateView| StateRole::new(config, producer.clone(), view);
            let notify = |view: &NotifyView| NotifyRole::new(config, producer, view, ending);
            (view.state.as_ref().map(state).transpose()?, view.notify.as_ref().map(notify).transpose()?)
        };
        let ending = ending.clone();
        let thread = vital::spawn("roles", move || {
            let _on_end = on_end;
            let result = runtime.block_on(async {
                vital::start_pool().await.context("the roles")?;
                run(state, notify, ending).await
            });
            // What still asks Kafka must not hold the process.
            runtime.shutdown_timeout(Duration::from_secs(1));
            result
        });
        Ok(Self { view, thread: thread.context("no thread for the roles")? })
    }

    /// Whether they have ended.
    pub fn have_ended(&self) -> bool {
        self.thread.is_finished()
    }

    /// Waits until they have ended.
    ///
    /// # Errors
    /// What a role cannot go on with.
    pub fn wait(self) -> anyhow::Result<()> {
        self.thread.join().map_err(|_| anyhow::anyhow!("the thread of the roles panicked"))?
    }
}

/// Runs the roles beside each other until all have ended; where one cannot go on, none does.
async fn run(
    state: Option<StateRole>,
    notify: Option<NotifyRole>,
    ending: watch::Receiver<bool>,
) -> anyhow::Result<()> {
    let state = async {
        match state {
            Some(state) => state.run(ending.clone()).await,
            None => Ok(()),
        }
    };
    let notify = async {
        match notify {
            Some(notify) => notify.run(ending.clone()).await,
            None => Ok(()),
        }
    };
    tokio::try_join!(state, notify).map(drop)
}
