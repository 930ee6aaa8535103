//! A chat against a server that is a list of what it was told, and may be told to err.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;
use crate::fault::{Fault, Faults};
use crate::plan::Load;
use crate::protocol::Joined;

const MS: u64 = 1_000_000;
/// What the streams hold already when the day begins.
const BASE: u64 = 7;

const DAY: Day = Day {
    rooms: 5,
    seed: 1,
    messages_per_s: 200.0,
    direct_share: 0.3,
    typing_share: 0.5,
    typing_lead_ns: 20 * MS,
    presence_per_s: 20.0,
    moves_per_s: 40.0,
    drops_per_s: 30.0,
    pause_ns: 100 * MS,
    expect_recovery: true,
    restarts: false,
};

/// Twelve users, each in three rooms.
fn plan(day: Day) -> Plan {
    let rooms = |user: u32| (0..3).map(move |slot| (user + slot) % day.rooms);
    let typing = move |user| rooms(user).filter_map(move |room| day.typing_in(room));
    let channels = |user| rooms(user).chain(typing(user)).chain([day.own(user)]).collect();
    Plan { clients: (0..12).map(channels).collect(), channels: day.own(12), streams: Vec::new(), load: Load::Chat(day) }
}

struct World {
    chat: Chat,
    streams: Vec<Vec<Stamp>>,
    subscribers: Vec<BTreeSet<u32>>,
    interval: Interval,
    faults: Faults,
    now_ns: u64,
    /// How the server errs.
    errs: Errs,
    recoveries: u64,
}

#[derive(Clone, Copy, Debug, Default, PartialEq)]
enum Errs {
    #[default]
    Never,
    /// Does not send the sixth message of room 0 to those who listen.
    ForgetsLive,
    /// Leaves the last message out of its tenth recovery that has any.
    ForgetsRecovered,
    /// Brings the first message of that recovery twice.
    RepeatsRecovered,
    /// Takes the sixth message of room 0 and throws it away.
    ForgetsTaken,
    /// Recovers nothing, and says so.
    RecoversNothing,
}

impl World {
    fn new(day: Day, errs: Errs) -> Self {
        let plan = plan(day);
        let mut world = Self {
            chat: Chat::new(&plan, day),
            streams: vec![Vec::new(); plan.channels as usize],
            subscribers: vec![BTreeSet::new(); plan.channels as usize],
            interval: Interval::default(),
            faults: Faults::default(),
            now_ns: 0,
            errs,
            recoveries: 0,
        };
        (0..12).for_each(|user| world.come(user, 0));
        world.chat.begin(0);
        world
    }

    fn come(&mut self, user: u32, due_ns: u64) {
        let entries =
            self.chat.come(user).map(|entry| (entry.id, entry.channel, entry.since.map(|(offset, _)| offset)));
        for (id, channel, since) in entries.collect::<Vec<_>>() {
            self.subscribe(user, id, channel, since);
        }
        self.chat.arrived(user, due_ns, self.now_ns, &mut self.interval);
    }

    fn subscribe(&mut self, user: u32, id: u32, channel: u32, since: Option<u64>) {
        self.subscribers[channel as usize].insert(user);
        let top = BASE + self.streams[channel as usize].len() as u64;
        let is_recovered = since.is_some() && self.errs != Errs::RecoversNothing;
        let from = since.filter(|_| is_recovered).unwrap_or(top);
        let mut offsets: Vec<_> = (from + 1..=top).collect();
        if !offsets.is_empty() {
            self.recoveries += 1;
            match self.errs {
                Errs::ForgetsRecovered if self.recoveries == 10 => drop(offsets.pop()),
                Errs::RepeatsRecovered if self.recoveries == 10 => offsets.insert(0, from + 1),
                _ => {}
            }
        }
        let joined = Joined { offset: from, epoch: "life", is_recoverable: true, is_recovered };
        self.chat.joined(user, id, joined, self.now_ns, &mut self.interval, &mut self.faults);
        for offset in offsets {
            let stamp = self.streams[channel as usize][(offset - BASE - 1) as usize];
            self.chat.recovered(user, offset, Ok(stamp), &mut self.interval, &mut self.faults);
        }
    }

    fn publish(&mut self, user: u32, id: u32, stamp: Stamp) {
        let channel = stamp.stream;
        let is_victim = channel == 0 && stamp.sequence == 5;
        self.chat.acknowledged(user, id, self.now_ns, &mut self.interval, &mut self.faults);
        if is_victim && self.errs == Errs::ForgetsTaken {
            return;
        }
        self.streams[channel as usize].push(stamp);
        if is_victim && self.errs == Errs::ForgetsLive {
            return;
        }
        let offset = BASE + self.streams[channel as usize].len() as u64;
        for subscriber in self.subscribers[channel as usize].clone() {
            self.hear(subscriber, channel, offset, stamp);
        }
    }

    fn hear(&mut self, user: u32, channel: u32, offset: u64, stamp: Stamp) {
        let publication = Publication { channel, offset, message: Ok(stamp) };
        self.chat.heard(user, publication, self.now_ns, &mut self.interval, &mut self.faults);
    }

    fn act(&mut self, action: Action) {
        match action {
            Action::Publish { user, id, stamp, .. } => self.publish(user, id, stamp),
            Action::Ask { user, id, channel } => {
                let clients = self.subscribers[channel as usize].len();
                self.chat.present(user, id, clients, self.now_ns, &mut self.interval, &mut self.faults);
            }
            Action::Join { user, id, channel } => {
                let since = self.chat.since(user, channel).map(|(offset, _)| offset);
                self.subscribe(user, id, channel, since);
            }
            Action::Leave { user, id, channel } => {
                self.subscribers[channel as usize].remove(&user);
                self.chat.left(user, id, &mut self.faults);
            }
            Action::Drop { user } => self.subscribers.iter_mut().for_each(|who| who.retain(|other| *other != user)),
            Action::Return { user, due_ns } => self.come(user, due_ns),
        }
    }

    fn run(&mut self, until_ns: u64) {
        while self.now_ns < until_ns {
            self.now_ns += MS;
            while let Some(action) = self.chat.take(self.now_ns, &mut self.interval) {
                self.act(action);
            }
        }
    }

    /// The end of the day, and what was wrong in it.
    fn finish(mut self) -> Vec<(Fault, u64)> {
        self.chat.end(self.now_ns + 1);
        self.run(self.now_ns + MS);
        assert_eq!(self.chat.behind(), 0);
        self.chat.finish(&mut self.faults);
        self.faults.counts().collect()
    }

    fn count(&self, count: Count) -> u64 {
        self.interval.counts().find(|(counted, _)| *counted == count).map_or(0, |(_, number)| number)
    }
}

/// Two seconds with a server that errs so.
fn day(errs: Errs) -> Vec<(Fault, u64)> {
    let mut world = World::new(DAY, errs);
    world.run(2000 * MS);
    assert!(world.chat.under_way() > 0, "somebody is away");
    world.finish()
}

#[test]
fn a_day_with_an_honest_server_has_no_fault_and_some_of_everything() {
    let mut world = World::new(DAY, Errs::Never);
    world.run(2000 * MS);
    for count in [Count::InRooms, Count::Direct, Count::Typing, Count::Moves, Count::Drops, Count::Recovered] {
        assert!(world.count(count) > 20, "{count:?}: {}", world.count(count));
    }
    assert_eq!((world.count(Count::Gaps), world.count(Count::NotDone)), (0, 0));
    for measure in [Measure::Delivery, Measure::Reply, Measure::Join, Measure::Presence, Measure::Connect] {
        assert!(world.interval.histogram(measure).len() > 20, "{measure:?}");
    }
    assert_eq!(world.finish(), []);
}

#[test]
fn who_comes_back_when_the_day_ends_is_not_measured() {
    let mut world = World::new(DAY, Errs::Never);
    world.run(500 * MS);
    let connects = |world: &World| world.interval.histogram(Measure::Connect).len();
    let (before, away) = (connects(&world), world.chat.away.len());
    world.chat.end(world.now_ns + 1);
    world.run(world.now_ns + MS);
    assert!(away > 0 && world.chat.away.len() == 0 && world.chat.under_way() == 0);
    assert_eq!(connects(&world), before);
}

#[test]
fn a_message_that_its_listeners_do_not_get_is_lost_for_each_of_them() {
    let faults = day(Errs::ForgetsLive);
    assert!(matches!(faults[..], [(Fault::Lost, 2..12)]), "{faults:?}");
}

#[test]
fn a_recovery_that_lacks_a_message_is_a_loss() {
    assert_eq!(day(Errs::ForgetsRecovered), [(Fault::Lost, 1)]);
}

#[test]
fn a_recovery_that_brings_a_message_twice_is_a_duplicate() {
    assert_eq!(day(Errs::RepeatsRecovered), [(Fault::Duplicate, 1)]);
}

#[test]
fn a_message_that_was_taken_and_thrown_away_is_lost_though_no_offset_is_missing() {
    assert_eq!(day(Errs::ForgetsTaken), [(Fault::Lost, 1)]);
}

#[test]
fn an_honest_gap_is_counted_and_a_fault_only_where_recovery_is_expected() {
    let mut world = World::new(Day { expect_recovery: false, ..DAY }, Errs::RecoversNothing);
    world.run(2000 * MS);
    assert!(world.count(Count::Gaps) > 20);
    assert_eq!(world.finish(), []);
    let faults = day(Errs::RecoversNothing);
    assert!(matches!(faults[..], [(Fault::Unrecovered, 20..)]), "{faults:?}");
}

#[test]
fn a_channel_that_keeps_nothing_is_told_to_be_so() {
    let mut world = World::new(DAY, Errs::Never);
    world.chat.users[0].lose_connection(Presence::Away);
    let entries: Vec<_> = world.chat.come(0).map(|entry| entry.id).collect();
    let joined = Joined { offset: 0, epoch: "", is_recoverable: false, is_recovered: false };
    world.chat.joined(0, entries[0], joined, 0, &mut world.interval, &mut world.faults);
    assert!(world.faults.examples[0].contains("cannot recover"), "{:?}", world.faults);
}

/// A server that may end what it likes.
const DISTURBED: Day = Day { restarts: true, ..DAY };

#[test]
fn who_is_cut_off_by_a_server_that_may_do_so_comes_back_and_misses_nothing() {
    let mut world = World::new(DISTURBED, Errs::Never);
    for step in 1..40 {
        world.run(step * 50 * MS);
        let is_here = |user: &u32| world.chat.users[*user as usize].presence == Presence::Here;
        let user = (step as u32..).map(|user| user % 12).find(is_here).unwrap();
        if step % 2 == 0 {
            world.act(Action::Drop { user });
            assert!(world.chat.lost(user, world.now_ns, &mut world.interval));
        } else {
            world.subscribers[user as usize % 5].remove(&user);
            world.chat.unsubscribed(user, user % 5, &mut world.interval).unwrap();
        }
    }
    for count in [Count::Ended, Count::Unsubscribed, Count::Recovered] {
        assert!(world.count(count) > 5, "{count:?}: {}", world.count(count));
    }
    assert!(world.interval.histogram(Measure::Reconnect).min() >= DAY.pause_ns / 2, "nobody comes at once");
    assert_eq!(world.finish(), []);
}

#[test]
fn what_is_refused_for_a_while_is_counted_and_what_is_refused_for_good_is_a_fault() {
    for (is_temporary, restarts) in [(true, true), (true, false), (false, true)] {
        let mut world = World::new(Day { restarts, ..DAY }, Errs::Never);
        let id = world.chat.users[0].ask(Asked::Publish { channel: 0, sequence: 0, due_ns: 0 });
        world.chat.ledgers[0].send(1);
        let refusal = Refusal { why: "100: internal server error", is_temporary };
        let World { chat, interval, faults, .. } = &mut world;
        chat.refused(0, id, refusal, MS, interval, faults);
        let is_excused = is_temporary && restarts;
        assert_eq!(
            (world.count(Count::Refused), world.faults.count(Fault::Refused)),
            match is_excused {
                true => (1, 0),
                false => (0, 1),
            }
        );
    }
}

#[test]
fn a_subscription_that_is_refused_for_a_while_is_made_again_with_a_new_connection() {
    let mut world = World::new(DISTURBED, Errs::Never);
    assert_eq!(world.chat.unsubscribed(3, 3, &mut world.interval), Some(true));
    let Some(Action::Join { user: 3, id, channel: 3 }) = world.chat.actions.pop_back() else { panic!("it subscribes") };
    let refusal = Refusal { why: "100: internal server error", is_temporary: true };
    let World { chat, interval, faults, .. } = &mut world;
    chat.refused(3, id, refusal, MS, interval, faults);
    assert_eq!(world.chat.actions.back(), Some(&Action::Drop { user: 3 }));
    assert!(world.chat.is_away(3), "what it is still answered is of no interest");
    world.run(1000 * MS);
    assert_eq!(world.interval.histogram(Measure::Reconnect).len(), 1);
    assert_eq!(world.finish(), []);
}

/// A user is told the life of room 0 anew, at this offset.
fn tell(world: &mut World, user: u32, epoch: &str, offset: u64) {
    world.chat.unsubscribed(user, 0, &mut world.interval);
    let Some(Action::Join { id, .. }) = world.chat.actions.pop_back() else { panic!("it subscribes") };
    let joined = Joined { offset, epoch, is_recoverable: true, is_recovered: false };
    let World { chat, interval, faults, .. } = world;
    chat.joined(user, id, joined, MS, interval, faults);
}

#[test]
fn who_is_never_told_that_a_channel_has_begun_a_new_life_is_left_behind() {
    let quiet = Day {
        messages_per_s: 0.0,
        presence_per_s: 0.0,
        moves_per_s: 0.0,
        drops_per_s: 0.0,
        expect_recovery: false,
        ..DISTURBED
    };
    let mut world = World::new(quiet, Errs::Never);
    let listeners: Vec<_> = world.subscribers[0].iter().copied().collect();
    let stamp = Stamp { stream: 0, sequence: world.chat.ledgers[0].send(1), due_ns: 0 };
    tell(&mut world, listeners[0], "another life", 0);
    world.hear(listeners[0], 0, 1, stamp);
    // The others hear the same message, and an offset that is another's there, in the life before.
    world.hear(listeners[1], 0, BASE + 1, stamp);
    assert!(world.faults.is_empty() && world.chat.under_way() > 0, "{:?}", world.faults);
    listeners[1..listeners.len() - 1].iter().for_each(|user| tell(&mut world, *user, "another life", 1));
    assert_eq!(world.finish(), [(Fault::Split, 1)]);
}

#[test]
fn subscribers_who_come_to_different_lives_of_a_channel_come_to_different_servers() {
    let mut world = World::new(DAY, Errs::Never);
    world.chat.agenda = None;
    world.chat.users[0].lose_connection(Presence::Away);
    let ids: Vec<_> = world.chat.come(0).map(|entry| entry.id).collect();
    let joined = Joined { offset: 0, epoch: "another life", is_recoverable: true, is_recovered: false };
    let World { chat, interval, faults, .. } = &mut world;
    chat.joined(0, ids[0], joined, 0, interval, faults);
    assert_eq!(world.faults.count(Fault::Split), 1, "{:?}", world.faults);
}

/// A world where all that happens is that somebody has asked to leave one room and to enter another.
struct Moving {
    world: World,
    user: u32,
    from: u32,
    to: u32,
    leave: u32,
    join: u32,
}

impl Moving {
    fn new() -> Self {
        let quiet = Day { messages_per_s: 0.0, presence_per_s: 0.0, moves_per_s: 1.0, drops_per_s: 0.0, ..DAY };
        let mut world = World::new(quiet, Errs::Never);
        let actions: Vec<_> = std::iter::from_fn(|| world.chat.take(0, &mut world.interval)).collect();
        let [Action::Leave { user, id: leave, channel: from }, Action::Join { id: join, channel: to, .. }, ..] =
            actions[..]
        else {
            panic!("{actions:?}");
        };
        Self { world, user, from, to, leave, join }
    }

    fn send(&mut self, channel: u32) -> Stamp {
        Stamp { stream: channel, sequence: self.world.chat.ledgers[channel as usize].send(1), due_ns: 0 }
    }

    /// The user who moves hears the message in its channel.
    fn hear(&mut self, offset: u64, stamp: Stamp) {
        self.world.hear(self.user, stamp.stream, offset, stamp);
    }

    fn count(&self, fault: Fault) -> u64 {
        self.world.faults.count(fault)
    }
}

#[test]
fn between_an_unsubscribe_and_its_reply_messages_may_come_and_after_it_not() {
    let mut moving = Moving::new();
    let stamp = moving.send(moving.from);
    moving.hear(BASE + 1, stamp);
    assert!(moving.world.faults.is_empty(), "{:?}", moving.world.faults);
    moving.world.chat.left(moving.user, moving.leave, &mut moving.world.faults);
    moving.hear(BASE + 2, stamp);
    assert_eq!(moving.world.faults.counts().collect::<Vec<_>>(), [(Fault::Misdelivered, 1)]);
}

#[test]
fn who_joins_late_hears_all_from_where_the_reply_says_and_nothing_before() {
    let mut moving = Moving::new();
    let stamps = [0; 3].map(|_| moving.send(moving.to));
    moving.hear(BASE + 1, stamps[0]);
    assert_eq!(moving.count(Fault::Misdelivered), 1, "the reply has not come");
    let joined = Joined { offset: BASE + 1, epoch: "life", is_recoverable: true, is_recovered: false };
    let World { chat, interval, faults, .. } = &mut moving.world;
    chat.joined(moving.user, moving.join, joined, MS, interval, faults);
    moving.hear(BASE + 1, stamps[0]);
    assert_eq!(moving.count(Fault::Duplicate), 1, "the reply says that it was before");
    moving.hear(BASE + 3, stamps[2]);
    assert_eq!(moving.world.chat.missing.count(), 1);
    moving.hear(BASE + 2, stamps[1]);
    assert_eq!((moving.world.chat.missing.count(), moving.count(Fault::OutOfOrder)), (0, 1));
}

#[test]
fn an_answer_to_another_command_is_none() {
    let mut moving = Moving::new();
    let World { chat, interval, faults, .. } = &mut moving.world;
    chat.acknowledged(moving.user, moving.join, MS, interval, faults);
    chat.acknowledged(moving.user, 7, MS, interval, faults);
    assert_eq!(moving.count(Fault::Unasked), 2);
}

#[test]
fn what_a_lost_connection_had_sent_may_have_been_taken_or_not() {
    for is_taken in [false, true] {
        let mut world =
            World::new(Day { messages_per_s: 1.0, direct_share: 0.0, typing_share: 0.0, ..DAY }, Errs::Never);
        let action = std::iter::from_fn(|| world.chat.take(0, &mut world.interval));
        let is_publish = |action: &Action| matches!(action, Action::Publish { .. });
        let Some(Action::Publish { user, stamp, .. }) = action.collect::<Vec<_>>().into_iter().find(is_publish) else {
            panic!("a message is due at once");
        };
        world.chat.users[user as usize].lose_connection(Presence::Away);
        if is_taken {
            let others = world.subscribers[stamp.stream as usize].clone().into_iter().filter(|other| *other != user);
            others.for_each(|other| world.hear(other, stamp.stream, BASE + 1, stamp));
        }
        let mut faults = Faults::default();
        world.chat.users.iter_mut().for_each(|user| user.commands = Default::default());
        world.chat.finish(&mut faults);
        assert!(faults.is_empty(), "{is_taken}: {faults:?}");
    }
}

#[test]
fn the_same_seed_is_the_same_day() {
    let actions = |seed| {
        let mut world = World::new(Day { seed, ..DAY }, Errs::Never);
        let mut actions = Vec::new();
        while world.now_ns < 500 * MS {
            world.now_ns += MS;
            while let Some(action) = world.chat.take(world.now_ns, &mut world.interval) {
                actions.push(action);
                world.act(action);
            }
        }
        actions
    };
    assert_eq!(actions(1), actions(1));
    assert_ne!(actions(1), actions(2));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    /// Whatever is drawn, nobody blames a server that does everything right.
    #[test]
    fn no_seed_finds_fault_with_an_honest_server(seed in any::<u64>(), pause_ms in 0..400u64, direct_share in 0.0..1.0) {
        let mut world = World::new(Day { seed, pause_ns: pause_ms * MS, direct_share, ..DAY }, Errs::Never);
        world.run(700 * MS);
        prop_assert_eq!(world.finish(), []);
    }
}
