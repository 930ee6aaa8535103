//! Records of a topic of Kafka that are moved into the streams of their channels, each once whoever moves it.
//!
//! A bucket keeps up to where it has what each partition holds for it, in the same step as the publications. Who listens is not told
//! by Redis: the answer has what every node is to be told by Kafka.

use std::collections::BTreeMap;

use bytes::Bytes;
use redis::Value;

use super::bucket::{Generation, Stand, packed_publication};
use super::fault::Fault;
use super::functions::Functions;
use super::pack::{Packed, Unpack, clip};
use super::streams::{Outcome, PUBLISHED, Publish, Receipt, result};
use crate::limits::REDIS_BATCH_MAX;

/// What becomes of a record that was moved before.
const MOVED: u8 = 4;

/// How many a verdict is answered in, with its offset.
const VERDICT_BYTES: usize = 7;

/// How many stand before what a node is told: the version, the bucket's generation and count, the count before.
const TOLD_HEAD_BYTES: usize = 21;

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
        let asked = Asked::of(batch);
        let answer = self.numbered("move", bucket, |command| {
            command.arg(Packed::default().bytes(&generation.0).bytes(topic.as_bytes()).end()).arg(asked.index);
            asked.plans.iter().for_each(|plan| _ = command.arg(plan));
            batch.iter().for_each(|(_, publish)| _ = command.arg(publish.body));
        });
        moved_up(answer.await?, batch, &asked.of)
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

/// How records are asked to be moved: publications of a channel mostly have all in common but their bodies.
struct Asked {
    /// What some have in common.
    plans: Vec<Vec<u8>>,
    /// By record: which of these.
    of: Vec<u8>,
    /// How many there are; of each record which is its own, counted from 1, where it lay, and its key.
    index: Vec<u8>,
}

impl Asked {
    fn of(batch: &[(Moved, Publish<'_>)]) -> Self {
        let (mut plans, mut of, mut index) =
            (Vec::<Vec<u8>>::new(), Vec::with_capacity(batch.len()), Packed::default());
        for (at, (from, publish)) in batch.iter().enumerate() {
            // Most are as the one before.
            let plan = match at.checked_sub(1).map(|before| (before, &batch[before].1)) {
                Some((before, last)) if publish.is_planned_as(last) => usize::from(of[before]),
                _ => {
                    let plan = publish.plan();
                    plans.iter().position(|known| *known == plan).unwrap_or_else(|| {
                        plans.push(plan);
                        plans.len() - 1
                    })
                }
            };
            of.push(u8::try_from(plan).expect("a batch has no more"));
            index = index.byte(of[at] + 1).four(from.partition).six(clip(from.offset)).short(&publish.told_key());
        }
        let number = u8::try_from(plans.len()).expect("a batch has no more");
        Self { plans, of, index: [&[number], &index.end()[..]].concat() }
    }
}

const _: () = assert!(REDIS_BATCH_MAX < u8::MAX as usize, "a byte says which plan of a batch");

/// What a plan has come to.
struct Planned {
    /// The creation of its stream.
    created: u64,
    /// Which nodes listen there.
    listeners: Bytes,
}

/// The answer to a batch; `plans` says of each record which plan is its own.
fn moved_up(answer: Value, batch: &[(Moved, Publish<'_>)], plans: &[u8]) -> Result<MovedUp, Fault> {
    let mut from = Unpack::of(answer)?;
    Stand::unpack(&mut from)?;
    if from.is_empty() {
        return Ok(MovedUp::Another);
    }
    let (stand, now_ms) = (Stand::unpack(&mut from)?, from.six()?);
    let number = plans.iter().max().map_or(0, |last| usize::from(*last) + 1);
    let planned = (0..number).map(|_| Ok(Planned { created: from.six()?, listeners: from.short()? }));
    let planned: Vec<_> = planned.collect::<Result<_, Fault>>()?;
    let mut verdicts = Unpack::new(from.take(VERDICT_BYTES * batch.len())?);
    let (mut came, mut items) = (Vec::with_capacity(batch.len()), BTreeMap::<u8, Packed>::new());
    for ((_, publish), plan) in batch.iter().zip(plans) {
        let (verdict, offset) = (verdicts.byte()?, verdicts.six()?);
        let (receipt, time_ms) = match verdict {
            PUBLISHED => {
                let Planned { created, listeners } = &planned[usize::from(*plan)];
                let created = if offset == 0 { 0 } else { *created };
                for slot in listeners {
                    let items = items.entry(*slot).or_default();
                    let place = (created, offset, now_ms);
                    *items = packed_publication(std::mem::take(items), publish.channel, place, publish.body);
                }
                let outcome = Outcome::Published;
                (Receipt { outcome, generation: stand.generation, created, offset }, now_ms)
            }
            MOVED => {
                let (created, time_ms, outcome) = (from.six()?, from.six()?, Outcome::Moved);
                (Receipt { outcome, generation: stand.generation, created, offset }, time_ms)
            }
            verdict => (result(verdict, &mut from)?, now_ms),
        };
        came.push(Came { receipt, time_ms });
    }
    let told = (0..from.byte()?).map(|_| {
        let (slot, before) = (from.byte()?, from.six()?);
        let items = items.remove(&slot).ok_or(Fault::Garbled)?.end();
        let message = Packed::with_room(TOLD_HEAD_BYTES + items.len()).byte(1).bytes(&stand.generation.0);
        let message = message.six(stand.count).six(before);
        Ok(Told { slot, message: message.bytes(&items).end().into() })
    });
    Ok(MovedUp::Done { told: told.collect::<Result<_, Fault>>()?, came })
}

#[cfg(test)]
mod tests {
    use tokio::time::Instant;

    use super::super::relayed::{Heard, RelayedEar};
    use super::*;
    use crate::model::Keep;

    const FIRST: Generation = Generation([1; 8]);

    fn publish<'a>(channel: &'a str, body: &'a [u8]) -> Publish<'a> {
        Publish { channel, body, keep: Keep::default(), key: None, sender: None, version: None }
    }

    /// What the Function says of two records: nodes 1 and 7 listen to the first of them, 7 to the second.
    fn answer() -> Vec<u8> {
        let answer = Packed::default().bytes(&FIRST.0).six(20).bytes(&FIRST.0).six(9).six(50);
        let answer = answer.six(3).short(&[1, 7]).six(5).short(&[7]).byte(PUBLISHED).six(4).byte(PUBLISHED).six(6);
        answer.byte(2).byte(1).six(8).byte(7).six(2).end()
    }

    #[test]
    fn each_node_is_told_what_it_listens_to_in_one_message() {
        let batch = [(1, "a"), (2, "b")].map(|(offset, name)| (Moved { partition: 0, offset }, publish(name, b"x")));
        let MovedUp::Done { came, told } = moved_up(Value::BulkString(answer()), &batch, &[0, 1]).unwrap() else {
            panic!()
        };
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
    fn what_publications_have_in_common_is_asked_once() {
        let keyed = |key| Publish { key: Some((key, 5)), ..publish("a", b"x") };
        let versioned = |number| Publish { version: Some((number, "e")), ..publish("a", b"x") };
        let all =
            [publish("a", b"1"), publish("a", b"2"), publish("b", b"3"), publish("a", b"4"), keyed("k"), keyed("l")];
        let all = [&all[..], &[versioned(1), versioned(2), versioned(1)]].concat();
        let batch: Vec<_> = (0..).map(|offset| Moved { partition: 7, offset }).zip(all).collect();
        let asked = Asked::of(&batch);
        assert_eq!(asked.of, [0, 0, 1, 0, 2, 2, 3, 4, 3]);
        assert_eq!((asked.plans.len(), asked.index[0]), (5, 5));
        // Of the fifth record, behind those of 12 bytes.
        let keyed = Packed::default().byte(3).four(7).six(4).short(b"k").end();
        assert_eq!(asked.index[1 + 4 * 12..][..keyed.len()], keyed);
    }

    #[test]
    fn what_is_cut_off_is_garbled() {
        let batch = [(1, "a"), (2, "b")].map(|(offset, name)| (Moved { partition: 0, offset }, publish(name, b"x")));
        let whole = answer();
        for length in 0..whole.len() {
            let cut = moved_up(Value::BulkString(whole[..length].to_vec()), &batch, &[0, 1]);
            assert_eq!(cut, if length == 14 { Ok(MovedUp::Another) } else { Err(Fault::Garbled) }, "{length}");
        }
    }
}
