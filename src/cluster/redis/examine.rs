//! A look at Redis: whether it is one that keeps what nodes put into it, and what to change where it does not.

use std::collections::HashMap;

use redis::{Cmd, FromRedisValue as _};

use super::fault::Fault;
use super::library::{self, Loaded, REVISION};
use super::link::Link;
use crate::config::{RedisConfig, RedisMode};
use crate::doctor::{Finding, page};

/// The first version with Functions and sharded Pub/Sub.
const REDIS_LEAST: u64 = 7;
const VALKEY_LEAST: u64 = 7;

const PAGE: &str = page!("docs/decisions/redis.md");

/// What `INFO` says of one primary.
#[derive(Debug, Default)]
pub struct Info(HashMap<String, String>);

impl Info {
    fn read(text: &str) -> Self {
        let lines = text.lines().filter_map(|line| line.split_once(':'));
        Self(lines.map(|(name, value)| (name.to_owned(), value.trim().to_owned())).collect())
    }

    fn of(&self, name: &str) -> &str {
        self.0.get(name).map_or("", String::as_str)
    }

    fn number(&self, name: &str) -> u64 {
        self.of(name).parse().unwrap_or_default()
    }
}

/// Looks at Redis, and loads the Functions where they are missing.
pub async fn examine(link: &Link, config: &RedisConfig) -> Vec<Finding> {
    let address = config.addresses.join(", ");
    let infos = match infos(link).await {
        Ok(infos) => infos,
        Err(fault) => {
            let fix = match fault {
                Fault::Forbidden(_) => {
                    "set `cluster.redis.user` and `cluster.redis.password`; its ACL must allow +info"
                }
                Fault::Down => "see with `redis-cli` whether a primary is there",
                _ => "see that Redis runs and that `cluster.redis.addresses`, `mode` and `tls` are right",
            };
            return vec![Finding::fail("redis", address, fault.to_string(), fix, PAGE)];
        }
    };
    let mut findings = vec![Finding::ok("redis", address, format!("{} primary nodes answer", infos.len()))];
    for info in &infos {
        findings.extend([version(info), role(info), policy(info), persistence(info), replicas(info)]);
        findings.extend(copies(info, config.wait_replicas));
    }
    findings.extend(cluster(link, config, infos.first().is_some_and(|info| info.of("redis_mode") == "cluster")).await);
    if config.wait_replicas > 0 {
        findings.extend(wait(link).await);
    }
    findings.push(functions(link).await);
    findings
}

async fn infos(link: &Link) -> Result<Vec<Info>, Fault> {
    let texts = link.call_all(&Cmd::new().arg("INFO").to_owned()).await?;
    texts.iter().map(|text| Ok(Info::read(&String::from_redis_value_ref(text).map_err(|_| Fault::Garbled)?))).collect()
}

fn version(info: &Info) -> Finding {
    let (name, version, least) = match info.of("valkey_version") {
        "" => ("Redis", info.of("redis_version"), REDIS_LEAST),
        version => ("Valkey", version, VALKEY_LEAST),
    };
    let value = format!("{name} {version}");
    match version.split('.').next().and_then(|major| major.parse::<u64>().ok()) {
        Some(major) if major >= least => Finding::ok("version", value, "it has Functions and sharded Pub/Sub"),
        _ => Finding::fail("version", value, "it has no Functions", "take Redis 7 or Valkey 8", PAGE),
    }
}

fn role(info: &Info) -> Finding {
    match info.of("role") {
        "master" => Finding::ok("role", "primary", "it takes writes"),
        other => Finding::fail(
            "role",
            other,
            "it takes no writes",
            "name the primary in `cluster.redis.addresses`, or let Sentinels find it: `mode = \"sentinel\"`",
            PAGE,
        ),
    }
}

fn policy(info: &Info) -> Finding {
    match (info.of("maxmemory_policy"), info.number("maxmemory")) {
        (policy, 0) => Finding::warn(
            "memory",
            format!("no bound, {policy}"),
            "a Redis that grows past the host's memory is killed",
            "set `maxmemory` to three quarters of the host's memory, and `maxmemory-policy noeviction`",
            PAGE,
        ),
        ("noeviction", max) => {
            Finding::ok("memory", format!("{max} bytes, noeviction"), "full memory refuses publishes")
        }
        (policy, _) => Finding::fail(
            "memory",
            policy,
            "full memory takes away histories, presence and leases without a word",
            "set `maxmemory-policy noeviction`",
            PAGE,
        ),
    }
}

fn persistence(info: &Info) -> Finding {
    let failed = [("rdb_last_bgsave_status", "a snapshot"), ("aof_last_write_status", "the append-only file")];
    if let Some((_, what)) = failed.iter().find(|(status, _)| info.of(status) == "err") {
        let meaning = format!("{what} could not be written");
        return Finding::fail("persistence", "failed", meaning, "look into Redis' log; its disk may be full", PAGE);
    }
    match info.of("aof_enabled") {
        "1" => Finding::ok("persistence", "appendonly", "a restart finds what was synced"),
        _ => Finding::warn(
            "persistence",
            "no append-only file",
            "a restart finds the last snapshot or nothing, and every stream begins a new epoch",
            "set `appendonly yes` and `appendfsync everysec`",
            PAGE,
        ),
    }
}

fn replicas(info: &Info) -> Finding {
    match info.number("connected_slaves") {
        0 => Finding::warn(
            "replicas",
            0,
            "where the primary is lost, so is all until it is back",
            "add a replica and three Sentinels, or take a Cluster",
            PAGE,
        ),
        // It is told only where `min-replicas-to-write` is set.
        count if info.of("min_slaves_good_slaves").is_empty() => Finding::warn(
            "replicas",
            count,
            "a primary that is cut off from them goes on taking what is lost once one of them takes over",
            "set `min-replicas-to-write 1`, and `min-replicas-max-lag` to less than a failover takes to begin",
            PAGE,
        ),
        count => Finding::ok("replicas", count, "one can take over; what was not copied yet begins a new epoch"),
    }
}

/// Whether there are as many replicas as publishes wait for.
fn copies(info: &Info, wanted: u8) -> Option<Finding> {
    let there = info.number("connected_slaves");
    (there < u64::from(wanted)).then(|| {
        Finding::fail(
            "wait_replicas",
            format!("{there} of {wanted}"),
            "every publish would be refused for want of replicas",
            "add replicas, or lower `cluster.redis.wait_replicas`",
            PAGE,
        )
    })
}

/// Whether the user may wait for replicas.
async fn wait(link: &Link) -> Option<Finding> {
    let fault = link.call_all(redis::cmd("WAIT").arg(0).arg(1)).await.err()?;
    let fix = "allow the user +wait, or set `cluster.redis.wait_replicas = 0`";
    Some(Finding::fail("wait_replicas", "refused", fault.to_string(), fix, PAGE))
}

async fn cluster(link: &Link, config: &RedisConfig, is_cluster: bool) -> Option<Finding> {
    if is_cluster != (config.mode == RedisMode::Cluster) {
        let fix =
            if is_cluster { "set `cluster.redis.mode = \"cluster\"`" } else { "set another `cluster.redis.mode`" };
        let value = if is_cluster { "a Cluster" } else { "no Cluster" };
        return Some(Finding::fail("cluster", value, "`cluster.redis.mode` says something else", fix, PAGE));
    }
    if !is_cluster {
        return None;
    }
    let answers = link.call_all(redis::cmd("CLUSTER").arg("INFO")).await;
    let texts = answers.unwrap_or_default();
    let infos = texts.iter().map(|text| Info::read(&String::from_redis_value_ref(text).unwrap_or_default()));
    let served = infos.map(|info| if info.of("cluster_state") == "ok" { info.number("cluster_slots_ok") } else { 0 });
    Some(match served.min().unwrap_or_default() {
        16_384 => Finding::ok("cluster", "16384 slots", "every bucket has a primary"),
        slots => Finding::fail(
            "cluster",
            format!("{slots} slots"),
            "some buckets have no primary, and their channels are refused",
            "`redis-cli --cluster check` says which; `--cluster fix` gives them one",
            PAGE,
        ),
    })
}

async fn functions(link: &Link) -> Finding {
    match library::load(link).await {
        Ok(Loaded::Now) => Finding::ok("functions", format!("revision {REVISION}"), "they were loaded"),
        Ok(Loaded::Was(revision)) if revision > REVISION => {
            Finding::ok("functions", format!("revision {revision}"), "a later version of Ringpost has loaded them")
        }
        Ok(Loaded::Was(revision)) => Finding::ok("functions", format!("revision {revision}"), "they are there"),
        Err(fault) => Finding::fail(
            "functions",
            "missing",
            fault.to_string(),
            "allow the user what docs/decisions/redis.md lists",
            PAGE,
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Verdict;

    fn info(pairs: &[(&str, &str)]) -> Info {
        Info(pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect())
    }

    #[test]
    fn a_redis_that_evicts_is_refused_and_one_without_a_bound_is_warned_of() {
        let judged = |max, kind| policy(&info(&[("maxmemory", max), ("maxmemory_policy", kind)])).verdict;
        assert_eq!(judged("1000", "noeviction"), Verdict::Ok);
        assert_eq!(judged("1000", "allkeys-lru"), Verdict::Fail);
        assert_eq!(judged("1000", "volatile-ttl"), Verdict::Fail);
        assert_eq!(judged("0", "noeviction"), Verdict::Warn);
    }

    #[test]
    fn old_versions_are_refused_under_either_name() {
        assert_eq!(version(&info(&[("redis_version", "6.2.1")])).verdict, Verdict::Fail);
        assert_eq!(version(&info(&[("redis_version", "7.0.15")])).verdict, Verdict::Ok);
        let valkey = info(&[("redis_version", "7.2.4"), ("valkey_version", "8.1.0")]);
        assert_eq!(version(&valkey).value, "Valkey 8.1.0");
        assert_eq!(version(&info(&[])).verdict, Verdict::Fail);
    }

    #[test]
    fn fewer_replicas_than_publishes_wait_for_are_refused() {
        let judged = |there, wanted| copies(&info(&[("connected_slaves", there)]), wanted).map(|found| found.verdict);
        assert_eq!([judged("0", 0), judged("1", 1), judged("2", 1)], [None; 3]);
        assert_eq!([judged("0", 1), judged("1", 2)], [Some(Verdict::Fail); 2]);
    }

    #[test]
    fn a_primary_that_goes_on_without_its_replicas_is_warned_of() {
        let judged = |pairs: &[(&str, &str)]| replicas(&info(pairs)).verdict;
        assert_eq!(judged(&[("connected_slaves", "0")]), Verdict::Warn);
        assert_eq!(judged(&[("connected_slaves", "1")]), Verdict::Warn);
        assert_eq!(judged(&[("connected_slaves", "1"), ("min_slaves_good_slaves", "1")]), Verdict::Ok);
    }

    #[test]
    fn a_snapshot_that_failed_is_told_before_what_is_missing() {
        let finding = persistence(&info(&[("rdb_last_bgsave_status", "err")]));
        assert_eq!(finding.verdict, Verdict::Fail, "{finding}");
        assert_eq!(persistence(&info(&[("aof_enabled", "1")])).verdict, Verdict::Ok);
        assert_eq!(persistence(&info(&[("aof_enabled", "0")])).verdict, Verdict::Warn);
    }
}
