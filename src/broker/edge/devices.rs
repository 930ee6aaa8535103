//! Names of devices, shared by their sessions: most clients of a shard come with one of few SDKs, and name nothing else.

use std::sync::Arc;

use crate::limits::DEVICE_NAMES_SHARED;

/// The names that came last without being among these: a few, so that a search is short and names that are told once do
/// not stay.
#[derive(Debug, Default)]
pub(super) struct Devices {
    recent: [Option<Arc<str>>; DEVICE_NAMES_SHARED],
    next: usize,
}

impl Devices {
    /// The shared form of a name.
    pub(super) fn share(&mut self, name: &str) -> Arc<str> {
        if let Some(known) = self.recent.iter().flatten().find(|known| ***known == *name) {
            return known.clone();
        }
        let name: Arc<str> = name.into();
        self.recent[self.next] = Some(name.clone());
        self.next = (self.next + 1) % DEVICE_NAMES_SHARED;
        name
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_few_sdks_are_shared_and_others_go() {
        let mut devices = Devices::default();
        let (js, go) = (devices.share("js"), devices.share("go"));
        for _ in 0..100 {
            assert!(Arc::ptr_eq(&devices.share("js"), &js) && Arc::ptr_eq(&devices.share("go"), &go));
        }
        let once = devices.share("a phone of its own");
        (0..DEVICE_NAMES_SHARED).for_each(|number| drop(devices.share(&number.to_string())));
        assert_eq!(Arc::strong_count(&once), 1, "nobody else keeps it");
    }
}
