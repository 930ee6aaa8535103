//! Who was the first member in which channel, by an own subscription: what is kept of a channel's members stays until all are
//! removed, so that nobody may begin with it in channels without end.
//!
//! A restart does not know who came by itself: it takes the first that was written for it.

use std::sync::Arc;

use hashbrown::HashMap;

use crate::limits::CHANNELS_FOUNDED_MAX;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Founders {
    by_channel: HashMap<Arc<str>, Arc<str>>,
    /// In how many channels.
    founded: HashMap<Arc<str>, u32>,
}

impl Founders {
    /// Whether a user may be the first in another channel.
    pub(super) fn may_found(&self, user: &str) -> bool {
        self.founded.get(user).is_none_or(|founded| *founded < CHANNELS_FOUNDED_MAX)
    }

    /// A user is the first in a channel.
    pub(super) fn found(&mut self, channel: &Arc<str>, user: &Arc<str>) {
        self.by_channel.insert(channel.clone(), user.clone());
        *self.founded.entry(user.clone()).or_default() += 1;
    }

    /// Nothing is kept of a channel any more.
    pub(super) fn forget(&mut self, channel: &str) {
        let Some(user) = self.by_channel.remove(channel) else { return };
        let founded = self.founded.get_mut(&user).expect("it was counted");
        *founded -= 1;
        if *founded == 0 {
            self.founded.remove(&user);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_is_the_first_in_so_many_channels_and_may_begin_again_when_one_is_forgotten() {
        let mut founders = Founders::default();
        let ada: Arc<str> = "ada".into();
        for number in 0..CHANNELS_FOUNDED_MAX {
            assert!(founders.may_found(&ada));
            founders.found(&format!("room:{number}").into(), &ada);
        }
        assert!(!founders.may_found(&ada) && founders.may_found("bob"));
        founders.forget("room:7");
        founders.forget("room:unknown");
        assert!(founders.may_found(&ada));
        (0..CHANNELS_FOUNDED_MAX).for_each(|number| founders.forget(&format!("room:{number}")));
        assert!(founders.founded.is_empty() && founders.by_channel.is_empty());
    }
}
