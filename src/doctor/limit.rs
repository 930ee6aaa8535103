//! Resource limits of the process (getrlimit(2)).

use std::fmt;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// A hard limit, which is what a node can raise its soft limit to. `u64::MAX` is unlimited.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Limit(pub u64);

impl Limit {
    pub(super) fn of(resource: Resource) -> Self {
        Self(getrlimit(resource).maximum.unwrap_or(u64::MAX))
    }
}

impl fmt::Display for Limit {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            u64::MAX => formatter.write_str("unlimited"),
            number => write!(formatter, "{number}"),
        }
    }
}

/// Raises the soft limits of descriptors, locked memory and threads to the hard ones, as any process may.
///
/// # Errors
/// When the kernel refuses.
pub fn raise_limits() -> std::io::Result<()> {
    for resource in [Resource::Nofile, Resource::Memlock, Resource::Nproc] {
        let maximum = getrlimit(resource).maximum;
        setrlimit(resource, Rlimit { current: maximum, maximum })?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn soft_limits_rise_to_the_hard_ones() {
        let limit = getrlimit(Resource::Nofile);
        let lowered = limit.maximum.unwrap_or(u64::MAX).min(limit.current.unwrap_or(u64::MAX)) - 1;
        setrlimit(Resource::Nofile, Rlimit { current: Some(lowered), ..limit }).unwrap();
        raise_limits().unwrap();
        assert_eq!(getrlimit(Resource::Nofile).current, limit.maximum);
    }
}
