//! What the host must give a node, and what it should: read from the host, judged against the configuration,
//! each with what it means and how to mend it. `ringpost doctor` prints it; `ringpost serve` looks first.
//!
//! Every check is a file: it reads its values and hands them to a `judge` that knows nothing of the host.

/// A file of the repository that tells more. Where it is not there, this does not compile.
macro_rules! page {
    ($path:literal) => {{
        const _: &[u8] = include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/", $path));
        $path
    }};
}
pub(crate) use page;

mod access_log;
mod cores;
mod descriptors;
mod device;
mod drops;
mod finding;
mod huge_pages;
mod interrupts;
mod io_uring;
mod isolation;
mod kernel;
mod limit;
mod memlock;
mod memory;
mod network;
mod ports;
mod power;
mod proc;
mod queues;
mod store;
mod tcp_memory;
mod threads;

use crate::config::{Config, Role};

pub use finding::{Finding, Verdict};
pub use limit::raise_limits;
pub use memlock::is_locked_memory_bound;
pub use ports::why as why_not_listening;

/// Looks at the host as a node with this configuration would need it.
pub fn examine(config: &Config) -> Vec<Finding> {
    if !config.roles.has(Role::Edge) {
        // Without shards a process needs what any does.
        let mut findings = ports::check(config);
        findings.extend(access_log::check(&config.access_log));
        return findings;
    }
    let allowed = crate::cores::allowed().unwrap_or_default();
    // Where the list of cores is wrong the other checks judge by one shard.
    let cores = crate::cores::choose_among(&config.shards.cores, &allowed).unwrap_or_else(|_| vec![0]);
    let shards = cores.len() * config.shards.per_core;
    let mut findings = vec![
        kernel::check(),
        io_uring::check(),
        cores::check(&config.shards, &allowed),
        memlock::check(shards, &config.shards),
        threads::check(shards, config),
        descriptors::check(config.client.connection_limit, shards),
        memory::check(shards, &config.shards),
        huge_pages::check(),
    ];
    findings.extend(ports::check(config));
    findings.extend(access_log::check(&config.access_log));
    findings.extend(store::check(&config.store, shards));
    findings.extend(network::check(config));
    findings.extend(drops::check(config.http_server.backlog));
    findings.extend(tcp_memory::check(&config.client));
    findings.push(queues::check(shards));
    findings.extend(interrupts::check());
    findings.extend(power::check(&cores));
    findings.push(isolation::check(&cores));
    findings
}
