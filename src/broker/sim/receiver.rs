//! A client in channels that are received at least once: it keeps what it is given, says what it has received when it likes,
//! and sends messages until they are answered.

use rand::Rng;
use rand::rngs::StdRng;
use serde_json::{Value, json};

use super::chronicle::Chronicle;
use super::client::{Call, Client};
use super::configuration::{ATTEMPTS_MAX, INBOXES};
use super::ledger;
use super::whims::Fresh;

/// What was said, until it is answered.
#[derive(Debug)]
pub(super) enum Said {
    Received { epoch: String, offset: u64 },
    Read { epoch: String, offset: u64 },
    Retry,
    Send { data: String },
}

/// Whether a channel is received at least once.
pub(crate) fn is_inbox(channel: &str) -> bool {
    INBOXES.contains(&channel)
}

impl Client {
    fn place_in(&self, channel: &str) -> ledger::Place {
        let user = self.user.clone().expect("those who have no name receive nothing");
        (channel.into(), user, self.device.clone())
    }

    fn say(&mut self, channel: &str, said: Said) -> Value {
        let (method, data) = match &said {
            Said::Received { epoch, offset } => {
                ("received", json!({"channel": channel, "epoch": epoch, "offset": offset}))
            }
            Said::Read { epoch, offset } => ("read", json!({"channel": channel, "epoch": epoch, "offset": offset})),
            Said::Retry => ("retry", json!({"channel": channel, "offset": self.last_in(channel), "delay": 2})),
            Said::Send { data } => {
                let message: Value = serde_json::from_str(data).expect("data is JSON");
                let id = &data[..data.len().min(40)];
                ("send", json!({"channel": channel, "id": id, "data": message}))
            }
        };
        let body = json!({"method": format!("inbox.{method}"), "data": data});
        self.call(Call::Inbox { channel: channel.into(), said }, "rpc", body)
    }

    /// The last that it was given in this subscription, or its floor.
    fn last_in(&self, channel: &str) -> u64 {
        self.place(channel).map_or(0, |(_, last)| last)
    }

    /// What it does in a channel, if anything.
    pub(crate) fn inbox_command(
        &mut self,
        channel: &'static str,
        fresh: &mut Fresh,
        chronicle: &mut Chronicle,
        random: &mut StdRng,
    ) -> Option<Value> {
        if random.random_bool(0.2) {
            let data = fresh.data("client", random);
            if channel.starts_with("quiet:") {
                let (_, user, device) = self.place_in(channel);
                chronicle.ledger.is_own(&user, &device, &data);
            }
            self.unsent.push((channel, data.clone()));
            return Some(self.say(channel, Said::Send { data }));
        }
        if self.is_idle_in(channel) {
            return Some(self.subscribe(channel, (true, true), random.random_bool(0.5)));
        }
        if !self.is_live_in(channel) {
            return None;
        }
        match random.random_range(0..20) {
            0 => Some(self.unsubscribe(channel)),
            1 => Some(self.say(channel, Said::Retry)),
            2..4 => {
                let (epoch, last) = self.place(channel)?;
                Some(self.say(channel, Said::Read { epoch, offset: last }))
            }
            4..16 => self.receives(channel, random.random_range(0..3)),
            16..18 => self.tells(channel, random.random_range(0..3)),
            _ => None,
        }
    }

    /// What [`Self::receives`] says, without waiting for an answer.
    fn tells(&self, channel: &str, but: u64) -> Option<Value> {
        let (epoch, last) = self.place(channel)?;
        let offset = last.saturating_sub(but);
        let data = json!({"channel": channel, "epoch": epoch, "offset": offset});
        (offset > 0).then(|| json!({"send": {"data": {"method": "inbox.received", "data": data}}}))
    }

    /// It says that it has received all but the last few.
    pub(crate) fn receives(&mut self, channel: &str, but: u64) -> Option<Value> {
        let (epoch, last) = self.place(channel).filter(|_| self.is_live_in(channel))?;
        let offset = last.saturating_sub(but);
        (offset > 0).then(|| self.say(channel, Said::Received { epoch, offset }))
    }

    /// Messages that were never answered are sent again, with the same ids.
    pub(crate) fn sends_again(&mut self) -> Vec<Value> {
        let unsent = self.unsent.clone();
        unsent.into_iter().map(|(channel, data)| self.say(channel, Said::Send { data })).collect()
    }

    pub(super) fn inbox_refused(&self, channel: &str, said: &Said, error: &Value) {
        match (said, error["code"].as_u64().expect("a code")) {
            (_, 100) if self.expects_failures => {}
            // The device has received it meanwhile, or it is not subscribed any more.
            (Said::Retry, 107 | 108) => {}
            _ => panic!("{channel}: {said:?} was refused: {error}, {self:?}"),
        }
    }

    pub(super) fn inbox_answered(&mut self, channel: &str, said: Said, answer: &Value, chronicle: &mut Chronicle) {
        let place = self.place_in(channel);
        match said {
            Said::Received { epoch, offset } => chronicle.ledger.answered(&place, &epoch, offset),
            Said::Read { epoch, offset } => chronicle.ledger.answered_read(channel, &place.1, &epoch, offset),
            Said::Retry => {}
            Said::Send { data } => {
                let epoch = answer["data"]["epoch"].as_str().expect("a life of the stream");
                let offset = answer["data"]["offset"].as_u64().expect("an offset");
                chronicle.check(channel, epoch, offset, &data);
                chronicle.acknowledge(channel, &data);
                self.unsent.retain(|(_, other)| *other != data);
            }
        }
    }

    /// A subscription has begun. What follows is sent by itself.
    pub(super) fn inbox_begins(&mut self, channel: &str, begun: &Value, chronicle: &mut Chronicle) {
        let epoch = begun["epoch"].as_str().expect("positions have an epoch").to_owned();
        let floor = begun["offset"].as_u64().unwrap_or(0);
        let is_whole = begun["recovered"].as_bool() == Some(true);
        assert!(begun["publications"].as_array().is_none_or(Vec::is_empty), "{channel}: {begun}");
        chronicle.ledger.begun(&self.place_in(channel), &epoch, floor, is_whole);
        // Where something is lost it is told where the stream stands, not where its floor is.
        self.stands_at(channel, (epoch, if is_whole { floor } else { 0 }));
    }

    /// A publication, perhaps not for the first time.
    pub(super) fn inbox_publication(&mut self, channel: &str, publication: &Value, chronicle: &mut Chronicle) {
        let (epoch, last) = self.place(channel).expect("it has begun");
        let offset = publication["offset"].as_u64().expect("all have a place");
        chronicle.check(channel, &epoch, offset, &publication["data"].to_string());
        if let Some(attempt) = publication["tags"]["attempt"].as_str() {
            let attempt: u16 = attempt.parse().expect("a number");
            assert!((2..=ATTEMPTS_MAX).contains(&attempt), "{channel}: attempt {attempt} of {offset}");
        }
        chronicle.given(&self.place_in(channel), &epoch, last.min(offset - 1), offset);
        self.stands_at(channel, (epoch, offset));
    }
}
