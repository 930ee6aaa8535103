//! What is told and not kept.
//!
//! A call is one message, put together here: Redis hands it on as it came. Who listens is looked up by a Function there. Where that
//! says that all nodes were told, the next messages to these channels go to all at once, for [a while](super::crowded): nobody
//! misses anything by it, and a node that has stopped to listen hears some for nothing.

use std::sync::{MutexGuard, PoisonError};

use tokio::time::Instant;

use super::bucket::publication;
use super::crowded::Crowded;
use super::fault::Fault;
use super::functions::Functions;
use super::pack::number;

/// What the Function answers where one message to all nodes has reached who listens.
const TOLD_ALL: u64 = 1;

/// A call, as it is sent.
struct Message<'a> {
    /// The channels, each with how many bytes its items take.
    channels: Vec<(&'a str, usize)>,
    /// The items, in the order of the channels, behind the byte that says that they are not counted.
    bytes: Vec<u8>,
}

impl<'a> Message<'a> {
    fn of(batch: &[(&'a str, &[u8])]) -> Self {
        let mut channels = Vec::<(&str, Vec<u8>)>::new();
        for (channel, body) in batch {
            let item = publication(channel, (0, 0, 0), body);
            match channels.iter_mut().find(|(other, _)| other == channel) {
                Some((_, items)) => items.extend(item),
                None => channels.push((channel, item)),
            }
        }
        let mut bytes = vec![0];
        channels.iter().for_each(|(_, items)| bytes.extend(items));
        Self { channels: channels.into_iter().map(|(channel, items)| (channel, items.len())).collect(), bytes }
    }
}

impl Functions {
    /// Tells those who listen to channels of one bucket; nothing is kept or counted, and a loss is silent. A call that was not
    /// answered is not repeated.
    ///
    /// # Errors
    /// What went wrong; after [`Fault::is_open`] they may have been told.
    pub async fn fleeting(&self, bucket: u16, batch: &[(&str, &[u8])]) -> Result<(), Fault> {
        let (message, now) = (Message::of(batch), Instant::now());
        let is_crowded = {
            let crowded = self.crowded();
            message.channels.iter().all(|(channel, _)| crowded.has(channel, now))
        };
        if is_crowded {
            let mut command = redis::cmd("SPUBLISH");
            command.arg(self.keys().to_all(bucket)).arg(message.bytes);
            return self.link().call(&command).await.map(drop);
        }
        let lengths: Vec<u8> = message.channels.iter().flat_map(|(_, length)| (*length as u32).to_be_bytes()).collect();
        let mut command = self.function("tell_listeners", bucket);
        command.arg(self.nodes()).arg(message.bytes).arg(lengths);
        for (channel, _) in &message.channels {
            command.arg(channel);
        }
        if number(&self.once(command).await?)? == TOLD_ALL {
            let mut crowded = self.crowded();
            message.channels.iter().for_each(|(channel, _)| crowded.put(channel, now));
        }
        Ok(())
    }

    fn crowded(&self) -> MutexGuard<'_, Crowded> {
        self.crowded.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_is_one_message_in_which_each_channel_has_its_items_together_and_in_order() {
        let message = Message::of(&[("a", b"1"), ("b", b"2"), ("a", b"3")]);
        let of = |channel, body| publication(channel, (0, 0, 0), body);
        let (first, second, third) = (of("a", b"1"), of("b", b"2"), of("a", b"3"));
        assert_eq!(message.channels, [("a", first.len() + third.len()), ("b", second.len())]);
        assert_eq!(message.bytes, [vec![0], first, third, second].concat());
    }
}
