//! What is to be kept on disk of members, devices and dead letters: how each is from now on.

use std::sync::Arc;

use super::dead_letters::Failure;
use crate::model::Publication;
use crate::store::Record;
use crate::store::record::{DeadLetterRecord, DeviceRecord, MemberRecord, PublicationRecord};

/// A change of an inbox that is kept on disk.
#[derive(Debug)]
pub struct Change {
    /// The channel.
    pub(super) channel: Arc<str>,
    /// The life of its stream that offsets belong to.
    pub(super) epoch: Arc<str>,
    pub(super) what: Changed,
}

/// What has changed.
#[derive(Debug)]
pub(super) enum Changed {
    Member {
        user: Arc<str>,
        received: u64,
        read: u64,
    },
    MemberGone {
        user: Arc<str>,
    },
    Device {
        user: Arc<str>,
        device: Box<str>,
        floor: u64,
        received: u64,
        seen_unix_s: u64,
        failed: u16,
        has_lost: bool,
    },
    DeviceGone {
        user: Arc<str>,
        device: Box<str>,
    },
    DeadLetter {
        publication: Arc<Publication>,
        failure: Failure,
    },
    DeadLetterGone {
        offset: u64,
    },
    DeadLetterReceived {
        offset: u64,
        user: Arc<str>,
        device: Box<str>,
    },
    DeadLetterRequeued {
        offset: u64,
        user: Arc<str>,
        device: Box<str>,
    },
}

impl Change {
    /// As it is kept.
    pub fn record(&self) -> Record<'_> {
        let Self { channel, epoch, what } = self;
        match what {
            Changed::Member { user, received, read } => {
                Record::Member(MemberRecord { channel, user, epoch, received: *received, read: *read })
            }
            Changed::MemberGone { user } => Record::MemberGone(channel, user),
            Changed::Device { user, device, floor, received, seen_unix_s, failed, has_lost } => {
                Record::Device(DeviceRecord {
                    channel,
                    user,
                    device,
                    epoch,
                    floor: *floor,
                    received: *received,
                    seen_unix_s: *seen_unix_s,
                    failed: (*failed).into(),
                    has_lost: *has_lost,
                })
            }
            Changed::DeviceGone { user, device } => Record::DeviceGone(channel, user, device),
            Changed::DeadLetter { publication, failure } => Record::DeadLetter(DeadLetterRecord {
                publication: PublicationRecord::of(channel, epoch, publication, publication.time_unix_ms),
                user: &failure.user,
                device: &failure.device,
                attempts: failure.attempts.into(),
                at_unix_ms: failure.at_unix_ms.max(0) as u64,
            }),
            Changed::DeadLetterReceived { offset, user, device } => {
                Record::DeadLetterReceived(channel, *offset, user, device)
            }
            Changed::DeadLetterRequeued { offset, user, device } => {
                Record::DeadLetterRequeued(channel, *offset, user, device)
            }
            Changed::DeadLetterGone { offset } => Record::DeadLetterGone(channel, *offset),
        }
    }
}
