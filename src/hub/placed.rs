//! Where a message came to lie, or what of it waits for the disk.

use std::sync::Arc;

use super::channel::FanOut;
use super::{HubOptions, Version};
use crate::model::{Position, Publication};
use crate::store::Batch;

/// A message in its place.
#[derive(Debug)]
pub struct Published {
    /// Its place; offset 0 and no epoch where it is not kept.
    pub position: Position,
    /// To whom it goes; `None` when nobody subscribes, its idempotency key was seen before, or its version comes too late.
    pub fan_out: Option<FanOut>,
}

/// What came of something that changes a channel.
#[derive(Debug)]
pub enum Placed<T> {
    /// It has happened.
    Done(T),
    /// It happens when this batch is committed: then it is given to [`Hub::commit`](super::Hub::commit), in the order in
    /// which it was given out, or else to [`Hub::take_back`](super::Hub::take_back).
    Later(Batch, OnItsWay),
}

/// Something that changes a channel and waits for the disk. The channel stays as long as something is on its way there.
#[derive(Debug)]
pub struct OnItsWay {
    /// The channel's place in the hub.
    pub(super) key: usize,
    pub(super) what: Change,
}

/// What changes.
#[derive(Debug)]
pub(super) enum Change {
    /// A publication that is kept.
    Kept {
        publication: Arc<Publication>,
        epoch: Arc<str>,
        version: Option<Box<Version>>,
        idempotency_key: Option<Box<str>>,
        ttl_ms: Option<u64>,
        options: HubOptions,
    },
    /// A publication that is not kept: it keeps its place among the others.
    Fleeting(Arc<Publication>, HubOptions),
    /// Nothing: the publication that is answered with this place is on its way already.
    Known(Position),
    /// The history is removed.
    Removal,
}
