//! Key sets of tokens (JWKS, RFC 7517): fetched at the start, from time to time, and when a token names a key
//! that nobody knows.
//!
//! Owns what tokens are checked with: each new set and each new configuration makes a new [`Verifier`] for every
//! shard. A fetch that fails changes nothing; who waited for it is told.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};

use super::state::ControlState;
use crate::auth::Verifier;
use crate::broker::order::Order;
use crate::limits::{
    KEY_FETCH_INTERVAL_MS, KEY_FETCH_TIMEOUT_MS, KEY_REFRESH_MS, KEY_RETRY_MS_MAX, KEY_SET_BYTES_MAX, KEY_WAITERS_MAX,
};

/// Asks for fresh keys.
#[derive(Clone, Debug)]
pub(super) struct KeyRequests(mpsc::Sender<KeyRequest>);

#[derive(Debug)]
enum KeyRequest {
    /// A shard has a token whose key it does not know.
    Fetch(Waiter),
    /// The configuration was read again.
    Changed,
}

/// Whom to tell of the next fetch.
#[derive(Debug)]
struct Waiter {
    shard: u16,
    ticket: u64,
}

impl KeyRequests {
    /// Takes up an [`Errand::FetchKeys`](crate::broker::order::Errand::FetchKeys). False when too many wait already.
    pub(super) fn fetch(&self, shard: u16, ticket: u64) -> bool {
        self.0.try_send(KeyRequest::Fetch(Waiter { shard, ticket })).is_ok()
    }

    /// The configuration is another.
    pub(super) async fn changed(&self) {
        // Without a keeper the node is ending.
        let _ = self.0.send(KeyRequest::Changed).await;
    }
}

/// Keeps the key set.
#[derive(Debug)]
pub(super) struct KeyKeeper {
    state: Arc<ControlState>,
    requests: mpsc::Receiver<KeyRequest>,
    /// What the endpoint said last, and which endpoint.
    set: Option<(String, String)>,
    waiting: Vec<Waiter>,
    /// When to fetch next; `None` without an endpoint.
    due: Option<Instant>,
    last: Option<Instant>,
    retry_ms: u64,
}

impl KeyKeeper {
    /// A keeper without keys, and how to ask it.
    pub(super) fn new(state: Arc<ControlState>) -> (Self, KeyRequests) {
        let (sender, requests) = mpsc::channel(KEY_WAITERS_MAX);
        let due = (!endpoint(&state).is_empty()).then(Instant::now);
        let waiting = Vec::new();
        let keeper = Self { state, requests, set: None, waiting, due, last: None, retry_ms: 0 };
        (keeper, KeyRequests(sender))
    }

    /// Keeps the keys until nobody can ask any more.
    pub(super) async fn run(mut self) {
        loop {
            let due = self.due;
            let time = async {
                match due {
                    Some(due) => sleep_until(due).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                request = self.requests.recv() => match request {
                    Some(KeyRequest::Fetch(waiter)) => self.wanted(waiter).await,
                    Some(KeyRequest::Changed) => self.changed().await,
                    None => return,
                },
                () = time => self.renew().await,
            }
        }
    }

    /// Somebody waits for the next fetch: bring it forward.
    async fn wanted(&mut self, waiter: Waiter) {
        let Some(due) = self.due else {
            self.tell(waiter, true).await;
            return;
        };
        if self.waiting.len() >= KEY_WAITERS_MAX {
            self.tell(waiter, false).await;
            return;
        }
        let earliest = self.last.map_or_else(Instant::now, |last| last + Duration::from_millis(KEY_FETCH_INTERVAL_MS));
        self.due = Some(due.min(earliest));
        self.waiting.push(waiter);
    }

    /// Other keys are configured, perhaps another endpoint.
    async fn changed(&mut self) {
        let endpoint = endpoint(&self.state);
        if self.set.as_ref().is_some_and(|(from, _)| *from != endpoint) {
            self.set = None;
        }
        self.due = (!endpoint.is_empty()).then(Instant::now);
        match self.verifier() {
            Ok(verifier) => self.hand_out(verifier).await,
            Err(error) => tracing::error!("tokens are checked as before: {error:#}"),
        }
        if self.due.is_none() {
            self.tell_all(true).await;
        }
    }

    /// Fetches, and tells who waits.
    async fn renew(&mut self) {
        let endpoint = endpoint(&self.state);
        let before = self.set.take();
        let fetched = fetch(&endpoint).await;
        self.last = Some(Instant::now());
        let verifier = fetched.and_then(|set| {
            self.set = Some((endpoint.clone(), set));
            self.verifier()
        });
        let good = verifier.is_ok();
        match verifier {
            Ok(verifier) => {
                if self.set != before {
                    tracing::info!(endpoint, "a new key set is in force");
                    self.hand_out(verifier).await;
                }
                self.retry_ms = 0;
                self.due = Some(Instant::now() + Duration::from_millis(KEY_REFRESH_MS));
            }
            Err(error) => {
                self.set = before;
                self.retry_ms = (self.retry_ms * 2).clamp(KEY_FETCH_INTERVAL_MS, KEY_RETRY_MS_MAX);
                tracing::warn!(endpoint, retry_ms = self.retry_ms, "no new key set: {error:#}");
                self.due = Some(Instant::now() + Duration::from_millis(self.retry_ms));
            }
        }
        self.tell_all(good).await;
    }

    fn verifier(&self) -> anyhow::Result<Arc<Verifier>> {
        let set = self.set.as_ref().map(|(_, set)| set.as_str());
        Ok(Arc::new(Verifier::new(&self.state.config().client.tokens(), set)?))
    }

    async fn hand_out(&self, verifier: Arc<Verifier>) {
        self.state.shards.tell_all(|| Order::Verifier(verifier.clone())).await;
    }

    async fn tell_all(&mut self, fetched: bool) {
        for waiter in std::mem::take(&mut self.waiting) {
            self.tell(waiter, fetched).await;
        }
    }

    async fn tell(&self, Waiter { shard, ticket }: Waiter, fetched: bool) {
        self.state.shards.tell(shard, Order::KeysFetched { ticket, fetched }).await;
    }
}

fn endpoint(state: &ControlState) -> String {
    state.config().client.token.jwks_public_endpoint.clone()
}

/// Fetches a key set, as text. Each time with a new client: a node that fetches none needs no root certificates,
/// and one that does sees those that the host has by then.
async fn fetch(endpoint: &str) -> anyhow::Result<String> {
    let client = reqwest::Client::builder()
        .timeout(Duration::from_millis(KEY_FETCH_TIMEOUT_MS))
        .user_agent(concat!("ringpost/", env!("CARGO_PKG_VERSION")))
        .build()
        .context("the client that fetches key sets cannot be built")?;
    let mut response = client.get(endpoint).send().await?.error_for_status()?;
    let mut set = Vec::new();
    while let Some(chunk) = response.chunk().await? {
        ensure!(set.len() + chunk.len() <= KEY_SET_BYTES_MAX, "the key set is longer than {KEY_SET_BYTES_MAX} bytes");
        set.extend_from_slice(&chunk);
    }
    match String::from_utf8(set) {
        Ok(set) => Ok(set),
        Err(_) => bail!("the key set is no text"),
    }
}
