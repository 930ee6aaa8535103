//! What webhooks say: entries, each of one user, as many as go into a body.

use std::collections::BTreeMap;
use std::sync::Arc;

use aws_lc_rs::digest;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde::Serialize;
use serde_json::value::RawValue;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::gathering::{Item, Told};
use super::push::{Push, Said};
use super::standing::Verdict;
use crate::limits::WEBHOOK_BODY_BYTES_MAX;

/// A webhook, ready to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Webhook {
    /// The same whenever the same is told to the same users.
    pub(super) id: String,
    /// The body, JSON.
    pub(super) body: Bytes,
}

/// What one user is told, as it lies in a body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    /// Who.
    pub(super) user: Arc<str>,
    /// Channels of which nothing is told to the user any more once it has been sent.
    pub(super) withdrawn: Vec<Arc<str>>,
    id: String,
    told_unix_ms: i64,
    json: String,
}

#[derive(Serialize)]
struct EntryBody<'a> {
    id: &'a str,
    user: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    badge: Option<u64>,
    count: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<Message<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    withdrawn: Vec<Position<'a>>,
    pushes: Vec<&'a str>,
}

#[derive(Serialize)]
struct Message<'a> {
    #[serde(flatten)]
    position: Position<'a>,
    time_unix_ms: i64,
    #[serde(skip_serializing_if = "str::is_empty")]
    sender: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    b64data: Option<String>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    truncated: bool,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    tags: &'a BTreeMap<String, String>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    lacks_tags: bool,
    unread: u64,
    reason: &'a str,
}

#[derive(Serialize)]
struct Position<'a> {
    channel: &'a str,
    epoch: &'a str,
    offset: u64,
}

impl<'a> Position<'a> {
    fn of(push: &'a Push) -> Self {
        Self { channel: &push.channel, epoch: &push.epoch, offset: push.offset }
    }
}

impl<'a> Message<'a> {
    fn of(told: &'a Told) -> Self {
        let (push, user) = (&told.push, &told.push.users[told.at]);
        let (data, b64data, truncated) = match &push.said {
            Said::Json(json) => (Some(&**json), None, false),
            Said::Bytes { bytes, is_truncated } => (None, Some(STANDARD.encode(bytes)), *is_truncated),
        };
        Self {
            position: Position::of(push),
            time_unix_ms: push.time_unix_ms,
            sender: &push.sender,
            data,
            b64data,
            truncated,
            tags: &push.tags,
            lacks_tags: push.lacks_tags,
            unread: user.unread,
            reason: &user.reason,
        }
    }
}

impl Entry {
    /// What a user is told; `None` where nothing but the badge has changed. Says how many messages were muted.
    pub(super) fn of(item: &Item, verdict: &Verdict) -> (Option<Self>, usize) {
        let judged: BTreeMap<_, _> = item.unread.keys().zip(&verdict.channels).collect();
        let is_muted = |told: &&Told| judged.get(&told.push.channel).is_some_and(|channel| channel.is_muted);
        let was_told = |told: &&Told| judged.get(&told.push.channel).is_some_and(|channel| channel.was_told);
        let messages: Vec<_> = item.messages.iter().filter(|told| !is_muted(told)).collect();
        let number_muted = item.messages.len() - messages.len();
        // Of each channel the last one, which has all before it.
        let withdrawn: BTreeMap<_, _> =
            item.withdrawn.iter().filter(was_told).map(|told| (&told.push.channel, told)).collect();
        let all = || messages.iter().chain(withdrawn.values());
        if all().next().is_none() {
            return (None, number_muted);
        }
        let told_unix_ms = all().map(|told| told.push.written_unix_ms).max();
        let pushes: Vec<_> = all().map(|told| told.push.id.as_str()).collect();
        let id = hash("ntf_", std::iter::once(&*item.user).chain(pushes.iter().copied()));
        let body = EntryBody {
            id: &id,
            user: &item.user,
            badge: verdict.badge,
            count: messages.len(),
            message: messages.last().map(|told| Message::of(told)),
            withdrawn: withdrawn.values().map(|told| Position::of(&told.push)).collect(),
            pushes,
        };
        let json = serde_json::to_string(&body).expect("it is written as JSON");
        let tells = |channel: &Arc<str>| messages.iter().any(|told| told.push.channel == *channel);
        let withdrawn = withdrawn.keys().filter(|channel| !tells(channel)).map(|channel| Arc::clone(channel)).collect();
        let told_unix_ms = told_unix_ms.unwrap_or_default();
        (Some(Self { user: item.user.clone(), withdrawn, id, told_unix_ms, json }), number_muted)
    }
}

impl Webhook {
    /// Webhooks with these entries, as few as may be.
    pub(super) fn of(entries: Vec<Entry>) -> Vec<Self> {
        let (mut webhooks, mut some, mut bytes) = (Vec::new(), Vec::<Entry>::new(), 0);
        for entry in entries {
            if !some.is_empty() && bytes + entry.json.len() > WEBHOOK_BODY_BYTES_MAX {
                webhooks.push(Self::with(&some));
                some.clear();
                bytes = 0;
            }
            bytes += entry.json.len();
            some.push(entry);
        }
        if !some.is_empty() {
            webhooks.push(Self::with(&some));
        }
        webhooks
    }

    fn with(entries: &[Entry]) -> Self {
        let told_unix_ms = entries.iter().map(|entry| entry.told_unix_ms).max().unwrap_or_default();
        let notifications: Vec<_> = entries.iter().map(|entry| entry.json.as_str()).collect();
        let body = format!(
            r#"{{"type":"push","timestamp":"{}","data":{{"notifications":[{}]}}}}"#,
            timestamp(told_unix_ms),
            notifications.join(",")
        );
        Self { id: hash("msg_", entries.iter().map(|entry| entry.id.as_str())), body: body.into() }
    }
}

/// As RFC 3339 has it. A time that no calendar has is that of the epoch.
fn timestamp(unix_ms: i64) -> String {
    let time = OffsetDateTime::from_unix_timestamp_nanos(i128::from(unix_ms) * 1_000_000);
    time.ok().and_then(|time| time.format(&Rfc3339).ok()).unwrap_or_else(|| "1970-01-01T00:00:00Z".into())
}

/// A name for some texts, which others do not have.
fn hash<'a>(prefix: &str, texts: impl Iterator<Item = &'a str>) -> String {
    let mut hash = digest::Context::new(&digest::SHA256);
    for text in texts {
        hash.update(&(text.len() as u64).to_be_bytes());
        hash.update(text.as_bytes());
    }
    let bytes = hash.finish();
    bytes.as_ref()[..16].iter().fold(prefix.to_owned(), |name, byte| format!("{name}{byte:02x}"))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::{Value, json};

    use super::*;
    use crate::roles::notify::gathering::Gathering;
    use crate::roles::notify::marks::Mark;
    use crate::roles::notify::push::PushUser;
    use crate::roles::notify::standing::Judged;

    fn push(channel: &str, offset: u64, is_withdrawal: bool, data: &'static str) -> Arc<Push> {
        let mark = Mark { partition: 0, term: 1, offset: offset as i64 };
        let user = PushUser { name: "ann".into(), unread: offset, reason: "away".into() };
        Arc::new(Push {
            mark,
            written_unix_ms: 1_790_000_000_123,
            id: format!("{channel}/{offset}/{is_withdrawal}"),
            is_withdrawal,
            channel: channel.into(),
            epoch: "e".into(),
            offset,
            time_unix_ms: 1_790_000_000_123,
            sender: "bob".into(),
            said: Said::Json(RawValue::from_string(data.into()).unwrap()),
            tags: BTreeMap::new(),
            lacks_tags: false,
            users: vec![user],
        })
    }

    /// What ann's first item is made of these.
    fn item(pushes: &[Arc<Push>]) -> Item {
        let mut gathering = Gathering::new(1000, 100);
        pushes.iter().for_each(|push| gathering.take(push, false, 0));
        gathering.due(1000).remove(0).items.remove(0)
    }

    /// As Redis would judge where something of every channel was told before.
    fn verdict(item: &Item, muted: &[&str]) -> Verdict {
        let judged = |channel: &Arc<str>| Judged { is_muted: muted.contains(&&**channel), was_told: true };
        Verdict { badge: Some(9), channels: item.unread.keys().map(judged).collect() }
    }

    fn entry(pushes: &[Arc<Push>], muted: &[&str]) -> (Option<Entry>, usize) {
        let item = item(pushes);
        Entry::of(&item, &verdict(&item, muted))
    }

    fn body(webhook: &Webhook) -> Value {
        serde_json::from_slice(&webhook.body).unwrap()
    }

    #[test]
    fn a_webhook_has_the_newest_message_and_the_number_of_all_and_what_was_withdrawn() {
        let pushes = [
            push("a", 1, true, "0"),
            push("a", 2, true, "0"),
            push("b", 2, false, "{\"x\":1}"),
            push("a", 3, false, "[\"newest\"]"),
        ];
        let webhooks = Webhook::of(vec![entry(&pushes, &[]).0.unwrap()]);
        let body = body(&webhooks[0]);
        let id = &body["data"]["notifications"][0]["id"];
        assert!(id.as_str().is_some_and(|id| id.len() == 36 && id.starts_with("ntf_")), "{id}");
        let expected = json!({
            "type": "push",
            "timestamp": "2026-09-21T14:13:20.123Z",
            "data": { "notifications": [{
                "id": id,
                "user": "ann",
                "badge": 9,
                "count": 2,
                "message": {
                    "channel": "a", "epoch": "e", "offset": 3, "time_unix_ms": 1_790_000_000_123_i64,
                    "sender": "bob", "data": ["newest"], "unread": 3, "reason": "away",
                },
                "withdrawn": [{ "channel": "a", "epoch": "e", "offset": 2 }],
                "pushes": ["b/2/false", "a/3/false", "a/2/true"],
            }] },
        });
        assert_eq!(body, expected);
    }

    #[test]
    fn the_same_has_the_same_id_and_anything_else_another() {
        let id = |pushes: &[Arc<Push>], muted: &[&str]| Webhook::of(vec![entry(pushes, muted).0.unwrap()]).remove(0).id;
        let one = [push("a", 1, false, "1")];
        let two = [push("a", 1, false, "1"), push("b", 2, false, "2")];
        assert_eq!(id(&one, &[]), id(&one, &[]));
        assert_eq!(id(&one, &[]), id(&two, &["b"]));
        assert_ne!(id(&one, &[]), id(&two, &[]));
        assert_ne!(id(&one, &[]), id(&[push("a", 1, true, "1")], &[]));
    }

    #[test]
    fn what_is_muted_is_counted_and_not_told() {
        let pushes = [push("a", 1, false, "1"), push("b", 2, false, "2")];
        let (told, muted) = entry(&pushes, &["b"]);
        let body = body(&Webhook::of(vec![told.unwrap()])[0]);
        let told = &body["data"]["notifications"][0];
        assert_eq!((muted, &told["count"], &told["message"]["channel"]), (1, &json!(1), &json!("a")));
        assert_eq!(entry(&pushes, &["a", "b"]), (None, 2));
    }

    #[test]
    fn what_was_never_told_is_not_withdrawn_and_what_was_is_though_it_is_muted_now() {
        let item = item(&[push("a", 1, true, "0"), push("b", 1, true, "0"), push("b", 2, false, "2")]);
        let mut verdict = verdict(&item, &["a"]);
        let told = Entry::of(&item, &verdict).0.unwrap();
        assert_eq!(told.withdrawn, [Arc::from("a")], "of the other one something is told again");
        verdict.channels.iter_mut().for_each(|channel| channel.was_told = false);
        let told = body(&Webhook::of(vec![Entry::of(&item, &verdict).0.unwrap()])[0]);
        let told = &told["data"]["notifications"][0];
        assert_eq!((told.get("withdrawn"), &told["count"]), (None, &json!(1)));
    }

    #[test]
    fn bytes_that_are_no_json_are_given_in_base64() {
        let mut bytes = Arc::into_inner(push("a", 1, false, "0")).unwrap();
        bytes.said = Said::Bytes { bytes: "no json".into(), is_truncated: true };
        let webhook = Webhook::of(vec![entry(&[Arc::new(bytes)], &[]).0.unwrap()]).remove(0);
        let message = &body(&webhook)["data"]["notifications"][0]["message"];
        assert_eq!(
            (message.get("data"), &message["b64data"], &message["truncated"]),
            (None, &json!("bm8ganNvbg=="), &json!(true))
        );
    }

    #[test]
    fn a_body_has_a_bound_and_no_entry_is_left_out() {
        let entry = |at: usize| Entry {
            user: "ann".into(),
            withdrawn: Vec::new(),
            id: at.to_string(),
            told_unix_ms: 0,
            json: format!("\"{}\"", "x".repeat(100_000)),
        };
        let webhooks = Webhook::of((0..12).map(entry).collect());
        let counts: Vec<_> =
            webhooks.iter().map(|webhook| body(webhook)["data"]["notifications"].as_array().unwrap().len()).collect();
        assert_eq!(counts, [5, 5, 2]);
        assert!(webhooks.iter().all(|webhook| webhook.body.len() < WEBHOOK_BODY_BYTES_MAX + 200));
        assert_eq!(Webhook::of(Vec::new()), []);
    }

    #[test]
    fn a_time_that_no_calendar_has_is_written_too() {
        assert_eq!(timestamp(0), "1970-01-01T00:00:00Z");
        assert_eq!([i64::MIN, i64::MAX].map(timestamp), [timestamp(0), timestamp(0)]);
    }
}
