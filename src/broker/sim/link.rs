//! One connection between a client and a shard, as the kernel has it.

use std::collections::VecDeque;
use std::io;

use rand::Rng;
use rand::rngs::StdRng;

use crate::protocol::Format;

/// What a socket holds of what its peer has not read.
const SOCKET_BYTES: usize = 2048;

/// A connection. Frames go up whole, bytes come down in any portions.
#[derive(Debug)]
pub(super) struct Link {
    /// The session, until the broker or the client has ended it.
    pub(super) session: Option<u32>,
    pub(super) format: Format,
    /// Frames that the shard has not read.
    pub(super) up: VecDeque<Vec<u8>>,
    /// Bytes that the client has not read.
    pub(super) down: VecDeque<u8>,
    /// The broker has said that the session is not ready for frames.
    pub(super) paused: bool,
    /// When the session wants to be looked at.
    pub(super) due_ms: u64,
    /// The shard has said goodbye: what is left in the outbox is the last.
    pub(super) closing: bool,
    /// The peer reads without end.
    pub(super) boundless: bool,
}

impl Link {
    /// Takes some of the bytes, as a non-blocking socket does.
    pub(super) fn send(&mut self, bytes: &[u8], random: &mut StdRng) -> io::Result<usize> {
        if self.boundless {
            self.down.extend(bytes);
            return Ok(bytes.len());
        }
        let room = SOCKET_BYTES - self.down.len();
        if room == 0 {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let most = room.min(bytes.len());
        let taken = if random.random_bool(0.8) { most } else { random.random_range(1..=most) };
        self.down.extend(&bytes[..taken]);
        Ok(taken)
    }
}
