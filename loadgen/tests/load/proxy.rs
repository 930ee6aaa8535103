//! A wire between clients and node that does to one message what a test asks. It speaks JSON lines over TCP.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::Duration;

/// What is done to the message.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Mischief {
    /// Nothing.
    Nothing,
    /// It goes missing.
    Drop,
    /// It comes twice.
    Repeat,
    /// It comes after the next one.
    Delay,
    /// A digit of it is changed.
    Damage,
    /// The connection ends in its place.
    Hang,
    /// It is late, and so is every other: one in [`TIRED_MS`].
    Tire,
    /// It is left out where a subscriber recovers what it missed, with a later one in the same reply: so the subscriber
    /// goes on behind it, and does not ask for it again when it is away once more.
    Forget,
    /// A device that has come back is told a floor that lies one further than its own.
    PassOver,
    /// A user is told that one more is unread than is.
    Miscount,
}

/// Of all deliveries, the one that it is done to.
const VICTIM: u32 = 30;
/// Of all replies with several recovered messages.
const RECOVERY_VICTIM: u32 = 3;
/// Of all replies to devices, past those of the first time.
const RETURN_VICTIM: u32 = 40;

/// How long a tired wire takes for each delivery.
const TIRED_MS: u64 = 5;

/// Starts a wire to the node; where its clients connect. Its threads end with their connections.
pub(crate) fn start(node: SocketAddr, mischief: Mischief) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("tcp://{}", listener.local_addr().unwrap());
    let candidates = Arc::new(AtomicU32::new(0));
    thread::spawn(move || {
        for client in listener.incoming().map_while(Result::ok) {
            let server = TcpStream::connect(node).unwrap();
            let (mut up_from, mut up_to) = (client.try_clone().unwrap(), server.try_clone().unwrap());
            thread::spawn(move || {
                // A connection that breaks is an ended one.
                let _ = std::io::copy(&mut up_from, &mut up_to);
                let _ = up_to.shutdown(Shutdown::Write);
            });
            let candidates = candidates.clone();
            thread::spawn(move || copy_down(server, client, mischief, &candidates));
        }
    });
    url
}

fn copy_down(server: TcpStream, mut client: TcpStream, mischief: Mischief, candidates: &AtomicU32) {
    let mut delayed = String::new();
    for line in BufReader::new(server).lines().map_while(Result::ok) {
        let mut line = line + "\n";
        let is_delivery = line.contains("\"pub\"");
        let (is_candidate, victim) = match mischief {
            Mischief::Forget => (recovers_several(&line), RECOVERY_VICTIM),
            Mischief::PassOver => (line.contains("\"subscribe\":{\"recoverable\""), RETURN_VICTIM),
            Mischief::Miscount => (line.contains("\"unread\":"), RETURN_VICTIM),
            _ => (is_delivery, VICTIM),
        };
        if is_candidate && candidates.fetch_add(1, Ordering::Relaxed) == victim {
            match mischief {
                Mischief::Drop => continue,
                Mischief::Repeat => line = line.repeat(2),
                Mischief::Delay => {
                    delayed = line;
                    continue;
                }
                Mischief::Damage => line = line.replacen("\"loadgen\":\"0", "\"loadgen\":\"?", 1),
                Mischief::Hang => break,
                Mischief::Nothing | Mischief::Tire => {}
                Mischief::Forget => line = without_the_first(&line),
                Mischief::PassOver => line = one_more(&line, "/subscribe/offset"),
                Mischief::Miscount => line = one_more(&line, "/rpc/data/unread"),
            }
        }
        if is_delivery {
            if matches!(mischief, Mischief::Tire) {
                thread::sleep(Duration::from_millis(TIRED_MS));
            }
            line.push_str(&std::mem::take(&mut delayed));
        }
        if client.write_all(line.as_bytes()).is_err() {
            break;
        }
    }
    let _ = client.shutdown(Shutdown::Both);
}

fn recovers_several(line: &str) -> bool {
    line.contains("\"publications\"") && publications(&mut serde_json::from_str(line).unwrap()).len() > 1
}

/// A subscribe reply without the first of the messages that it brings.
fn without_the_first(line: &str) -> String {
    let mut reply = serde_json::from_str(line).unwrap();
    publications(&mut reply).remove(0);
    format!("{reply}\n")
}

/// A reply with a number in it that is one more.
fn one_more(line: &str, place: &str) -> String {
    let mut reply: serde_json::Value = serde_json::from_str(line).unwrap();
    let number = reply.pointer_mut(place).expect("the reply has the number");
    *number = (number.as_u64().unwrap() + 1).into();
    format!("{reply}\n")
}

/// What a subscribe reply brings.
fn publications(reply: &mut serde_json::Value) -> &mut Vec<serde_json::Value> {
    reply["subscribe"]["publications"].as_array_mut().expect("a reply with publications is to a subscription")
}
