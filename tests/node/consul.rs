//! An agent of Consul, as its documentation has the API of services of an agent: it keeps what it is told, and looks after it when
//! a test wants it to.

use std::collections::HashMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use serde_json::{Value, json};

/// An agent that listens.
pub(crate) struct Agent {
    address: SocketAddr,
    kept: Arc<Mutex<Kept>>,
    thread: Option<JoinHandle<()>>,
}

/// What an agent has, and how it behaves.
#[derive(Default)]
struct Kept {
    services: HashMap<String, Value>,
    registrations: usize,
    /// What callers must say.
    token: &'static str,
    /// It fails.
    is_ill: bool,
    ends: bool,
}

/// A request: method, path, body, and the token that came with it.
struct Request {
    line: String,
    token: String,
    body: Vec<u8>,
}

impl Agent {
    /// One whose ACL knows this token; empty for everybody.
    pub(crate) fn start(token: &'static str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has ports");
        let address = listener.local_addr().expect("it is bound");
        let kept = Arc::new(Mutex::new(Kept { token, ..Kept::default() }));
        let of_thread = kept.clone();
        let thread = thread::spawn(move || {
            for socket in listener.incoming().map_while(Result::ok) {
                let mut kept = of_thread.lock().expect("nobody panics with it");
                if kept.ends {
                    return;
                }
                serve(&socket, &mut kept);
            }
        });
        Self { address, kept, thread: Some(thread) }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().expect("nobody panics with it")
    }

    /// What it knows of a service.
    pub(crate) fn service(&self, id: &str) -> Option<Value> {
        self.kept().services.get(id).cloned()
    }

    /// How often something was registered.
    pub(crate) fn registrations(&self) -> usize {
        self.kept().registrations
    }

    /// As after a start on an empty folder.
    pub(crate) fn forget(&self) {
        self.kept().services.clear();
    }

    /// Whether it fails from now on.
    pub(crate) fn set_ill(&self, is_ill: bool) {
        self.kept().is_ill = is_ill;
    }

    /// Looks after a service as its check says: the status that it answers, if it answers.
    pub(crate) fn look_after(&self, id: &str) -> Option<u16> {
        let url = self.service(id)?["Check"]["HTTP"].as_str().expect("it has one").to_owned();
        let (host, path) = url.strip_prefix("http://").expect("it is HTTP").split_once('/').expect("it has a path");
        let mut socket = TcpStream::connect(host).ok()?;
        socket.set_read_timeout(Some(Duration::from_secs(10))).expect("sockets take timeouts");
        write!(
            socket,
            "GET /{path} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: Consul Health Check\r\nConnection: close\r\n\r\n"
        )
        .ok()?;
        let mut line = String::new();
        BufReader::new(socket).read_line(&mut line).ok()?;
        line.split(' ').nth(1)?.parse().ok()
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        self.kept().ends = true;
        let _ = TcpStream::connect(self.address);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn serve(socket: &TcpStream, kept: &mut Kept) {
    let Some(request) = read(socket) else { return };
    let (status, body) = answer(&request, kept);
    let (mut socket, length) = (socket, body.len());
    let head = format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n");
    let _ = socket.write_all((head + &body).as_bytes());
}

fn read(socket: &TcpStream) -> Option<Request> {
    socket.set_read_timeout(Some(Duration::from_secs(10))).ok()?;
    let mut reader = BufReader::new(socket);
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    let line = line.trim_end().trim_end_matches(" HTTP/1.1").to_owned();
    let (mut token, mut length) = (String::new(), 0);
    loop {
        let mut header = String::new();
        reader.read_line(&mut header).ok()?;
        let Some((name, value)) = header.trim_end().split_once(':') else { break };
        match name.to_ascii_lowercase().as_str() {
            "x-consul-token" => token = value.trim().to_owned(),
            "content-length" => length = value.trim().parse().ok()?,
            _ => {}
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some(Request { line, token, body })
}

fn answer(request: &Request, kept: &mut Kept) -> (&'static str, String) {
    if kept.is_ill {
        return ("500 Internal Server Error", "No cluster leader".into());
    }
    if request.token != kept.token {
        return ("403 Forbidden", "Permission denied: anonymous token lacks permission 'service:write'".into());
    }
    const SERVICE: &str = "/v1/agent/service/";
    let (method, path) = request.line.split_once(' ').expect("a request has a path");
    let Some(path) = path.strip_prefix(SERVICE) else { return ("404 Not Found", String::new()) };
    match (method, path.split_once('/')) {
        ("PUT", None) if path.split('?').next() == Some("register") => match registered(&request.body) {
            Ok((id, service)) => {
                kept.services.insert(id, service);
                kept.registrations += 1;
                ("200 OK", String::new())
            }
            Err(why) => ("400 Bad Request", why),
        },
        ("PUT", Some(("deregister", id))) => match kept.services.remove(&decoded(id)) {
            Some(_) => ("200 OK", String::new()),
            None => ("404 Not Found", format!("Unknown service ID {id:?}. Ensure that the service ID is passed")),
        },
        ("GET", None) => match kept.services.get(&decoded(path)) {
            Some(service) => {
                let told = json!({
                    "ID": service["ID"], "Service": service["Name"], "Tags": service["Tags"], "Meta": service["Meta"],
                    "Port": service["Port"], "Address": service["Address"], "EnableTagOverride": false,
                });
                ("200 OK", told.to_string())
            }
            None => ("404 Not Found", format!("unknown service ID: {path}")),
        },
        _ => ("405 Method Not Allowed", String::new()),
    }
}

/// What is registered, as far as an agent looks at it.
fn registered(body: &[u8]) -> Result<(String, Value), String> {
    let service: Value = serde_json::from_slice(body).map_err(|error| format!("Request decode failed: {error}"))?;
    let name = service["Name"].as_str().filter(|name| !name.is_empty()).ok_or("Missing service name")?;
    let id = service["ID"].as_str().unwrap_or(name).to_owned();
    let check = &service["Check"];
    for time in ["Interval", "Timeout", "DeregisterCriticalServiceAfter"] {
        let text = check[time].as_str().ok_or_else(|| format!("Request decode failed: {time}"))?;
        let number = ["ms", "s", "m", "h"].iter().find_map(|unit| text.strip_suffix(unit));
        let is_time = number.is_some_and(|number| number.parse::<f64>().is_ok());
        is_time.then_some(()).ok_or_else(|| format!("time: invalid duration {text:?}"))?;
    }
    let is_url = check["HTTP"].as_str().is_some_and(|url| url.starts_with("http"));
    is_url.then_some(()).ok_or("TTL must be > 0 or HTTP must be set")?;
    let port_fits = service["Port"].as_u64().is_some_and(|port| (1..=65535).contains(&port));
    port_fits.then_some((id, service)).ok_or_else(|| "Request decode failed: Port".into())
}

/// A part of a path, without the form that it travels in.
fn decoded(part: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = part.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let hex = |digits: &[u8]| u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok();
        match after.get(..2).filter(|_| *first == b'%').and_then(hex) {
            Some(byte) => {
                bytes.push(byte);
                rest = &after[2..];
            }
            None => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    String::from_utf8(bytes).expect("ids are text")
}
