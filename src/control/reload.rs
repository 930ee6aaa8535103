//! What a new configuration may change while the node runs.

use crate::config::{Acknowledge, ChannelOptions, Config, ConfigError, GrpcApiConfig};

/// Reads the configuration again, for SIGHUP.
pub type Reload = Box<dyn Fn() -> Result<Config, ConfigError> + Send>;

/// Puts back what only a restart can change. Returns the sections that would have changed.
pub(super) fn keep_fixed(old: &Config, new: &mut Config) -> Vec<&'static str> {
    let mut kept = Vec::new();
    keep("name", &old.name, &mut new.name, &mut kept);
    keep("roles", &old.roles, &mut new.roles, &mut kept);
    keep("shards", &old.shards, &mut new.shards, &mut kept);
    keep("http_server", &old.http_server, &mut new.http_server, &mut kept);
    keep("tcp_server", &old.tcp_server, &mut new.tcp_server, &mut kept);
    keep("internal_server", &old.internal_server, &mut new.internal_server, &mut kept);
    let grpc_api = GrpcApiConfig {
        key: new.grpc_api.key.clone(),
        insecure: new.grpc_api.insecure,
        error_mode: new.grpc_api.error_mode,
        ..old.grpc_api.clone()
    };
    keep("grpc_api", &grpc_api, &mut new.grpc_api, &mut kept);
    keep("cluster", &old.cluster, &mut new.cluster, &mut kept);
    keep("discovery", &old.discovery, &mut new.discovery, &mut kept);
    keep("notify", &old.notify, &mut new.notify, &mut kept);
    keep("store", &old.store, &mut new.store, &mut kept);
    keep("log", &old.log, &mut new.log, &mut kept);
    keep("access_log", &old.access_log, &mut new.access_log, &mut kept);
    kept
}

/// Why a running node cannot go by the new configuration; empty where it can. What a channel has kept on disk would be
/// another's after the next start, or gone; and what goes by Kafka would overtake what does not.
pub(super) fn forbidden(old: &Config, new: &Config) -> Vec<String> {
    let options_of = |config: &Config, name: &str| match name {
        "" => Some(config.channel.without_namespace.clone()),
        _ => config.channel.namespaces.iter().find(|known| known.name == name).map(|known| known.options.clone()),
    };
    let changed = |key: &str, name: &str| match name {
        "" => format!("`channel.without_namespace.{key}` changes only with a restart"),
        _ => format!("the namespace `{name}`: `{key}` changes only with a restart"),
    };
    let is_relayed = |options: &ChannelOptions| options.acknowledge == Acknowledge::Kafka;
    let names = new.channel.namespaces.iter().map(|namespace| namespace.name.as_str());
    let mut problems = Vec::new();
    for name in std::iter::once("").chain(names) {
        let (Some(before), Some(after)) = (options_of(old, name), options_of(new, name)) else { continue };
        if before.log != after.log {
            problems.push(changed("log", name));
        }
        if is_relayed(&before) != is_relayed(&after) {
            problems.push(changed("acknowledge", name));
        }
    }
    if new.channel.relays() && !old.channel.relays() {
        problems.push("the first namespace with `acknowledge = \"kafka\"` comes only with a restart".into());
    }
    problems
}

fn keep<T: Clone + PartialEq>(section: &'static str, old: &T, new: &mut T, kept: &mut Vec<&'static str>) {
    if old != new {
        new.clone_from(old);
        kept.push(section);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Log, Namespace};

    #[test]
    fn the_log_of_a_namespace_cannot_change_but_one_that_is_new_may_have_any() {
        let namespace = |name: &str, log| {
            let options = ChannelOptions { log, ..ChannelOptions::default() };
            Namespace { name: name.into(), options }
        };
        let mut old = Config::default();
        old.channel.namespaces = vec![namespace("chat", Log::Memory), namespace("gone", Log::Disk)];
        let mut new = old.clone();
        new.channel.namespaces = vec![namespace("chat", Log::Memory), namespace("new", Log::Disk)];
        assert_eq!(forbidden(&old, &new), [""; 0]);
        new.channel.namespaces[0].options.log = Log::Disk;
        new.channel.without_namespace.log = Log::Disk;
        let problems = forbidden(&old, &new);
        assert!(problems.len() == 2 && problems[1].contains("`chat`: `log`"), "{problems:?}");
    }

    #[test]
    fn what_goes_by_kafka_goes_so_until_a_restart() {
        let namespace = |name: &str, acknowledge| {
            let options = ChannelOptions { log: Log::Redis, acknowledge, ..ChannelOptions::default() };
            Namespace { name: name.into(), options }
        };
        let mut old = Config::default();
        old.channel.namespaces = vec![namespace("chat", Acknowledge::Log)];
        let mut new = old.clone();
        new.channel.namespaces.push(namespace("orders", Acknowledge::Kafka));
        let problems = forbidden(&old, &new);
        assert!(problems.len() == 1 && problems[0].contains("the first namespace"), "{problems:?}");
        new.channel.namespaces[0].options.acknowledge = Acknowledge::Kafka;
        assert!(forbidden(&old, &new)[0].contains("`chat`: `acknowledge`"));
        // A node that moves already may have more to move.
        old.channel.namespaces.push(namespace("orders", Acknowledge::Kafka));
        new.channel.namespaces = old.channel.namespaces.clone();
        new.channel.namespaces.push(namespace("bills", Acknowledge::Kafka));
        assert_eq!(forbidden(&old, &new), [""; 0]);
    }

    #[test]
    fn what_a_running_node_cannot_change_stays_and_is_named() {
        let old = Config::default();
        let mut new = Config::default();
        new.http_server.port = 9;
        new.shards.cores = "0".into();
        new.client.channel_limit = 7;
        (new.grpc_api.port, new.grpc_api.key) = (9, "new".into());
        assert_eq!(keep_fixed(&old, &mut new), ["shards", "http_server", "grpc_api"]);
        assert_eq!((new.grpc_api.port, new.grpc_api.key.as_str()), (10_000, "new"));
        assert_eq!((new.http_server.port, new.shards.cores.as_str()), (8000, "all"));
        assert_eq!(new.client.channel_limit, 7, "the rest is taken");
    }
}
