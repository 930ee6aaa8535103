//! The pool of receive buffers: preallocated, lent to the kernel, which picks one only when bytes are there.
//!
//! A buffer is in one of two places: in the ring of entries that the kernel takes from, or in the hands of one
//! [`Buffer`], which gives it back when it is dropped. An idle connection holds none.

use std::cell::{Cell, RefCell};
use std::io;
use std::ops::{Deref, DerefMut};
use std::ptr::{self, NonNull};
use std::rc::Rc;
use std::slice;
use std::sync::atomic::{AtomicU16, Ordering};

use io_uring::types::BufRingEntry;
use rustix::mm::{MapFlags, ProtFlags, mmap_anonymous, munmap};

/// Anonymous memory, page-aligned and zeroed; pages are taken as they are touched.
struct Mapping {
    start: NonNull<u8>,
    len: usize,
}

impl Mapping {
    fn new(len: usize) -> io::Result<Self> {
        // SAFETY: a new private mapping at an address of the kernel's choice touches nothing that exists.
        // JUSTIFICATION: the kernel wants page-aligned memory that stays where it is.
        let start =
            unsafe { mmap_anonymous(ptr::null_mut(), len, ProtFlags::READ | ProtFlags::WRITE, MapFlags::PRIVATE)? };
        let start = NonNull::new(start.cast()).expect("a mapping is not at address 0");
        Ok(Self { start, len })
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: the mapping is ours and nothing that borrows from it is left.
        // JUSTIFICATION: see `Mapping::new`.
        let _ = unsafe { munmap(self.start.as_ptr().cast(), self.len) };
    }
}

/// All receive buffers of one ring.
pub(super) struct BufferPool {
    entries: Mapping,
    memory: Mapping,
    count: u16,
    buffer_bytes: usize,
    /// Where the next buffer is given back, modulo `count`.
    tail: Cell<u16>,
    /// True exactly while a [`Buffer`] holds the buffer.
    taken: RefCell<Box<[bool]>>,
}

impl BufferPool {
    /// A pool that the kernel owns whole.
    ///
    /// # Panics
    /// When `count` is no power of two or above 32768 (the kernel's bound).
    pub(super) fn new(count: u16, buffer_bytes: usize) -> io::Result<Self> {
        assert!(count.is_power_of_two() && count <= 1 << 15, "the kernel takes powers of two up to 32768");
        let pool = Self {
            entries: Mapping::new(usize::from(count) * size_of::<BufRingEntry>())?,
            memory: Mapping::new(usize::from(count) * buffer_bytes)?,
            count,
            buffer_bytes,
            tail: Cell::new(0),
            taken: RefCell::new(vec![true; usize::from(count)].into()),
        };
        for id in 0..count {
            pool.give_back(id);
        }
        Ok(pool)
    }

    /// What `io_uring_register(IORING_REGISTER_PBUF_RING)` is told.
    pub(super) fn entries_address(&self) -> u64 {
        self.entries.start.as_ptr() as u64
    }

    fn buffer_start(&self, id: u16) -> NonNull<u8> {
        assert!(id < self.count);
        // SAFETY: `id` is below `count`, so the offset lies in the mapping.
        // JUSTIFICATION: the pool is one mapping.
        unsafe { self.memory.start.add(usize::from(id) * self.buffer_bytes) }
    }

    /// Takes the buffer that the kernel has filled with `len` bytes.
    ///
    /// # Panics
    /// When it was taken already: the kernel would have given it twice.
    pub(super) fn take(self: &Rc<Self>, id: u16, len: usize) -> Buffer {
        assert!(len <= self.buffer_bytes);
        let before = std::mem::replace(&mut self.taken.borrow_mut()[usize::from(id)], true);
        assert!(!before, "buffer {id} is taken");
        Buffer { pool: self.clone(), id, len: len as u32 }
    }

    fn give_back(&self, id: u16) {
        let before = std::mem::replace(&mut self.taken.borrow_mut()[usize::from(id)], false);
        assert!(before, "buffer {id} is the kernel's");
        let tail = self.tail.get();
        let address = self.buffer_start(id).as_ptr() as u64;
        let entries: *mut BufRingEntry = self.entries.start.as_ptr().cast();
        let place = usize::from(tail & (self.count - 1));
        // SAFETY: `place` is below `count`. The kernel reads an entry only once the tail has passed it, and an
        // entry at the tail was read long ago, since there are as many places as buffers. The tail lies in the
        // first entry's reserved field, which entries do not write.
        // JUSTIFICATION: the ring of entries is shared with the kernel.
        unsafe {
            let entry = &mut *entries.add(place);
            entry.set_addr(address);
            entry.set_len(self.buffer_bytes as u32);
            entry.set_bid(id);
            let shared_tail = AtomicU16::from_ptr(BufRingEntry::tail(entries).cast_mut());
            shared_tail.store(tail.wrapping_add(1), Ordering::Release);
        }
        self.tail.set(tail.wrapping_add(1));
    }
}

/// Received bytes in a buffer of the pool. Dropping it gives the buffer back to the kernel.
pub struct Buffer {
    pool: Rc<BufferPool>,
    id: u16,
    len: u32,
}

impl std::fmt::Debug for Buffer {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Buffer").field("id", &self.id).field("len", &self.len).finish()
    }
}

impl Deref for Buffer {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        // SAFETY: the buffer is taken, so the kernel does not write to it; it lies in the mapping, which the
        // `Rc` keeps; anonymous memory is initialized.
        // JUSTIFICATION: reading in place is what the pool is for.
        unsafe { slice::from_raw_parts(self.pool.buffer_start(self.id).as_ptr(), self.len as usize) }
    }
}

impl DerefMut for Buffer {
    fn deref_mut(&mut self) -> &mut [u8] {
        // SAFETY: as above, and a taken buffer has one `Buffer`, so this borrow is the only one.
        // JUSTIFICATION: WebSocket frames are unmasked in place.
        unsafe { slice::from_raw_parts_mut(self.pool.buffer_start(self.id).as_ptr(), self.len as usize) }
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        self.pool.give_back(self.id);
    }
}
