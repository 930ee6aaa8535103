//! Messages whose subscribers receive them at least once, and say how far they are. Sans-IO: time is an argument.
//!
//! A subscriber that comes is told where it stands, is given what it has not had of earlier runs, and says that it has it: only
//! then is it in. From then on it knows the offset of its last message by counting, since every message of its channel comes
//! to it, once and in order. That this is so, the traffic verifies. Words are due in turn over the subscribers, so that they
//! are spread over the time; one that has nothing new to say, or waits for an answer, lets its turn pass. Where words go with
//! messages, whose turn has come says so with the next message that it gets, and in its next turn if none has come by then.

use std::collections::VecDeque;

use crate::commands::Commands;
use crate::fault::{Fault, Faults};
use crate::measure::{Interval, Measure};
use crate::payload::Stamp;
use crate::plan::Receive;
use crate::protocol::{InboxCall, Joined};
use crate::schedule::Schedule;
use crate::traffic::Traffic;
use crate::turns::Turns;

/// Messages, and subscribers that say how far they are.
#[derive(Debug)]
pub(super) struct Receiving {
    every_ns: u64,
    are_answered: bool,
    with_messages: bool,
    /// Whether the server knows what words mean. Where not, they are bytes that come in, and all that a subscriber is due comes along.
    is_known: bool,
    /// By client: they are the first ones.
    receivers: Vec<Receiver>,
    /// `None` while clients gather.
    load: Option<Loaded>,
}

#[derive(Debug)]
struct Loaded {
    traffic: Traffic,
    words: Schedule,
    /// Whose turn had come when a message did.
    speakers: VecDeque<u32>,
    /// The receivers of this process.
    own: Vec<u32>,
    /// Once nothing more is sent: where in `own` the last words were looked for.
    last_words_at: Option<usize>,
}

/// How far a subscriber is in its channel. `said ≤ have`: it says only what it has.
#[derive(Debug, Default)]
struct Receiver {
    /// The offset of the last message that it has.
    have: u64,
    /// Up to where it has said, and was answered or is to be, that it has received.
    said: u64,
    /// Up to where it has said so without an answer.
    told: u64,
    /// Where the channel stood when it came; `None` before it was told.
    top: Option<u64>,
    /// Its turn has come, and it waits for a message to say something with.
    is_due: bool,
    commands: Commands<Asked>,
}

#[derive(Clone, Copy, Debug)]
enum Asked {
    Join,
    Unread,
    Received { said_ns: u64 },
}

impl Receiver {
    fn is_in(&self) -> bool {
        self.top.is_some_and(|top| top <= self.said) && self.commands.waiting() == 0
    }

    /// What it says now, with which id: one word after the other. What is not answered has the id 0.
    fn say(&mut self, is_answered: bool, now_ns: u64) -> Option<(u32, InboxCall)> {
        if self.commands.waiting() > 0 {
            return None;
        }
        if self.top.is_none() {
            return Some((self.commands.send(Asked::Unread), InboxCall::Unread));
        }
        if !is_answered {
            let is_new = self.have > self.said.max(self.told);
            self.told = self.have;
            return is_new.then_some((0, InboxCall::Received { offset: self.told }));
        }
        if self.have == self.said {
            return None;
        }
        self.said = self.have;
        let id = self.commands.send(Asked::Received { said_ns: now_ns });
        Some((id, InboxCall::Received { offset: self.said }))
    }
}

impl Receiving {
    /// All are to come.
    pub(super) fn new(plan: Receive, is_known: bool) -> Self {
        // Where nobody tells a receiver where its channel stands, it is in at once.
        let receiver = || Receiver { top: (!is_known).then_some(0), ..Receiver::default() };
        let receivers = std::iter::repeat_with(receiver).take(plan.clients as usize).collect();
        let Receive { every_ns, are_answered, with_messages, .. } = plan;
        Self { every_ns, are_answered, with_messages, is_known, receivers, load: None }
    }

    /// The load begins, of these clients.
    pub(super) fn begin(&mut self, traffic: Traffic, clients: &[u32], now_ns: u64) {
        let all = self.receivers.len() as u32;
        let own: Vec<_> = clients.iter().copied().take_while(|client| *client < all).collect();
        let rate_per_s = f64::from(all) * 1e9 / self.every_ns as f64;
        let words = Schedule::new(now_ns, rate_per_s, 1, Turns::new(own.clone(), all));
        self.load = Some(Loaded { traffic, words, speakers: VecDeque::new(), own, last_words_at: None });
    }

    /// Nothing more is sent: once all has arrived, each says for the last time what it has.
    pub(super) fn end(&mut self) {
        if let Some(load) = &mut self.load {
            load.last_words_at = Some(0);
        }
    }

    /// Whether nothing more is sent.
    pub(super) fn has_ended(&self) -> bool {
        self.load.as_ref().is_some_and(|load| load.last_words_at.is_some())
    }

    /// The messages, once the load has begun.
    pub(super) fn traffic(&self) -> Option<&Traffic> {
        self.load.as_ref().map(|load| &load.traffic)
    }

    /// The messages, once the load has begun.
    pub(super) fn traffic_mut(&mut self) -> Option<&mut Traffic> {
        self.load.as_mut().map(|load| &mut load.traffic)
    }

    /// Whether a client says how far it is, to a server that knows what that means.
    pub(super) fn is_receiver(&self, client: u32) -> bool {
        self.is_known && (client as usize) < self.receivers.len()
    }

    /// A receiver is welcome: the id of its subscription.
    pub(super) fn come(&mut self, client: u32) -> u32 {
        self.receivers[client as usize].commands.send(Asked::Join)
    }

    /// Its subscription was answered: it begins behind its floor.
    pub(super) fn joined(&mut self, client: u32, id: u32, joined: Joined<'_>, faults: &mut Faults) {
        let receiver = &mut self.receivers[client as usize];
        if let Some(Asked::Join) = receiver.commands.answer(id) {
            (receiver.have, receiver.said) = (joined.offset, joined.offset);
        } else {
            unasked(client, id, faults);
        }
    }

    /// It was given a message of an earlier run, before it is in.
    pub(super) fn caught_up(&mut self, client: u32, offset: u64) {
        let receiver = &mut self.receivers[client as usize];
        receiver.have = receiver.have.max(offset);
    }

    /// It was told where its channel stands.
    pub(super) fn told(&mut self, client: u32, id: u32, top: u64, faults: &mut Faults) {
        let receiver = &mut self.receivers[client as usize];
        if let Some(Asked::Unread) = receiver.commands.answer(id) {
            receiver.top = Some(top);
        } else {
            unasked(client, id, faults);
        }
    }

    /// Whether a client has all that was there before, and has said so. Others than receivers have nothing to say.
    pub(super) fn is_in(&self, client: u32) -> bool {
        self.receivers.get(client as usize).is_none_or(Receiver::is_in)
    }

    /// What a client that comes says next.
    pub(super) fn say(&mut self, client: u32, now_ns: u64) -> Option<(u32, InboxCall)> {
        self.receivers.get_mut(client as usize)?.say(true, now_ns)
    }

    /// A client has heard a message.
    #[inline]
    pub(super) fn delivered(
        &mut self,
        client: u32,
        stamp: Stamp,
        now_ns: u64,
        interval: &mut Interval,
        faults: &mut Faults,
    ) {
        let Some(load) = &mut self.load else {
            return faults.note(Fault::Misdelivered, || format!("client {client} heard what nobody has sent"));
        };
        let is_new = load.traffic.delivered(client, stamp, Measure::Delivery, now_ns, interval, faults);
        if let Some(receiver) = self.receivers.get_mut(client as usize) {
            receiver.have += u64::from(is_new);
            if receiver.is_due && is_new {
                receiver.is_due = false;
                load.speakers.push_back(client);
            }
        }
    }

    /// A message was taken, or a word is known.
    pub(super) fn acknowledged(
        &mut self,
        client: u32,
        id: u32,
        now_ns: u64,
        interval: &mut Interval,
        faults: &mut Faults,
    ) {
        let Some(receiver) = self.receivers.get_mut(client as usize) else {
            let traffic = self.traffic_mut();
            return traffic.into_iter().for_each(|traffic| traffic.acknowledged(client, id, now_ns, interval, faults));
        };
        match receiver.commands.answer(id) {
            Some(Asked::Received { said_ns }) => interval.record(Measure::Received, now_ns - said_ns),
            _ => unasked(client, id, faults),
        }
    }

    /// A command of a client that is in was refused.
    pub(super) fn refused(&mut self, client: u32, id: u32, why: &str, faults: &mut Faults) {
        let Some(receiver) = self.receivers.get_mut(client as usize) else {
            return self.traffic_mut().into_iter().for_each(|traffic| traffic.refused(client, id, why, faults));
        };
        let said = receiver.said;
        match receiver.commands.answer(id) {
            Some(_) => faults.note(Fault::Refused, || {
                format!("client {client} was refused to have received all up to offset {said}: {why}")
            }),
            None => unasked(client, id, faults),
        }
    }

    /// Takes the next word that is due: of whom, its id, what.
    pub(super) fn take_word(&mut self, now_ns: u64) -> Option<(u32, u32, InboxCall)> {
        let Self { receivers, are_answered, with_messages, is_known, load: Some(load), .. } = self else { return None };
        if !*is_known && load.last_words_at.is_some() {
            return None;
        }
        // What is under way may wait for a word: a server sends a device no more than so much of which it has not heard.
        let Some(at) = load.last_words_at.as_mut().filter(|_| load.traffic.under_way() == 0) else {
            loop {
                let client = match load.speakers.pop_front() {
                    Some(client) => client,
                    None => {
                        let client = load.words.next_turn()?;
                        load.words.take(now_ns)?;
                        let receiver = &mut receivers[client as usize];
                        receiver.is_due = *with_messages && !receiver.is_due;
                        if receiver.is_due {
                            continue;
                        }
                        client
                    }
                };
                if let Some((id, call)) = receivers[client as usize].say(*are_answered, now_ns) {
                    return Some((client, id, call));
                }
            }
        };
        let turns = (0..load.own.len()).map(|turn| (*at + turn) % load.own.len());
        let (last, word) = turns.into_iter().find_map(|turn| {
            let client = load.own[turn];
            receivers[client as usize].say(true, now_ns).map(|(id, call)| (turn, (client, id, call)))
        })?;
        *at = last;
        Some(word)
    }

    /// When something is due next.
    pub(super) fn next_due_ns(&self) -> u64 {
        let load = self.load.iter();
        let due = load.flat_map(|load| [load.traffic.next_due_ns(), load.words.next_due_ns()]);
        due.flatten().min().unwrap_or(u64::MAX)
    }

    /// Replies, deliveries and words that are still to come. Looks at everybody.
    pub(super) fn under_way(&self) -> u64 {
        let Some(load) = &self.load else { return 0 };
        if !self.is_known {
            return load.traffic.under_way();
        }
        let open = |client: &&u32| {
            let Receiver { have, said, commands, .. } = &self.receivers[**client as usize];
            said < have || commands.waiting() > 0
        };
        load.traffic.under_way() + load.own.iter().filter(open).count() as u64
    }

    /// What has not come now never will.
    pub(super) fn finish(&self, faults: &mut Faults) {
        self.traffic().into_iter().for_each(|traffic| traffic.finish(faults));
        for (client, receiver) in self.receivers.iter().enumerate() {
            for asked in receiver.commands.unanswered() {
                faults.note(Fault::Unanswered, || format!("client {client} was not answered {asked:?}"));
            }
        }
    }

    /// Messages that were due before `end_ns` and were not sent.
    pub(super) fn behind(&self, end_ns: u64) -> u64 {
        self.traffic().map_or(0, |traffic| traffic.behind(end_ns))
    }
}

#[cold]
fn unasked(client: u32, id: u32, faults: &mut Faults) {
    faults.note(Fault::Unasked, || {
        format!("client {client} was answered a command {id} that it did not send, or that is another")
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::{Load, Pace, Plan, Stream};
    use crate::share::Share;

    const MS: u64 = 1_000_000;
    const PACE: Pace = Pace::Open { rate_per_s: 1000.0, burst: 1 };

    /// Two receivers of a channel, and its publisher, client 2. Words are due every 10 ms, each of one of them.
    struct Run {
        receiving: Receiving,
        share: Share,
        interval: Interval,
        faults: Faults,
    }

    impl Run {
        fn new() -> Self {
            Self::with(true)
        }

        fn with(are_answered: bool) -> Self {
            Self::of(Receive { pace: PACE, clients: 2, every_ns: 20 * MS, are_answered, with_messages: false })
        }

        fn of(receive: Receive) -> Self {
            let share = Share::whole(Plan {
                clients: vec![vec![0], vec![0], vec![]],
                channels: 1,
                streams: vec![Stream { publisher: 2, channel: 0 }],
                load: Load::Receive(receive),
            });
            let receiving = Receiving::new(receive, true);
            Self { receiving, share, interval: Interval::default(), faults: Faults::default() }
        }

        /// A receiver with this floor comes to a channel that stands at `top`.
        fn come(&mut self, client: u32, floor: u64, top: u64) {
            let id = self.receiving.come(client);
            let joined = Joined { offset: floor, epoch: "life", is_recoverable: true, is_recovered: true };
            self.receiving.joined(client, id, joined, &mut self.faults);
            let (id, call) = self.receiving.say(client, 0).unwrap();
            assert_eq!(call, InboxCall::Unread);
            self.receiving.told(client, id, top, &mut self.faults);
        }

        fn acknowledge(&mut self, client: u32, id: u32, now_ns: u64) {
            self.receiving.acknowledged(client, id, now_ns, &mut self.interval, &mut self.faults);
        }

        fn begin(&mut self) {
            let traffic = Traffic::new(&self.share, PACE, 0);
            self.receiving.begin(traffic, &self.share.clients, 0);
        }

        /// The next message is sent and answered, and comes to both.
        fn send(&mut self, now_ns: u64) {
            let due = self.receiving.traffic_mut().unwrap().take(now_ns, &mut self.interval).unwrap();
            self.acknowledge(2, due.id, now_ns);
            for client in [0, 1] {
                self.receiving.delivered(client, due.stamp, now_ns, &mut self.interval, &mut self.faults);
            }
        }
    }

    #[test]
    fn who_has_nothing_to_catch_up_with_is_in_at_once() {
        let mut run = Run::new();
        run.come(0, 7, 7);
        assert!(run.receiving.is_in(0) && run.receiving.is_in(2), "a publisher says nothing");
        assert!(!run.receiving.is_in(1));
    }

    #[test]
    fn what_an_earlier_run_left_is_received_before_a_receiver_is_in() {
        let mut run = Run::new();
        run.come(0, 3, 5);
        assert_eq!(run.receiving.say(0, MS), None, "it has not got it yet");
        [4, 5].into_iter().for_each(|offset| run.receiving.caught_up(0, offset));
        let (id, call) = run.receiving.say(0, MS).unwrap();
        assert_eq!((call, run.receiving.is_in(0)), (InboxCall::Received { offset: 5 }, false));
        run.acknowledge(0, id, 2 * MS);
        assert!(run.receiving.is_in(0) && run.faults.is_empty(), "{:?}", run.faults);
    }

    #[test]
    fn receivers_take_turns_and_say_all_that_they_have_in_one_word() {
        let mut run = Run::new();
        [0, 1].into_iter().for_each(|client| run.come(client, 5, 5));
        run.begin();
        assert_eq!(run.receiving.take_word(0), None, "there is nothing to say");
        (0..3).for_each(|ms| run.send(ms * MS));
        let (client, id, call) = run.receiving.take_word(10 * MS).unwrap();
        assert_eq!((client, call), (1, InboxCall::Received { offset: 8 }));
        assert_eq!(run.receiving.take_word(10 * MS), None, "the other one's turn has not come");
        run.send(3 * MS);
        assert_eq!(run.receiving.take_word(20 * MS).unwrap().2, InboxCall::Received { offset: 9 });
        assert_eq!(run.receiving.take_word(30 * MS), None, "its last word is not answered");
        run.acknowledge(1, id, 12 * MS);
        assert_eq!(run.receiving.take_word(50 * MS).unwrap().0, 1);
        assert_eq!(run.interval.histogram(Measure::Received).len(), 1);
    }

    #[test]
    fn at_the_end_each_says_for_the_last_time_what_it_has() {
        let mut run = Run::new();
        [0, 1].into_iter().for_each(|client| run.come(client, 0, 0));
        run.begin();
        run.send(0);
        run.receiving.end();
        assert_eq!(run.receiving.under_way(), 2);
        while let Some((client, id, call)) = run.receiving.take_word(MS) {
            assert_eq!(call, InboxCall::Received { offset: 1 });
            run.acknowledge(client, id, MS);
        }
        assert_eq!(run.receiving.under_way(), 0);
        run.receiving.finish(&mut run.faults);
        assert!(run.faults.is_empty(), "{:?}", run.faults);
    }

    #[test]
    fn while_messages_are_under_way_at_the_end_words_go_on() {
        let mut run = Run::new();
        [0, 1].into_iter().for_each(|client| run.come(client, 0, 0));
        run.begin();
        run.send(0);
        let due = run.receiving.traffic_mut().unwrap().take(MS, &mut run.interval).unwrap();
        run.receiving.end();
        let words = [(); 2].map(|()| run.receiving.take_word(10 * MS).unwrap());
        assert_eq!(
            words.map(|(client, _, call)| (client, call)),
            [0, 1].map(|of| (of, InboxCall::Received { offset: 1 }))
        );
        assert_eq!(run.receiving.take_word(10 * MS), None, "no turn has come");
        words.into_iter().for_each(|(client, id, _)| run.acknowledge(client, id, 11 * MS));
        run.acknowledge(2, due.id, 11 * MS);
        for client in [0, 1] {
            run.receiving.delivered(client, due.stamp, 12 * MS, &mut run.interval, &mut run.faults);
        }
        let last = [(); 2].map(|()| run.receiving.take_word(12 * MS).unwrap());
        assert!(last.iter().all(|(_, _, call)| *call == InboxCall::Received { offset: 2 }));
        assert_eq!(run.receiving.take_word(12 * MS), None);
    }

    #[test]
    fn words_without_an_answer_have_no_id_and_the_last_asks_for_one() {
        let mut run = Run::with(false);
        [0, 1].into_iter().for_each(|client| run.come(client, 5, 5));
        run.begin();
        assert_eq!(run.receiving.take_word(0), None, "there is nothing to say");
        run.send(0);
        assert_eq!(run.receiving.take_word(10 * MS).unwrap(), (1, 0, InboxCall::Received { offset: 6 }));
        assert_eq!(run.receiving.take_word(20 * MS).unwrap().0, 0);
        assert_eq!(run.receiving.take_word(30 * MS), None, "there is nothing new");
        run.send(30 * MS);
        assert_eq!(run.receiving.take_word(40 * MS).unwrap(), (0, 0, InboxCall::Received { offset: 7 }));
        run.receiving.end();
        for _ in 0..2 {
            let (client, id, call) = run.receiving.take_word(50 * MS).unwrap();
            assert_eq!(call, InboxCall::Received { offset: 7 });
            run.acknowledge(client, id, 51 * MS);
        }
        assert_eq!((run.receiving.take_word(60 * MS), run.receiving.under_way()), (None, 0));
        run.receiving.finish(&mut run.faults);
        assert!(run.faults.is_empty(), "{:?}", run.faults);
    }

    #[test]
    fn a_word_waits_for_a_message_to_go_with_until_the_turn_comes_again() {
        let receive = Receive { pace: PACE, clients: 2, every_ns: 20 * MS, are_answered: false, with_messages: true };
        let mut run = Run::of(receive);
        [0, 1].into_iter().for_each(|client| run.come(client, 5, 5));
        run.begin();
        run.send(0);
        assert_eq!(run.receiving.take_word(0), None, "nobody's turn has come when the message does");
        run.send(5 * MS);
        let words = [(); 2].map(|()| run.receiving.take_word(5 * MS));
        assert_eq!(words, [Some((0, 0, InboxCall::Received { offset: 7 })), None]);
        assert_eq!(run.receiving.take_word(10 * MS), None, "the turn alone is no reason");
        run.send(15 * MS);
        assert_eq!(run.receiving.take_word(15 * MS), Some((1, 0, InboxCall::Received { offset: 8 })));
        run.send(16 * MS);
        assert_eq!([20, 30].map(|ms| run.receiving.take_word(ms * MS)), [None; 2]);
        assert_eq!(
            run.receiving.take_word(40 * MS),
            Some((0, 0, InboxCall::Received { offset: 9 })),
            "no message came"
        );
        assert_eq!(run.receiving.take_word(50 * MS), Some((1, 0, InboxCall::Received { offset: 9 })));
        run.send(51 * MS);
        assert_eq!(run.receiving.take_word(51 * MS), None, "it has just said something");
    }

    #[test]
    fn to_a_server_that_passes_over_words_they_are_said_while_messages_come_and_none_is_the_last() {
        let receive = Receive { pace: PACE, clients: 2, every_ns: 20 * MS, are_answered: false, with_messages: false };
        let mut run = Run::of(receive);
        run.receiving = Receiving::new(receive, false);
        assert!(!run.receiving.is_receiver(0), "it comes as any subscriber does");
        assert!([0, 1].into_iter().all(|client| run.receiving.is_in(client)));
        run.begin();
        run.send(0);
        assert_eq!(run.receiving.take_word(10 * MS).unwrap(), (0, 0, InboxCall::Received { offset: 1 }));
        assert_eq!(run.receiving.take_word(20 * MS).unwrap().0, 1);
        run.send(21 * MS);
        run.receiving.end();
        assert_eq!((run.receiving.take_word(60 * MS), run.receiving.under_way()), (None, 0));
    }

    #[test]
    fn a_word_that_is_refused_or_never_answered_is_told() {
        let mut run = Run::new();
        [0, 1].into_iter().for_each(|client| run.come(client, 0, 0));
        run.begin();
        run.send(0);
        let (client, id, _) = run.receiving.take_word(10 * MS).unwrap();
        run.receiving.refused(client, id, "107: bad request", &mut run.faults);
        run.receiving.take_word(20 * MS).unwrap();
        run.receiving.finish(&mut run.faults);
        assert_eq!([Fault::Refused, Fault::Unanswered].map(|fault| run.faults.count(fault)), [1, 1]);
    }
}
