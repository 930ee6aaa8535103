//! The backend API by gRPC, on a port of its own: the methods of the HTTP API under the names of `proto/`.
//!
//! ```text
//! server (accepts; TLS) → conn (HTTP/2) → gate (who may call; counts) → service ┬ call: read → Method → write
//!                                                                                └ health, reflection
//! ```
//!
//! No method is known here: what a request says is read into JSON by its descriptor, as the HTTP API takes it, and a result is
//! written into a message likewise. A method that is new needs its messages in `proto/`, and nothing here.

mod call;
mod codec;
mod conn;
mod deadline;
mod gate;
mod proto;
mod read;
mod server;
mod service;
mod status;
mod tls;
mod visit;
mod write;

pub(super) use server::GrpcServer;
