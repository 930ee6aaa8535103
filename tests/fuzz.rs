//! The fuzz targets of `fuzz/` with what `proptest` thinks up: any bytes, and frames with a few faults.

#[path = "../fuzz/parsers.rs"]
mod parsers;

use std::fs;
use std::path::Path;
use std::sync::Arc;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use proxy_header::{ProxiedAddress, ProxyHeader, Tlv};
use ringpost::broker::body::{Told, pack_info};
use ringpost::events::{
    Format as EventFormat, LoginDevice, LoginSdk, Publish, Publisher, PushOffline, PushUser, SessionUpdate, UserLogin,
    encode,
};
use ringpost::model::refusal::{DisconnectKind, Unsubscribe};
use ringpost::model::{ClientInfo, Expiry, Payload, Publication, ScheduledId};
use ringpost::protocol::Format;
use ringpost::protocol::centrifuge::client::{encode_command, write_frame};
use ringpost::protocol::centrifuge::{Encoding, protobuf};
use ringpost::protocol::word::{Connected, Push, Reply, ReplyBody};
use ringpost::store::block::BlockBuilder;
use ringpost::store::record::{BeginRecord, End, PublicationRecord, ScheduledRecord, TimedRecord, VersionOf};
use ringpost::store::segment::ShardOf;
use ringpost::store::{Batch, Record, SegmentId};
use ringpost::wire::http::UpgradeRequest;
use ringpost::wire::{length, websocket};

const COMMANDS: [&str; 10] = [
    r#"{"id":1,"connect":{"token":"t","data":{"a":[1,2]},"subs":{"s":{"recover":true,"offset":5,"epoch":"e"}},"name":"js","headers":{"h":"v"}}}"#,
    r#"{"id":2,"subscribe":{"channel":"c","token":"t","recover":true,"epoch":"e","offset":7,"data":null,"positioned":true}}"#,
    r#"{"id":2,"subscribe":{"channel":"c","tf":{"op":"and","nodes":[{"op":"not","nodes":[{"key":"k","cmp":"in","vals":["a",""]}]},{"key":"n","cmp":"gte","val":"-1.5"}]}}}"#,
    r#"{"id":3,"publish":{"channel":"c","data":"a\"\u00e4\\"}}"#,
    r#"{"id":4,"history":{"channel":"c","limit":-1,"since":{"offset":1,"epoch":"e"},"reverse":true}}"#,
    r#"{"id":5,"rpc":{"method":"m","data":{}}}"#,
    r#"{"send":{"data":1e9}}"#,
    r#"{"id":6,"sub_refresh":{"channel":"c","token":"t"}}"#,
    r#"{"id":7,"ping":{}}"#,
    "{}",
];

const REPLIES: [&str; 8] = [
    r#"{"id":1,"connect":{"client":"i","version":"v","expires":true,"ttl":5,"data":{},"subs":{"s":{"recovered":true,"publications":[{"data":1}]}},"ping":25,"pong":true}}"#,
    r#"{"id":2,"subscribe":{"recoverable":true,"epoch":"e","offset":7,"publications":[{"data":{},"offset":7}]}}"#,
    r#"{"id":3,"error":{"code":103,"message":"permission denied"}}"#,
    r#"{"id":4,"presence":{"presence":{"i":{"user":"u","client":"i","conn_info":{}}}}}"#,
    r#"{"push":{"channel":"c","pub":{"data":{"a":1},"info":{"user":"u","client":"i"},"offset":9,"tags":{"k":"v"}}}}"#,
    r#"{"push":{"channel":"c","unsubscribe":{"code":2500,"reason":"insufficient state"}}}"#,
    r#"{"push":{"disconnect":{"code":3001,"reason":"shutdown","reconnect":true}}}"#,
    "{}",
];

fn commands_in_protobuf() -> Vec<Vec<u8>> {
    let encode = |text: &&str| {
        let mut frame = Vec::new();
        for command in Format::TcpJson.commands(text.as_bytes()) {
            encode_command(Encoding::Protobuf, &command.unwrap(), &mut frame);
        }
        frame
    };
    COMMANDS.iter().map(encode).collect()
}

fn replies_in_protobuf() -> Vec<Vec<u8>> {
    let publication = Publication {
        offset: 7,
        data: Payload::json("{}"),
        info: None,
        tags: Some([("k".into(), "v".into())].into()),
        time_unix_ms: 1,
    };
    let connected = Connected { ping_s: 25, pong: true, data: Some(Payload::json("1")), ..Connected::default() };
    let mut bodies = vec![Vec::new(); 6];
    protobuf::encode_push(&Push::Publication { channel: "c", publication: &publication }, &mut bodies[0]);
    protobuf::encode_push(&Push::Unsubscribe { channel: "c", reason: Unsubscribe::Insufficient }, &mut bodies[1]);
    protobuf::encode_push(&Push::Disconnect(&DisconnectKind::Shutdown.into()), &mut bodies[2]);
    protobuf::encode_reply(&Reply { id: 1, body: ReplyBody::Connect(&connected) }, &mut bodies[3]);
    protobuf::encode_reply(&Reply { id: 2, body: ReplyBody::SubRefresh(Expiry::default()) }, &mut bodies[4]);
    bodies.iter().map(|body| delimited(body)).collect()
}

fn delimited(body: &[u8]) -> Vec<u8> {
    let mut frame = Vec::new();
    length::write_varint(body.len() as u64, &mut frame);
    frame.extend_from_slice(body);
    frame
}

fn lines(texts: &[&str]) -> Vec<Vec<u8>> {
    texts.iter().map(|text| format!("{text}\n").into_bytes()).collect()
}

/// What the WebSocket parser is given: how to cut, then frames of both sides, whole and in fragments.
fn websocket_frames() -> Vec<Vec<u8>> {
    let mut frames = Vec::new();
    for text in COMMANDS {
        let mut frame = vec![5];
        write_frame(Format::WebSocketJson, text.as_bytes(), [1, 2, 3, 4], &mut frame);
        frames.push(frame);
    }
    let mut from_node = vec![3];
    websocket::write_frame(websocket::Opcode::Ping, b"ping", &mut from_node);
    websocket::write_frame(websocket::Opcode::Text, "ünïcode".as_bytes(), &mut from_node);
    websocket::write_close(3008, "slow", &mut from_node);
    frames.push(from_node);
    // A text in two fragments with a ping between.
    frames.push(b"\x02\x01\x81\0\0\0\0\xc3\x89\x80\0\0\0\0\x80\x81\0\0\0\0\xbc".to_vec());
    frames
}

fn http_heads() -> Vec<Vec<u8>> {
    let request = UpgradeRequest {
        target: "/connection/websocket?format=protobuf",
        host: "h",
        nonce: [7; 16],
        protocol: Some("centrifuge-json"),
        origin: Some("http://h"),
    };
    let (mut head, mut answer) = (Vec::new(), Vec::new());
    request.write(&mut head);
    ringpost::wire::http::write_accept("BwcHBwcHBwcHBwcHBwcHBw==", None, &mut answer);
    vec![head, answer, b"POST /api/publish HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\n{}".to_vec()]
}

/// Headers of the PROXY protocol in both versions, and lines of requests.
fn proxy_headers() -> Vec<Vec<u8>> {
    let client = ProxiedAddress::stream("192.0.2.1:4711".parse().unwrap(), "198.51.100.1:8000".parse().unwrap());
    let (mut text, mut bytes, mut local) = (Vec::new(), Vec::new(), Vec::new());
    ProxyHeader::with_address(client.clone()).encode_v1(&mut text).unwrap();
    ProxyHeader::with_tlvs(Some(client), [Tlv::Crc32c(0), Tlv::Noop(3)]).encode_v2(&mut bytes).unwrap();
    ProxyHeader::with_local().encode_v2(&mut local).unwrap();
    let lines =
        ["192.0.2.1, 10.0.0.2\n", "for=\"[2001:db8::1]:80\";proto=https, For=192.0.2.1;host=\"a,\\\"\";by=_x\n"];
    [text, bytes, local].into_iter().chain(lines.map(|line| line.as_bytes().to_vec())).collect()
}

const CLAIMS: [&str; 4] = [
    r#"{"sub":"7","exp":1800000000,"iat":1700000000,"nbf":1700000000,"aud":["a"],"iss":"i","info":{"a":1},"b64info":"e30=","channels":["a"],"subs":{"b":{"override":{"presence":{"value":true}},"info":1}},"expire_at":0}"#,
    r#"{"sub":"7","channel":"chat:a","client":"c","exp":1800000000,"override":{"join_leave":{"value":false}},"data":{}}"#,
    r#"{"keys":[{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo","kid":"1","use":"sig"},{"kty":"oct","k":"c2VjcmV0","alg":"HS256"}]}"#,
    "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiI3In0.c2lnbmF0dXJl",
];

const CONFIGURATIONS: [&str; 3] = [
    "name = \"a\"\n[client]\nping_interval = \"1h30m\"\nallowed_origins = [\"https://*.a\"]\n[[channel.namespaces]]\nname = \"chat\"\nhistory_size = 3\nhistory_ttl = \"1s\"\nchannel_regex = \"^a\"\n",
    "client: {ping_interval: 1.5s, token: {hmac_secret_key: s}}\nengine: {type: redis}\nchannel:\n  namespaces: [{name: chat, presence: true, delta_publish: true}]\n",
    r#"{"port":"9000","token_hmac_secret_key":"s","namespaces":[{"name":"a","history_size":1,"history_ttl":"5s"}],"admin":true}"#,
];

/// What nodes tell each other.
fn bodies() -> Vec<Vec<u8>> {
    let conn_info = Some(Box::new(Payload::json("{\"n\":1}")));
    let chan_info = Some(Box::new(Payload::binary(vec![0, 10])));
    let info = Arc::new(ClientInfo { user: "u".into(), client: uuid::Uuid::from_u128(7), conn_info, chan_info });
    let tags = Some([("k".into(), "v".into())].into());
    let data = Payload::json("{\"a\":1}");
    let data_only = Payload::binary(vec![10, 0]);
    let bare = Told::Publication { data: data_only, info: None, tags: None, exclude: None, ttl_ms: None };
    let exclude = Some(info.client);
    let full = Told::Publication { data, info: Some(info.clone()), tags, exclude, ttl_ms: Some(7) };
    let joined = Told::Announcement { info: info.clone(), joined: true };
    let listed = pack_info(&info).to_vec();
    let told = [bare, full, joined, Told::Announcement { info, joined: false }];
    told.iter().map(|told| told.pack().to_vec()).chain([listed]).collect()
}

/// What buckets say: messages that are not counted and one that is, with items.
fn messages() -> Vec<Vec<u8>> {
    let item = |kind: u8, body: &[u8]| {
        let length = (body.len() as u32).to_be_bytes();
        [&[kind, 1][..], &[0; 18], &length, b"c", body].concat()
    };
    let requeued = item(16, b"\x03\x01\x01u\x00\0\0\0\0\0\x07\0\0\0\0\0\x08body");
    let moved = item(16, b"\x00\0\0\0\0\0\x07\0\0\0\0\0\x05u");
    let floor = item(16, b"\x01\0\0\0\0\0\x07\x01ud");
    let members = item(16, b"\x05\0\0\0\x65");
    let revoked = item(4, b"\0\0\0\0\0\x07\0\0\0\0\0\x05d\0\x01ud");
    let session = item(1, &[&[7; 16][..], &[1; 7], &[0; 6], b"\x01\x01k\x01d"].concat());
    let dismissed = item(6, &[&[7; 16][..], b"\x02"].concat());
    let counted =
        [&[1][..], &[9; 8], &[0, 0, 0, 0, 0, 7], &[0, 0, 0, 0, 0, 6], &item(0, b"x")[..], &floor[..]].concat();
    let plain = [requeued, moved, floor, members, revoked, session, dismissed];
    plain.iter().map(|item| [&[0], &item[..]].concat()).chain([counted]).collect()
}

/// A record of each kind that channels have.
fn records() -> Vec<Vec<u8>> {
    let info = ClientInfo {
        user: "u".into(),
        client: uuid::Uuid::from_u128(7),
        conn_info: Some(Box::new(Payload::json("{}"))),
        chan_info: None,
    };
    let publication = Publication {
        offset: 7,
        data: Payload::json("{}"),
        info: Some(info.into()),
        tags: Some([("k".into(), "v".into())].into()),
        time_unix_ms: 1,
    };
    let said = PublicationRecord {
        idempotency_key: Some("k"),
        version: Some(VersionOf { number: 1, epoch: "v" }),
        ..PublicationRecord::of("c", "e", &publication, 1)
    };
    let writer = ShardOf { shard: 0, shards: 1 };
    let ends = [End { segment: SegmentId(1), at: 4096, writer }];
    let id = ScheduledId { due_unix_ms: 1_700_000_000_000, number: 7, life: 1 };
    let timed = TimedRecord { ttl_ms: Some(1_000), scheduled: Some(id), publication: said.clone() };
    let scheduled = ScheduledRecord {
        channel: "c",
        id,
        data: said.data,
        tags: said.tags,
        skips_history: false,
        idempotency_key: Some("k"),
        version: said.version,
        ttl_ms: Some(1_000),
        exclude_client: Some(publication.info.as_ref().expect("a client published").client),
    };
    let records = [
        Record::Publication(said),
        Record::Timed(timed),
        Record::Scheduled(scheduled),
        Record::Unscheduled("c", id),
        Record::Over("c"),
        Record::Snapshot(SegmentId(1)),
        Record::Begin(BeginRecord::Held(&ends)),
    ];
    let encode = |record: &Record<'_>| {
        let mut bytes = Vec::new();
        record.encode(&mut bytes);
        bytes
    };
    records.iter().map(encode).collect()
}

/// Records of Kafka in both formats.
fn publishes() -> Vec<Vec<u8>> {
    let publish = Publish {
        channel: "c".into(),
        data: r#"{"a":[1,null]}"#.into(),
        tags: [("k".to_owned(), "v".to_owned())].into(),
        version: 300,
        version_epoch: "e".into(),
        ttl_ms: 5,
        info: Some(Publisher { user: "u".into(), b64conn_info: vec![0, 255].into(), ..Publisher::default() }),
        message_id: "m".into(),
        ..Publish::default()
    };
    let bytes = Publish { b64data: vec![0, 255].into(), idempotency_key: "k".into(), ..Publish::default() };
    let no_text = Publish { data: vec![b'"', 255, b'"'].into(), ..Publish::default() };
    let formats = [EventFormat::Json, EventFormat::Protobuf];
    formats.into_iter().flat_map(|format| [&publish, &bytes, &no_text].map(|record| encode(record, format))).collect()
}

fn events() -> Vec<Vec<u8>> {
    let login = UserLogin {
        id: "i".into(),
        kind: "connected".into(),
        at_unix_ms: -1,
        incarnation: 300,
        device: Some(LoginDevice { id: "d".into(), kind: "phone".into() }),
        sdk: Some(LoginSdk { name: "js".into(), version: "1".into() }),
        ..UserLogin::default()
    };
    let session = SessionUpdate { user: "u".into(), online: true, sequence: 7, ..SessionUpdate::default() };
    let push = PushOffline {
        channel: "c".into(),
        data: r#"{"a":[1,null]}"#.into(),
        b64data: vec![0, 255].into(),
        tags: [("k".to_owned(), "v".to_owned())].into(),
        users: vec![PushUser { user: "u".into(), unread: 2, reason: "away".into() }],
        ..PushOffline::default()
    };
    let formats = [EventFormat::Json, EventFormat::Protobuf];
    let of = |format| [encode(&login, format), encode(&session, format), encode(&push, format)];
    formats.into_iter().flat_map(of).collect()
}

/// Blocks of one record, of two, and of none that is understood, in the order of their batches or in another.
fn blocks() -> Vec<Vec<u8>> {
    let seed = parsers::SEGMENT.encode().1;
    let block = |batch, records: &[Vec<u8>]| {
        let mut block = BlockBuilder::new(Vec::new());
        records.iter().for_each(|record| block.add(|into| into.extend_from_slice(record)));
        block.seal(Batch(batch), seed)
    };
    let records = records();
    vec![
        block(1, &records[..1]),
        block(2, &records[1..3]),
        block(9, &records[3..]),
        block(3, &[vec![200]]),
        vec![0; 64],
    ]
}

/// A target of libFuzzer: its name, what it calls, and what both begin with.
type Target = (&'static str, fn(&[u8]), Vec<Vec<u8>>);

fn targets() -> [Target; 18] {
    [
        ("http", parsers::http, http_heads()),
        ("proxy", parsers::proxy, proxy_headers()),
        ("websocket", parsers::websocket, websocket_frames()),
        ("line", parsers::line, lines(&COMMANDS)),
        ("length", parsers::length, commands_in_protobuf()),
        ("commands_json", parsers::commands_json, lines(&COMMANDS)),
        ("commands_protobuf", parsers::commands_protobuf, commands_in_protobuf()),
        ("replies_json", parsers::replies_json, lines(&REPLIES)),
        ("replies_protobuf", parsers::replies_protobuf, replies_in_protobuf()),
        ("push", parsers::push, lines(&REPLIES)),
        ("tokens", parsers::tokens, lines(&CLAIMS)),
        ("configuration", parsers::configuration, lines(&CONFIGURATIONS)),
        ("records", parsers::records, records()),
        ("bodies", parsers::bodies, bodies()),
        ("items", parsers::items, messages()),
        ("events", parsers::events, events()),
        ("publishes", parsers::publishes, publishes()),
        ("segments", parsers::segments, blocks()),
    ]
}

#[derive(Clone, Debug)]
enum Fault {
    Flip(Index, u8),
    Insert(Index, Vec<u8>),
    Remove(Index, u8),
    Repeat(Index, u8),
}

fn fault() -> impl Strategy<Value = Fault> {
    // Bytes that mean something somewhere.
    let telling = select(b"{}[]\",:\\\r\n \0\x01\x7f\x80\xff".to_vec());
    prop_oneof![
        (any::<Index>(), 0..8u8).prop_map(|(at, bit)| Fault::Flip(at, 1 << bit)),
        (any::<Index>(), vec(prop_oneof![telling, any::<u8>()], 1..4)).prop_map(|(at, bytes)| Fault::Insert(at, bytes)),
        (any::<Index>(), 1..20u8).prop_map(|(at, len)| Fault::Remove(at, len)),
        (any::<Index>(), 1..40u8).prop_map(|(at, len)| Fault::Repeat(at, len)),
    ]
}

fn commit(fault: Fault, bytes: &mut Vec<u8>) {
    let place = |at: Index, bytes: &Vec<u8>| at.index(bytes.len() + 1);
    let end = |at: usize, len: u8, bytes: &Vec<u8>| (at + usize::from(len)).min(bytes.len());
    match fault {
        Fault::Flip(at, bits) => {
            let at = place(at, bytes);
            bytes.get_mut(at).into_iter().for_each(|byte| *byte ^= bits);
        }
        Fault::Insert(at, new) => {
            let at = place(at, bytes);
            bytes.splice(at..at, new);
        }
        Fault::Remove(at, len) => {
            let at = place(at, bytes);
            bytes.drain(at..end(at, len, bytes));
        }
        Fault::Repeat(at, len) => {
            let at = place(at, bytes);
            bytes.extend_from_within(at..end(at, len, bytes));
        }
    }
}

/// Any bytes, or up to three of the seeds one after the other with up to four faults.
fn input(seeds: Vec<Vec<u8>>) -> impl Strategy<Value = Vec<u8>> {
    let damaged = (vec(select(seeds), 1..4), vec(fault(), 0..5)).prop_map(|(seeds, faults)| {
        let mut bytes = seeds.concat();
        faults.into_iter().for_each(|fault| commit(fault, &mut bytes));
        bytes
    });
    prop_oneof![1 => vec(any::<u8>(), 0..400), 4 => damaged]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(5_000) })]

    #[test]
    fn heads(input in input(http_heads())) {
        parsers::http(&input);
    }

    #[test]
    fn proxies(input in input(proxy_headers())) {
        parsers::proxy(&input);
    }

    #[test]
    fn websocket_streams(input in input(websocket_frames())) {
        parsers::websocket(&input);
    }

    #[test]
    fn lines_of_any_length(input in input(lines(&COMMANDS))) {
        parsers::line(&input);
    }

    #[test]
    fn lengths_of_any_size(input in input(commands_in_protobuf())) {
        parsers::length(&input);
    }

    #[test]
    fn commands_in_json_frames(input in input(lines(&COMMANDS))) {
        parsers::commands_json(&input);
    }

    #[test]
    fn commands_in_protobuf_frames(input in input(commands_in_protobuf())) {
        parsers::commands_protobuf(&input);
    }

    #[test]
    fn replies_in_json_frames(input in input(lines(&REPLIES))) {
        parsers::replies_json(&input);
    }

    #[test]
    fn replies_in_protobuf_frames(input in input(replies_in_protobuf())) {
        parsers::replies_protobuf(&input);
    }

    #[test]
    fn tokens_of_anybody(input in input(lines(&CLAIMS))) {
        parsers::tokens(&input);
    }

    #[test]
    fn messages_of_other_nodes(input in input(bodies())) {
        parsers::bodies(&input);
    }

    #[test]
    fn messages_of_buckets(input in input(messages())) {
        parsers::items(&input);
    }

    #[test]
    fn records_of_kafka(input in input(events())) {
        parsers::events(&input);
    }

    #[test]
    fn records_of_the_way_up(input in input(publishes())) {
        parsers::publishes(&input);
    }

    #[test]
    fn records_of_the_store(input in input(records())) {
        parsers::records(&input);
    }

    #[test]
    fn segments_of_the_store(input in input(blocks())) {
        parsers::segments(&input);
    }

    #[test]
    fn published_bytes(input in input(lines(&REPLIES))) {
        parsers::push(&input);
    }
}

proptest! {
    // A file is read once, so it may take its time.
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(300) })]

    #[test]
    fn configurations_of_both_servers(input in input(lines(&CONFIGURATIONS))) {
        parsers::configuration(&input);
    }
}

#[test]
fn what_was_found_before_holds() {
    for (target, parser, seeds) in targets() {
        seeds.iter().for_each(|seed| parser(seed));
        let found = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/found").join(target);
        for entry in fs::read_dir(found).into_iter().flatten() {
            let path = entry.expect("the folder can be read").path();
            println!("{}", path.display());
            parser(&fs::read(path).expect("the file can be read"));
        }
    }
}

#[test]
fn every_target_of_libfuzzer_is_tried_here_too() {
    let manifest = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/Cargo.toml")).unwrap();
    for (target, ..) in targets() {
        assert!(manifest.contains(&format!("path = \"targets/{target}.rs\"")), "{target}");
    }
    assert_eq!(manifest.matches("[[bin]]").count(), targets().len());
}

#[test]
#[ignore = "`fuzz/run` asks for it"]
fn the_seeds_are_written_for_libfuzzer() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for (target, _, seeds) in targets() {
        let folder = root.join("target/fuzz/seeds").join(target);
        fs::create_dir_all(&folder).expect("a folder can be made");
        for (at, seed) in seeds.iter().enumerate() {
            fs::write(folder.join(at.to_string()), seed).expect("a file can be written");
        }
        for entry in fs::read_dir(root.join("fuzz/found").join(target)).into_iter().flatten() {
            let path = entry.expect("the folder can be read").path();
            fs::copy(&path, folder.join(path.file_name().expect("it has a name"))).expect("a file can be written");
        }
    }
}

#[test]
fn the_seeds_are_sound() {
    for text in COMMANDS {
        assert!(Format::TcpJson.commands(text.as_bytes()).all(|command| command.is_ok()), "{text}");
    }
    for text in REPLIES {
        let mut heard = ringpost::protocol::centrifuge::client::decode(Format::TcpJson, text.as_bytes());
        assert!(heard.all(|word| word.is_ok()), "{text}");
    }
    for frame in replies_in_protobuf() {
        let mut heard = ringpost::protocol::centrifuge::client::decode(Format::TcpProtobuf, &frame);
        assert!(heard.all(|word| word.is_ok()), "{frame:?}");
    }
}
