//! Who of the HTTP conns is served: who idles gives way to who asks, strangers before backends.
//!
//! A *backend* came through the internal port, or with the API's key; all others are *strangers*, who have some of the
//! seats only, and are answered one at a time, so that every backend that waits is answered between two of them.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{Notify, Semaphore, SemaphorePermit};

use crate::limits::{HTTP_CONNS_MAX, HTTP_LEAVING_MAX, HTTP_STRANGERS_MAX};

/// All seats. They are the control plane's thread's alone, so that nobody waits for the lock.
#[derive(Debug)]
pub(super) struct Seats {
    table: Mutex<Table>,
    strangers_turn: Semaphore,
}

#[derive(Debug, Default)]
struct Table {
    taken: HashMap<u64, Taken>,
    /// Counts what happens: an order, not a time.
    clock: u64,
    counts: SeatCounts,
}

#[derive(Debug)]
struct Taken {
    is_backend: bool,
    /// Since when it has no request under way.
    idle_since: Option<u64>,
    leaves: Arc<Notify>,
}

/// How the seats are used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct SeatCounts {
    /// Conns that came with the API's key.
    pub(super) backends: u64,
    /// Conns without it.
    pub(super) strangers: u64,
    /// Conns whose seat is another's, and which have not gone yet.
    pub(super) leaving: u64,
    /// Conns that gave way.
    pub(super) gave_way: u64,
    /// Conns that found no seat.
    pub(super) refused: u64,
}

/// One conn's seat; given back when it is dropped.
#[derive(Debug)]
pub(super) struct Seat {
    seats: Arc<Seats>,
    number: u64,
    leaves: Arc<Notify>,
}

impl Seats {
    /// All free.
    pub(super) fn new() -> Self {
        Self { table: Mutex::default(), strangers_turn: Semaphore::new(1) }
    }

    /// A seat, if need be of one that idles. Nothing where nobody can give way.
    pub(super) fn take(self: &Arc<Self>, is_backend: bool) -> Option<Seat> {
        let mut table = self.table();
        let strangers = table.strangers();
        let is_full = table.taken.len() >= HTTP_CONNS_MAX - HTTP_LEAVING_MAX;
        if is_full || !is_backend && strangers >= HTTP_STRANGERS_MAX {
            let freed = table.counts.leaving < HTTP_LEAVING_MAX as u64 && table.free_one(is_backend);
            if !freed {
                table.counts.refused += 1;
                return None;
            }
        }
        let (number, leaves) = (table.tick(), Arc::new(Notify::new()));
        table.taken.insert(number, Taken { is_backend, idle_since: Some(number), leaves: leaves.clone() });
        drop(table);
        Some(Seat { seats: self.clone(), number, leaves })
    }

    /// How they are used now.
    pub(super) fn counts(&self) -> SeatCounts {
        let table = self.table();
        let (all, strangers) = (table.taken.len() as u64, table.strangers() as u64);
        SeatCounts { backends: all - strangers, strangers, ..table.counts }
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Table {
    fn tick(&mut self) -> u64 {
        self.clock += 1;
        self.clock
    }

    fn strangers(&self) -> usize {
        self.taken.values().filter(|taken| !taken.is_backend).count()
    }

    /// Has one leave: of the strangers who idle the one that has for longest; for a backend then any stranger, then the
    /// backend that has idled for longest.
    fn free_one(&mut self, for_backend: bool) -> bool {
        let rank = |(number, taken): (&u64, &Taken)| match (taken.is_backend, taken.idle_since) {
            (false, Some(since)) => Some((0, since, *number)),
            (false, None) if for_backend => Some((1, *number, *number)),
            (true, Some(since)) if for_backend => Some((2, since, *number)),
            _ => None,
        };
        let Some((_, _, number)) = self.taken.iter().filter_map(rank).min() else { return false };
        let taken = self.taken.remove(&number).expect("it was just seen");
        taken.leaves.notify_one();
        self.counts.leaving += 1;
        self.counts.gave_way += 1;
        true
    }
}

impl Seat {
    /// A request begins.
    pub(super) fn begins(&self, is_backend: bool) {
        if let Some(taken) = self.seats.table().taken.get_mut(&self.number) {
            taken.is_backend |= is_backend;
            taken.idle_since = None;
        }
    }

    /// The request is answered.
    pub(super) fn idles(&self) {
        let mut table = self.seats.table();
        let now = table.tick();
        if let Some(taken) = table.taken.get_mut(&self.number) {
            taken.idle_since = Some(now);
        }
    }

    /// Waits until the seat is another's.
    pub(super) async fn is_lost(&self) {
        self.leaves.notified().await;
    }

    /// Waits for a stranger's turn to be answered, and for all that is ready before.
    pub(super) async fn turn(&self) -> Option<SemaphorePermit<'_>> {
        let turn = self.seats.strangers_turn.acquire().await.ok();
        tokio::task::yield_now().await;
        turn
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut table = self.seats.table();
        if table.taken.remove(&self.number).is_none() {
            table.counts.leaving -= 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(seats: &Arc<Seats>, number: usize, is_backend: bool) -> Vec<Seat> {
        (0..number).map_while(|_| seats.take(is_backend)).collect()
    }

    async fn has_lost(seat: &Seat) -> bool {
        tokio::select! { biased; () = seat.is_lost() => true, () = std::future::ready(()) => false }
    }

    #[tokio::test]
    async fn of_strangers_the_one_that_has_idled_for_longest_gives_way_and_who_is_served_does_not() {
        let seats = Arc::new(Seats::new());
        let strangers = taken(&seats, HTTP_STRANGERS_MAX, false);
        strangers[0].begins(false);
        strangers[1].begins(false);
        strangers[1].idles();
        let another = seats.take(false).unwrap();
        assert!(!has_lost(&strangers[0]).await && !has_lost(&strangers[1]).await && has_lost(&strangers[2]).await);
        strangers.iter().for_each(|stranger| stranger.begins(false));
        another.begins(false);
        assert!(seats.take(false).is_none(), "nobody idles");
        assert_eq!((seats.counts().gave_way, seats.counts().refused, seats.counts().leaving), (1, 1, 1));
        drop(strangers);
        assert_eq!((seats.counts().strangers, seats.counts().leaving), (1, 0));
    }

    #[tokio::test]
    async fn strangers_never_take_the_seats_of_backends_and_backends_take_theirs() {
        let seats = Arc::new(Seats::new());
        let strangers = taken(&seats, HTTP_STRANGERS_MAX, false);
        strangers.iter().for_each(|stranger| stranger.begins(false));
        let free = HTTP_CONNS_MAX - HTTP_LEAVING_MAX - HTTP_STRANGERS_MAX;
        let backends = taken(&seats, free + 1, true);
        assert_eq!(backends.len(), free + 1);
        assert!(has_lost(&strangers[0]).await, "the oldest of those that are served");
        for backend in &backends {
            backend.begins(true);
        }
        assert!(seats.take(false).is_none(), "no stranger idles, and a backend never gives way to one");
    }

    #[tokio::test]
    async fn where_backends_have_all_seats_the_one_that_idles_gives_way_to_one_that_asks() {
        let seats = Arc::new(Seats::new());
        let backends = taken(&seats, HTTP_CONNS_MAX - HTTP_LEAVING_MAX, true);
        backends[0].begins(true);
        let another = seats.take(true).unwrap();
        assert!(!has_lost(&backends[0]).await && has_lost(&backends[1]).await);
        another.begins(true);
        backends.iter().for_each(|backend| backend.begins(true));
        assert!(seats.take(true).is_none());
    }
}
