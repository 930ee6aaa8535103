//! A device's floor in one channel: what it has received, and how far it was sent.
//!
//! Invariants: the floor never goes back; what was sent lies at or beyond it. A device is kept while it is away, so it is
//! small: what only a connected one needs is in [`Live`](super::live::Live).

/// A device of a member.
#[derive(Debug)]
pub(super) struct Device {
    /// As it names itself; empty for all sessions of the user that name none.
    pub(super) id: Box<str>,
    /// All up to here was received, or given up.
    floor: u64,
    /// How far beyond the floor it was ever sent.
    reached: u32,
    /// How far beyond the floor it was sent since it was last sent from the floor on.
    sent: u32,
    /// When it was last here, Unix seconds.
    pub(super) seen_s: u32,
    /// The place of what only a connected device has; [`Device::AWAY`] for none.
    pub(super) live: u32,
    /// Attempts of the first after the floor that have failed.
    pub(super) failed: u16,
    /// It has missed something that is no longer kept, and has received nothing since it was told.
    pub(super) has_lost: bool,
    /// Its floor has passed what it has published itself, and the disk has not been told.
    pub(super) is_ahead: bool,
}

impl Device {
    /// It is not connected.
    pub(super) const AWAY: u32 = u32::MAX;

    pub(super) fn new(id: &str, floor: u64, seen_s: u32) -> Self {
        Self {
            id: id.into(),
            floor,
            reached: 0,
            sent: 0,
            seen_s,
            live: Self::AWAY,
            failed: 0,
            has_lost: false,
            is_ahead: false,
        }
    }

    pub(super) fn is_away(&self) -> bool {
        self.live == Self::AWAY
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
    fn a_floor_takes_at_most_64_bytes() {
        assert!(size_of::<Device>() <= 64, "{} bytes", size_of::<Device>());
    }

    #[test]
    fn when_a_device_was_here_is_remembered_by_steps() {
        let mut device = Device::new("phone", 10, 0);
        assert_eq!([99, 100, 150, 199, 200].map(|now_s| device.see(now_s, 100)), [false, true, false, false, true]);
        assert_eq!(device.seen_s, 200);
    }

    #[test]
    fn a_floor_never_goes_back_and_takes_what_was_sent_along() {
        let mut device = Device::new("phone", 10, 0);
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
