//! A shard's io_uring: multishot accept and receive, a pool of receive buffers, and the place where it sleeps.
//!
//! The only folder with `unsafe`, because here and nowhere else the kernel writes into memory of ours and hands
//! us descriptors as bare numbers. What leaves it is safe: [`Event`]s that own their buffers and sockets.
#![expect(unsafe_code, reason = "the kernel's side of the ring is memory and descriptors that the compiler cannot see")]

mod buffers;
mod event;
mod in_flight;
mod write;

use std::collections::VecDeque;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::rc::Rc;
use std::time::Duration;

use io_uring::types::BufRingEntry;
use io_uring::{IoUring, cqueue, opcode, squeue, types};

pub use self::buffers::Buffer;
use self::buffers::BufferPool;
pub use self::event::{Event, Received};
use self::event::{Kind, token};
pub use self::in_flight::InFlight;
use self::write::{Progress, Write};

/// How large a ring is.
#[derive(Clone, Copy, Debug)]
pub struct RingSize {
    /// Submission entries, a power of two. Four times as many completions fit.
    pub entries: u32,
    /// Receive buffers, a power of two up to 32768.
    pub buffers: u16,
    /// How large each of them is, bytes.
    pub buffer_bytes: usize,
}

impl RingSize {
    /// Completions that fit.
    fn completions(self) -> u32 {
        self.entries * 4
    }

    /// What the kernel counts against the limit of locked memory (RLIMIT_MEMLOCK), bytes: the ring, and the list of
    /// the receive buffers. The buffers themselves are not locked.
    pub fn locked_bytes(self) -> u64 {
        ring_bytes(self.entries, self.completions()) + pages(u64::from(self.buffers) * size_of::<BufRingEntry>() as u64)
    }
}

/// Memory of a ring with so many submission and completion entries, bytes: io_uring_setup(2), in whole pages.
pub fn ring_bytes(entries: u32, completions: u32) -> u64 {
    // Heads, tails and flags at the front of the rings; less than this.
    const FRONT: u64 = 512;
    let queues =
        u64::from(completions) * size_of::<cqueue::Entry>() as u64 + u64::from(entries) * size_of::<u32>() as u64;
    pages(u64::from(entries) * size_of::<squeue::Entry>() as u64) + pages(FRONT + queues)
}

fn pages(bytes: u64) -> u64 {
    bytes.next_multiple_of(rustix::param::page_size() as u64)
}

/// One ring. Only the thread that made it may use it (`IORING_SETUP_SINGLE_ISSUER`).
pub struct Ring {
    // Dropped first: the kernel gives up the buffers with `unregister_buf_ring` in `Drop`, then the ring goes,
    // and only then the pool's memory, when the last `Buffer` has gone too.
    uring: IoUring,
    pool: Rc<BufferPool>,
    /// Operations that the submission queue had no room for.
    waiting: VecDeque<squeue::Entry>,
    /// Read by the kernel when the timeout is submitted.
    interval: Box<types::Timespec>,
    /// The write that is in flight.
    write: Option<Write>,
}

impl std::fmt::Debug for Ring {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Ring").field("waiting", &self.waiting.len()).finish_non_exhaustive()
    }
}

impl Ring {
    /// Sets a ring up for the calling thread.
    ///
    /// # Errors
    /// The kernel is too old (6.1 is needed), io_uring is forbidden, or memory may not be locked.
    pub fn new(size: RingSize) -> io::Result<Self> {
        let uring = IoUring::builder()
            .setup_single_issuer()
            .setup_defer_taskrun()
            .setup_taskrun_flag()
            .setup_cqsize(size.completions())
            .build(size.entries)?;
        let pool = BufferPool::new(size.buffers, size.buffer_bytes)?;
        // SAFETY: the pool's entries are page-aligned, zeroed, and as many as it says; they outlive the
        // registration, which `Drop` ends before the pool can go.
        // JUSTIFICATION: the kernel keeps the address.
        unsafe { uring.submitter().register_buf_ring_with_flags(pool.entries_address(), size.buffers, 0, 0)? };
        let interval = Box::new(types::Timespec::new());
        Ok(Self { uring, pool: Rc::new(pool), waiting: VecDeque::new(), interval, write: None })
    }

    /// Puts an operation into the submission queue; false when there is no room.
    fn try_push(&mut self, entry: &squeue::Entry) -> bool {
        // SAFETY: none of our operations points to memory of ours, but for the timeout's and the write's, which the ring
        // owns until they are done; buffers are selected from the registered pool. A descriptor that is closed before submission makes
        // the operation fail, or reach whatever has its number by then, but no memory: conns and doors keep theirs
        // while anything is in flight.
        // JUSTIFICATION: the crate cannot know what an entry points to.
        unsafe { self.uring.submission().push(entry) }.is_ok()
    }

    fn push(&mut self, entry: squeue::Entry) {
        if !self.waiting.is_empty() || !self.try_push(&entry) {
            self.waiting.push_back(entry);
        }
    }

    /// Accepts connections until told to stop: [`Event::Accepted`] for each.
    pub fn accept(&mut self, listener: BorrowedFd<'_>, door: u32) {
        const CLOEXEC: i32 = rustix::net::SocketFlags::CLOEXEC.bits() as i32;
        let fd = types::Fd(listener.as_raw_fd());
        self.push(opcode::AcceptMulti::new(fd).flags(CLOEXEC).build().user_data(token(Kind::Accept, door)));
    }

    /// Receives until the peer has ended or told to stop: [`Event::Received`] for each buffer.
    pub fn receive(&mut self, socket: BorrowedFd<'_>, conn: u32) {
        let fd = types::Fd(socket.as_raw_fd());
        self.push(opcode::RecvMulti::new(fd, 0).build().user_data(token(Kind::Receive, conn)));
    }

    /// Waits once until the socket takes bytes again: [`Event::Writable`].
    pub fn await_writable(&mut self, socket: BorrowedFd<'_>, conn: u32) {
        const POLLOUT: u32 = rustix::event::PollFlags::OUT.bits() as u32;
        let fd = types::Fd(socket.as_raw_fd());
        self.push(opcode::PollAdd::new(fd, POLLOUT).build().user_data(token(Kind::Writable, conn)));
    }

    /// Reports each write to an eventfd until told otherwise: [`Event::Woken`]. Its counter is left alone.
    pub fn watch(&mut self, eventfd: BorrowedFd<'_>) {
        const POLLIN: u32 = rustix::event::PollFlags::IN.bits() as u32;
        let fd = types::Fd(eventfd.as_raw_fd());
        self.push(opcode::PollAdd::new(fd, POLLIN).multi(true).build().user_data(token(Kind::Woken, 0)));
    }

    /// Stops accepting: the last [`Event::Accepted`] says that no more come.
    pub fn stop_accepting(&mut self, door: u32) {
        self.cancel(token(Kind::Accept, door));
    }

    /// Stops receiving: the last [`Event::Received`] says that no more come.
    pub fn stop_receiving(&mut self, conn: u32) {
        self.cancel(token(Kind::Receive, conn));
    }

    fn cancel(&mut self, target: u64) {
        self.push(opcode::AsyncCancel::new(target).build().user_data(token(Kind::Cancel, 0)));
    }

    /// One [`Event::Elapsed`] after so long.
    pub fn timer(&mut self, after: Duration) {
        *self.interval = types::Timespec::from(after);
        let interval: *const types::Timespec = &*self.interval;
        self.push(opcode::Timeout::new(interval).build().user_data(token(Kind::Timer, 0)));
    }

    /// Writes to a file and syncs what was written: [`Event::Written`]. The file must outlive it.
    ///
    /// # Panics
    /// When a write is in flight.
    pub fn write(&mut self, file: BorrowedFd<'_>, at: u64, bytes: Vec<u8>) {
        assert!(self.write.is_none(), "one write is in flight at a time");
        let write = self.write.insert(Write::new(file.as_raw_fd(), at, bytes)).entry();
        self.push(write);
    }

    /// Hands the kernel what was asked and lets it do what is ready, without waiting: one system call, or none
    /// where there is nothing to do.
    ///
    /// # Errors
    /// What the kernel says, but for what passes by itself.
    pub fn enter(&mut self) -> io::Result<()> {
        let submission = self.uring.submission();
        let asked = !submission.is_empty() || !self.waiting.is_empty();
        let useful = asked || submission.taskrun() || submission.cq_overflow();
        drop(submission);
        if useful { self.enter_for(0, None) } else { Ok(()) }
    }

    /// As [`Ring::enter`], but waits in the kernel until something has happened, or for so long. Returns at once where the
    /// submission queue had no room for all that was asked.
    ///
    /// # Errors
    /// As [`Ring::enter`].
    pub fn enter_and_wait(&mut self, at_most: Option<Duration>) -> io::Result<()> {
        self.enter_for(1, at_most)
    }

    fn enter_for(&mut self, completions: u32, at_most: Option<Duration>) -> io::Result<()> {
        const GETEVENTS: u32 = 1;
        while let Some(entry) = self.waiting.pop_front() {
            if !self.try_push(&entry) {
                self.waiting.push_front(entry);
                break;
            }
        }
        // What the kernel has not been asked yet may be what is waited for.
        let completions = if self.waiting.is_empty() { completions } else { 0 };
        let pending = {
            let mut submission = self.uring.submission();
            submission.sync();
            submission.len()
        };
        let submitter = self.uring.submitter();
        let entered = match at_most.filter(|_| completions > 0) {
            Some(at_most) => {
                let at_most = types::Timespec::from(at_most);
                submitter.submit_with_args(completions as usize, &types::SubmitArgs::new().timespec(&at_most))
            }
            // SAFETY: no signal mask is passed, so nothing is read through the pointer.
            // JUSTIFICATION: `submit_and_wait(0)` does not set GETEVENTS, without which deferred work never runs.
            None => unsafe { submitter.enter::<u8>(pending as u32, completions, GETEVENTS, None) },
        };
        match entered {
            Ok(_) => Ok(()),
            Err(error) if passes(&error) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Whether something has happened, as far as can be seen without a system call.
    pub fn is_ready(&mut self) -> bool {
        if !self.uring.completion().is_empty() {
            return true;
        }
        let submission = self.uring.submission();
        submission.taskrun() || submission.cq_overflow()
    }

    /// Appends what has happened, in the order in which it happened.
    pub fn events(&mut self, events: &mut Vec<Event>) {
        let mut written = None;
        for completion in self.uring.completion() {
            match event::kind_of(completion.user_data()) {
                Kind::Written => written = Some(completion.result()),
                kind => events.extend(Event::of(kind, &completion, &self.pool)),
            }
        }
        if let Some(result) = written {
            self.written(result, events);
        }
    }

    fn written(&mut self, result: i32, events: &mut Vec<Event>) {
        let mut write = self.write.take().expect("a write was in flight");
        let result = match write.completed(result) {
            Progress::Synced => Ok(()),
            Progress::Failed(errno) => Err(errno),
            Progress::Part => {
                let rest = self.write.insert(write).entry();
                return self.push(rest);
            }
        };
        events.push(Event::Written { result, bytes: write.into_bytes() });
    }
}

impl Drop for Ring {
    fn drop(&mut self) {
        // A kernel that refuses has no such ring, which is as good.
        let _ = self.uring.submitter().unregister_buf_ring(0);
        // A shard that fails may leave while the kernel still reads these bytes.
        std::mem::forget(self.write.take());
    }
}

/// EINTR: a signal. EBUSY, EAGAIN: completions have to be taken first. ETIME: nothing was ready.
fn passes(error: &io::Error) -> bool {
    use rustix::io::Errno;
    error.raw_os_error().is_some_and(|code| {
        [Errno::INTR, Errno::BUSY, Errno::AGAIN, Errno::TIME].contains(&Errno::from_raw_os_error(code))
    })
}

#[cfg(test)]
mod tests;
