//! What is known of devices, shared by their sessions: most clients of a shard come with one of few SDKs, and name nothing
//! else.

use std::sync::Arc;

use crate::limits::DEVICE_NAMES_SHARED;
use crate::model::Device;

/// The devices without an id that came last without being among these: a few, so that a search is short and names that are
/// told once do not stay.
#[derive(Debug, Default)]
pub(super) struct Devices {
    recent: [Option<Arc<Device>>; DEVICE_NAMES_SHARED],
    next: usize,
}

impl Devices {
    /// The shared form of a device. One with an id is its user's alone.
    pub(super) fn share(&mut self, device: Device) -> Arc<Device> {
        if !device.id.is_empty() {
            return device.into();
        }
        if let Some(known) = self.recent.iter().flatten().find(|known| ***known == device) {
            return known.clone();
        }
        let device = Arc::new(device);
        self.recent[self.next] = Some(device.clone());
        self.next = (self.next + 1) % DEVICE_NAMES_SHARED;
        device
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_few_sdks_are_shared_and_others_go() {
        let mut devices = Devices::default();
        let of = |app: &str| Device::named("", "", app);
        let (js, go) = (devices.share(of("js")), devices.share(of("go")));
        for _ in 0..100 {
            assert!(Arc::ptr_eq(&devices.share(of("js")), &js) && Arc::ptr_eq(&devices.share(of("go")), &go));
        }
        let once = devices.share(of("an application of its own"));
        (0..DEVICE_NAMES_SHARED).for_each(|number| drop(devices.share(of(&number.to_string()))));
        assert_eq!(Arc::strong_count(&once), 1, "nobody else keeps it");
        assert_eq!(Arc::strong_count(&devices.share(Device::named("a phone", "", "js"))), 1);
    }
}
