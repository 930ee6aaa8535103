//! This node's sessions among their users' on all nodes: each asks for its place when it connects, and is taken off when it has
//! ended.
//!
//! What is wanted of a session and what Redis has of it are brought together by one call at a time; what failed is tried again.
//! While Redis is away, or does not answer in time, the node's own roster decides alone: a connect never waits for long. The
//! sessions are put when Redis is back, and who has no place then is told to go.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval};

use super::clock::Clock;
use super::complaints::Complaints;
use super::misses::Misses;
use super::told::{Teller, Told};
use crate::broker::bridge::{Answer, Entrance, Ticket};
use crate::cluster::redis::fault::Fault;
use crate::cluster::redis::functions::Functions;
use crate::cluster::redis::keys::Keys;
use crate::cluster::redis::leases::Leases;
use crate::cluster::redis::sessions::{Enrolment, Place};
use crate::limits::{ENROL_WAIT_MS, REGISTER_CALLS_MAX, SESSION_RENEW_MS, SESSIONS_PUT_AT_ONCE, USERS_PER_CALL};
use crate::model::ClientId;
use crate::model::refusal::Disconnect;
use crate::shard::bridge::BridgeEnd;

/// How often it is looked for what is late, what is to be tried again, and what is to be renewed.
const PAUSE: Duration = Duration::from_millis(100);

/// After a call that failed for want of Redis, before the next is made.
const PAUSE_AWAY: Duration = Duration::from_secs(1);

/// What the register hears.
#[derive(Debug)]
pub(super) enum Input {
    /// A shard's session asks for its place.
    Enrol(u16, Box<Entrance>),
    /// What the application says of a session from now on: whose, which, and that.
    Note(Arc<str>, ClientId, Bytes),
    /// A session has ended: whose, and which.
    Discharge(Arc<str>, ClientId),
    /// The node goes on as the incarnation that makes these calls.
    Began(Arc<Functions>),
    /// The node acts dead.
    Ended,
}

/// A session, and how far Redis knows of it.
#[derive(Debug)]
struct Entry {
    entrance: Arc<Entrance>,
    /// It has begun then at the latest.
    since: Instant,
    /// Since when it has its place by the clock of Redis, Unix milliseconds, once it had one.
    placed_unix_ms: Option<u64>,
    /// Who waits for the first answer.
    waits: Option<(u16, Ticket)>,
    /// What the application says of it.
    note: Bytes,
    /// It has not ended.
    is_wanted: bool,
    /// Redis has it.
    is_put: bool,
    /// Redis has the note as it is now, or a call brings it there.
    is_noted: bool,
    /// A call is on its way.
    is_busy: bool,
    /// Since it began something may have been missed.
    is_stale: bool,
    /// It stands among those that are behind.
    is_behind: bool,
}

impl Entry {
    /// Whether Redis has all that is wanted of it, and nothing else.
    fn is_settled(&self) -> bool {
        self.is_wanted && self.is_put && self.is_noted
    }
}

/// What has become of a session by a call.
enum Outcome {
    /// Since when by the clock of Redis, Unix milliseconds.
    Placed(u64),
    Refused(Disconnect),
    Noted,
    /// There was no such session, of which something was to be said.
    Missing,
    Removed,
}

/// What a call has brought.
enum Done {
    /// What became of a session.
    Settled { incarnation: u64, bucket: u16, client: ClientId, result: Result<Outcome, Fault> },
    /// Sessions of these users were renewed; those that are gone say false.
    Renewed { incarnation: u64, bucket: u16, users: Vec<Arc<str>>, live: Result<Vec<bool>, Fault> },
}

/// See the module.
pub(super) struct Register {
    keys: Keys,
    ends: Arc<[BridgeEnd]>,
    leases: watch::Receiver<Option<Leases>>,
    /// The clock of Redis.
    clock: Clock,
    told: Teller,
    /// Who is to be told to go, when there is room for it again.
    untold: VecDeque<Told>,
    missed: Arc<Misses>,
    complaints: Arc<Complaints>,
    functions: Option<Arc<Functions>>,
    /// By bucket.
    entries: Vec<HashMap<ClientId, Entry>>,
    /// What is to be brought together again, when there is room for it.
    behind: VecDeque<(u16, ClientId)>,
    /// Who waits for an answer, the longest first.
    waiting: VecDeque<(Instant, u16, ClientId)>,
    calls: JoinSet<Done>,
    /// When a call failed for want of Redis, until one succeeds.
    away_since: Option<Instant>,
    /// Up to where the sessions of buckets were renewed in this round.
    renewed: u16,
    round: Instant,
}

impl Register {
    /// An empty register. Who is told to go for another node's doing is told by `told`; in buckets of which something was
    /// `missed` sessions are put anew.
    pub(super) fn new(
        keys: Keys,
        ends: Arc<[BridgeEnd]>,
        leases: watch::Receiver<Option<Leases>>,
        told: Teller,
        missed: Arc<Misses>,
        complaints: Arc<Complaints>,
    ) -> Self {
        let entries = (0..keys.buckets()).map(|_| HashMap::new()).collect();
        Self {
            keys,
            ends,
            leases,
            clock: Clock::new(),
            told,
            untold: VecDeque::new(),
            missed,
            complaints,
            functions: None,
            entries,
            behind: VecDeque::new(),
            waiting: VecDeque::new(),
            calls: JoinSet::new(),
            away_since: None,
            renewed: 0,
            round: Instant::now(),
        }
    }

    /// Serves until nobody asks any more.
    pub(super) async fn run(mut self, mut inputs: mpsc::Receiver<Input>) {
        let missed = self.missed.clone();
        let mut timer = interval(PAUSE);
        timer.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                input = inputs.recv() => match input {
                    Some(input) => self.take(input),
                    None => return,
                },
                Some(done) = self.calls.join_next() => match done {
                    Ok(done) => self.done(done),
                    Err(panicked) => std::panic::resume_unwind(panicked.into_panic()),
                },
                Ok(()) = self.leases.changed() => self.set_clock(),
                bucket = missed.next() => self.missed(bucket),
                _ = timer.tick() => {
                    self.tell_untold();
                    self.answer_late(Instant::now());
                    self.renew();
                }
            }
            self.catch_up();
        }
    }

    fn set_clock(&mut self) {
        if let Some(leases) = &*self.leases.borrow_and_update() {
            self.clock.told(leases.now_ms, leases.said_between);
        }
    }

    fn take(&mut self, input: Input) {
        match input {
            Input::Enrol(shard, entrance) => self.enrol(shard, *entrance),
            Input::Note(user, client, note) => {
                let bucket = self.keys.bucket_of(&user);
                if let Some(entry) = self.entries[usize::from(bucket)].get_mut(&client) {
                    (entry.note, entry.is_noted) = (note, false);
                    self.settle_in_turn(bucket, client);
                }
            }
            Input::Discharge(user, client) => {
                let bucket = self.keys.bucket_of(&user);
                if let Some(entry) = self.entries[usize::from(bucket)].get_mut(&client) {
                    (entry.is_wanted, entry.waits) = (false, None);
                    self.settle_in_turn(bucket, client);
                }
            }
            Input::Began(functions) => {
                self.set_clock();
                (self.functions, self.away_since) = (Some(functions), None);
                self.put_all_anew();
            }
            Input::Ended => {
                self.functions = None;
                // All is when the node is back.
                self.behind.clear();
            }
        }
    }

    fn enrol(&mut self, shard: u16, entrance: Entrance) {
        let (bucket, client, now) = (self.keys.bucket_of(&entrance.user), entrance.client, Instant::now());
        let waits = Some((shard, entrance.ticket));
        let until = now + Duration::from_millis(ENROL_WAIT_MS);
        let entry = Entry {
            entrance: Arc::new(entrance),
            // Redis says when it has its place: of sessions that come one after the other it knows the order, nodes do not.
            since: until,
            placed_unix_ms: None,
            waits,
            note: Bytes::new(),
            is_wanted: true,
            is_put: false,
            is_noted: true,
            is_busy: false,
            is_stale: false,
            is_behind: false,
        };
        self.entries[usize::from(bucket)].insert(client, entry);
        if self.functions.is_none() || self.away_since.is_some() {
            self.answer(bucket, client, Ok(()));
            self.fall_behind(bucket, client);
        } else {
            self.waiting.push_back((until, bucket, client));
            self.settle_in_turn(bucket, client);
        }
    }

    /// Makes the next call for a session at once, or when there is room for it.
    fn settle_in_turn(&mut self, bucket: u16, client: ClientId) {
        match self.calls.len() < REGISTER_CALLS_MAX {
            true => self.settle(bucket, client),
            false => self.fall_behind(bucket, client),
        }
    }

    /// It is brought together again when there is room for it.
    fn fall_behind(&mut self, bucket: u16, client: ClientId) {
        if self.functions.is_some()
            && let Some(entry) = self.entries[usize::from(bucket)].get_mut(&client)
            && !std::mem::replace(&mut entry.is_behind, true)
        {
            self.behind.push_back((bucket, client));
        }
    }

    /// What Redis has of a bucket's sessions is not known any more: who has its place keeps it when it is put again.
    fn missed(&mut self, bucket: u16) {
        for (client, entry) in &mut self.entries[usize::from(bucket)] {
            entry.is_stale = entry.is_busy;
            // What is not put is behind already.
            if std::mem::take(&mut entry.is_put) && !std::mem::replace(&mut entry.is_behind, true) {
                self.behind.push_back((bucket, *client));
            }
        }
    }

    /// Redis has none of the sessions any more, as far as this incarnation goes.
    fn put_all_anew(&mut self) {
        self.behind.clear();
        for (bucket, entries) in (0..).zip(&mut self.entries) {
            for (client, entry) in entries {
                (entry.is_stale, entry.is_put, entry.is_behind) = (entry.is_busy, false, true);
                self.behind.push_back((bucket, *client));
            }
        }
    }

    /// Makes the next call for a session, if it needs one and none is on its way.
    fn settle(&mut self, bucket: u16, client: ClientId) {
        let Some(entry) = self.entries[usize::from(bucket)].get_mut(&client) else { return };
        if entry.is_busy || entry.is_settled() {
            return;
        }
        let Some(functions) = self.functions.clone() else {
            // What a dead incarnation has put is another's to clear away.
            if !entry.is_wanted {
                self.entries[usize::from(bucket)].remove(&client);
            }
            return;
        };
        if !entry.is_wanted && !entry.is_put {
            self.entries[usize::from(bucket)].remove(&client);
            return;
        }
        (entry.is_busy, entry.is_stale) = (true, false);
        let (entrance, since, note) = (entry.entrance.clone(), entry.since, entry.note.clone());
        let placed_unix_ms = entry.placed_unix_ms;
        let (is_wanted, is_put) = (entry.is_wanted, entry.is_put);
        entry.is_noted |= is_put;
        let since_unix_ms = placed_unix_ms.unwrap_or_else(|| self.clock.latest(since));
        let leases = self.leases.clone();
        self.calls.spawn(async move {
            let incarnation = functions.incarnation().number;
            let result = match (is_wanted, is_put) {
                (false, _) => functions.session_remove(&entrance.user, client).await.map(|()| Outcome::Removed),
                (true, false) => put(&functions, &entrance, since_unix_ms, &leases).await,
                (true, true) => {
                    let is_there = functions.session_note(&entrance.user, client, &note).await;
                    is_there.map(|is_there| if is_there { Outcome::Noted } else { Outcome::Missing })
                }
            };
            Done::Settled { incarnation, bucket, client, result }
        });
    }

    fn done(&mut self, done: Done) {
        let is_of_now = |incarnation| {
            self.functions.as_ref().is_some_and(|functions| functions.incarnation().number == incarnation)
        };
        match done {
            Done::Settled { incarnation, bucket, client, result } => {
                let counts = is_of_now(incarnation);
                self.settled(bucket, client, result, counts);
            }
            Done::Renewed { incarnation, bucket, users, live: Ok(live) } if is_of_now(incarnation) => {
                let gone = users.iter().zip(live).filter(|(_, lives)| !lives).map(|(user, _)| user);
                for user in gone {
                    let entries = self.entries[usize::from(bucket)].iter_mut();
                    for (client, entry) in entries.filter(|(_, entry)| entry.entrance.user == *user) {
                        if std::mem::take(&mut entry.is_put) && !std::mem::replace(&mut entry.is_behind, true) {
                            self.behind.push_back((bucket, *client));
                        }
                    }
                }
            }
            // The next round tries again.
            Done::Renewed { .. } => {}
        }
    }

    fn settled(&mut self, bucket: u16, client: ClientId, result: Result<Outcome, Fault>, counts: bool) {
        let Some(entry) = self.entries[usize::from(bucket)].get_mut(&client) else { return };
        entry.is_busy = false;
        if result.is_ok() {
            self.away_since = None;
        }
        match result {
            Ok(Outcome::Refused(why)) => return self.refused(bucket, client, why),
            // Of an incarnation that is no more: what was put since then is known.
            Ok(_) if !counts => return self.fall_behind(bucket, client),
            Ok(Outcome::Placed(since_unix_ms)) => {
                entry.placed_unix_ms = Some(since_unix_ms);
                entry.is_put = !entry.is_stale || !entry.is_wanted;
                entry.is_noted = entry.note.is_empty();
                self.answer(bucket, client, Ok(()));
            }
            Ok(Outcome::Removed | Outcome::Missing) => entry.is_put = false,
            Ok(Outcome::Noted) => {}
            Err(Fault::Refused(_)) => {
                // It is not to be shared: the node's own roster decides.
                self.answer(bucket, client, Ok(()));
                self.entries[usize::from(bucket)].remove(&client);
                return;
            }
            Err(fault) => {
                entry.is_noted = entry.note.is_empty();
                self.complaints.tell("session_put", &fault);
                self.away_since = Some(Instant::now());
                self.answer(bucket, client, Ok(()));
                return self.fall_behind(bucket, client);
            }
        }
        // The next call, if one is needed: it may have ended meanwhile, or something else is said of it.
        self.settle(bucket, client);
    }

    /// It has no place: its shard is told, by the answer that it waits for or on its own account.
    fn refused(&mut self, bucket: u16, client: ClientId, why: Disconnect) {
        let Some(entry) = self.entries[usize::from(bucket)].remove(&client) else { return };
        match entry.waits {
            Some((shard, ticket)) => self.ends[usize::from(shard)].answer(vec![Answer::Enrolled(ticket, Err(why))]),
            None if entry.is_wanted => {
                let user = entry.entrance.user.clone();
                self.untold.push_back(Told::Dismissed { user, client, why });
                self.tell_untold();
            }
            None => {}
        }
    }

    /// Tells who is to go, as far as there is room.
    fn tell_untold(&mut self) {
        while let Some(told) = self.untold.pop_front() {
            if let Err(told) = self.told.tell(told) {
                return self.untold.push_front(told);
            }
        }
    }

    fn answer(&mut self, bucket: u16, client: ClientId, outcome: Result<(), Disconnect>) {
        let Some(entry) = self.entries[usize::from(bucket)].get_mut(&client) else { return };
        if let Some((shard, ticket)) = entry.waits.take() {
            entry.since = entry.since.min(Instant::now());
            self.ends[usize::from(shard)].answer(vec![Answer::Enrolled(ticket, outcome)]);
        }
    }

    /// Who has waited for too long begins on the word of the node's own roster.
    fn answer_late(&mut self, now: Instant) {
        while let Some((until, bucket, client)) = self.waiting.front().copied()
            && until <= now
        {
            self.waiting.pop_front();
            self.answer(bucket, client, Ok(()));
        }
    }

    /// Brings together what is behind, some at a time; while Redis is away a few, to see whether it is back.
    fn catch_up(&mut self) {
        let is_resting = self.away_since.is_some_and(|since| since.elapsed() < PAUSE_AWAY);
        if self.functions.is_none() || is_resting {
            return;
        }
        while self.calls.len() < SESSIONS_PUT_AT_ONCE
            && let Some((bucket, client)) = self.behind.pop_front()
        {
            if let Some(entry) = self.entries[usize::from(bucket)].get_mut(&client) {
                entry.is_behind = false;
            }
            self.settle(bucket, client);
        }
    }

    /// Renews what Redis has of the sessions: each bucket once a round.
    fn renew(&mut self) {
        let Some(functions) = self.functions.clone() else { return };
        let (elapsed, buckets) = (self.round.elapsed().as_millis() as u64, u64::from(self.keys.buckets()));
        let due = (elapsed * buckets / SESSION_RENEW_MS).min(buckets) as u16;
        for bucket in self.renewed..due {
            let put = self.entries[usize::from(bucket)].values().filter(|entry| entry.is_put);
            let mut users: Vec<_> = put.map(|entry| entry.entrance.user.clone()).collect();
            users.sort_unstable();
            users.dedup();
            for users in users.chunks(USERS_PER_CALL) {
                let (functions, users) = (functions.clone(), users.to_vec());
                self.calls.spawn(async move {
                    let names: Vec<_> = users.iter().map(|user| &**user).collect();
                    let live = functions.session_renew(bucket, &names).await;
                    Done::Renewed { incarnation: functions.incarnation().number, bucket, users, live }
                });
            }
        }
        self.renewed = due;
        if u64::from(due) == buckets {
            (self.renewed, self.round) = (0, Instant::now());
        }
    }
}

async fn put(
    functions: &Functions,
    entrance: &Entrance,
    since_unix_ms: u64,
    leases: &watch::Receiver<Option<Leases>>,
) -> Result<Outcome, Fault> {
    let Some(leases) = leases.borrow().clone() else { return Err(Fault::Dead) };
    let place = entrance.place.as_ref();
    let enrolment = Enrolment {
        user: &entrance.user,
        client: entrance.client,
        since_unix_ms,
        issued_unix_s: entrance.issued_unix_s,
        limit: entrance.limit,
        device: &entrance.device.id,
        place: place.map(|place| Place { kind: &place.kind, oldest_stays: place.oldest_stays, limit: place.limit }),
    };
    Ok(match functions.session_put(&enrolment, &leases).await? {
        Ok(since_unix_ms) => Outcome::Placed(since_unix_ms),
        Err(why) => Outcome::Refused(why),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::bridge::metrics::BridgeMetrics;
    use crate::cluster::bridge::told::{Hearer, queue};
    use crate::cluster::redis::functions::Incarnation;
    use crate::cluster::redis::link::Link;
    use crate::config::RedisConfig;
    use crate::model::Device;
    use crate::shard::asked;
    use crate::shard::bridge::ShardBridge;
    use crate::shard::waker::Waker;

    /// A register before a Redis that nobody has there, its one shard, and what it tells.
    fn register() -> (Register, ShardBridge, Hearer) {
        let config = RedisConfig { addresses: vec!["127.0.0.1:1".into()], buckets: 4, ..RedisConfig::default() };
        let keys = Keys::new(&config);
        let (shard, end) = ShardBridge::new(0, Arc::new(Waker::new().unwrap()), asked::way().0);
        let (teller, hearer) = queue();
        let complaints = Arc::new(Complaints::new(Arc::<BridgeMetrics>::default()));
        let leases = watch::channel(None).1;
        let mut register = Register::new(keys.clone(), [end].into(), leases, teller, Arc::default(), complaints);
        let link = Arc::new(Link::new(&config, None).unwrap());
        register.functions = Some(Arc::new(Functions::new(link, keys, Incarnation { slot: 1, number: 1 })));
        (register, shard, hearer)
    }

    fn user() -> Arc<str> {
        "ann".into()
    }

    fn client(number: usize) -> ClientId {
        ClientId::from_u128(number as u128)
    }

    fn enrol(register: &mut Register, number: usize) {
        let entrance = Entrance {
            ticket: Ticket(number as u64),
            user: user(),
            client: client(number),
            issued_unix_s: None,
            limit: 0,
            device: Device::default(),
            place: None,
        };
        register.take(Input::Enrol(0, Box::new(entrance)));
    }

    /// The tickets of those who were let in, in order.
    fn let_in(shard: &ShardBridge) -> Vec<u64> {
        let answers = std::iter::from_fn(|| shard.next_answers()).flatten();
        let ticket = |answer| match answer {
            Answer::Enrolled(ticket, Ok(())) => ticket.0,
            other => panic!("{other:?}"),
        };
        answers.map(ticket).collect()
    }

    fn behind(register: &Register) -> usize {
        register.behind.len()
    }

    #[tokio::test]
    async fn past_the_calls_that_may_be_on_their_way_sessions_wait_for_their_turn_each_once_and_begin_in_time() {
        const MORE: usize = 100;
        let (mut register, shard, _told) = register();
        let began = Instant::now();
        (0..REGISTER_CALLS_MAX + MORE).for_each(|number| enrol(&mut register, number));
        assert_eq!((register.calls.len(), behind(&register)), (REGISTER_CALLS_MAX, MORE));
        // The application says something of each, again and again.
        for note in 0..3 {
            for number in 0..REGISTER_CALLS_MAX + MORE {
                register.take(Input::Note(user(), client(number), vec![note].into()));
            }
        }
        assert_eq!((register.calls.len(), behind(&register)), (REGISTER_CALLS_MAX, REGISTER_CALLS_MAX + MORE));
        register.missed(register.keys.bucket_of("ann"));
        register.catch_up();
        assert_eq!((register.calls.len(), behind(&register)), (REGISTER_CALLS_MAX, REGISTER_CALLS_MAX + MORE));
        register.answer_late(began);
        assert_eq!(let_in(&shard), [0; 0]);
        register.answer_late(Instant::now() + Duration::from_millis(ENROL_WAIT_MS));
        assert!(
            let_in(&shard).into_iter().eq(0..(REGISTER_CALLS_MAX + MORE) as u64),
            "in the order in which they came"
        );
        assert!(register.waiting.is_empty());
    }

    #[tokio::test]
    async fn while_redis_is_away_sessions_begin_at_once_and_a_few_calls_look_whether_it_is_back() {
        let (mut register, shard, _told) = register();
        enrol(&mut register, 0);
        let done = register.calls.join_next().await.expect("it was asked").expect("it has not panicked");
        register.done(done);
        assert_eq!((let_in(&shard), behind(&register)), (vec![0], 1), "it is put when Redis is back");
        (1..1_000).for_each(|number| enrol(&mut register, number));
        assert!(let_in(&shard).into_iter().eq(1..1_000));
        assert_eq!((register.calls.len(), behind(&register)), (0, 1_000));
        register.catch_up();
        assert_eq!(register.calls.len(), 0, "not at once");
        register.away_since = Instant::now().checked_sub(PAUSE_AWAY);
        register.catch_up();
        assert_eq!((register.calls.len(), behind(&register)), (SESSIONS_PUT_AT_ONCE, 1_000 - SESSIONS_PUT_AT_ONCE));
    }

    #[tokio::test]
    async fn nothing_is_kept_of_sessions_that_have_ended_while_the_node_acts_dead() {
        let (mut register, shard, _told) = register();
        register.take(Input::Ended);
        (0..10).for_each(|number| enrol(&mut register, number));
        assert_eq!(let_in(&shard).len(), 10);
        (0..10).for_each(|number| register.take(Input::Discharge(user(), client(number))));
        assert!(register.entries.iter().all(HashMap::is_empty) && register.behind.is_empty());
    }
}
