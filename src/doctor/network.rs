//! The kernel's bounds on connections that come and go.

use super::{Finding, proc};
use crate::config::Config;

const SOMAXCONN: &str = "net.core.somaxconn";
const SYN_BACKLOG: &str = "net.ipv4.tcp_max_syn_backlog";
const PORT_RANGE: &str = "net.ipv4.ip_local_port_range";
const RESERVED: &str = "net.ipv4.ip_local_reserved_ports";

pub(super) fn check(config: &Config) -> Vec<Finding> {
    let backlog = config.http_server.backlog;
    let ports = [Some(config.http_server.port), config.tcp_server.enabled.then_some(config.tcp_server.port)];
    let ports: Vec<_> = ports.into_iter().flatten().collect();
    let number = |check, judge: fn(u32, u32) -> Finding| match proc::read(&path(check)) {
        Ok(value) => judge(value, backlog),
        Err(problem) => Finding::unknown(check, problem),
    };
    let range = std::fs::read_to_string(path(PORT_RANGE)).ok();
    let reserved = std::fs::read_to_string(path(RESERVED)).unwrap_or_default();
    vec![
        number(SOMAXCONN, judge_somaxconn),
        number(SYN_BACKLOG, judge_syn_backlog),
        match range.as_deref().and_then(range_of) {
            Some((first, last)) => judge_ports(first, last, &reserved, &ports),
            None => Finding::unknown(PORT_RANGE, format!("{} cannot be read", path(PORT_RANGE))),
        },
    ]
}

fn path(sysctl: &str) -> String {
    format!("/proc/sys/{}", sysctl.replace('.', "/"))
}

fn judge_somaxconn(value: u32, backlog: u32) -> Finding {
    if value >= backlog {
        return Finding::ok(SOMAXCONN, value, format!("`http_server.backlog` = {backlog} holds"));
    }
    Finding::warn(
        SOMAXCONN,
        value,
        format!("it cuts `http_server.backlog` = {backlog}: in a rush of connects clients are turned away sooner"),
        format!("sudo sysctl -w {SOMAXCONN}={backlog}"),
        page!("tuning/backlog.sh"),
    )
}

fn judge_syn_backlog(value: u32, backlog: u32) -> Finding {
    if value >= backlog {
        return Finding::ok(SYN_BACKLOG, value, "handshakes have as much room as connections that wait");
    }
    Finding::warn(
        SYN_BACKLOG,
        value,
        format!(
            "fewer handshakes than `http_server.backlog` = {backlog} may be under way: a rush of connects takes longer"
        ),
        format!("sudo sysctl -w {SYN_BACKLOG}={backlog}"),
        page!("tuning/backlog.sh"),
    )
}

fn judge_ports(first: u16, last: u16, reserved: &str, ports: &[u16]) -> Finding {
    let value = format!("{first}-{last}");
    let may_be_taken = |port: &&u16| (first..=last).contains(*port) && !is_reserved(**port, reserved);
    if let Some(port) = ports.iter().find(may_be_taken) {
        return Finding::warn(
            PORT_RANGE,
            value,
            format!("port {port} of this node lies in it: an outgoing connection may take it before the node starts"),
            format!("sudo sysctl -w {RESERVED}={port}"),
            page!("tuning/ports.sh"),
        );
    }
    let ports = u32::from(last.saturating_sub(first)) + 1;
    Finding::ok(PORT_RANGE, value, format!("a load test opens up to {ports} connections per pair of addresses"))
}

/// Whether a list such as `8000-8001,9090` has the port.
fn is_reserved(port: u16, list: &str) -> bool {
    list.trim().split(',').any(|run| {
        let (first, last) = run.split_once('-').unwrap_or((run, run));
        matches!((first.parse(), last.parse()), (Ok(first), Ok(last)) if (first..=last).contains(&port))
    })
}

fn range_of(text: &str) -> Option<(u16, u16)> {
    let (first, last) = text.trim().split_once(char::is_whitespace)?;
    Some((first.parse().ok()?, last.trim().parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Verdict;

    #[test]
    fn a_backlog_that_the_kernel_cuts_is_said_with_the_command() {
        let finding = judge_somaxconn(128, 4096);
        assert_eq!(
            (finding.verdict, finding.fix.as_deref()),
            (Verdict::Warn, Some("sudo sysctl -w net.core.somaxconn=4096"))
        );
        assert_eq!(judge_somaxconn(4096, 4096).verdict, Verdict::Ok);
    }

    #[test]
    fn handshakes_need_the_room_of_the_backlog() {
        assert_eq!(judge_syn_backlog(2048, 4096).verdict, Verdict::Warn);
        assert_eq!(judge_syn_backlog(4096, 4096).verdict, Verdict::Ok);
    }

    #[test]
    fn a_listening_port_must_not_be_one_for_outgoing_connections() {
        assert_eq!(judge_ports(32_768, 60_999, "", &[8000, 8001]).verdict, Verdict::Ok);
        let finding = judge_ports(1024, 65_535, "\n", &[443, 8001]);
        assert!(finding.verdict == Verdict::Warn && finding.meaning.contains("port 8001"), "{finding:?}");
    }

    #[test]
    fn a_port_that_is_reserved_may_lie_in_the_range() {
        assert_eq!(judge_ports(1024, 65_535, "8000-8001,9090\n", &[8000, 8001, 9090]).verdict, Verdict::Ok);
        assert_eq!(judge_ports(1024, 65_535, "8000,9000-9090", &[8001]).verdict, Verdict::Warn);
    }

    #[test]
    fn the_range_is_two_numbers() {
        assert_eq!(range_of("32768\t60999\n"), Some((32_768, 60_999)));
        assert_eq!(range_of("32768"), None);
    }
}
