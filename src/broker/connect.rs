//! From an accepted identity to the questions that the connect reply waits for.

use std::sync::Arc;

use super::Broker;
use super::bridge::{Attendance, Entrance, Ticket};
use super::home::Dismissal;
use super::letter::{Answer, Letter};
use crate::auth::Mark;
use crate::limits::{ASK_BYTES, BYTES_IN_FLIGHT_MAX};
use crate::model::Device;
use crate::model::refusal::{Disconnect, DisconnectKind};
use crate::session::{Ask, Enrolment, Identity};
use crate::time::Now;

impl Broker {
    /// Takes the identity on, asks for the user's place in the roster where users are limited, then for the
    /// subscriptions.
    pub(super) fn enrol(&mut self, session: u32, mut identity: Identity, now: Now) {
        let id = identity.id;
        let enrolment = identity.enrolment.take();
        let user = identity.info.user.clone();
        let (token, device) = (identity.token, std::mem::take(&mut identity.device));
        // Planned subscriptions are of this device.
        self.edge.name_device(session, device.clone());
        self.edge.with_session(session, now, |session, context| session.admit(identity, context));
        // Nobody asks for the sessions of nobody, and there may be very many.
        if !user.is_empty() {
            self.edge.users.entry(user.clone()).or_default().sessions.push(session);
        }
        if self.edge.is_shared(&user) {
            return self.ask_nodes(session, id, token, device, enrolment);
        }
        self.enrol_here(session, id, enrolment, now);
    }

    /// Asks for the session's place among those of its user on all nodes; that among those on this one is asked for after it.
    fn ask_nodes(&mut self, session: u32, id: u32, token: Mark, device: Device, enrolment: Option<Box<Enrolment>>) {
        let asker = self.edge.awaits(session, id, ASK_BYTES);
        let info = &self.edge.sessions[session as usize].info;
        let (user, client) = (info.user.clone(), info.client);
        let limit = enrolment.as_ref().map_or(0, |enrolment| enrolment.limit);
        let place = enrolment.as_ref().and_then(|enrolment| enrolment.device.clone());
        let ticket = Ticket(self.entering.insert((asker, enrolment)) as u64);
        let issued_unix_s = token.issued_unix_s();
        let entrance = Entrance { ticket, user, client, issued_unix_s, limit, device, place };
        self.attendance.push(Attendance::Comes(Box::new(entrance)));
    }

    /// What other nodes are to know of the sessions here since it was taken last.
    pub fn take_attendance(&mut self) -> Vec<Attendance> {
        std::mem::take(&mut self.attendance)
    }

    /// Other nodes have nothing against a session, or it is told why it has no place.
    pub(super) fn entered(&mut self, ticket: Ticket, outcome: Result<(), Disconnect>, now: Now) {
        let (asker, mut enrolment) = self.entering.remove(ticket.0 as usize);
        if let Some(enrolment) = &mut enrolment {
            // The nodes' order counts here as well: else two of one device that came at once would each be the other's earlier.
            enrolment.since_ms = now.mono_ms;
        }
        let Some(session) = self.edge.asking(asker) else { return };
        self.edge.answer_arrived(asker, Answer::Entered(outcome), now);
        if !self.edge.sessions[session as usize].is_ending {
            self.enrol_here(session, asker.id, enrolment, now);
        }
    }

    /// Asks for the session's place in the roster of its user, where there is one, then for the subscriptions.
    fn enrol_here(&mut self, session: u32, id: u32, enrolment: Option<Box<Enrolment>>, now: Now) {
        let Some(enrolment) = enrolment else { return self.ask_planned(session, now) };
        let user = self.edge.sessions[session as usize].info.user.clone();
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
