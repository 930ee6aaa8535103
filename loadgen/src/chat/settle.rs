//! The end of the day: what is still under way, and what never came.

use super::Chat;
use super::user::{Asked, Stage, Subscription};
use crate::fault::{Fault, Faults};
use crate::ledger::Ledger;
use crate::presence::Presence;

impl Chat {
    /// The day is over: nothing new is begun, and who is away comes back now, so that it is seen what they missed.
    pub fn end(&mut self, end_ns: u64) {
        self.end_ns = end_ns;
        self.away.end(end_ns);
        self.behind = self.agenda.take().map_or(0, |agenda| agenda.behind(end_ns));
    }

    /// Errands that were due before the end of the day and were not begun.
    pub fn behind(&self) -> u64 {
        self.behind
    }

    /// Subscriptions to channels that are kept, of users who are there.
    fn listening(&self) -> impl Iterator<Item = (u32, &Subscription)> {
        let here = (0u32..).zip(&self.users).filter(|(_, user)| user.presence == Presence::Here);
        let all = here.flat_map(|(number, user)| user.subscriptions.iter().map(move |has| (number, has)));
        all.filter(|(_, has)| has.stage == Stage::Live && self.day.is_kept(has.channel))
    }

    fn lag(&self, subscription: &Subscription) -> u64 {
        let ledger = &self.ledgers[subscription.channel as usize];
        let place = subscription.place.as_ref().filter(|place| ledger.is_newest(&place.epoch));
        place.map_or(0, |place| ledger.lag(place.offset))
    }

    /// Whether a subscriber was never told that its channel has begun a new life.
    fn is_left_behind(&self, subscription: &Subscription) -> bool {
        let ledger = &self.ledgers[subscription.channel as usize];
        subscription.place.as_ref().is_some_and(|place| !ledger.is_newest(&place.epoch))
    }

    /// Channels that somebody listens to, and their ledgers.
    fn audible(&self) -> impl Iterator<Item = (u32, &Ledger)> {
        let mut is_audible = vec![false; self.ledgers.len()];
        self.listening().for_each(|(_, subscription)| is_audible[subscription.channel as usize] = true);
        (0u32..).zip(&self.ledgers).filter(move |(channel, _)| is_audible[*channel as usize])
    }

    /// Replies, returns and deliveries that are still to come. Looks at everybody.
    pub fn under_way(&self) -> u64 {
        let coming = self.users.iter().filter(|user| user.presence == Presence::Coming).count();
        let unanswered: usize = self.users.iter().map(|user| user.commands.waiting()).sum();
        let lags: u64 = self.listening().map(|(_, subscription)| self.lag(subscription)).sum();
        let left_behind = self.listening().filter(|(_, subscription)| self.is_left_behind(subscription)).count();
        let lacks: u64 = self.audible().map(|(_, ledger)| ledger.lacks()).sum();
        (self.actions.len() + self.away.len() + coming + unanswered + left_behind) as u64 + lags + lacks
    }

    /// What has not come now never will.
    pub fn finish(&self, faults: &mut Faults) {
        let missing = self.missing.count();
        if missing > 0 {
            faults.note_many(Fault::Lost, missing, || {
                format!("{missing} messages never came, though later ones of their channels did")
            });
        }
        for (user, Subscription { channel, .. }) in self.listening().filter(|(_, has)| self.is_left_behind(has)) {
            faults.note(Fault::Split, || {
                format!("user {user} was not told that channel {channel} has begun a new life, as others were")
            });
        }
        for (user, subscription) in self.listening() {
            let (lag, channel) = (self.lag(subscription), subscription.channel);
            if lag > 0 {
                faults.note_many(Fault::Lost, lag, || {
                    format!("user {user} did not hear the last {lag} messages of channel {channel}")
                });
            }
        }
        self.audible().for_each(|(channel, ledger)| ledger.finish(channel, faults));
        self.finish_commands(faults);
    }

    fn finish_commands(&self, faults: &mut Faults) {
        for (number, user) in self.users.iter().enumerate() {
            for asked in user.commands.unanswered() {
                faults.note(Fault::Unanswered, || match asked {
                    Asked::Publish { channel, .. } => format!("user {number} was not answered in channel {channel}"),
                    Asked::Presence { channel, .. } => format!("user {number} was not told who is in {channel}"),
                    Asked::Join { channel, .. } => format!("user {number} was not let into channel {channel}"),
                    Asked::Leave { channel } => format!("user {number} was not let out of channel {channel}"),
                });
            }
            if user.presence == Presence::Coming && user.commands.waiting() == 0 {
                faults.note(Fault::NotConnected, || format!("user {number} was not welcomed again"));
            }
        }
    }
}
