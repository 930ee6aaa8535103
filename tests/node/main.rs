//! A whole node in this process, and sockets that behave well or badly.

mod bounds;
mod client;
mod credit;
mod doors;
mod endings;
mod framing;
mod harness;
mod http;
mod rooms;
mod slow;
mod strangers;
