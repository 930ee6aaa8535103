//! `ringpost config init`.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::Args;

use super::private_file;
use crate::cli::print::print;
use crate::config::{self, TcpServerConfig};

/// Write a file to start from, with secrets of its own; a file that is there already is left alone
#[derive(Debug, Args)]
pub(in crate::cli) struct Init {
    /// The file to write; only its owner can read it
    #[arg(default_value = "ringpost.toml")]
    file: PathBuf,
}

impl Init {
    pub(super) fn run(self) -> anyhow::Result<()> {
        let text = config::starter_toml().context("the system gives no random bytes for secrets")?;
        private_file::write_new(&self.file, &text)?;
        Ok(print(&what_next(&self.file))?)
    }
}

fn what_next(file: &Path) -> String {
    let command = std::env::args().next().unwrap_or_else(|| "ringpost".into());
    let (file, port) = (file.display(), TcpServerConfig::default().port);
    let connect = r#"{"id":1,"connect":{"token":"'$token'"}}"#;
    let subscribe = r#"{"id":2,"subscribe":{"channel":"chat:lobby"}}"#;
    format!(
        "{file} is written, with secrets of its own; only you can read it. What comes next:

  # look the host over, and run the node
  {command} doctor --config {file}
  {command} serve --config {file}

  # in another shell: make a token, connect with it, and listen
  token=$({command} token connection --config {file} --user 42)
  (echo '{connect}'; echo '{subscribe}'; cat) | nc 127.0.0.1 {port}

In production your backend makes the tokens, with `client.token.hmac_secret_key`, and calls the API with `http_api.key`.
"
    )
}
