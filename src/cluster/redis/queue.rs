//! Publications on their way to Redis: what comes while a bucket's call is in flight goes with the next one.
//!
//! Bounded in bytes, over all buckets: past it publications are refused at once, so that nobody waits for a Redis that does not
//! keep up. Publications of one bucket are put in order as they came.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use tokio::sync::oneshot;

use super::fault::Fault;
use super::functions::Functions;
use super::streams::{Publish, Receipt};
use crate::limits::{REDIS_BATCH_BYTES, REDIS_BATCH_MAX, REDIS_WAITING_BYTES_MAX};

/// What a publication counts besides its bytes: its options and the way back.
const ENTRY_BYTES: usize = 256;

struct Entry {
    publication: (Vec<u8>, Bytes),
    answer: oneshot::Sender<Result<Receipt, Fault>>,
}

#[derive(Default)]
struct Line {
    waiting: VecDeque<Entry>,
    /// Whether somebody is sending what waits.
    is_served: bool,
}

/// Publications that wait for their bucket's turn.
pub struct Queue {
    functions: Arc<Functions>,
    lines: Box<[Mutex<Line>]>,
    /// Bytes that wait or are in flight.
    bytes: Mutex<usize>,
}

impl Queue {
    /// A queue before an incarnation's calls.
    pub fn new(functions: Arc<Functions>) -> Arc<Self> {
        let lines = (0..functions.keys().buckets()).map(|_| Mutex::default()).collect();
        Arc::new(Self { functions, lines, bytes: Mutex::new(0) })
    }

    /// Takes a publication. What comes back is answered when Redis has it.
    ///
    /// # Errors
    /// [`Fault::Crowded`] where too much waits; the answer's, what went wrong.
    pub fn publish(
        self: &Arc<Self>,
        publish: &Publish<'_>,
    ) -> Result<oneshot::Receiver<Result<Receipt, Fault>>, Fault> {
        let (answer, receiver) = oneshot::channel();
        let entry = Entry { publication: (publish.options(), Bytes::copy_from_slice(publish.body)), answer };
        self.admit(weight(&entry))?;
        let bucket = self.functions.keys().bucket_of(publish.channel);
        let mut line = lock(&self.lines[usize::from(bucket)]);
        line.waiting.push_back(entry);
        if !std::mem::replace(&mut line.is_served, true) {
            tokio::spawn(Arc::clone(self).serve(bucket));
        }
        Ok(receiver)
    }

    /// Bytes that wait or are in flight.
    pub fn waiting_bytes(&self) -> usize {
        *lock(&self.bytes)
    }

    fn admit(&self, weight: usize) -> Result<(), Fault> {
        let mut bytes = lock(&self.bytes);
        if *bytes + weight > REDIS_WAITING_BYTES_MAX {
            return Err(Fault::Crowded);
        }
        *bytes += weight;
        Ok(())
    }

    async fn serve(self: Arc<Self>, bucket: u16) {
        loop {
            let batch = self.next(bucket);
            if batch.is_empty() {
                return;
            }
            let weights: usize = batch.iter().map(weight).sum();
            let (publications, answers): (Vec<_>, Vec<_>) =
                batch.into_iter().map(|entry| (entry.publication, entry.answer)).unzip();
            let result = self.functions.append_packed(bucket, &publications).await;
            *lock(&self.bytes) -= weights;
            for (at, answer) in answers.into_iter().enumerate() {
                // Who does not wait any more is not told.
                let _ = answer.send(result.as_ref().map(|receipts| receipts[at]).map_err(Fault::clone));
            }
        }
    }

    /// The next batch of a bucket; where nothing waits, nobody serves it any more.
    fn next(&self, bucket: u16) -> Vec<Entry> {
        let mut line = lock(&self.lines[usize::from(bucket)]);
        let mut bytes = 0;
        let fits = |entry: &&Entry| {
            bytes += weight(entry);
            bytes <= REDIS_BATCH_BYTES
        };
        let count = line.waiting.iter().take(REDIS_BATCH_MAX).take_while(fits).count();
        // One that is larger than a batch goes alone.
        let count = count.max(usize::from(!line.waiting.is_empty()));
        line.is_served = count > 0;
        line.waiting.drain(..count).collect()
    }
}

fn weight(entry: &Entry) -> usize {
    ENTRY_BYTES + entry.publication.0.len() + entry.publication.1.len()
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
