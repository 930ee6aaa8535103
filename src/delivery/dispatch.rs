//! What a home has to say to one session by its name.

use std::sync::Arc;

use super::live::{Listener, Seat};
use crate::model::{Payload, Publication};

/// Something for one session in one channel.
#[derive(Clone, Debug)]
pub struct Dispatch {
    /// The channel.
    pub channel: Arc<str>,
    /// Which session.
    pub seat: Seat,
    /// What it is told.
    pub what: Sending,
}

/// What a session is told.
#[derive(Clone, Debug)]
pub enum Sending {
    /// What follows the floor of its device, and whether the session hears what comes along with everybody in the channel.
    Publications {
        /// In order; between them lies nothing that is for the device.
        publications: Arc<[Arc<Publication>]>,
        /// Which attempt of the first it is, from 1.
        attempt: u16,
        /// The device is behind: it is sent nothing but by its name.
        behind: bool,
    },
    /// What followed the floor of its device is no longer kept: the subscription begins anew, and says so.
    Gap,
    /// Positions in the channel have changed.
    Positions(Payload),
}

impl Sending {
    /// Nothing but that the session is sent to by its name from now on.
    pub(super) fn behind() -> Self {
        Self::Publications { publications: Arc::default(), attempt: 1, behind: true }
    }

    /// As one of several sessions of a device is told it: another may want more.
    pub(super) fn for_listener(&self, listener: &Listener) -> Self {
        match self {
            Self::Publications { publications, attempt, behind } if listener.filter.is_some() => {
                let has_first = publications.first().is_some_and(|first| listener.wants(first));
                let wanted = publications.iter().filter(|publication| listener.wants(publication)).cloned().collect();
                Self::Publications {
                    publications: wanted,
                    attempt: if has_first { *attempt } else { 1 },
                    behind: *behind,
                }
            }
            all => all.clone(),
        }
    }

    /// Nothing but that the session hears what comes along with everybody from now on.
    pub(super) fn along() -> Self {
        Self::Publications { publications: Arc::default(), attempt: 1, behind: false }
    }
}
