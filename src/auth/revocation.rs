//! One revocation: which tokens are called back, and what a token must tell to be judged.
//!
//! A revocation is about tokens that exist: those that were issued before a time. One whose token does not say when it was
//! issued counts as older than any time, since nothing shows that it is newer.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use super::claims::Stamp;

/// Which tokens a revocation is about.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Subject {
    /// All of them.
    All,
    /// The one with this `jti`.
    Token(Box<str>),
    /// Those of a user.
    User(Box<str>),
    /// Those that a user's device comes with.
    Device {
        /// The user.
        user: Box<str>,
        /// The device's id; never empty.
        device: Box<str>,
    },
}

/// Tokens that are called back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Revocation {
    /// Which.
    pub subject: Subject,
    /// Those issued before, Unix seconds. One token is called back whenever it was issued: [`i64::MAX`].
    pub issued_before_unix_s: i64,
    /// Until when they are refused, Unix seconds: when none of them is valid any more.
    pub until_unix_s: i64,
}

impl Revocation {
    /// Whether it is about what a session came with: its user, its device, and the mark of its token.
    pub fn is_about(&self, user: &str, device: &str, mark: Mark) -> bool {
        let is_meant = match &self.subject {
            Subject::All => true,
            Subject::Token(id) => mark.id == digest(id),
            Subject::User(own) => **own == *user,
            Subject::Device { user: own, device: of } => **own == *user && **of == *device,
        };
        is_meant && mark.is_issued_before(self.issued_before_unix_s)
    }
}

/// What is remembered of a session's token, so that it can be called back: twelve bytes, since each session has one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark {
    /// When it was issued: 0 where it does not say, [`u32::MAX`] where there is no token.
    issued_unix_s: u32,
    /// Digest of its `jti`; zeros where it has none. In two halves, which need no space between them and their neighbours.
    id: [u32; 2],
}

impl Mark {
    /// Of a session without a token.
    pub const NO_TOKEN: Self = Self { issued_unix_s: u32::MAX, id: [0; 2] };

    /// When the token was issued, Unix seconds, 0 where it does not say; `None` where there is no token.
    pub fn issued_unix_s(self) -> Option<u32> {
        (self.issued_unix_s != u32::MAX).then_some(self.issued_unix_s)
    }

    /// Whether there is a token, and nothing shows that it was issued at that time or later, Unix seconds.
    pub fn is_issued_before(self, unix_s: i64) -> bool {
        self.issued_unix_s != u32::MAX && i64::from(self.issued_unix_s) < unix_s
    }
}

impl From<&Stamp> for Mark {
    fn from(stamp: &Stamp) -> Self {
        // What is out of range was issued at its end.
        let issued_unix_s = stamp.issued_unix_s.map_or(0, |at| at.clamp(1, i64::from(u32::MAX) - 1) as u32);
        Self { issued_unix_s, id: stamp.id.as_deref().map_or([0; 2], digest) }
    }
}

/// Of ids that the application makes: two of the same digest are not to be expected.
fn digest(id: &str) -> [u32; 2] {
    let mut hasher = DefaultHasher::new();
    id.hash(&mut hasher);
    let digest = hasher.finish().max(1);
    [digest as u32, (digest >> 32) as u32]
}
