//! A thread beside the control plane, for what may have to wait for somebody else.

use std::time::Duration;

use anyhow::Context as _;
use tokio::sync::watch;
use tokio::time::timeout;

use crate::vital;

/// A thread with a runtime of its own, which ends when it is asked to.
#[derive(Debug)]
pub(super) struct Aside {
    ending: watch::Sender<bool>,
    /// Closed when the thread has ended, whatever has ended it.
    runs: watch::Receiver<()>,
}

impl Aside {
    /// Starts it. What it begins with is made within its runtime, and waited for.
    ///
    /// # Errors
    /// What the host does not give, or why it cannot begin.
    pub(super) fn start<T>(
        name: &str,
        begin: impl FnOnce() -> anyhow::Result<T> + Send + 'static,
        run: impl AsyncFnOnce(T, watch::Receiver<bool>) + Send + 'static,
    ) -> anyhow::Result<Self> {
        let (ending, is_ending) = watch::channel(false);
        let (running, runs) = watch::channel(());
        let (ready, is_ready) = flume::bounded(1);
        let work = move || {
            // Dropped with the thread.
            let _running = running;
            let runtime = vital::runtime(1).build();
            let begun = runtime.context("a runtime cannot be built").and_then(|runtime| {
                runtime.block_on(vital::start_pool())?;
                let inside = runtime.enter();
                let begun = begin();
                drop(inside);
                Ok((begun?, runtime))
            });
            match begun {
                Ok((begun, runtime)) => {
                    drop(ready.send(Ok(())));
                    runtime.block_on(run(begun, is_ending));
                    // A name that is still being looked up must not hold the node.
                    runtime.shutdown_background();
                }
                Err(error) => drop(ready.send(Err(error))),
            }
        };
        vital::spawn(name, work).with_context(|| format!("no thread for {name}"))?;
        is_ready.recv().with_context(|| format!("the thread of {name} has failed"))??;
        Ok(Self { ending, runs })
    }

    /// Asks it to end.
    pub(super) fn end(&self) {
        self.ending.send_replace(true);
    }

    /// Waits until it has ended; for ever, where there is none.
    pub(super) async fn ended(this: &mut Option<Self>) {
        match this {
            Some(aside) => while aside.runs.changed().await.is_ok() {},
            None => std::future::pending().await,
        }
    }

    /// Waits until it has ended, so long at the most. Returns whether it has.
    pub(super) async fn leave(this: &mut Option<Self>, patience: Duration) -> bool {
        this.is_none() || timeout(patience, Self::ended(this)).await.is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn wait_for_the_end(_: (), mut ending: watch::Receiver<bool>) {
        drop(ending.wait_for(|is_ending| *is_ending).await);
    }

    #[tokio::test]
    async fn it_ends_when_it_is_asked_to_and_not_before() {
        let mut aside = Some(Aside::start("aside", || Ok(()), wait_for_the_end).unwrap());
        assert!(!Aside::leave(&mut aside, Duration::from_millis(50)).await);
        aside.as_ref().unwrap().end();
        assert!(Aside::leave(&mut aside, Duration::from_secs(30)).await);
        assert!(Aside::leave(&mut aside, Duration::ZERO).await, "asked again it says so again");
        assert!(Aside::leave(&mut None, Duration::ZERO).await);
    }

    #[tokio::test]
    async fn why_it_cannot_begin_is_told_and_a_panic_is_its_end() {
        let refused = Aside::start::<()>("aside", || anyhow::bail!("no"), wait_for_the_end).unwrap_err();
        assert_eq!(refused.to_string(), "no");
        let run = async |(), _: watch::Receiver<bool>| {
            panic!("as a broken invariant does");
        };
        let mut aside = Some(Aside::start("aside", || Ok(()), run).unwrap());
        assert!(Aside::leave(&mut aside, Duration::from_secs(30)).await);
    }
}
