//! What the home of a channel has to say to one session by its name: what its device has yet to receive.

use std::sync::Arc;

use super::Edge;
use super::answer::price_of_publications;
use crate::delivery::{Dispatch, Sending};
use crate::model::{Publication, TagsFilter};
use crate::outbox::Tag;
use crate::protocol::word::Push;
use crate::session::{Flags, Held, Stage, State};
use crate::time::Now;

/// The tag that tells which attempt a publication is, from the second on.
const ATTEMPT: &str = "attempt";

impl Edge {
    /// Which publications a session wants of a channel that it is subscribed to; `None` is all.
    pub(in crate::broker) fn filter_of(&self, session: u32, channel: &str) -> Option<Arc<TagsFilter>> {
        let Stage::Live { room, place } = self.sessions.get(session as usize)?.subscription(channel)?.stage else {
            return None;
        };
        self.audience.room(room).filters.as_ref()?.of(place as usize).cloned()
    }

    /// Brings it to the session, if it still is in the channel.
    pub(in crate::broker) fn dispatched(&mut self, dispatch: &Dispatch, now: Now) {
        let session = dispatch.seat.session;
        let Some(entry) = self.sessions.get_mut(session as usize) else { return };
        if entry.info.client != dispatch.seat.client || entry.is_ending {
            return;
        }
        let Some(subscription) = entry.subscription_mut(&dispatch.channel) else { return };
        let Stage::Live { room, place } = subscription.stage else { return };
        let flags = subscription.flags;
        match &dispatch.what {
            Sending::Publications { publications, attempt, behind } => {
                subscription.flags = flags.without(Flags::BEHIND).with(Flags::BEHIND, *behind);
                self.audience.room_mut(room).subscribers[place as usize].flags = subscription.flags;
                self.send_by_name(session, &dispatch.channel, publications, *attempt);
                // Who comes back over and over is sent the same over and over.
                self.charge(session, price_of_publications(publications), now);
            }
            Sending::Gap => self.lose_place(session, &dispatch.channel, flags),
            Sending::Positions(message) if entry.is_connected() => self.push(session, &Push::Message { data: message }),
            // The connect reply is not out; who wants to know where others are asks when it is.
            Sending::Positions(_) => {}
        }
    }

    fn send_by_name(&mut self, session: u32, channel: &Arc<str>, publications: &[Arc<Publication>], attempt: u16) {
        for (at, publication) in publications.iter().enumerate() {
            let publication = match at == 0 && attempt > 1 {
                true => Arc::new(numbered(publication, attempt)),
                false => publication.clone(),
            };
            match &mut self.sessions[session as usize].state {
                State::Connecting(connecting) if connecting.is_overfull() => {}
                State::Connecting(connecting) => {
                    connecting.held.push((channel.clone(), Held::Publication(publication)))
                }
                // Of what it has asked for, since it is sent no more before it says that it has received this: one that has
                // missed much in many channels is not slow.
                _ => self.push_as(session, &Push::Publication { channel, publication: &publication }, Tag::ANSWER),
            }
        }
    }
}

/// The same publication, with the number of the attempt among its tags.
fn numbered(publication: &Publication, attempt: u16) -> Publication {
    let tags = publication.tags.iter().flatten().filter(|(name, _)| **name != *ATTEMPT).cloned();
    let mut tags: Vec<_> = tags.chain([(ATTEMPT.into(), attempt.to_string().into())]).collect();
    tags.sort_unstable();
    Publication { tags: Some(tags.into()), ..publication.clone() }
}
