//! What every HTTP handler can see.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::SystemTime;

use tokio::sync::watch;
use uuid::Uuid;

use super::calls::Calls;
use super::consumer::CallCounts;
use super::discovery::DiscoveryCounts;
use super::followed::Followed;
use super::nodes::Nodes;
use super::seats::Seats;
use super::shards::Shards;
use crate::access_log::AccessLog;
use crate::cluster::bridge::BridgeView;
use crate::cluster::kafka::mover::metrics::MoverMetrics;
use crate::cluster::kafka::producer::Producer;
use crate::config::{Config, Role};
use crate::event_log::EventLog;
use crate::roles::RolesView;

/// The node as the control plane sees it.
#[derive(Debug)]
pub(super) struct ControlState {
    /// How orders reach them.
    pub(super) shards: Shards,
    /// Tells this run of the node from every other.
    pub(super) node_id: Uuid,
    /// When the node began.
    pub(super) started: SystemTime,
    /// Seats of the HTTP conns that are served.
    pub(super) seats: Arc<Seats>,
    /// How the backend API is used.
    pub(super) calls: Calls,
    /// Where it is written down which calls were refused.
    pub(super) access_log: AccessLog,
    /// What is counted of what the rest of the company is told.
    pub(super) event_log: EventLog,
    /// Whose state is told here.
    pub(super) followed: Followed,
    /// The way to the other nodes, if there are some.
    pub(super) bridge: Option<BridgeView>,
    /// The same, as the API uses it.
    pub(super) nodes: Option<Nodes>,
    /// Where records are written, if there is a Kafka.
    pub(super) kafka: Option<Arc<Producer>>,
    /// What is counted of calls from Kafka.
    pub(super) call_counts: CallCounts,
    /// What is counted of the catalog that the node is in.
    pub(super) discovery: DiscoveryCounts,
    /// What the process does beside the edge, or instead of it.
    pub(super) roles: RolesView,
    /// What is counted of the records that this node moves, if it does.
    pub(super) mover: Option<Arc<MoverMetrics>>,
    config: watch::Sender<Arc<Config>>,
    draining: AtomicBool,
}

impl ControlState {
    /// A node that is ready.
    pub(super) fn new(
        shards: Shards,
        config: watch::Sender<Arc<Config>>,
        started: SystemTime,
        (access_log, event_log): (AccessLog, EventLog),
        bridge: Option<BridgeView>,
        (kafka, mover): (Option<Arc<Producer>>, Option<Arc<MoverMetrics>>),
        roles: RolesView,
    ) -> Self {
        Self {
            shards,
            node_id: Uuid::new_v4(),
            started,
            seats: Arc::new(Seats::new()),
            calls: Calls::new(),
            access_log,
            event_log,
            followed: Followed::default(),
            nodes: bridge.clone().map(Nodes::new),
            bridge,
            kafka,
            call_counts: CallCounts::default(),
            discovery: DiscoveryCounts::default(),
            roles,
            mover,
            config,
            draining: AtomicBool::new(false),
        }
    }

    /// The configuration in force.
    pub(super) fn config(&self) -> Arc<Config> {
        self.config.borrow().clone()
    }

    /// A new configuration is in force.
    pub(super) fn set_config(&self, config: Arc<Config>) {
        self.config.send_replace(config);
    }

    /// Whether the process has shards.
    pub(super) fn has_edge(&self) -> bool {
        self.config().roles.has(Role::Edge)
    }

    /// Whether the node is about to leave.
    pub(super) fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Relaxed)
    }

    /// The node is about to leave.
    pub(super) fn drain(&self) {
        self.draining.store(true, Ordering::Relaxed);
    }

    /// Whole seconds since the node began.
    pub(super) fn uptime_s(&self) -> u64 {
        self.started.elapsed().unwrap_or_default().as_secs()
    }
}
