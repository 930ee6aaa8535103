//! Channels by the API: publish, broadcast, history, presence, channels, batch.

use serde_json::{Value, json};

use super::node::{KEY, Setup, TestNode};

#[tokio::test]
async fn a_publish_reaches_subscribers_on_every_shard_in_one_order() {
    let node = TestNode::start(Setup::default());
    let clients = [node.client(0, "ann"), node.client(1, "ben")];
    clients.iter().for_each(|client| client.subscribe("chat:room"));
    let first = node.result("publish", json!({ "channel": "chat:room", "data": { "n": 1 } })).await;
    let second = node.result("publish", json!({ "channel": "chat:room", "data": { "n": 2 } })).await;
    assert_eq!((&first["offset"], &second["offset"]), (&json!(1), &json!(2)));
    assert!(first["epoch"].as_str().is_some_and(|epoch| !epoch.is_empty()) && first["epoch"] == second["epoch"]);
    for client in clients {
        let came = client.publications();
        let data: Vec<&Value> = came.iter().map(|publication| &publication["data"]).collect();
        assert_eq!(data, [&json!({ "n": 1 }), &json!({ "n": 2 })]);
    }
}

#[tokio::test]
async fn the_excluded_client_gets_no_copy() {
    let node = TestNode::start(Setup::default());
    let (sender, other) = (node.client(0, "ann"), node.client(0, "ann"));
    let id = sender.id();
    sender.subscribe("chat:room");
    other.subscribe("chat:room");
    node.result("publish", json!({ "channel": "chat:room", "data": 1, "exclude_client": id })).await;
    assert!(sender.publications().is_empty());
    assert_eq!(other.publications().len(), 1);
}

#[tokio::test]
async fn data_stays_as_it_was_written_but_for_line_breaks() {
    let node = TestNode::start(Setup::default());
    let client = node.client(0, "ann");
    client.subscribe("chat:room");
    let body = "{\"channel\":\"chat:room\",\"data\":{\"z\":1.50,\n\"a\":\"\\u00e9\"}}";
    let sent = node.http.post(node.url("/api/publish")).header("X-API-Key", "dev").body(body).send().await.unwrap();
    assert!(sent.status().is_success());
    let history = node.request("history", &json!({ "channel": "chat:room", "limit": 1 })).send().await.unwrap();
    let text = history.text().await.unwrap();
    assert!(text.contains(r#"{"z":1.50, "a":"\u00e9"}"#), "{text}");
}

#[tokio::test]
async fn what_is_scheduled_is_listed_until_it_is_cancelled() {
    let node = TestNode::start(Setup::default());
    let later =
        |n: u32, delay: Value| json!({ "channel": "chat:room", "data": n, "tags": { "a": "b" }, "delay": delay });
    let second = node.result("publish", later(2, json!("1h"))).await;
    let first = node.result("publish", later(1, json!(1800))).await;
    assert!(first.get("offset").is_none() && second["scheduled"].is_string(), "{first} {second}");
    let listed = node.result("scheduled_list", json!({ "channel": "chat:room" })).await;
    let of =
        |field: &str| listed["scheduled"].as_array().unwrap().iter().map(|one| one[field].clone()).collect::<Vec<_>>();
    assert_eq!(of("id"), [first["scheduled"].clone(), second["scheduled"].clone()]);
    assert_eq!((of("data"), of("tags")), (vec![json!(1), json!(2)], vec![json!({ "a": "b" }); 2]));
    let cancel = json!({ "channel": "chat:room", "id": first["scheduled"] });
    assert_eq!(node.result("scheduled_cancel", cancel.clone()).await, json!({}));
    assert_eq!(node.call("scheduled_cancel", cancel).await["error"]["code"], 108);
    let all = json!({ "channels": ["chat:room", "nowhere:x"], "data": 3, "delay": 60 });
    let sent = node.result("broadcast", all).await;
    assert!(sent["responses"][0]["result"]["scheduled"].is_string(), "{sent}");
    assert_eq!(sent["responses"][1]["error"]["code"], 102);
    let listed = node.result("scheduled_list", json!({ "channel": "chat:room", "limit": 1 })).await;
    assert_eq!(listed["scheduled"][0]["data"], 3);
    assert_eq!(node.call("publish", later(4, json!("8d"))).await["error"]["code"], 107, "more than a week");
    let at_once = node.result("publish", later(5, json!(0))).await;
    assert_eq!(at_once["offset"], 1, "no delay is none");
}

#[tokio::test]
async fn bytes_tags_and_messages_outside_history_are_delivered() {
    let node = TestNode::start(Setup::default());
    let client = node.client(1, "ann");
    client.subscribe("chat:room");
    let tags = json!({ "kind": "note", "a": "b" });
    let text = json!({ "channel": "chat:room", "b64data": "aGk=", "tags": tags, "skip_history": true });
    assert_eq!(node.result("publish", text).await, json!({}), "it has no place in the history");
    let came = client.publications();
    assert_eq!((&came[0]["data"], &came[0]["tags"]), (&json!("hi"), &tags));
    let history = node.result("history", json!({ "channel": "chat:room", "limit": 10 })).await;
    assert_eq!(history["publications"], json!([]));
}

#[tokio::test]
async fn publishing_again_with_the_same_key_publishes_once() {
    let node = TestNode::start(Setup::default());
    let client = node.client(0, "ann");
    client.subscribe("chat:room");
    let body = json!({ "channel": "chat:room", "data": 1, "idempotency_key": "k" });
    let first = node.result("publish", body.clone()).await;
    assert_eq!(node.result("publish", body).await, first);
    assert_eq!(client.publications().len(), 1);
}

#[tokio::test]
async fn a_broadcast_answers_for_each_channel_in_turn() {
    let node = TestNode::start(Setup::default());
    let client = node.client(0, "ann");
    ["chat:a", "chat:b"].iter().for_each(|channel| client.subscribe(channel));
    let channels = ["chat:a", "nowhere:b", "chat:b", ""];
    let result = node.result("broadcast", json!({ "channels": channels, "data": {} })).await;
    let responses = result["responses"].as_array().unwrap();
    assert_eq!(responses.len(), 4);
    assert_eq!(responses[0]["result"]["offset"], 1);
    assert_eq!(responses[1]["error"], json!({ "code": 102, "message": "unknown channel" }));
    assert_eq!(responses[2]["result"]["offset"], 1);
    assert_eq!(responses[3]["error"]["code"], 107);
    assert_eq!(client.publications().len(), 2);
}

#[tokio::test]
async fn history_is_read_forward_backward_from_a_place_and_removed() {
    let node = TestNode::start(Setup::default());
    for number in 1..=3 {
        node.result("publish", json!({ "channel": "chat:room", "data": number })).await;
    }
    let read = async |mut filter: Value| {
        filter["channel"] = json!("chat:room");
        let page = node.result("history", filter).await;
        let offsets = page["publications"].as_array().unwrap().iter().map(|entry| entry["offset"].as_u64().unwrap());
        (offsets.collect::<Vec<_>>(), page["offset"].as_u64().unwrap(), page["epoch"].as_str().unwrap().to_string())
    };
    let (none, top, epoch) = read(json!({})).await;
    assert_eq!((none, top), (vec![], 3), "without a limit only the place is told");
    assert_eq!(read(json!({ "limit": -1 })).await.0, [1, 2, 3]);
    assert_eq!(read(json!({ "limit": 2, "reverse": true })).await.0, [3, 2]);
    assert_eq!(read(json!({ "limit": 9, "since": { "offset": 1, "epoch": epoch } })).await.0, [2, 3]);
    let stale = json!({ "channel": "chat:room", "limit": 1, "since": { "offset": 1, "epoch": "other" } });
    assert_eq!(node.error("history", stale).await, 112);
    node.result("history_remove", json!({ "channel": "chat:room" })).await;
    let (left, top, _) = read(json!({ "limit": -1 })).await;
    assert_eq!((left, top), (vec![], 3), "offsets go on");
}

#[tokio::test]
async fn presence_lists_clients_of_all_shards() {
    let node = TestNode::start(Setup::default());
    let clients = [node.client(0, "ann"), node.client(1, "ann"), node.client(1, "ben")];
    let ids = clients.map(|client| client.id());
    clients.iter().for_each(|client| client.subscribe("chat:room"));
    let presence = node.result("presence", json!({ "channel": "chat:room" })).await;
    assert_eq!(presence["presence"].as_object().unwrap().len(), 3);
    let ann = &presence["presence"][&ids[0]];
    assert_eq!(*ann, json!({ "user": "ann", "client": ids[0], "conn_info": { "name": "ann" } }));
    let stats = node.result("presence_stats", json!({ "channel": "chat:room" })).await;
    assert_eq!(stats, json!({ "num_clients": 3, "num_users": 2 }));
}

#[tokio::test]
async fn channels_with_subscribers_are_found_by_pattern() {
    let node = TestNode::start(Setup::default());
    let (ann, ben) = (node.client(0, "ann"), node.client(1, "ben"));
    ["chat:a", "chat:b", "typing:a"].iter().for_each(|channel| ann.subscribe(channel));
    ben.subscribe("chat:a");
    let chats = node.result("channels", json!({ "pattern": "chat:*" })).await;
    assert_eq!(chats["channels"], json!({ "chat:a": { "num_clients": 2 }, "chat:b": { "num_clients": 1 } }));
    let all = node.result("channels", json!({})).await;
    assert!(all["channels"].get("typing:a").is_some(), "{all}");
}

#[tokio::test]
async fn info_counts_all_shards() {
    let node = TestNode::start(Setup::default());
    let (ann, _ben) = (node.client(0, "ann"), node.client(1, "ben"));
    ann.subscribe("chat:a");
    let info = node.result("info", json!({})).await;
    let this = &info["nodes"][0];
    assert_eq!((&this["num_clients"], &this["num_users"]), (&json!(2), &json!(2)), "{this}");
    assert!(this["num_subs"].as_u64() >= Some(1) && this["num_channels"].as_u64() >= Some(1), "{this}");
    assert_eq!(this["inboxes"]["unreceived"], json!(0), "nothing is promised to anybody");
    assert_eq!(this["version"], crate::VERSION);
    assert!(this["uid"].as_str().is_some_and(|uid| uid.len() == 36));
    assert!(this["process"]["rss"].as_u64() > Some(1 << 20));
}

#[tokio::test]
async fn a_batch_answers_in_the_order_of_its_commands() {
    let node = TestNode::start(Setup::default());
    for parallel in [false, true] {
        let channel = format!("chat:{parallel}");
        let commands = json!([
            { "publish": { "channel": channel, "data": 1 } },
            { "presence_stats": { "channel": "nowhere:x" } },
            { "history": { "channel": "typing:x", "limit": 1 } },
            { "info": {} },
        ]);
        let answer = node.call("batch", json!({ "commands": commands, "parallel": parallel })).await;
        let replies = answer["replies"].as_array().unwrap();
        assert_eq!(replies[0]["publish"]["offset"], 1, "{answer}");
        assert_eq!(replies[1]["error"]["code"], 102);
        assert_eq!(replies[2]["error"]["code"], 108);
        assert_eq!(replies[3]["info"]["nodes"].as_array().unwrap().len(), 1);
    }
}

#[tokio::test]
async fn a_bad_command_of_a_batch_does_not_void_the_others() {
    let node = TestNode::start(Setup::default());
    let good = json!({ "publish": { "channel": "chat:a", "data": 1 } });
    let elsewhere = json!({ "publish": { "channel": "nowhere:a", "data": 1 } });
    let commands = json!([good, { "publish": {} }, null, { "fly": {} }, {}, elsewhere, good]);
    for parallel in [false, true] {
        let answer = node.call("batch", json!({ "commands": commands, "parallel": parallel })).await;
        let replies = answer["replies"].as_array().unwrap();
        assert!(replies[0]["publish"].is_object() && replies[6]["publish"].is_object(), "{answer}");
        let told: Vec<_> = replies[1..6].iter().map(|reply| reply["error"]["code"].as_u64().unwrap()).collect();
        assert_eq!(told, [107, 107, 104, 104, 102], "{answer}");
    }
    let null = json!({ "commands": [{ "publish": null, "presence_stats": { "channel": "chat:a" } }] });
    assert!(node.call("batch", null).await["replies"][0]["presence_stats"].is_object());
}

#[tokio::test]
async fn calls_may_be_lines_of_method_and_params() {
    let node = TestNode::start(Setup::default());
    let call = async |body: &str| {
        let call = node.http.post(node.url("/api")).header("X-API-Key", KEY).body(body.to_owned());
        let response = call.send().await.unwrap();
        (response.status().as_u16(), response.text().await.unwrap())
    };
    let body = r#"{"id":7,"method":"publish","params":{"channel":"chat:a","data":1}}
        {"method":"PUBLISH","params":{"channel":"nowhere:a","data":1}}{"method":"publish"}
        {"method":"presence_stats","params":{"channel":7}}
        {"method":"fly","params":{}}
        {"method":"presence_stats","params":{"channel":"chat:a"}}"#;
    let (status, text) = call(body).await;
    assert_eq!(status, 200, "{text}");
    let replies: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!((&replies[0]["id"], &replies[0]["result"]["offset"]), (&json!(7), &json!(1)));
    let codes: Vec<_> = replies[1..5].iter().map(|reply| reply["error"]["code"].as_u64().unwrap()).collect();
    assert_eq!(codes, [102, 107, 107, 104]);
    assert_eq!(replies[5], json!({ "result": { "num_clients": 0, "num_users": 0 } }));
    // Nothing is carried out unless all of it is understood.
    let broken = [r#"{"method":"publish","params":{"channel":"chat:a","data":2}}{"#, "", "[]", "7", "null x"];
    for body in broken {
        assert_eq!(call(body).await.0, 400, "{body}");
    }
    assert_eq!(node.result("history", json!({ "channel": "chat:a" })).await["offset"], 1);
    let unauthorized = node.http.post(node.url("/api")).body(r#"{"method":"info"}"#).send().await.unwrap();
    assert_eq!(unauthorized.status().as_u16(), 401);
}

#[tokio::test]
async fn null_is_published_as_what_it_is() {
    let node = TestNode::start(Setup::default());
    let client = node.client(0, "ann");
    client.subscribe("chat:room");
    node.result("publish", json!({ "channel": "chat:room", "data": null })).await;
    node.result("broadcast", json!({ "channels": ["chat:room"], "data": null })).await;
    let came = client.publications();
    assert_eq!(came.iter().map(|publication| &publication["data"]).collect::<Vec<_>>(), [&Value::Null; 2]);
}

#[tokio::test]
async fn an_older_version_is_answered_and_not_delivered() {
    let node = TestNode::start(Setup::default());
    let client = node.client(1, "ann");
    client.subscribe("chat:room");
    for (version, offset) in [(2, 1), (1, 1), (2, 1), (3, 2)] {
        let body = json!({ "channel": "chat:room", "data": version, "version": version, "version_epoch": "e" });
        assert_eq!(node.result("publish", body).await["offset"], offset, "version {version}");
    }
    let body = json!({ "channels": ["chat:room", "chat:other"], "data": 3, "version": 3, "version_epoch": "e" });
    assert_eq!(node.result("broadcast", body).await["responses"][1]["result"]["offset"], 1);
    let came = client.publications();
    assert_eq!(came.iter().map(|publication| &publication["data"]).collect::<Vec<_>>(), [&json!(2), &json!(3)]);
}

#[tokio::test]
async fn who_does_not_exist_is_nobody() {
    let node = TestNode::start(Setup::default());
    let client = node.client(0, "ann");
    let id = client.id();
    client.subscribe("chat:room");
    for narrow in
        [json!({ "client": "none" }), json!({ "session": "none" }), json!({ "client": id, "session": "none" })]
    {
        for (method, more) in [
            ("subscribe", json!({ "channel": "chat:other" })),
            ("unsubscribe", json!({ "channel": "chat:room" })),
            ("refresh", json!({ "expired": true })),
            ("disconnect", json!({})),
        ] {
            let mut body = json!({ "user": "ann" });
            for fields in [&narrow, &more] {
                body.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
            }
            assert_eq!(node.result(method, body).await, json!({}));
        }
    }
    for method in ["unsubscribe", "refresh", "disconnect"] {
        assert_eq!(node.result(method, json!({})).await, json!({}), "{method}");
    }
    node.result("publish", json!({ "channel": "chat:room", "data": 1, "exclude_client": "none" })).await;
    assert_eq!((client.publications().len(), client.closed()), (1, None));
}
