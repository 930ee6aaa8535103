//! What the kernel reports, made safe: completions become events that own what came with them.

use std::io;
use std::os::fd::{FromRawFd, OwnedFd};
use std::rc::Rc;

use io_uring::cqueue;
use rustix::io::Errno;

use super::buffers::{Buffer, BufferPool};
use crate::store::Prepared;

/// Which operation a completion belongs to; the upper half of its user data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Accept,
    Receive,
    Writable,
    Timer,
    Woken,
    Written,
    Cancel,
}

/// User data of an operation.
pub(super) fn token(kind: Kind, number: u32) -> u64 {
    (kind as u64) << 32 | u64::from(number)
}

pub(super) fn kind_of(user_data: u64) -> Kind {
    const KINDS: [Kind; 7] =
        [Kind::Accept, Kind::Receive, Kind::Writable, Kind::Timer, Kind::Woken, Kind::Written, Kind::Cancel];
    KINDS[(user_data >> 32) as usize]
}

/// What a receive brought.
#[derive(Debug)]
pub enum Received<B = Buffer> {
    /// The kernel has filled a buffer, which goes back to the pool when this is dropped.
    Bytes(B),
    /// The peer has ended its side.
    End,
    /// The connection broke.
    Failed(Errno),
    /// The pool was empty: ask again.
    NoBuffer,
    /// Receiving was stopped by us.
    Stopped,
}

/// Something that has happened.
#[derive(Debug)]
pub enum Event<S = OwnedFd, B = Buffer> {
    /// Somebody connected, or accepting failed.
    Accepted {
        /// As it was given to `accept`.
        door: u32,
        /// The new socket, or why there is none.
        socket: io::Result<S>,
        /// Whether accepting goes on by itself.
        more: bool,
    },
    /// A connection received.
    Received {
        /// The number that its owner gave it.
        conn: u32,
        /// Bytes, the end, or why there is nothing.
        received: Received<B>,
        /// Whether receiving goes on by itself.
        more: bool,
    },
    /// A connection takes bytes again (or is broken, as the next send will tell).
    Writable {
        /// The number that its owner gave it.
        conn: u32,
    },
    /// The timer has elapsed.
    Elapsed,
    /// The eventfd was written to.
    Woken {
        /// Whether it is still watched.
        more: bool,
    },
    /// A write to a file has ended.
    Written {
        /// Whether it is on disk; if not, what is there is unknown.
        result: Result<(), Errno>,
        /// What was to be written, given back.
        bytes: Vec<u8>,
    },
    /// A segment of the store was prepared, or cannot be now.
    Prepared(Option<Prepared>),
}

impl Event {
    /// What a completion means; `None` for those that only say that an order was taken.
    pub(super) fn of(kind: Kind, completion: &cqueue::Entry, pool: &Rc<BufferPool>) -> Option<Self> {
        let (user_data, result, flags) = (completion.user_data(), completion.result(), completion.flags());
        let number = user_data as u32;
        let more = cqueue::more(flags);
        match kind {
            Kind::Accept => {
                let socket = if result >= 0 {
                    // SAFETY: the kernel has just made this descriptor for us, and each completion is read once.
                    // JUSTIFICATION: descriptors come as numbers.
                    Ok(unsafe { OwnedFd::from_raw_fd(result) })
                } else {
                    Err(io::Error::from_raw_os_error(-result))
                };
                Some(Self::Accepted { door: number, socket, more })
            }
            Kind::Receive => {
                let buffer = cqueue::buffer_select(flags).map(|id| pool.take(id, result.max(0) as usize));
                Some(Self::Received { conn: number, received: received(result, buffer), more })
            }
            Kind::Writable => Some(Self::Writable { conn: number }),
            Kind::Timer => Some(Self::Elapsed),
            Kind::Woken => Some(Self::Woken { more }),
            // Its bytes are the ring's to give back.
            Kind::Written | Kind::Cancel => None,
        }
    }
}

fn received(result: i32, buffer: Option<Buffer>) -> Received {
    if result < 0 {
        return match Errno::from_raw_os_error(-result) {
            Errno::NOBUFS => Received::NoBuffer,
            Errno::CANCELED => Received::Stopped,
            errno => Received::Failed(errno),
        };
    }
    buffer.filter(|_| result > 0).map_or(Received::End, Received::Bytes)
}
