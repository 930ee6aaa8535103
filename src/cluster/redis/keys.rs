//! The names of keys: which bucket a channel or a user is in, and how the keys of a bucket begin.

use std::sync::Arc;

use super::slots::slot_of;
use crate::config::RedisConfig;
use crate::model::{BUCKET_LAYOUT, bucket_of};

/// How a cluster names its keys. The first keys of all buckets are written once, since each call says one.
#[derive(Clone, Debug)]
pub struct Keys {
    prefix: String,
    heads: Arc<[Box<str>]>,
}

impl Keys {
    /// The names of a cluster that is configured so.
    pub fn new(config: &RedisConfig) -> Self {
        let prefix = format!("{}:{BUCKET_LAYOUT}", config.prefix);
        let heads = (0..config.buckets).map(|bucket| format!("{prefix}:{{b{bucket}}}").into()).collect();
        Self { prefix, heads }
    }

    /// How many buckets there are.
    pub fn buckets(&self) -> u16 {
        self.heads.len() as u16
    }

    /// The bucket of a channel or of a user. Every node and every later version must say the same.
    pub fn bucket_of(&self, name: &str) -> u16 {
        bucket_of(name, self.buckets())
    }

    /// A bucket's first key, with which the names of all its others begin. What is in braces chooses the slot of a Cluster.
    pub fn head(&self, bucket: u16) -> &str {
        &self.heads[usize::from(bucket)]
    }

    /// By which all nodes are told something of a bucket.
    pub fn to_all(&self, bucket: u16) -> String {
        format!("{}:all", self.head(bucket))
    }

    /// The slot of a Cluster in which a bucket is.
    pub(super) fn slot(&self, bucket: u16) -> u16 {
        slot_of(&format!("b{bucket}"))
    }

    /// The key of the nodes' leases.
    pub fn nodes(&self) -> String {
        format!("{}:{{nodes}}", self.prefix)
    }
}

#[cfg(test)]
mod tests {
    use redis::cluster_routing::Slot;

    use super::*;

    #[test]
    fn a_bucket_is_in_the_slot_in_which_the_redis_crate_has_its_keys() {
        let keys = Keys::new(&RedisConfig::default());
        for bucket in 0..keys.buckets() {
            assert_eq!(Slot::new(keys.slot(bucket)), Some(Slot::for_key(keys.head(bucket))), "{bucket}");
        }
    }

    #[test]
    fn a_name_is_in_the_same_bucket_for_ever() {
        let keys = Keys::new(&RedisConfig::default());
        let buckets = ["room", "user:7", ""].map(|name| keys.bucket_of(name));
        assert_eq!(buckets, [828, 896, 0]);
        assert_eq!(keys.head(17), "ringpost:1:{b17}");
    }
}
