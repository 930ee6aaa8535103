//! The gRPC API, over real sockets.

mod answers;
mod client;
mod health;
mod life;
mod proto;
mod refusals;
mod tls;

use super::node::Setup;
use crate::config::Config;

/// A node that serves gRPC as well.
fn served() -> Setup {
    served_with(|_| ())
}

fn served_with(change: impl FnOnce(&mut Config)) -> Setup {
    let mut config = Config::dev();
    config.client.subscribe_to_user_personal_channel.enabled = false;
    (config.grpc_api.enabled, config.grpc_api.reflection) = (true, true);
    change(&mut config);
    Setup { config, ..Setup::default() }
}
