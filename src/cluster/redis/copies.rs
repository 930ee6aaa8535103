//! Ways to Redis on which a call is answered once so many replicas have what it has written (`cluster.redis.wait_replicas`).
//!
//! `WAIT` goes behind the call, on the same connection, and holds that up until it is answered. So these connections are nobody
//! else's, and there are several: a bucket, of which one call is on its way at a time, always goes by the same.

use redis::{Cmd, Value};

use super::fault::Fault;
use super::library;
use super::link::Link;
use crate::config::RedisConfig;
use crate::limits::REDIS_COPIED_WAYS;
use crate::time::Duration;

/// See the module.
pub struct Copies {
    ways: Box<[Link]>,
    replicas: u8,
    wait_ms: u64,
}

impl std::fmt::Debug for Copies {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "Copies({} replicas, {} ms)", self.replicas, self.wait_ms)
    }
}

impl Copies {
    /// The ways, where the configuration asks for them. Connections are made by the first calls.
    ///
    /// # Errors
    /// As [`Link::new`].
    pub fn new(config: &RedisConfig) -> anyhow::Result<Option<Self>> {
        if config.wait_replicas == 0 {
            return Ok(None);
        }
        // What is waited for is no delay of the answer.
        let timeout = Duration::from_millis(config.timeout.as_millis() + config.wait_timeout.as_millis());
        let config = RedisConfig { timeout, ..config.clone() };
        let ways = (0..REDIS_COPIED_WAYS).map(|_| Link::new(&config, None)).collect::<anyhow::Result<_>>()?;
        Ok(Some(Self { ways, replicas: config.wait_replicas, wait_ms: config.wait_timeout.as_millis() }))
    }

    /// Calls a Function on a bucket, and waits until replicas have what it has written; or what `touch` writes behind it.
    ///
    /// # Errors
    /// [`Fault::Uncopied`] where too few of them have it in time: it is done. As [`Link::call`].
    pub(super) async fn call(&self, bucket: u16, command: &Cmd, touch: Option<&Cmd>) -> Result<Value, Fault> {
        let way = &self.ways[usize::from(bucket) % self.ways.len()];
        let call = || way.call_and_wait(command, touch, self.replicas, self.wait_ms);
        let answer = match call().await {
            Err(Fault::NoLibrary) => {
                library::load(way).await?;
                call().await
            }
            answer => answer,
        };
        let (answer, replicas) = answer?;
        if replicas < u64::from(self.replicas) {
            return Err(Fault::Uncopied);
        }
        Ok(answer)
    }
}
