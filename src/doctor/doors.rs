//! Whether the ports can be listened on, before the shards do it together.

use std::io;
use std::net::{IpAddr, SocketAddr, TcpListener};

use rustix::io::Errno;

use super::Finding;
use crate::config::Config;

/// Tries the configured ports. A node must ask, for its listeners share a port with any other process of the
/// same user that shares it: a second node would take half of the first one's connections without a word.
pub fn doors(config: &Config) -> Vec<Finding> {
    let (http, tcp) = (&config.http_server, &config.tcp_server);
    let http = ("http_server", &http.address, http.port);
    let tcp = tcp.enabled.then_some(("tcp_server", &tcp.address, tcp.port));
    let look = |(section, address, port): (&'static str, &String, u16)| {
        let address = SocketAddr::new(address.parse::<IpAddr>().ok()?, port);
        Some(judge(section, address, TcpListener::bind(address).map(drop)))
    };
    [Some(http), tcp].into_iter().flatten().filter_map(look).collect()
}

fn judge(section: &'static str, address: SocketAddr, bound: io::Result<()>) -> Finding {
    let Err(error) = bound else { return Finding::ok(section, address, "free") };
    let port = address.port();
    let (meaning, fix) = match Errno::from_io_error(&error) {
        Some(Errno::ADDRINUSE) => (
            "another process listens there".into(),
            format!("`ss -ltnp 'sport = :{port}'` shows which; stop it, or choose another `{section}.port`"),
        ),
        Some(Errno::ACCESS) => (
            format!("port {port} is kept for privileged processes"),
            format!(
                "choose a `{section}.port` from 1024 up, or AmbientCapabilities=CAP_NET_BIND_SERVICE in the systemd unit"
            ),
        ),
        Some(Errno::ADDRNOTAVAIL) => (
            "the host does not have this address".into(),
            format!("`ip address` shows those it has; 0.0.0.0 in `{section}.address` takes them all"),
        ),
        _ => (error.to_string(), format!("choose another `{section}.address` or `{section}.port`")),
    };
    Finding::fail(section, address, meaning, fix)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Verdict;

    #[test]
    fn a_port_that_is_taken_fails_with_its_section() {
        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut config = Config::dev();
        config.http_server.port = 0;
        config.tcp_server.port = taken.local_addr().unwrap().port();
        let findings = doors(&config);
        assert_eq!(findings.iter().map(|found| found.verdict).collect::<Vec<_>>(), [Verdict::Ok, Verdict::Fail]);
        assert!(findings[1].fix.as_ref().unwrap().contains("`tcp_server.port`"), "{findings:?}");
    }

    #[test]
    fn a_door_that_is_shut_is_not_tried() {
        let mut config = Config::dev();
        (config.http_server.port, config.tcp_server.enabled) = (0, false);
        assert_eq!(doors(&config).len(), 1);
    }

    #[test]
    fn an_address_of_another_host_and_a_privileged_port_have_their_own_remedies() {
        let fix = |errno: Errno| judge("http_server", ([203, 0, 113, 7], 80).into(), Err(errno.into())).fix.unwrap();
        assert!(fix(Errno::ADDRNOTAVAIL).contains("ip address"));
        assert!(fix(Errno::ACCESS).contains("CAP_NET_BIND_SERVICE"));
    }
}
