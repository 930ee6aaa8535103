//! Letters between shards: a bounded, wait-free ring per pair and direction.
//!
//! Nobody ever waits for room in another's mailbox, since two shards that wait for each other would stand
//! still for ever: what does not fit is kept here, in order, and the shard stops reading from its clients
//! until all of it has gone ([`Mailboxes::is_congested`]). It never stops emptying its own mailboxes.

use std::collections::VecDeque;
use std::sync::Arc;

use rtrb::{Consumer, Producer, PushError, RingBuffer};

use super::waker::Waker;
use crate::broker::letter::Letter;

#[derive(Debug)]
struct Outgoing {
    producer: Producer<Letter>,
    waker: Arc<Waker>,
    /// What did not fit, oldest first.
    kept: VecDeque<Letter>,
    /// Letters were left since the peer was last woken.
    left: bool,
}

impl Outgoing {
    fn send(&mut self, letter: Letter) {
        if !self.kept.is_empty() {
            self.kept.push_back(letter);
            return;
        }
        match self.producer.push(letter) {
            Ok(()) => self.left = true,
            // A shard that has failed reads no more: who waited for room in its mailbox would do so for ever.
            Err(PushError::Full(_)) if self.producer.is_abandoned() => {}
            Err(PushError::Full(letter)) => self.kept.push_back(letter),
        }
    }

    fn flush(&mut self) {
        while let Some(letter) = self.kept.pop_front() {
            if let Err(PushError::Full(letter)) = self.producer.push(letter) {
                self.kept.push_front(letter);
                break;
            }
            self.left = true;
        }
        if !self.kept.is_empty() && self.producer.is_abandoned() {
            self.kept.clear();
        }
        if std::mem::take(&mut self.left) {
            self.waker.wake();
        }
    }
}

/// One shard's ends of all mailboxes.
#[derive(Debug)]
pub struct Mailboxes {
    /// By shard; `None` is the shard itself.
    outgoing: Vec<Option<Outgoing>>,
    incoming: Vec<Option<Consumer<Letter>>>,
}

impl Mailboxes {
    /// What the mailboxes of so many shards take with room for `capacity` letters each, bytes, once they were full.
    pub fn bytes(capacity: usize, shards: usize) -> u64 {
        let pairs = shards * shards.saturating_sub(1);
        (capacity * pairs) as u64 * size_of::<Letter>() as u64
    }

    /// The mailboxes of all shards, by shard, each ring with room for `capacity` letters.
    pub fn mesh(capacity: usize, wakers: &[Arc<Waker>]) -> Vec<Self> {
        let mut mesh: Vec<Self> = wakers
            .iter()
            .map(|_| Self {
                outgoing: wakers.iter().map(|_| None).collect(),
                incoming: wakers.iter().map(|_| None).collect(),
            })
            .collect();
        for (to, waker) in wakers.iter().enumerate() {
            for from in (0..wakers.len()).filter(|from| *from != to) {
                let (producer, consumer) = RingBuffer::new(capacity);
                let outgoing = Outgoing { producer, waker: waker.clone(), kept: VecDeque::new(), left: false };
                mesh[from].outgoing[to] = Some(outgoing);
                mesh[to].incoming[from] = Some(consumer);
            }
        }
        mesh
    }

    /// How many shards there are.
    pub fn shards(&self) -> u16 {
        self.incoming.len() as u16
    }

    /// Leaves a letter, which the peer sees at the latest after [`Mailboxes::flush`].
    ///
    /// # Panics
    /// When it is for the shard itself.
    pub fn send(&mut self, to: u16, letter: Letter) {
        self.outgoing[usize::from(to)].as_mut().expect("nobody writes to itself").send(letter);
    }

    /// Tries again what did not fit, and wakes the peers that have got letters.
    pub fn flush(&mut self) {
        self.outgoing.iter_mut().flatten().for_each(Outgoing::flush);
    }

    /// Whether letters wait for room: take no more work on that makes new ones.
    pub fn is_congested(&self) -> bool {
        self.outgoing.iter().flatten().any(|outgoing| !outgoing.kept.is_empty())
    }

    /// Letters that wait for room.
    pub fn kept(&self) -> usize {
        self.outgoing.iter().flatten().map(|outgoing| outgoing.kept.len()).sum()
    }

    /// The next letter of shard `from`.
    pub fn receive(&mut self, from: u16) -> Option<Letter> {
        self.incoming[usize::from(from)].as_mut()?.pop().ok()
    }

    /// Letters of shard `from` that wait to be read.
    pub fn waiting(&self, from: u16) -> usize {
        self.incoming[usize::from(from)].as_ref().map_or(0, Consumer::slots)
    }

    /// Letters that have come and wait to be read.
    pub fn depth(&self) -> usize {
        self.incoming.iter().flatten().map(Consumer::slots).sum()
    }

    /// Whether there is something to read.
    pub fn has_letters(&self) -> bool {
        self.incoming.iter().flatten().any(|consumer| !consumer.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mesh(shards: usize, capacity: usize) -> Vec<Mailboxes> {
        let wakers: Vec<_> = (0..shards).map(|_| Arc::new(Waker::new().unwrap())).collect();
        Mailboxes::mesh(capacity, &wakers)
    }

    fn letter(number: u64) -> Letter {
        Letter::Discharge { user: Arc::from(number.to_string()) }
    }

    fn number(letter: &Letter) -> u64 {
        let Letter::Discharge { user } = letter else { panic!("{letter:?}") };
        user.parse().unwrap()
    }

    #[test]
    fn letters_of_one_pair_keep_their_order_when_the_mailbox_is_full() {
        let mut mesh = mesh(2, 4);
        let [one, two] = &mut mesh[..] else { unreachable!() };
        for sent in 0..20 {
            one.send(1, letter(sent));
        }
        assert!(one.is_congested());
        assert_eq!(one.kept(), 16);
        let mut got = Vec::new();
        while got.len() < 20 {
            while let Some(letter) = two.receive(0) {
                got.push(number(&letter));
            }
            one.flush();
        }
        assert_eq!(got, (0..20).collect::<Vec<_>>());
        assert!(!one.is_congested() && !two.has_letters());
    }

    #[test]
    fn by_default_a_shards_mailboxes_take_little_however_many_shards_write_to_it() {
        for shards in [1, 2, 5, 16, 64] {
            let letters = crate::config::ShardsConfig::default().mailbox_letters(shards);
            let bytes = Mailboxes::bytes(letters, shards);
            assert!(bytes <= shards as u64 * (2 << 20), "{shards} shards: {letters} letters, {bytes} bytes");
            assert!(letters >= 512);
        }
    }

    #[test]
    fn a_shard_that_has_failed_holds_nobody_up() {
        let mut mesh = mesh(2, 4);
        let two = mesh.pop().unwrap();
        let one = &mut mesh[0];
        for sent in 0..6 {
            one.send(1, letter(sent));
        }
        assert!(one.is_congested());
        drop(two);
        one.flush();
        assert!(!one.is_congested());
        one.send(1, letter(6));
        assert!(!one.is_congested());
    }

    #[test]
    fn every_shard_reaches_every_other_and_knows_who_wrote() {
        let mut mesh = mesh(5, 4);
        for from in 0..5u16 {
            for to in (0..5).filter(|to| *to != from) {
                mesh[usize::from(from)].send(to, letter(u64::from(from * 10 + to)));
            }
        }
        for to in 0..5u16 {
            for from in (0..5).filter(|from| *from != to) {
                let letter = mesh[usize::from(to)].receive(from).unwrap();
                assert_eq!(number(&letter), u64::from(from * 10 + to));
            }
            assert!(!mesh[usize::from(to)].has_letters());
        }
    }

    #[test]
    fn two_threads_that_flood_each_other_both_get_everything() {
        const LETTERS: u64 = 20_000;
        let threads: Vec<_> = mesh(2, 16)
            .into_iter()
            .enumerate()
            .map(|(me, mut mailboxes)| {
                std::thread::spawn(move || {
                    let peer = 1 - me as u16;
                    let (mut sent, mut got) = (0, 0);
                    while sent < LETTERS || got < LETTERS || mailboxes.is_congested() {
                        if sent < LETTERS && !mailboxes.is_congested() {
                            mailboxes.send(peer, letter(sent));
                            sent += 1;
                        }
                        mailboxes.flush();
                        while let Some(letter) = mailboxes.receive(peer) {
                            assert_eq!(number(&letter), got);
                            got += 1;
                        }
                    }
                })
            })
            .collect();
        for thread in threads {
            thread.join().unwrap();
        }
    }
}
