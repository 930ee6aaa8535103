//! A user who belongs to a channel, connected or not: how far the user has received and read, and by which devices.

use std::collections::BTreeMap;
use std::sync::Arc;

use smallvec::SmallVec;

use super::device::Device;

/// The members of a channel, by name. Each has a block of its own: the nodes of the tree are half empty where names come in
/// their order.
pub(super) type Members = BTreeMap<Arc<str>, Box<Member>>;

/// A member of a channel.
#[derive(Debug)]
pub(super) struct Member {
    /// The furthest that any device has received; where a new device begins.
    pub(super) received: u64,
    /// Up to where the user has read.
    pub(super) read: u64,
    /// The lowest floor of the devices that were forgotten: one that comes back may have missed what follows.
    pub(super) forgotten: Option<u64>,
    /// Most have one or two.
    pub(super) devices: SmallVec<[Device; 1]>,
}

impl Member {
    /// A member who is to receive what follows this offset.
    pub(super) fn since(offset: u64) -> Self {
        Self { received: offset, read: offset, forgotten: None, devices: SmallVec::new() }
    }

    pub(super) fn device_mut(&mut self, id: &str) -> Option<&mut Device> {
        self.devices.iter_mut().find(|device| *device.id == *id)
    }

    pub(super) fn device(&self, id: &str) -> Option<&Device> {
        self.devices.iter().find(|device| *device.id == *id)
    }

    /// Forgets the device in this place: what it was.
    pub(super) fn forget(&mut self, at: usize) -> Device {
        let device = self.devices.remove(at);
        self.forgotten = Some(self.forgotten.map_or(device.floor(), |floor| floor.min(device.floor())));
        device
    }

    /// The device that goes next where there are too many: that which was away longest. `None` where all are connected.
    pub(super) fn longest_away(&self) -> Option<usize> {
        let away = self.devices.iter().enumerate().filter(|(_, device)| device.is_away());
        away.min_by_key(|(_, device)| device.seen_s).map(|(at, _)| at)
    }
}
