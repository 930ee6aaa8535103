//! What a home has made on behalf of each shard and has not got rid of yet, and the receipts that wait for it.
//!
//! Every shard, the home's own among them, has an account here. What its asks make for other shards is charged to it in
//! bytes, once per copy, until the mailboxes have taken all of it. While an account is over its window the home takes no
//! more asks of that shard. A publish is acknowledged when its deliveries have left: who publishes faster than the
//! slowest shard with subscribers can take it waits for receipts, and nothing else does.

use std::collections::VecDeque;

use super::letter::Level;
use crate::hub::ShardSet;
use crate::limits::{WINDOW_BYTES, WINDOW_STEP_BYTES};
use crate::model::refusal::Error;

/// What was made by one or several asks of a shard, in order.
#[derive(Debug)]
struct Debt {
    /// For whom.
    to: ShardSet,
    /// The last delivery of it.
    stamp: u64,
    bytes: usize,
    /// Publishes to acknowledge when it has left, by level.
    receipts: [u32; Level::COUNT],
    /// A publish to refuse then: a shard is told of its publishes of a level in their order.
    refused: Option<Box<(Level, Error)>>,
}

impl Debt {
    /// Of no delivery.
    fn of_none() -> Self {
        Self { to: ShardSet::EMPTY, stamp: 0, bytes: 0, receipts: [0; Level::COUNT], refused: None }
    }
}

#[derive(Debug, Default)]
struct Account {
    /// Oldest first.
    debts: VecDeque<Debt>,
    bytes: usize,
}

impl Account {
    /// The newest debt, if more of the same may be added to it.
    fn newest(&mut self) -> Option<&mut Debt> {
        self.debts.back_mut().filter(|debt| debt.refused.is_none())
    }
}

/// The accounts of all shards at one home.
#[derive(Debug)]
pub(super) struct Credit {
    accounts: Vec<Account>,
    /// Shards with debts.
    indebted: ShardSet,
}

impl Credit {
    /// Between so many shards, no debts.
    pub(super) fn new(shards: u16) -> Self {
        Self { accounts: (0..shards).map(|_| Account::default()).collect(), indebted: ShardSet::EMPTY }
    }

    /// Bytes that were made on behalf of a shard and have not left.
    pub(super) fn bytes(&self, shard: u16) -> usize {
        self.accounts[usize::from(shard)].bytes
    }

    /// Whether a shard may have more made on its behalf.
    #[inline]
    pub(super) fn is_open(&self, shard: u16) -> bool {
        self.bytes(shard) < WINDOW_BYTES
    }

    /// Deliveries were made on behalf of a shard, so many bytes together; `stamp` is the last of them.
    pub(super) fn charge(&mut self, shard: u16, to: ShardSet, stamp: u64, bytes: usize) {
        let account = &mut self.accounts[usize::from(shard)];
        account.bytes += bytes;
        match account.newest() {
            Some(debt) if debt.to == to && debt.bytes < WINDOW_STEP_BYTES => {
                debt.stamp = stamp;
                debt.bytes += bytes;
            }
            _ => {
                account.debts.push_back(Debt { to, stamp, bytes, ..Debt::of_none() });
                self.indebted.insert(shard);
            }
        }
    }

    /// A publish of a shard is in its place, and what it made is charged: acknowledge it when all of that has left.
    pub(super) fn owe_receipt(&mut self, shard: u16, level: Level) {
        let account = &mut self.accounts[usize::from(shard)];
        if account.newest().is_none() {
            account.debts.push_back(Debt::of_none());
            self.indebted.insert(shard);
        }
        let debt = account.newest().expect("one was just made");
        debt.receipts[level as usize] += 1;
    }

    /// A publish of a shard is refused: say so after the receipts of those before it.
    pub(super) fn owe_refusal(&mut self, shard: u16, level: Level, error: Error) {
        let debt = Debt { refused: Some(Box::new((level, error))), ..Debt::of_none() };
        self.accounts[usize::from(shard)].debts.push_back(debt);
        self.indebted.insert(shard);
    }

    /// Whether what was made last on behalf of a shard is for one of `others`.
    pub(super) fn is_for(&self, shard: u16, others: ShardSet) -> bool {
        self.accounts[usize::from(shard)].debts.back().is_some_and(|debt| debt.to.intersects(others))
    }

    /// Whether anybody owes anything.
    pub(super) fn is_clear(&self) -> bool {
        self.indebted.is_empty()
    }

    /// Forgets the debts that have left, and gives the receipts and refusals that waited for them.
    pub(super) fn settle(
        &mut self,
        has_left: impl Fn(ShardSet, u64) -> bool,
        mut give: impl FnMut(u16, Level, Result<u32, Error>),
    ) {
        for shard in self.indebted.iter() {
            let account = &mut self.accounts[usize::from(shard)];
            let mut receipts = [0; Level::COUNT];
            while let Some(debt) = account.debts.pop_front_if(|debt| has_left(debt.to, debt.stamp)) {
                account.bytes -= debt.bytes;
                for level in Level::ALL {
                    receipts[level as usize] += debt.receipts[level as usize];
                }
                if let Some(refused) = debt.refused {
                    let (level, error) = *refused;
                    let before = std::mem::take(&mut receipts[level as usize]);
                    if before > 0 {
                        give(shard, level, Ok(before));
                    }
                    give(shard, level, Err(error));
                }
            }
            for level in Level::ALL {
                if receipts[level as usize] > 0 {
                    give(shard, level, Ok(receipts[level as usize]));
                }
            }
            if account.debts.is_empty() {
                self.indebted.remove(shard);
            }
        }
    }
}
