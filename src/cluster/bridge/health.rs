//! How Redis is, looked at again and again: what would keep a node from starting may come while it runs.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::sleep;

use super::metrics::BridgeMetrics;
use crate::cluster::redis::examine::examine;
use crate::cluster::redis::link::Link;
use crate::config::RedisConfig;
use crate::doctor::Verdict;
use crate::limits::REDIS_LOOK_MS;

/// Looks for ever. What is found is counted, and told in the log when it comes.
pub(super) async fn watch(link: Arc<Link>, config: RedisConfig, metrics: Arc<BridgeMetrics>) {
    let mut told = Vec::new();
    loop {
        sleep(Duration::from_millis(REDIS_LOOK_MS)).await;
        let findings = examine(&link, &config).await;
        let failures = findings.iter().filter(|finding| finding.verdict == Verdict::Fail);
        let failures: Vec<_> = failures.map(ToString::to_string).collect();
        metrics.unfit.set(failures.len() as u64);
        let new = failures.iter().filter(|failure| !told.contains(*failure));
        new.for_each(|failure| tracing::error!("no node would start with this Redis any more: {failure}"));
        told = failures;
    }
}
