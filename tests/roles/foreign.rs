//! What somebody else has put into Redis where the nodes' register or the role's lists are: it is left alone and named, and all else goes
//! on.

use serde_json::json;

use crate::groups::keys;
use crate::harness::{BUCKETS, Process, Session, World, wait};
use crate::nodes::connect;

const FOREIGN: &str = r#"ringpost_state_errors_total{kind="foreign"}"#;

/// Users of one bucket.
fn users_of(bucket: u16) -> impl Iterator<Item = String> {
    (0..).map(|number| format!("user-{number}")).filter(move |user| keys().bucket_of(user) == bucket)
}

fn heads(bucket: u16) -> [String; 2] {
    [format!("ringpost:state:1:{{b{bucket}}}"), keys().head(bucket).to_owned()]
}

/// Calls a Function of the role as a process does.
fn call(world: &World, name: &str, bucket: u16, args: &[&str]) -> String {
    let (function, heads) = (format!("ringpost_state_1_{name}"), heads(bucket));
    world.redis.cli(&[&["--raw", "FCALL", &function, "2", &heads[0], &heads[1]], args].concat())
}

/// The slot and incarnation of a session that is known, as `slot.incarnation`.
fn owner_of(world: &World, user: &str, client: &str) -> String {
    let key = format!("{}:u:{user}", heads(keys().bucket_of(user))[0]);
    let session = world.redis.cli(&["--raw", "HGET", &key, &format!("+{client}")]);
    session.split(' ').next().expect("it has an owner").to_owned()
}

#[test]
fn users_of_a_node_that_is_killed_go_offline_whatever_lies_in_the_nodes_register() {
    let world = World::new(1);
    let mut edge = world.start("edge-1", r#""edge""#);
    let _lives = world.start("edge-2", r#""edge""#);
    let process = world.start("state-1", r#""state""#);
    let users: [String; 5] = users_of(3).take(5).collect::<Vec<_>>().try_into().expect("they are five");
    let clients = users.each_ref().map(|user| connect(&edge, user));
    users.iter().for_each(|user| _ = world.wait_told(user, true));
    let owner = owner_of(&world, &users[0], &clients[0].1);
    let [state, nodes] = heads(3);
    let (register, own) = (|user: &str| format!("{nodes}:s:{user}"), |user: &str| format!("{state}:u:{user}"));
    edge.kill();
    // Another type; an entry that cannot be read; one that was of the role, of which one field is not; the others are as they were.
    let session = uuid::Uuid::parse_str(&clients[1].1).expect("it is one");
    let name: String = session.as_bytes().iter().map(|byte| format!("\\{byte:03}")).collect();
    let spoil = format!("return redis.call('HSET', KEYS[1], '{name}', 'x')");
    world.redis.cli(&["DEL", &register(&users[0])]);
    world.redis.cli(&["SET", &register(&users[0]), "no hash"]);
    world.redis.cli(&["EVAL", &spoil, "1", &register(&users[1])]);
    world.redis.cli(&["HSET", &own(&users[2]), "+client", "no session"]);
    for user in [&users[0], &users[1], &users[3], &users[4]] {
        assert_eq!(world.wait_told(user, false)["cause"], "node_lost", "{user}");
    }
    assert!(process.metric(FOREIGN) >= 3, "each is counted");
    assert_eq!(process.metric("ringpost_state_ended_with_node_total"), 4);
    assert_eq!(world.redis.cli(&["--raw", "GET", &register(&users[0])]).trim(), "no hash");
    let index = format!("{state}:i:{owner}");
    assert_eq!(world.redis.cli(&["--raw", "SMEMBERS", &index]).trim(), users[2], "it is not forgotten");
    // What is not ours is taken away. The node is looked at again in a minute: this is what is called then.
    world.redis.cli(&["HDEL", &own(&users[2]), "+client"]);
    assert!(process.is_online(&users[2]));
    let told = call(&world, "end_node", 3, &[&owner, "0", "64", "60000", "0"]);
    assert!(told.contains("node_lost") && !process.is_online(&users[2]), "{told}");
    assert!(world.redis.cli(&["--raw", "SMEMBERS", &index]).trim().is_empty());
    assert!(!world.redis.cli(&["--raw", "SMEMBERS", &format!("{state}:i")]).contains(&owner));
}

#[test]
fn a_state_is_built_whatever_lies_in_the_nodes_register() {
    let world = World::new(1);
    let edge = world.start("edge-1", r#""edge""#);
    let users: Vec<_> = users_of(3).take(3).collect();
    let (_client, _) = connect(&edge, &users[0]);
    let nodes = heads(3)[1].clone();
    wait("the node has its session in the register", || {
        world.redis.cli(&["--raw", "SMEMBERS", &format!("{nodes}:i1")]).contains(&users[0])
    });
    for (user, put) in [(&users[1], &["SET", "KEY", "no hash"][..]), (&users[2], &["HSET", "KEY", "client", "x"][..])] {
        let key = format!("{nodes}:s:{user}");
        let put: Vec<_> = put.iter().map(|word| if *word == "KEY" { key.as_str() } else { word }).collect();
        world.redis.cli(&put);
        world.redis.cli(&["SADD", &format!("{nodes}:i1"), &format!("s{user}")]);
    }
    for bucket in (0..BUCKETS).filter(|bucket| *bucket != 3) {
        world.redis.cli(&["SET", &format!("{}:i1", heads(bucket)[1]), "no set"]);
    }
    world.forget_login_log();
    world.tell("connected", &Session::of("ben"));
    let process = world.start("state-1", r#""state""#);
    // By a record, and by the register alone.
    assert_eq!(world.wait_told("ben", true)["cause"], "rebuilt");
    assert_eq!(world.wait_told(&users[0], true)["cause"], "rebuilt");
    assert!(users[1..].iter().all(|user| !process.is_online(user)));
    assert!(process.metric(FOREIGN) >= u64::from(BUCKETS) - 1 + 2, "each is counted");
    world.tell("connected", &Session::of("cid"));
    assert_eq!(world.wait_told("cid", true)["cause"], "login", "it goes on");
}

#[test]
fn where_the_users_of_a_node_are_not_to_be_noted_a_session_of_its_is_not_put_at_all() {
    let world = World::new(1);
    let process = world.start("state-1", r#""state""#);
    wait("it consumes", || {
        world.tell("connected", &Session::of("first"));
        process.is_online("first")
    });
    let session = Session { slot: 7, incarnation: 70, ..Session::of("ann") };
    let [state, _] = heads(keys().bucket_of("ann"));
    let index = format!("{state}:i:7.70");
    world.redis.cli(&["SET", &index, "no set"]);
    world.tell("connected", &session);
    wait("it is said", || process.metric(FOREIGN) > 0);
    assert_eq!(process.state("ann"), json!({"online": false, "devices": 0}), "nothing of it is written");
    world.redis.cli(&["DEL", &index]);
    world.wait_told("ann", true);
    assert_eq!(world.redis.cli(&["--raw", "SMEMBERS", &index]).trim(), "ann", "it ends with its node");
}

#[test]
fn processes_of_the_edition_before_are_answered_as_they_were() {
    let world = World::new(1);
    let process: Process = world.start("state-1", r#""state""#);
    let users: Vec<_> = users_of(3).take(2).collect();
    let sessions: Vec<_> = users.iter().map(|user| Session { slot: 7, incarnation: 70, ..Session::of(user) }).collect();
    sessions.iter().for_each(|session| world.tell("connected", session));
    wait("both are online", || users.iter().all(|user| process.is_online(user)));
    let [state, nodes] = heads(3);
    world.redis.cli(&["SET", &format!("{nodes}:s:{}", users[0]), "no hash"]);
    let count = |name: &str, args: &[&str]| {
        let function = format!("ringpost_state_1_{name}");
        let answer = world.redis.cli(&[&["--no-raw", "FCALL", &function, "2", &state, &nodes], args].concat());
        answer.lines().filter(|line| line.starts_with(|first: char| first.is_ascii_digit())).count()
    };
    assert_eq!(count("check", &["7.70", "0", "64", "60000", "3600000", "254"]), 3);
    assert_eq!(count("adopt", &["1", "0", "64", "60000"]), 3);
    assert_eq!(count("settle", &["0", "64", "60000"]), 2);
    let left = call(&world, "end_node", 3, &["7.70", "0", "1", "60000"]);
    assert!(left.starts_with("1\n1\n"), "one is left, one has ended: {left}");
    assert_eq!(count("end_node", &["7.70", "0", "1", "60000"]), 3);
    assert!(users.iter().all(|user| !process.is_online(user)));
}

#[test]
fn what_somebody_else_has_put_among_what_is_to_be_told_is_kept_aside_and_all_else_is_told() {
    // More than one call looks at.
    const MANY: usize = 1_500;
    let world = World::new(1);
    let process = world.start("state-1", r#""state""#);
    wait("it consumes", || {
        world.tell("connected", &Session::of("first"));
        process.is_online("first")
    });
    let user = users_of(3).next().expect("there is one");
    let [state, _] = heads(3);
    let (told, aside) = (format!("{state}:o"), format!("{state}:f"));
    let one = |changed: serde_json::Value| {
        let mut one = json!({
            "number": 1, "user": "mallory", "online": true, "at_unix_ms": 5, "last_seen_unix_ms": 5, "devices": 1, "sequence": 7,
            "cause": "login",
        });
        let fields = changed.as_object().expect("they are fields").clone();
        one.as_object_mut().expect("it is one").extend(fields);
        one.to_string()
    };
    let none = [
        "no JSON".to_owned(),
        "{}".into(),
        "[1]".into(),
        one(json!({"number": 0})),
        one(json!({"number": 1.5})),
        one(json!({"number": 1e30})),
        one(json!({"user": ""})),
        one(json!({"user": 7})),
        one(json!({"online": 1})),
        one(json!({"at_unix_ms": -5})),
        one(json!({"sequence": "7"})),
        one(json!({"devices": 5_000_000_000_u64})),
        one(json!({"cause": "spite"})),
        one(json!({"user": "x".repeat(9_000)})),
        one(json!({"user": "\u{e9}"})).replace('\u{e9}', "\\ud800"),
    ];
    for item in &none {
        world.redis.cli(&["RPUSH", &told, item]);
    }
    let no_text = one(json!({"user": "N"})).replace('N', "\\255");
    for put in [
        format!("return redis.call('RPUSH', KEYS[1], '{no_text}')"),
        "return redis.call('RPUSH', KEYS[1], string.rep('x', 2 ^ 20))".into(),
        format!("for _ = 1, {MANY} do redis.call('RPUSH', KEYS[1], 'x') end"),
    ] {
        world.redis.cli(&["EVAL", &put, "1", &told]);
    }
    // Nobody can tell it from one of the role's. Its number is above those that follow, and it says one thing twice.
    let forged = one(json!({"number": 7_777})).replace("\"cause\"", "\"devices\":1,\"cause\"");
    world.redis.cli(&["RPUSH", &told, &forged]);
    let session = Session::of(&user);
    world.tell("connected", &session);
    assert_eq!(world.wait_told(&user, true)["cause"], "login");
    world.tell("disconnected", &session);
    assert_eq!(world.wait_told(&user, false)["cause"], "logout");
    assert_eq!(world.told()[&user].len(), 2, "nothing of it was told as another's");
    assert_eq!(world.told()["mallory"].len(), 1);
    wait("nothing waits", || world.redis.cli(&["--raw", "LLEN", &told]).trim() == "0");
    let kept = world.redis.cli(&["--raw", "LLEN", &aside]);
    assert_eq!(kept.trim(), (none.len() + 2 + MANY).to_string());
    assert!(process.metric(FOREIGN) >= 2, "it is counted");
    // Each was told once or, where two looked at once, a few times: nothing is told again and again.
    assert!(process.metric(r#"ringpost_state_transitions_total{cause="login"}"#) < 10);
}

#[test]
fn what_a_process_that_died_has_left_to_be_told_is_told_although_nothing_more_happens_there() {
    let world = World::new(1);
    let process = world.start("state-1", r#""state""#);
    wait("it consumes", || {
        world.tell("connected", &Session::of("first"));
        process.is_online("first")
    });
    let user = users_of(3).next().expect("there is one");
    // Of a partition that is nobody's any more.
    let event = json!([{
        "offset": 0, "begins": true, "at": 5, "user": user, "client": Session::of(&user).client, "owner": "0.0", "device": "",
    }]);
    call(&world, "position", 3, &["99", "-1", "0"]);
    let told = call(&world, "apply", 3, &["99", "-1", "0", "60000", &event.to_string(), "1"]);
    assert!(told.contains(&user), "{told}");
    assert_eq!(world.wait_told(&user, true)["cause"], "login");
}

#[test]
fn positions_and_nodes_that_cannot_be_read_are_as_good_as_lost() {
    let world = World::new(1);
    let [state, _] = heads(3);
    let rebuild = "ringpost:state:1:{p0}";
    world.redis.cli(&["SET", rebuild, "somewhere"]);
    let process = world.start("state-1", r#""state""#);
    let user = users_of(3).next().expect("there is one");
    world.tell("connected", &Session::of(&user));
    // Where the partition begins it would have to be written over.
    wait("it is said", || process.metric(FOREIGN) > 0);
    assert_eq!(world.redis.cli(&["--raw", "GET", rebuild]).trim(), "somewhere");
    assert!(!process.is_online(&user));
    world.redis.cli(&["DEL", rebuild]);
    world.wait_told(&user, true);
    let rebuilds = process.metric("ringpost_state_rebuilds_total");
    let spoil = "redis.call('HSET', KEYS[1], '0', 'no offset') redis.call('SADD', KEYS[2], '\\255', 'nobody')";
    world.redis.cli(&["EVAL", spoil, "2", &format!("{state}:p"), &format!("{state}:i")]);
    wait("it is read again", || process.metric("ringpost_state_rebuilds_total") > rebuilds);
    world.tell("connected", &Session::of(&user));
    wait("it goes on", || process.state(&user)["devices"] == 2);
    assert_eq!(world.told()[&user].len(), 1, "the same is told once");
}

#[test]
fn a_claim_that_no_process_has_made_is_named_and_holds_nothing_else_up() {
    let world = World::new(1);
    let claim = "ringpost:state:1:{claims}:check:0";
    world.redis.cli(&["RPUSH", claim, "no claim"]);
    let process = world.start("state-1", r#""state""#);
    wait("it is named", || process.metric(FOREIGN) == 1);
    world.tell("connected", &Session::of("ann"));
    world.wait_told("ann", true);
    assert_eq!(world.redis.cli(&["--raw", "LRANGE", claim, "0", "-1"]).trim(), "no claim");
    assert_eq!(process.metric(FOREIGN), 1, "the next bucket is another's");
}
