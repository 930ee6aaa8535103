//! Users' sessions on all nodes: who has a place, who must go for another, and who is online.
//!
//! The rules are those of a node's own roster, decided in one step of Redis. A session says since when it has been
//! connected by the clock of Redis, which leases tell, so that all go by one. It lives for 1,800 s from the last access, and counts while its node's lease lives. A node
//! that listens to [`of_user`] hears of changes.

use bytes::Bytes;
use futures_util::future::try_join_all;

use super::fault::Fault;
use super::functions::{Functions, Incarnation};
use super::leases::Leases;
use super::pack::{Packed, Unpack, list, string};
use super::streams::Join;
use crate::limits::{SESSION_TTL_MS, SHARED_USER_BYTES_MAX, USERS_PER_CALL};
use crate::model::ClientId;
use crate::model::refusal::{Disconnect, DisconnectKind};

/// A session that asks for its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Enrolment<'a> {
    /// Whose session it is.
    pub user: &'a str,
    /// Its client.
    pub client: ClientId,
    /// Since when it has been connected, Unix milliseconds by the clock of Redis: of two of one device the later one is the
    /// device's.
    pub since_unix_ms: u64,
    /// When its token was issued, Unix seconds, 0 where that is not known; `None` where there is no token.
    pub issued_unix_s: Option<u32>,
    /// How many sessions the user may have; 0 is no limit.
    pub limit: u32,
    /// Its device; at most 128 bytes.
    pub device: &'a str,
    /// The place that it takes among the user's devices, where those of its kind are limited.
    pub place: Option<Place<'a>>,
}

/// A place among a user's devices.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place<'a> {
    /// The kind by whose policy it is counted; at most 128 bytes.
    pub kind: &'a str,
    /// Whether the new one is refused where there are enough; otherwise the longest connected goes.
    pub oldest_stays: bool,
    /// How many devices of the kind the user may have, at least one.
    pub limit: u32,
}

/// What is kept of a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    /// Its client.
    pub client: ClientId,
    /// Whose it is.
    pub of: Incarnation,
    /// Since when, Unix milliseconds by the clock of Redis.
    pub since_unix_ms: u64,
    /// The kind of device by which it is counted, if it is.
    pub kind: Option<String>,
    /// Its device.
    pub device: String,
    /// What the application says of it.
    pub note: Bytes,
}

impl Session {
    /// A session as items bring it ([`Kind::SessionPut`](super::bucket::Kind::SessionPut)).
    ///
    /// # Errors
    /// [`Fault::Garbled`].
    pub fn told(body: Bytes) -> Result<Self, Fault> {
        let mut from = Unpack::new(body);
        Self::unpack(client_of(from.take(16)?)?, from)
    }

    fn unpack(client: ClientId, mut from: Unpack) -> Result<Self, Fault> {
        let (of, since_unix_ms) = (Incarnation::unpack(&mut from)?, from.six()?);
        let is_placed = from.byte()? == 1;
        let (kind, device) = (from.text()?, from.text()?);
        Ok(Self { client, of, since_unix_ms, kind: is_placed.then_some(kind), device, note: from.rest() })
    }
}

/// The name by which nodes listen to a user's sessions; no channel begins so.
pub fn of_user(user: &str) -> String {
    format!("\u{1}{user}")
}

/// A session that must make room for another of its user, as its node is told
/// ([`Kind::Dismissed`](super::bucket::Kind::Dismissed)).
///
/// # Errors
/// [`Fault::Garbled`].
pub fn dismissed(body: Bytes) -> Result<(ClientId, DisconnectKind), Fault> {
    let mut from = Unpack::new(body);
    let client = client_of(from.take(16)?)?;
    Ok((client, refusal_of(from.byte()?)?))
}

fn refusal_of(code: u8) -> Result<DisconnectKind, Fault> {
    Ok(match code {
        1 => DisconnectKind::Replaced,
        2 => DisconnectKind::OtherDevice,
        3 => DisconnectKind::DeviceLimit,
        4 => DisconnectKind::ConnectionLimit,
        5 => DisconnectKind::InvalidToken,
        _ => return Err(Fault::Garbled),
    })
}

fn client_of(bytes: Bytes) -> Result<ClientId, Fault> {
    ClientId::from_slice(&bytes).map_err(|_| Fault::Garbled)
}

/// What nodes share of a user has its name in places where a byte says how long it is.
fn check(user: &str) -> Result<(), Fault> {
    if user.len() > SHARED_USER_BYTES_MAX {
        return Err(Fault::Refused(format!("the user's name is longer than {SHARED_USER_BYTES_MAX} bytes")));
    }
    Ok(())
}

impl Enrolment<'_> {
    fn terms(&self, leases: &Leases) -> Vec<u8> {
        let issued = self.issued_unix_s.map_or(u32::MAX, |at| at.min(u32::MAX - 1));
        let Place { kind, oldest_stays, limit } =
            self.place.unwrap_or(Place { kind: "", oldest_stays: false, limit: 1 });
        let terms = Packed::default().six(self.since_unix_ms).four(issued).four(self.limit);
        let terms = terms.byte(self.place.is_some().into()).byte(oldest_stays.into()).four(limit);
        terms.six(leases.newest()).short(kind.as_bytes()).short(self.device.as_bytes()).end()
    }
}

impl Functions {
    /// Asks for a session's place, or says anew that it has it: who has one keeps it, and since when, which is answered (Unix
    /// milliseconds). Who must go for it is told; nobody where it is refused: others are there, its token was called back, or the
    /// user was sent away since it began.
    ///
    /// # Errors
    /// What went wrong; [`Fault::Refused`] where the user's name is too long to be shared.
    pub async fn session_put(
        &self,
        enrolment: &Enrolment<'_>,
        leases: &Leases,
    ) -> Result<Result<u64, Disconnect>, Fault> {
        check(enrolment.user)?;
        let is_limited = enrolment.limit > 0 || enrolment.place.is_some();
        let living = if is_limited { leases.pack_living() } else { Vec::new() };
        let answer = self.numbered("session_put", self.keys().bucket_of(enrolment.user), |command| {
            command.arg(SESSION_TTL_MS).arg(enrolment.user).arg(&enrolment.client.as_bytes()[..]);
            command.arg(enrolment.terms(leases)).arg(living);
        });
        let mut from = after_stand(answer.await?)?;
        Ok(match from.byte()? {
            // The Functions of a version before do not say.
            0 if from.is_empty() => Ok(enrolment.since_unix_ms),
            0 => Ok(from.six()?),
            6 => {
                let kind = DisconnectKind::Backend(from.two()?);
                Err(kind.because(String::from_utf8_lossy(&from.rest()).into_owned()))
            }
            code => Err(refusal_of(code)?.into()),
        })
    }

    /// Removes a session of this incarnation.
    ///
    /// # Errors
    /// What went wrong.
    pub async fn session_remove(&self, user: &str, client: ClientId) -> Result<(), Fault> {
        let arguments = [user.as_bytes(), client.as_bytes()];
        self.changing("session_remove", self.keys().bucket_of(user), &arguments).await
    }

    /// Says what the application says of a session from now on, whichever node has it. False: it is not there.
    ///
    /// # Errors
    /// What went wrong.
    pub async fn session_note(&self, user: &str, client: ClientId, note: &[u8]) -> Result<bool, Fault> {
        let answer = self.numbered("session_note", self.keys().bucket_of(user), |command| {
            command.arg(SESSION_TTL_MS).arg(user).arg(&client.as_bytes()[..]).arg(note);
        });
        Ok(after_stand(answer.await?)?.byte()? == 1)
    }

    /// Lets the sessions of users of one bucket live on. False: there are none, and they are to be put anew.
    ///
    /// # Errors
    /// What went wrong.
    pub async fn session_renew(&self, bucket: u16, users: &[&str]) -> Result<Vec<bool>, Fault> {
        self.renew("session_renew", bucket, users).await
    }

    /// A user's sessions. Looking is an access.
    ///
    /// # Errors
    /// What went wrong.
    pub async fn sessions(&self, user: &str) -> Result<Vec<Session>, Fault> {
        let mut command = self.function("session_read", self.keys().bucket_of(user));
        command.arg(SESSION_TTL_MS).arg(user);
        let mut values = list(self.plain(command).await?)?.into_iter();
        let mut found = Vec::new();
        while let (Some(client), Some(entry)) = (values.next(), values.next()) {
            found.push(Session::unpack(client_of(string(client)?)?, Unpack::of(entry)?)?);
        }
        Ok(found)
    }

    /// Which of these users are online, on any node. A call per bucket that they are in. No access.
    ///
    /// # Errors
    /// What went wrong.
    pub async fn online(&self, users: &[&str], leases: &Leases) -> Result<Vec<bool>, Fault> {
        let mut by_bucket: Vec<_> = (0..users.len()).map(|at| (self.keys().bucket_of(users[at]), at)).collect();
        by_bucket.sort_unstable();
        let parts =
            by_bucket.chunk_by(|(one, _), (other, _)| one == other).flat_map(|part| part.chunks(USERS_PER_CALL));
        let calls = parts.map(|part| async move {
            let mut command = self.function("online", part[0].0);
            for (_, at) in part {
                command.arg(users[*at]);
            }
            let answers = list(self.plain(command).await?)?;
            if answers.len() != part.len() {
                return Err(Fault::Garbled);
            }
            Ok(part.iter().map(|(_, at)| *at).zip(answers))
        });
        let mut online = vec![false; users.len()];
        for (at, answer) in try_join_all(calls).await?.into_iter().flatten() {
            online[at] = incarnations(answer)?.into_iter().any(|one| leases.may_live(one));
        }
        Ok(online)
    }

    /// Begins to listen to changes of these users' sessions ([`of_user`]). A call per bucket that they are in.
    ///
    /// # Errors
    /// What went wrong.
    pub async fn follow(&self, users: &[&str]) -> Result<(), Fault> {
        let buckets = self.by_bucket(users);
        let calls = buckets.iter().map(|(bucket, names)| async move {
            let join = |channel| Join { channel, meta_ttl_ms: None, is_read: false, after: None };
            let joins: Vec<_> = names.iter().map(|name| join(name.as_str())).collect();
            self.join(*bucket, &joins).await
        });
        try_join_all(calls).await.map(drop)
    }

    /// Listens to them no more.
    ///
    /// # Errors
    /// What went wrong.
    pub async fn unfollow(&self, users: &[&str]) -> Result<(), Fault> {
        let buckets = self.by_bucket(users);
        let calls = buckets.iter().map(|(bucket, names)| async move {
            let names: Vec<_> = names.iter().map(String::as_str).collect();
            self.leave(*bucket, &names).await
        });
        try_join_all(calls).await.map(drop)
    }

    /// The names by which nodes listen to users, by their buckets: as many as one call takes.
    fn by_bucket(&self, users: &[&str]) -> Vec<(u16, Vec<String>)> {
        let mut named: Vec<_> = users.iter().map(|user| (self.keys().bucket_of(user), of_user(user))).collect();
        named.sort_unstable();
        let parts = named.chunk_by(|(one, _), (other, _)| one == other).flat_map(|part| part.chunks(USERS_PER_CALL));
        parts.map(|part| (part[0].0, part.iter().map(|(_, name)| name.clone()).collect())).collect()
    }

    /// Sends away those of a user's sessions that have begun before now and are put later than now, but for some: with this
    /// code and reason. Known for `ttl_ms`; sessions that are there are for their nodes to end.
    ///
    /// # Errors
    /// What went wrong.
    pub async fn send_away(&self, user: &str, ttl_ms: u64, told: (u16, &str), stay: &[ClientId]) -> Result<(), Fault> {
        check(user)?;
        let mut said = Packed::default().two(told.0).short(told.1.as_bytes());
        for client in stay {
            said = said.bytes(client.as_bytes());
        }
        let arguments = [user.as_bytes(), ttl_ms.to_string().as_bytes(), &said.end()].map(<[u8]>::to_vec);
        self.changing_and_copied("send_away", self.keys().bucket_of(user), &arguments).await
    }
}

/// Whose entries an answer tells of.
pub(super) fn incarnations(answer: redis::Value) -> Result<Vec<Incarnation>, Fault> {
    let (mut from, mut found) = (Unpack::of(answer)?, Vec::new());
    while !from.is_empty() {
        found.push(Incarnation::unpack(&mut from)?);
    }
    Ok(found)
}

/// What a numbered call answers behind where the bucket stands.
fn after_stand(answer: redis::Value) -> Result<Unpack, Fault> {
    let mut from = Unpack::of(answer)?;
    super::bucket::Stand::unpack(&mut from)?;
    Ok(from)
}
