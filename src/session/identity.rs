//! Who a client is, once its token (or anonymity) was accepted.

use std::sync::Arc;

use super::enrolment::Enrolment;
use crate::auth::Mark;
use crate::auth::grant::Grant;
use crate::model::{ClientInfo, Device, Recover};

/// A client whose token (or anonymity) was accepted.
#[derive(Debug)]
pub struct Identity {
    /// The connect command's id.
    pub id: u32,
    /// As others will see it.
    pub info: Arc<ClientInfo>,
    /// By what its token can be called back.
    pub token: Mark,
    /// Token's expiry, Unix seconds.
    pub expire_at_unix_s: Option<i64>,
    /// Which device it is on, as far as the token, a header or the SDK tells.
    pub device: Device,
    /// What to subscribe before the answer.
    pub planned: Vec<PlannedSubscription>,
    /// What the user's roster must be asked, where users or their devices are limited.
    pub enrolment: Option<Box<Enrolment>>,
}

/// A subscription that comes with the connection.
#[derive(Debug)]
pub struct PlannedSubscription {
    /// Its namespace is known.
    pub channel: Arc<str>,
    /// By the connection token, or none.
    pub grant: Grant,
    /// What the client wants to recover.
    pub recover: Option<Recover>,
    /// Named by the token, rather than by the configuration or by the client that comes back.
    pub by_token: bool,
}
