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
