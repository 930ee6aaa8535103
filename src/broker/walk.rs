//! Orders that look at many sessions or channels: a part of them in one tick, so that others' work gets between.
//!
//! A user may have very many sessions, a shard very many channels. What a backend has begun stays here, in line,
//! until it is through or nobody waits for it any more. Each has a step in turn, and all orders together no more
//! looks in one tick than [`LOOKS_PER_TICK`](crate::limits::LOOKS_PER_TICK). Who is there from the beginning to the end is seen; who comes or goes
//! meanwhile may be or not, and one that is seen twice is told nothing new.

use std::sync::Arc;

use super::Broker;
use super::bridge::Attendance;
use super::home::Waiter;
use super::line::{Act, Task, Walk};
use super::listing::Listing;
use crate::auth::Subject;
use crate::broker::order::{Order, Part, SessionInfo, Subscribe, Who, check_list};
use crate::limits::{LISTED_BYTES, LOOKS_PER_STEP, SESSION_ATTRIBUTES_BYTES_MAX};
use crate::model::refusal::{DisconnectKind, Error, ErrorKind};
use crate::model::{Attributes, TooLong};
use crate::protocol::word::Push;
use crate::session::{Ask, Session, State};
use crate::time::Now;

impl Broker {
    /// Whether orders have made the shard look at so much in this tick that the next waits for another.
    pub fn has_looked_enough(&self) -> bool {
        self.walks.has_enough()
    }

    /// Begins with an order that walks. What it needs is looked up first: it is refused as a whole.
    pub(super) fn begin_walk(&mut self, order: Order, now: Now) {
        let task = match order {
            Order::Channels { pattern, part, answer } => Task::Channels { pattern, found: Listing::new(part), answer },
            Order::Sessions { user, part, answer } => {
                let who = Arc::new(Who { user: (*user).into(), client: None });
                Task::Sessions { who, found: Listing::new(part), answer }
            }
            Order::Attributes { who, set, removed, answer } => {
                Task::Attributes { who, set, removed, found: Listing::new(Part::all()), answer }
            }
            Order::Subscribe(subscribe, answer) => {
                let has_expired = subscribe.grant.expire_at_unix_s.is_some_and(|at| at <= now.unix_s());
                let is_possible = self.home.policy.access.resolve(&subscribe.channel).map(drop);
                let is_possible = is_possible.and(if has_expired { Err(ErrorKind::Expired.into()) } else { Ok(()) });
                if let Err(error) = is_possible {
                    return drop(answer.send(Err(error)));
                }
                Task::Each { who: Arc::new(subscribe.who.clone()), act: Act::Subscribe(subscribe), answer }
            }
            Order::Unsubscribe { who, channel, reason, answer } => {
                if !channel.is_empty()
                    && let Err(error) = self.home.policy.access.resolve(&channel)
                {
                    return drop(answer.send(Err(error)));
                }
                Task::Each { who, act: Act::Unsubscribe { channel, reason }, answer }
            }
            Order::Disconnect { who, whitelist, reason, answer } => {
                Task::Each { who, act: Act::Disconnect { whitelist, reason }, answer }
            }
            Order::Refresh { who, expired, expire_at_unix_s, info, answer } => {
                Task::Each { who, act: Act::Refresh { expired, expire_at_unix_s, info }, answer }
            }
            Order::Revoke { revocation, answer } => {
                // Who has begun with such a token is looked for.
                let kept = match self.revoke(&revocation, now) {
                    Ok(kept) => kept,
                    Err(error) => return drop(answer.send(Err(error))),
                };
                Task::Revoke { revocation, kept, answer }
            }
            order => unreachable!("{order:?} is carried out at once"),
        };
        self.begin_task(task, now);
    }

    /// Begins with a task, whose turn comes after those that wait.
    pub(super) fn begin_task(&mut self, task: Task, now: Now) {
        self.walks.line.push_back(Walk { task, at: None });
        self.walk(now);
    }

    /// Goes on with what is in line, as far as this tick may.
    pub(super) fn walk(&mut self, now: Now) {
        // As clients do, backends wait while letters do.
        while !self.walks.has_enough()
            && !self.post.is_congested()
            && let Some(mut walk) = self.walks.line.pop_front()
        {
            // Who was told that it failed should not see it happen afterwards.
            if walk.is_abandoned() {
                continue;
            }
            let outcome = self.step(&mut walk, now);
            // Who was told to go is gone when the next step counts sessions.
            self.finish(now);
            match outcome {
                Ok(()) if walk.at.is_some() => self.walks.line.push_back(walk),
                outcome => self.answer_walk(walk, outcome, now),
            }
        }
    }

    fn answer_walk(&mut self, walk: Walk, outcome: Result<(), Error>, now: Now) {
        match walk.task {
            Task::Revoke { kept, answer, .. } => self.revoked(outcome.and(kept), answer, now),
            Task::Members { channel, answer, .. } => {
                self.answer_when_on_disk(&channel, outcome, Waiter::Remover(answer), now);
            }
            task => Walk { task, ..walk }.answer(outcome),
        }
    }

    /// One step. The walk is through where it leaves no place to go on at.
    fn step(&mut self, walk: &mut Walk, now: Now) -> Result<(), Error> {
        let sessions = match &mut walk.task {
            Task::Channels { pattern, found, .. } => {
                let (from, mut here) = (walk.at.unwrap_or_default(), Vec::new());
                walk.at = self.home.hub.channels(pattern, from, LOOKS_PER_STEP, &mut here);
                self.walks.looked_at(LOOKS_PER_STEP);
                for (name, clients) in here {
                    let bytes = name.len() + LISTED_BYTES;
                    found.put(name, clients, bytes);
                }
                return check_list(found.bytes());
            }
            Task::Sessions { who, .. } | Task::Attributes { who, .. } | Task::Each { who, .. } => {
                // Who has no name is named by its client id only, and listed nowhere.
                let is_listed = !who.user.is_empty() || who.client.is_none();
                let is_meant = |entry: &Session| {
                    **entry.user() == *who.user && who.client.is_none_or(|client| entry.info.client == client)
                };
                self.next_sessions(is_listed.then_some(&*who.user), is_meant, &mut walk.at)
            }
            Task::Revoke { revocation, .. } => {
                let user = match &revocation.subject {
                    Subject::User(user) | Subject::Device { user, .. } => Some(&**user),
                    Subject::All | Subject::Token(_) => None,
                };
                let is_meant = |entry: &Session| revocation.is_about(entry.user(), entry.device_id(), entry.token);
                self.next_sessions(user, is_meant, &mut walk.at)
            }
            Task::Members { channel, users, belong, .. } => {
                let from = walk.at.unwrap_or_default();
                let until = users.len().min(from + LOOKS_PER_STEP);
                self.walks.looked_at(until - from);
                walk.at = (until < users.len()).then_some(until);
                return self.change_members(channel, &users[from..until], *belong, now);
            }
        };
        match &mut walk.task {
            Task::Sessions { found, .. } => {
                for session in sessions {
                    let client = self.edge.sessions[session as usize].info.client;
                    if found.wants(&client) {
                        let info = self.describe(session, now);
                        let bytes = info.bytes();
                        found.put(client, info, bytes);
                    }
                }
                return check_list(found.bytes());
            }
            Task::Attributes { set, removed, found, .. } => {
                for session in sessions {
                    let client = self.edge.sessions[session as usize].info.client;
                    let said = self.say_of(session, set, removed)?;
                    let bytes = LISTED_BYTES + said.pack().len();
                    found.put(client, said, bytes);
                }
                return check_list(found.bytes());
            }
            Task::Each { act, .. } => sessions.into_iter().for_each(|session| self.act(session, act, now)),
            Task::Revoke { .. } => {
                sessions.into_iter().for_each(|session| self.edge.close(session, DisconnectKind::InvalidToken));
            }
            Task::Channels { .. } | Task::Members { .. } => {}
        }
        Ok(())
    }

    /// The next sessions that are meant, of a user or of all, from the last to the first: who leaves then moves none that
    /// was not seen to where it was. `at` is where this step begins, and where the next does.
    fn next_sessions(
        &mut self,
        user: Option<&str>,
        is_meant: impl Fn(&Session) -> bool,
        at: &mut Option<usize>,
    ) -> Vec<u32> {
        let sessions = &self.edge.sessions;
        let list = user.map(|user| self.edge.users.get(user).map_or(&[][..], |user| &user.sessions));
        let end = list.map_or(sessions.capacity(), <[u32]>::len);
        let mut next = at.unwrap_or(end).min(end);
        let (mut found, mut looks) = (Vec::new(), 0);
        while next > 0 && looks < LOOKS_PER_STEP {
            next -= 1;
            looks += 1;
            let session = list.map_or(next as u32, |list| list[next]);
            let Some(entry) = sessions.get(session as usize) else { continue };
            if is_meant(entry) && !matches!(entry.state, State::Fresh) {
                looks += entry.subscriptions.len();
                found.push(session);
            }
        }
        *at = (next > 0).then_some(next);
        self.walks.looked_at(looks);
        found
    }

    fn act(&mut self, session: u32, act: &Act, now: Now) {
        let entry = &mut self.edge.sessions[session as usize];
        match act {
            Act::Subscribe(subscribe) => self.subscribe_for_backend(session, subscribe, now),
            Act::Disconnect { whitelist, .. } if whitelist.contains(&entry.info.client) => {}
            Act::Disconnect { reason, .. } => self.edge.close(session, reason.clone()),
            Act::Unsubscribe { .. } | Act::Refresh { .. } if !entry.is_connected() => {}
            Act::Unsubscribe { channel, reason } => {
                let all = channel.is_empty();
                let subscriptions = entry.subscriptions.iter().map(|subscription| &subscription.channel);
                let channels: Vec<_> = subscriptions.filter(|other| all || *other == channel).cloned().collect();
                channels.iter().for_each(|channel| self.edge.unsubscribe(session, channel, *reason));
            }
            Act::Refresh { expired, expire_at_unix_s, .. }
                if *expired || expire_at_unix_s.is_some_and(|at| at <= now.unix_s()) =>
            {
                self.edge.close(session, DisconnectKind::Expired);
            }
            Act::Refresh { expire_at_unix_s, info, .. } => {
                entry.expire_at = (*expire_at_unix_s).into();
                let appearances = info.as_ref().map_or_else(Vec::new, |info| entry.appear_as(info.clone()));
                let expiry = entry.expiry(now.unix_s());
                self.edge.appear(appearances);
                self.edge.push(session, &Push::Refresh(expiry));
                self.edge.wake(session);
            }
        }
    }

    /// An application says something of a session: what is said of it now.
    fn say_of(&mut self, session: u32, set: &Attributes, removed: &[String]) -> Result<Arc<Attributes>, Error> {
        let info = &self.edge.sessions[session as usize].info;
        let said = self.edge.attributes.get(&info.client).cloned().unwrap_or_default();
        let changed = said.changed(set, removed).map_err(|TooLong| {
            let why =
                format!("limit exceeded: attributes of a session take {SESSION_ATTRIBUTES_BYTES_MAX} bytes at most");
            ErrorKind::LimitExceeded.because(why)
        })?;
        if changed == *said {
            return Ok(said);
        }
        let changed = Arc::new(changed);
        if self.edge.is_shared(&info.user) {
            let note = changed.pack().into();
            self.attendance.push(Attendance::Says(info.user.clone(), info.client, note));
        }
        match changed.is_empty() {
            true => drop(self.edge.attributes.remove(&info.client)),
            false => drop(self.edge.attributes.insert(info.client, changed.clone())),
        }
        Ok(changed)
    }

    fn subscribe_for_backend(&mut self, session: u32, subscribe: &Subscribe, now: Now) {
        if self.edge.sessions[session as usize].is_ending {
            // A subscription of another has shown a gap.
            return;
        }
        let recover = subscribe.recover.as_ref().filter(|recover| recover.recover);
        let since = recover.map(|recover| recover.since.clone());
        let terms = self.edge.with_session(session, now, |session, context| {
            session.subscribe_by_server(&subscribe.channel, &subscribe.grant, since, context)
        });
        // Who is subscribed already, or cannot be, stays as it is.
        if let Ok(terms) = terms {
            self.ask(session, 0, Ask::Subscribe(subscribe.channel.clone(), terms), now);
        }
    }

    fn describe(&self, session: u32, now: Now) -> SessionInfo {
        let entry = &self.edge.sessions[session as usize];
        SessionInfo {
            client: entry.info.client,
            format: entry.format,
            device: entry.device.as_deref().cloned().unwrap_or_default(),
            shard: self.me,
            address: entry.address(),
            connected_unix_ms: entry.connected_unix_ms,
            expiry: entry.expiry(now.unix_s()),
            channels: entry.subscriptions.iter().map(|subscription| subscription.channel.clone()).collect(),
            info: entry.info.conn_info.as_deref().cloned(),
            attributes: self.edge.attributes.get(&entry.info.client).cloned().unwrap_or_default(),
        }
    }
}
