//! What a process does.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// One of the things that a process can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Holds the connections of clients.
    Edge,
    /// Derives from what edges report who is online, and who was when.
    State,
    /// Tells the application of users whom no device reaches.
    Notify,
}

impl fmt::Display for Role {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Edge => "edge",
            Self::State => "state",
            Self::Notify => "notify",
        })
    }
}

/// All that one process does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Roles(Vec<Role>);

impl Roles {
    /// These. Some of them twice, or none, is refused with the configuration.
    pub fn of(roles: &[Role]) -> Self {
        Self(roles.to_vec())
    }

    /// Whether this is one of them.
    pub fn has(&self, role: Role) -> bool {
        self.0.contains(&role)
    }

    /// Whether there is another than the edge.
    pub fn has_more_than_edge(&self) -> bool {
        self.0.iter().any(|role| *role != Role::Edge)
    }

    /// Every broken rule, one line each: without Redis and Kafka there is the edge only.
    pub(super) fn check(&self, has_redis: bool, has_kafka: bool, problems: &mut Vec<String>) {
        if self.0.is_empty() {
            problems.push("`roles` is empty: a process does at least one of edge, state, notify".into());
        }
        for (at, role) in self.0.iter().enumerate() {
            if self.0[..at].contains(role) {
                problems.push(format!("`roles` has \"{role}\" twice"));
            } else if *role != Role::Edge && !has_redis {
                problems.push(format!("`roles` has \"{role}\", which needs `cluster.redis.addresses`"));
            } else if *role != Role::Edge && !has_kafka {
                problems.push(format!("`roles` has \"{role}\", which needs `cluster.kafka.brokers`"));
            }
        }
    }
}

impl Default for Roles {
    fn default() -> Self {
        Self(vec![Role::Edge])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems(roles: &[Role], has_redis: bool, has_kafka: bool) -> Vec<String> {
        let mut problems = Vec::new();
        Roles::of(roles).check(has_redis, has_kafka, &mut problems);
        problems
    }

    #[test]
    fn roles_other_than_the_edge_need_redis_and_kafka_and_none_comes_twice() {
        assert_eq!(problems(&[Role::Edge], false, false), [""; 0]);
        assert_eq!(problems(&[Role::State, Role::Edge, Role::Notify], true, true), [""; 0]);
        for (roles, has_redis, has_kafka, said) in [
            (&[Role::State][..], false, true, "cluster.redis"),
            (&[Role::Edge, Role::Notify], true, false, "cluster.kafka"),
            (&[Role::Edge, Role::Edge], true, true, "twice"),
            (&[], true, true, "empty"),
        ] {
            let problems = problems(roles, has_redis, has_kafka);
            assert!(problems.len() == 1 && problems[0].contains(said), "{said}: {problems:?}");
        }
    }

    #[test]
    fn an_unknown_role_is_refused() {
        assert!(serde_json::from_str::<Roles>(r#"["edge","state"]"#).is_ok());
        assert!(serde_json::from_str::<Roles>(r#"["gateway"]"#).is_err());
    }
}
