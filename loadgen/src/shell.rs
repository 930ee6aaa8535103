//! Commands of the shell, by which somebody else's servers are started, killed and disturbed.

use std::os::unix::process::CommandExt as _;
use std::process::{Command, Stdio};

use anyhow::{Context as _, ensure};

/// Where a secret may be, so that neither the shell's history nor a printed command shows it. What is started here does not
/// get it: a node takes a variable that begins as its own do for a setting.
pub(crate) const SECRET_VARIABLE: &str = "RINGPOST_LOADGEN_SECRET";

/// Runs a command with more variables in its environment, and waits until it ends. It is a process group of its own: Ctrl-C
/// ends a run, and not what the run has begun.
///
/// # Errors
/// When it does not start, or fails.
pub(crate) fn run(command: &str, variables: &[(&str, String)]) -> anyhow::Result<()> {
    let mut shell = Command::new("sh");
    shell.args(["-c", command]).env_remove(SECRET_VARIABLE).envs(variables.iter().map(|(name, value)| (name, value)));
    let status = shell.process_group(0).stdin(Stdio::null()).status();
    let status = status.with_context(|| format!("`{command}` does not start"))?;
    ensure!(status.success(), "`{command}` failed: {status}");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_finds_its_variables_and_its_failure_is_told() {
        run("test \"$NODE\" = 2", &[("NODE", "2".into())]).unwrap();
        let error = run("exit 3", &[]).unwrap_err().to_string();
        assert!(error.contains("`exit 3` failed"), "{error}");
    }
}
