//! The application that webhooks go to: a small HTTP server, which answers as a test says.

use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use axum::http::{HeaderMap, HeaderName};
use serde_json::Value;
use standardwebhooks::Webhook;

/// What webhooks are signed with, and what they were signed with before.
pub(crate) const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwMfKQ9r8GKYo=";
pub(crate) const OLD_SECRET: &str = "whsec_plJ3nmyCDGBKInavdOK15jslMfKQ9r8GKYqrTwjUPD8=";

/// A webhook that has come.
#[derive(Clone, Debug)]
pub(crate) struct Received {
    pub(crate) id: String,
    pub(crate) body: Value,
    pub(crate) at: Instant,
    /// What it was answered.
    pub(crate) status: u16,
}

impl Received {
    /// What it tells of users.
    pub(crate) fn notifications(&self) -> &Vec<Value> {
        self.body["data"]["notifications"].as_array().expect("there are some")
    }
}

/// What a webhook is answered, when.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) header: &'static str,
    /// How many bytes of a body it says and sends, as long as somebody reads them.
    pub(crate) body: usize,
    pub(crate) after: Duration,
}

impl Answer {
    pub(crate) fn now(status: u16) -> Self {
        Self { status, header: "", body: 0, after: Duration::ZERO }
    }
}

type Behaviour = Box<dyn Fn(usize, &Value) -> Answer + Send + Sync>;

struct Shared {
    received: Mutex<Vec<Received>>,
    behaviour: Behaviour,
    wrong: Mutex<Vec<String>>,
}

/// See the module.
pub(crate) struct App {
    pub(crate) port: u16,
    shared: Arc<Shared>,
}

impl App {
    /// One that answers by the number of the webhook, from 0, and its body.
    pub(crate) fn start(behaviour: impl Fn(usize, &Value) -> Answer + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has ports");
        let port = listener.local_addr().expect("it is bound").port();
        let shared =
            Arc::new(Shared { received: Mutex::default(), behaviour: Box::new(behaviour), wrong: Mutex::default() });
        let served = shared.clone();
        thread::spawn(move || {
            for socket in listener.incoming().map_while(Result::ok) {
                let served = served.clone();
                thread::spawn(move || serve(socket, &served));
            }
        });
        Self { port, shared }
    }

    /// One that takes everything.
    pub(crate) fn willing() -> Self {
        Self::start(|_, _| Answer::now(204))
    }

    /// All that has come, in the order in which it came. None of it was forged, unsigned or malformed.
    pub(crate) fn received(&self) -> Vec<Received> {
        let wrong = lock(&self.shared.wrong).clone();
        assert!(wrong.is_empty(), "{wrong:?}");
        lock(&self.shared.received).clone()
    }

    /// All notifications of webhooks that were taken. One that comes again with its id is the same, as the scheme has it: its answer
    /// may have come too late.
    pub(crate) fn taken(&self) -> Vec<Value> {
        let received = self.received();
        let mut ids = BTreeSet::new();
        let taken = received.iter().filter(|received| received.status < 300 && ids.insert(&received.id));
        taken.flat_map(|received| received.notifications().clone()).collect()
    }
}

fn lock<T: ?Sized>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Serves a connection until the other side ends it.
fn serve(socket: TcpStream, shared: &Shared) {
    let mut reader = BufReader::new(socket.try_clone().expect("a socket can be shared"));
    let mut socket = socket;
    loop {
        let mut headers = http_head(&mut reader);
        let Some(request) = headers.first().cloned() else { return };
        headers.remove(0);
        let header = |name: &str| headers.iter().find(|(of, _)| of == name).map(|(_, value)| value.clone());
        let length = header("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
        let mut body = vec![0; length];
        if reader.read_exact(&mut body).is_err() {
            return;
        }
        let verdict = verify(&request.0, &headers, &body);
        if let Err(wrong) = verdict {
            lock(&shared.wrong).push(format!("{wrong}: {} {headers:?}", String::from_utf8_lossy(&body)));
        }
        let body: Value = serde_json::from_slice(&body).unwrap_or_default();
        let number = lock(&shared.received).len();
        let Answer { status, header: more, body: length, after } = (shared.behaviour)(number, &body);
        let id = header("webhook-id").unwrap_or_default();
        lock(&shared.received).push(Received { id, body, at: Instant::now(), status });
        thread::sleep(after);
        let answer = format!("HTTP/1.1 {status} x\r\n{more}content-length: {length}\r\n\r\n");
        let is_gone = socket.write_all(answer.as_bytes()).is_err()
            || std::io::copy(&mut std::io::repeat(b'x').take(length as u64), &mut socket).is_err();
        if is_gone {
            return;
        }
    }
}

/// The first line of a request, and its headers with names in small letters; empty where there is no request any more.
fn http_head(reader: &mut BufReader<TcpStream>) -> Vec<(String, String)> {
    let mut head = Vec::new();
    let mut line = String::new();
    while reader.read_line(&mut line).is_ok_and(|read| read > 0) {
        let text = line.trim_end();
        if text.is_empty() {
            return head;
        }
        match text.split_once(": ").filter(|_| !head.is_empty()) {
            Some((name, value)) => head.push((name.to_lowercase(), value.to_owned())),
            None => head.push((text.to_owned(), String::new())),
        }
        line.clear();
    }
    Vec::new()
}

/// What a receiver of webhooks looks at, by the library of the scheme's own authors: with the secret of now, and that of before.
fn verify(request: &str, headers: &[(String, String)], body: &[u8]) -> Result<(), String> {
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        let name = HeaderName::try_from(name.as_str()).map_err(|error| error.to_string())?;
        map.insert(name, value.parse().map_err(|_| "a header is none")?);
    }
    for secret in [SECRET, OLD_SECRET] {
        let webhook = Webhook::new(secret).map_err(|error| error.to_string())?;
        webhook.verify(body, &map).map_err(|error| error.to_string())?;
    }
    if !request.starts_with("POST /push?of=app HTTP/1.1") || map["content-type"] != "application/json" {
        return Err(format!("it is {request}"));
    }
    Ok(())
}
