//! What a new configuration may change while the node runs.

use crate::config::{Config, ConfigError};

/// Reads the configuration again, for SIGHUP.
pub type Reload = Box<dyn Fn() -> Result<Config, ConfigError> + Send>;

/// Puts back what only a restart can change. Returns the sections that would have changed.
pub(super) fn keep_fixed(old: &Config, new: &mut Config) -> Vec<&'static str> {
    let mut kept = Vec::new();
    keep("name", &old.name, &mut new.name, &mut kept);
    keep("shards", &old.shards, &mut new.shards, &mut kept);
    keep("http_server", &old.http_server, &mut new.http_server, &mut kept);
    keep("tcp_server", &old.tcp_server, &mut new.tcp_server, &mut kept);
    keep("internal_server", &old.internal_server, &mut new.internal_server, &mut kept);
    keep("log", &old.log, &mut new.log, &mut kept);
    keep("access_log", &old.access_log, &mut new.access_log, &mut kept);
    kept
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

    #[test]
    fn what_a_running_node_cannot_change_stays_and_is_named() {
        let old = Config::default();
        let mut new = Config::default();
        new.http_server.port = 9;
        new.shards.cores = "0".into();
        new.client.channel_limit = 7;
        assert_eq!(keep_fixed(&old, &mut new), ["shards", "http_server"]);
        assert_eq!((new.http_server.port, new.shards.cores.as_str()), (8000, "all"));
        assert_eq!(new.client.channel_limit, 7, "the rest is taken");
    }
}
