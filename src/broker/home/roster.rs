//! Which sessions users have on the whole node, kept on the user's home shard where users or their devices are limited.
//!
//! Invariants: a device has one seat; a user has no more seats than the limit that the last one was enrolled with. Who must
//! make room loses its seat at once, and is told by its shard; what it gives back afterwards is nobody's.

use std::sync::Arc;

use hashbrown::HashMap;

use crate::model::ClientId;
use crate::model::refusal::DisconnectKind;
use crate::session::{DevicePlace, Enrolment};

/// A session's place.
#[derive(Debug)]
struct Seat {
    client: ClientId,
    shard: u16,
    since_ms: u64,
    device: Option<DeviceName>,
}

/// A device that has a place among the user's.
#[derive(Debug)]
struct DeviceName {
    id: Box<str>,
    kind: Box<str>,
}

/// A session that must go, since another has come.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::broker) struct Dismissal {
    /// The shard that it is on.
    pub(in crate::broker) shard: u16,
    /// The session, if it is still there.
    pub(in crate::broker) client: ClientId,
    /// What it is told.
    pub(in crate::broker) why: DisconnectKind,
}

/// The users at home on this shard that have enrolled sessions.
#[derive(Debug, Default)]
pub(in crate::broker) struct Roster {
    /// By user, in the order in which they came.
    seats: HashMap<Arc<str>, Vec<Seat>>,
}

impl Roster {
    /// Gives a session on `shard` a seat, and says which others must make room for it. Who is refused changes nothing.
    ///
    /// # Errors
    /// What the session is told: the user has too many, or devices that stay.
    pub(in crate::broker) fn enrol(
        &mut self,
        user: &Arc<str>,
        enrolment: Enrolment,
        shard: u16,
    ) -> Result<Vec<Dismissal>, DisconnectKind> {
        let Enrolment { client, since_ms, limit, device } = enrolment;
        let seats = self.seats.get(user).map_or(&[][..], Vec::as_slice);
        let leaving = device.as_ref().map_or(Ok(Vec::new()), |place| make_room(seats, place, since_ms))?;
        if limit > 0 && seats.len() - leaving.len() >= limit as usize {
            return Err(DisconnectKind::ConnectionLimit);
        }
        let seats = self.seats.entry(user.clone()).or_default();
        let mut dismissals = Vec::with_capacity(leaving.len());
        for (at, why) in leaving.into_iter().rev() {
            let Seat { client, shard, .. } = seats.remove(at);
            dismissals.push(Dismissal { shard, client, why });
        }
        let device = device.map(|DevicePlace { id, kind, .. }| DeviceName { id, kind });
        seats.push(Seat { client, shard, since_ms, device });
        Ok(dismissals)
    }

    /// A session has ended; it may have lost its seat before.
    pub(in crate::broker) fn discharge(&mut self, user: &str, client: ClientId) {
        let Some(seats) = self.seats.get_mut(user) else { return };
        seats.retain(|seat| seat.client != client);
        if seats.is_empty() {
            self.seats.remove(user);
        }
    }

    #[cfg(test)]
    pub(in crate::broker) fn sessions(&self) -> usize {
        self.seats.values().map(Vec::len).sum()
    }
}

/// Which seats are given up for a device, in their order, and why: those of the same device, which has come back, and those
/// beyond the limit of its kind.
fn make_room(
    seats: &[Seat],
    place: &DevicePlace,
    since_ms: u64,
) -> Result<Vec<(usize, DisconnectKind)>, DisconnectKind> {
    let mut leaving = Vec::new();
    let mut others = Vec::new();
    let mut is_back = false;
    for (at, seat) in seats.iter().enumerate() {
        let Some(device) = &seat.device else { continue };
        if device.id == place.id {
            if seat.since_ms > since_ms {
                // It has come back already, by way of a shard whose letters are faster.
                return Err(DisconnectKind::Replaced);
            }
            is_back |= device.kind == place.kind;
            leaving.push((at, DisconnectKind::Replaced));
        } else if device.kind == place.kind {
            others.push(at);
        }
    }
    // A device that takes its own place is not another one: nobody goes for it.
    let excess = if is_back { 0 } else { (others.len() + 1).saturating_sub(place.limit as usize) };
    if excess > 0 && place.oldest_stays {
        return Err(DisconnectKind::DeviceLimit);
    }
    leaving.extend(others[..excess].iter().map(|at| (*at, DisconnectKind::OtherDevice)));
    leaving.sort_unstable_by_key(|(at, _)| *at);
    Ok(leaving)
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    struct Desk {
        roster: Roster,
        user: Arc<str>,
        came: u128,
    }

    impl Desk {
        fn new() -> Self {
            Self { roster: Roster::default(), user: "ann".into(), came: 0 }
        }

        /// The next session comes, on a device; which sessions go for it, by number, and why.
        fn comes(&mut self, limit: u32, device: Wish) -> Outcome {
            self.came += 1;
            let device = device.map(|(id, kind, oldest_stays, limit)| DevicePlace {
                id: id.into(),
                kind: kind.into(),
                oldest_stays,
                limit,
            });
            let since_ms = self.came as u64;
            let enrolment = Enrolment { client: Uuid::from_u128(self.came), since_ms, limit, device };
            let dismissals = self.roster.enrol(&self.user, enrolment, 0)?;
            Ok(dismissals.into_iter().map(|dismissal| (dismissal.client.as_u128(), dismissal.why)).collect())
        }

        fn goes(&mut self, number: u128) {
            self.roster.discharge("ann", Uuid::from_u128(number));
        }
    }

    type Outcome = Result<Vec<(u128, DisconnectKind)>, DisconnectKind>;

    type Wish = Option<(&'static str, &'static str, bool, u32)>;

    fn phone(oldest_stays: bool, limit: u32) -> impl Fn(&'static str) -> Wish {
        move |id| Some((id, "phone", oldest_stays, limit))
    }

    fn newest(limit: u32) -> impl Fn(&'static str) -> Wish {
        phone(false, limit)
    }

    #[test]
    fn where_the_newest_stay_the_longest_connected_goes() {
        let (mut desk, phone) = (Desk::new(), newest(2));
        assert_eq!(desk.comes(0, phone("a")), Ok(vec![]));
        assert_eq!(desk.comes(0, phone("b")), Ok(vec![]));
        assert_eq!(desk.comes(0, phone("c")), Ok(vec![(1, DisconnectKind::OtherDevice)]));
        assert_eq!(desk.comes(0, phone("d")), Ok(vec![(2, DisconnectKind::OtherDevice)]));
        assert_eq!(desk.roster.sessions(), 2);
    }

    #[test]
    fn where_the_oldest_stay_the_new_one_is_refused_until_one_of_them_goes() {
        let (mut desk, phone) = (Desk::new(), phone(true, 1));
        assert_eq!(desk.comes(0, phone("a")), Ok(vec![]));
        assert_eq!(desk.comes(0, phone("b")), Err(DisconnectKind::DeviceLimit));
        desk.goes(1);
        assert_eq!(desk.comes(0, phone("b")), Ok(vec![]));
    }

    #[test]
    fn a_device_that_comes_back_takes_its_own_place_and_sends_nobody_away() {
        for oldest_stays in [false, true] {
            let policy = |limit| phone(oldest_stays, limit);
            let (mut desk, phone) = (Desk::new(), policy(2));
            desk.comes(0, phone("a")).unwrap();
            desk.comes(0, phone("b")).unwrap();
            assert_eq!(desk.comes(0, phone("a")), Ok(vec![(1, DisconnectKind::Replaced)]));
            desk.goes(1);
            assert_eq!(desk.roster.sessions(), 2, "what the replaced one gives back is nobody's");
            // The limit may have been lowered since.
            assert_eq!(desk.comes(0, policy(1)("b")), Ok(vec![(2, DisconnectKind::Replaced)]));
        }
    }

    #[test]
    fn a_session_whose_letter_was_overtaken_by_its_successors_is_the_one_that_is_replaced() {
        let mut desk = Desk::new();
        desk.came = 5;
        desk.comes(0, newest(1)("a")).unwrap();
        desk.came = 3;
        assert_eq!(desk.comes(0, newest(1)("a")), Err(DisconnectKind::Replaced));
        assert_eq!(desk.roster.sessions(), 1);
    }

    #[test]
    fn sessions_that_name_no_device_are_one_device() {
        let mut desk = Desk::new();
        desk.comes(0, newest(2)("")).unwrap();
        desk.comes(0, newest(2)("a")).unwrap();
        assert_eq!(desk.comes(0, newest(2)("")), Ok(vec![(1, DisconnectKind::Replaced)]));
    }

    #[test]
    fn kinds_are_counted_by_themselves() {
        let (mut desk, phone) = (Desk::new(), newest(1));
        desk.comes(0, phone("a")).unwrap();
        assert_eq!(desk.comes(0, Some(("b", "web", true, 1))), Ok(vec![]));
        assert_eq!(desk.comes(0, None), Ok(vec![]), "a kind of which all stay");
        assert_eq!(desk.comes(0, phone("c")), Ok(vec![(1, DisconnectKind::OtherDevice)]));
        // A device that has become one of another kind leaves its place, and is another one there.
        assert_eq!(desk.comes(0, Some(("c", "web", true, 1))), Err(DisconnectKind::DeviceLimit));
        assert_eq!(
            desk.comes(0, phone("b")),
            Ok(vec![(4, DisconnectKind::OtherDevice), (2, DisconnectKind::Replaced)])
        );
    }

    #[test]
    fn nobody_is_sent_away_for_one_that_is_refused() {
        let (mut desk, phone) = (Desk::new(), newest(1));
        desk.comes(3, phone("a")).unwrap();
        desk.comes(3, None).unwrap();
        desk.comes(3, None).unwrap();
        assert_eq!(desk.comes(2, phone("b")), Err(DisconnectKind::ConnectionLimit));
        assert_eq!(desk.comes(3, phone("b")), Ok(vec![(1, DisconnectKind::OtherDevice)]), "it makes room for itself");
        for number in 1..=5 {
            desk.goes(number);
        }
        assert!(desk.roster.seats.is_empty());
    }
}
