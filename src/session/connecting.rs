//! A connect reply that waits for what it is made of.

use std::collections::VecDeque;
use std::sync::Arc;

use super::terms::Terms;
use crate::limits::HELD_PUSHES_MAX;
use crate::model::{ClientInfo, Publication, Subscribed};

/// The connect reply in the making.
#[derive(Debug, Default)]
pub struct Connecting {
    /// The connect command's id.
    pub id: u32,
    /// What the homes of its channels are to be asked once the user has its place, and as answers come.
    pub planned: VecDeque<(Arc<str>, Terms)>,
    /// Subscriptions whose homes have not answered, or have not been asked.
    pub pending: usize,
    /// What they have answered.
    pub subs: Vec<(Arc<str>, Subscribed)>,
    /// What must follow the reply, in order.
    pub held: Vec<(Arc<str>, Held)>,
}

impl Connecting {
    /// Whether more was held back than is allowed. The session is told to reconnect once all have answered.
    pub fn is_overfull(&self) -> bool {
        self.held.len() > HELD_PUSHES_MAX
    }
}

/// A push that came before the connect reply was out.
#[derive(Clone, Debug)]
pub enum Held {
    /// A message in the channel.
    Publication(Arc<Publication>),
    /// Somebody came.
    Join(Arc<ClientInfo>),
    /// Somebody left.
    Leave(Arc<ClientInfo>),
}
