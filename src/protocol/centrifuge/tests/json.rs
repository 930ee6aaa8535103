use std::borrow::Cow;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::{commands, map, proto, words};
use crate::model::*;
use crate::protocol::Format;
use crate::protocol::centrifuge::client::encode_command;
use crate::protocol::centrifuge::json::{encode_body, encode_push, encode_reply};
use crate::protocol::centrifuge::{Encoding, Malformed};
use crate::protocol::word::*;

const FORMAT: Format = Format::WebSocketJson;

fn decoded(frame: &str) -> Vec<Result<Command<'_>, Malformed>> {
    FORMAT.commands(frame.as_bytes()).collect()
}

fn verb(frame: &str) -> Verb<'_> {
    let mut commands = commands(FORMAT, frame.as_bytes());
    assert_eq!(commands.len(), 1, "{frame}");
    commands.remove(0).verb
}

fn payload(json: &str) -> PayloadRef<'_> {
    PayloadRef { bytes: Cow::Borrowed(json.as_bytes()), kind: PayloadKind::Json }
}

fn publication(data: Payload) -> Publication {
    Publication { offset: 0, data, info: None, tags: None, time_unix_ms: 0 }
}

fn pushed(channel: &str, publication: &Publication) -> String {
    let mut body = Vec::new();
    encode_push(&Push::Publication { channel, publication }, &mut body);
    String::from_utf8(body).unwrap()
}

proptest! {
    #[test]
    fn commands_are_read_as_serde_writes_them(
        commands in prop::collection::vec(words::command(PayloadKind::Json), 0..4),
        blank in prop::sample::select(vec!["\n", "", " ", "\r\n", "\n\n\t"]),
    ) {
        let texts = commands.iter().map(|command| serde_json::to_string(&map::command(command)).unwrap() + blank);
        let frame = texts.collect::<String>();
        prop_assert_eq!(super::commands(FORMAT, frame.as_bytes()), commands);
    }

    #[test]
    fn our_commands_are_read_by_serde(command in words::command(PayloadKind::Json)) {
        let mut frame = Vec::new();
        encode_command(Encoding::Json, &command, &mut frame);
        prop_assert_eq!(frame.iter().position(|byte| *byte == b'\n'), Some(frame.len() - 1));
        prop_assert_eq!(serde_json::from_slice::<proto::Command>(&frame).unwrap(), map::command(&command));
    }

    #[test]
    fn our_replies_and_pushes_are_read_by_serde(parts in words::parts(PayloadKind::Json)) {
        let disconnect = parts.disconnect();
        let mut bodies = Vec::new();
        for reply in parts.replies() {
            let mut body = Vec::new();
            encode_reply(&reply, &mut body);
            let (mut part, mut again) = (Vec::new(), Vec::new());
            encode_body(&reply.body, &mut part);
            encode_reply(&Reply { id: reply.id, body: ReplyBody::Encoded(&part) }, &mut again);
            prop_assert_eq!(&again, &body, "encoded once for many replies");
            bodies.push((body, map::reply(&reply)));
        }
        for push in parts.pushes(&disconnect) {
            let mut body = Vec::new();
            encode_push(&push, &mut body);
            bodies.push((body, map::push(&push)));
        }
        for (body, expected) in bodies {
            prop_assert!(!body.contains(&b'\n'));
            prop_assert_eq!(serde_json::from_slice::<proto::Reply>(&body).unwrap(), expected);
        }
    }

    #[test]
    fn data_keeps_its_value_on_one_line(value in words::json()) {
        let frame = serde_json::to_string_pretty(&json!({"id": 1, "publish": {"channel": "a", "data": value}})).unwrap();
        let Verb::Publish { data, .. } = verb(&frame) else { panic!("a publish") };
        prop_assert!(!data.bytes.contains(&b'\n'));
        prop_assert_eq!(serde_json::from_slice::<Value>(&data.bytes).unwrap(), value);
    }

    #[test]
    fn any_name_is_written_as_serde_reads_it(name: String) {
        let text = pushed(&name, &publication(Payload::json("1")));
        prop_assert_eq!(&serde_json::from_str::<Value>(&text).unwrap()["push"]["channel"], &Value::from(name));
    }

    #[test]
    fn bytes_that_are_no_json_become_a_string(bytes in prop::collection::vec(any::<u8>(), 1..40)) {
        let text = pushed("a", &publication(Payload::binary(bytes.clone())));
        let pushed = serde_json::from_str::<Value>(&text).unwrap();
        let data = &pushed["push"]["pub"]["data"];
        match serde_json::from_slice::<Value>(&bytes) {
            Ok(value) => prop_assert_eq!(data, &value),
            Err(_) => prop_assert!(data.is_string()),
        }
    }
}

#[test]
fn every_frame_of_the_js_sdk_is_understood() {
    let connect = r#"{"connect":{"token":"t","data":{"a":1},"subs":{"s":{"recover":true,"offset":5,"epoch":"e"}},"name":"js","headers":{"h":"v"}},"id":1}"#;
    let expected = Connect {
        token: "t".into(),
        data: Some(payload(r#"{"a":1}"#)),
        subs: vec![("s".into(), Recover { recover: true, since: Position { offset: 5, epoch: "e".into() } })],
        name: "js".into(),
        version: "".into(),
        headers: vec![("h".into(), "v".into())],
    };
    assert_eq!(verb(connect), Verb::Connect(Box::new(expected)));
    let subscribe = Subscribe { channel: "c".into(), join_leave: true, whole: true, ..Subscribe::default() };
    let text = r#"{"subscribe":{"channel":"c","join_leave":true,"flag":3},"id":2}"#;
    assert_eq!(verb(text), Verb::Subscribe(Box::new(subscribe)));
    assert_eq!(
        verb(r#"{"publish":{"channel":"c","data":"x"},"id":3}"#),
        Verb::Publish { channel: "c".into(), data: payload(r#""x""#) }
    );
    assert_eq!(verb(r#"{"presence_stats":{"channel":"c"},"id":4}"#), Verb::PresenceStats { channel: "c".into() });
    assert_eq!(verb(r#"{"ping":{},"id":5}"#), Verb::Ping);
    assert_eq!(verb("{}"), Verb::Pong);
}

#[test]
fn names_without_escapes_are_borrowed_and_names_with_them_are_not() {
    let Verb::Presence { channel } = verb(r#"{"id":1,"presence":{"channel":"plain"}}"#) else { panic!("presence") };
    assert!(matches!(channel, Cow::Borrowed("plain")));
    let Verb::Presence { channel } = verb(r#"{"id":1,"presence":{"channel":"\u0041\n\ud83d\ude00"}}"#) else {
        panic!("presence")
    };
    assert_eq!(channel, "A\n😀");
    assert_eq!(verb(r#"{"id":1,"\u0070ing":{}}"#), Verb::Ping, "in keys, too");
}

#[test]
fn null_is_nothing_but_for_data_where_it_is_a_value() {
    assert_eq!(
        verb(
            r#"{"id":1,"connect":null,"subscribe":{"channel":"c","token":null,"recover":null,"offset":null,"epoch":null,"data":null,"positioned":null,"tf":null,"type":null}}"#
        ),
        Verb::Subscribe(Box::new(Subscribe { channel: "c".into(), ..Subscribe::default() }))
    );
    let connect = r#"{"id":1,"connect":{"token":null,"data":null,"subs":null,"headers":null,"name":null}}"#;
    assert_eq!(verb(connect), Verb::Connect(Box::default()));
    assert_eq!(
        verb(r#"{"id":1,"history":{"channel":"c","limit":null,"since":null,"reverse":null}}"#),
        Verb::History(History { channel: "c".into(), filter: HistoryFilter::default() })
    );
    assert_eq!(
        verb(r#"{"id":1,"publish":{"channel":"c","data":null}}"#),
        Verb::Publish { channel: "c".into(), data: payload("null") }
    );
    assert_eq!(verb(r#"{"id":1,"publish":{"channel":"c"}}"#), Verb::Publish { channel: "c".into(), data: payload("") });
    assert_eq!(verb(r#"{"id":null}"#), Verb::Pong);
}

#[test]
fn fields_that_nobody_knows_are_skipped_however_deep() {
    let deep = format!(r#"{{"new":{}{},"id":1,"ping":{{"x":1}}}}"#, "[".repeat(100_000), "]".repeat(100_000));
    assert_eq!(verb(&deep), Verb::Ping);
    let data = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    let frame = format!(r#"{{"id":1,"send":{{"data":{data}}}}}"#);
    assert_eq!(verb(&frame), Verb::Send { data: payload(&data) });
}

#[test]
fn a_frame_of_blanks_has_no_command() {
    for frame in ["", "\n", " \r\n\t "] {
        assert_eq!(decoded(frame), []);
    }
}

#[test]
fn what_is_no_command_is_malformed() {
    let malformed = [
        "nonsense",
        "[]",
        "[1]",
        "[{}]",
        "null",
        "1",
        r#""ping""#,
        "{",
        r#"{"id":1"#,
        r#"{"id":"1","ping":{}}"#,
        r#"{"id":-1,"ping":{}}"#,
        r#"{"id":4294967296,"ping":{}}"#,
        r#"{"id":1.5,"ping":{}}"#,
        r#"{"id":1,"id":2,"ping":{}}"#,
        r#"{"id":1,"ping":{},"ping":{}}"#,
        r#"{"id":1,"ping":[]}"#,
        r#"{"id":1,"ping":1}"#,
        r#"{"id":1,"publish":["c",1]}"#,
        r#"{"id":1,"publish":{"channel":1,"data":1}}"#,
        r#"{"id":1,"publish":{"channel":"a","channel":"b"}}"#,
        r#"{"id":1,"publish":{"channel":"a","data":}}"#,
        r#"{"id":1,"publish":{"channel":"a","data":{"unquoted":tru}}}"#,
        r#"{"id":1,"subscribe":{"channel":"a","offset":-1}}"#,
        r#"{"id":1,"subscribe":{"channel":"a","recover":1}}"#,
        r#"{"id":1,"connect":{"subs":["a"]}}"#,
        r#"{"id":1,"connect":{"subs":{"a":[]}}}"#,
        r#"{"id":1,"connect":{"headers":{"a":1}}}"#,
        r#"{"id":1,"history":{"channel":"a","limit":2147483648}}"#,
        r#"{"id":1,"history":{"channel":"a","since":5}}"#,
        r#"{"id":1,"presence":{"channel":"\ud800"}}"#,
        "{\"id\":1,\"presence\":{\"channel\":\"\u{1}\"}}",
    ];
    for frame in malformed {
        assert_eq!(decoded(frame), [Err(Malformed)], "{frame}");
    }
    let not_utf8 = b"{\"id\":1,\"send\":{\"data\":\"\xff\"}}";
    assert_eq!(Format::TcpJson.commands(not_utf8).collect::<Vec<_>>(), [Err(Malformed)]);
}

#[test]
fn commands_before_a_malformed_one_are_taken() {
    let decoded = decoded("{\"id\":1,\"ping\":{}}\n{\"id\":2,\"ping\":{}} garbage {\"id\":3,\"ping\":{}}");
    let ping = |id| Ok(Command { id, verb: Verb::Ping });
    assert_eq!(decoded, [ping(1), ping(2), Err(Malformed)]);
}

#[test]
fn the_offset_leads_to_the_command_that_comes_next() {
    let frame = b" {\"id\":1,\"ping\":{}}\n\n{\"id\":2,\"ping\":{}}\n";
    let mut commands = FORMAT.commands(frame);
    commands.next();
    let rest = &frame[commands.offset()..];
    assert_eq!(super::commands(FORMAT, rest), [Command { id: 2, verb: Verb::Ping }]);
}

#[test]
fn the_first_request_by_number_is_taken() {
    assert_eq!(
        verb(r#"{"refresh":{"token":"t"},"id":7,"presence":{"channel":"a"}}"#),
        Verb::Presence { channel: "a".into() }
    );
    assert_eq!(
        verb(r#"{"presence":{"channel":"a"},"id":7,"connect":null,"refresh":{}}"#),
        Verb::Presence { channel: "a".into() }
    );
}

#[test]
fn what_the_node_has_not_is_told_apart() {
    for frame in [
        r#"{"id":1,"subscribe":{"channel":"a","type":1}}"#,
        r#"{"id":1,"publish":{"channel":"a","type":1,"key":"k","removed":true}}"#,
        r#"{"id":1,"sub_refresh":{"channel":"a","type":1,"track":[]}}"#,
    ] {
        assert!(matches!(verb(frame), Verb::Unavailable(_)), "{frame}");
    }
}

#[test]
fn a_publication_is_written_without_what_it_has_not() {
    let plain = publication(Payload::json(r#"{"a":1}"#));
    assert_eq!(pushed("c", &plain), r#"{"push":{"channel":"c","pub":{"data":{"a":1}}}}"#);
    let with_offset = Publication { offset: 7, ..plain };
    assert_eq!(pushed("c", &with_offset), r#"{"push":{"channel":"c","pub":{"data":{"a":1},"offset":7}}}"#);
}

#[test]
fn what_expires_has_its_ttl_even_when_it_is_zero() {
    let mut body = Vec::new();
    let expiry = Expiry { expires: true, ttl_s: 0 };
    encode_reply(&Reply { id: 1, body: ReplyBody::SubRefresh(expiry) }, &mut body);
    assert_eq!(body, br#"{"id":1,"sub_refresh":{"expires":true,"ttl":0}}"#);
}

#[test]
fn no_data_is_null() {
    let mut body = Vec::new();
    let nothing = Payload::binary("");
    encode_reply(&Reply { id: 1, body: ReplyBody::Rpc(&nothing) }, &mut body);
    assert_eq!(body, br#"{"id":1,"rpc":{"data":null}}"#);
}

#[test]
fn binary_json_over_several_lines_is_put_on_one() {
    let text = pushed("c", &publication(Payload::binary(" {\n\"a\":\r\n1}\n")));
    assert_eq!(text, r#"{"push":{"channel":"c","pub":{"data":{ "a":  1}}}}"#);
}
