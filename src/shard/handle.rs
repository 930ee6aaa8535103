//! The control plane's end of a shard.

use std::sync::Arc;

use super::waker::Waker;
use crate::broker::metrics::ShardMetrics;
use crate::broker::order::Order;

/// Sends orders to one shard.
#[derive(Clone, Debug)]
pub struct ShardHandle {
    /// The shard's number.
    pub shard: u16,
    /// The core that it is pinned to.
    pub core: usize,
    /// Written by the shard alone.
    pub metrics: Arc<ShardMetrics>,
    orders: flume::Sender<Order>,
    waker: Arc<Waker>,
}

impl ShardHandle {
    /// The sending end of a shard's orders.
    pub fn new(
        shard: u16,
        core: usize,
        metrics: Arc<ShardMetrics>,
        orders: flume::Sender<Order>,
        waker: Arc<Waker>,
    ) -> Self {
        Self { shard, core, metrics, orders, waker }
    }

    /// Gives an order, waiting while the shard has too many. False when the shard has ended.
    pub async fn order(&self, order: Order) -> bool {
        let taken = self.orders.send_async(order).await.is_ok();
        self.waker.wake();
        taken
    }
}
