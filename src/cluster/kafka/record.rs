//! A record of the way up and what a bucket takes: the one from the other.
//!
//! Whoever may write to the topic is as trusted as a backend that calls the API, and its records are read as a stranger's bytes:
//! what is wrong with one is said, so that a person finds it beside the record in the topic of the dead.

use std::sync::Arc;

use bytes::Bytes;

use crate::broker::body::{Told, Unreadable};
use crate::broker::bridge::{self, Ticket};
use crate::broker::packed::packed;
use crate::config::Config;
use crate::events::{Publish, Publisher, data};
use crate::hub::{Hub, NewPublication, Version};
use crate::limits::{CLIENT_MESSAGE_ID_BYTES_MAX, IDEMPOTENCY_KEY_BYTES_MAX, TTL_MS_MAX, VERSION_EPOCH_BYTES_MAX};
use crate::model::{ClientId, ClientInfo, Payload};
use crate::session::access::Access;

/// Why a record cannot be published, for a person.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Unusable(pub String);

impl Unusable {
    fn because<T>(why: impl Into<String>) -> Result<T, Self> {
        Err(Self(why.into()))
    }
}

/// The record of what a home publishes.
///
/// # Errors
/// [`Unreadable`] for what no home packs.
pub fn written(publish: &bridge::Publish) -> Result<Publish, Unreadable> {
    let Told::Publication { data, info, tags, exclude, ttl_ms } = Told::unpack(publish.body.clone())? else {
        return Err(Unreadable);
    };
    let (data, b64data) = split(&data);
    let key = publish.key.as_ref().map_or("", |(key, _)| key);
    // A client's message has a key that is made of its user and its id.
    let (idempotency_key, message_id) = match &publish.sender {
        Some(user) => ("", key.strip_prefix(&*Hub::client_message_key(user, "")).unwrap_or_default()),
        None => (key, ""),
    };
    let version = publish.version.as_deref();
    Ok(Publish {
        channel: (*publish.channel).to_owned(),
        data,
        b64data,
        tags: tags.into_iter().flatten().map(|(name, value)| (name.into_string(), value.into_string())).collect(),
        idempotency_key: idempotency_key.into(),
        version: version.map_or(0, |version| version.number),
        version_epoch: version.map_or_else(String::new, |version| version.epoch.to_string()),
        skip_history: publish.keep.size == 0,
        ttl_ms: ttl_ms.unwrap_or_default(),
        exclude_client: exclude.map_or_else(String::new, |client| client.to_string()),
        info: info.as_deref().map(publisher_of),
        message_id: message_id.into(),
    })
}

fn publisher_of(info: &ClientInfo) -> Publisher {
    let payload = |payload: &Option<Box<Payload>>| payload.as_deref().map(split).unwrap_or_default();
    let ((conn_info, b64conn_info), (chan_info, b64chan_info)) = (payload(&info.conn_info), payload(&info.chan_info));
    let (user, client) = ((*info.user).to_owned(), info.client.to_string());
    Publisher { user, client, conn_info, b64conn_info, chan_info, b64chan_info }
}

/// The two fields of a message. One that is empty is null there: it would be none.
fn split(payload: &Payload) -> (Bytes, Bytes) {
    match payload.bytes.is_empty() {
        true => (Bytes::from_static(b"null"), Bytes::new()),
        false => data::split(payload),
    }
}

/// What a bucket is asked for a record with this key.
///
/// # Errors
/// [`Unusable`].
pub fn read(
    record: Publish,
    key: Option<&[u8]>,
    access: &Access,
    config: &Config,
) -> Result<bridge::Publish, Unusable> {
    let channel: Arc<str> = match (record.channel.as_str(), key) {
        ("", Some(key)) => str::from_utf8(key).map_err(|_| Unusable("the key is no text".into()))?.into(),
        ("", None) => return Unusable::because("neither the record nor its key names a channel"),
        (channel, _) => channel.into(),
    };
    let resolved = access.resolve(&channel).map_err(|error| match error.message {
        Some(why) => Unusable(why.into()),
        None => Unusable(format!("the channel `{channel}` has no namespace that is configured")),
    })?;
    let options = resolved.hub_options(access.config());
    if !options.is_relayed {
        return Unusable::because(format!("the namespace of `{channel}` has no `acknowledge = \"kafka\"`"));
    }
    let Some(data) = data::payload(&record.data, &record.b64data) else {
        return Unusable::because("data or b64data is required");
    };
    for (name, text, most) in [
        ("idempotency_key", &record.idempotency_key, IDEMPOTENCY_KEY_BYTES_MAX),
        ("version_epoch", &record.version_epoch, VERSION_EPOCH_BYTES_MAX),
        ("message_id", &record.message_id, CLIENT_MESSAGE_ID_BYTES_MAX),
    ] {
        if text.len() > most {
            return Unusable::because(format!("{name} is longer than {most} bytes"));
        }
    }
    let info = record.info.map(client_of).map(Arc::new);
    let idempotency_key = match (record.message_id.as_str(), &info) {
        ("", _) => Some(record.idempotency_key).filter(|key| !key.is_empty()).map(String::into_boxed_str),
        (id, Some(info)) => Some(Hub::client_message_key(&info.user, id)),
        (_, None) => return Unusable::because("message_id is a client's, and there is no info of one"),
    };
    let tags = Some(record.tags).filter(|tags| !tags.is_empty());
    let number = Some(record.version).filter(|number| *number > 0);
    let epoch = record.version_epoch.into_boxed_str();
    let message = NewPublication {
        info,
        tags: tags.map(|tags| tags.into_iter().map(|(name, value)| (name.into(), value.into())).collect()),
        skip_history: record.skip_history,
        idempotency_key,
        version: number.map(|number| Box::new(Version { number, epoch })),
        ttl_ms: Some(record.ttl_ms.min(TTL_MS_MAX)).filter(|ttl_ms| *ttl_ms > 0),
        ..NewPublication::new(data)
    };
    let (bytes, most) = (channel.len() + message.weight(), config.client.queue_max_size);
    if bytes > most {
        return Unusable::because(format!(
            "with {bytes} bytes no subscriber can be given the message: client.queue_max_size lets {most} wait"
        ));
    }
    let exclude = Some(record.exclude_client).filter(|client| !client.is_empty());
    Ok(packed(Ticket(0), channel, message, options, exclude.map(|client| client_id(&client))))
}

fn client_of(publisher: Publisher) -> ClientInfo {
    let Publisher { user, client, conn_info, b64conn_info, chan_info, b64chan_info } = publisher;
    ClientInfo {
        user: user.into(),
        client: client_id(&client),
        conn_info: data::payload(&conn_info, &b64conn_info).map(Box::new),
        chan_info: data::payload(&chan_info, &b64chan_info).map(Box::new),
    }
}

/// The client of this id; for what cannot be one, an id that no client has.
fn client_id(text: &str) -> ClientId {
    text.parse().unwrap_or(ClientId::nil())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::config::{Acknowledge, ChannelOptions, Duration, Log, Namespace};
    use crate::model::{Keep, Tags};

    /// Channels of `kept:` keep a history, those of `told:` none; those of `other:` are not for Kafka.
    fn configuration() -> (Access, Config) {
        let namespace = |name: &str, acknowledge, history_size| {
            let history_ttl = Duration::from_secs(60 * u64::from(history_size));
            let options =
                ChannelOptions { log: Log::Redis, acknowledge, history_size, history_ttl, ..ChannelOptions::default() };
            Namespace { name: name.into(), options }
        };
        let mut config = Config::default();
        config.channel.namespaces = vec![
            namespace("kept", Acknowledge::Kafka, 10),
            namespace("told", Acknowledge::Kafka, 0),
            namespace("other", Acknowledge::Log, 10),
        ];
        (Access::new(&config.channel).unwrap(), config)
    }

    fn read_here(record: Publish, key: Option<&[u8]>) -> Result<bridge::Publish, Unusable> {
        let (access, config) = configuration();
        read(record, key, &access, &config)
    }

    fn record(channel: &str) -> Publish {
        Publish { channel: channel.into(), data: Bytes::from_static(b"1"), ..Publish::default() }
    }

    /// What a home publishes to these channels.
    fn messages() -> Vec<(&'static str, NewPublication, Option<ClientId>)> {
        let client = ClientId::from_u128(7);
        let info = || {
            let conn_info = Some(Box::new(Payload::json("{\"name\":\"Ada\"}")));
            let chan_info = Some(Box::new(Payload::binary(vec![0, 255])));
            Arc::new(ClientInfo { user: "ada".into(), client, conn_info, chan_info })
        };
        let tags: Tags = [("k".into(), "v".into())].into();
        let whole = NewPublication {
            tags: Some(tags),
            idempotency_key: Some("key".into()),
            version: Some(Box::new(Version { number: 3, epoch: "e".into() })),
            ttl_ms: Some(5),
            ..NewPublication::new(Payload::json("{}"))
        };
        let sent = NewPublication {
            info: Some(info()),
            idempotency_key: Some(Hub::client_message_key("ada", "m1")),
            ..NewPublication::new(Payload::binary(b"\n\0".to_vec()))
        };
        let skipped = NewPublication { skip_history: true, ..NewPublication::new(Payload::json("[1]")) };
        let bare = NewPublication::new(Payload::binary(vec![255]));
        vec![("kept:a", whole, None), ("kept:a", sent, Some(client)), ("kept:a", skipped, None), ("told:a", bare, None)]
    }

    #[test]
    fn what_a_home_publishes_comes_to_its_bucket_as_it_would_without_kafka() {
        let (access, config) = configuration();
        for (channel, message, exclude) in messages() {
            let options = access.resolve(channel).unwrap().hub_options(&config.channel);
            let publish = packed(Ticket(0), channel.into(), message, options, exclude);
            let read = read_here(written(&publish).unwrap(), Some(b"another")).unwrap();
            assert_eq!(format!("{read:?}"), format!("{publish:?}"));
        }
    }

    #[test]
    fn a_record_that_names_no_channel_goes_to_that_of_its_key() {
        assert_eq!(&*read_here(record(""), Some(b"kept:a")).unwrap().channel, "kept:a");
        assert_eq!(&*read_here(record("kept:b"), Some(b"kept:a")).unwrap().channel, "kept:b");
    }

    #[test]
    fn an_empty_message_is_null_and_line_ends_are_space() {
        let (access, config) = configuration();
        let options = access.resolve("kept:a").unwrap().hub_options(&config.channel);
        for empty in [Payload::json(""), Payload::binary("")] {
            let empty = packed(Ticket(0), "kept:a".into(), NewPublication::new(empty), options, None);
            assert_eq!(written(&empty).unwrap().data, "null");
        }
        let lines = Publish { data: Bytes::from_static(b"[1,\r\n2]"), ..record("kept:a") };
        assert!(read_here(lines, None).unwrap().body.ends_with(b"[1,  2]"));
    }

    #[test]
    fn what_cannot_be_published_says_why() {
        let long = || "x".repeat(256);
        let refused = [
            ("names a channel", Publish { channel: String::new(), ..record("") }),
            ("no namespace", record("nowhere:a")),
            ("too long", record(&format!("kept:{}", long()))),
            ("no `acknowledge", record("other:a")),
            ("no `acknowledge", record("a")),
            ("is required", Publish { data: Bytes::new(), ..record("kept:a") }),
            ("idempotency_key", Publish { idempotency_key: long(), ..record("kept:a") }),
            ("version_epoch", Publish { version_epoch: long(), ..record("kept:a") }),
            ("message_id", Publish { message_id: long(), ..record("kept:a") }),
            ("no info", Publish { message_id: "1".into(), ..record("kept:a") }),
            ("no subscriber", Publish { b64data: vec![0; 64 << 20].into(), ..record("kept:a") }),
        ];
        for (said, record) in refused {
            let why = read_here(record, None).unwrap_err().0;
            assert!(why.contains(said), "{said}: {why}");
        }
        let no_text = read_here(record(""), Some(b"\xff")).unwrap_err();
        assert!(no_text.0.contains("no text"), "{no_text}");
    }

    #[test]
    fn what_a_record_leaves_out_is_as_the_api_has_it() {
        let publish = read_here(Publish { tags: BTreeMap::new(), ..record("kept:a") }, None).unwrap();
        assert_eq!(publish.keep, Keep { size: 10, ttl_ms: 600_000, meta_ttl_ms: publish.keep.meta_ttl_ms });
        assert!(publish.key.is_none() && publish.sender.is_none() && publish.version.is_none());
    }
}
