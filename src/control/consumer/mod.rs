//! Calls of the API that backends write to a topic of Kafka, each carried out at least once.
//!
//! ```text
//! topic ─record→ group ─→ lanes (per partition: one call of a key at a time) ─→ task ┬ call (what it says)
//!                  ↑                                                                   ├ carry_out (as POST /api does, again while refused for now)
//!                  └────────────────────── finished ───────────────────────────────────┴ dead topic (what cannot be carried out)
//! ```
//!
//! A thread of its own, since librdkafka may wait where a consumer ends: the control plane and the shards never wait for Kafka.
//! Every node is in the same consumer group, and each partition is one node's. What is done is committed up to the first that
//! is not; so a node that takes a partition over carries some out again, which is nothing new: `publish` and `broadcast` have
//! keys (the record's place, where the backend gave none), and the other methods say how something is to be.

mod call;
mod carry_out;
mod counts;
mod group;
mod lanes;
mod outcome;

use std::sync::Arc;

use anyhow::Context as _;
use tokio::sync::watch;

pub(super) use self::counts::CallCounts;
use self::group::Group;
use super::aside::Aside;
use super::state::ControlState;

/// Starts the thread that carries calls out, where there is a topic of them. Does not wait for Kafka.
///
/// # Errors
/// What the host does not give, or an option that librdkafka refuses.
pub(super) fn start(state: &Arc<ControlState>) -> anyhow::Result<Option<Aside>> {
    let config = state.config();
    let Some(producer) = state.kafka.clone().filter(|_| !config.cluster.kafka.topics.calls.is_empty()) else {
        return Ok(None);
    };
    let state = state.clone();
    let begin = move || Group::join(state, producer).context("cluster.kafka.topics.calls");
    let run = async |group: Group, ending: watch::Receiver<bool>| group.run(ending).await;
    Aside::start("calls", begin, run).map(Some)
}
