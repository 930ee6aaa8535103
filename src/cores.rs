//! Which cores run a shard.

use crate::limits::SHARDS_MAX;

/// The cores that the process may use: its affinity mask, which `taskset`, systemd and container runtimes set.
///
/// # Errors
/// When the kernel does not tell.
pub fn allowed() -> std::io::Result<Vec<usize>> {
    let cores = core_affinity::get_core_ids().ok_or_else(std::io::Error::last_os_error)?;
    Ok(cores.into_iter().map(|core| core.id).collect())
}

/// The core of each shard: those that the list names, or for `all` those that the process may use, at most
/// [`SHARDS_MAX`].
///
/// # Errors
/// What is wrong with the list, for the person who wrote it.
pub fn choose(list: &str) -> Result<Vec<usize>, String> {
    choose_among(list, &allowed().map_err(|error| format!("the kernel does not tell the allowed cores: {error}"))?)
}

/// As [`choose`], where the process may use the `allowed` cores.
///
/// # Errors
/// As [`choose`].
pub fn choose_among(list: &str, allowed: &[usize]) -> Result<Vec<usize>, String> {
    let Some(named) = parse(list)? else {
        return Ok(allowed.iter().copied().take(SHARDS_MAX).collect());
    };
    match named.iter().find(|core| !allowed.contains(core)) {
        Some(core) => Err(format!("core {core} is not among those that the process may use: {}", write(allowed))),
        None => Ok(named),
    }
}

/// Reads a list of cores such as `0-3,6`; `None` for `all`.
///
/// # Errors
/// What is wrong with the list, for the person who wrote it.
pub fn parse(list: &str) -> Result<Option<Vec<usize>>, String> {
    if list.trim() == "all" {
        return Ok(None);
    }
    let mut cores = Vec::new();
    for part in list.split(',').map(str::trim) {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let number = |text: &str| {
            text.trim()
                .parse::<usize>()
                .map_err(|_| format!("\"{part}\" is no core: write `all` or a list like `0-3,6`"))
        };
        let (first, last) = (number(first)?, number(last)?);
        if last < first {
            return Err(format!("\"{part}\" is no range of cores"));
        }
        if cores.len().saturating_add(last - first) >= SHARDS_MAX {
            return Err(format!("a node runs at most {SHARDS_MAX} shards"));
        }
        for core in first..=last {
            if cores.contains(&core) {
                return Err(format!("core {core} is named twice"));
            }
            cores.push(core);
        }
    }
    Ok(Some(cores))
}

/// Cores as [`parse`] reads them: runs as ranges.
pub fn write(cores: &[usize]) -> String {
    let runs = cores.chunk_by(|core, next| core + 1 == *next);
    let run = |run: &[usize]| match run {
        [core] => core.to_string(),
        [first, .., last] => format!("{first}-{last}"),
        [] => unreachable!("a run has a core"),
    };
    runs.map(run).collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_of_cores_and_ranges_is_read_in_its_order() {
        assert_eq!(parse("6, 0-3"), Ok(Some(vec![6, 0, 1, 2, 3])));
        assert_eq!(parse(" all "), Ok(None));
    }

    #[test]
    fn what_is_no_list_of_cores_is_refused() {
        for list in ["", "a", "1,", "3-1", "1-", "-1", "0,0", "0-2,1", "0-64", "0-18446744073709551615"] {
            assert!(parse(list).is_err(), "{list:?}");
        }
    }

    #[test]
    fn as_many_cores_as_a_node_has_shards_can_be_named() {
        let most = format!("0-{}", SHARDS_MAX - 1);
        assert_eq!(parse(&most).unwrap().unwrap().len(), SHARDS_MAX);
        assert!(parse(&format!("{most},{SHARDS_MAX}")).is_err());
    }

    #[test]
    fn a_core_that_the_process_may_not_use_is_refused_by_its_number() {
        assert_eq!(choose_among("4-5", &[4, 5, 6]), Ok(vec![4, 5]));
        let problem = choose_among("4,9", &[4, 5, 6]).unwrap_err();
        assert!(problem.contains("core 9") && problem.ends_with("4-6"), "{problem}");
    }

    #[test]
    fn all_takes_the_allowed_cores_up_to_the_limit() {
        assert_eq!(choose_among("all", &[2, 5]), Ok(vec![2, 5]));
        let many: Vec<_> = (0..SHARDS_MAX + 8).collect();
        assert_eq!(choose_among("all", &many).unwrap().len(), SHARDS_MAX);
    }

    #[test]
    fn cores_are_written_as_they_are_read() {
        assert_eq!(write(&[0, 1, 2, 3, 6, 8, 9]), "0-3,6,8-9");
        assert_eq!(write(&[]), "");
    }

    #[test]
    fn the_process_may_use_a_core() {
        assert!(!allowed().unwrap().is_empty());
    }
}
