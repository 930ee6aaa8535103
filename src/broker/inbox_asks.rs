//! What devices of members say and ask, and the answers: those that count on the disk come when it has all.

use super::Broker;
use super::home::{Said, Waiter, sent};
use super::letter::{Answer, Asker, InboxAnswer};
use crate::model::Position;
use crate::model::refusal::{Error, ErrorKind};
use crate::session::InboxAsk;
use crate::time::Now;

impl Broker {
    /// A session here says something to a home that is here; what its answer takes while it is waited for, and each delivery.
    pub(super) fn inbox_here(
        &mut self,
        (session, id): (u32, u32),
        (bytes, each_ns): (u32, u64),
        channel: &str,
        ask: InboxAsk,
        now: Now,
    ) {
        let attached = self.edge.attached;
        let said = self.home.inbox(channel, ask, self.me, now);
        // What the answer follows is told before it.
        self.carry(now);
        match said {
            Ok(Said::Now(answer)) => self.edge.answered(session, id, Answer::Inbox(Ok(answer)), now),
            Err(error) => self.edge.answered(session, id, Answer::Inbox(Err(error)), now),
            Ok(later) => {
                let asker = self.edge.awaits(session, id, bytes);
                self.answer_when_kept(self.me, asker, later, now);
            }
        }
        self.edge.charge_deliveries(session, self.edge.attached - attached, each_ns, now);
    }

    /// A session of another shard says something to a home that is here.
    pub(super) fn inbox_arrived(&mut self, from: u16, asker: Asker, channel: &str, ask: InboxAsk, now: Now) {
        let said = self.home.inbox(channel, ask, from, now);
        self.carry(now);
        match said {
            Ok(said) => self.answer_when_kept(from, asker, said, now),
            Err(error) => self.answer_receiver(from, asker, Err(error), now),
        }
    }

    fn answer_when_kept(&mut self, shard: u16, asker: Asker, said: Said, now: Now) {
        match said {
            Said::Now(answer) => self.answer_receiver(shard, asker, Ok(answer), now),
            Said::Sent(pending) => self.home.wait(pending, Waiter::Sender(shard, asker)),
            Said::Kept(hear) => self.answer_from_disk(Waiter::Receiver(shard, asker, hear), now),
            Said::Noted(channel, key, hear) => {
                let waiter = Waiter::Receiver(shard, asker, hear);
                if let Some(waiter) = self.home.wait_for_note(&channel, &key, waiter) {
                    self.settled(waiter, Err(ErrorKind::Internal.into()), now);
                }
            }
            Said::Asked(channel, user, question) => self.ask_for_device((shard, asker), &channel, user, question),
        }
    }

    /// Answers a session of a shard.
    pub(super) fn answer_receiver(&mut self, shard: u16, asker: Asker, answer: Result<InboxAnswer, Error>, now: Now) {
        match shard == self.me {
            true => self.edge.answer_arrived(asker, Answer::Inbox(answer), now),
            false => self.answer(shard, asker, Answer::Inbox(answer)),
        }
    }

    /// Answers a session of a shard that has sent a message with an id.
    pub(super) fn answer_sender(&mut self, shard: u16, asker: Asker, outcome: Result<Position, Error>, now: Now) {
        self.answer_receiver(shard, asker, outcome.map(|position| InboxAnswer::Told(sent(&position))), now);
    }
}
