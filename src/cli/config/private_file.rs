//! A configuration file that is written anew: it holds secrets, so only its owner can read it.

use std::fs::File;
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

/// Writes a file that is not there yet.
///
/// # Errors
/// For the person at the terminal: it is there already, or cannot be written.
pub(super) fn write_new(path: &Path, text: &str) -> anyhow::Result<()> {
    create(path, text).map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => {
            anyhow::anyhow!("{} is there already, and is left as it is: name another file", path.display())
        }
        _ => anyhow::anyhow!("{} cannot be written: {error}", path.display()),
    })
}

fn create(path: &Path, text: &str) -> io::Result<()> {
    let mut file = File::options().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(text.as_bytes())
}
