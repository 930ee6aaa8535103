//! What a shard does again and again, each set up once and run as often as wanted, without a socket.
//!
//! Both benches run these: `core` takes their time, `instructions` counts their instructions. The allocator is the
//! node's, and what is random in a node has a seed.

mod codec;
mod fan_out;
mod hub;
mod inbox;
mod mailbox;
mod outbox;
mod session;
pub(crate) mod shard;
pub(crate) mod token;

use ringpost::time::Now;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

pub(crate) const NOW: Now = Now { mono_ms: 1000, unix_ms: 1 << 40 };

/// One run of an operation; what it works on is set up.
pub(crate) type Run = Box<dyn FnMut()>;

/// Something that a shard does again and again.
pub(crate) struct Operation {
    /// The part of the node.
    pub(crate) part: &'static str,
    /// What is done, in words.
    pub(crate) name: String,
    /// How many deliveries, letters or the like one run does: figures are per unit.
    pub(crate) units: u32,
    /// Sets it up. The first runs may still grow tables and buffers to their size.
    pub(crate) prepare: Box<dyn Fn() -> Run>,
}

impl Operation {
    fn new<R: FnMut() + 'static>(
        part: &'static str,
        name: impl Into<String>,
        units: u32,
        prepare: impl Fn() -> R + 'static,
    ) -> Self {
        Self { part, name: name.into(), units, prepare: Box::new(move || Box::new(prepare())) }
    }
}

/// All operations, those of one part side by side.
pub(crate) fn all() -> Vec<Operation> {
    let parts: [fn() -> Vec<Operation>; 8] = [
        codec::operations,
        token::operations,
        hub::operations,
        mailbox::operations,
        outbox::operations,
        session::operations,
        fan_out::operations,
        inbox::operations,
    ];
    parts.into_iter().flat_map(|operations| operations()).collect()
}

/// A message's data: 96 bytes of JSON.
fn data() -> Vec<u8> {
    format!("{{\"text\":\"{}\"}}", "x".repeat(85)).into_bytes()
}
