//! Sockets of clients: where they come from, how many there may be.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::os::fd::OwnedFd;

use anyhow::ensure;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use socket2::{Domain, Socket, Type};

use crate::limits::{CRASH_PROCESS, DESCRIPTORS_RESERVED, SOURCE_ADDRESSES};

/// Begins to connect the `number`th socket of a load process; it takes bytes once it is connected.
///
/// # Errors
/// What the kernel says.
pub(super) fn connect(
    target: SocketAddr,
    process: u32,
    number: u64,
    receive_buffer_bytes: Option<usize>,
) -> io::Result<OwnedFd> {
    let socket = Socket::new(Domain::for_address(target), Type::STREAM, None)?;
    socket.set_nonblocking(true)?;
    socket.set_tcp_nodelay(true)?;
    // Later the kernel has promised the peer more already.
    if let Some(bytes) = receive_buffer_bytes {
        socket.set_recv_buffer_size(bytes)?;
    }
    if let Some(source) = source(target, process, number) {
        socket.bind(&SocketAddr::new(source.into(), 0).into())?;
    }
    match socket.connect(&target.into()) {
        Ok(()) => {}
        Err(error) if error.raw_os_error() == Some(rustix::io::Errno::INPROGRESS.raw_os_error()) => {}
        Err(error) => return Err(error),
    }
    Ok(socket.into())
}

/// Where the `number`th connection of a load process comes from: on loopback every address of 127.0.0.0/8 is ours, and
/// each has ports of its own. `None` leaves it to the kernel.
fn source(target: SocketAddr, process: u32, number: u64) -> Option<Ipv4Addr> {
    const { assert!(CRASH_PROCESS < 256, "each process has a net of its own") };
    let IpAddr::V4(address) = target.ip() else { return None };
    let host = (number % u64::from(SOURCE_ADDRESSES)) as u8 + 1;
    address.is_loopback().then(|| Ipv4Addr::new(127, 77, process as u8, host))
}

/// Why a socket that takes bytes is not connected, if it is not.
pub(super) fn connect_error(socket: &OwnedFd) -> Option<io::Error> {
    match rustix::net::sockopt::socket_error(socket) {
        Ok(Ok(())) => None,
        Ok(Err(error)) | Err(error) => Some(error.into()),
    }
}

/// How many processes so many connections need, since each may have only so many descriptors.
pub fn processes(connections: u64) -> u32 {
    let allowed = getrlimit(Resource::Nofile).maximum.unwrap_or(u64::MAX);
    let connections_each = allowed.saturating_sub(DESCRIPTORS_RESERVED).max(1);
    connections.div_ceil(connections_each).max(1).try_into().unwrap_or(u32::MAX)
}

/// Makes room for so many connections (or pipes) of this process.
///
/// # Errors
/// When the host does not allow that many descriptors; it says how to allow them.
pub fn allow(connections: u64) -> anyhow::Result<()> {
    let wanted = connections + DESCRIPTORS_RESERVED;
    let limit = getrlimit(Resource::Nofile);
    let allowed = limit.maximum.unwrap_or(u64::MAX);
    ensure!(
        wanted <= allowed,
        "{connections} connections need {wanted} descriptors and this host allows {allowed}: raise the limit with \
         `ulimit -Hn {wanted}` as root, share them among more processes with --processes, or ask for fewer"
    );
    if limit.current.is_some_and(|current| current < wanted) {
        setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum })?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_over_loopback_come_from_many_addresses() {
        let target = "127.0.0.1:8000".parse().unwrap();
        let of = |process| (0..1000).map(move |number| source(target, process, number).unwrap());
        let sources: std::collections::HashSet<_> = of(0).chain(of(CRASH_PROCESS)).collect();
        assert_eq!(sources.len(), 2 * SOURCE_ADDRESSES as usize, "those of another process are others");
        assert!(sources.iter().all(Ipv4Addr::is_loopback));
    }

    #[test]
    fn elsewhere_the_kernel_chooses_the_source() {
        assert_eq!(source("10.0.0.1:8000".parse().unwrap(), 0, 0), None);
        assert_eq!(source("[::1]:8000".parse().unwrap(), 0, 0), None);
    }

    #[test]
    fn more_connections_than_descriptors_are_refused_with_advice() {
        allow(8).unwrap();
        let error = allow(1 << 40).unwrap_err().to_string();
        assert!(error.contains("ulimit"), "{error}");
    }

    #[test]
    fn connections_need_as_many_processes_as_have_descriptors_for_them() {
        assert_eq!([0, 1].map(processes), [1, 1]);
        let each = getrlimit(Resource::Nofile).maximum.unwrap() - DESCRIPTORS_RESERVED;
        assert_eq!([each, each + 1, 3 * each, 3 * each + 1].map(processes), [1, 2, 3, 4]);
    }
}
