//! The role `state` of one process: what it derives, what it tells, what it passes over.

use serde_json::json;

use crate::harness::{BUCKETS, Session, World, now_ms, wait};
use crate::kcat::kcat_writes;

#[test]
fn users_are_online_from_their_first_session_to_the_end_of_their_last() {
    let world = World::new(2);
    let (phone, page) = (Session::of("ann"), Session::of("ann"));
    let began = now_ms();
    for (kind, session) in [("connected", &phone), ("connected", &page), ("disconnected", &phone)] {
        world.tell(kind, session);
    }
    let mut process = world.start("state-1", r#""state""#);
    wait("ann is online", || process.is_online("ann") && process.state("ann")["devices"] == 1);
    let told = world.wait_told("ann", true);
    assert_eq!((&told["cause"], &told["devices"]), (&json!("rebuilt"), &json!(1)), "a state that begins is built");
    world.tell("disconnected", &page);
    let told = world.wait_told("ann", false);
    assert_eq!(told["cause"], "logout");
    world.tell("connected", &Session::of("ann"));
    let told = world.wait_told("ann", true);
    assert_eq!(told["cause"], "login");
    assert!(told["at_unix_ms"].as_i64().unwrap() >= began && told["last_seen_unix_ms"] == told["at_unix_ms"], "{told}");
    assert_eq!(world.told()["ann"].len(), 3, "a second session is no transition");
    let nobody = process.state("nobody");
    assert_eq!(nobody, json!({"online": false, "devices": 0}));
    assert!(process.end().success(), "it drains");
    assert!(world.committed() > 0);
}

#[test]
fn what_cannot_be_used_is_counted_and_holds_nothing_up_and_clocks_of_nodes_are_not_believed() {
    let world = World::new(1);
    let process = world.start("state-1", r#""state""#);
    wait("it consumes", || {
        world.tell("connected", &Session::of("first"));
        process.is_online("first")
    });
    world.write("ann", b"{");
    world.write("ann", br#"{"kind":"connected","user":"ann","client":"7"}"#);
    world.write("ann", br#"{"kind":"refused","user":"ann"}"#);
    let late = Session::of("ann");
    let record = json!({
        "kind": "connected", "user": "ann", "client": late.client, "at_unix_ms": now_ms() + 3_600_000,
    });
    world.write("ann", record.to_string().as_bytes());
    wait("ann is online", || process.is_online("ann"));
    // They are counted once what was read with them is told.
    let count = |outcome: &str| process.metric(&format!("ringpost_state_records_total{{outcome=\"{outcome}\"}}"));
    wait("they are counted", || (count("unusable"), count("passed")) == (2, 1));
    let state = process.state("ann");
    assert!(state["since_unix_ms"].as_i64().unwrap() <= now_ms(), "an hour ahead of the clock of Redis: {state}");
    let told = world.wait_told("ann", true);
    assert_eq!(told["cause"], "login");
}

#[test]
fn a_header_whose_name_is_no_text_ends_no_process() {
    let world = World::new(1);
    let mut process = world.start("state-1", r#""state""#);
    let session = Session::of("ann");
    let record = json!({"kind": "connected", "user": "ann", "client": session.client, "at_unix_ms": now_ms()});
    kcat_writes(&world.kafka, &world.topic("login"), "ann", &[b"\xff=1"], &record.to_string());
    wait("ann is online", || process.is_online("ann"));
    world.tell("disconnected", &session);
    wait("it goes on", || !process.is_online("ann"));
    assert!(process.end().success(), "it was well");
}

#[test]
fn the_end_of_a_session_that_is_read_before_its_beginning_is_its_end() {
    let world = World::new(1);
    let process = world.start("state-1", r#""state""#);
    let (session, other) = (Session::of("ann"), Session::of("ben"));
    world.tell("disconnected", &session);
    world.tell("connected", &session);
    world.tell("connected", &other);
    wait("ben is online", || process.is_online("ben"));
    assert!(!process.is_online("ann"), "it began before it ended, whatever was read first");
}

#[test]
fn a_process_without_the_edge_serves_health_metrics_and_its_own_methods_on_one_port() {
    let world = World::new(1);
    let process = world.start("state-1", r#""state""#);
    assert!(process.tcp.is_none());
    wait("it is ready", || process.get("/health").starts_with("HTTP/1.1 200"));
    let refused = process.api("publish", &json!({"channel": "chat:x", "data": 1}));
    assert_eq!(refused["error"]["code"], 108, "{refused}");
    assert!(refused["error"]["message"].as_str().unwrap().contains("role `edge`"), "{refused}");
    let batch = process
        .api("batch", &json!({"commands": [{"presence": {"channel": "x"}}, {"users_state": {"users": ["ann"]}}]}));
    assert_eq!(batch["replies"][0]["error"]["code"], 108, "{batch}");
    assert_eq!(batch["replies"][1]["users_state"]["users"]["ann"]["online"], false, "{batch}");
    let upgrade = crate::client::request(
        process.http,
        "GET /connection/websocket",
        "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n",
        "",
    );
    assert!(upgrade.starts_with("HTTP/1.1 404"), "{upgrade}");
    let many: Vec<_> = (0..1_001).map(|user| user.to_string()).collect();
    assert_eq!(process.api("users_state", &json!({"users": many}))["error"]["code"], 106);
    let metrics = process.get("/metrics");
    assert!(metrics.contains(r#"ringpost_role_well{role="state"} 1"#), "{metrics}");
}

#[test]
fn of_a_user_who_comes_and_goes_all_day_the_last_ends_are_remembered() {
    let world = World::new(1);
    let process = world.start("state-1", r#""state""#);
    for _ in 0..300 {
        let session = Session::of("ann");
        world.tell("connected", &session);
        world.tell("disconnected", &session);
    }
    wait("all is applied", || world.committed() == 600);
    let key = world.redis.cli(&["--raw", "KEYS", "*:u:ann"]);
    let fields = world.redis.cli(&["--raw", "HKEYS", key.trim()]);
    let ended = fields.lines().filter(|field| field.starts_with('-')).count();
    assert_eq!(ended, 256, "{fields}");
    assert!(!process.is_online("ann"));
}

/// Redis does nothing else meanwhile: what a call takes must not grow with the square of what one user does.
#[test]
fn a_user_of_whom_a_call_has_many_records_is_read_once() {
    let world = World::new(1);
    let process = world.start("state-1", r#""state""#);
    wait("it consumes", || {
        world.tell("connected", &Session::of("first"));
        process.is_online("first")
    });
    let heads = ["other:{b0}", "other:nodes:{b0}"];
    let call = |name: &str, args: &[&str]| {
        let function = format!("ringpost_state_1_{name}");
        world.redis.cli(&[&["--raw", "FCALL", &function, "2", heads[0], heads[1]], args].concat())
    };
    call("position", &["0", "-1", "0"]);
    let sessions: Vec<_> = (0..200).map(|_| Session::of("ann").client).collect();
    let (mut offset, mut known) = (-1, -1);
    let mut apply = |begins: bool, clients: &[String]| {
        let event = |client: &String| {
            offset += 1;
            json!({"offset": offset, "begins": begins, "at": 5, "user": "ann", "client": client, "owner": "7.70", "device": ""})
        };
        let events = json!(clients.iter().map(event).collect::<Vec<_>>()).to_string();
        world.redis.cli(&["CONFIG", "RESETSTAT"]);
        let told = call("apply", &["0", &known.to_string(), "0", "60000", &events]);
        known = offset;
        let statistics = world.redis.cli(&["--raw", "INFO", "commandstats"]);
        let reads = statistics.lines().find_map(|line| line.strip_prefix("cmdstat_hgetall:calls=")).expect("it reads");
        (told, reads.split(',').next().expect("a number").parse::<u32>().expect("a number"))
    };
    let index = || world.redis.cli(&["--raw", "SMEMBERS", "other:{b0}:i:7.70"]).trim().to_owned();
    let (_, reads) = apply(true, &sessions);
    // What the process itself looks at meanwhile is little.
    assert!(reads < 10, "{reads} reads for 200 sessions that begin");
    assert_eq!(index(), "ann");
    let (_, reads) = apply(false, &sessions[1..]);
    assert!(reads < 10, "{reads} reads for 199 sessions that end");
    assert_eq!(index(), "ann", "one is left");
    let (told, _) = apply(false, &sessions[..1]);
    assert!(told.contains("logout") && index().is_empty(), "{told}");
}

#[test]
fn functions_of_an_earlier_edition_are_replaced() {
    let world = World::new(1);
    let source = include_str!("../../src/roles/state/library.lua");
    let (_, rest) = source.split_once("local REVISION = ").unwrap();
    let (edition, _) = rest.split_once('\n').unwrap();
    let earlier = source.replace(&format!("local REVISION = {edition}"), "local REVISION = 0");
    world.redis.cli(&["FUNCTION", "LOAD", &earlier]);
    let told = || world.redis.cli(&["--raw", "FCALL", "ringpost_state_1_revision", "0"]).trim().to_owned();
    assert_eq!(told(), "0");
    let process = world.start("state-1", r#""state""#);
    world.tell("connected", &Session::of("ann"));
    wait("ann is online", || process.is_online("ann"));
    assert_eq!(told(), edition);
}

#[test]
fn what_somebody_else_has_put_in_place_of_a_user_is_left_alone_and_others_go_on() {
    let world = World::new(1);
    let key = |user: &str| format!("ringpost:state:1:{{b{}}}:u:{user}", ringpost::model::bucket_of(user, BUCKETS));
    let foreign = [
        ("ann", vec!["SET", "KEY", "no hash"]),
        ("ben", vec!["HSET", "KEY", "+client", "no session"]),
        ("cid", vec!["HSET", "KEY", "-client", "no end"]),
        ("dan", vec!["HSET", "KEY", "s", "never"]),
    ];
    let keys = foreign.each_ref().map(|(user, _)| key(user));
    for ((_, command), key) in foreign.iter().zip(&keys) {
        let command: Vec<_> = command.iter().map(|word| if *word == "KEY" { key.as_str() } else { word }).collect();
        world.redis.cli(&command);
    }
    let dumps = || keys.each_ref().map(|key| world.redis.cli(&["DUMP", key]));
    let before = dumps();
    // Of all users in one call, of which some are in one bucket.
    for user in ["ann", "ben", "cid", "dan", "eve"] {
        world.tell("connected", &Session::of(user));
    }
    let process = world.start("state-1", r#""state""#);
    world.wait_told("eve", true);
    assert_eq!(world.told().into_keys().collect::<Vec<_>>(), ["eve"]);
    assert_eq!(process.state("ann"), json!({"online": false, "devices": 0}));
    assert!(process.is_online("eve") && dumps() == before);
    wait("the group stands behind all", || world.committed() == 5);
    assert_eq!(process.metric(r#"ringpost_state_errors_total{kind="foreign"}"#), 4);
    // Where it is taken away the user is known from what happens next.
    world.redis.cli(&["DEL", &keys[0]]);
    world.tell("connected", &Session::of("ann"));
    assert_eq!(world.wait_told("ann", true)["cause"], "login");
    // In place of what a bucket has for all its users it is waited for.
    let index = format!("ringpost:state:1:{{b{}}}:o", ringpost::model::bucket_of("fay", BUCKETS));
    world.redis.cli(&["SET", &index, "no list"]);
    world.tell("connected", &Session::of("fay"));
    wait("it is said", || process.metric(r#"ringpost_state_errors_total{kind="foreign"}"#) > 4);
    world.redis.cli(&["DEL", &index]);
    world.wait_told("fay", true);
}
