//! Gathers what a user is to be told: pushes of one user that were written within `notify.batch_wait` of each other are one *item*,
//! with the newest message and the number of all. Sans-IO: time is an argument.
//!
//! A user has items in the order in which they came, and one of them on its way at a time, so that a message is never told after it
//! was withdrawn. While it is on its way the next one gathers on. What is withdrawn before it was sent is not sent.
//!
//! Which pushes are one item is decided by the times of their records, not by when they were read: read again after a loss,
//! they are the same items, as far as records of several partitions allow. Items that begin with the same record go
//! together.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;

use super::marks::Mark;
use super::push::Push;
use crate::limits::NOTIFY_ITEM_PUSHES_MAX;

/// A message, as one of its users is told of it.
#[derive(Clone, Debug)]
pub(super) struct Told {
    /// The message, shared by all of them.
    pub(super) push: Arc<Push>,
    /// Which of its users.
    pub(super) at: usize,
}

/// What one user is to be told.
#[derive(Debug)]
pub(super) struct Item {
    /// Who.
    pub(super) user: Arc<str>,
    /// Messages, in the order in which they came.
    pub(super) messages: Vec<Told>,
    /// Withdrawals: what was told up to these is to be told no more.
    pub(super) withdrawn: Vec<Told>,
    /// What is unread, by channel.
    pub(super) unread: BTreeMap<Arc<str>, u64>,
    /// The parts of records that are done with it.
    pub(super) marks: Vec<Mark>,
    begun_unix_ms: i64,
    due_ms: u64,
}

impl Item {
    fn new(user: &Arc<str>, push: &Push, due_ms: u64) -> Self {
        Self {
            user: user.clone(),
            messages: Vec::new(),
            withdrawn: Vec::new(),
            unread: BTreeMap::new(),
            marks: Vec::new(),
            begun_unix_ms: push.written_unix_ms,
            due_ms,
        }
    }

    /// The record that it begins with.
    fn first(&self) -> Mark {
        self.marks[0]
    }

    /// Whether it has a message of this channel.
    pub(super) fn tells_of(&self, channel: &str) -> bool {
        self.messages.iter().any(|told| &*told.push.channel == channel)
    }
}

/// The items of one user.
#[derive(Debug, Default)]
struct Pile {
    waiting: VecDeque<Item>,
    is_on_its_way: bool,
}

/// Items that go together.
#[derive(Debug)]
pub(super) struct Batch {
    /// At least one, each of another user.
    pub(super) items: Vec<Item>,
}

impl Batch {
    /// The record that it begins with.
    pub(super) fn first(&self) -> Mark {
        self.items[0].first()
    }
}

/// See the module.
#[derive(Debug)]
pub(super) struct Gathering {
    wait_ms: u64,
    batch_max: usize,
    piles: HashMap<Arc<str>, Pile>,
    /// Whom to look at when; in this order, since all wait equally long.
    due: VecDeque<(u64, Arc<str>)>,
    ready: BTreeMap<Mark, Vec<Item>>,
}

impl Gathering {
    /// Gathers for so long; so many items go together at the most.
    pub(super) fn new(wait_ms: u64, batch_max: usize) -> Self {
        Self { wait_ms, batch_max, piles: HashMap::new(), due: VecDeque::new(), ready: BTreeMap::new() }
    }

    /// Takes up what users are to be told. Of a message that comes too late only the unread count is of use.
    pub(super) fn take(&mut self, push: &Arc<Push>, is_too_late: bool, now_ms: u64) {
        for (at, user) in push.users.iter().enumerate() {
            let user = &user.name;
            let pile = self.piles.entry(user.clone()).or_default();
            // Their parts of records are done with their items as before.
            if push.is_withdrawal {
                pile.waiting.iter_mut().for_each(|item| item.messages.retain(|told| !push.withdraws(&told.push)));
            }
            let is_open = pile.waiting.back().is_some_and(|item| {
                let is_near = item.begun_unix_ms.abs_diff(push.written_unix_ms) <= self.wait_ms;
                (is_near || pile.is_on_its_way) && item.marks.len() < NOTIFY_ITEM_PUSHES_MAX
            });
            if !is_open {
                let due_ms = now_ms.saturating_add(self.wait_ms);
                pile.waiting.push_back(Item::new(user, push, due_ms));
                self.due.push_back((due_ms, user.clone()));
            }
            let item = pile.waiting.back_mut().expect("there is one now");
            let told = Told { push: push.clone(), at };
            match push.is_withdrawal {
                true => item.withdrawn.push(told),
                false if is_too_late => {}
                false => item.messages.push(told),
            }
            item.unread.insert(push.channel.clone(), push.users[at].unread);
            item.marks.push(push.mark);
        }
    }

    /// When [`Gathering::due`] has something next, if nothing comes before.
    pub(super) fn next_due_ms(&self) -> Option<u64> {
        let ready = (!self.ready.is_empty()).then_some(0);
        ready.or(self.due.front().map(|(due_ms, _)| *due_ms))
    }

    /// What is to go now. Its users get nothing more until [`Gathering::settled`].
    pub(super) fn due(&mut self, now_ms: u64) -> Vec<Batch> {
        while let Some((due_ms, _)) = self.due.front()
            && *due_ms <= now_ms
        {
            let (_, user) = self.due.pop_front().expect("it was there");
            self.look_at(&user, now_ms);
        }
        let mut batches = Vec::new();
        for (_, mut items) in std::mem::take(&mut self.ready) {
            while !items.is_empty() {
                let rest = items.split_off(items.len().min(self.batch_max));
                batches.push(Batch { items });
                items = rest;
            }
        }
        batches
    }

    /// What was on its way to a user is done.
    pub(super) fn settled(&mut self, user: &Arc<str>, now_ms: u64) {
        if let Some(pile) = self.piles.get_mut(user) {
            pile.is_on_its_way = false;
            self.look_at(user, now_ms);
        }
    }

    /// Lets go of what is not this process' to tell any more: other processes read it again.
    pub(super) fn forget(&mut self, is_ours: impl Fn(Mark) -> bool) {
        self.piles.retain(|_, pile| {
            for item in &mut pile.waiting {
                item.messages.retain(|told| is_ours(told.push.mark));
                item.withdrawn.retain(|told| is_ours(told.push.mark));
                item.marks.retain(|mark| is_ours(*mark));
            }
            pile.waiting.retain(|item| !item.marks.is_empty());
            pile.is_on_its_way || !pile.waiting.is_empty()
        });
    }

    /// Takes the user's first item, if it may go.
    fn look_at(&mut self, user: &Arc<str>, now_ms: u64) {
        let Some(pile) = self.piles.get_mut(user) else { return };
        if pile.is_on_its_way {
            return;
        }
        match pile.waiting.pop_front_if(|item| item.due_ms <= now_ms) {
            Some(item) => {
                pile.is_on_its_way = true;
                self.ready.entry(item.first()).or_default().push(item);
            }
            None if pile.waiting.is_empty() => {
                self.piles.remove(user);
            }
            None => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::roles::notify::push::{PushUser, Said};

    const WAIT_MS: u64 = 2000;

    /// A world in which records come one after another.
    struct World {
        gathering: Gathering,
        next: i64,
    }

    impl World {
        fn new() -> Self {
            Self { gathering: Gathering::new(WAIT_MS, 100), next: 0 }
        }

        /// A message of this channel and offset, or its withdrawal, that was written at some time and is read now.
        fn take(
            &mut self,
            (channel, offset, is_withdrawal): (&str, u64, bool),
            users: &[&str],
            written_ms: u64,
            now_ms: u64,
        ) -> Mark {
            let mark = Mark { partition: 0, term: 1, offset: self.next };
            self.next += 1;
            let user = |name: &&str| PushUser { name: Arc::from(*name), unread: offset, reason: "away".into() };
            let push = Push {
                mark,
                written_unix_ms: written_ms as i64,
                id: format!("{channel}/{offset}/{is_withdrawal}"),
                is_withdrawal,
                channel: channel.into(),
                epoch: "e".into(),
                offset,
                time_unix_ms: written_ms as i64,
                sender: String::new(),
                said: Said::Bytes { bytes: "x".into(), is_truncated: false },
                tags: BTreeMap::new(),
                lacks_tags: false,
                users: users.iter().map(user).collect(),
            };
            self.gathering.take(&Arc::new(push), false, now_ms);
            mark
        }

        fn message(&mut self, channel: &str, offset: u64, users: &[&str], now_ms: u64) -> Mark {
            self.take((channel, offset, false), users, now_ms, now_ms)
        }

        fn withdraw(&mut self, channel: &str, offset: u64, users: &[&str], now_ms: u64) -> Mark {
            self.take((channel, offset, true), users, now_ms, now_ms)
        }

        /// What goes now, as `user: messages - withdrawn`, batch by batch.
        fn due(&mut self, now_ms: u64) -> Vec<Vec<String>> {
            let said =
                |told: &Vec<Told>| told.iter().map(|told| told.push.offset.to_string()).collect::<Vec<_>>().join(" ");
            let item = |item: &Item| format!("{}: {} - {}", item.user, said(&item.messages), said(&item.withdrawn));
            self.gathering.due(now_ms).iter().map(|batch| batch.items.iter().map(item).collect()).collect()
        }

        fn settled(&mut self, user: &str, now_ms: u64) {
            self.gathering.settled(&user.into(), now_ms);
        }
    }

    #[test]
    fn pushes_of_a_user_within_the_time_are_one_item_and_later_ones_another() {
        let mut world = World::new();
        world.message("a", 1, &["ann", "bob"], 0);
        world.message("b", 2, &["ann"], 1500);
        world.message("a", 3, &["ann"], 2500);
        assert_eq!(world.gathering.next_due_ms(), Some(2000));
        assert!(world.due(1999).is_empty());
        assert_eq!(world.due(2000), [["ann: 1 2 - ", "bob: 1 - "]]);
        assert!(world.due(9000).is_empty(), "the first is on its way");
        world.settled("ann", 9000);
        assert_eq!(world.due(9000), [["ann: 3 - "]]);
        world.settled("ann", 9100);
        world.settled("bob", 9100);
        assert_eq!((world.gathering.piles.len(), world.gathering.next_due_ms()), (0, None));
    }

    #[test]
    fn items_that_begin_with_one_record_go_together_as_many_as_may() {
        let mut world = World::new();
        world.gathering.batch_max = 2;
        world.message("a", 1, &["ann", "bob", "cid"], 0);
        world.message("a", 2, &["dan", "ann"], 10);
        let batches = [vec!["ann: 1 2 - ", "bob: 1 - "], vec!["cid: 1 - "], vec!["dan: 2 - "]];
        assert_eq!(world.due(3000), batches);
    }

    #[test]
    fn what_is_withdrawn_before_it_was_sent_is_not_sent_and_its_record_is_done_with_the_item() {
        let mut world = World::new();
        let mut marks = vec![world.message("a", 1, &["ann"], 0), world.message("a", 2, &["ann"], 10)];
        marks.push(world.message("b", 1, &["ann"], 20));
        marks.push(world.withdraw("a", 2, &["ann"], 30));
        marks.push(world.message("a", 3, &["ann"], 40));
        let batches = world.gathering.due(5000);
        let item = &batches[0].items[0];
        let told: Vec<_> = item.messages.iter().map(|told| (&*told.push.channel, told.push.offset)).collect();
        assert_eq!(told, [("b", 1), ("a", 3)]);
        assert_eq!((item.withdrawn.len(), &item.marks), (1, &marks));
        assert!(item.tells_of("a") && item.tells_of("b") && !item.tells_of("c"));
        assert_eq!(item.unread[&Arc::from("a")], 3);
    }

    #[test]
    fn what_is_on_its_way_is_withdrawn_when_it_has_settled() {
        let mut world = World::new();
        world.message("a", 1, &["ann"], 0);
        assert_eq!(world.due(2000), [["ann: 1 - "]]);
        world.withdraw("a", 1, &["ann"], 2100);
        assert!(world.due(60_000).is_empty(), "it is on its way");
        world.settled("ann", 60_000);
        assert_eq!(world.due(60_000), [["ann:  - 1"]]);
    }

    #[test]
    fn while_an_item_is_on_its_way_the_next_one_gathers_on_up_to_a_bound() {
        let mut world = World::new();
        world.message("a", 1, &["ann"], 0);
        world.due(2000);
        for at in 0..=NOTIFY_ITEM_PUSHES_MAX as u64 {
            world.message("a", 2 + at, &["ann"], 3000 + at * 1000);
        }
        world.settled("ann", 600_000);
        let batches = world.gathering.due(600_000);
        assert_eq!(batches[0].items[0].messages.len(), NOTIFY_ITEM_PUSHES_MAX);
        world.settled("ann", 600_000);
        assert_eq!(world.due(600_000), [["ann: 102 - "]]);
    }

    #[test]
    fn read_again_at_once_pushes_are_the_same_items() {
        let written = [(1, 0), (2, 1000), (3, 5000), (4, 5500)];
        let items = |read_ms: Option<u64>| {
            let mut world = World::new();
            for (offset, written_ms) in written {
                world.take(("a", offset, false), &["ann"], written_ms, read_ms.unwrap_or(written_ms));
            }
            let mut items = world.due(62_000);
            world.settled("ann", 62_000);
            items.extend(world.due(62_000));
            items
        };
        let (items, items_again) = (items(None), items(Some(60_000)));
        assert_eq!(items, [["ann: 1 2 - "], ["ann: 3 4 - "]]);
        assert_eq!(items, items_again);
    }

    #[test]
    fn what_is_another_processs_now_is_forgotten() {
        let mut world = World::new();
        let kept = world.message("a", 1, &["ann"], 0);
        world.message("b", 2, &["ann", "bob"], 10);
        world.gathering.forget(|mark| mark == kept);
        assert_eq!(world.gathering.piles.len(), 1);
        assert_eq!(world.due(5000), [["ann: 1 - "]]);
    }

    #[test]
    fn of_what_comes_too_late_only_the_count_is_of_use() {
        let mut world = World::new();
        let mark = world.message("a", 1, &["ann"], 0);
        let push = {
            let pile = &world.gathering.piles["ann"];
            pile.waiting[0].messages[0].push.clone()
        };
        world.gathering = Gathering::new(WAIT_MS, 100);
        world.gathering.take(&push, true, 0);
        let batches = world.gathering.due(5000);
        let item = &batches[0].items[0];
        assert!(item.messages.is_empty() && item.withdrawn.is_empty());
        assert_eq!((item.unread[&Arc::from("a")], &item.marks[..]), (1, &[mark][..]));
    }
}
