//! What can be told.

use crate::broker::visit::Visit;
use crate::delivery::Push;

/// Something to be told.
#[derive(Debug)]
pub enum Entry {
    /// Of a client.
    Visit(Visit),
    /// Whom a push is to tell, or no more.
    Push(Box<Push>),
}
