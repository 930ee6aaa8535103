//! From an accepted identity to the questions that the connect reply waits for.

use std::sync::Arc;

use super::Broker;
use super::home::Dismissal;
use super::letter::Letter;
use crate::limits::{ASK_BYTES, BYTES_IN_FLIGHT_MAX};
use crate::model::refusal::DisconnectKind;
use crate::session::{Ask, Enrolment, Identity};
use crate::time::Now;

impl Broker {
    /// Takes the identity on, asks for the user's place in the roster where users are limited, then for the
    /// subscriptions.
    pub(super) fn enrol(&mut self, session: u32, mut identity: Identity, now: Now) {
        let id = identity.id;
        let enrolment = identity.enrolment.take();
        let user = identity.info.user.clone();
        let device = std::mem::take(&mut identity.device);
        // Planned subscriptions are of this device.
        self.edge.name_device(session, device);
        self.edge.with_session(session, now, |session, context| session.admit(identity, context));
        // Nobody asks for the sessions of nobody, and there may be very many.
        if !user.is_empty() {
            self.edge.users.entry(user.clone()).or_default().sessions.push(session);
        }
        let Some(enrolment) = enrolment else { return self.ask_planned(session, now) };
        let home = self.placement.of(&user);
        if home == self.me {
            let outcome = self.give_seat(&user, *enrolment, self.me);
            self.edge.enrolled(session, outcome);
            if outcome.is_ok() {
                self.ask_planned(session, now);
            }
            return;
        }
        // Who is refused must not have been seen anywhere: the subscriptions wait for the answer.
        let asker = self.edge.awaits(session, id, ASK_BYTES);
        self.post.ask(home, Letter::Enrol { asker, user, enrolment });
    }

    /// Gives a session on `shard` a place in the roster of its user, who is at home here, and has those told to go that make
    /// room for it.
    pub(super) fn give_seat(
        &mut self,
        user: &Arc<str>,
        enrolment: Enrolment,
        shard: u16,
    ) -> Result<(), DisconnectKind> {
        for Dismissal { shard, client, why } in self.home.roster.enrol(user, enrolment, shard)? {
            match shard {
                here if here == self.me => self.edge.dismiss(user, client, why),
                shard => self.post.tell(shard, Letter::Dismiss { user: user.clone(), client, why }),
            }
        }
        Ok(())
    }

    /// Asks for the subscriptions that come with the connection, as many at once as may be in flight; comes again with each
    /// answer.
    pub(super) fn ask_planned(&mut self, session: u32, now: Now) {
        // One more pending than there are, so that answers at once do not finish too early.
        self.edge.connecting(session).pending += 1;
        while self.edge.sessions[session as usize].bytes_in_flight < BYTES_IN_FLIGHT_MAX
            && let Some((channel, terms)) = self.edge.connecting(session).planned.pop_front()
        {
            self.ask(session, 0, Ask::Subscribe(channel, terms), now);
            if self.edge.sessions[session as usize].is_ending {
                return;
            }
        }
        self.edge.connect_answered(session, now);
    }
}
