//! Channels that nodes share: whom a push is to tell of what was published there. Where it was published a while ago, one node
//! looks: it goes through the members in the channel's ledger, and tells of those who have neither noticed nor read it. What it was
//! given and has not finished is given to another later.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream::iter;
use tokio::time::{MissedTickBehavior, interval, sleep};

use super::state::ControlState;
use crate::broker::body::Told;
use crate::cluster::bridge::BridgeView;
use crate::cluster::redis::fault::Fault;
use crate::cluster::redis::pushes::{Again, DuePushes, ToldUpTo};
use crate::cluster::redis::streams::{Kept, Page, Part};
use crate::config::{ChannelConfig, Config, Log};
use crate::delivery::{Push, PushTo, PushWhat};
use crate::event_log::Entry;
use crate::limits::{
    MEMBERS_PER_CALL, PUSH_CHANNELS_AT_ONCE, PUSH_CLOCKS_APART_MS, PUSH_DUE_PER_CALL, PUSH_LEASE_MS, PUSH_LOOK_MS,
    PUSH_USERS_MAX, PUSHED_AT_ONCE, REDIS_PAGE_BYTES,
};
use crate::model::ledger::{MemberPositions, MembersPage};
use crate::model::{Life, Publication};
use crate::session::access::Access;

/// Pages of members between two times that others are told that somebody is at work.
const PAGES_PER_LEASE: usize = 64;

/// How often it is tried to hand an event over before it is dropped, and between two tries.
const TRIES: usize = 250;
const PAUSE: Duration = Duration::from_millis(20);

/// Looks for as long as the node runs.
pub(super) async fn watch(state: Arc<ControlState>, bridge: BridgeView) {
    let mut ticks = interval(Duration::from_millis(PUSH_LOOK_MS));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut rules = Rules::of(state.config());
    loop {
        ticks.tick().await;
        rules.renew(&state);
        if !rules.have_pushes || !state.event_log.takes_pushes() || state.is_draining() {
            continue;
        }
        let due = match due(&bridge).await {
            Ok(due) => due,
            // Its health is told elsewhere.
            Err(_) => continue,
        };
        let (state, bridge, rules) = (&state, &bridge, &rules);
        iter(due)
            .for_each_concurrent(PUSH_CHANNELS_AT_ONCE, move |due| async move {
                let channel = due.channel.clone();
                let look = Look { state, bridge, after_ms: rules.push_after_ms(&channel), due };
                if let Err(fault) = look.run().await {
                    tracing::debug!(channel, "pushes are looked for again: {fault}");
                }
            })
            .await;
    }
}

/// What channels go by.
struct Rules {
    config: Arc<Config>,
    access: Option<Access>,
    /// Whether there is a namespace that nodes share and that tells of pushes.
    have_pushes: bool,
}

impl Rules {
    fn of(config: Arc<Config>) -> Self {
        let have_pushes = have_pushes(&config.channel);
        Self { access: Access::new(&config.channel).ok(), have_pushes, config }
    }

    fn renew(&mut self, state: &ControlState) {
        let config = state.config();
        if !Arc::ptr_eq(&config, &self.config) {
            *self = Self::of(config);
        }
    }

    /// After how long it is looked at what was published in a channel, milliseconds; 0 for never.
    fn push_after_ms(&self, channel: &str) -> u64 {
        let resolved = self.access.as_ref().and_then(|access| access.resolve(channel).ok());
        resolved.and_then(|resolved| resolved.inbox_options()).map_or(0, |options| options.push_after_ms)
    }
}

fn have_pushes(config: &ChannelConfig) -> bool {
    let mut all = config.namespaces.iter().map(|namespace| &namespace.options).chain([&config.without_namespace]);
    all.any(|options| options.log == Log::Redis && options.push_after.as_millis() > 0)
}

/// The channels whose time has come, some of each place.
async fn due(bridge: &BridgeView) -> Result<Vec<DuePushes>, Fault> {
    bridge
        .call(|functions, _| async move {
            let mut due = Vec::new();
            for place in 0..functions.push_places() {
                due.extend(functions.push_due(place, PUSH_DUE_PER_CALL, PUSH_LEASE_MS).await?);
            }
            Ok(due)
        })
        .await
}

/// A look at a channel.
struct Look<'a> {
    state: &'a ControlState,
    bridge: &'a BridgeView,
    after_ms: u64,
    due: DuePushes,
}

impl Look<'_> {
    async fn run(&self) -> Result<(), Fault> {
        let first = self.members("").await?;
        if self.after_ms == 0 {
            return self.done(Again::WhenArmed, None).await;
        }
        let told = match self.due.told.filter(|told| told.life == first.life) {
            Some(told) => told.offset,
            None => self.nothing_waits_before().await?,
        };
        let page = self.read(told + 1, PUSHED_AT_ONCE as u32, false).await?;
        let life = page.place.generation.life(page.place.created);
        if life != first.life {
            // It has begun anew meanwhile.
            return self.done(Again::After(1), None).await;
        }
        let is_old = |kept: &&Kept| kept.time_ms + self.after_ms <= page.now_ms;
        let old: Vec<_> = page.kept.iter().take_while(is_old).collect();
        let until = old.last().map_or(told, |last| last.offset);
        if !old.is_empty() {
            self.walk(first, told, Lists::of(self, life, &old, page.now_ms)).await?;
        }
        // What came meanwhile is seen here, or arms the channel.
        let next = self.read(until + 1, 1, false).await?;
        let again = next.kept.first().map_or(Again::WhenArmed, |kept| {
            Again::After((kept.time_ms + self.after_ms).saturating_sub(next.now_ms).max(1))
        });
        self.done(again, Some(ToldUpTo { life, offset: until })).await
    }

    /// Goes through the members.
    async fn walk(&self, mut page: MembersPage, told: u64, mut lists: Lists<'_>) -> Result<(), Fault> {
        for number in 1.. {
            for MemberPositions { user, read, noticed, is_background, .. } in &page.users {
                let (user, unread) = (user.clone(), page.top.saturating_sub(*read));
                let to = PushTo { user, unread, is_background: *is_background };
                lists.put(to, (*noticed).max(*read).max(told)).await;
            }
            if page.users.len() < MEMBERS_PER_CALL {
                break;
            }
            if number % PAGES_PER_LEASE == 0 {
                self.done(Again::After(PUSH_LEASE_MS), self.due.told).await?;
            }
            let last = page.users.last().map(|last| last.user.clone()).unwrap_or_default();
            page = self.members(&last).await?;
        }
        lists.end().await;
        Ok(())
    }

    /// The newest offset that was published before the channel was armed; nodes' clocks are not believed, those of Redis nearly.
    async fn nothing_waits_before(&self) -> Result<u64, Fault> {
        let newest = self.read(u64::MAX >> 16, PUSHED_AT_ONCE as u32, true).await?;
        let since_ms = self.due.since_unix_ms.saturating_sub(PUSH_CLOCKS_APART_MS);
        let young = newest.kept.iter().take_while(|kept| kept.time_ms >= since_ms);
        Ok(young.last().map_or(newest.place.top, |oldest| oldest.offset - 1))
    }

    async fn members(&self, after: &str) -> Result<MembersPage, Fault> {
        let (channel, after) = (self.due.channel.clone(), after.to_owned());
        let count = MEMBERS_PER_CALL as u32;
        self.bridge
            .call(move |functions, leases| async move {
                functions.ledger_members(&channel, &after, count, &leases).await
            })
            .await
    }

    async fn read(&self, from: u64, count: u32, is_reverse: bool) -> Result<Page, Fault> {
        let channel = self.due.channel.clone();
        let part = Part { from, count, bytes: REDIS_PAGE_BYTES, is_reverse };
        self.bridge.call(move |functions, _| async move { functions.read(&channel, part).await }).await
    }

    async fn done(&self, again: Again, told: Option<ToldUpTo>) -> Result<(), Fault> {
        let (channel, after_ms) = (self.due.channel.clone(), self.after_ms);
        self.bridge
            .call(move |functions, _| async move { functions.push_done(&channel, again, after_ms, told).await })
            .await
    }
}

/// Who is to be told of which publication.
struct Lists<'a> {
    state: &'a ControlState,
    channel: Arc<str>,
    epoch: Arc<str>,
    /// By offset.
    publications: Vec<Arc<Publication>>,
    users: HashMap<u64, (Vec<PushTo>, u32)>,
}

impl<'a> Lists<'a> {
    fn of(look: &Look<'a>, life: Life, old: &[&Kept], now_ms: u64) -> Self {
        let publications = old.iter().filter_map(|kept| publication(kept, now_ms)).collect();
        let (channel, epoch) = (look.due.channel.as_str().into(), life.epoch());
        Self { state: look.state, channel, epoch, publications, users: HashMap::new() }
    }

    /// A member who has noticed nothing beyond an offset.
    async fn put(&mut self, to: PushTo, noticed: u64) {
        let first = self.publications.partition_point(|publication| publication.offset <= noticed);
        for at in first..self.publications.len() {
            let publication = self.publications[at].clone();
            if publication.info.as_ref().is_some_and(|info| info.user == to.user) {
                continue;
            }
            let (users, _) = self.users.entry(publication.offset).or_default();
            users.push(to.clone());
            if users.len() == PUSH_USERS_MAX {
                self.tell(publication).await;
            }
        }
    }

    async fn end(mut self) {
        for publication in std::mem::take(&mut self.publications) {
            self.tell(publication).await;
        }
    }

    async fn tell(&mut self, publication: Arc<Publication>) {
        let offset = publication.offset;
        let Some((users, parts)) = self.users.get_mut(&offset).filter(|(users, _)| !users.is_empty()) else { return };
        let (users, part) = (std::mem::take(users), *parts);
        *parts += 1;
        for _ in 0..TRIES {
            if self.state.event_log.has_room_for_pushes() {
                break;
            }
            sleep(PAUSE).await;
        }
        let what = PushWhat::Offline { publication: Some(publication), part };
        let (channel, epoch) = (self.channel.clone(), self.epoch.clone());
        self.state.event_log.write(Entry::Push(Box::new(Push { channel, epoch, offset, what, users })));
    }
}

/// A publication that somebody may be told of: it can be read, and has not ended by itself.
fn publication(kept: &Kept, now_ms: u64) -> Option<Arc<Publication>> {
    let Ok(Told::Publication { data, info, tags, ttl_ms, .. }) = Told::unpack(kept.body.clone()) else { return None };
    if ttl_ms.is_some_and(|ttl_ms| kept.time_ms.saturating_add(ttl_ms) <= now_ms) {
        return None;
    }
    let time_unix_ms = i64::try_from(kept.time_ms).unwrap_or(i64::MAX);
    Some(Arc::new(Publication { offset: kept.offset, data, info, tags, time_unix_ms }))
}
