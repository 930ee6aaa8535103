//! Key sets that are served while the node runs.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Mutex};
use std::thread;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{EncodingKey, Header, encode};
use serde_json::{Value, json};

use super::node::{Setup, TestNode};
use crate::config::Config;

/// An endpoint that answers every request with what stands here, 500 where nothing does.
#[derive(Clone, Default)]
struct Endpoint(Arc<Mutex<(Option<String>, usize)>>);

impl Endpoint {
    fn start() -> (Self, SocketAddr) {
        let endpoint = Self::default();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let state = endpoint.clone();
        thread::spawn(move || {
            for socket in listener.incoming() {
                let mut socket = socket.unwrap();
                let head = BufReader::new(socket.try_clone().unwrap()).lines().map_while(Result::ok);
                head.take_while(|line| !line.is_empty()).for_each(drop);
                let mut state = state.0.lock().unwrap();
                state.1 += 1;
                let status = if state.0.is_some() { "200 OK" } else { "500 Oops" };
                let body = state.0.clone().unwrap_or_default();
                let head = format!("HTTP/1.1 {status}\r\nConnection: close\r\nContent-Length: {}\r\n\r\n", body.len());
                let _ = socket.write_all(format!("{head}{body}").as_bytes());
            }
        });
        (endpoint, address)
    }

    fn serve(&self, keys: &[(&str, &str)]) {
        let keys: Vec<Value> = keys
            .iter()
            .map(|(kid, secret)| json!({ "kty": "oct", "alg": "HS256", "kid": kid, "k": URL_SAFE_NO_PAD.encode(secret) }))
            .collect();
        self.0.lock().unwrap().0 = Some(json!({ "keys": keys }).to_string());
    }

    fn requests(&self) -> usize {
        self.0.lock().unwrap().1
    }
}

fn node(address: SocketAddr) -> TestNode {
    let mut config = Config::dev();
    config.client.token.jwks_public_endpoint = format!("http://{address}/keys.json");
    TestNode::start(Setup { config, ..Setup::default() })
}

fn token(kid: &str, secret: &str) -> String {
    let header = Header { kid: Some(kid.into()), ..Header::default() };
    encode(&header, &json!({ "sub": "ann" }), &EncodingKey::from_secret(secret.as_bytes())).unwrap()
}

#[tokio::test]
async fn a_key_that_appears_later_is_fetched_when_a_token_names_it() {
    let (endpoint, address) = Endpoint::start();
    endpoint.serve(&[("k1", "first secret of thirty-two bytes")]);
    let node = node(address);
    let early = node.client_with(0, &token("k1", "first secret of thirty-two bytes"));
    until(|| early.connected()).await;
    endpoint.serve(&[("k2", "other secret of thirty-two bytes")]);
    let late = node.client_with(1, &token("k2", "other secret of thirty-two bytes"));
    until(|| late.connected()).await;
    let withdrawn = node.client_with(1, &token("k1", "first secret of thirty-two bytes"));
    until(|| withdrawn.closed() == Some(3500)).await;
}

#[tokio::test]
async fn tokens_with_made_up_keys_cause_few_requests() {
    let (endpoint, address) = Endpoint::start();
    endpoint.serve(&[("k1", "first secret of thirty-two bytes")]);
    let node = node(address);
    until(|| endpoint.requests() == 1).await;
    let clients = [0, 1, 0, 1, 0, 1].map(|shard| node.client_with(shard, &token("made up", "guessed")));
    for client in clients {
        until(|| client.closed() == Some(3500)).await;
    }
    assert!(endpoint.requests() <= 3, "{} requests", endpoint.requests());
}

#[tokio::test]
async fn while_the_endpoint_fails_clients_are_told_to_come_again() {
    let (endpoint, address) = Endpoint::start();
    let node = node(address);
    until(|| endpoint.requests() >= 1).await;
    let client = node.client_with(0, &token("k1", "first secret of thirty-two bytes"));
    until(|| client.closed() == Some(3004)).await;
    endpoint.serve(&[("k1", "first secret of thirty-two bytes")]);
    let again = node.client_with(0, &token("k1", "first secret of thirty-two bytes"));
    until(|| again.connected()).await;
}

async fn until(mut holds: impl FnMut() -> bool) {
    while !holds() {
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
}
