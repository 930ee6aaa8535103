//! Which cores run a shard.

/// Reads a list of cores such as `0-3,6`; `None` for `all`.
///
/// # Errors
/// What is wrong with the list, for the person who wrote it.
pub fn parse(list: &str) -> Result<Option<Vec<usize>>, String> {
    if list.trim() == "all" {
        return Ok(None);
    }
    let mut cores = Vec::new();
    for part in list.split(',') {
        let part = part.trim();
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let number = |text: &str| {
            text.trim()
                .parse::<usize>()
                .map_err(|_| format!("\"{part}\" is no core: write `all` or a list like `0-3,6`"))
        };
        let (first, last) = (number(first)?, number(last)?);
        if last < first || last - first >= 1024 {
            return Err(format!("\"{part}\" is no range of cores"));
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

/// The cores to run shards on: those that the list names, or all that the process may use.
///
/// # Errors
/// What is wrong with the list, or which core the process may not use.
pub fn choose(list: &str) -> Result<Vec<usize>, String> {
    let allowed: Vec<usize> = core_affinity::get_core_ids().unwrap_or_default().iter().map(|core| core.id).collect();
    if allowed.is_empty() {
        return Err("the cores that this process may use cannot be read".into());
    }
    let Some(cores) = parse(list)? else { return Ok(allowed) };
    match cores.iter().find(|core| !allowed.contains(core)) {
        Some(core) => Err(format!("this process may not use core {core}; it may use {allowed:?}")),
        None => Ok(cores),
    }
}
