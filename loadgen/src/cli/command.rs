//! A command as a shell takes it: copied into one, it does the same again.

use shlex::Quoter;

pub(super) use crate::shell::SECRET_VARIABLE;

/// A command line that grows.
#[derive(Debug)]
pub(super) struct CommandLine(String);

impl CommandLine {
    /// Of a program and its first arguments.
    pub(super) fn new(program: &str, arguments: &[&str]) -> Self {
        let mut line = Self(quoted(program));
        arguments.iter().for_each(|argument| line.push(argument));
        line
    }

    /// An argument.
    pub(super) fn push(&mut self, argument: &str) {
        self.0.push(' ');
        self.0.push_str(&quoted(argument));
    }

    /// An option and its value.
    pub(super) fn option(&mut self, name: &str, value: &str) {
        self.push(name);
        self.push(value);
    }

    /// The secret, by the name of the variable that is to hold it.
    pub(super) fn secret(&mut self) {
        self.0.push_str(&format!(" --secret \"${SECRET_VARIABLE}\""));
    }

    /// The whole of it.
    pub(super) fn into_string(self) -> String {
        self.0
    }
}

fn quoted(argument: &str) -> String {
    // What comes from a command line has no NUL, and all else can be quoted.
    Quoter::new().allow_nul(true).quote(argument).map_or_else(|_| argument.to_owned(), Into::into)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shell_reads_back_what_was_typed() {
        let arguments =
            ["run", "my scenario.toml", "--url", "ws://127.0.0.1:8000/a?b=c&d=e", "--set", "about=it's $HOME"];
        let line = CommandLine::new("target/debug/ringpost-loadgen", &arguments).into_string();
        let read = shlex::split(&line).unwrap();
        assert_eq!(read[0], "target/debug/ringpost-loadgen");
        assert_eq!(read[1..], arguments);
    }

    #[test]
    fn a_secret_is_named_and_left_to_the_shell() {
        let mut line = CommandLine::new("ringpost-loadgen", &["run"]);
        line.secret();
        assert_eq!(line.into_string(), "ringpost-loadgen run --secret \"$RINGPOST_LOADGEN_SECRET\"");
    }
}
