//! What is kept, for how long, and who can come back to it.

use super::*;
use crate::limits::{ENDS_PER_STREAM_MAX, HISTORY_FILTER_NODES_MAX};
use crate::model::refusal::ErrorKind;
use crate::model::{Condition, Test};

// ---------------------------------------------------------------- history

#[test]
fn no_more_than_the_size_is_kept() {
    let mut hub = hub();
    for number in 0..8 {
        publish(&mut hub, &number.to_string(), 0);
    }
    assert_eq!(page(&mut hub, all(), 0), Ok(vec![4, 5, 6, 7, 8]));
}

#[test]
fn nothing_is_kept_past_its_time() {
    let mut hub = hub();
    publish(&mut hub, "1", 0);
    publish(&mut hub, "2", 5_000);
    assert_eq!(page(&mut hub, all(), 9_999), Ok(vec![1, 2]));
    assert_eq!(page(&mut hub, all(), 10_000), Ok(vec![2]));
    assert_eq!(page(&mut hub, all(), 15_000), Ok(vec![]));
    assert_eq!(publish(&mut hub, "3", 16_000).position.offset, 3);
}

#[test]
fn pages_go_forward_and_back() {
    let mut hub = hub();
    for number in 0..5 {
        publish(&mut hub, &number.to_string(), 0);
    }
    let epoch = hub.kept("a").expect("it has a stream").0.epoch;
    let mut filtered = |limit, offset: Option<u64>, reverse| {
        let since = offset.and_then(|offset| since(offset, &epoch));
        page(&mut hub, HistoryFilter { limit, since, reverse }, 0)
    };
    assert_eq!(filtered(0, None, false), Ok(vec![]));
    assert_eq!(filtered(2, None, false), Ok(vec![1, 2]));
    assert_eq!(filtered(2, Some(2), false), Ok(vec![3, 4]));
    assert_eq!(filtered(-1, Some(4), false), Ok(vec![5]));
    assert_eq!(filtered(-1, Some(5), false), Ok(vec![]));
    assert_eq!(filtered(2, None, true), Ok(vec![5, 4]));
    assert_eq!(filtered(2, Some(4), true), Ok(vec![3, 2]));
    assert_eq!(filtered(-1, Some(1), true), Ok(vec![]));
    assert_eq!(filtered(-1, Some(0), true), Err(ErrorKind::BadRequest));
    assert_eq!(filtered(-1, Some(99), true), Ok(vec![5, 4, 3, 2, 1]));
}

#[test]
fn a_page_is_no_longer_than_the_caller_allows() {
    let mut hub = hub();
    for number in 0..5 {
        publish(&mut hub, &number.to_string(), 0);
    }
    let page = hub.history("a", &all(), few(3), None, OPTIONS, at(0)).expect("it is all there");
    assert_eq!((page.publications.len(), page.position.offset), (3, 5));
}

#[test]
fn a_page_after_a_hole_or_in_another_life_is_refused() {
    let mut hub = hub();
    for number in 0..8 {
        publish(&mut hub, &number.to_string(), 0);
    }
    let epoch = hub.kept("a").expect("it has a stream").0.epoch;
    let mut after = |offset, epoch: &str| {
        let since = since(offset, &epoch.into());
        page(&mut hub, HistoryFilter { limit: -1, since, reverse: false }, 0)
    };
    assert_eq!(after(3, &epoch), Ok(vec![4, 5, 6, 7, 8]));
    assert_eq!(after(2, &epoch), Err(ErrorKind::UnrecoverablePosition));
    assert_eq!(after(9, &epoch), Err(ErrorKind::UnrecoverablePosition));
    assert_eq!(after(5, "else"), Err(ErrorKind::UnrecoverablePosition));
    assert_eq!(after(5, ""), Ok(vec![6, 7, 8]));
    for reverse in [false, true] {
        let filter = HistoryFilter { limit: 0, since: since(5, &"else".into()), reverse };
        assert_eq!(
            page(&mut hub, filter, 0),
            Err(ErrorKind::UnrecoverablePosition),
            "also where no publication is wanted"
        );
    }
}

#[test]
fn an_older_version_is_dropped_and_one_of_another_count_is_not() {
    let mut hub = hub();
    let (channel, info) = (Arc::from("a"), client(1, "u"));
    hub.subscribe(join(&channel, &info, 0, None), OPTIONS, at(0)).expect("it never fails");
    let mut publish = |number, epoch: &str| {
        let version = (number > 0).then(|| Box::new(Version { number, epoch: epoch.into() }));
        let published = put(&mut hub, "a", NewPublication { version, ..message("1") }, OPTIONS, at(0));
        (published.position.offset, published.fan_out.is_some())
    };
    // As centrifuge counts: tests/sdk/reference compares.
    assert_eq!(publish(2, ""), (1, true));
    assert_eq!(publish(1, ""), (1, false));
    assert_eq!(publish(2, ""), (1, false));
    assert_eq!(publish(3, ""), (2, true));
    assert_eq!(publish(1, "e"), (3, true));
    assert_eq!(publish(1, "e"), (3, false));
    assert_eq!(publish(1, ""), (3, false));
    assert_eq!(publish(0, ""), (4, true));
    assert_eq!(publish(1, ""), (5, true), "one without a version ends the count");
}

#[test]
fn the_memory_of_versions_is_counted_and_given_back() {
    let mut hub = hub();
    let message = |number, data: &str| NewPublication {
        version: Some(Box::new(Version { number, epoch: "e".repeat(200).into() })),
        ..message(data)
    };
    put(&mut hub, "a", message(1, "1"), OPTIONS, at(0));
    let first = hub.stream_bytes();
    put(&mut hub, "a", message(1, "2"), OPTIONS, at(0));
    assert_eq!(hub.stream_bytes(), first, "what is dropped takes nothing");
    publish(&mut hub, "2", 0);
    assert!(hub.stream_bytes() < first + 200, "the version is gone");
    hub.sweep(at(1_000_000), 10);
    assert_eq!(hub.stream_bytes(), 0);
}

#[test]
fn a_removed_history_is_empty_and_offsets_go_on() {
    let mut hub = hub();
    let position = publish(&mut hub, "1", 0).position;
    remove(&mut hub, "a");
    assert_eq!(page(&mut hub, all(), 0), Ok(vec![]));
    let next = publish(&mut hub, "2", 0).position;
    assert_eq!((next.offset, next.epoch), (2, position.epoch));
}

// ---------------------------------------------------------------- recovery

#[test]
fn everything_that_was_missed_is_recovered_or_nothing() {
    let mut hub = hub();
    for number in 0..8 {
        publish(&mut hub, &number.to_string(), 0);
    }
    let epoch = hub.kept("a").expect("it has a stream").0.epoch;
    let mut from =
        |offset, epoch: &str| recover(&mut hub, &Position { offset, epoch: epoch.into() }, RecoveryMode::Stream, 0);
    assert_eq!(from(8, &epoch), (true, vec![]));
    assert_eq!(from(6, &epoch), (true, vec![7, 8]));
    assert_eq!(from(3, &epoch), (true, vec![4, 5, 6, 7, 8]));
    assert_eq!(from(2, &epoch), (false, vec![]));
    assert_eq!(from(9, &epoch), (false, vec![]));
    assert_eq!(from(8, "else"), (false, vec![]));
    assert_eq!(from(6, ""), (true, vec![7, 8]), "who gives no epoch counts on none");
    assert_eq!(from(0, ""), (false, vec![]));
}

#[test]
fn who_has_seen_nothing_recovers_from_the_beginning() {
    let mut hub = hub();
    publish(&mut hub, "1", 0);
    assert_eq!(recover(&mut hub, &Position::default(), RecoveryMode::Stream, 0), (true, vec![1]));
}

#[test]
fn more_than_the_limit_is_not_recovered() {
    let mut hub = hub();
    for number in 0..4 {
        publish(&mut hub, &number.to_string(), 0);
    }
    let (channel, info) = (Arc::from("a"), client(1, "u"));
    let since = Position { offset: 0, ..hub.kept("a").expect("it has a stream").0 };
    let ask = Join { recovery_limit: few(3), ..join(&channel, &info, 0, Some(&since)) };
    let joined = hub.subscribe(ask, OPTIONS, at(0)).expect("it never fails");
    assert!(!joined.recovered && joined.publications.is_empty());
    assert_eq!(joined.position.offset, 4);
}

#[test]
fn who_wants_all_or_nothing_is_refused_when_not_all_is_there_and_leaves_no_trace() {
    let mut hub = hub();
    for number in 0..4 {
        publish(&mut hub, &number.to_string(), 0);
    }
    let (channel, info) = (Arc::from("a"), client(1, "u"));
    let since = Position { offset: 0, ..hub.kept("a").expect("it has a stream").0 };
    let ask = |count| Join { recovery_limit: few(count), whole: true, ..join(&channel, &info, 0, Some(&since)) };
    assert_eq!(hub.subscribe(ask(3), OPTIONS, at(0)).err(), Some(ErrorKind::UnrecoverablePosition.into()));
    assert!(hub.presence("a").is_empty());
    assert_eq!(hub.active(), 0);
    assert!(hub.subscribe(ask(4), OPTIONS, at(0)).is_ok_and(|joined| joined.recovered));
}

#[test]
fn what_was_removed_is_not_recovered_but_who_has_seen_all_stays_current() {
    let mut hub = hub();
    publish(&mut hub, "1", 0);
    let position = publish(&mut hub, "2", 0).position;
    remove(&mut hub, "a");
    let before = Position { offset: 1, epoch: position.epoch.clone() };
    assert_eq!(recover(&mut hub, &before, RecoveryMode::Stream, 0), (false, vec![]));
    assert_eq!(recover(&mut hub, &position, RecoveryMode::Stream, 0), (true, vec![]));
}

#[test]
fn a_cache_recovers_the_latest_from_anywhere() {
    let mut hub = hub();
    let nowhere = Position::default();
    assert_eq!(recover(&mut hub, &nowhere, RecoveryMode::Cache, 0), (false, vec![]));
    for number in 0..8 {
        publish(&mut hub, &number.to_string(), 0);
    }
    let current = hub.kept("a").expect("it has a stream").0;
    let old = Position { offset: 1, epoch: current.epoch.clone() };
    assert_eq!(recover(&mut hub, &nowhere, RecoveryMode::Cache, 0), (true, vec![8]));
    assert_eq!(recover(&mut hub, &old, RecoveryMode::Cache, 0), (true, vec![8]));
    assert_eq!(recover(&mut hub, &current, RecoveryMode::Cache, 0), (true, vec![]));
    remove(&mut hub, "a");
    assert_eq!(recover(&mut hub, &current, RecoveryMode::Cache, 0), (true, vec![]));
    assert_eq!(recover(&mut hub, &old, RecoveryMode::Cache, 0), (false, vec![]));
}

// ---------------------------------------------------------------- lives

#[test]
fn a_stream_ends_when_it_was_not_used_for_its_time() {
    let mut hub = hub();
    let first = publish(&mut hub, "1", 0).position;
    hub.sweep(at(59_999), 10);
    assert_eq!(hub.len(), 1);
    hub.sweep(at(60_000), 10);
    assert!(hub.is_empty());
    let second = publish(&mut hub, "2", 60_001).position;
    assert_eq!(second.offset, 1);
    assert_ne!(second.epoch, first.epoch);
}

#[test]
fn subscribers_hold_the_life_of_a_stream() {
    let mut hub = hub();
    let (channel, info) = (Arc::from("a"), client(1, "u"));
    publish(&mut hub, "1", 0);
    let joined = hub.subscribe(join(&channel, &info, 0, None), OPTIONS, at(0)).expect("it never fails");
    hub.sweep(at(1_000_000), 10);
    let next = publish(&mut hub, "2", 1_000_000).position;
    assert_eq!((next.offset, &next.epoch), (2, &joined.position.epoch));
    hub.unsubscribe("a", 0, info.client, at(2_000_000));
    hub.sweep(at(2_059_999), 10);
    assert_eq!(recover(&mut hub, &next, RecoveryMode::Stream, 2_059_999), (true, vec![]));
}

#[test]
fn a_stream_in_which_nothing_was_published_is_soon_forgotten() {
    let mut hub = hub();
    assert_eq!(page(&mut hub, all(), 0), Ok(vec![]));
    hub.sweep(at(OPTIONS.history_ttl_ms), 10);
    assert!(hub.is_empty());
}

#[test]
fn a_history_that_was_switched_off_and_on_is_another() {
    let mut hub = hub();
    let (channel, info) = (Arc::from("a"), client(1, "u"));
    hub.subscribe(join(&channel, &info, 0, None), OPTIONS, at(0)).expect("it never fails");
    let before = publish(&mut hub, "1", 0).position;
    put(&mut hub, "a", message("2"), FLEETING, at(1));
    let after = publish(&mut hub, "3", 2).position;
    assert_eq!(after.offset, 1);
    assert_ne!(after.epoch, before.epoch);
}

#[test]
fn a_sweep_of_small_steps_visits_every_channel() {
    let mut hub = hub();
    for number in 0..100 {
        put(&mut hub, &number.to_string(), message("1"), OPTIONS, at(0));
    }
    for _ in 0..30 {
        hub.sweep(at(60_000), 10);
    }
    assert!(hub.is_empty());
}

/// Wants the tag `n` to be this.
fn wants(value: &str) -> TagsFilter {
    TagsFilter::new(Condition::Tag { key: "n".into(), test: Test::Is(value.into()) }).expect("it is small")
}

fn tagged(value: &str) -> NewPublication {
    NewPublication { tags: Some([("n".into(), value.into())].into()), ..message(value) }
}

#[test]
fn who_recovers_with_a_filter_is_given_what_passes_and_told_that_it_is_all() {
    let mut hub = hub();
    for value in ["a", "b", "a", "c"] {
        put(&mut hub, "a", tagged(value), OPTIONS, at(0));
    }
    let since = Position { offset: 1, epoch: hub.kept("a").expect("it has a stream").0.epoch };
    let (channel, info) = (Arc::from("a"), client(1, "u"));
    let mut recovered = |value: &str, mode| {
        let filter = wants(value);
        let ask = Join { filter: Some(&filter), mode, ..join(&channel, &info, 0, Some(&since)) };
        let joined = hub.subscribe(ask, OPTIONS, at(0)).expect("it never fails");
        hub.unsubscribe("a", 0, info.client, at(0));
        (joined.recovered, joined.publications.iter().map(|publication| publication.offset).collect::<Vec<_>>())
    };
    assert_eq!(recovered("a", RecoveryMode::Stream), (true, vec![3]));
    assert_eq!(recovered("x", RecoveryMode::Stream), (true, vec![]));
    assert_eq!(recovered("a", RecoveryMode::Cache), (true, vec![3]), "the newest that passes");
    assert_eq!(recovered("x", RecoveryMode::Cache), (false, vec![]), "there is none");
}

#[test]
fn what_has_ended_is_given_to_nobody_and_its_place_stays() {
    let mut hub = hub();
    publish(&mut hub, "1", 0);
    let short = NewPublication { ttl_ms: Some(1_000), ..message("2") };
    put(&mut hub, "a", short, OPTIONS, at(0));
    publish(&mut hub, "3", 0);
    let since = Position { offset: 1, epoch: hub.kept("a").expect("it has a stream").0.epoch };
    assert_eq!(recover(&mut hub, &since, RecoveryMode::Stream, 999), (true, vec![2, 3]));
    assert_eq!(page(&mut hub, all(), 999), Ok(vec![1, 2, 3]));
    assert_eq!(recover(&mut hub, &since, RecoveryMode::Stream, 1_000), (true, vec![3]), "nothing is missing");
    assert_eq!(page(&mut hub, all(), 1_000), Ok(vec![1, 3]));
    let short = NewPublication { ttl_ms: Some(1_000), ..message("4") };
    put(&mut hub, "a", short, OPTIONS, at(1_000));
    let (recovered, offsets) = recover(&mut hub, &since, RecoveryMode::Cache, 2_000);
    assert_eq!((recovered, offsets), (true, vec![3]), "the newest that has not ended");
    assert_eq!(publish(&mut hub, "5", 2_000).position.offset, 5);
}

#[test]
fn a_channel_keeps_few_that_end_by_themselves_and_forgets_their_ends_with_them() {
    let mut hub = hub();
    let short = || NewPublication { ttl_ms: Some(1_000), ..message("1") };
    let before = hub.stream_bytes();
    for _ in 0..ENDS_PER_STREAM_MAX {
        put(&mut hub, "a", short(), OPTIONS, at(0));
    }
    let refused = hub.publish("a", short(), OPTIONS, at(0)).expect_err("there are enough");
    assert_eq!(refused.kind, ErrorKind::LimitExceeded);
    for _ in 0..OPTIONS.history_size {
        publish(&mut hub, "2", 0);
    }
    put(&mut hub, "a", short(), OPTIONS, at(0));
    assert_eq!(page(&mut hub, all(), 2_000).map(|offsets| offsets.len()), Ok(OPTIONS.history_size as usize - 1));
    remove(&mut hub, "a");
    assert!(hub.stream_bytes() < before + 2 * crate::limits::STREAM_BYTES);
}

#[test]
fn a_page_by_a_filter_ends_where_enough_was_looked_at_and_says_so_where_nothing_passed() {
    let mut hub = hub();
    let (options, looks) = (HubOptions { history_size: 1_000, ..OPTIONS }, u64::from(HISTORY_FILTER_NODES_MAX));
    let wanted = [3, looks - 1, looks + 1, 2 * looks + 2];
    for offset in 1..=3 * looks {
        let value = if wanted.contains(&offset) { "1" } else { "2" };
        put(&mut hub, "a", tagged(value), options, at(0));
    }
    let epoch = hub.kept("a").expect("it has a stream").0.epoch;
    let mut read = |from, reverse| {
        let part = HistoryFilter { limit: -1, since: since(from, &epoch).filter(|_| from > 0), reverse };
        let page = hub.history("a", &part, few(100), Some(&wants("1")), options, at(0)).map_err(|error| error.kind)?;
        Ok(page.publications.iter().map(|publication| publication.offset).collect::<Vec<_>>())
    };
    assert_eq!(read(0, false), Ok(vec![3, looks - 1]));
    assert_eq!(read(looks - 1, false), Ok(vec![looks + 1]), "who pages goes on behind the last");
    assert_eq!(read(looks + 1, false), Err(ErrorKind::LimitExceeded));
    assert_eq!(read(2 * looks + 2, false), Ok(vec![]), "no more is there");
    assert_eq!(read(0, true), Ok(vec![2 * looks + 2]));
    assert_eq!(read(2 * looks + 2, true), Err(ErrorKind::LimitExceeded), "backwards as well");
}
