//! The network device that clients come in by: that of the default route.

use std::fs;
use std::path::PathBuf;

/// Its name; `None` where there is no default route.
pub(super) fn name() -> Option<String> {
    of_default_route(&fs::read_to_string("/proc/net/route").ok()?)
}

/// Where the kernel tells of a device.
pub(super) fn folder(device: &str) -> PathBuf {
    PathBuf::from("/sys/class/net").join(device)
}

fn of_default_route(routes: &str) -> Option<String> {
    let routes = routes.lines().map(|line| line.split_whitespace());
    routes
        .filter_map(|mut words| Some((words.next()?, words.next()?)))
        .find_map(|(device, destination)| (destination == "00000000").then(|| device.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_device_is_that_of_the_default_route() {
        let routes = "Iface\tDestination\tGateway\nlo\t0000007F\t0\neth0\t00000000\t0101A8C0\n";
        assert_eq!(of_default_route(routes).as_deref(), Some("eth0"));
        assert_eq!(of_default_route("Iface\tDestination\n"), None);
    }
}
