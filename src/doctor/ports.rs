//! Ports: whether a node could listen where it is configured to.

use std::io;
use std::net::{IpAddr, SocketAddr, TcpListener};

use rustix::io::Errno;

use super::Finding;
use crate::config::{Config, Port};

pub(super) fn check(config: &Config) -> Vec<Finding> {
    let looked = config.ports().into_iter().filter_map(|Port { section, address, port }| {
        let wanted = SocketAddr::new(address.parse::<IpAddr>().ok()?, port);
        Some(judge(section, wanted, TcpListener::bind(wanted).map(drop)))
    });
    looked.collect()
}

fn judge(check: &'static str, wanted: SocketAddr, bound: io::Result<()>) -> Finding {
    let Err(error) = bound else { return Finding::ok(check, wanted, "the port is free") };
    let (meaning, fix) = why(&error);
    let meaning = format!("{meaning}: {error}");
    let see = page!("docs/OPERATIONS.md");
    match Errno::from_io_error(&error) {
        // It may be the node that is to be looked at.
        Some(Errno::ADDRINUSE) => Finding::warn(check, wanted, meaning, fix, see),
        _ => Finding::fail(check, wanted, meaning, fix, see),
    }
}

/// Why a process may not listen: what the error of the socket means, and how to mend it.
pub fn why(error: &io::Error) -> (&'static str, &'static str) {
    match Errno::from_io_error(error) {
        Some(Errno::ADDRINUSE) => (
            "another process listens there, perhaps another node",
            "end it, or choose another port; `sudo ss -ltnp` names it",
        ),
        Some(Errno::ACCESS | Errno::PERM) => (
            "ports below net.ipv4.ip_unprivileged_port_start (1024) need a privilege",
            "choose a port from 1024 up, or give CAP_NET_BIND_SERVICE: AmbientCapabilities= and CapabilityBoundingSet= in \
             the systemd unit, `--cap-add NET_BIND_SERVICE` for a container",
        ),
        Some(Errno::ADDRNOTAVAIL) => {
            ("this host does not have that address", "choose one that `ip address` shows, or 0.0.0.0 or [::] for all")
        }
        Some(Errno::AFNOSUPPORT) => {
            ("this host does not speak that version of IP", "choose an address of the other version")
        }
        Some(Errno::MFILE | Errno::NFILE) => {
            ("no descriptor is left", "raise the limit of descriptors: LimitNOFILE= in the systemd unit, `ulimit -n`")
        }
        _ => ("the kernel refuses", "choose another address or port"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Verdict;

    fn refused(errno: Errno) -> Finding {
        judge("http_server", ([127, 0, 0, 1], 80).into(), Err(errno.into()))
    }

    #[test]
    fn a_port_that_needs_a_privilege_is_not_called_taken() {
        let finding = refused(Errno::ACCESS);
        assert_eq!((finding.verdict, finding.value.as_str()), (Verdict::Fail, "127.0.0.1:80"));
        assert!(finding.meaning.contains("need a privilege") && finding.meaning.contains("os error 13"), "{finding}");
        assert!(finding.fix.unwrap().contains("CAP_NET_BIND_SERVICE"));
    }

    #[test]
    fn an_address_of_another_host_is_named() {
        assert!(refused(Errno::ADDRNOTAVAIL).meaning.starts_with("this host does not have that address"));
        let mut config = Config::default();
        (config.http_server.address, config.http_server.port) = ("192.0.2.1".into(), 0);
        (config.tcp_server.address, config.tcp_server.port) = ("127.0.0.1".into(), 0);
        let verdicts: Vec<_> = check(&config).iter().map(|finding| finding.verdict).collect();
        assert_eq!(verdicts, [Verdict::Fail, Verdict::Ok]);
    }

    #[test]
    fn a_port_that_is_taken_may_be_the_nodes_own() {
        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = taken.local_addr().unwrap();
        let finding = judge("tcp_server", address, TcpListener::bind(address).map(drop));
        assert_eq!(finding.verdict, Verdict::Warn);
        assert!(finding.meaning.contains("perhaps another node"), "{finding}");
    }
}
