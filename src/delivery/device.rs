//! A device's floor in one channel: what it has received, and how far it was sent.
//!
//! Invariants: the floor never goes back; what was sent lies at or beyond it. While it is away it lies in its member's row,
//! while it is connected in [`Live`](super::live::Live).

/// What is known of a device, or where that is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Known {
    /// It is not connected.
    Away(Device),
    /// It is connected: the place of what only a connected one has.
    Here(u32),
}

/// A device of a member.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Device {
    /// All up to here was received, or given up.
    floor: u64,
    /// How far beyond the floor it was ever sent.
    reached: u32,
    /// How far beyond the floor it was sent since it was last sent from the floor on.
    sent: u32,
    /// When it was last here, Unix seconds.
    pub(super) seen_s: u32,
    /// Attempts of the first after the floor that have failed.
    pub(super) failed: u16,
    /// It has missed something that is no longer kept, and has received nothing since it was told.
    pub(super) has_lost: bool,
    /// Its floor has passed what it has published itself, and the disk has not been told.
    pub(super) is_ahead: bool,
}

impl Device {
    pub(super) fn new(floor: u64, seen_s: u32) -> Self {
        Self { floor, reached: 0, sent: 0, seen_s, failed: 0, has_lost: false, is_ahead: false }
    }

    pub(super) fn floor(&self) -> u64 {
        self.floor
    }

    /// It is here. Whether the disk has to know, which remembers such times by steps, seconds.
    pub(super) fn see(&mut self, now_s: u32, step_s: u32) -> bool {
        let before_s = std::mem::replace(&mut self.seen_s, now_s);
        before_s / step_s != now_s / step_s
    }

    /// The last that it was sent since it was last sent from the floor on.
    pub(super) fn sent(&self) -> u64 {
        self.floor + u64::from(self.sent)
    }

    /// The last that it was ever sent.
    pub(super) fn reached(&self) -> u64 {
        self.floor + u64::from(self.reached)
    }

    /// It was sent all up to here.
    pub(super) fn send_up_to(&mut self, offset: u64) {
        self.sent = u32::try_from(offset - self.floor).expect("what is sent is bounded by `max_unacked`");
        self.reached = self.reached.max(self.sent);
    }

    /// It is to be sent from its floor on again.
    pub(super) fn rewind(&mut self) {
        self.sent = 0;
    }

    /// All up to here is dealt with. Returns by how much that is more than before.
    pub(super) fn advance(&mut self, floor: u64) -> u64 {
        let by = floor.saturating_sub(self.floor);
        if by > 0 {
            self.floor = floor;
            self.sent = u32::try_from(u64::from(self.sent).saturating_sub(by)).expect("it is less than before");
            self.reached = u32::try_from(u64::from(self.reached).saturating_sub(by)).expect("it is less than before");
            self.failed = 0;
        }
        by
    }

    /// As [`Device::advance`], past what it has published itself, which the disk is not told at once.
    pub(super) fn pass(&mut self, floor: u64) -> u64 {
        let by = self.advance(floor);
        self.is_ahead |= by > 0;
        by
    }

    /// Nothing is known of what lies beyond this offset.
    pub(super) fn cut(&mut self, top: u64) {
        self.floor = self.floor.min(top);
    }

    /// The stream has begun anew: nothing of it was received.
    pub(super) fn begin_anew(&mut self) {
        (self.floor, self.reached, self.sent, self.failed, self.has_lost) = (0, 0, 0, 0, true);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn when_a_device_was_here_is_remembered_by_steps() {
        let mut device = Device::new(10, 0);
        assert_eq!([99, 100, 150, 199, 200].map(|now_s| device.see(now_s, 100)), [false, true, false, false, true]);
        assert_eq!(device.seen_s, 200);
    }

    #[test]
    fn a_floor_never_goes_back_and_takes_what_was_sent_along() {
        let mut device = Device::new(10, 0);
        device.send_up_to(15);
        assert_eq!(device.advance(12), 2);
        assert_eq!(device.advance(11), 0);
        assert_eq!((device.floor(), device.sent(), device.reached()), (12, 15, 15));
        device.rewind();
        assert_eq!((device.sent(), device.reached()), (12, 15));
        assert_eq!(device.advance(20), 8, "what is no longer kept is passed, sent or not");
        assert_eq!((device.floor(), device.sent(), device.reached()), (20, 20, 20));
    }
}
