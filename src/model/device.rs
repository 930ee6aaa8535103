//! Which device a client is on.

use crate::limits::DEVICE_NAME_BYTES_MAX;

/// A device of a user, as the client's token tells it, or else the client itself: what it says of itself proves nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Device {
    /// Tells it from the user's other devices. Empty where nobody has told: all such clients of a user are on one device.
    pub id: Box<str>,
    /// What kind of device it is, in the application's words: `phone`, `web`. Empty where nobody has told.
    pub kind: Box<str>,
    /// Which SDK or application connects; identifies nothing.
    pub app: Box<str>,
    /// Which version of it.
    pub version: Box<str>,
}

impl Device {
    /// As a client, or whoever connects it, names it. What is too long is taken for nothing.
    pub fn named(id: &str, kind: &str, app: &str) -> Self {
        let bounded = |name: &str| if name.len() <= DEVICE_NAME_BYTES_MAX { name.into() } else { Box::default() };
        Self { id: bounded(id), kind: bounded(kind), app: bounded(app), version: Box::default() }
    }

    /// The same, with the version of what connects, as [`Device::named`] takes names.
    pub fn running(self, version: &str) -> Self {
        Self { version: Self::named(version, "", "").id, ..self }
    }

    /// Whether nothing is told.
    pub fn is_unknown(&self) -> bool {
        *self == Self::default()
    }

    /// The same, and where it tells nothing what `other` does.
    pub fn or(self, other: &Self) -> Self {
        let known = |own: Box<str>, other: &str| if own.is_empty() { other.into() } else { own };
        let version = if self.app.is_empty() { known(self.version, &other.version) } else { self.version };
        Self {
            id: known(self.id, &other.id),
            kind: known(self.kind, &other.kind),
            app: known(self.app, &other.app),
            version,
        }
    }

    /// What a person calls it: its id, or what connects.
    pub fn label(&self) -> &str {
        if self.id.is_empty() { &self.app } else { &self.id }
    }
}
