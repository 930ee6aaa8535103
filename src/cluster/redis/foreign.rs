//! What lies in Redis under a key of Ringpost's and is not Ringpost's: a stranger has put it there, who has another program's settings, or
//! a shell. Nothing is written over it, and it harms what the key belongs to only.

use super::fault::Fault;
use super::keys::Keys;

/// Where something foreign lies by which one publication of a call is refused, and the others are not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Foreign {
    /// In place of where the channel's stream stands.
    Meta,
    /// In place of what the stream keeps.
    List,
    /// In place of the results of idempotency keys.
    Results,
    /// In place of how many ids senders have remembered.
    Senders,
}

impl Foreign {
    /// As the Functions number it.
    pub(super) fn read(number: u64) -> Result<Self, Fault> {
        Ok(match number {
            1 => Self::Meta,
            2 => Self::List,
            3 => Self::Results,
            4 => Self::Senders,
            _ => return Err(Fault::Garbled),
        })
    }

    /// The fault that it is of a publication in this channel, with the key; of those that are kept for a while, what theirs begin with.
    pub fn fault(self, keys: &Keys, channel: &str) -> Fault {
        let head = keys.head(keys.bucket_of(channel));
        Fault::Foreign(match self {
            Self::Meta => format!("{head}:m:{channel}"),
            Self::List => format!("{head}:h:{channel}"),
            Self::Results => format!("{head}:k…"),
            Self::Senders => format!("{head}:j…"),
        })
    }
}
