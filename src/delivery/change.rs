//! What is to be kept of members, devices and dead letters, on disk or in a ledger: how each is from now on.

use std::sync::Arc;

use super::dead_letters::Failure;
use crate::model::ledger::{DeviceName, GivenUp, Happened, LetterBody, Note};
use crate::model::{Life, Publication};
use crate::store::Record;
use crate::store::record::{DeadLetterRecord, DeviceRecord, MemberRecord, PublicationRecord};

/// A change of an inbox that is kept.
#[derive(Debug)]
pub struct Change {
    /// The channel.
    pub channel: Arc<str>,
    /// Whether the channel's ledger keeps it, and no disk.
    pub is_shared: bool,
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
        /// No disk keeps it.
        noticed: u64,
        seen_unix_s: u64,
        failed: u16,
        has_lost: bool,
        /// Nor this.
        is_background: bool,
    },
    DeviceGone {
        user: Arc<str>,
        device: Box<str>,
    },
    /// The last of its sessions has left the channel here.
    Detached {
        user: Arc<str>,
        device: Box<str>,
    },
    DeadLetter {
        publication: Arc<Publication>,
        failure: Failure,
    },
    /// So many devices have not received it beyond those that are listed.
    DeadLetterMore {
        offset: u64,
        more: u32,
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
    /// It was sent so often since it was requeued.
    DeadLetterTried {
        offset: u64,
        user: Arc<str>,
        device: Box<str>,
        attempts: u16,
    },
}

impl Change {
    /// The device that has left, if that is what has changed.
    pub fn detached(&self) -> Option<DeviceName> {
        match &self.what {
            Changed::Detached { user, device } => Some(name(user, device)),
            _ => None,
        }
    }

    /// As a ledger is told it, where it keeps it: what has changed there is not told it again. `pack` makes bytes of a
    /// publication.
    pub fn note(&self, pack: impl FnOnce(&Publication) -> LetterBody) -> Option<Note> {
        let (name, what) = match &self.what {
            Changed::Member { user, read, .. } => (name(user, ""), Happened::Read(*read)),
            Changed::Device { user, device, floor, received, noticed, failed, has_lost, is_background, .. } => {
                let (floor, received, noticed) = (*floor, *received, *noticed);
                let (failed, has_lost, is_background) = (*failed, *has_lost, *is_background);
                (name(user, device), Happened::Floor { floor, received, noticed, failed, has_lost, is_background })
            }
            Changed::DeadLetter { publication, failure } => {
                let Failure { user, device, attempts, at_unix_ms } = failure;
                let letter = GivenUp { letter: pack(publication), attempts: *attempts, at_unix_ms: *at_unix_ms };
                (name(user, device), Happened::GivenUp(Box::new(letter)))
            }
            Changed::DeadLetterReceived { offset, user, device } => (name(user, device), Happened::Resolved(*offset)),
            Changed::DeadLetterTried { offset, user, device, attempts } => {
                (name(user, device), Happened::Tried { offset: *offset, attempts: *attempts })
            }
            Changed::MemberGone { .. }
            | Changed::DeviceGone { .. }
            | Changed::Detached { .. }
            | Changed::DeadLetterMore { .. }
            | Changed::DeadLetterGone { .. }
            | Changed::DeadLetterRequeued { .. } => return None,
        };
        Some(Note { life: Life::parse(&self.epoch), name, what })
    }

    /// As it is kept on disk.
    ///
    /// # Panics
    /// For what a disk never keeps.
    pub fn record(&self) -> Record<'_> {
        let Self { channel, epoch, what, .. } = self;
        match what {
            Changed::Detached { .. } => unreachable!("nodes share no channel that is kept on disk"),
            Changed::Member { user, received, read } => {
                Record::Member(MemberRecord { channel, user, epoch, received: *received, read: *read })
            }
            Changed::MemberGone { user } => Record::MemberGone(channel, user),
            Changed::Device { user, device, floor, received, seen_unix_s, failed, has_lost, .. } => {
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
            Changed::DeadLetterTried { offset, user, device, attempts } => {
                Record::DeadLetterTried(channel, *offset, user, device, (*attempts).into())
            }
            Changed::DeadLetterMore { offset, more } => Record::DeadLetterMore(channel, *offset, (*more).into()),
            Changed::DeadLetterGone { offset } => Record::DeadLetterGone(channel, *offset),
        }
    }
}

fn name(user: &Arc<str>, device: &str) -> DeviceName {
    DeviceName { user: user.clone(), device: device.into() }
}
