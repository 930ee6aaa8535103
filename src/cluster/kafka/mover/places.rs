//! Up to where records were moved into all buckets, as the buckets say it.

use std::collections::HashMap;
use std::sync::Arc;

use tokio::task::JoinSet;

use crate::cluster::redis::bucket::Generation;
use crate::cluster::redis::fault::Fault;
use crate::cluster::redis::functions::Functions;
use crate::cluster::redis::moves::Moved;

/// Buckets that are asked at once.
const AT_ONCE: usize = 32;

/// See the module.
#[derive(Debug)]
pub(super) struct Places {
    /// The generation that each bucket is in.
    pub(super) generations: Box<[Generation]>,
    /// By partition and bucket, up to which offset; -1 where no record was moved.
    moved: HashMap<i32, Box<[i64]>>,
}

impl Places {
    /// Asks all buckets about the partitions of a topic.
    ///
    /// # Errors
    /// What went wrong.
    pub(super) async fn ask(functions: Arc<Functions>, topic: String) -> Result<Self, Fault> {
        let topic: Arc<str> = topic.into();
        let buckets = functions.keys().buckets();
        let mut places =
            Self { generations: vec![Generation::default(); buckets.into()].into(), moved: HashMap::new() };
        let (mut left, mut asked) = (0..buckets, JoinSet::new());
        loop {
            while asked.len() < AT_ONCE
                && let Some(bucket) = left.next()
            {
                let (functions, topic) = (functions.clone(), topic.clone());
                asked.spawn(async move { (bucket, functions.moved(bucket, &topic).await) });
            }
            match asked.join_next().await {
                None => return Ok(places),
                Some(Ok((bucket, said))) => places.learn(bucket, said?),
                Some(Err(panicked)) => std::panic::resume_unwind(panicked.into_panic()),
            }
        }
    }

    fn learn(&mut self, bucket: u16, (generation, moved): (Generation, Vec<Moved>)) {
        let buckets = self.generations.len();
        self.generations[usize::from(bucket)] = generation;
        for Moved { partition, offset } in moved {
            let Ok(partition) = i32::try_from(partition) else { continue };
            let of_partition = self.moved.entry(partition).or_insert_with(|| vec![-1; buckets].into());
            of_partition[usize::from(bucket)] = offset as i64;
        }
    }

    /// Up to where records of a partition were moved, by bucket, where that was into a generation that is meant.
    pub(super) fn moved(&self, partition: i32, is_meant: impl Fn(u16, Generation) -> bool) -> Box<[i64]> {
        let mut moved = self.moved.get(&partition).cloned().unwrap_or_else(|| vec![-1; self.generations.len()].into());
        for ((bucket, generation), moved) in (0..).zip(&self.generations).zip(&mut moved) {
            if !is_meant(bucket, *generation) {
                *moved = -1;
            }
        }
        moved
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_moved_into_the_generation_that_is_meant_counts() {
        let (one, other) = (Generation([1; 8]), Generation([2; 8]));
        let mut places = Places { generations: vec![Generation::default(); 3].into(), moved: HashMap::new() };
        places.learn(0, (one, vec![Moved { partition: 4, offset: 7 }, Moved { partition: 5, offset: 8 }]));
        places.learn(1, (other, vec![Moved { partition: 4, offset: 9 }]));
        places.learn(2, (one, Vec::new()));
        assert_eq!(*places.moved(4, |_, generation| generation == one), [7, -1, -1]);
        assert_eq!(*places.moved(4, |_, _| true), [7, 9, -1]);
        assert_eq!(*places.moved(6, |_, _| true), [-1; 3]);
    }
}
