//! The access log: whether a node could write its file. Looks without making the file, which would be the doctor's.

use std::fs::OpenOptions;
use std::io;
use std::path::Path;

use rustix::fs::{Access, access};

use super::Finding;
use crate::config::AccessLogConfig;

pub(super) fn check(config: &AccessLogConfig) -> Option<Finding> {
    if !config.enabled || config.path.is_empty() {
        return None;
    }
    Some(judge(&config.path, look(Path::new(&config.path))))
}

fn look(path: &Path) -> io::Result<()> {
    match OpenOptions::new().append(true).open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
            Ok(access(folder, Access::WRITE_OK | Access::EXEC_OK)?)
        }
        opened => opened.map(drop),
    }
}

fn judge(path: &str, looked: io::Result<()>) -> Finding {
    const CHECK: &str = "access log";
    match looked {
        Ok(()) => Finding::ok(CHECK, path, "the file can be written"),
        Err(error) => Finding::fail(
            CHECK,
            path,
            format!("the file cannot be written: {error}"),
            "make its folder, owned by the user of the node: LogsDirectory= in the systemd unit",
            page!("tuning/ringpost.service"),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Verdict;

    fn verdict(path: &Path) -> Option<Verdict> {
        let config =
            AccessLogConfig { enabled: true, path: path.to_str().unwrap().into(), ..AccessLogConfig::default() };
        check(&config).map(|finding| finding.verdict)
    }

    #[test]
    fn a_file_that_can_be_made_or_written_is_well_and_is_not_made() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("access.log");
        assert_eq!(verdict(&path), Some(Verdict::Ok));
        assert!(!path.exists());
        std::fs::write(&path, "").unwrap();
        assert_eq!(verdict(&path), Some(Verdict::Ok));
    }

    #[test]
    fn a_folder_that_is_not_there_fails() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(verdict(&folder.path().join("logs/access.log")), Some(Verdict::Fail));
        assert_eq!(verdict(folder.path()), Some(Verdict::Fail), "a folder is no file");
    }

    #[test]
    fn standard_output_needs_no_file() {
        assert_eq!(verdict(Path::new("")), None);
        assert!(check(&AccessLogConfig { path: "/nowhere/a".into(), ..AccessLogConfig::default() }).is_none());
    }
}
