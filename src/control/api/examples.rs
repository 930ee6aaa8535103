//! A conversation of a backend with the node: an example of each method, with what it is answered.
//!
//! User 42 is connected and subscribed to `chat:lobby`, whose namespace keeps history and presence. The tests hold this
//! conversation with a node, in the order of the list of methods, and compare.

use serde_json::{Value, json};

/// A call and its answer.
#[derive(Debug)]
pub(super) struct Example {
    /// The body of the call.
    pub(super) call: Value,
    /// The whole answer.
    pub(super) answer: Value,
}

const CLIENT: &str = "7e1b3a1c-5d0e-4f2b-9c3a-2f6d8e4b1a90";
const EPOCH: &str = "kZQxPwLm";

/// The example of a method.
pub(super) fn of(method: &str) -> Example {
    let (call, answer) = match method {
        "publish" | "broadcast" | "scheduled_list" | "scheduled_cancel" | "history" | "history_remove" => {
            publications(method)
        }
        "subscribe" | "unsubscribe" | "disconnect" | "refresh" | "session_attributes" => sessions(method),
        "members_add" | "members_remove" | "members_list" | "inbox_positions" | "inbox_unread" => members(method),
        "trace" | "dead_letters_list" | "dead_letters_show" | "dead_letters_requeue" | "dead_letters_purge" => {
            unreceived(method)
        }
        "tokens_revoke" | "tokens_revoked" => tokens(method),
        "badge_get" | "badge_reset" | "mute_set" | "mute_remove" | "mute_list" => notifications(method),
        _ => lists(method),
    };
    Example { call, answer }
}

fn publications(method: &str) -> (Value, Value) {
    let done = json!({ "result": {} });
    match method {
        "publish" => (
            json!({ "channel": "chat:lobby", "data": { "text": "hello" }, "tags": { "kind": "note" } }),
            json!({ "result": { "offset": 1, "epoch": EPOCH } }),
        ),
        "broadcast" => (
            json!({ "channels": ["chat:lobby", "nowhere:x"], "data": { "text": "to all" }, "idempotency_key": "a1" }),
            json!({ "result": { "responses": [
                { "result": { "offset": 2, "epoch": EPOCH } },
                { "error": { "code": 102, "message": "unknown channel" } },
            ] } }),
        ),
        "scheduled_list" => (json!({ "channel": "chat:lobby" }), json!({ "result": { "scheduled": [] } })),
        "scheduled_cancel" => (
            json!({ "channel": "chat:lobby", "id": "18bcfe56800-1-2a" }),
            json!({ "error": { "code": 108, "message": "not available: no such scheduled publication" } }),
        ),
        "history" => (
            json!({ "channel": "chat:lobby", "limit": 1, "reverse": true }),
            json!({ "result": {
                "publications": [{ "data": { "text": "to all" }, "offset": 2 }],
                "epoch": EPOCH,
                "offset": 2,
            } }),
        ),
        "history_remove" => (json!({ "channel": "chat:lobby" }), done),
        other => unreachable!("{other} is no method of publications"),
    }
}

fn sessions(method: &str) -> (Value, Value) {
    if method == "session_attributes" {
        let said = json!({ "muted": true });
        return (json!({ "user": "42", "set": said }), json!({ "result": { "sessions": { CLIENT: said } } }));
    }
    let call = match method {
        "subscribe" => json!({ "user": "42", "channel": "chat:news", "info": { "role": "guest" } }),
        "unsubscribe" => json!({ "user": "42", "channel": "chat:news" }),
        "refresh" => json!({ "user": "42", "expire_at": 1_900_000_000 }),
        "disconnect" => json!({ "user": "7", "disconnect": { "code": 4001, "reason": "logged out" } }),
        other => unreachable!("{other} is no method of sessions"),
    };
    (call, json!({ "result": {} }))
}

fn members(method: &str) -> (Value, Value) {
    let done = json!({ "result": {} });
    match method {
        "members_add" => (json!({ "channel": "inbox:team", "users": ["7", "42"] }), done),
        "members_remove" => (json!({ "channel": "inbox:team", "users": ["7"] }), done),
        "members_list" => (
            json!({ "channel": "inbox:team", "limit": 100 }),
            json!({ "result": {
                "members": [{ "user": "42", "received": 0, "read": 0 }],
                "epoch": "",
                "offset": 0,
            } }),
        ),
        "inbox_positions" => (
            json!({ "channel": "inbox:team", "user": "42" }),
            json!({ "result": { "epoch": "", "offset": 0, "received": 0, "read": 0, "devices": {} } }),
        ),
        "inbox_unread" => (
            json!({ "channel": "inbox:team", "user": "42" }),
            json!({ "result": { "epoch": "", "offset": 0, "read": 0, "unread": 0 } }),
        ),
        other => unreachable!("{other} is no method of members"),
    }
}

fn unreceived(method: &str) -> (Value, Value) {
    match method {
        "trace" => (json!({ "channel": "inbox:team", "offset": 1 }), json!({ "result": { "events": [] } })),
        "dead_letters_list" => {
            (json!({ "channel": "inbox:team", "user": "42" }), json!({ "result": { "dead_letters": [] } }))
        }
        "dead_letters_show" | "dead_letters_requeue" => (
            json!({ "channel": "inbox:team", "offset": 1 }),
            json!({ "error": { "code": 108, "message": "not available: no such dead letter" } }),
        ),
        "dead_letters_purge" => (json!({ "channel": "inbox:team" }), json!({ "result": { "purged": 0 } })),
        other => unreachable!("{other} is no method of what is not received"),
    }
}

fn tokens(method: &str) -> (Value, Value) {
    match method {
        "tokens_revoke" => {
            (json!({ "user": "7", "device": "lost-phone", "issued_before": 1_790_000_000 }), json!({ "result": {} }))
        }
        "tokens_revoked" => (
            json!({ "limit": 10 }),
            json!({ "result": { "revocations": [
                { "user": "7", "device": "lost-phone", "issued_before": 1_790_000_000, "until": 1_800_000_000 },
            ] } }),
        ),
        other => unreachable!("{other} is no method of tokens"),
    }
}

fn notifications(method: &str) -> (Value, Value) {
    match method {
        "badge_get" => (
            json!({ "user": "42", "channels": true }),
            json!({ "result": { "badge": 7, "channels": { "inbox:team": 5, "inbox:sales": 2 } } }),
        ),
        "badge_reset" => (json!({ "user": "42", "channel": "inbox:team" }), json!({ "result": { "badge": 2 } })),
        "mute_set" => (
            json!({ "user": "42", "channel": "inbox:team", "until_unix_ms": 1_900_000_000_000_i64 }),
            json!({ "result": {} }),
        ),
        "mute_remove" => (json!({ "user": "42" }), json!({ "result": { "removed": false } })),
        "mute_list" => (
            json!({ "user": "42" }),
            json!({ "result": { "mutes": [{ "channel": "inbox:team", "until_unix_ms": 1_900_000_000_000_i64 }] } }),
        ),
        other => unreachable!("{other} is no method of notifications"),
    }
}

fn lists(method: &str) -> (Value, Value) {
    match method {
        "presence" => (
            json!({ "channel": "chat:lobby" }),
            json!({ "result": { "presence": {
                CLIENT: { "user": "42", "client": CLIENT, "conn_info": { "name": "42" } },
            } } }),
        ),
        "presence_stats" => {
            (json!({ "channel": "chat:lobby" }), json!({ "result": { "num_clients": 1, "num_users": 1 } }))
        }
        "channels" => (
            json!({ "pattern": "chat:*" }),
            json!({ "result": { "channels": { "chat:lobby": { "num_clients": 1 } } } }),
        ),
        "users_state" => (
            json!({ "users": ["42", "nobody"] }),
            json!({ "result": { "users": {
                "42": {
                    "online": true,
                    "since_unix_ms": 1_790_000_000_000_i64,
                    "last_seen_unix_ms": 1_790_000_000_000_i64,
                    "devices": 1,
                },
                "nobody": { "online": false, "devices": 0 },
            } } }),
        ),
        "users_status" => (
            json!({ "users": ["42", "nobody"] }),
            json!({ "result": { "users": { "42": { "online": true }, "nobody": { "online": false } } } }),
        ),
        "connections" => (
            json!({ "user": "42" }),
            json!({ "result": { "connections": { CLIENT: {
                "user": "42",
                "device": "ann-phone-1",
                "device_kind": "phone",
                "app_name": "js",
                "transport": "websocket",
                "protocol": "json",
                "address": "192.0.2.1",
                "node": "ringpost",
                "shard": 0,
                "connected_at_ms": 1_790_000_000_000_i64,
                "ttl": 3600,
                "info": { "name": "42" },
                "attributes": { "muted": true },
                "state": { "channels": { "chat:lobby": {} } },
            } } } }),
        ),
        "info" => (
            json!({}),
            json!({ "result": { "nodes": [{
                "uid": "b7a8c1de-4f0e-4c58-8d3b-90b1f2a6e7c4",
                "name": "ringpost",
                "version": crate::VERSION,
                "num_clients": 1,
                "num_users": 1,
                "num_subs": 1,
                "num_channels": 1,
                "inboxes": { "unreceived": 0, "devices_behind": 0, "oldest_unreceived_age": 0, "dead_letters": 0 },
                "uptime": 3600,
                "process": { "cpu": 1.5, "rss": 25_000_000 },
            }] } }),
        ),
        "batch" => (
            json!({ "commands": [
                { "publish": { "channel": "chat:lobby", "data": { "text": "one of two" } } },
                { "presence_stats": { "channel": "nowhere:x" } },
            ] }),
            json!({ "replies": [
                { "publish": { "offset": 3, "epoch": EPOCH } },
                { "error": { "code": 102, "message": "unknown channel" } },
            ] }),
        ),
        other => unreachable!("{other} has no example"),
    }
}
