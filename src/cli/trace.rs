//! `ringpost trace`: asks a node what has become of one message.

use std::net::{IpAddr, SocketAddr};
use std::process::ExitCode;

use anyhow::{Context as _, bail};
use clap::Args;
use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::banner::reachable;
use super::print::print;
use super::source::Source;
use crate::config::Config;

/// Ask a node when a message was published, sent, received, read or given up, by device
///
/// For channels of namespaces with `delivery = "at_least_once"`. The node is found by the configuration; the newest events of
/// each shard are kept. Ends with code 1 where nothing is known of the message.
#[derive(Debug, Args)]
pub(super) struct Trace {
    /// The channel
    channel: String,
    /// The message's offset
    offset: u64,
    /// Only what is about this user
    #[arg(long)]
    user: Option<String>,
    /// Where the node's API is, such as http://127.0.0.1:8000
    #[arg(long)]
    url: Option<String>,
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    source: Source,
}

impl Trace {
    pub(super) fn run(self) -> anyhow::Result<ExitCode> {
        let config = self.source.load()?;
        let url = match &self.url {
            Some(url) => url.trim_end_matches('/').to_owned(),
            None => format!("http://{}", address(&config)?),
        };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let mut answer = runtime.block_on(self.ask(&url, &config.http_api.key))?;
        let Value::Array(events) = answer["events"].take() else { bail!("{url} answers with {answer}") };
        if let Some(left_out) = answer["left_out"].as_u64() {
            eprintln!("{left_out} earlier events are left out");
        }
        for node in answer["unanswered"].as_array().into_iter().flatten().filter_map(Value::as_str) {
            eprintln!("{node} has not answered: what has happened there is missing");
        }
        let concerned = |event: &&Value| self.user.as_ref().is_none_or(|user| event["user"] == **user);
        let events: Vec<_> = events.iter().filter(concerned).collect();
        match self.json {
            true => print(&format!("{:#}\n", json!(events)))?,
            false => print(&events.iter().map(|event| line(event)).collect::<String>())?,
        }
        Ok(if events.is_empty() { ExitCode::FAILURE } else { ExitCode::SUCCESS })
    }

    async fn ask(&self, url: &str, key: &str) -> anyhow::Result<Value> {
        let body = json!({ "channel": self.channel, "offset": self.offset });
        let call = reqwest::Client::new().post(format!("{url}/api/trace")).header("X-API-Key", key).json(&body);
        let answer = call.send().await.with_context(|| format!("no node answers at {url}"))?;
        let mut answer: Value = answer.json().await.with_context(|| format!("{url} is no node's API"))?;
        if let Some(message) = answer["error"]["message"].as_str() {
            bail!("{message}");
        }
        Ok(answer["result"].take())
    }
}

/// Where a node with this configuration has its API.
fn address(config: &Config) -> anyhow::Result<SocketAddr> {
    let (address, port) = match config.internal_server.is_set() {
        true => (&config.internal_server.address, config.internal_server.port),
        false => (&config.http_server.address, config.http_server.port),
    };
    if port == 0 {
        bail!("the configuration has the kernel choose the port: say --url");
    }
    let address: IpAddr = address.parse().with_context(|| format!("{address} is no address"))?;
    Ok(reachable((address, port).into()))
}

/// `2026-11-26T05:00:00.123Z  sent      attempt 2  ada phone`
fn line(event: &Value) -> String {
    let at_ms = event["at_ms"].as_i64().unwrap_or_default();
    let time = OffsetDateTime::from_unix_timestamp_nanos(i128::from(at_ms) * 1_000_000);
    let time = time.ok().and_then(|time| time.format(&Rfc3339).ok()).unwrap_or_default();
    let attempt = event["attempt"].as_u64().map_or(String::new(), |attempt| format!("  attempt {attempt}"));
    let text = |field: &str| {
        event[field].as_str().filter(|text| !text.is_empty()).map_or(String::new(), |text| format!("  {text}"))
    };
    format!(
        "{time:<24}  {:<9}{attempt}{}{}\n",
        event["what"].as_str().unwrap_or_default(),
        text("user"),
        text("device")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_a_line_with_what_is_known_of_it() {
        let event =
            json!({ "at_ms": 1_790_000_000_123_i64, "what": "sent", "user": "ada", "device": "phone", "attempt": 2 });
        assert_eq!(line(&event), "2026-09-21T14:13:20.123Z  sent       attempt 2  ada  phone\n");
        let event = json!({ "at_ms": 1_790_000_000_000_i64, "what": "published" });
        assert_eq!(line(&event), "2026-09-21T14:13:20Z      published\n");
    }

    #[test]
    fn a_node_is_found_by_its_configuration() {
        let mut config = Config::dev();
        assert_eq!(address(&config).unwrap().to_string(), "127.0.0.1:8000");
        config.internal_server.address = "0.0.0.0".into();
        config.internal_server.port = 9000;
        assert_eq!(address(&config).unwrap().to_string(), "127.0.0.1:9000");
        config.internal_server.port = 0;
        assert!(address(&config).is_err());
    }
}
