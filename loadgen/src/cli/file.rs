//! A file that is written when a run is over, and that is known to be writable before the run begins.
//!
//! It is written beside itself and renamed when it is whole, so that a full disk leaves what was there before. What is
//! no regular file, such as /dev/stdout, is written in place.

use std::fs::{OpenOptions, Permissions};
use std::io::{self, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, ensure};
use tempfile::NamedTempFile;

/// A file that can be written.
#[derive(Debug)]
pub(super) struct OutputFile {
    path: PathBuf,
}

impl OutputFile {
    /// The file that an option names.
    ///
    /// # Errors
    /// Why it cannot be written, and what to do about it.
    pub(super) fn new(option: &str, path: &Path) -> anyhow::Result<Self> {
        ensure!(!path.is_dir(), "{option} {} is a folder: name a file in it", path.display());
        // A link is written through.
        let path = path.canonicalize().unwrap_or_else(|_| path.to_owned());
        let file = Self { path };
        let folder = file.folder();
        ensure!(
            folder.is_dir(),
            "{option} {} cannot be written: there is no folder {folder}, make it with `mkdir -p {folder}`",
            file.path.display(),
            folder = folder.display()
        );
        let opened = if file.is_in_place() { file.open().map(drop) } else { file.beside().map(drop) };
        opened.with_context(|| format!("{option} {} cannot be written: name another place", file.path.display()))?;
        Ok(file)
    }

    /// Writes it.
    ///
    /// # Errors
    /// What the kernel says.
    pub(super) fn write(&self, text: &str) -> anyhow::Result<()> {
        let written = if self.is_in_place() { self.write_in_place(text) } else { self.replace(text) };
        written.with_context(|| format!("{} cannot be written", self.path.display()))
    }

    fn folder(&self) -> &Path {
        self.path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
    }

    fn is_in_place(&self) -> bool {
        self.path.exists() && !self.path.is_file()
    }

    fn open(&self) -> io::Result<std::fs::File> {
        OpenOptions::new().write(true).open(&self.path)
    }

    fn write_in_place(&self, text: &str) -> io::Result<()> {
        self.open()?.write_all(text.as_bytes())
    }

    fn beside(&self) -> io::Result<NamedTempFile> {
        // Readable as other files are; the umask takes its part.
        tempfile::Builder::new().permissions(Permissions::from_mode(0o666)).tempfile_in(self.folder())
    }

    fn replace(&self, text: &str) -> io::Result<()> {
        let mut file = self.beside()?;
        file.write_all(text.as_bytes())?;
        file.persist(&self.path)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(path: &Path) -> String {
        format!("{:#}", OutputFile::new("--html", path).unwrap_err())
    }

    #[test]
    fn what_cannot_be_written_is_refused_with_what_to_do() {
        let folder = tempfile::tempdir().unwrap();
        let missing = folder.path().join("none");
        let error = refused(&missing.join("run.html"));
        assert!(error.contains("--html") && error.contains(&format!("mkdir -p {}", missing.display())), "{error}");
        assert!(refused(folder.path()).contains("is a folder"), "{}", refused(folder.path()));
        std::fs::write(folder.path().join("file"), "").unwrap();
        assert!(refused(&folder.path().join("file/run.html")).contains("there is no folder"));
        assert!(refused(Path::new("/proc/run.html")).contains("name another place"));
    }

    #[test]
    fn nothing_is_left_before_it_is_written_and_a_link_is_written_through() {
        let folder = tempfile::tempdir().unwrap();
        let [target, link] = ["target", "link"].map(|name| folder.path().join(name));
        std::fs::write(&target, "old").unwrap();
        std::os::unix::fs::symlink(&target, &link).unwrap();
        let file = OutputFile::new("--json", &link).unwrap();
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 2);
        assert_eq!(std::fs::read_to_string(&target).unwrap(), "old");
        file.write("new").unwrap();
        assert_eq!(std::fs::read_to_string(&target).unwrap(), "new");
        assert!(link.is_symlink());
    }

    #[test]
    fn a_full_disk_is_told_and_spoils_no_device() {
        let file = OutputFile::new("--json", Path::new("/dev/full")).unwrap();
        let error = format!("{:#}", file.write("text").unwrap_err());
        assert!(error.contains("/dev/full cannot be written") && error.contains("No space left"), "{error}");
        assert!(!Path::new("/dev/full").is_file());
    }
}
