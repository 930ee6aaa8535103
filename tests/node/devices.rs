//! A user's devices, on a whole node.

use ringpost::auth::mint::hs256;
use serde_json::{Value, json};

use crate::client::{WebSocketClient, request};
use crate::harness::TestNode;

const SECRET: &str = "a secret of thirty-two characters";

/// What the API says of the only connection of a user.
fn connection(node: &TestNode, user: &str) -> Value {
    let body = json!({ "user": user }).to_string();
    let answer = request(node.http, "POST /api/connections", "X-API-Key: key\r\n", &body);
    let (_, body) = answer.split_once("\r\n\r\n").expect("a head and a body");
    let answer: Value = serde_json::from_str(body).expect("the API answers in JSON");
    let connections = answer["result"]["connections"].as_object().expect("a list by client").clone();
    assert_eq!(connections.len(), 1, "{answer}");
    connections.into_values().next().expect("there is one")
}

fn connect(user: &str, device: Option<&str>) -> Value {
    let mut claims = json!({ "sub": user });
    if let Some(device) = device {
        claims["device"] = device.into();
    }
    json!({"id": 1, "connect": {"token": hs256(SECRET, &claims), "name": "js"}})
}

#[test]
fn the_headers_of_an_upgrade_name_the_device_unless_the_token_does() {
    let node = TestNode::with(|config| {
        config.client.insecure = false;
        config.client.token.hmac_secret_key = SECRET.into();
        config.http_api.key = "key".into();
    });
    let headers = "X-Device: a phone\r\nx-device-kind: phone\r\n";
    for (user, by_token, expected) in [("ann", None, "a phone"), ("bob", Some("another"), "another")] {
        let (mut client, _) = WebSocketClient::request(node.http, "/connection/websocket", headers);
        client.tell(&connect(user, by_token));
        assert!(client.word()["connect"].is_object());
        let seen = connection(&node, user);
        assert_eq!([&seen["device"], &seen["device_kind"], &seen["app_name"]], [expected, "phone", "js"]);
    }
}
