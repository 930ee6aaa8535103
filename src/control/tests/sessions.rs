//! A user's sessions by the API: subscribe, unsubscribe, disconnect, refresh, connections.

use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

use super::node::{Setup, TestClient, TestNode};

fn pushes(client: TestClient<'_>, kind: &str) -> Vec<Value> {
    client
        .received()
        .into_iter()
        .filter(|word| !word["push"][kind].is_null())
        .map(|mut word| word["push"].take())
        .collect()
}

#[tokio::test]
async fn every_session_of_the_user_is_subscribed_and_recovers() {
    let node = TestNode::start(Setup::default());
    let (ann, again, ben) = (node.client(0, "ann"), node.client(1, "ann"), node.client(1, "ben"));
    let place = node.result("publish", json!({ "channel": "chat:room", "data": "missed" })).await;
    let since = json!({ "offset": 0, "epoch": place["epoch"] });
    let body = json!({
        "user": "ann", "channel": "chat:room", "data": { "hello": 1 }, "info": { "role": "host" },
        "recover_since": since, "override": { "presence": { "value": true } },
    });
    assert_eq!(node.result("subscribe", body).await, json!({}));
    for client in [ann, again] {
        let words = client.received();
        let subscribed = words.iter().find(|word| !word["push"]["subscribe"].is_null());
        assert_eq!(subscribed.unwrap()["push"]["subscribe"]["data"], json!({ "hello": 1 }), "{words:?}");
        assert!(words.iter().any(|word| word["push"]["pub"]["data"] == "missed"), "{words:?}");
    }
    assert!(pushes(ben, "subscribe").is_empty());
    let presence = node.result("presence", json!({ "channel": "chat:room" })).await;
    let infos: Vec<&Value> =
        presence["presence"].as_object().unwrap().values().map(|info| &info["chan_info"]).collect();
    assert_eq!(infos, [&json!({ "role": "host" }), &json!({ "role": "host" })]);
}

#[tokio::test]
async fn one_session_can_be_named_by_its_client_id() {
    let node = TestNode::start(Setup::default());
    let (ann, again) = (node.client(0, "ann"), node.client(1, "ann"));
    let id = again.id();
    ann.received();
    node.result("subscribe", json!({ "user": "ann", "client": id, "channel": "chat:room" })).await;
    assert!(pushes(ann, "subscribe").is_empty());
    assert_eq!(pushes(again, "subscribe").len(), 1);
    node.result("unsubscribe", json!({ "user": "ann", "client": id, "channel": "chat:room" })).await;
    let told = pushes(again, "unsubscribe");
    assert_eq!(told[0]["unsubscribe"]["code"], 2000);
    node.result("publish", json!({ "channel": "chat:room", "data": 1 })).await;
    assert!(again.publications().is_empty());
}

#[tokio::test]
async fn disconnect_spares_the_whitelist_and_tells_the_code() {
    let node = TestNode::start(Setup::default());
    let (stays, goes, ben) = (node.client(0, "ann"), node.client(1, "ann"), node.client(1, "ben"));
    let id = stays.id();
    node.result("disconnect", json!({ "user": "ann", "whitelist": [id] })).await;
    assert_eq!((stays.closed(), goes.closed(), ben.closed()), (None, Some(3503), None));
    let own = json!({ "user": "ben", "disconnect": { "code": 4001, "reason": "moved" } });
    node.result("disconnect", own).await;
    assert_eq!(ben.closed(), Some(4001));
}

#[tokio::test]
async fn refresh_says_anew_when_sessions_expire() {
    let node = TestNode::start(Setup::default());
    let ann = node.client(0, "ann");
    ann.received();
    let now_s = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    node.result("refresh", json!({ "user": "ann", "expire_at": now_s + 1000 })).await;
    let told = pushes(ann, "refresh");
    assert_eq!(told[0]["refresh"]["expires"], true, "{told:?}");
    node.result("refresh", json!({ "user": "ann", "expired": true })).await;
    assert_eq!(ann.closed(), Some(3005));
}

#[tokio::test]
async fn connections_tell_a_users_devices() {
    let node = TestNode::start(Setup::default());
    let (ann, again) = (node.client(0, "ann"), node.client(1, "ann"));
    let (first, second) = (ann.id(), again.id());
    ann.subscribe("chat:room");
    let result = node.result("connections", json!({ "user": "ann" })).await;
    let connections = &result["connections"];
    assert_eq!(connections.as_object().unwrap().len(), 2, "{result}");
    let one = &connections[&first];
    assert_eq!((&one["user"], &one["app_name"], &one["shard"]), (&json!("ann"), &json!("js"), &json!(0)));
    assert_eq!((&one["device"], &one["device_kind"]), (&json!(""), &json!("")), "nobody has named them");
    assert_eq!((&one["transport"], &one["protocol"]), (&json!("tcp"), &json!("json")));
    assert!(one["state"]["channels"].get("chat:room").is_some(), "{one}");
    assert_eq!(connections[&second]["shard"], 1);
    assert_eq!(node.result("connections", json!({ "user": "nobody" })).await, json!({ "connections": {} }));
}

#[tokio::test]
async fn tokens_of_a_user_are_called_back_on_every_shard_and_listed_in_pages() {
    let node = TestNode::start(Setup::default());
    let (ann, again, ben) = (node.client(0, "ann"), node.client(1, "ann"), node.client(1, "ben"));
    assert_eq!(node.result("tokens_revoke", json!({ "user": "ann" })).await, json!({}));
    assert_eq!((ann.closed(), again.closed(), ben.closed()), (Some(3500), Some(3500), None));
    let now_s = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    node.result("tokens_revoke", json!({ "id": "a1", "until": now_s + 60 })).await;
    node.result("tokens_revoke", json!({ "user": "ben", "device": "phone", "issued_before": 1_700_000_000.0 })).await;
    let mut seen: Vec<Value> = Vec::new();
    loop {
        let page = node.result("tokens_revoked", json!({ "limit": 2, "after": seen.last() })).await;
        let page = page["revocations"].as_array().unwrap().clone();
        if page.is_empty() {
            break;
        }
        seen.extend(page);
    }
    assert_eq!(seen.len(), 3, "{seen:?}");
    assert_eq!(seen[0], json!({ "id": "a1", "until": now_s + 60 }));
    assert_eq!(seen[1]["user"], "ann");
    assert!(seen[1]["issued_before"].as_u64().unwrap() > now_s, "what was issued in this second is older");
    assert!(seen[1]["until"].as_u64().unwrap() >= now_s + 30 * 86_400);
    assert_eq!((&seen[2]["device"], &seen[2]["issued_before"]), (&json!("phone"), &json!(1_700_000_000)));
}

#[tokio::test]
async fn tokens_of_an_issuer_whose_clock_is_some_minutes_ahead_can_be_called_back() {
    let node = TestNode::start(Setup::default());
    let ahead_s = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() + 290;
    assert_eq!(node.result("tokens_revoke", json!({ "user": "ann", "issued_before": ahead_s })).await, json!({}));
    let listed = node.result("tokens_revoked", json!({})).await;
    assert_eq!(listed["revocations"][0]["issued_before"], json!(ahead_s), "{listed}");
}

#[tokio::test]
async fn a_revocation_that_makes_no_sense_is_refused() {
    let node = TestNode::start(Setup::default());
    let now_s = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    for body in [
        json!({}),
        json!({ "until": now_s + 60 }),
        json!({ "device": "phone" }),
        json!({ "device": "phone", "issued_before": 1 }),
        json!({ "id": "a", "user": "ann" }),
        json!({ "id": "a", "issued_before": 1 }),
        json!({ "id": "x".repeat(513) }),
        json!({ "user": "ann", "issued_before": now_s + 600 }),
        json!({ "user": "ann", "until": now_s }),
        json!({ "user": "ann", "until": now_s + 367 * 86_400 }),
        json!({ "issued_before": i64::MAX }),
        json!({ "issued_before": 0 }),
    ] {
        let answer = node.call("tokens_revoke", body.clone()).await;
        assert_eq!(answer["error"]["code"], 107, "{body}: {answer}");
    }
    assert_eq!(node.result("tokens_revoked", json!({})).await, json!({ "revocations": [] }));
}

/// All entries of a list, in pages of two; something is done between them.
async fn in_pages(node: &TestNode, method: &str, body: &Value, list: &str, mut between: impl FnMut()) -> Vec<String> {
    let (mut seen, mut after) = (Vec::<String>::new(), String::new());
    loop {
        let mut body = body.clone();
        (body["limit"], body["after"]) = (json!(2), json!(after));
        let page = node.result(method, body).await;
        let page: Vec<String> = page[list].as_object().unwrap().keys().cloned().collect();
        assert!(page.len() <= 2, "{page:?}");
        seen.extend_from_slice(&page);
        match page.last() {
            Some(last) if page.len() == 2 => after.clone_from(last),
            _ => return seen,
        }
        between();
    }
}

#[tokio::test]
async fn sessions_and_channels_are_listed_in_pages_and_those_that_stay_are_each_there_once() {
    let node = TestNode::start(Setup::default());
    let clients: Vec<_> = (0..7).map(|at| node.client(at % 2, "ann")).collect();
    let ids: Vec<_> = clients.iter().map(TestClient::id).collect();
    let seen = in_pages(&node, "connections", &json!({ "user": "ann" }), "connections", || {
        node.client(0, "ann");
    })
    .await;
    assert!(seen.is_sorted_by(|one, other| one < other), "{seen:?}");
    assert!(ids.iter().all(|id| seen.contains(id)), "{seen:?}");
    let names: Vec<_> = (0..5).map(|at| format!("chat:{at}")).collect();
    names.iter().for_each(|name| clients[0].subscribe(name));
    let mut others = clients[1..].iter();
    let seen = in_pages(&node, "channels", &json!({ "pattern": "chat:*" }), "channels", || {
        others.next().expect("there are fewer pages").subscribe("chat:0");
    })
    .await;
    assert_eq!(seen, names);
    assert_eq!(node.error("connections", json!({ "user": "ann", "after": "x", "limit": 2 })).await, 107);
}

#[tokio::test]
async fn a_session_has_what_backends_say_of_it_until_it_ends() {
    let node = TestNode::start(Setup::default());
    let (ann, again) = (node.client(0, "ann"), node.client(1, "ann"));
    let (client, other) = (ann.id(), again.id());
    let say = async |client: Option<&str>, set: Value, remove: Value| {
        let body = json!({ "user": "ann", "client": client, "set": set, "remove": remove });
        node.result("session_attributes", body).await["sessions"].take()
    };
    let (one, none) = (Some(client.as_str()), json!([]));
    let said = say(one, json!({ "tab": 7, "view": { "page": "a" } }), none.clone()).await;
    assert_eq!(said, json!({ client.as_str(): { "tab": 7, "view": { "page": "a" } } }));
    let said = say(one, json!({ "tab": null, "muted": true }), json!(["view", "unknown"])).await;
    assert_eq!(said, json!({ client.as_str(): { "tab": null, "muted": true } }));
    assert_eq!(say(one, json!({}), none.clone()).await, said, "who changes nothing is told");
    let said = say(None, json!({ "muted": false }), none.clone()).await;
    let all = json!({ client.as_str(): { "tab": null, "muted": false }, other.as_str(): { "muted": false } });
    assert_eq!(said, all, "all sessions of the user");
    let connections = node.result("connections", json!({ "user": "ann" })).await;
    assert_eq!(connections["connections"][&client]["attributes"], all[&client]);
    assert_eq!(connections["connections"][&client]["info"], json!({ "name": "ann" }));
    node.result("disconnect", json!({ "user": "ann", "client": client })).await;
    assert_eq!(say(one, json!({ "tab": 1 }), none).await, json!({}), "it is gone");
}

#[tokio::test]
async fn what_is_said_of_a_session_is_bounded_and_what_is_refused_changes_nothing() {
    let node = TestNode::start(Setup::default());
    let client = node.client(0, "ann").id();
    let body = |set: Value| json!({ "user": "ann", "set": set });
    node.result("session_attributes", body(json!({ "kept": "x".repeat(500) }))).await;
    assert_eq!(node.error("session_attributes", body(json!({ "more": "x".repeat(600) }))).await, 106);
    let said = node.result("session_attributes", body(json!({}))).await;
    assert_eq!(said["sessions"][&client].as_object().unwrap().keys().collect::<Vec<_>>(), ["kept"]);
}
