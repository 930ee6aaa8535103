//! What the control plane is told of users by other nodes.
//!
//! It waits in a bounded queue. What finds no room is dropped and counted, and its bucket is one of which something was missed:
//! what was called back, who lost a place and who is online are looked up again; a question or an answer is nobody's any more.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;

use crate::auth::Revocation;
use crate::limits::{TOLD_BYTES_MAX, TOLD_MAX};
use crate::model::ClientId;
use crate::model::refusal::Disconnect;

/// See the module.
#[derive(Debug)]
pub enum Told {
    /// A session here has no place any more among those of its user.
    Dismissed {
        /// Whose it is.
        user: Arc<str>,
        /// Which.
        client: ClientId,
        /// What it is told.
        why: Disconnect,
    },
    /// Tokens were called back.
    Revoked(Revocation),
    /// A node asks, in this bucket.
    Asked(u16, Bytes),
    /// A node has answered.
    Answered(Bytes),
    /// A user who is followed here has sessions that were put or removed.
    Changed(Arc<str>),
}

impl Told {
    /// What it takes while it waits, about, bytes.
    fn bytes(&self) -> usize {
        let body = match self {
            Self::Asked(_, body) | Self::Answered(body) => body.len(),
            Self::Dismissed { .. } | Self::Revoked(_) | Self::Changed(_) => 0,
        };
        size_of::<Self>() + body
    }
}

/// Where it is told.
#[derive(Clone, Debug)]
pub(super) struct Teller {
    queue: flume::Sender<Told>,
    bytes: Arc<AtomicUsize>,
}

/// Where it is heard.
#[derive(Clone, Debug)]
pub struct Hearer {
    queue: flume::Receiver<Told>,
    bytes: Arc<AtomicUsize>,
}

/// The queue between them.
pub(super) fn queue() -> (Teller, Hearer) {
    let ((sender, receiver), bytes) = (flume::bounded(TOLD_MAX), Arc::<AtomicUsize>::default());
    (Teller { queue: sender, bytes: bytes.clone() }, Hearer { queue: receiver, bytes })
}

impl Teller {
    /// Tells it.
    ///
    /// # Errors
    /// Gives it back where there is no room. Nobody hears it once the control plane has ended, which ends with the node.
    pub(super) fn tell(&self, told: Told) -> Result<(), Told> {
        let bytes = told.bytes();
        if self.bytes.load(Ordering::Relaxed) + bytes > TOLD_BYTES_MAX {
            return Err(told);
        }
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
        match self.queue.try_send(told) {
            Ok(()) | Err(flume::TrySendError::Disconnected(_)) => Ok(()),
            Err(flume::TrySendError::Full(told)) => {
                self.bytes.fetch_sub(bytes, Ordering::Relaxed);
                Err(told)
            }
        }
    }
}

impl Hearer {
    /// One to which nothing is told.
    #[cfg(test)]
    pub(crate) fn of_nobody() -> Self {
        queue().1
    }

    /// What is told next; nothing once the bridge has ended.
    pub async fn next(&self) -> Option<Told> {
        let told = self.queue.recv_async().await.ok()?;
        self.bytes.fetch_sub(told.bytes(), Ordering::Relaxed);
        Some(told)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_finds_no_room_in_number_or_bytes_is_given_back_until_something_was_heard() {
        let (teller, hearer) = queue();
        let changed = || Told::Changed("ann".into());
        (0..TOLD_MAX).for_each(|_| teller.tell(changed()).unwrap());
        assert!(matches!(teller.tell(changed()), Err(Told::Changed(_))));
        hearer.next().await.unwrap();
        teller.tell(changed()).unwrap();
        for _ in 0..TOLD_MAX {
            hearer.next().await.unwrap();
        }
        let half = || Told::Answered(vec![0; TOLD_BYTES_MAX / 2 - size_of::<Told>()].into());
        (0..2).for_each(|_| teller.tell(half()).unwrap());
        assert!(teller.tell(changed()).is_err());
        hearer.next().await.unwrap();
        teller.tell(changed()).unwrap();
    }
}
