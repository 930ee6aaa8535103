//! Dead letters, step by step, against real servers.

use ringpost::cluster::redis::functions::Functions;
use ringpost::model::ledger::{GivenUp, Happened, Letter, LetterFilter, Noted, Requeued, Requeuing};

use crate::functions::{config, linked, node, one, publish, with_each};
use crate::inboxes::{
    ROOM, add, asks, attach, body, both, floor, given_up, name, note, note_all, noted, publish_up_to, remove,
};
use crate::server::{Kind as Of, Server};

pub(crate) fn every() -> LetterFilter {
    LetterFilter { after: 0, user: "".into(), since_unix_ms: i64::MIN, limit: 10_000 }
}

pub(crate) async fn letters(node: &Functions, filter: LetterFilter) -> Vec<Letter> {
    node.letters(ROOM, &filter).await.unwrap()
}

async fn offsets(node: &Functions, filter: LetterFilter) -> Vec<u64> {
    letters(node, filter).await.iter().map(|letter| letter.body.offset).collect()
}

#[test]
fn what_a_device_was_given_up_on_is_one_letter_with_so_many_devices_and_the_floor_moves_with_it() {
    with_each(async |link, config, _| {
        let ann = node(&link, &config, 1, 1);
        let users: Vec<_> = (0..18).map(|at| format!("u{at:02}")).collect();
        add(&ann, &users.iter().map(String::as_str).collect::<Vec<_>>()).await;
        let life = publish_up_to(&ann, 9).await;
        for user in &users {
            attach(&ann, user, "a").await;
            assert_eq!(note(&ann, user, "a", given_up(4, 3)).await, Noted::Kept);
            assert_eq!(note(&ann, user, "a", given_up(4, 9)).await, Noted::Kept, "once");
        }
        assert_eq!(note(&ann, "u00", "a", given_up(10, 3)).await, Noted::Beyond);
        let [letter] = &letters(&ann, every()).await[..] else { panic!("one") };
        assert_eq!((letter.life, &letter.body, letter.failures.len(), letter.more), (life, &body(4), 16, 2));
        assert_eq!(letter.failures[15], (name("u15", "a"), 3, 3_000));
        let row = attach(&ann, "u17", "a").await;
        assert_eq!((row.floor, row.received, row.failed), (4, 0, 0), "it was not received");
        assert_eq!(note(&ann, "u00", "a", given_up(7, 1)).await, Noted::Kept);
        assert_eq!(note(&ann, "u01", "a", given_up(5, 2)).await, Noted::Kept);
        assert_eq!(offsets(&ann, every()).await, [4, 5, 7]);
        assert_eq!(offsets(&ann, LetterFilter { after: 4, ..every() }).await, [5, 7]);
        assert!(offsets(&ann, LetterFilter { after: u64::MAX, ..every() }).await.is_empty());
        assert_eq!(offsets(&ann, LetterFilter { user: "u00".into(), ..every() }).await, [4, 7]);
        assert_eq!(offsets(&ann, LetterFilter { since_unix_ms: 2_000, ..every() }).await, [4, 5]);
        assert_eq!(offsets(&ann, LetterFilter { limit: 1, ..every() }).await, [4]);
        for (at, user) in users.iter().take(16).enumerate() {
            assert_eq!(offsets(&ann, LetterFilter { limit: 1, ..every() }).await, [4], "{at}");
            assert_eq!(note(&ann, user, "a", Happened::Resolved(4)).await, Noted::Kept);
        }
        assert_eq!(offsets(&ann, every()).await, [5, 7], "it goes with the last that is listed");
        let bucket = ann.keys().bucket_of(ROOM);
        assert_eq!(ann.letters_purge(bucket, ROOM, Some(5)).await.unwrap(), 1);
        assert_eq!(ann.letters_purge(bucket, ROOM, Some(u64::MAX)).await.unwrap(), 0);
        assert_eq!(ann.letters_purge(bucket, ROOM, None).await.unwrap(), 1);
        assert!(offsets(&ann, every()).await.is_empty());
    });
}

#[test]
fn a_letter_that_is_requeued_comes_with_its_devices_until_they_have_received_it_or_are_given_up_again() {
    with_each(async |link, config, _| {
        let (ann, bob) = (node(&link, &config, 1, 1), node(&link, &config, 2, 2));
        let bucket = ann.keys().bucket_of(ROOM);
        add(&ann, &["u", "w", "x"]).await;
        let life = publish_up_to(&ann, 9).await;
        for user in ["u", "w", "x"] {
            attach(&ann, user, "a").await;
            note(&ann, user, "a", given_up(4, 3)).await;
            note(&ann, user, "a", floor(8)).await;
        }
        remove(&ann, &["x"]).await;
        assert!(matches!(ann.letter_requeue(bucket, ROOM, 5).await.unwrap(), Requeuing::None));
        for _ in 0..2 {
            let again = bob.letter_requeue(bucket, ROOM, 4).await.unwrap();
            assert!(matches!(again, Requeuing::Again(of) if of == life), "{again:?}");
        }
        for user in ["u", "w"] {
            assert_eq!(attach(&bob, user, "a").await.requeued, [again(4, 0)]);
        }
        assert_eq!(note(&bob, "u", "a", Happened::Resolved(4)).await, Noted::Kept);
        assert_eq!(note(&bob, "w", "a", given_up(4, 7)).await, Noted::Kept);
        let [letter] = &letters(&ann, every()).await[..] else { panic!("one") };
        assert_eq!(letter.failures, [(name("w", "a"), 7, 7_000), (name("x", "a"), 3, 3_000)]);
        for user in ["u", "w"] {
            let row = attach(&ann, user, "a").await;
            assert!(row.floor == 8 && row.requeued.is_empty(), "{row:?}");
        }
        bob.letter_requeue(bucket, ROOM, 4).await.unwrap();
        bob.letters_purge(bucket, ROOM, None).await.unwrap();
        assert!(attach(&ann, "w", "a").await.requeued.is_empty(), "what is purged is sent to nobody");
        note(&ann, "u", "a", given_up(9, 1)).await;
        remove(&ann, &["u", "w"]).await;
        assert!(matches!(ann.letter_requeue(bucket, ROOM, 9).await.unwrap(), Requeuing::Nobody));
    });
}

fn again(offset: u64, attempts: u16) -> Requeued {
    Requeued { letter: body(offset), attempts }
}

#[test]
fn how_often_a_requeued_letter_was_sent_is_known_wherever_its_device_comes_to() {
    with_each(async |link, config, server| {
        let (ann, bob) = (node(&link, &config, 1, 1), node(&link, &config, 2, 2));
        let bucket = ann.keys().bucket_of(ROOM);
        add(&ann, &["u"]).await;
        publish_up_to(&ann, 9).await;
        attach(&ann, "u", "a").await;
        for offset in [4, 5, 6] {
            note(&ann, "u", "a", given_up(offset, 3)).await;
            bob.letter_requeue(bucket, ROOM, offset).await.unwrap();
        }
        let tried = |offset, attempts| Happened::Tried { offset, attempts };
        for (offset, attempts) in [(4, 1), (4, 2), (4, 1), (6, 1), (7, 9)] {
            assert_eq!(note(&ann, "u", "a", tried(offset, attempts)).await, Noted::Kept);
        }
        assert_eq!(attach(&bob, "u", "a").await.requeued, [again(4, 2), again(5, 0), again(6, 1)]);
        bob.letter_requeue(bucket, ROOM, 4).await.unwrap();
        assert_eq!(attach(&bob, "u", "a").await.requeued, [again(4, 0), again(5, 0), again(6, 1)], "they begin anew");
        note(&ann, "u", "a", tried(4, 1)).await;
        note(&ann, "u", "a", tried(5, 1)).await;
        let key = format!("{}:wa:{ROOM}", ann.keys().head(bucket));
        let kept = || server.cli(&["HLEN", &key]).trim().to_owned();
        assert_eq!(kept(), "3");
        note(&ann, "u", "a", Happened::Resolved(4)).await;
        note(&ann, "u", "a", given_up(5, 2)).await;
        assert_eq!(kept(), "1", "they go with what they are of");
        assert_eq!(note(&ann, "u", "a", tried(4, 3)).await, Noted::Kept);
        assert_eq!(attach(&bob, "u", "a").await.requeued, [again(6, 1)]);
        remove(&ann, &["u"]).await;
        assert_eq!(kept(), "0");
    });
}

/// A letter of a channel at each of these offsets, of this user.
async fn give_up(node: &Functions, channel: &str, user: &str, offsets: &[u64]) {
    let bucket = node.keys().bucket_of(channel);
    let users = std::iter::once((user, false));
    assert_eq!(node.ledger_add(bucket, channel, users, 100, 600_000).await.unwrap(), Ok(()));
    while one(node, publish(channel, "x")).await.unwrap().offset < *offsets.last().unwrap() {}
    node.ledger_attach(bucket, &[(channel, &asks(user, "a"))], &both()).await.unwrap()[0].as_ref().unwrap();
    let notes: Vec<_> = offsets.iter().map(|offset| noted(None, user, "a", given_up(*offset, 3))).collect();
    let notes: Vec<_> = notes.iter().map(|note| (channel, note)).collect();
    assert!(node.ledger_note(bucket, &notes).await.unwrap().iter().all(|noted| *noted == Noted::Kept));
}

#[test]
fn letters_of_all_channels_of_a_bucket_come_by_channel_and_offset_a_page_at_a_time() {
    const ANYBODY: (&str, i64) = ("", i64::MIN);
    with_each(async |link, config, _| {
        let ann = node(&link, &config, 1, 1);
        // A name that goes on with a zero byte lies between the letters of the one that it begins with.
        let names = [ROOM.into(), format!("{ROOM}\0"), "zoo".into()].into_iter();
        let in_bucket = |name: String| {
            let mut names = std::iter::once(name.clone()).chain((0..).map(move |at| format!("{name}{at}")));
            names.find(|name| ann.keys().bucket_of(name) == ann.keys().bucket_of(ROOM)).unwrap()
        };
        let channels: Vec<_> = names.map(in_bucket).collect();
        for (channel, user) in channels.iter().zip(["u", "w", "u"]) {
            give_up(&ann, channel, user, &[2, 300]).await;
        }
        let bucket = ann.keys().bucket_of(ROOM);
        let (mut found, mut after) = (Vec::new(), None);
        for _ in 0..7 {
            let page = ann.letters_of_bucket(bucket, after.as_ref(), ANYBODY, 1).await.unwrap();
            assert!(page.letters.len() <= 1);
            found.extend(page.letters.into_iter().map(|(channel, letter)| (channel.to_string(), letter.body.offset)));
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        let all = channels.iter().flat_map(|channel| [2, 300].map(|offset| (channel.clone(), offset)));
        let sorted = |mut all: Vec<(String, u64)>| {
            all.sort();
            all
        };
        assert_eq!((sorted(found), after), (sorted(all.collect()), None), "each once");
        let page = ann.letters_of_bucket(bucket, None, ("w", i64::MIN), 10).await.unwrap();
        assert!(page.letters.len() == 2 && page.letters.iter().all(|(channel, _)| **channel == *channels[1]));
        assert_eq!(page.letters[0].1.body, body(2));
        let page = ann.letters_of_bucket(bucket, None, ("", 4_000), 10).await.unwrap();
        assert!(page.letters.is_empty() && page.next.is_none(), "they were given up at 3,000");
        assert!(ann.letters_of_bucket((bucket + 1) % 8, None, ANYBODY, 10).await.unwrap().letters.is_empty());
    });
}

#[test]
fn letters_and_what_was_requeued_of_them_are_kept_for_thirty_days_after_the_last_was_added() {
    const THIRTY_DAYS_MS: i64 = 30 * 86_400_000;
    with_each(async |link, config, server| {
        let ann = node(&link, &config, 1, 1);
        add(&ann, &["u"]).await;
        publish_up_to(&ann, 2).await;
        attach(&ann, "u", "a").await;
        let bucket = ann.keys().bucket_of(ROOM);
        let head = ann.keys().head(bucket);
        let lives_ms = |key: &str| server.cli(&["PTTL", &format!("{head}:{key}")]).trim().parse::<i64>().unwrap();
        let are_whole = |keys: &[&str]| keys.iter().all(|key| lives_ms(key) > THIRTY_DAYS_MS - 60_000);
        let letters = ["z", "zn", "za"];
        assert_eq!(note(&ann, "u", "a", given_up(1, 1)).await, Noted::Kept);
        assert!(are_whole(&letters) && lives_ms("z") <= THIRTY_DAYS_MS, "{}", lives_ms("z"));
        // Some days later another is added: all of them stay as long as that.
        for key in letters {
            server.cli(&["PEXPIRE", &format!("{head}:{key}"), "1000000"]);
        }
        assert!(!are_whole(&letters));
        assert_eq!(note(&ann, "u", "a", given_up(2, 1)).await, Noted::Kept);
        assert!(are_whole(&letters), "{}", lives_ms("z"));
        ann.letter_requeue(bucket, ROOM, 2).await.unwrap();
        assert_eq!(note(&ann, "u", "a", Happened::Tried { offset: 2, attempts: 1 }).await, Noted::Kept);
        assert!(are_whole(&[&format!("w:{ROOM}"), &format!("wa:{ROOM}")]), "{}", lives_ms(&format!("w:{ROOM}")));
    });
}

#[test]
fn letters_are_bounded_and_the_oldest_go() {
    const KEPT: u64 = 1_000;
    let server = Server::start(Of::Redis, &[]);
    let config = config(&[server.address()]);
    crate::runtime().block_on(async {
        let ann = node(&linked(&config).await, &config, 1, 1);
        add(&ann, &["u"]).await;
        publish_up_to(&ann, KEPT + 20).await;
        attach(&ann, "u", "").await;
        let notes: Vec<_> = (1..=KEPT + 5).map(|offset| noted(None, "u", "", given_up(offset, 1))).collect();
        assert!(note_all(&ann, &notes).await.iter().all(|noted| *noted == Noted::Kept));
        assert!(offsets(&ann, every()).await.into_iter().eq(6..=KEPT + 5));
        // A call looks at a part of them; those that it was not to find are behind it.
        let bucket = ann.keys().bucket_of(ROOM);
        let page = ann.letters_of_bucket(bucket, None, ("nobody", i64::MIN), 10).await.unwrap();
        assert!(page.letters.is_empty() && page.next.is_some(), "{page:?}");
        // One that is larger than all together may be.
        let mut large = body(KEPT + 6);
        large.body = vec![b'x'; 1 << 20].into();
        let what = Happened::GivenUp(Box::new(GivenUp { letter: large, attempts: 1, at_unix_ms: 1 }));
        assert_eq!(note(&ann, "u", "", what).await, Noted::Kept);
        assert!(offsets(&ann, every()).await.is_empty());
        let notes: Vec<_> = (KEPT + 7..=KEPT + 9).map(|offset| noted(None, "u", "", given_up(offset, 1))).collect();
        note_all(&ann, &notes).await;
        assert_eq!(ann.letters_purge(ann.keys().bucket_of(ROOM), ROOM, None).await.unwrap(), 3);
        let head = ann.keys().head(ann.keys().bucket_of(ROOM));
        assert_eq!(server.cli(&["HGET", &format!("{head}:z"), ""]).trim(), "0", "nothing is left of them");
    });
}

#[test]
fn many_letters_are_purged_in_one_call_of_the_client() {
    let server = Server::start(Of::Redis, &[]);
    let config = config(&[server.address()]);
    crate::runtime().block_on(async {
        let ann = node(&linked(&config).await, &config, 1, 1);
        add(&ann, &["u"]).await;
        publish_up_to(&ann, 600).await;
        attach(&ann, "u", "").await;
        let notes: Vec<_> = (1..=600).map(|offset| noted(None, "u", "", given_up(offset, 1))).collect();
        note_all(&ann, &notes).await;
        assert_eq!(offsets(&ann, LetterFilter { limit: 300, ..every() }).await.len(), 300);
        assert_eq!(ann.letters_purge(ann.keys().bucket_of(ROOM), ROOM, None).await.unwrap(), 600);
        assert!(offsets(&ann, every()).await.is_empty());
    });
}
