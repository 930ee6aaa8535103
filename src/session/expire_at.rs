//! When a session or a subscription expires.

/// When something expires, if it does: no larger than the number, since each session and each subscription has one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExpireAt(i64);

impl ExpireAt {
    /// It does not expire.
    pub const NEVER: Self = Self(i64::MIN);

    /// Unix seconds.
    pub fn unix_s(self) -> Option<i64> {
        (self != Self::NEVER).then_some(self.0)
    }
}

impl From<Option<i64>> for ExpireAt {
    fn from(unix_s: Option<i64>) -> Self {
        // A second later is as long ago.
        unix_s.map_or(Self::NEVER, |unix_s| Self(unix_s.max(i64::MIN + 1)))
    }
}
