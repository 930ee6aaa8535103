//! Clients whose words are taken one by one, where it is not their cost that is measured: a turn of the ring, the opening of a
//! connection, and what is whole of what has come. (The load thread has a turn of its own, which copies less.)

use anyhow::Context as _;
use ringpost::ring::{Event, Received};

use super::{Phase, Swarm};
use crate::protocol::{Heard, Reader};

/// Who makes something of what the connections of a swarm bring.
pub trait Clients {
    /// Their connections.
    fn swarm(&mut self) -> &mut Swarm;

    /// The socket of a connection takes bytes.
    fn writable(&mut self, key: u32, reader: &Reader);

    /// Bytes came. They are heard.
    fn received(&mut self, key: u32, bytes: &mut [u8], reader: &Reader)
    where
        Self: Sized,
    {
        read(self, key, bytes, reader);
    }

    /// The connection is open: the client says who it is.
    fn join(&mut self, key: u32, client: u32);

    /// The server has said something.
    fn hear(&mut self, key: u32, client: u32, heard: Heard<'_>);

    /// All that was whole has been heard.
    fn has_heard(&mut self, _client: u32) {}

    /// The connection is of no more use.
    fn give_up(&mut self, key: u32, why: &str);

    /// The server has closed a connection.
    fn ended(&mut self, key: u32);
}

/// One turn: what has happened, one send per connection. Waits until then at the most.
///
/// # Errors
/// When the kernel fails.
pub fn turn(clients: &mut impl Clients, reader: &Reader, events: &mut Vec<Event>, until_ns: u64) -> anyhow::Result<()> {
    clients.swarm().turn(until_ns, events).context("the ring fails")?;
    for event in events.drain(..) {
        match event {
            Event::Received { conn, received, more } => {
                match received {
                    Received::Bytes(mut bytes) => clients.received(conn, &mut bytes, reader),
                    Received::End | Received::Failed(_) => clients.ended(conn),
                    Received::NoBuffer | Received::Stopped => {}
                }
                if !more {
                    clients.swarm().receive_again(conn);
                }
            }
            Event::Writable { conn } => clients.writable(conn, reader),
            Event::Elapsed
            | Event::Accepted { .. }
            | Event::Woken { .. }
            | Event::Written { .. }
            | Event::Prepared(_) => {}
        }
    }
    clients.swarm().flush();
    Ok(())
}

/// Has the clients hear what is whole of what came, behind what was left of it before; the rest is kept.
pub fn read(clients: &mut impl Clients, key: u32, bytes: &mut [u8], reader: &Reader) {
    let Some(client) = clients.swarm().conn(key).map(|conn| conn.client) else { return };
    let mut input = clients.swarm().take_input(key);
    if input.is_empty() {
        let read = read_whole(clients, key, client, bytes, reader);
        input.extend_from_slice(&bytes[read..]);
    } else {
        input.extend_from_slice(bytes);
        let read = read_whole(clients, key, client, &mut input, reader);
        input.drain(..read);
    }
    clients.swarm().keep_input(key, input);
}

/// How many bytes were whole.
fn read_whole(clients: &mut impl Clients, key: u32, client: u32, bytes: &mut [u8], reader: &Reader) -> usize {
    let mut read = 0;
    if clients.swarm().conn(key).is_some_and(|conn| conn.phase == Phase::Opening) {
        match reader.open(bytes) {
            Ok(Some(head)) => read = head,
            Ok(None) => return 0,
            Err(violation) => {
                clients.give_up(key, &violation.to_string());
                return bytes.len();
            }
        }
        clients.join(key, client);
    }
    match reader.read(&mut bytes[read..], &mut |heard| clients.hear(key, client, heard)) {
        Ok(more) => {
            clients.has_heard(client);
            read + more
        }
        Err(violation) => {
            clients.give_up(key, &violation.to_string());
            bytes.len()
        }
    }
}
