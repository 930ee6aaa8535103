//! Tries what must be done until it is done: Redis and Kafka are waited for, however long, unless the role ends.

use std::fmt::Display;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::sleep;

use crate::cluster::seldom::Seldom;
use crate::roles::pulse::Pulse;

/// Between two attempts, at first and at the most.
const PAUSE: Duration = Duration::from_millis(100);
const PAUSE_MAX: Duration = Duration::from_secs(5);

/// See the module.
#[derive(Clone, Debug)]
pub(super) struct Patience {
    ending: watch::Receiver<bool>,
    pulse: Arc<Pulse>,
    said: Arc<Seldom>,
}

impl Patience {
    /// Of a role with this pulse, which ends when it is told to.
    pub(super) fn new(ending: watch::Receiver<bool>, pulse: Arc<Pulse>) -> Self {
        Self { ending, pulse, said: Arc::default() }
    }

    /// Tries until it is done; `None` where the role ended before. `what` is waited for.
    pub(super) async fn insist<T, E: Display, F: Future<Output = Result<T, E>>>(
        &mut self,
        what: &'static str,
        mut attempt: impl FnMut() -> F,
    ) -> Option<T> {
        let mut pause = PAUSE;
        loop {
            match attempt().await {
                Ok(done) => {
                    self.pulse.failing(false);
                    return Some(done);
                }
                Err(error) => {
                    self.pulse.failing(true);
                    if let Some(untold) = self.said.is_due(what) {
                        tracing::warn!(untold, "the role notify waits for {what}: {error}");
                    }
                }
            }
            self.pause(pause).await?;
            pause = (2 * pause).min(PAUSE_MAX);
        }
    }

    /// What was tried and not done yet is another process' to do: it is no failure of this one.
    pub(super) fn give_up(&self) {
        self.pulse.failing(false);
    }

    /// Waits so long; `None` where the role ends before.
    pub(super) async fn pause(&mut self, pause: Duration) -> Option<()> {
        tokio::select! {
            _ = self.ending.wait_for(|is_ending| *is_ending) => None,
            () = sleep(pause) => Some(()),
        }
    }

    /// Says in the log that something of this kind has failed, now and then.
    pub(super) fn say(&self, kind: &'static str, why: &str) {
        if let Some(untold) = self.said.is_due(kind) {
            tracing::warn!(untold, "{kind}: {why}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_fails_is_tried_until_it_is_done_or_the_role_ends() {
        let (end, ending) = watch::channel(false);
        let mut patience = Patience::new(ending, Arc::default());
        let mut attempts = 0;
        let done = patience.insist("a test", || {
            attempts += 1;
            let outcome = if attempts < 3 { Err("not yet") } else { Ok(attempts) };
            async move { outcome }
        });
        assert_eq!(done.await, Some(3));
        end.send_replace(true);
        assert_eq!(patience.insist("a test", || async { Err::<(), _>("never") }).await, None);
        assert_eq!(patience.pause(Duration::MAX).await, None);
    }
}
