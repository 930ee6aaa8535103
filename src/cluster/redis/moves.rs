//! Records of a topic of Kafka that are moved into the streams of their channels, each once whoever moves it.
//!
//! A bucket keeps up to where it has what each partition holds for it, in the same step as the publications. Who listens is not told
//! by Redis: the answer has what every node is to be told by Kafka.

use std::collections::BTreeMap;

use bytes::Bytes;
use redis::Value;

use super::bucket::{Generation, Stand, publication};
use super::fault::Fault;
use super::functions::Functions;
use super::pack::{Packed, Unpack, clip};
use super::streams::{Publish, Receipt, receipt};

/// The place of a record in its topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moved {
    /// Its partition.
    pub partition: u32,
    /// Its offset there.
    pub offset: u64,
}

/// What became of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Came {
    /// [`Outcome::Moved`](super::streams::Outcome::Moved) where it was moved before; its place is known then as long as the bucket
    /// was asked for nothing that lies behind it in its partition, else its offset is 0.
    pub receipt: Receipt,
    /// When Redis took it, Unix milliseconds; 0 where that is not known.
    pub time_ms: u64,
}

/// What a node is told of a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// The node's slot.
    pub slot: u8,
    /// A message, as its listener takes it.
    pub message: Bytes,
}

/// What became of a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MovedUp {
    /// The bucket has it.
    Done {
        /// What became of each record, in order.
        came: Vec<Came>,
        /// What each node that listens is to be told.
        told: Vec<Told>,
    },
    /// The bucket is in another generation, and nothing was changed: what lies before these records has to come there first.
    Another,
}

impl Functions {
    /// Moves records of a topic to channels of one bucket, in order, all or nothing. Those of one partition ascend. What the bucket
    /// has of the topic is what was moved in this generation.
    ///
    /// # Errors
    /// What went wrong; after [`Fault::is_open`] they may have been moved.
    pub async fn move_up(
        &self,
        bucket: u16,
        topic: &str,
        generation: Generation,
        batch: &[(Moved, Publish<'_>)],
    ) -> Result<MovedUp, Fault> {
        let answer = self.numbered("move_up", bucket, |command| {
            command.arg(Packed::default().bytes(&generation.0).bytes(topic.as_bytes()).end());
            for (from, publish) in batch {
                let from = Packed::default().four(from.partition).six(clip(from.offset)).end();
                command.arg(from).arg(publish.options()).arg(publish.body);
            }
        });
        moved_up(answer.await?, batch)
    }

    /// In which generation a bucket is, and which is the last record of each partition of the topic that was moved there.
    ///
    /// # Errors
    /// What went wrong.
    pub async fn moved(&self, bucket: u16, topic: &str) -> Result<(Generation, Vec<Moved>), Fault> {
        let answer = self.asked("moved", bucket, |command| {
            command.arg(topic);
        });
        let mut from = Unpack::of(answer.await?)?;
        let stand = Stand::unpack(&mut from)?;
        let mut all = Vec::new();
        while !from.is_empty() {
            all.push(Moved { partition: from.four()?, offset: from.six()? });
        }
        self.learn(bucket, stand);
        Ok((stand.generation, all))
    }
}

fn moved_up(answer: Value, batch: &[(Moved, Publish<'_>)]) -> Result<MovedUp, Fault> {
    let mut from = Unpack::of(answer)?;
    Stand::unpack(&mut from)?;
    if from.is_empty() {
        return Ok(MovedUp::Another);
    }
    let stand = Stand::unpack(&mut from)?;
    let (mut came, mut items) = (Vec::with_capacity(batch.len()), BTreeMap::<u8, Vec<u8>>::new());
    for (_, publish) in batch {
        let (receipt, time_ms) = (receipt(&mut from)?, from.six()?);
        came.push(Came { receipt, time_ms });
        let listeners = from.short()?;
        if !listeners.is_empty() {
            let place = (receipt.created, receipt.offset, time_ms);
            let item = publication(publish.channel, place, publish.body);
            listeners.iter().for_each(|slot| items.entry(*slot).or_default().extend(&item));
        }
    }
    let told = (0..from.byte()?).map(|_| {
        let (slot, before) = (from.byte()?, from.six()?);
        let items = items.remove(&slot).ok_or(Fault::Garbled)?;
        let message = Packed::default().byte(1).bytes(&stand.generation.0).six(stand.count).six(before);
        Ok(Told { slot, message: message.bytes(&items).end().into() })
    });
    Ok(MovedUp::Done { told: told.collect::<Result<_, Fault>>()?, came })
}

#[cfg(test)]
mod tests {
    use tokio::time::Instant;

    use super::super::relayed::{Heard, RelayedEar};
    use super::super::streams::Outcome;
    use super::*;
    use crate::model::Keep;

    const FIRST: Generation = Generation([1; 8]);

    fn publish<'a>(channel: &'a str, body: &'a [u8]) -> Publish<'a> {
        Publish { channel, body, keep: Keep::default(), key: None, sender: None, version: None }
    }

    /// What the Function says of two records: nodes 1 and 7 listen to the first of them, 7 to the second.
    fn answer() -> Vec<u8> {
        let answer = Packed::default().bytes(&FIRST.0).six(20).bytes(&FIRST.0).six(9);
        let answer = answer.byte(0).bytes(&FIRST.0).six(3).six(4).six(50).short(&[1, 7]);
        let answer = answer.byte(0).bytes(&FIRST.0).six(5).six(6).six(50).short(&[7]);
        answer.byte(2).byte(1).six(8).byte(7).six(2).end()
    }

    #[test]
    fn each_node_is_told_what_it_listens_to_in_one_message() {
        let batch = [(1, "a"), (2, "b")].map(|(offset, name)| (Moved { partition: 0, offset }, publish(name, b"x")));
        let MovedUp::Done { came, told } = moved_up(Value::BulkString(answer()), &batch).unwrap() else { panic!() };
        let receipt = Receipt { outcome: Outcome::Published, generation: FIRST, created: 5, offset: 6 };
        assert_eq!(came[1], Came { receipt, time_ms: 50 });
        let heard = told.into_iter().map(|Told { slot, message }| {
            let mut ear = RelayedEar::default();
            ear.compare(FIRST, if slot == 1 { 8 } else { 0 }, Instant::now());
            let (heard, items) = ear.hear(message, Instant::now()).unwrap();
            assert_eq!(heard, Heard::Whole);
            let items = items.into_iter().map(|item| (item.channel, item.created, item.offset, item.time_ms));
            (slot, ear.has_gaps(), items.collect::<Vec<_>>())
        });
        let (a, b) = (("a".to_owned(), 3, 4, 50), ("b".to_owned(), 5, 6, 50));
        let expected = [(1, false, vec![a.clone()]), (7, true, vec![a, b])];
        assert!(heard.eq(expected));
    }

    #[test]
    fn what_is_cut_off_is_garbled() {
        let batch = [(1, "a"), (2, "b")].map(|(offset, name)| (Moved { partition: 0, offset }, publish(name, b"x")));
        let whole = answer();
        for length in 0..whole.len() {
            let cut = moved_up(Value::BulkString(whole[..length].to_vec()), &batch);
            assert_eq!(cut, if length == 14 { Ok(MovedUp::Another) } else { Err(Fault::Garbled) }, "{length}");
        }
    }
}
