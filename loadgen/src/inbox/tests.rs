//! Devices against a server that keeps a floor for each, and may be told to err.

use super::*;
use crate::fault::{Fault, Faults};
use crate::protocol::{InboxPosition, InboxUnread, Joined};

const MS: u64 = 1_000_000;
/// What the streams hold already when the load begins.
const BASE: u64 = 7;
/// What a device is sent when it has come, and beyond its floor once it has said anything.
const WINDOWS: [u64; 2] = [4, 500];

const PLAN: plan::Inbox = plan::Inbox {
    users: 6,
    devices: 2,
    channels: 2,
    seed: 1,
    messages_per_s: 200.0,
    drops_per_s: 40.0,
    pause_ns: 100 * MS,
    restarts: false,
};

#[derive(Clone, Copy, Debug, Default, PartialEq)]
enum Errs {
    #[default]
    Never,
    /// Never gives device 0 its tenth message.
    Forgets,
    /// Gives device 0 its tenth message twice.
    Repeats,
    /// Gives device 0 its tenth message behind the eleventh.
    Delays,
    /// Lets floors go back when devices come back.
    GoesBack,
    /// Lets floors pass what was never sent.
    PassesOver,
    /// Says that one more is unread than is.
    Miscounts,
    /// Forgets what was read.
    ForgetsRead,
    /// Takes the tenth message of channel 0 and throws it away.
    ForgetsTaken,
    /// Loses every second word of `received`: its connection ends before.
    LosesWords,
}

/// The server: by channel its messages, by device its floor and how far it was sent.
struct World {
    inbox: Inbox,
    streams: Vec<Vec<Stamp>>,
    floors: Vec<u64>,
    sent: Vec<Option<u64>>,
    windows: Vec<u64>,
    read: Vec<u64>,
    interval: Interval,
    faults: Faults,
    now_ns: u64,
    errs: Errs,
    words: u64,
}

impl World {
    fn new(plan: plan::Inbox, errs: Errs) -> Self {
        let all = plan.all_devices();
        let mut world = Self {
            inbox: Inbox::new(plan),
            streams: vec![Vec::new(); plan.channels as usize],
            floors: vec![BASE; all as usize],
            sent: vec![None; all as usize],
            windows: vec![0; all as usize],
            read: vec![BASE; plan.users as usize],
            interval: Interval::default(),
            faults: Faults::default(),
            now_ns: 0,
            errs,
            words: 0,
        };
        (0..all + plan.channels).for_each(|client| world.come(client, 0));
        world.act_all();
        world.inbox.begin(0);
        world
    }

    fn top(&self, channel: u32) -> u64 {
        BASE + self.streams[channel as usize].len() as u64
    }

    fn come(&mut self, client: u32, due_ns: u64) {
        if let Some((id, _)) = self.inbox.come(client) {
            let floor = &mut self.floors[client as usize];
            match self.errs {
                Errs::GoesBack if self.now_ns > 0 => *floor = BASE.max(*floor - 1),
                Errs::PassesOver if self.now_ns > 0 => *floor += 1,
                _ => {}
            }
            self.sent[client as usize] = Some(*floor);
            self.windows[client as usize] = WINDOWS[0];
            let joined = Joined { offset: *floor, epoch: "life", is_recoverable: true, is_recovered: true };
            self.inbox.joined(client, id, joined, self.now_ns, &mut self.faults);
            self.send(client);
            self.act_all();
        }
        self.inbox.arrived(client, due_ns, self.now_ns, &mut self.interval);
    }

    /// Sends a device what it was not sent and may have.
    fn send(&mut self, client: u32) {
        let (channel, at) = (self.inbox.plan.channel(client), client as usize);
        let is_due = |world: &Self, sent| sent < world.top(channel).min(world.floors[at] + world.windows[at]);
        while let Some(sent) = self.sent[at].filter(|sent| is_due(self, *sent)) {
            let offset = sent + 1;
            self.sent[client as usize] = Some(offset);
            let is_victim = client == 0 && offset == BASE + 10;
            match self.errs {
                Errs::Forgets | Errs::Delays if is_victim => {}
                Errs::Repeats if is_victim => (0..2).for_each(|_| self.hear(client, offset)),
                Errs::Delays if client == 0 && offset == BASE + 11 => {
                    self.hear(client, offset);
                    self.hear(client, offset - 1);
                }
                _ => self.hear(client, offset),
            }
        }
    }

    fn hear(&mut self, client: u32, offset: u64) {
        let stamp = self.streams[self.inbox.plan.channel(client) as usize][(offset - BASE - 1) as usize];
        let publication = Publication { offset, attempt: 1, message: Ok(stamp) };
        self.inbox.heard(client, publication, self.now_ns, &mut self.interval, &mut self.faults);
    }

    fn act_all(&mut self) {
        while let Some(action) = self.inbox.take(self.now_ns, &mut self.interval) {
            match action {
                Action::Publish { client, id, stamp } => self.publish(client, id, stamp),
                Action::Call { client, id, call, .. } => self.call(client, id, call),
                Action::Drop { client } => self.sent[client as usize] = None,
                Action::Return { client, due_ns } => self.come(client, due_ns),
            }
        }
    }

    fn publish(&mut self, client: u32, id: u32, stamp: Stamp) {
        self.inbox.acknowledged(client, id, self.now_ns, &mut self.interval, &mut self.faults);
        if self.errs == Errs::ForgetsTaken && stamp.stream == 0 && stamp.sequence == 10 {
            return;
        }
        self.streams[stamp.stream as usize].push(stamp);
        (0..self.floors.len() as u32).for_each(|client| self.send(client));
    }

    fn call(&mut self, client: u32, id: u32, call: InboxCall) {
        let (channel, (user, _)) = (self.inbox.plan.channel(client), self.inbox.plan.who(client));
        let read = &mut self.read[user as usize];
        // Its connection has ended in the same turn.
        let Some(sent) = self.sent[client as usize] else { return };
        match call {
            InboxCall::Received { offset } => {
                self.words += 1;
                if self.errs == Errs::LosesWords && self.words.is_multiple_of(2) {
                    return;
                }
                assert!(offset <= sent, "it was sent what it says that it has received");
                let floor = &mut self.floors[client as usize];
                *floor = (*floor).max(offset);
                self.windows[client as usize] = WINDOWS[1];
                self.inbox.acknowledged(client, id, self.now_ns, &mut self.interval, &mut self.faults);
                self.send(client);
            }
            InboxCall::Read { offset } => {
                *read = if self.errs == Errs::ForgetsRead { *read } else { offset.max(*read) };
                self.inbox.acknowledged(client, id, self.now_ns, &mut self.interval, &mut self.faults);
            }
            InboxCall::Unread => {
                let (offset, read) = (BASE + self.streams[channel as usize].len() as u64, *read);
                let unread = offset - read + u64::from(self.errs == Errs::Miscounts && self.now_ns > 0);
                let told = InboxUnread { offset, read, unread };
                self.inbox.unread(client, id, told, self.now_ns, &mut self.faults);
            }
            InboxCall::Positions => {
                let floors = self.floors.chunks(2).nth(user as usize).into_iter().flatten();
                let position = InboxPosition {
                    user: "own".into(),
                    received: floors.copied().max().unwrap_or_default(),
                    read: *read,
                };
                self.inbox.position(client, id, &[position], "own", &mut self.faults);
            }
        }
    }

    fn run(&mut self, until_ns: u64) {
        while self.now_ns < until_ns {
            self.now_ns += MS;
            self.act_all();
        }
    }

    /// The end of the load, and what was wrong in it.
    fn finish(mut self) -> Vec<(Fault, u64)> {
        let end_ns = self.now_ns + 1;
        self.inbox.end(end_ns, end_ns);
        self.run(self.now_ns + MS);
        assert_eq!(self.inbox.behind(), 0);
        self.inbox.finish(&mut self.faults);
        self.faults.counts().collect()
    }

    fn count(&self, count: Count) -> u64 {
        self.interval.counts().find(|(counted, _)| *counted == count).map_or(0, |(_, number)| number)
    }
}

/// A second with a server that errs so.
fn faults(errs: Errs) -> Vec<(Fault, u64)> {
    let mut world = World::new(PLAN, errs);
    world.run(1000 * MS);
    world.finish()
}

#[test]
fn an_honest_server_has_no_fault_and_some_of_everything() {
    let mut world = World::new(PLAN, Errs::Never);
    world.run(1000 * MS);
    assert!(world.inbox.under_way() > 0, "somebody is away");
    for count in [Count::Drops, Count::Recovered] {
        assert!(world.count(count) > 20, "{count:?}: {}", world.count(count));
    }
    assert_eq!((world.count(Count::Redelivered), world.count(Count::NotDone)), (0, 0));
    for measure in [Measure::Delivery, Measure::Reply, Measure::Received, Measure::Connect] {
        assert!(world.interval.histogram(measure).len() > 20, "{measure:?}");
    }
    assert_eq!(world.finish(), []);
}

#[test]
fn what_comes_again_since_no_answer_came_is_counted_and_no_fault() {
    let mut world = World::new(PLAN, Errs::LosesWords);
    world.run(1000 * MS);
    assert!(world.count(Count::Redelivered) > 5, "{}", world.count(Count::Redelivered));
    assert!(world.faults.is_empty(), "{:?}", world.faults);
}

#[test]
fn each_way_in_which_a_server_errs_shows() {
    let calm = plan::Inbox { drops_per_s: 0.0, ..PLAN };
    for (errs, fault) in [
        (Errs::Forgets, Fault::Lost),
        (Errs::Repeats, Fault::Duplicate),
        (Errs::Delays, Fault::OutOfOrder),
        (Errs::ForgetsTaken, Fault::Lost),
    ] {
        let mut world = World::new(calm, errs);
        world.run(1000 * MS);
        let found = world.finish();
        assert!(matches!(found[..], [(found, 1)] if found == fault), "{errs:?}: {found:?}");
    }
    for errs in [Errs::GoesBack, Errs::Miscounts, Errs::ForgetsRead] {
        let found = faults(errs);
        assert!(found.iter().any(|(found, _)| *found == Fault::Position), "{errs:?}: {found:?}");
    }
    let found = faults(Errs::PassesOver);
    assert!(found.iter().any(|(found, _)| *found == Fault::Position), "{found:?}");
}

#[test]
fn a_device_that_is_cut_off_comes_back_where_that_is_expected_and_not_elsewhere() {
    for restarts in [false, true] {
        let mut world = World::new(plan::Inbox { restarts, drops_per_s: 0.0, ..PLAN }, Errs::Never);
        world.run(100 * MS);
        let publisher = PLAN.all_devices();
        assert_eq!([3, publisher].map(|client| world.inbox.lost(client, world.now_ns)), [restarts; 2]);
        world.sent[3] = None;
        world.run(150 * MS);
        assert!(world.count(Count::NotDone) > 0, "nobody publishes to channel 0");
        world.run(400 * MS);
        assert_eq!(world.inbox.is_in(3), restarts);
        assert_eq!(world.finish(), []);
    }
}

#[test]
fn what_an_earlier_run_left_is_received_and_is_no_message_of_this_one() {
    let mut world = World::new(plan::Inbox { drops_per_s: 0.0, ..PLAN }, Errs::Never);
    let mut inbox = Inbox::new(PLAN);
    let (id, _) = inbox.come(0).unwrap();
    let joined = Joined { offset: BASE, epoch: "life", is_recoverable: true, is_recovered: true };
    inbox.joined(0, id, joined, 0, &mut world.faults);
    let Some(Action::Call { id, call: InboxCall::Unread, .. }) = inbox.take(0, &mut world.interval) else { panic!() };
    for offset in [BASE + 1, BASE + 2] {
        let publication = Publication { offset, attempt: 1, message: Err(crate::payload::Damaged) };
        inbox.heard(0, publication, 0, &mut world.interval, &mut world.faults);
    }
    inbox.unread(0, id, InboxUnread { offset: BASE + 2, read: 3, unread: BASE - 1 }, 0, &mut world.faults);
    assert!(inbox.is_in(0) && world.faults.is_empty(), "{:?}", world.faults);
}

#[test]
fn a_channel_that_keeps_nothing_is_told_to_be_so() {
    let (mut inbox, mut faults) = (Inbox::new(PLAN), Faults::default());
    let (id, _) = inbox.come(0).unwrap();
    let joined = Joined { offset: 0, epoch: "", is_recoverable: false, is_recovered: false };
    inbox.joined(0, id, joined, 0, &mut faults);
    assert!(faults.examples[0].contains("cannot recover"), "{faults:?}");
}
