//! The application's endpoint: one POST, and what its answer means.

use std::time::{Duration, SystemTime};

use anyhow::Context as _;
use bytes::Bytes;
use reqwest::header::{CONTENT_TYPE, HeaderMap, RETRY_AFTER};
use reqwest::{Client, StatusCode, Url, redirect};

use super::signature::Signer;
use crate::config::NotifyConfig;
use crate::limits::WEBHOOK_ANSWER_BYTES_MAX;

/// What came of an attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// It was taken.
    Taken,
    /// It never will be.
    Refused(String),
    /// It may be later.
    Failed {
        /// Why it was not.
        why: String,
        /// The time that the endpoint asks for.
        asked_for: Option<Duration>,
    },
}

/// See the module.
#[derive(Debug)]
pub(super) struct Endpoint {
    client: Client,
    url: Url,
    signer: Signer,
}

impl Endpoint {
    /// Prepares the way; nothing is connected yet.
    ///
    /// # Errors
    /// What the host lacks, or an address that is none.
    pub(super) fn new(config: &NotifyConfig) -> anyhow::Result<Self> {
        let client = Client::builder()
            .timeout(config.timeout.into())
            // Its body, and with it what it says, is for this endpoint only.
            .redirect(redirect::Policy::none())
            .pool_max_idle_per_host(config.concurrency as usize)
            .user_agent(concat!("ringpost/", env!("CARGO_PKG_VERSION")))
            .build()
            .context("the client of webhooks cannot be built")?;
        let url = config.endpoint.parse().context("notify.endpoint")?;
        Ok(Self { client, url, signer: Signer::new(config.keys()) })
    }

    /// Sends a webhook once. The time is that of the attempt: receivers refuse what is old.
    pub(super) async fn post(&self, id: &str, body: &Bytes, now: SystemTime) -> Outcome {
        let timestamp_unix_s = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs() as i64;
        let request = self.client.post(self.url.clone()).body(body.clone());
        let request = request
            .header(CONTENT_TYPE, "application/json")
            .header("webhook-id", id)
            .header("webhook-timestamp", timestamp_unix_s)
            .header("webhook-signature", self.signer.sign(id, timestamp_unix_s, body));
        let answer = match request.send().await {
            Ok(answer) => answer,
            // Its address is in the configuration, and may hold what is not for logs.
            Err(error) => {
                let error = error.without_url();
                return Outcome::Failed { why: format!("{:#}", anyhow::Error::new(error)), asked_for: None };
            }
        };
        let (status, asked_for) = (answer.status(), retry_after(answer.headers(), now));
        // Nothing of it is of use, but a connection whose answer was read serves again.
        drain(answer).await;
        judge(status, asked_for)
    }
}

/// What a status means.
fn judge(status: StatusCode, asked_for: Option<Duration>) -> Outcome {
    let why = format!("the endpoint answered {}", status.as_u16());
    match status {
        status if status.is_success() => Outcome::Taken,
        StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS => Outcome::Failed { why, asked_for },
        status if status.is_client_error() => Outcome::Refused(why),
        _ => Outcome::Failed { why, asked_for },
    }
}

/// RFC 9110, 10.2.3: seconds, or a date.
fn retry_after(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let said = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    match said.parse() {
        Ok(seconds) => Some(Duration::from_secs(seconds)),
        Err(_) => httpdate::parse_http_date(said).ok()?.duration_since(now).ok(),
    }
}

async fn drain(mut answer: reqwest::Response) {
    let mut read = 0;
    while let Ok(Some(chunk)) = answer.chunk().await {
        read += chunk.len();
        if read > WEBHOOK_ANSWER_BYTES_MAX {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_says_whether_to_try_again() {
        let outcome = |status: u16| judge(StatusCode::from_u16(status).unwrap(), None);
        for status in [200, 201, 202, 204, 299] {
            assert_eq!(outcome(status), Outcome::Taken, "{status}");
        }
        for status in [400, 401, 403, 404, 410, 422, 451] {
            assert!(matches!(outcome(status), Outcome::Refused(_)), "{status}");
        }
        for status in [301, 302, 307, 408, 429, 500, 502, 503, 504] {
            assert!(matches!(outcome(status), Outcome::Failed { .. }), "{status}");
        }
    }

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_790_000_000);
        let said = |said: &str| {
            let headers = [(RETRY_AFTER, said.parse().unwrap())];
            retry_after(&headers.into_iter().collect(), now)
        };
        assert_eq!(said("120"), Some(Duration::from_secs(120)));
        let date = httpdate::fmt_http_date(now + Duration::from_secs(90));
        assert_eq!(said(&date), Some(Duration::from_secs(90)));
        let past = httpdate::fmt_http_date(now - Duration::from_secs(90));
        for none in [past.as_str(), "", "soon", "-1", "1.5", "99999999999999999999"] {
            assert_eq!(said(none), None, "{none}");
        }
        assert_eq!(retry_after(&HeaderMap::new(), now), None);
    }
}
