//! The users whose state channels of this node tell (`users_status` of a namespace), and what was told of each last.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::broker::order::Following;
use crate::model::refusal::Error;

/// A user, and a channel that tells of the user.
type Key = (Arc<str>, Arc<str>);

/// What is known of them.
#[derive(Debug, Default)]
pub(super) struct Entry {
    /// What all who subscribe to the channel were told.
    told: Option<bool>,
    /// That may not hold any more.
    pub(super) is_stale: bool,
    /// Changes of the user's sessions on other nodes are heard here.
    pub(super) is_heard: bool,
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Followed(Mutex<BTreeMap<Key, Entry>>);

impl Followed {
    fn entries(&self) -> MutexGuard<'_, BTreeMap<Key, Entry>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether nobody is followed.
    pub(super) fn is_empty(&self) -> bool {
        self.entries().is_empty()
    }

    /// Takes what shards say. Users whom nobody follows any more.
    pub(super) fn take(&self, news: Vec<Following>) -> Vec<Arc<str>> {
        let (mut entries, mut gone) = (self.entries(), Vec::new());
        for Following { channel, user, is_followed } in news {
            let key = (user, channel);
            if is_followed {
                let entry = entries.entry(key).or_default();
                // Who has just come is told, although the others were.
                (entry.told, entry.is_stale) = (None, true);
            } else if entries.remove(&key).is_some() {
                gone.push(key.0);
            }
        }
        gone.retain(|user| !entries.keys().any(|(other, _)| other == user));
        gone
    }

    /// Marks the entries of some users.
    pub(super) fn mark(&self, is_meant: impl Fn(&str) -> bool, mark: impl Fn(&mut Entry)) {
        self.entries().iter_mut().filter(|((user, _), _)| is_meant(user)).for_each(|(_, entry)| mark(entry));
    }

    /// Something was said of the user's sessions.
    pub(super) fn changed(&self, user: &str) {
        self.mark(|other| other == user, |entry| entry.is_stale = true);
    }

    /// Something that was said of these users' sessions may not have been heard, or nothing more of them is.
    pub(super) fn missed(&self, is_meant: impl Fn(&str) -> bool) {
        self.mark(is_meant, |entry| (entry.is_stale, entry.is_heard) = (true, false));
    }

    /// The users of whom some entry is wanted.
    pub(super) fn users(&self, are_wanted: impl Fn(&str, &mut Entry) -> bool) -> Vec<Arc<str>> {
        let mut entries = self.entries();
        let wanted = entries.iter_mut().filter_map(|((user, _), entry)| are_wanted(user, entry).then(|| user.clone()));
        let mut users: Vec<_> = wanted.collect();
        users.dedup();
        users
    }

    /// Takes what was looked up of a user: the channels that are to tell it.
    pub(super) fn looked_up(&self, user: &Arc<str>, online: bool) -> Vec<Arc<str>> {
        let entries = self.entries();
        let of_user = entries.range((user.clone(), Arc::from(""))..).take_while(|((other, _), _)| other == user);
        let untold = of_user.filter(|(_, entry)| entry.told != Some(online));
        untold.map(|((_, channel), _)| channel.clone()).collect()
    }

    /// It was told, or it is to be looked up again.
    pub(super) fn told(&self, user: &Arc<str>, channel: &Arc<str>, result: Result<bool, Error>) {
        if let Some(entry) = self.entries().get_mut(&(user.clone(), channel.clone())) {
            match result {
                Ok(online) => entry.told = Some(online),
                Err(_) => entry.is_stale = true,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn following(channel: &str, user: &str, is_followed: bool) -> Following {
        Following { channel: channel.into(), user: user.into(), is_followed }
    }

    fn names(users: &[Arc<str>]) -> Vec<&str> {
        users.iter().map(|user| &**user).collect()
    }

    fn stale(followed: &Followed) -> Vec<Arc<str>> {
        followed.users(|_, entry| std::mem::take(&mut entry.is_stale))
    }

    #[test]
    fn who_comes_is_told_and_then_whenever_it_changes() {
        let (followed, ann) = (Followed::default(), Arc::from("ann"));
        assert!(followed.take(vec![following("a:ann", "ann", true), following("b:ann", "ann", true)]).is_empty());
        assert_eq!(names(&stale(&followed)), ["ann"], "one user");
        for channel in followed.looked_up(&ann, true) {
            followed.told(&ann, &channel, Ok(true));
        }
        assert!(followed.looked_up(&ann, true).is_empty() && stale(&followed).is_empty());
        assert_eq!(names(&followed.looked_up(&ann, false)), ["a:ann", "b:ann"]);
        followed.take(vec![following("a:ann", "ann", true)]);
        assert_eq!(names(&followed.looked_up(&ann, true)), ["a:ann"], "somebody has come");
    }

    #[test]
    fn a_user_is_followed_until_the_last_channel_has_nobody() {
        let followed = Followed::default();
        followed.take(vec![following("a:ann", "ann", true), following("b:ann", "ann", true)]);
        assert!(followed.take(vec![following("a:ann", "ann", false)]).is_empty());
        assert_eq!(names(&followed.take(vec![following("b:ann", "ann", false)])), ["ann"]);
        assert!(followed.take(vec![following("b:ann", "ann", false)]).is_empty());
    }

    #[test]
    fn a_change_that_comes_while_a_user_is_looked_up_is_looked_up_again() {
        let followed = Followed::default();
        followed.take(vec![following("a:ann", "ann", true)]);
        assert_eq!(stale(&followed).len(), 1);
        followed.changed("ann");
        followed.changed("ben");
        assert_eq!(stale(&followed).len(), 1);
        followed.missed(|user| user == "ann");
        assert_eq!(followed.users(|_, entry| !entry.is_heard).len(), 1);
    }
}
