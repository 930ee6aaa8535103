//! A client: sends commands, reads words, and knows what it may be told next.

use std::collections::BTreeMap;

use serde_json::Value;

use super::chronicle::{Chronicle, Listener};
use super::configuration::{FILTERED, FLEETING};
use super::dialect::{self, Heard};
use super::page::check_page;
use super::receiver::{Said, is_inbox};
use super::subscription::{Place, Stage, Subscription};
use crate::model::ClientId;
use crate::protocol::Format;

/// What a command was about, until its reply comes.
#[derive(Debug)]
pub(super) enum Call {
    Connect,
    Subscribe {
        channel: String,
        since: Option<Place>,
        least: Option<u32>,
    },
    Unsubscribe {
        channel: String,
    },
    Publish {
        channel: String,
        data: String,
    },
    History {
        channel: String,
        limit: usize,
        since: Option<Place>,
        reverse: bool,
        known: Option<Place>,
        /// How often the subscription had ended, and from where on it wanted publications, if it is known to have been there or not.
        filter: Option<(u32, Option<u32>)>,
    },
    /// `since` is how often the subscription had ended, if there was one or one was asked for.
    Presence {
        channel: String,
        since: Option<u32>,
    },
    Inbox {
        channel: String,
        said: Said,
    },
}

/// A client, connected or not.
#[derive(Debug)]
pub(crate) struct Client {
    pub(crate) user: Option<String>,
    /// Which device of the user it is, where that is asked.
    pub(crate) device: String,
    /// Messages with an id that were never answered, with their channels.
    pub(super) unsent: Vec<(&'static str, String)>,
    pub(crate) is_reading: bool,
    /// May be told of gaps.
    expects_gaps: bool,
    /// The disk may fail.
    pub(crate) expects_failures: bool,
    /// What channels keep and allow has changed while it was there.
    has_seen_changes: bool,
    /// Hears everything in channels without history, for the chronicle.
    pub(crate) is_witness: bool,
    pub(crate) is_connected: bool,
    /// With which code it was told to go.
    pub(crate) goodbye: Option<u16>,
    /// How often the node pings, as it has said, milliseconds.
    pub(crate) ping_ms: u64,
    pub(crate) id: ClientId,
    format: Format,
    next_id: u32,
    calls: BTreeMap<u32, Call>,
    subscriptions: BTreeMap<String, Subscription>,
    /// Where planned subscriptions stood when the connect was sent.
    planned: BTreeMap<String, Option<Place>>,
    buffer: Vec<u8>,
    pub(crate) pongs: usize,
}

impl Client {
    pub(crate) fn new(user: Option<String>, is_witness: bool, expects_gaps: bool) -> Self {
        Self {
            user,
            device: String::new(),
            unsent: Vec::new(),
            is_reading: true,
            is_witness,
            expects_gaps,
            expects_failures: false,
            has_seen_changes: false,
            is_connected: false,
            goodbye: None,
            ping_ms: 0,
            id: ClientId::nil(),
            format: Format::TcpJson,
            next_id: 0,
            calls: BTreeMap::new(),
            subscriptions: BTreeMap::new(),
            planned: BTreeMap::new(),
            buffer: Vec::new(),
            pongs: 0,
        }
    }

    /// The configuration changes: subscriptions that counted on what was kept may end, and questions be refused.
    pub(crate) fn sees_changes(&mut self) {
        self.expects_gaps = true;
        self.has_seen_changes = true;
    }

    /// A connection has begun.
    pub(crate) fn linked(&mut self, format: Format) {
        self.format = format;
        self.buffer.clear();
        self.goodbye = None;
        self.is_reading = true;
        self.next_id = 0;
        self.pongs = 0;
    }

    /// The connection has gone. Who heard without a place has to begin anew.
    pub(crate) fn unlinked(&mut self, chronicle: &mut Chronicle) {
        self.is_connected = false;
        self.calls.clear();
        for (channel, subscription) in &mut self.subscriptions {
            subscription.stage = Stage::Idle;
            subscription.last = None;
            chronicle.heard_in_part(channel, std::mem::take(&mut subscription.part));
        }
    }

    pub(super) fn call(&mut self, call: Call, verb: &str, body: Value) -> Value {
        self.next_id += 1;
        self.calls.insert(self.next_id, call);
        serde_json::json!({"id": self.next_id, verb: body})
    }

    /// Connects; a token that subscribes to channels resumes them where the client stood.
    pub(crate) fn connect(&mut self, token: &str, channels: &[&str]) -> Value {
        self.planned = channels.iter().map(|channel| (channel.to_string(), self.place(channel))).collect();
        let mut body = serde_json::json!({"name": "sim", "token": token, "subs": {}});
        for (channel, place) in &self.planned {
            if let Some((epoch, offset)) = place {
                body["subs"][channel] = serde_json::json!({"recover": true, "epoch": epoch, "offset": offset});
            }
        }
        self.call(Call::Connect, "connect", body)
    }

    /// Where it stands in a channel.
    pub(super) fn place(&self, channel: &str) -> Option<Place> {
        self.subscriptions.get(channel).and_then(|subscription| subscription.place.clone())
    }

    pub(super) fn stands_at(&mut self, channel: &str, place: Place) {
        self.subscriptions.get_mut(channel).expect("it has begun").place = Some(place);
    }

    pub(crate) fn is_idle_in(&self, channel: &str) -> bool {
        let asks = |call: &Call| matches!(call, Call::Subscribe { channel: other, .. } if other == channel);
        !self.calls.values().any(asks)
            && self.subscriptions.get(channel).is_none_or(|subscription| subscription.stage == Stage::Idle)
    }

    pub(crate) fn may_leave(&self, channel: &str) -> bool {
        self.subscriptions.get(channel).is_some_and(|subscription| subscription.stage != Stage::Leaving)
    }

    pub(crate) fn is_live_in(&self, channel: &str) -> bool {
        self.subscriptions.get(channel).is_some_and(|subscription| subscription.stage == Stage::Live)
    }

    pub(crate) fn subscribe(&mut self, channel: &str, flags: (bool, bool), recover: bool) -> Value {
        self.ask_for(channel, flags, recover, None)
    }

    /// Likewise, for publications whose tag is at least this.
    pub(crate) fn subscribe_from(&mut self, least: u32, flags: (bool, bool), recover: bool) -> Value {
        self.ask_for(FILTERED, flags, recover, Some(least))
    }

    fn ask_for(&mut self, channel: &str, flags: (bool, bool), recover: bool, least: Option<u32>) -> Value {
        let since = self.place(channel).filter(|_| recover);
        let (positioned, recoverable) = flags;
        let mut body = serde_json::json!({"channel": channel, "positioned": positioned, "recoverable": recoverable});
        if let Some((epoch, offset)) = &since {
            body["recover"] = true.into();
            body["epoch"] = epoch.as_str().into();
            body["offset"] = (*offset).into();
        }
        if let Some(least) = least {
            body["tf"] = serde_json::json!({"key": "n", "cmp": "gte", "val": least.to_string()});
        }
        self.subscriptions.entry(channel.into()).or_default().stage = Stage::Asked;
        self.call(Call::Subscribe { channel: channel.into(), since, least }, "subscribe", body)
    }

    pub(crate) fn unsubscribe(&mut self, channel: &str) -> Value {
        let subscription = self.subscriptions.get_mut(channel).expect("it was subscribed");
        if subscription.stage == Stage::Live {
            subscription.stage = Stage::Leaving;
            subscription.ends += 1;
        }
        let body = serde_json::json!({"channel": channel});
        self.call(Call::Unsubscribe { channel: channel.into() }, "unsubscribe", body)
    }

    pub(crate) fn publish(&mut self, channel: &str, data: &str) -> Value {
        let call = Call::Publish { channel: channel.into(), data: data.into() };
        let raw: Value = serde_json::from_str(data).expect("data is JSON");
        self.call(call, "publish", serde_json::json!({"channel": channel, "data": raw}))
    }

    /// Reads part of a stream's history.
    pub(crate) fn history(&mut self, channel: &str, limit: usize, resumes: bool, reverse: bool) -> Value {
        let known = self.place(channel);
        let since = known.clone().filter(|_| resumes);
        let mut body = serde_json::json!({"channel": channel, "limit": limit, "reverse": reverse});
        if let Some((epoch, offset)) = &since {
            body["since"] = serde_json::json!({"epoch": epoch, "offset": offset});
        }
        let filter = match self.subscriptions.get(channel) {
            Some(it) if it.stage == Stage::Live => Some((it.ends, it.least)),
            Some(it) if it.stage != Stage::Idle => None,
            it => Some((it.map_or(0, |it| it.ends), None)),
        };
        self.call(Call::History { channel: channel.into(), limit, since, reverse, known, filter }, "history", body)
    }

    /// Asks who is in a channel.
    pub(crate) fn presence(&mut self, channel: &str) -> Value {
        let since = self.subscriptions.get(channel).filter(|it| matches!(it.stage, Stage::Asked | Stage::Live));
        let call = Call::Presence { channel: channel.into(), since: since.map(|it| it.ends) };
        self.call(call, "presence", serde_json::json!({"channel": channel}))
    }

    /// Reads bytes that have come.
    pub(crate) fn read(&mut self, bytes: &[u8], chronicle: &mut Chronicle) {
        self.buffer.extend_from_slice(bytes);
        while let Some(heard) = dialect::next(self.format, &mut self.buffer) {
            match heard {
                Heard::Word(word) => self.word(&word, chronicle),
                Heard::Close(code) => self.goodbye = Some(code),
                Heard::Control => {}
            }
        }
    }

    fn word(&mut self, word: &Value, chronicle: &mut Chronicle) {
        assert!(self.goodbye.is_none(), "a word after the goodbye: {word}");
        if let Some(id) = word.get("id") {
            let id = id.as_u64().expect("a number") as u32;
            let call = self.calls.remove(&id).unwrap_or_else(|| panic!("no command waits for {word}"));
            match word.get("error") {
                Some(error) => self.refused(call, error),
                None => self.answered(call, word, chronicle),
            }
        } else if let Some(push) = word.get("push") {
            self.pushed(push, chronicle);
        } else {
            self.pongs += 1;
        }
    }

    fn refused(&mut self, call: Call, error: &Value) {
        let code = error["code"].as_u64().expect("a code");
        match (call, code) {
            // A backend was faster; its push has come or will.
            (Call::Subscribe { channel, .. }, 105) => {
                let subscription = self.subscriptions.get_mut(&channel).expect("it was asked for");
                if subscription.stage == Stage::Asked {
                    subscription.stage = Stage::Idle;
                }
            }
            // A backend unsubscribed the publisher before.
            (Call::Publish { .. } | Call::Presence { .. }, 103) => {}
            (Call::Publish { .. }, 100) if self.expects_failures => {}
            // Who becomes a member by it is one when that is on disk.
            (Call::Subscribe { channel, .. }, 100) if self.expects_failures && is_inbox(&channel) => {
                self.subscriptions.get_mut(&channel).expect("it was asked for").stage = Stage::Idle;
            }
            // The stream had ended, and another begun.
            (Call::History { since: Some(_), .. }, 112) => {}
            (Call::History { .. }, 108) if self.expects_gaps => {}
            // Nothing lies before it.
            (Call::History { since: Some((_, 0)), reverse: true, .. }, 107) => {}
            // Letters took so long that the token expired before it was read.
            (Call::Connect, 109) => {}
            (Call::Inbox { channel, said }, _) => self.inbox_refused(&channel, &said, error),
            (call, _) => panic!("{call:?} was refused: {error}"),
        }
    }

    fn answered(&mut self, call: Call, reply: &Value, chronicle: &mut Chronicle) {
        match call {
            Call::Connect => {
                self.is_connected = true;
                let connect = &reply["connect"];
                self.ping_ms = 1000 * connect["ping"].as_u64().unwrap_or(0);
                self.id = connect["client"].as_str().and_then(|id| id.parse().ok()).expect("a client id");
                let subs = connect["subs"].as_object().cloned().unwrap_or_default();
                let planned = std::mem::take(&mut self.planned);
                assert_eq!(subs.len(), planned.len(), "planned {planned:?}, got {subs:?}");
                for (channel, since) in planned {
                    self.begin(&channel, &subs[&channel], (since, None), chronicle);
                }
            }
            Call::Subscribe { channel, since, least } => {
                // Not always `Asked`: a backend may have begun and ended one in between.
                assert!(!self.subscriptions[&channel].is_on(), "{channel}: subscribed twice");
                self.begin(&channel, &reply["subscribe"], (since, least), chronicle);
            }
            Call::Unsubscribe { channel } => {
                assert!(reply.get("unsubscribe").is_some());
                self.ended(&channel, chronicle);
            }
            Call::Publish { channel, data } => {
                assert!(reply.get("publish").is_some());
                chronicle.acknowledge(&channel, &data);
            }
            Call::History { channel, limit, since, reverse, known, filter } => {
                let page = &reply["history"];
                // Whoever ended the subscription may have done so before the history was read.
                let ends = self.subscriptions.get(&channel).map_or(0, |it| it.ends);
                let least = filter.filter(|(before, least)| least.is_none() || *before == ends).map(|(_, least)| least);
                check_page(&channel, page, (limit, since, reverse), least, chronicle);
                let epoch = page["epoch"].as_str().unwrap_or_default();
                let top = page["offset"].as_u64().unwrap_or(0);
                let is_behind = known.is_some_and(|(life, offset)| life == epoch && top < offset);
                assert!(!is_behind, "{channel}: the history ends before what was heard: {page}");
            }
            Call::Inbox { channel, said } => self.inbox_answered(&channel, said, &reply["rpc"], chronicle),
            Call::Presence { channel, since } => self.check_presence(&channel, since, &reply["presence"]),
        }
    }

    /// A subscription has begun, as a reply or a push says.
    fn begin(
        &mut self,
        channel: &str,
        begun: &Value,
        (since, least): (Option<Place>, Option<u32>),
        chronicle: &mut Chronicle,
    ) {
        let subscription = self.subscriptions.entry(channel.into()).or_default();
        subscription.stage = Stage::Live;
        (subscription.last, subscription.least) = (None, least);
        if is_inbox(channel) {
            return self.inbox_begins(channel, begun, chronicle);
        }
        let recovered = begun["recovered"].as_bool() == Some(true);
        let publications = begun["publications"].as_array().cloned().unwrap_or_default();
        assert!(recovered || publications.is_empty(), "{channel}: publications, but not recovered");
        assert!(!recovered || since.is_some(), "{channel}: recovered, but not asked to");
        if begun["positioned"].as_bool() != Some(true) {
            subscription.place = None;
            return;
        }
        let epoch = begun["epoch"].as_str().expect("positions have an epoch").to_string();
        let told = begun["offset"].as_u64().unwrap_or(0);
        let listener = Listener { client: self.id, epoch: Some(&epoch), least };
        let mut at = match &since {
            Some((since_epoch, offset)) if recovered => {
                // Where nothing was for it, it is at the end.
                let is_past = publications.is_empty() && chronicle.follows(channel, *offset, told + 1, &listener);
                assert!(told == *offset || is_past, "{channel}: told another place than where it recovers from");
                assert!(is_cache(channel) || *since_epoch == epoch, "{channel}: recovered over two lives");
                let first = publications.first().and_then(|first| first["offset"].as_u64());
                if is_cache(channel) { first.map_or(told, |first| first - 1) } else { told }
            }
            _ => told,
        };
        for publication in &publications {
            let (offset, data) = (publication["offset"].as_u64().unwrap_or(0), publication["data"].to_string());
            let follows = offset == at + 1 || least.is_some() && chronicle.follows(channel, at, offset, &listener);
            assert!(follows, "{channel}: a hole in what was recovered: {offset} after {at}");
            assert!(least.is_none_or(|least| !chronicle.is_kept_out(&data, least)), "{channel}: {data} was kept out");
            at = offset;
            chronicle.check(channel, &epoch, at, &data);
        }
        // That it was all shows with the next publication, which must follow.
        subscription.place = Some((epoch, at));
    }

    fn ended(&mut self, channel: &str, chronicle: &mut Chronicle) {
        let Some(subscription) = self.subscriptions.get_mut(channel) else { return };
        // The unsubscribe may have crossed one of the node, and a subscribe may have followed it since.
        if subscription.is_on() {
            subscription.stage = Stage::Idle;
            subscription.ends += 1;
        }
        chronicle.heard_in_part(channel, std::mem::take(&mut subscription.part));
    }

    fn pushed(&mut self, push: &Value, chronicle: &mut Chronicle) {
        if let Some(disconnect) = push.get("disconnect") {
            self.goodbye = Some(disconnect["code"].as_u64().expect("a code") as u16);
            return;
        }
        // Messages are positions of others.
        if push.get("refresh").is_some() || push.get("message").is_some() {
            return;
        }
        let channel = push["channel"].as_str().expect("a channel").to_string();
        if let Some(begun) = push.get("subscribe") {
            let stage = self.subscriptions.get(&channel).map_or(Stage::Idle, |subscription| subscription.stage);
            assert!(matches!(stage, Stage::Idle | Stage::Asked), "{channel}: subscribed twice");
            self.begin(&channel, begun, (None, None), chronicle);
            return;
        }
        let subscription = self.subscriptions.entry(channel.clone()).or_default();
        assert!(subscription.is_on(), "{push} without a subscription, but {subscription:?}");
        if let Some(unsubscribe) = push.get("unsubscribe") {
            let gap = unsubscribe["code"].as_u64() == Some(2500);
            assert!(self.expects_gaps || !gap || is_inbox(&channel), "{channel}: told of a gap that was none");
            self.ended(&channel, chronicle);
        } else if let Some(publication) = push.get("pub").filter(|_| is_inbox(&channel)) {
            self.inbox_publication(&channel, publication, chronicle);
        } else if let Some(publication) = push.get("pub") {
            self.publication(&channel, publication, chronicle);
        } else {
            assert!(push.get("join").is_some() || push.get("leave").is_some(), "{push}");
        }
    }

    fn publication(&mut self, channel: &str, publication: &Value, chronicle: &mut Chronicle) {
        let subscription = self.subscriptions.get_mut(channel).expect("looked up before");
        let data = publication["data"].to_string();
        assert!(!chronicle.is_withheld(&data, self.id), "{channel}: {data} was for others only");
        let is_wanted = subscription.least.is_none_or(|least| !chronicle.is_kept_out(&data, least));
        assert!(is_wanted, "{channel}: {data} was kept out");
        let Some(offset) = publication["offset"].as_u64() else {
            assert!(subscription.place.is_none(), "{channel}: {data} has no place, but the subscription counts on one");
            if self.is_witness {
                chronicle.hear(channel, &data);
            }
            // Nobody writes down what a channel lets pass while it has ceased to keep.
            if !self.has_seen_changes || FLEETING.contains(&channel) {
                subscription.part.push(data);
            }
            // A history that goes takes its offsets with it.
            subscription.last = None;
            return;
        };
        let before = subscription.place.as_ref().map(|(_, offset)| *offset).or(subscription.last);
        // Who does not count on places hears on when another life of the stream begins.
        let may_begin_anew = self.has_seen_changes && subscription.place.is_none();
        if let Some(before) = before.filter(|_| !may_begin_anew) {
            let follows = chronicle.follows(channel, before, offset, &subscription.listener(self.id));
            assert!(follows || (is_cache(channel) && offset > before), "{channel}: {offset} after {before}");
        }
        match &mut subscription.place {
            Some((epoch, place)) => {
                chronicle.check(channel, epoch, offset, &data);
                *place = offset;
            }
            None => subscription.last = Some(offset),
        }
    }

    /// Who is present was connected; the client itself, if it has been subscribed since it asked. Answers overtake the
    /// beginnings of subscriptions.
    fn check_presence(&self, channel: &str, since: Option<u32>, presence: &Value) {
        let there = presence["presence"].as_object().cloned().unwrap_or_default();
        let is_there = there.contains_key(&self.id.to_string());
        let was_there =
            self.subscriptions.get(channel).is_some_and(|it| it.stage == Stage::Live && since == Some(it.ends));
        assert!(is_there || !was_there, "{channel}: the client is missing: {there:?}");
        for (id, info) in there {
            assert_eq!(info["client"].as_str(), Some(id.as_str()), "{channel}: listed under another's name");
        }
    }

    /// Whether nothing is left to be answered.
    pub(crate) fn has_every_answer(&self) -> bool {
        self.calls.is_empty()
    }

    /// All is quiet: the client has had every reply, and stands where its channels stand.
    pub(crate) fn check_current(&self, chronicle: &Chronicle, stands: impl Fn(&str) -> Option<Place>) {
        assert!(self.calls.is_empty(), "never answered: {:?}", self.calls);
        for (channel, subscription) in &self.subscriptions {
            if subscription.stage != Stage::Live || is_inbox(channel) {
                continue;
            }
            let last = subscription.place.as_ref().map(|(_, offset)| *offset).or(subscription.last);
            match stands(channel) {
                Some((epoch, top)) => {
                    let life = subscription.place.as_ref().map(|(epoch, _)| epoch);
                    assert!(life.is_none_or(|life| *life == epoch), "{channel}: lives in the past");
                    // Who does not count on its place is not told that the stream has begun anew.
                    let last = last.map(|last| if life.is_none() && last > top { 0 } else { last });
                    let current = last
                        .is_none_or(|last| chronicle.follows(channel, last, top + 1, &subscription.listener(self.id)));
                    assert!(current, "{channel}: at {last:?} of {top}, and not told: {subscription:?}");
                }
                None => {
                    assert!(!subscription.part.is_empty(), "{channel}: deaf");
                    chronicle.check_heard(channel, &subscription.part, true);
                }
            }
        }
    }
}

fn is_cache(channel: &str) -> bool {
    channel.starts_with("cache:")
}
