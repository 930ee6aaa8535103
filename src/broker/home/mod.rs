//! The channels and users at home on this shard: what they are asked, and what is to be told of it.
//!
//! A home gives offsets, keeps history and presence, and knows which shards listen; it never sees a session or a socket.
//! Inputs are questions, from whichever shard; the answer is the return value. What shards with subscribers are to be told
//! is left in [`Home::spreads`], which the caller takes after each input. What changes a channel that is kept on disk is
//! answered [`Outcome::Later`]: somebody waits for it, until [`Home::next_settled`] has it.

mod asked;
mod bridged;
mod commits;
mod departures;
mod disk;
mod followed;
mod hearing;
mod inboxes;
mod later;
mod ledgers;
mod member_lists;
mod mirrors;
mod notes;
mod planning;
mod plans;
mod presence;
mod presence_asks;
mod presences;
mod reach;
mod reading;
mod roster;
mod said;
mod schedule;
mod wanted;

use std::collections::VecDeque;
use std::sync::Arc;

use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};

use self::commits::Commits;
pub(super) use self::commits::{Pending, Waiter};
use self::followed::Followed;
pub use self::followed::Following;
pub(super) use self::hearing::Answered;
pub(super) use self::later::{Later, Outcome};
pub(super) use self::ledgers::unpack;
pub(super) use self::member_lists::Clients;
use self::member_lists::MemberLists;
use self::mirrors::Mirrors;
pub(super) use self::mirrors::{Asking, Heard, Ready, Tried, Until, Waiting};
pub(super) use self::plans::Planner;
use self::plans::Plans;
use self::presence_asks::PresenceAsks;
pub(super) use self::presence_asks::{Counter, Lister};
use self::presences::{Change, Presences};
pub(super) use self::reach::Wish;
pub(super) use self::roster::Dismissal;
use self::roster::Roster;
pub(super) use self::said::{Question, Said, sent, told};
use self::schedule::Schedule;
pub(super) use self::schedule::record as scheduled_record;
use self::wanted::Ledgers;
pub(super) use self::wanted::{Awaits, MemberChange, Wanted};
use super::letter::{Answer, HistoryAsk};
use super::policy::Policy;
use crate::delivery::{Behind, Delivery, Dispatch, Push};
use crate::hub::{FanOut, Hub, HubOptions, Join, Limit, NewPublication, Placed, Published, ShardSet};
use crate::limits::API_REPLY_BYTES_MAX;
use crate::model::ledger::Attached;
use crate::model::refusal::{Error, ErrorKind};
use crate::model::{
    ClientId, ClientInfo, HistoryFilter, HistoryPage, Payload, Position, Publication, Subscribed, TagsFilter,
};
use crate::session::{Ask, Flags, Terms};
use crate::store::Batch;
use crate::time::Now;

/// Something that every shard with subscribers of a channel is told.
#[derive(Debug)]
pub(super) struct Spread {
    pub(super) channel: Arc<str>,
    pub(super) shards: ShardSet,
    pub(super) what: Spreading,
    /// On whose behalf: the shard that asked.
    pub(super) by: u16,
}

/// What is told.
#[derive(Debug)]
pub(super) enum Spreading {
    /// A publication in its place; one session may be left out.
    Publication(Arc<Publication>, Option<ClientId>),
    /// Somebody came, or left.
    Announcement { info: Arc<ClientInfo>, joined: bool },
    /// Something for one session.
    Dispatch(Box<Dispatch>),
    /// Publications are missing here.
    Gap,
}

/// What a backend is told at once.
pub(super) const API_LIMIT: Limit = Limit { publications: usize::MAX, bytes: API_REPLY_BYTES_MAX };

/// The channels at home on a shard, and what others are to be told of them.
#[derive(Debug)]
pub(super) struct Home {
    me: u16,
    shards: u16,
    pub(super) policy: Policy,
    pub(super) hub: Hub,
    pub(super) roster: Roster,
    pub(super) schedule: Schedule,
    pub(super) delivery: Delivery,
    member_lists: MemberLists,
    /// Of channels that several nodes share.
    pub(super) mirrors: Mirrors,
    /// Of those of at least once among them.
    pub(super) ledgers: Ledgers,
    /// What is to come in channels that several nodes share.
    pub(super) plans: Plans,
    /// Channels that tell who is online.
    pub(super) followed: Followed,
    /// Sessions here, as the buckets of these channels list them.
    pub(super) presences: Presences,
    /// Who asks the buckets whom they list.
    pub(super) presence_asks: PresenceAsks,
    /// What waits for the disk.
    commits: Commits,
    /// Who has become a member of what by subscribing, and with which batch that is on disk.
    enlisted: VecDeque<(Batch, Arc<str>, Arc<str>)>,
    /// Records of the store whose channels are not kept on disk.
    passed_over: u64,
    /// Joins to tell once the answers that they belong to are out.
    joins: Vec<Spread>,
    /// Output: what is to be told, in order.
    pub(super) spreads: Vec<Spread>,
    /// Output: whom pushes are to tell.
    pub(super) pushes: Vec<Push>,
}

impl Home {
    pub(super) fn new(me: u16, shards: u16, policy: Policy, secret: u64) -> Self {
        Self {
            me,
            shards,
            hub: Hub::new(secret ^ u64::from(me), stream_bytes_max(&policy, shards)),
            mirrors: Mirrors::new(&policy.config),
            ledgers: Ledgers::default(),
            plans: Plans::default(),
            presences: Presences::default(),
            presence_asks: PresenceAsks::default(),
            policy,
            roster: Roster::default(),
            schedule: Schedule::new(life_of(secret ^ u64::from(me))),
            delivery: Delivery::new(secret ^ u64::from(me)),
            member_lists: MemberLists::default(),
            followed: Followed::default(),
            commits: Commits::new(shards),
            enlisted: VecDeque::new(),
            passed_over: 0,
            joins: Vec::new(),
            spreads: Vec::new(),
            pushes: Vec::new(),
        }
    }

    /// Goes by another configuration from now on.
    pub(super) fn go_by(&mut self, policy: Policy) {
        self.hub.set_stream_bytes_max(stream_bytes_max(&policy, self.shards));
        if policy.config.channel != self.policy.config.channel {
            self.policy.namespaces.iter().for_each(|counts| counts.tell_behind(Behind::default()));
            self.delivery.outdate();
        }
        self.policy = policy;
    }

    /// Answers a session of this shard, but for what can be answered later: subscriptions, publishes, history, and what devices
    /// say.
    pub(super) fn answer(&mut self, ask: Ask<'_>) -> Answer {
        match ask {
            Ask::Publish { .. } | Ask::Inbox(..) | Ask::Subscribe(..) | Ask::History { .. } => {
                unreachable!("these can be answered later")
            }
            Ask::Presence(channel, encoding) => {
                let list = self.member_list(&channel, encoding);
                Answer::Presence(self.counted(&channel, list))
            }
            Ask::PresenceStats(channel) => Answer::PresenceStats(Ok(self.hub.presence_stats(&channel))),
        }
    }

    /// What a client is told: a refusal is counted for the channel's namespace.
    pub(super) fn counted<T>(&self, channel: &str, told: Result<T, Error>) -> Result<T, Error> {
        if let Err(error) = &told {
            self.policy.counts_of(channel).errors.count(error.kind);
        }
        told
    }

    /// Bytes of publications or clients in one reply to a client.
    pub(super) fn reply_bytes_max(&self) -> usize {
        self.policy.config.client.reply_max_size
    }

    /// What one reply to a client may bring.
    pub(super) fn limit(&self, publications: usize) -> Limit {
        Limit { publications, bytes: self.reply_bytes_max() }
    }

    /// As [`Home::publish`], for a client on shard `by`.
    pub(super) fn publish_for_client(
        &mut self,
        channel: &str,
        data: Payload,
        info: Arc<ClientInfo>,
        options: HubOptions,
        by: u16,
        now: Now,
    ) -> Result<Outcome<Position>, Error> {
        let exclude = options.excludes_publisher.then_some(info.client);
        let message = NewPublication { info: Some(info), ..NewPublication::new(data) };
        let outcome = self.publish(channel, message, options, exclude, by, now);
        self.counted(channel, outcome)
    }

    /// Puts a message into its place, on behalf of shard `by`.
    ///
    /// # Errors
    /// [`ErrorKind::LimitExceeded`] for one that no subscriber could be given; as [`Hub::publish`].
    pub(super) fn publish(
        &mut self,
        channel: &str,
        message: NewPublication,
        options: HubOptions,
        exclude: Option<ClientId>,
        by: u16,
        now: Now,
    ) -> Result<Outcome<Position>, Error> {
        let bytes = channel.len() + message.weight();
        self.check_weight(bytes)?;
        if options.is_mirrored {
            if options.at_least_once
                && let Some(info) = &message.info
            {
                self.watch_receipts(channel, info.client, now);
            }
            return self.publish_to_bucket(channel, message, options, exclude, bytes);
        }
        match self.place(channel, message, options, now)? {
            Placed::Done(published) => {
                self.policy.counts(options.namespace).publishes.add(1);
                if options.at_least_once {
                    self.expect_received(channel, published.position.offset, exclude, now);
                }
                Ok(Outcome::Done(self.leave_spread(published, exclude, by)))
            }
            Placed::Later(batch, change) => {
                let counts = self.policy.counts(options.namespace).clone();
                let received_in = options.at_least_once.then(|| Arc::from(channel));
                let pending = Pending { batch, change, exclude, received_in, by, bytes, counts };
                Ok(Outcome::Later(Later::OnDisk(pending)))
            }
        }
    }

    /// Whether a message of so many bytes, with its channel's name, can be given to subscribers.
    ///
    /// # Errors
    /// [`ErrorKind::LimitExceeded`].
    pub(super) fn check_weight(&self, bytes: usize) -> Result<(), Error> {
        let bytes_max = self.policy.config.client.queue_max_size;
        if bytes > bytes_max {
            let why = format!(
                "limit exceeded: with {bytes} bytes no subscriber can be given the message, \
                 client.queue_max_size lets {bytes_max} wait"
            );
            return Err(ErrorKind::LimitExceeded.because(why));
        }
        Ok(())
    }

    fn leave_spread(&mut self, published: Published, exclude: Option<ClientId>, by: u16) -> Position {
        if let Some(FanOut { channel, publication, shards }) = published.fan_out {
            self.spreads.push(Spread { channel, shards, what: Spreading::Publication(publication, exclude), by });
        }
        published.position
    }

    /// Begins a subscription of a session, by its shard and its number there; of its device the channel's ledger has said that, if it
    /// was asked. Who is to hear of it hears after [`Home::announce`].
    pub(super) fn subscribe(
        &mut self,
        channel: Arc<str>,
        terms: &Terms,
        attached: Option<&Attached>,
        by: (u16, u32),
        now: Now,
    ) -> Answer {
        let client = terms.info.client;
        let joined = self.join(&channel, terms, attached, by, now);
        if joined.is_err() && attached.is_some() {
            self.let_row_go(&channel, terms);
        }
        let result = Box::new(self.counted(&channel, joined));
        Answer::Subscribed { channel, client, result }
    }

    /// Refuses a subscription.
    pub(super) fn refuse_subscriber(&self, channel: Arc<str>, terms: &Terms, error: Error) -> Answer {
        let result = Box::new(self.counted(&channel, Err(error)));
        Answer::Subscribed { channel, client: terms.info.client, result }
    }

    fn join(
        &mut self,
        channel: &Arc<str>,
        terms: &Terms,
        attached: Option<&Attached>,
        by: (u16, u32),
        now: Now,
    ) -> Result<Subscribed, Error> {
        let (shard, _) = by;
        let options = self.policy.hub_options(channel)?;
        if options.tells_status {
            self.followed.admit(channel)?;
        }
        let is_member = self.admit_device(channel, terms, attached, now)?;
        let join = Join {
            channel,
            shard,
            info: &terms.info,
            announce: terms.announce,
            presence: terms.presence,
            // Of what a member has received its device's floor knows.
            recover: terms.recover.as_ref().filter(|_| !is_member),
            mode: terms.mode,
            recovery_limit: self.limit(terms.recovery_max),
            whole: terms.whole && !is_member,
            stream: terms.flags.has(Flags::POSITIONED),
            filter: terms.filter.as_deref(),
        };
        let joined = self.hub.subscribe(join, options, now)?;
        self.member_lists.forget(channel);
        if options.tells_status
            && let Some(user) = self.policy.access.resolve(channel).ok().and_then(|known| known.told_user())
        {
            self.followed.begin(channel, user);
        }
        if !joined.announce_to.is_empty() {
            self.policy.counts(options.namespace).joins.add(1);
        }
        if options.is_mirrored && terms.presence {
            self.list(channel, terms.info.clone(), terms.announce, Change::Comes, now);
        } else if options.is_mirrored && !joined.announce_to.is_empty() {
            self.tell_of(channel, &terms.info, true);
        } else if !joined.announce_to.is_empty() {
            let what = Spreading::Announcement { info: terms.info.clone(), joined: true };
            self.joins.push(Spread { channel: channel.clone(), shards: joined.announce_to, what, by: shard });
        }
        let mut subscribed = Subscribed {
            recoverable: terms.flags.has(Flags::RECOVERABLE) && options.has_history(),
            positioned: terms.flags.has(Flags::POSITIONED) && options.has_history(),
            position: joined.position,
            since: terms.recover.as_ref().map_or(0, |since| since.offset),
            publications: joined.publications,
            recovered: joined.recovered,
            was_recovering: terms.was_recovering,
            data: terms.data.clone(),
            filter: terms.filter.clone(),
            expiry: crate::session::expiry(terms.expire_at_unix_s, now.unix_s()),
        };
        if is_member {
            self.seat_device(channel, terms, by, &mut subscribed, now);
        }
        Ok(subscribed)
    }

    /// The answers to subscriptions are out: now others may hear who came, and devices what they have yet to receive.
    pub(super) fn announce(&mut self) {
        self.spreads.append(&mut self.joins);
        self.dispatch();
    }

    /// Whether everything was taken.
    #[cfg(test)]
    pub(super) fn has_told_all(&self) -> bool {
        self.joins.is_empty() && self.spreads.is_empty() && !self.delivery.has_output()
    }

    /// A session on `shard` has left a channel.
    pub(super) fn leave(&mut self, channel: Arc<str>, client: ClientId, shard: u16, now: Now) {
        let Some(left) = self.hub.unsubscribe(&channel, shard, client, now) else { return };
        self.delivery.depart(&channel, client, now);
        // A ledger is told before the device comes again.
        self.dispatch();
        self.member_lists.forget(&channel);
        if !self.followed.is_empty() && self.hub.subscribers(&channel) == 0 {
            self.followed.end(&channel);
        }
        if let Some(key) = self.mirrors.find(&channel) {
            self.mirrors.touch(key, now);
            if left.announce {
                self.policy.counts_of(&channel).leaves.add(1);
            }
            if left.presence {
                self.list(&channel, left.info, left.announce, Change::Goes, now);
            } else if left.announce {
                self.tell_of(&channel, &left.info, false);
            }
        } else if !left.announce_to.is_empty() {
            self.policy.counts_of(&channel).leaves.add(1);
            let what = Spreading::Announcement { info: left.info, joined: false };
            self.spreads.push(Spread { channel, shards: left.announce_to, what, by: shard });
        }
    }

    /// A subscriber is seen with other information from now on.
    pub(super) fn appear(&mut self, channel: &Arc<str>, info: Arc<ClientInfo>, now: Now) {
        let announces = self.hub.appear(channel, info.clone());
        self.member_lists.forget(channel);
        if let Some(announces) = announces
            && self.mirrors.find(channel).is_some()
        {
            self.list(channel, info, announces, Change::IsSeenAnew, now);
        }
    }

    /// Reads history for a client.
    pub(super) fn history_for_client(&mut self, channel: &str, ask: &HistoryAsk, now: Now) -> Answer {
        let page = self.history(channel, &ask.part, self.limit(ask.max), ask.tags.as_deref(), now).map(Box::new);
        Answer::History(self.counted(channel, page))
    }

    /// Reads history, of which only what passes a filter is wanted, if there is one.
    ///
    /// # Errors
    /// As `Policy::with_history` and [`Hub::history`].
    pub(super) fn history(
        &mut self,
        channel: &str,
        filter: &HistoryFilter,
        limit: Limit,
        tags: Option<&TagsFilter>,
        now: Now,
    ) -> Result<HistoryPage, Error> {
        let options = self.policy.with_history(channel)?;
        self.hub.history(channel, filter, limit, tags, options, now)
    }
}

/// A number that tells a life of a shard from others; it is no part of the secret.
fn life_of(secret: u64) -> u32 {
    StdRng::seed_from_u64(secret ^ 0x5eed).random()
}

/// A shard's part of the memory for streams.
fn stream_bytes_max(policy: &Policy, shards: u16) -> usize {
    policy.config.channel.history_memory / usize::from(shards)
}
