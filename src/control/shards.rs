//! All shards, as the control plane talks to them.

use std::time::Duration;

use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout_at};

use crate::broker::order::{Order, Responder};
use crate::hub::Placement;
use crate::limits::ORDER_TIMEOUT_MS;
use crate::model::refusal::{Error, ErrorKind};
use crate::shard::handle::ShardHandle;

/// The shards and which of them is whose home.
#[derive(Debug)]
pub(super) struct Shards {
    handles: Vec<ShardHandle>,
    placement: Placement,
}

/// An answer that a shard owes.
#[derive(Debug)]
pub(super) struct Pending<T>(oneshot::Receiver<Result<T, Error>>);

impl<T> Pending<T> {
    /// Waits for it.
    ///
    /// # Errors
    /// What the shard says; 100 when it has ended.
    pub(super) async fn answer(self) -> Result<T, Error> {
        self.0.await.unwrap_or_else(|_| Err(ErrorKind::Internal.because("internal server error: the node is ending")))
    }
}

impl Shards {
    /// All shards of the node, by number; a process without the edge has none, and nobody asks them anything.
    pub(super) fn new(handles: Vec<ShardHandle>, placement: Placement) -> Self {
        let is_whole = handles.len() == usize::from(placement.shards());
        assert!(is_whole || handles.is_empty(), "every shard has a handle");
        Self { handles, placement }
    }

    /// The shards by number.
    pub(super) fn handles(&self) -> &[ShardHandle] {
        &self.handles
    }

    /// Gives an order to a channel's home shard, waiting while that has too many.
    pub(super) async fn order<T>(&self, channel: &str, order: impl FnOnce(Responder<T>) -> Order) -> Pending<T> {
        let (answer, pending) = oneshot::channel();
        // A shard that has ended drops the order, and the pending answer says so.
        self.handles[usize::from(self.placement.of(channel))].order(order(answer)).await;
        Pending(pending)
    }

    /// Asks a channel's home shard.
    ///
    /// # Errors
    /// As [`Pending::answer`].
    pub(super) async fn ask<T>(&self, channel: &str, order: impl FnOnce(Responder<T>) -> Order) -> Result<T, Error> {
        self.order(channel, order).await.answer().await
    }

    /// Asks one shard about something that all shards have.
    ///
    /// # Errors
    /// As [`Pending::answer`].
    pub(super) async fn ask_any<T>(&self, order: impl FnOnce(Responder<T>) -> Order) -> Result<T, Error> {
        let (answer, pending) = oneshot::channel();
        self.handles.first().expect("a node has shards").order(order(answer)).await;
        Pending(pending).answer().await
    }

    /// Asks every shard; the answers come by shard number.
    ///
    /// # Errors
    /// As [`Pending::answer`], of the first shard that refuses.
    pub(super) async fn ask_all<T>(&self, order: impl Fn(Responder<T>) -> Order) -> Result<Vec<T>, Error> {
        let mut all = Vec::with_capacity(self.handles.len());
        for handle in &self.handles {
            let (answer, pending) = oneshot::channel();
            handle.order(order(answer)).await;
            all.push(Pending(pending));
        }
        let mut answers = Vec::with_capacity(all.len());
        for pending in all {
            answers.push(pending.answer().await?);
        }
        Ok(answers)
    }

    /// Gives a shard an order that needs no answer and must not be lost. Waits until the shard has taken it, for a while: one
    /// that takes no orders gets it as soon as it does, after those before it. Must be called within the runtime.
    pub(super) async fn tell(&self, shard: u16, order: Order) {
        let left = leave(&self.handles[usize::from(shard)], order);
        wait_for(shard, left, Instant::now() + Duration::from_millis(ORDER_TIMEOUT_MS)).await;
    }

    /// As [`Shards::tell`], every shard. One that takes no orders holds up no other.
    pub(super) async fn tell_all(&self, order: impl Fn() -> Order) {
        let until = Instant::now() + Duration::from_millis(ORDER_TIMEOUT_MS);
        for (shard, left) in self.leave_with_all(order) {
            wait_for(shard, left, until).await;
        }
    }

    /// As [`Shards::tell_all`], without waiting.
    pub(super) fn leave_with_all(&self, order: impl Fn() -> Order) -> Vec<(u16, JoinHandle<bool>)> {
        self.handles.iter().map(|handle| (handle.shard, leave(handle, order()))).collect()
    }
}

/// Gives an order whenever the shard takes it. Orders are taken in the order in which they were left: those that wait for
/// room wait in line.
fn leave(handle: &ShardHandle, order: Order) -> JoinHandle<bool> {
    let handle = handle.clone();
    tokio::spawn(async move { handle.order(order).await })
}

async fn wait_for(shard: u16, left: JoinHandle<bool>, until: Instant) {
    if timeout_at(until, left).await.is_err() {
        tracing::error!(shard, "the shard takes no orders");
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::shard::waker::Waker;

    #[tokio::test]
    async fn a_shard_that_takes_no_orders_holds_up_no_other_and_gets_what_it_must_once_it_does() {
        let shard = |number| {
            let (sender, orders) = flume::bounded(1);
            let waker = Arc::new(Waker::new().unwrap());
            (ShardHandle::new(number, 0, Arc::default(), sender, waker), orders)
        };
        let ((stuck, stuck_orders), (other, other_orders)) = (shard(0), shard(1));
        assert!(stuck.order(Order::Drain(Duration::from_secs(1))).await);
        let shards = Shards::new(vec![stuck, other], Placement::new(2, 7));
        drop(shards.leave_with_all(|| Order::Drain(Duration::from_secs(2))));
        let is_wanted = |order| matches!(order, Ok(Order::Drain(time)) if time.as_secs() == 2);
        assert!(is_wanted(other_orders.recv_async().await));
        assert!(!is_wanted(stuck_orders.recv_async().await));
        assert!(is_wanted(stuck_orders.recv_async().await));
    }
    #[tokio::test]
    async fn what_a_shard_is_told_while_it_takes_no_orders_it_is_told_later_in_the_same_order() {
        let (sender, orders) = flume::bounded(1);
        let waker = Arc::new(Waker::new().unwrap());
        let shards = Shards::new(vec![ShardHandle::new(0, 0, Arc::default(), sender, waker)], Placement::new(1, 7));
        for ticket in 0..4 {
            drop(shards.leave_with_all(|| Order::KeysFetched { ticket, fetched: true }));
        }
        for expected in 0..4 {
            let order = orders.recv_async().await;
            assert!(matches!(order, Ok(Order::KeysFetched { ticket, .. }) if ticket == expected), "{order:?}");
        }
    }
}
