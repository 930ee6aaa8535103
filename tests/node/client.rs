//! Clients of plain sockets: they say exactly what a test wants.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};

use ringpost::wire::websocket::{self, Decoded, Opcode, Sender};
use serde_json::{Value, json};

use crate::harness::PATIENCE;

/// A socket that gives up waiting in the end.
pub(crate) fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).expect("the node accepts");
    stream.set_read_timeout(Some(PATIENCE)).expect("loopback sockets take timeouts");
    stream.set_nodelay(true).expect("loopback sockets take options");
    stream
}

/// The answer to one HTTP request on a connection of its own: head and body.
pub(crate) fn request(address: SocketAddr, line: &str, headers: &str, body: &str) -> String {
    let mut stream = connect(address);
    let len = body.len();
    let text = format!(
        "{line} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\nContent-Length: {len}\r\n{headers}\r\n{body}"
    );
    stream.write_all(text.as_bytes()).expect("the node reads");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("the node answers and closes");
    answer
}

/// JSON lines over TCP.
pub(crate) struct LineClient {
    /// The socket, to write what no client should.
    pub(crate) stream: TcpStream,
    reader: BufReader<TcpStream>,
    last_id: u32,
}

impl LineClient {
    /// Connects the socket only.
    pub(crate) fn silent(address: SocketAddr) -> Self {
        let stream = connect(address);
        let reader = BufReader::new(stream.try_clone().expect("sockets can be cloned"));
        Self { stream, reader, last_id: 0 }
    }

    /// Connects and is welcomed.
    pub(crate) fn connect(address: SocketAddr) -> Self {
        let mut client = Self::silent(address);
        let reply = client.ask(json!({"connect": {}}));
        assert!(reply["connect"]["client"].is_string(), "{reply}");
        client
    }

    /// Sends a command without waiting; returns its id.
    pub(crate) fn tell(&mut self, mut command: Value) -> u32 {
        self.last_id += 1;
        command["id"] = json!(self.last_id);
        self.stream.write_all(format!("{command}\n").as_bytes()).expect("the node reads");
        self.last_id
    }

    /// The next word of the node, or `None` at the end of the connection.
    pub(crate) fn next(&mut self) -> Option<Value> {
        let mut line = String::new();
        match self.reader.read_line(&mut line) {
            Ok(0) => None,
            Ok(_) => Some(serde_json::from_str(&line).expect("the node writes JSON lines")),
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => None,
            Err(error) => panic!("nothing came: {error}"),
        }
    }

    /// The next word that is no ping.
    pub(crate) fn word(&mut self) -> Value {
        loop {
            let word = self.next().expect("the connection is open");
            if word != json!({}) {
                return word;
            }
        }
    }

    /// Sends a command and returns its reply; pushes that come before it are dropped.
    pub(crate) fn ask(&mut self, command: Value) -> Value {
        let id = self.tell(command);
        loop {
            let word = self.word();
            if word["id"] == id {
                return word;
            }
        }
    }

    /// The next publication: its channel, offset and data.
    pub(crate) fn publication(&mut self) -> (String, u64, Value) {
        loop {
            let word = self.word();
            let publication = &word["push"]["pub"];
            if publication.is_object() {
                let channel = word["push"]["channel"].as_str().expect("a push names its channel").into();
                return (channel, publication["offset"].as_u64().unwrap_or(0), publication["data"].clone());
            }
        }
    }

    /// The code with which the node ends the connection.
    pub(crate) fn disconnect_code(&mut self) -> u64 {
        loop {
            let word = self.next().expect("the node says goodbye before it closes");
            if let Some(code) = word["push"]["disconnect"]["code"].as_u64() {
                assert_eq!(self.next(), None, "nothing follows a goodbye");
                return code;
            }
        }
    }
}

/// A WebSocket client.
pub(crate) struct WebSocketClient {
    /// The socket, to write what no client should.
    pub(crate) stream: TcpStream,
    input: Vec<u8>,
}

/// What a node's frame is.
#[derive(Debug, PartialEq)]
pub(crate) enum ServerFrame {
    /// A data frame.
    Data(Vec<u8>),
    /// An answer to a ping.
    Pong(Vec<u8>),
    /// A close frame: code and reason.
    Close(u16, String),
    /// The end of the connection.
    End,
}

impl WebSocketClient {
    /// Connects and upgrades.
    pub(crate) fn connect(address: SocketAddr) -> Self {
        let (mut client, head) = Self::request(address, "/connection/websocket", "");
        assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
        client.input.clear();
        client
    }

    /// Asks for an upgrade with more headers; returns the head of the answer, and whatever came with it.
    pub(crate) fn request(address: SocketAddr, path: &str, headers: &str) -> (Self, String) {
        let mut stream = connect(address);
        let request = format!(
            "GET {path} HTTP/1.1\r\nHost: {address}\r\nUpgrade: websocket\r\nConnection: keep-alive, Upgrade\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{headers}\r\n"
        );
        stream.write_all(request.as_bytes()).expect("the node reads");
        let mut answer = Vec::new();
        let mut byte = [0];
        while !answer.ends_with(b"\r\n\r\n") && stream.read(&mut byte).expect("the node answers") > 0 {
            answer.push(byte[0]);
        }
        (Self { stream, input: Vec::new() }, String::from_utf8(answer).expect("a head is text"))
    }

    /// Sends one frame.
    pub(crate) fn send(&mut self, opcode: Opcode, payload: &[u8]) {
        let mut frame = Vec::new();
        websocket::write_masked(opcode, payload, [7, 1, 9, 200], &mut frame);
        self.stream.write_all(&frame).expect("the node reads");
    }

    /// Sends a command as a text message.
    pub(crate) fn tell(&mut self, command: &Value) {
        self.send(Opcode::Text, command.to_string().as_bytes());
    }

    /// The next frame of the node.
    pub(crate) fn next(&mut self) -> ServerFrame {
        loop {
            if let Decoded::Frame(frame) =
                websocket::decode(&mut self.input, Sender::Server, 1 << 24).expect("the node speaks WebSocket")
            {
                let payload = self.input[frame.payload.clone()].to_vec();
                self.input.drain(..frame.consumed);
                return match frame.opcode {
                    Opcode::Pong => ServerFrame::Pong(payload),
                    Opcode::Close => {
                        let code = u16::from_be_bytes([payload[0], payload[1]]);
                        ServerFrame::Close(code, String::from_utf8(payload[2..].to_vec()).expect("reasons are text"))
                    }
                    _ => ServerFrame::Data(payload),
                };
            }
            let mut bytes = [0; 4096];
            match self.stream.read(&mut bytes) {
                Ok(0) => return ServerFrame::End,
                Ok(got) => self.input.extend_from_slice(&bytes[..got]),
                Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => return ServerFrame::End,
                Err(error) => panic!("nothing came: {error}"),
            }
        }
    }

    /// The next data frame as JSON.
    pub(crate) fn word(&mut self) -> Value {
        match self.next() {
            ServerFrame::Data(bytes) => serde_json::from_slice(&bytes).expect("the node writes JSON"),
            frame => panic!("{frame:?}"),
        }
    }

    /// The code with which the node closes; data before it is dropped.
    pub(crate) fn close_code(&mut self) -> u16 {
        loop {
            match self.next() {
                ServerFrame::Close(code, _) => return code,
                ServerFrame::End => panic!("the node closes with a code"),
                _ => {}
            }
        }
    }
}
