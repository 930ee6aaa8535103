//! The ports of a node.

use std::net::{IpAddr, SocketAddr, TcpListener};
use std::os::fd::OwnedFd;

use anyhow::Context as _;

use crate::config::{Config, Listener, Purpose};
use crate::doctor::why_not_listening;
use crate::patience::{is_in_use, patiently};
use crate::shard::doors::{self, Doors};

/// Binds all ports for every shard. Returns each shard's doors; `addresses` gets what is where.
pub(super) fn open_doors(
    config: &Config,
    shards: usize,
    addresses: &mut Vec<(Purpose, SocketAddr)>,
) -> anyhow::Result<Vec<Doors>> {
    let mut doors: Vec<Doors> = (0..shards).map(|_| Doors::default()).collect();
    for wanted in config.listeners() {
        let (address, listeners) = listen(wanted, config.http_server.backlog, shards)?;
        addresses.push((wanted.purpose, address));
        for (doors, listener) in doors.iter_mut().zip(listeners) {
            doors.add(wanted.purpose, listener);
        }
    }
    Ok(doors)
}

/// Binds one port for every shard.
pub(super) fn listen(wanted: Listener<'_>, backlog: u32, shards: usize) -> anyhow::Result<(SocketAddr, Vec<OwnedFd>)> {
    let Listener { section, address, port, .. } = wanted;
    let wanted = socket_address(section, address, port)?;
    let refused = |error| refused_to_listen(section, wanted, error);
    // Shards share the port, and another process of the same user could share it as silently: look first.
    if port != 0 {
        look_for_free(wanted).map_err(refused)?;
    }
    let (first, bound) = doors::bind(wanted, backlog).map_err(refused)?;
    let mut listeners = vec![first];
    for _ in 1..shards {
        listeners.push(doors::bind(bound, backlog).map_err(refused)?.0);
    }
    Ok((bound, listeners))
}

/// Binds the port of gRPC, which is the control plane's alone.
pub(super) fn listen_for_grpc(config: &Config) -> anyhow::Result<Option<TcpListener>> {
    let grpc = &config.grpc_api;
    if !grpc.enabled {
        return Ok(None);
    }
    let wanted = socket_address("grpc_api", &grpc.address, grpc.port)?;
    let listener = patiently(|| TcpListener::bind(wanted), is_in_use);
    listener.map(Some).map_err(|error| refused_to_listen("grpc_api", wanted, error))
}

fn socket_address(section: &str, address: &str, port: u16) -> anyhow::Result<SocketAddr> {
    let address: IpAddr = address.parse().with_context(|| format!("{section}.address is no IP address"))?;
    Ok(SocketAddr::new(address, port))
}

fn refused_to_listen(section: &str, wanted: SocketAddr, error: std::io::Error) -> anyhow::Error {
    let (meaning, fix) = why_not_listening(&error);
    anyhow::Error::new(error).context(format!("{section}: cannot listen on {wanted}: {meaning}; {fix}"))
}

/// Whether nobody listens there.
fn look_for_free(address: SocketAddr) -> std::io::Result<()> {
    patiently(|| TcpListener::bind(address), is_in_use).map(drop)
}
