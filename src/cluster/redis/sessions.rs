//! Users: their sessions with attributes, who is online, and the rules that hold for a user.
//!
//! A session lives for 1,800 s from the last access on, and counts while its node's lease lives. A node that listens to
//! [`of_user`] hears of changes.

use bytes::Bytes;

use super::fault::Fault;
use super::functions::{Functions, Incarnation};
use super::pack::{Unpack, list, string};
use crate::limits::SESSION_TTL_MS;

/// What is kept of a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    /// Its name.
    pub name: String,
    /// Whose it is.
    pub of: Incarnation,
    /// What was put.
    pub attributes: Bytes,
}

/// A rule for a user: a revocation, a limit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// Which rule.
    pub kind: String,
    /// When it ends, Unix milliseconds.
    pub ends_ms: u64,
    /// What it says.
    pub value: Bytes,
}

/// The name by which nodes listen to a user's sessions; no channel begins so.
pub fn of_user(user: &str) -> String {
    format!("\u{1}{user}")
}

impl Functions {
    /// Puts a session, or another's attributes in its place.
    ///
    /// # Errors
    /// What went wrong.
    pub async fn session_put(&self, user: &str, session: &str, attributes: &[u8]) -> Result<(), Fault> {
        let ttl = SESSION_TTL_MS.to_string();
        let arguments = [ttl.as_bytes(), user.as_bytes(), session.as_bytes(), attributes];
        self.changing("session_put", self.keys().bucket_of(user), &arguments).await
    }

    /// Removes a session of this incarnation.
    ///
    /// # Errors
    /// What went wrong.
    pub async fn session_remove(&self, user: &str, session: &str) -> Result<(), Fault> {
        self.changing("session_remove", self.keys().bucket_of(user), &[user, session]).await
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
        pairs(self.plain(command).await?, |name, mut from| {
            Ok(Session { name, of: Incarnation::unpack(&mut from)?, attributes: from.rest() })
        })
    }

    /// Whose sessions users of one bucket have; they are online where one of these incarnations lives. No access.
    ///
    /// # Errors
    /// What went wrong.
    pub async fn online(&self, bucket: u16, users: &[&str]) -> Result<Vec<Vec<Incarnation>>, Fault> {
        let mut command = self.function("online", bucket);
        command.arg(users);
        let answers = list(self.plain(command).await?)?;
        if answers.len() != users.len() {
            return Err(Fault::Garbled);
        }
        let incarnations = answers.into_iter().map(|answer| {
            let (mut from, mut found) = (Unpack::of(answer)?, Vec::new());
            while !from.is_empty() {
                found.push(Incarnation::unpack(&mut from)?);
            }
            Ok(found)
        });
        incarnations.collect()
    }

    /// Puts a rule, and tells all nodes. One of the same kind is replaced.
    ///
    /// # Errors
    /// What went wrong.
    pub async fn rule_put(&self, user: &str, rule: &Rule) -> Result<(), Fault> {
        let ends = rule.ends_ms.to_string();
        let arguments = [user.as_bytes(), rule.kind.as_bytes(), ends.as_bytes(), &rule.value];
        self.changing("rule_put", self.keys().bucket_of(user), &arguments).await
    }

    /// The rules that hold for a user.
    ///
    /// # Errors
    /// What went wrong.
    pub async fn rules(&self, user: &str) -> Result<Vec<Rule>, Fault> {
        let mut command = self.function("rule_read", self.keys().bucket_of(user));
        command.arg(user);
        pairs(self.plain(command).await?, |kind, mut from| Ok(Rule { kind, ends_ms: from.six()?, value: from.rest() }))
    }
}

/// Names and what belongs to them, by turns.
fn pairs<T>(answer: redis::Value, read: impl Fn(String, Unpack) -> Result<T, Fault>) -> Result<Vec<T>, Fault> {
    let mut values = list(answer)?.into_iter();
    let mut found = Vec::new();
    while let (Some(name), Some(value)) = (values.next(), values.next()) {
        let name = String::from_utf8(string(name)?.into()).map_err(|_| Fault::Garbled)?;
        found.push(read(name, Unpack::of(value)?)?);
    }
    Ok(found)
}
