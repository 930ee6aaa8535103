//! The three calls of an agent of Consul (`/v1/agent/service`) that a registration takes.

use std::time::Duration;

use anyhow::{Context as _, ensure};
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use reqwest::{Client, RequestBuilder, Response, StatusCode, Url, redirect};

use super::registration::Registration;
use crate::config::ConsulConfig;
use crate::limits::{DISCOVERY_ANSWER_BYTES_MAX, DISCOVERY_CALL_MS};

/// How Consul is told its token.
const TOKEN: HeaderName = HeaderName::from_static("x-consul-token");

/// An agent.
#[derive(Debug)]
pub(super) struct Consul {
    client: Client,
    address: Url,
}

impl Consul {
    /// The agent of the configuration.
    ///
    /// # Errors
    /// An address that is none, a token that cannot be sent.
    pub(super) fn new(config: &ConsulConfig) -> anyhow::Result<Self> {
        let mut headers = HeaderMap::new();
        if !config.token.is_empty() {
            let mut token = HeaderValue::from_str(&config.token).context("the token has letters that none may have")?;
            token.set_sensitive(true);
            headers.insert(TOKEN, token);
        }
        let client = Client::builder()
            .timeout(Duration::from_millis(DISCOVERY_CALL_MS))
            .user_agent(concat!("ringpost/", env!("CARGO_PKG_VERSION")))
            .default_headers(headers)
            // Its token is for this agent only, and no agent sends elsewhere.
            .redirect(redirect::Policy::none())
            .no_proxy()
            .build()
            .context("the client cannot be built")?;
        Ok(Self { client, address: config.address.parse().context("the address is no URL")? })
    }

    /// Registers a service, or says anew what it is.
    ///
    /// # Errors
    /// The agent does not answer, or refuses.
    pub(super) async fn register(&self, registration: &Registration) -> anyhow::Result<()> {
        let mut url = self.url(&["register"]);
        url.query_pairs_mut().append_pair("replace-existing-checks", "true");
        done(self.client.put(url).json(registration)).await
    }

    /// Takes a service off.
    ///
    /// # Errors
    /// The agent does not answer, or refuses.
    pub(super) async fn deregister(&self, id: &str) -> anyhow::Result<()> {
        done(self.client.put(self.url(&["deregister", id]))).await
    }

    /// Whether the agent knows a service.
    ///
    /// # Errors
    /// The agent does not answer, or refuses.
    pub(super) async fn knows(&self, id: &str) -> anyhow::Result<bool> {
        let response = self.client.get(self.url(&[id])).send().await?;
        match response.status() {
            StatusCode::NOT_FOUND => Ok(false),
            _ => checked(response).await.map(|()| true),
        }
    }

    fn url(&self, path: &[&str]) -> Url {
        let mut url = self.address.clone();
        // An http URL has a path, and what is pushed is encoded.
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(["v1", "agent", "service"]).extend(path);
        }
        url
    }
}

async fn done(request: RequestBuilder) -> anyhow::Result<()> {
    checked(request.send().await?).await
}

/// What an agent refuses, it says in a line of text.
async fn checked(mut response: Response) -> anyhow::Result<()> {
    let status = response.status();
    let mut text = Vec::new();
    while text.len() < DISCOVERY_ANSWER_BYTES_MAX
        && let Some(chunk) = response.chunk().await?
    {
        text.extend_from_slice(&chunk);
    }
    text.truncate(DISCOVERY_ANSWER_BYTES_MAX);
    ensure!(status.is_success(), "{status}: {}", String::from_utf8_lossy(&text).trim());
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::io::{ErrorKind, Read as _, Write as _};
    use std::net::TcpListener;
    use std::thread;

    use super::*;

    #[tokio::test]
    async fn a_token_is_not_carried_to_where_an_agent_points() {
        let [agent, elsewhere] = [(), ()].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
        let (address, other) = (agent.local_addr().unwrap(), elsewhere.local_addr().unwrap());
        let points = thread::spawn(move || {
            let (mut socket, _) = agent.accept().unwrap();
            let read = socket.read(&mut [0; 4096]).unwrap();
            assert!(read > 0);
            let answer =
                format!("HTTP/1.1 307 Temporary Redirect\r\nlocation: http://{other}/\r\ncontent-length: 0\r\n\r\n");
            socket.write_all(answer.as_bytes()).unwrap();
        });
        let address = format!("http://{address}");
        let consul = Consul::new(&ConsulConfig { address, token: "secret".into(), ..ConsulConfig::default() }).unwrap();
        let refused = consul.deregister("node").await.unwrap_err();
        assert!(refused.to_string().contains("307"), "{refused:#}");
        points.join().unwrap();
        elsewhere.set_nonblocking(true).unwrap();
        assert_eq!(elsewhere.accept().unwrap_err().kind(), ErrorKind::WouldBlock);
    }
}
