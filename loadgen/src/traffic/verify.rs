//! Checks that every subscriber hears every stream of its channels whole and in order.

use std::collections::BTreeMap;

use crate::fault::{Fault, Faults};
use crate::missing::Missing;
use crate::payload::Stamp;
use crate::plan::Plan;

/// What each subscriber must hear next.
///
/// A subscriber's places lie together, by its channels and within them by stream, so that a delivery touches one.
#[derive(Debug)]
pub(super) struct Verifier {
    /// By client: where its subscriptions begin. One more at the end.
    first_subscription: Vec<u32>,
    /// A channel, and where its streams' places begin.
    subscriptions: Vec<(u32, u32)>,
    /// By stream: its channel, and which one of the channel's streams it is.
    streams: Vec<(u32, u32)>,
    /// By place: the sequence that must come next.
    expected: Vec<u32>,
    /// Place and sequence of what was overtaken.
    missing: Missing<(u32, u32)>,
}

impl Verifier {
    /// Of a run in which nothing was sent yet.
    pub(super) fn new(plan: &Plan) -> Self {
        let mut streams_of_channel = vec![0; plan.channels as usize];
        let streams = plan.streams.iter().map(|stream| {
            let count: &mut u32 = &mut streams_of_channel[stream.channel as usize];
            *count += 1;
            (stream.channel, *count - 1)
        });
        let streams = streams.collect();
        let (mut first_subscription, mut subscriptions, mut places) = (vec![0], Vec::new(), 0);
        for channels in &plan.clients {
            for channel in channels {
                subscriptions.push((*channel, places));
                places += streams_of_channel[*channel as usize];
            }
            first_subscription.push(subscriptions.len() as u32);
        }
        let expected = vec![0; places as usize];
        Self { first_subscription, subscriptions, streams, expected, missing: Missing::default() }
    }

    fn place(&self, client: u32, stream: u32) -> Option<usize> {
        let (channel, index) = *self.streams.get(stream as usize)?;
        let (_, first) = self.subscriptions_of(client).iter().find(|(subscribed, _)| *subscribed == channel)?;
        Some((first + index) as usize)
    }

    /// A client heard a message. Whether it was due to it and is new.
    #[inline]
    pub(super) fn hear(&mut self, client: u32, stamp: Stamp, faults: &mut Faults) -> bool {
        let Some(place) = self.place(client, stamp.stream) else {
            let stream = stamp.stream;
            faults.note(Fault::Misdelivered, || format!("client {client} heard stream {stream}, of another channel"));
            return false;
        };
        let expected = self.expected[place];
        if stamp.sequence == expected {
            self.expected[place] = expected.wrapping_add(1);
            return true;
        }
        self.hear_unexpected(client, place as u32, stamp, faults)
    }

    #[cold]
    fn hear_unexpected(&mut self, client: u32, place: u32, stamp: Stamp, faults: &mut Faults) -> bool {
        let Stamp { stream, sequence, .. } = stamp;
        let expected = &mut self.expected[place as usize];
        if sequence > *expected {
            let overtaken = *expected..sequence;
            self.missing.overtake(overtaken.len() as u64, overtaken.map(|sequence| (place, sequence)));
            *expected = sequence.wrapping_add(1);
            return true;
        }
        let was_missing = self.missing.came(&(place, sequence));
        if was_missing {
            faults.note(Fault::OutOfOrder, || {
                format!("client {client} heard message {sequence} of stream {stream} after a later one")
            });
        } else {
            faults.note(Fault::Duplicate, || {
                format!("client {client} heard message {sequence} of stream {stream} again")
            });
        }
        was_missing
    }

    /// The channels that a client hears.
    pub(super) fn channels(&self, client: u32) -> impl Iterator<Item = u32> {
        self.subscriptions_of(client).iter().map(|(channel, _)| *channel)
    }

    fn subscriptions_of(&self, client: u32) -> &[(u32, u32)] {
        let [from, to] = [client, client + 1].map(|client| self.first_subscription[client as usize] as usize);
        &self.subscriptions[from..to]
    }

    /// Expects nothing more for a client: how far it had come in each stream of its channels.
    pub(super) fn excuse(&mut self, client: u32) -> Vec<(u32, u32)> {
        let places = (0..self.streams.len() as u32).filter_map(|stream| Some((stream, self.place(client, stream)?)));
        let places: Vec<_> = places.collect();
        // No stream is longer than that.
        let heard = |(stream, place)| (stream, std::mem::replace(&mut self.expected[place], u32::MAX));
        places.into_iter().map(heard).collect()
    }

    /// At the end, when each stream has sent so many: what never came is lost, but for so many deliveries that the
    /// server had refused to make.
    pub(super) fn finish(&self, sent: impl Fn(u32) -> u32, mut refused: u64, faults: &mut Faults) {
        let mut lose = |count: u64, describe: &dyn Fn() -> String| {
            let excused = count.min(refused);
            refused -= excused;
            if count > excused {
                faults.note_many(Fault::Lost, count - excused, describe);
            }
        };
        let missing = self.missing.count();
        lose(missing, &|| format!("{missing} messages never came, though later ones of their streams did"));
        let mut streams_of_channel = BTreeMap::<u32, Vec<u32>>::new();
        for (stream, (channel, _)) in self.streams.iter().enumerate() {
            streams_of_channel.entry(*channel).or_default().push(stream as u32);
        }
        for (client, range) in self.first_subscription.windows(2).enumerate() {
            for (channel, first) in &self.subscriptions[range[0] as usize..range[1] as usize] {
                for (index, stream) in streams_of_channel.get(channel).into_iter().flatten().enumerate() {
                    let (heard, sent) = (self.expected[*first as usize + index], sent(*stream));
                    lose(u64::from(sent.saturating_sub(heard)), &|| {
                        format!("client {client} heard nothing of stream {stream} after {heard} of its {sent} messages")
                    });
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::MISSING_REMEMBERED_MAX;
    use crate::plan::{Load, Stream};

    /// Clients 0 and 1 hear channel 0, client 1 hears channel 1 too; two streams into channel 0, one into 1.
    fn verifier() -> Verifier {
        let stream = |publisher, channel| Stream { publisher, channel };
        let streams = vec![stream(2, 0), stream(2, 1), stream(3, 0)];
        Verifier::new(&Plan {
            clients: vec![vec![0], vec![0, 1], vec![], vec![]],
            channels: 2,
            streams,
            load: Load::Idle,
        })
    }

    fn hear(verifier: &mut Verifier, faults: &mut Faults, client: u32, stream: u32, sequence: u32) -> bool {
        verifier.hear(client, Stamp { stream, sequence, due_ns: 0 }, faults)
    }

    fn counts(faults: &Faults) -> Vec<(Fault, u64)> {
        faults.counts().collect()
    }

    #[test]
    fn streams_that_come_whole_and_in_order_have_no_fault() {
        let (mut verifier, mut faults) = (verifier(), Faults::default());
        for sequence in 0..5 {
            for (client, stream) in [(0, 0), (1, 0), (1, 1), (0, 2), (1, 2)] {
                assert!(hear(&mut verifier, &mut faults, client, stream, sequence));
            }
        }
        verifier.finish(|_| 5, 0, &mut faults);
        assert!(faults.is_empty(), "{faults:?}");
    }

    #[test]
    fn a_gap_is_a_loss_of_the_subscriber_that_has_it() {
        let (mut verifier, mut faults) = (verifier(), Faults::default());
        for sequence in [0, 1, 4] {
            hear(&mut verifier, &mut faults, 0, 0, sequence);
        }
        for sequence in 0..5 {
            hear(&mut verifier, &mut faults, 1, 0, sequence);
        }
        verifier.finish(|stream| if stream == 0 { 5 } else { 0 }, 0, &mut faults);
        assert_eq!(counts(&faults), [(Fault::Lost, 2)]);
    }

    #[test]
    fn a_stream_that_ends_early_is_a_loss() {
        let (mut verifier, mut faults) = (verifier(), Faults::default());
        hear(&mut verifier, &mut faults, 1, 1, 0);
        verifier.finish(|stream| if stream == 1 { 3 } else { 0 }, 0, &mut faults);
        assert_eq!(counts(&faults), [(Fault::Lost, 2)]);
    }

    #[test]
    fn nothing_more_is_expected_for_a_client_that_is_excused() {
        let (mut verifier, mut faults) = (verifier(), Faults::default());
        hear(&mut verifier, &mut faults, 1, 2, 0);
        assert_eq!(verifier.excuse(1), [(0, 0), (1, 0), (2, 1)]);
        assert_eq!(verifier.channels(1).collect::<Vec<_>>(), [0, 1]);
        verifier.finish(|_| 7, 0, &mut faults);
        assert_eq!(counts(&faults), [(Fault::Lost, 14)], "client 0 still misses two streams");
    }

    #[test]
    fn a_late_message_is_out_of_order_and_not_lost() {
        let (mut verifier, mut faults) = (verifier(), Faults::default());
        for sequence in [0, 2, 1] {
            assert!(hear(&mut verifier, &mut faults, 0, 2, sequence), "all are new");
        }
        verifier.finish(|_| 0, 0, &mut faults);
        assert_eq!(counts(&faults), [(Fault::OutOfOrder, 1)]);
    }

    #[test]
    fn a_message_that_comes_twice_is_a_duplicate() {
        let (mut verifier, mut faults) = (verifier(), Faults::default());
        assert!(hear(&mut verifier, &mut faults, 0, 0, 0));
        assert!(!hear(&mut verifier, &mut faults, 0, 0, 0));
        // Late, and then again.
        hear(&mut verifier, &mut faults, 0, 0, 2);
        assert!(hear(&mut verifier, &mut faults, 0, 0, 1));
        assert!(!hear(&mut verifier, &mut faults, 0, 0, 1));
        assert_eq!(counts(&faults), [(Fault::OutOfOrder, 1), (Fault::Duplicate, 2)]);
    }

    #[test]
    fn a_message_of_a_foreign_channel_or_of_no_stream_is_misdelivered() {
        let (mut verifier, mut faults) = (verifier(), Faults::default());
        assert!(!hear(&mut verifier, &mut faults, 0, 1, 0));
        assert!(!hear(&mut verifier, &mut faults, 2, 0, 0));
        assert!(!hear(&mut verifier, &mut faults, 0, 99, 0));
        assert_eq!(counts(&faults), [(Fault::Misdelivered, 3)]);
    }

    #[test]
    fn the_number_of_lost_messages_is_exact_beyond_what_is_remembered() {
        let (mut verifier, mut faults) = (verifier(), Faults::default());
        let far = MISSING_REMEMBERED_MAX as u32 * 3;
        hear(&mut verifier, &mut faults, 0, 0, far);
        verifier.finish(|_| 0, 0, &mut faults);
        assert_eq!(counts(&faults), [(Fault::Lost, u64::from(far))]);
    }
}
