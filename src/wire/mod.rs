//! Bytes ↔ frames. Knows nothing above bytes; reads in place, in the receive buffer.

pub mod forwarded;
pub mod http;
pub mod length;
pub mod line;
pub mod proxy;
pub mod websocket;

#[cfg(test)]
mod tests;
