//! `chat`: a day of a chat, with all that people do there.

use anyhow::ensure;
use serde::{Deserialize, Serialize};

use super::checks::{clients, positive};
use super::sizes;
use crate::plan::{Day, Load, Plan};
use crate::share::Part;

/// Users who talk in rooms and to one another, show that they write, look who is there, move from room to room, lose
/// their connections and recover what they missed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Chat {
    /// How many users, each with a channel of its own.
    pub users: u32,
    /// How many rooms.
    pub rooms: u32,
    /// How many rooms each user is in.
    pub rooms_per_user: u32,
    /// Exponent of Zipf's law, which the sizes of the rooms follow; 0: all have the same. Every member talks as much as
    /// any other, so that the rooms' rates follow their sizes.
    pub zipf: f64,
    /// What is drawn follows from it: the same seed is the same day.
    pub seed: u64,
    /// Messages a second, of all users together.
    pub messages_per_s: f64,
    /// Share of the messages that go to a user instead of a room.
    pub direct_share: f64,
    /// Share of the messages to rooms that are seen being written; 0: there are no channels for it.
    pub typing_share: f64,
    /// How long before its message somebody is seen writing.
    pub typing_lead_s: f64,
    /// What the names of the channels begin with where typing is shown, such as a namespace that keeps nothing.
    pub typing_prefix: String,
    /// Questions a second who is in a room.
    pub presence_per_s: f64,
    /// Users a second who leave a room for another one.
    pub moves_per_s: f64,
    /// Users a second who lose their connection.
    pub reconnects_per_s: f64,
    /// How long they are away.
    pub pause_s: f64,
    /// Whether it is a fault when a server says that it cannot give a user all that it missed.
    pub expect_recovery: bool,
    /// Whether the server may end connections and subscriptions, and refuse for a while, as one does that is restarted, or whose
    /// nodes or Redis fail: who loses a connection so comes back after 0.5 to 1.5 times `pause_s`, again and again until it is
    /// let in.
    pub restarts: bool,
}

/// With the typing in them and a user's own channel, these are fewer than the 128 channels that servers commonly allow.
const ROOMS_PER_USER_MAX: u32 = 60;

impl Default for Chat {
    fn default() -> Self {
        Self {
            users: 2000,
            rooms: 500,
            rooms_per_user: 4,
            zipf: 1.0,
            seed: 1,
            messages_per_s: 200.0,
            direct_share: 0.3,
            typing_share: 0.5,
            typing_lead_s: 1.0,
            typing_prefix: "typing:".into(),
            presence_per_s: 20.0,
            moves_per_s: 25.0,
            reconnects_per_s: 20.0,
            pause_s: 2.0,
            expect_recovery: false,
            restarts: false,
        }
    }
}

impl Chat {
    /// A smaller one, of some of the users, in some of the rooms, who do as much as before.
    pub(super) fn part(&self, part: Part) -> Self {
        Self {
            users: part.some(self.users),
            rooms: part.some(self.rooms),
            seed: self.seed.wrapping_add(part.index.into()),
            messages_per_s: part.rate(self.messages_per_s),
            presence_per_s: part.rate(self.presence_per_s),
            moves_per_s: part.rate(self.moves_per_s),
            reconnects_per_s: part.rate(self.reconnects_per_s),
            ..self.clone()
        }
    }

    pub(super) fn plan(&self) -> anyhow::Result<Plan> {
        let day = self.day()?;
        let users = clients(&[self.users])?;
        let (rooms, each) = (positive("rooms", self.rooms)?, positive("rooms_per_user", self.rooms_per_user)?);
        ensure!(users > 1, "`users` is {users}: it takes two to chat");
        ensure!(
            each <= rooms.min(ROOMS_PER_USER_MAX),
            "`rooms_per_user` is {each}: at most {ROOMS_PER_USER_MAX}, and no more than there are `rooms`"
        );
        ensure!(
            self.moves_per_s == 0.0 || each < rooms,
            "users who are in all rooms cannot move: set more `rooms`, or `moves_per_s` to 0"
        );
        let memberships = users * each;
        let sizes = sizes::zipf(memberships, rooms, self.zipf)?;
        ensure!(
            sizes[0] <= users,
            "the largest room would have {} members, and there are {users} users: set a smaller `zipf`, or more `rooms`",
            sizes[0]
        );
        // Room after room is filled by one user after another, round and round: nobody is twice in a room, since none
        // has more members than there are users.
        let mut plan = Plan {
            clients: vec![Vec::new(); users as usize],
            channels: day.own(users),
            streams: Vec::new(),
            load: Load::Chat(day),
        };
        let members = (0..rooms).zip(&sizes).flat_map(|(room, size)| (0..*size).map(move |_| room));
        for (user, room) in (0..users).cycle().zip(members) {
            plan.clients[user as usize].extend([Some(room), day.typing_in(room)].into_iter().flatten());
        }
        for (user, channels) in (0..users).zip(&mut plan.clients) {
            channels.push(day.own(user));
        }
        Ok(plan)
    }

    fn day(&self) -> anyhow::Result<Day> {
        for (name, share) in [("direct_share", self.direct_share), ("typing_share", self.typing_share)] {
            ensure!((0.0..=1.0).contains(&share), "`{name}` is {share}: it must be 0 to 1");
        }
        for (name, value) in [
            ("messages_per_s", self.messages_per_s),
            ("presence_per_s", self.presence_per_s),
            ("moves_per_s", self.moves_per_s),
            ("reconnects_per_s", self.reconnects_per_s),
            ("typing_lead_s", self.typing_lead_s),
            ("pause_s", self.pause_s),
        ] {
            ensure!(value.is_finite() && value >= 0.0, "`{name}` is {value}: it must be 0 or more");
        }
        let away = self.reconnects_per_s * self.pause_s;
        ensure!(
            away <= f64::from(self.users) / 2.0,
            "{away:.0} of {} users would be away at any time: lower `reconnects_per_s` or `pause_s`",
            self.users
        );
        let nanoseconds = |s: f64| (s * 1e9) as u64;
        Ok(Day {
            rooms: self.rooms,
            seed: self.seed,
            messages_per_s: self.messages_per_s,
            direct_share: self.direct_share,
            typing_share: self.typing_share,
            typing_lead_ns: nanoseconds(self.typing_lead_s),
            presence_per_s: self.presence_per_s,
            moves_per_s: self.moves_per_s,
            drops_per_s: self.reconnects_per_s,
            pause_ns: nanoseconds(self.pause_s),
            expect_recovery: self.expect_recovery,
            restarts: self.restarts,
        })
    }
}
