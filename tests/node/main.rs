//! A whole node in this process, and sockets that behave well or badly.

mod access_log;
mod bounds;
mod client;
mod consul;
mod credit;
mod devices;
mod discovery;
mod doors;
mod endings;
mod endless;
mod framing;
mod harness;
mod http;
mod proxies;
mod rooms;
mod slow;
mod store;
mod strangers;
