//! The control plane as it runs, over real sockets, before two shards' real brokers.

mod api;
mod errors;
mod followed;
mod grpc;
mod http;
mod keys;
mod life;
mod metrics;
mod node;
mod openapi;
mod page;
mod sessions;
