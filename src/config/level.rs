//! The level of the log as a person writes it.

use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;

/// Reads a level or a list of levels by module.
///
/// # Errors
/// What is wrong with it, for the person who wrote it.
pub fn log_filter(level: &str) -> Result<EnvFilter, String> {
    // The filter's own reader takes any bare word for the name of a module, and so a misspelt level for none.
    for word in level.split(',').filter(|word| !word.contains(['=', '[', ']'])) {
        if word.parse::<LevelFilter>().is_err() || word.is_empty() {
            return Err(format!("\"{word}\" is no level: write error, warn, info, debug, trace or off"));
        }
    }
    EnvFilter::builder().parse(level).map_err(|error| format!("\"{level}\" cannot be read: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_level_or_levels_by_module_are_read() {
        for level in ["info", "OFF", "warn,ringpost::session=debug", "info,[tick]=trace"] {
            assert!(log_filter(level).is_ok(), "{level}");
        }
    }

    #[test]
    fn a_misspelt_level_is_refused_rather_than_taken_for_a_module() {
        for level in ["", "inof", "info,", "info,ringpost::session=loud"] {
            assert!(log_filter(level).is_err(), "{level}");
        }
    }
}
