//! How others see a session in one channel.

use std::sync::Arc;

use crate::model::ClientInfo;

/// How others see the session in one channel.
#[derive(Debug)]
pub struct Appearance {
    /// One that the session is in.
    pub channel: Arc<str>,
    /// What is shown there.
    pub info: Arc<ClientInfo>,
}
