//! Channels on their home shard.

mod history;

use std::sync::Arc;

use super::*;
use crate::limits::IDEMPOTENCY_WINDOW_MS;
use crate::model::PresenceStats;

const OPTIONS: HubOptions = HubOptions {
    history_size: 5,
    history_ttl_ms: 10_000,
    history_meta_ttl_ms: 60_000,
    excludes_publisher: false,
    at_least_once: false,
    push_after_ms: 0,
    is_durable: false,
    is_mirrored: false,
    is_relayed: false,
    tells_status: false,
    namespace: 0,
};
const FLEETING: HubOptions = HubOptions { history_size: 0, history_ttl_ms: 0, ..OPTIONS };

fn few(publications: usize) -> Limit {
    Limit { publications, bytes: usize::MAX }
}

fn at(mono_ms: u64) -> Now {
    Now { mono_ms, unix_ms: 1_700_000_000_000 + mono_ms as i64 }
}

fn hub() -> Hub {
    Hub::new(1, usize::MAX)
}

fn message(data: &str) -> NewPublication {
    NewPublication::new(Payload::json(data.to_string()))
}

fn publish(hub: &mut Hub, data: &str, now_ms: u64) -> Published {
    put(hub, "a", message(data), OPTIONS, at(now_ms))
}

/// Publishes in a channel that is kept in memory.
fn put(hub: &mut Hub, channel: &str, message: NewPublication, options: HubOptions, now: Now) -> Published {
    match hub.publish(channel, message, options, now) {
        Ok(Placed::Done(published)) => published,
        other => panic!("{other:?}"),
    }
}

fn remove(hub: &mut Hub, channel: &str) {
    assert!(matches!(hub.history_remove(channel), Ok(Placed::Done(()))));
}

fn client(number: u128, user: &str) -> Arc<ClientInfo> {
    let client = ClientId::from_u128(number);
    Arc::new(ClientInfo { user: user.into(), client, conn_info: None, chan_info: None })
}

fn join<'a>(channel: &'a Arc<str>, info: &'a Arc<ClientInfo>, shard: u16, recover: Option<&'a Position>) -> Join<'a> {
    Join {
        filter: None,
        channel,
        shard,
        info,
        announce: true,
        presence: true,
        recover,
        mode: RecoveryMode::Stream,
        recovery_limit: few(100),
        whole: false,
        stream: true,
    }
}

/// Subscribes client 1 and says what it was told.
fn recover(hub: &mut Hub, since: &Position, mode: RecoveryMode, now_ms: u64) -> (bool, Vec<u64>) {
    let (channel, info) = (Arc::from("a"), client(1, "u"));
    let ask = Join { mode, ..join(&channel, &info, 0, Some(since)) };
    let joined = hub.subscribe(ask, OPTIONS, at(now_ms)).expect("it never fails");
    hub.unsubscribe("a", 0, info.client, at(now_ms));
    (joined.recovered, joined.publications.iter().map(|publication| publication.offset).collect())
}

fn page(hub: &mut Hub, filter: HistoryFilter, now_ms: u64) -> Result<Vec<u64>, ErrorKind> {
    let page = hub.history("a", &filter, few(100), None, OPTIONS, at(now_ms)).map_err(|error| error.kind)?;
    Ok(page.publications.iter().map(|publication| publication.offset).collect())
}

fn all() -> HistoryFilter {
    HistoryFilter { limit: -1, ..HistoryFilter::default() }
}

fn since(offset: u64, epoch: &Arc<str>) -> Option<Position> {
    Some(Position { offset, epoch: epoch.clone() })
}

// ---------------------------------------------------------------- order and fan-out

#[test]
fn publications_are_numbered_from_one_in_one_epoch() {
    let mut hub = hub();
    let first = publish(&mut hub, "1", 0).position;
    let second = publish(&mut hub, "2", 0).position;
    assert_eq!((first.offset, second.offset), (1, 2));
    assert_eq!(first.epoch, second.epoch);
    assert!(!first.epoch.is_empty());
}

#[test]
fn a_publication_goes_once_to_every_shard_with_subscribers() {
    let mut hub = hub();
    let channel = Arc::from("a");
    assert!(publish(&mut hub, "0", 0).fan_out.is_none());
    for (number, shard) in [(1, 0), (2, 3), (3, 3)] {
        hub.subscribe(join(&channel, &client(number, "u"), shard, None), OPTIONS, at(0)).expect("it never fails");
    }
    let shards = |hub: &mut Hub| {
        let fan_out = publish(hub, "1", 0).fan_out;
        fan_out.map(|fan_out| fan_out.shards.iter().collect::<Vec<_>>())
    };
    assert_eq!(shards(&mut hub), Some(vec![0, 3]));
    hub.unsubscribe("a", 3, ClientId::from_u128(2), at(0));
    assert_eq!(shards(&mut hub), Some(vec![0, 3]));
    hub.unsubscribe("a", 3, ClientId::from_u128(3), at(0));
    assert_eq!(shards(&mut hub), Some(vec![0]));
}

#[test]
fn what_is_not_kept_has_no_place() {
    let mut hub = hub();
    let channel: Arc<str> = Arc::from("a");
    hub.subscribe(join(&channel, &client(1, "u"), 0, None), OPTIONS, at(0)).expect("it never fails");
    publish(&mut hub, "1", 0);
    let skipped = NewPublication { skip_history: true, ..message("2") };
    let published = put(&mut hub, "a", skipped, OPTIONS, at(0));
    assert_eq!(published.position, Position::default());
    assert_eq!(published.fan_out.expect("somebody subscribes").publication.offset, 0);
    assert_eq!(publish(&mut hub, "3", 0).position.offset, 2);
    assert_eq!(page(&mut hub, all(), 0), Ok(vec![1, 2]));
}

#[test]
fn a_channel_without_history_exists_while_somebody_subscribes() {
    let mut hub = hub();
    let (channel, info) = (Arc::from("a"), client(1, "u"));
    assert!(put(&mut hub, "a", message("1"), FLEETING, at(0)).fan_out.is_none());
    assert!(hub.is_empty());
    let joined = hub.subscribe(join(&channel, &info, 0, None), FLEETING, at(0)).expect("it never fails");
    assert_eq!(joined.position, Position::default());
    assert_eq!((hub.len(), hub.active()), (1, 1));
    hub.unsubscribe("a", 0, info.client, at(0));
    assert_eq!((hub.len(), hub.active()), (0, 0));
}

#[test]
fn a_key_publishes_once_per_channel_and_window() {
    let mut hub = hub();
    let mut once = |channel: &str, now_ms| {
        let message = NewPublication { idempotency_key: Some("k".into()), ..message("1") };
        put(&mut hub, channel, message, OPTIONS, at(now_ms)).position.offset
    };
    assert_eq!((once("a", 0), once("a", 1), once("b", 1)), (1, 1, 1));
    assert_eq!(once("a", IDEMPOTENCY_WINDOW_MS - 1), 1);
    assert_eq!(once("a", IDEMPOTENCY_WINDOW_MS), 1, "a new life: the first has long expired");
    let position = hub.kept("a").expect("it has a stream").0;
    assert_eq!(position.offset, 1);
}

// ---------------------------------------------------------------- who is there

#[test]
fn presence_lists_sessions_and_counts_users() {
    let mut hub = hub();
    let channel = Arc::from("a");
    for (number, user, presence) in [(2, "v", true), (1, "u", true), (3, "u", true), (4, "w", false)] {
        let info = client(number, user);
        let ask = Join { presence, ..join(&channel, &info, 0, None) };
        hub.subscribe(ask, FLEETING, at(0)).expect("it never fails");
    }
    let clients: Vec<_> = hub.presence("a").iter().map(|info| info.client.as_u128()).collect();
    assert_eq!(clients, [1, 2, 3]);
    assert_eq!(hub.presence_stats("a"), PresenceStats { num_clients: 3, num_users: 2 });
    hub.unsubscribe("a", 0, ClientId::from_u128(1), at(0));
    assert_eq!(hub.presence_stats("a"), PresenceStats { num_clients: 2, num_users: 2 });
    hub.unsubscribe("a", 0, ClientId::from_u128(3), at(0));
    assert_eq!(hub.presence_stats("a"), PresenceStats { num_clients: 1, num_users: 1 });
    assert_eq!(hub.presence_stats("b"), PresenceStats::default());
}

#[test]
fn coming_and_going_is_announced_to_who_is_there() {
    let mut hub = hub();
    let channel = Arc::from("a");
    let there = client(1, "u");
    hub.subscribe(join(&channel, &there, 5, None), FLEETING, at(0)).expect("it never fails");
    let info = client(2, "v");
    let joined = hub.subscribe(join(&channel, &info, 1, None), FLEETING, at(0)).expect("it never fails");
    assert_eq!(joined.announce_to.iter().collect::<Vec<_>>(), [1, 5], "the one who came hears it too");
    let left = hub.unsubscribe("a", 1, info.client, at(0)).expect("it was there");
    assert_eq!((left.announce_to.iter().collect::<Vec<_>>(), left.info), (vec![5], info.clone()));
    assert!(hub.unsubscribe("a", 1, info.client, at(0)).is_none());
}

#[test]
fn channels_are_found_by_pattern() {
    let mut hub = hub();
    for (number, name) in ["chat:a", "chat:b", "game:a:b"].into_iter().enumerate() {
        let (channel, info) = (Arc::from(name), client(number as u128, "u"));
        hub.subscribe(join(&channel, &info, 0, None), FLEETING, at(0)).expect("it never fails");
    }
    publish(&mut hub, "1", 0);
    let found = |pattern: &str| {
        let (mut found, mut from) = (Vec::new(), Some(0));
        while let Some(at) = from {
            from = hub.channels(&Pattern::new(pattern).unwrap(), at, 2, &mut found);
        }
        let mut names: Vec<_> = found.into_iter().map(|(name, _)| name.to_string()).collect();
        names.sort();
        names.join(" ")
    };
    assert_eq!(found(""), "chat:a chat:b game:a:b", "one without subscribers is not listed");
    assert_eq!(found("chat:*"), "chat:a chat:b");
    assert_eq!(found("*a"), "chat:a");
    assert_eq!(found("*:a*"), "chat:a game:a:b");
    assert_eq!(found("game:*:*b"), "game:a:b");
    assert_eq!(found("chat:a"), "chat:a");
    assert_eq!(found("chat"), "");
    assert_eq!(found("chat:a*a"), "");
    assert_eq!(found("chat:?"), "chat:a chat:b");
    assert_eq!(found("chat:[bc]"), "chat:b");
    assert_eq!(found("chat:[!b]"), "chat:a");
    assert_eq!(found("{chat:a,game:*}"), "chat:a game:a:b");
    assert_eq!(found("chat:\\?"), "");
    assert!(Pattern::new("chat:[").is_err() && Pattern::new(&"*".repeat(2000)).is_err());
}

#[test]
fn one_secret_makes_one_map_and_uses_every_shard() {
    let (placement, again) = (Placement::new(4, 7), Placement::new(4, 7));
    let mut used = ShardSet::EMPTY;
    for number in 0..100 {
        let name = number.to_string();
        assert_eq!(placement.of(&name), again.of(&name));
        used.insert(placement.of(&name));
    }
    assert_eq!(used.iter().collect::<Vec<_>>(), [0, 1, 2, 3]);
    let other = Placement::new(4, 8);
    assert!((0..100).any(|number: u32| placement.of(&number.to_string()) != other.of(&number.to_string())));
}

fn keep_one_each(hub: &mut Hub, channels: std::ops::Range<u32>) {
    for number in channels {
        put(hub, &format!("name{number}"), message("1"), OPTIONS, at(1));
    }
}

#[test]
fn streams_take_no_more_memory_than_they_may_and_the_longest_unused_go_first() {
    let mut hub = Hub::new(1, 100 * 1024);
    keep_one_each(&mut hub, 0..10_000);
    assert!(hub.stream_bytes() <= 100 * 1024, "{}", hub.stream_bytes());
    assert!(hub.kept("name9999").is_some() && hub.kept("name0").is_none());
    assert_eq!(hub.evictions(), 10_000 - hub.len() as u64);
    // One that is used again outlives those that came before and after it.
    keep_one_each(&mut hub, 9_950..9_951);
    let others = hub.len() as u32 - 1;
    keep_one_each(&mut hub, 10_000..10_000 + others);
    assert!(hub.kept("name9950").is_some() && hub.kept("name9999").is_none());
}

#[test]
fn a_stream_with_subscribers_stays_and_keeps_less_where_memory_is_short() {
    let mut hub = Hub::new(1, 20 * 1024);
    let (channel, info) = (Arc::from("a"), client(2, "u"));
    hub.subscribe(join(&channel, &info, 0, None), OPTIONS, at(1)).unwrap();
    let first = publish(&mut hub, "1", 1).position;
    keep_one_each(&mut hub, 0..1_000);
    assert_eq!(hub.kept("a").unwrap().0, first);
    let long = "x".repeat(9 * 1024);
    for _ in 0..5 {
        publish(&mut hub, &long, 2);
    }
    let (position, kept) = hub.kept("a").unwrap();
    assert_eq!((position.offset, kept.len()), (6, 2), "{}", hub.stream_bytes());
    assert!(hub.stream_bytes() <= 20 * 1024);
    assert_eq!(recover(&mut hub, &first, RecoveryMode::Stream, 3), (false, vec![]));
}

#[test]
fn what_streams_take_is_given_back_when_they_end() {
    let mut hub = hub();
    keep_one_each(&mut hub, 0..100);
    publish(&mut hub, "1", 1);
    remove(&mut hub, "a");
    assert!(hub.stream_bytes() > 0);
    for sweep in 0..10 {
        hub.sweep(at(100_000 + sweep), 1_000);
    }
    assert_eq!((hub.len(), hub.stream_bytes(), hub.unused.oldest()), (0, 0, None));
}

#[test]
fn memory_that_was_made_smaller_is_given_back_bit_by_bit() {
    let mut hub = hub();
    keep_one_each(&mut hub, 0..1_000);
    let most = hub.stream_bytes() / 100;
    hub.set_stream_bytes_max(most);
    let mut steps = 0;
    while hub.stream_bytes() > most {
        let before = hub.evictions();
        match steps % 2 {
            0 => drop(publish(&mut hub, "1", 2)),
            _ => hub.sweep(at(2), 1),
        }
        let gone = hub.evictions() - before;
        assert!((1..=FREED_AT_ONCE as u64).contains(&gone), "{gone} at once");
        steps += 1;
    }
    assert!(steps >= 10);
    // What is published goes beyond it at no time afterwards.
    publish(&mut hub, &"x".repeat(most / 2), 3);
    assert!(hub.stream_bytes() <= most);
}

#[test]
fn a_long_history_that_is_removed_is_gone_at_once_and_freed_bit_by_bit() {
    const KEPT: usize = 5 * FREED_AT_ONCE;
    let mut hub = hub();
    let options = HubOptions { history_size: KEPT as u32, ..OPTIONS };
    for _ in 0..KEPT {
        put(&mut hub, "a", message("1"), options, at(1));
    }
    let bytes = hub.stream_bytes();
    remove(&mut hub, "a");
    assert!(hub.stream_bytes() < bytes / 10 && hub.kept("a").unwrap().1.is_empty());
    for left in (0..5).rev() {
        assert_eq!(hub.remains.publications(), (left + 1) * FREED_AT_ONCE);
        hub.sweep(at(1), 1);
    }
    assert_eq!(hub.remains.publications(), 0);
}

#[test]
fn a_history_that_was_made_shorter_loses_its_excess_bit_by_bit() {
    let mut hub = hub();
    let long = HubOptions { history_size: 3 * FREED_AT_ONCE as u32, ..OPTIONS };
    for _ in 0..3 * FREED_AT_ONCE {
        put(&mut hub, "a", message("1"), long, at(1));
    }
    let short = HubOptions { history_size: 10, ..OPTIONS };
    let mut kept = 3 * FREED_AT_ONCE;
    while kept > 10 {
        put(&mut hub, "a", message("1"), short, at(1));
        let now_kept = hub.kept("a").unwrap().1.len();
        assert!(now_kept < kept && kept - now_kept < FREED_AT_ONCE, "{kept}, then {now_kept}");
        kept = now_kept;
    }
}
