//! Every kind of record, there and back.

use proptest::prelude::*;
use uuid::Uuid;

use super::*;
use crate::model::{PayloadKind, ScheduledId};
use crate::store::segment::ShardOf;

type Pairs = Vec<(Box<str>, Box<str>)>;

/// The owned parts of a publication.
type Parts =
    (String, String, u64, i64, bool, Vec<u8>, Option<(String, u128, Option<Vec<u8>>)>, Option<Pairs>, Option<String>);

fn parts() -> impl Strategy<Value = Parts> {
    let bytes = || prop::collection::vec(any::<u8>(), 0..40);
    let info = (".{0,8}", any::<u128>(), prop::option::of(bytes()));
    let tag = (".{0,4}", ".{0,4}").prop_map(|(name, value)| (name.into(), value.into()));
    let tags = prop::collection::vec(tag, 0..4);
    (
        ".{1,20}",
        ".{0,8}",
        any::<u64>(),
        any::<i64>(),
        any::<bool>(),
        bytes(),
        prop::option::of(info),
        prop::option::of(tags),
        prop::option::of(".{0,8}"),
    )
}

fn publication(parts: &Parts) -> PublicationRecord<'_> {
    let (channel, epoch, offset, time_unix_ms, tells_time, data, info, tags, word) = parts;
    let payload = |bytes| PayloadOf { kind: if *tells_time { PayloadKind::Json } else { PayloadKind::Binary }, bytes };
    PublicationRecord {
        channel,
        epoch,
        offset: *offset,
        time_unix_ms: *time_unix_ms,
        tells_time: *tells_time,
        data: payload(data),
        info: info.as_ref().map(|(user, client, bytes)| InfoOf {
            user,
            client: Uuid::from_u128(*client),
            conn_info: bytes.as_deref().map(payload),
            chan_info: None,
        }),
        tags: tags.as_deref().map(TagsOf::Held),
        idempotency_key: word.as_deref(),
        version: word.as_deref().map(|epoch| VersionOf { number: *offset, epoch }),
    }
}

fn encoded(record: &Record<'_>) -> Vec<u8> {
    let mut bytes = Vec::new();
    record.encode(&mut bytes);
    bytes
}

/// It is read as it was written, and no part of it is a whole record.
fn goes_there_and_back(record: &Record<'_>) {
    let bytes = encoded(record);
    assert_eq!(Record::decode(&bytes).as_ref(), Ok(record));
    for until in 0..bytes.len() {
        // A list of ends may be shorter.
        assert!(Record::decode(&bytes[..until]).is_err() || matches!(record, Record::Begin(_)), "{until}");
    }
    let mut longer = bytes;
    longer.push(0);
    assert!(Record::decode(&longer).is_err());
}

proptest! {
    #[test]
    fn members_devices_and_dead_letters_are_read_as_they_were_written(parts in parts(), (floor, read) in any::<(u64, u64)>()) {
        let publication = publication(&parts);
        let (channel, user, device, epoch) = (publication.channel, "ada", parts.1.as_str(), publication.epoch);
        goes_there_and_back(&Record::Member(MemberRecord { channel, user, epoch, received: floor, read }));
        let (received, seen_unix_s, failed, has_lost) = (floor, read, 0, false);
        let tried = DeviceRecord { channel, user, device, epoch, floor, received, seen_unix_s, failed, has_lost };
        goes_there_and_back(&Record::Device(tried));
        goes_there_and_back(&Record::Device(DeviceRecord { failed: floor.max(1), ..tried }));
        goes_there_and_back(&Record::Device(DeviceRecord { failed: floor, has_lost: true, ..tried }));
        let letter = DeadLetterRecord { publication, user, device, attempts: floor, at_unix_ms: read };
        goes_there_and_back(&Record::DeadLetter(letter));
        goes_there_and_back(&Record::DeadLetterReceived(channel, floor, user, device));
        goes_there_and_back(&Record::DeadLetterRequeued(channel, floor, user, device));
        goes_there_and_back(&Record::DeadLetterTried(channel, floor, user, device, read));
        goes_there_and_back(&Record::DeadLetterMore(channel, floor, read));
        goes_there_and_back(&Record::MemberGone(channel, user));
        goes_there_and_back(&Record::DeviceGone(channel, user, device));
        goes_there_and_back(&Record::DeadLetterGone(channel, floor));
    }

    #[test]
    fn a_publication_is_read_as_it_was_written(parts in parts()) {
        goes_there_and_back(&Record::Publication(publication(&parts)));
    }

    #[test]
    fn any_bytes_are_a_record_or_an_error(mut bytes in prop::collection::vec(any::<u8>(), 0..80), kind in 0u8..48) {
        if let Some(first) = bytes.first_mut() {
            *first = kind;
        }
        if let Ok(record) = Record::decode(&bytes) {
            prop_assert_eq!(encoded(&record), bytes);
        }
    }
}

#[test]
fn what_is_to_come_and_what_ends_by_itself_are_read_as_they_were_written() {
    let id = ScheduledId { due_unix_ms: -1, number: u64::MAX, life: 7 };
    let tags = [("a".into(), "b".into())];
    let data = PayloadOf { kind: PayloadKind::Json, bytes: b"1" };
    let bare = ScheduledRecord {
        channel: "c",
        id,
        data,
        tags: None,
        skips_history: true,
        idempotency_key: None,
        version: None,
        ttl_ms: None,
        exclude_client: None,
    };
    let full = ScheduledRecord {
        tags: Some(TagsOf::Held(&tags)),
        skips_history: false,
        idempotency_key: Some("k"),
        version: Some(VersionOf { number: 7, epoch: "v" }),
        ttl_ms: Some(1_000),
        exclude_client: Some(Uuid::from_u128(7)),
        ..bare
    };
    goes_there_and_back(&Record::Scheduled(bare));
    goes_there_and_back(&Record::Scheduled(full));
    goes_there_and_back(&Record::Unscheduled("c", id));
    let said = crate::model::Publication {
        offset: 3,
        data: crate::model::Payload::json("1"),
        info: None,
        tags: None,
        time_unix_ms: 0,
    };
    for (ttl_ms, scheduled) in [(Some(9), None), (None, Some(id)), (Some(9), Some(id))] {
        let publication = PublicationRecord::of("c", "e", &said, 1_700_000_000_000);
        goes_there_and_back(&Record::Timed(TimedRecord { ttl_ms, scheduled, publication }));
    }
}

#[test]
fn every_other_kind_is_read_as_it_was_written() {
    let writer = ShardOf { shard: 3, shards: 64 };
    let ends = [4096, u64::MAX].map(|at| End { segment: SegmentId(7), at, writer });
    goes_there_and_back(&Record::Begin(BeginRecord::Held(&ends)));
    goes_there_and_back(&Record::Snapshot(SegmentId(u64::MAX)));
    goes_there_and_back(&Record::Stream(StreamRecord { channel: "c", epoch: "e", first: 3, top: 9, version: None }));
    let version = Some(VersionOf { number: 7, epoch: "v" });
    goes_there_and_back(&Record::Stream(StreamRecord { channel: "c", epoch: "e", first: 10, top: 9, version }));
    let key = KeyRecord { channel: "c", key: "k", epoch: "e", offset: 3, time_unix_ms: -1 };
    goes_there_and_back(&Record::Key(key));
    goes_there_and_back(&Record::Over("channel"));
    let (issued_before_unix_s, until_unix_s) = (i64::MAX, -1);
    let revocation = RevocationRecord { user: "u", device: "d", id: "", issued_before_unix_s, until_unix_s };
    goes_there_and_back(&Record::Revocation(revocation));
}

#[test]
fn a_publication_comes_back_as_it_was() {
    let tags: crate::model::Tags = [("a".into(), "b".into())].into();
    let info = crate::model::ClientInfo {
        user: "ann".into(),
        client: Uuid::from_u128(7),
        conn_info: Some(Box::new(crate::model::Payload::json(&b"{}"[..]))),
        chan_info: None,
    };
    for time_unix_ms in [0, 1_700_000_000_000] {
        let publication = crate::model::Publication {
            offset: 3,
            data: crate::model::Payload::binary(&b"\x00\xff"[..]),
            info: Some(std::sync::Arc::new(info.clone())),
            tags: Some(tags.clone()),
            time_unix_ms,
        };
        let record = PublicationRecord::of("c", "e", &publication, 1_700_000_000_000);
        let bytes = encoded(&Record::Publication(record));
        let Ok(Record::Publication(read)) = Record::decode(&bytes) else { panic!("a publication was written") };
        assert_eq!(read.to_publication(), publication);
        assert_eq!(read.time_unix_ms, 1_700_000_000_000, "its age is known, told or not");
    }
}

#[test]
fn a_kind_of_a_newer_version_is_told_as_such() {
    assert_eq!(Record::decode(&[200, 1, 2, 3]), Err(Unreadable::Newer));
    assert_eq!(Record::decode(&[]), Err(Unreadable::Short));
    assert_eq!(Record::decode(&[kind::OVER, 1, 0, 0, 0, 0xff]), Err(Unreadable::NoText));
}
