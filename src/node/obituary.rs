//! The last word of a thread.

use crate::broker::order::Errand;

/// Tells the control plane that a thread has ended, also when it did by an error or a panic. A shard's: the channels at home
/// there have gone, and the other shards would wait for it for ever. The bridge's: nobody would be answered.
pub(super) struct Obituary {
    pub(super) last: Option<Errand>,
    pub(super) errands: flume::Sender<Errand>,
}

impl Drop for Obituary {
    fn drop(&mut self) {
        if let Some(errand) = self.last.take() {
            // After a drain nobody asks any more.
            let _ = self.errands.send(errand);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    #[test]
    fn a_shard_that_panics_does_not_end_unheard() {
        let (errands, taken) = flume::unbounded();
        let shard = thread::spawn(move || {
            let _obituary = Obituary { last: Some(Errand::Ended { shard: 3 }), errands };
            panic!("as a broken invariant does");
        });
        assert!(shard.join().is_err());
        assert!(matches!(taken.recv(), Ok(Errand::Ended { shard: 3 })));
    }
}
