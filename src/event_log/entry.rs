//! What can be told.

use crate::broker::visit::Visit;

/// Something to be told.
#[derive(Debug)]
pub enum Entry {
    /// Of a client.
    Visit(Visit),
}
