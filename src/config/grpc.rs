//! The section of the gRPC API.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::node::is_key;
use super::{ApiErrorMode, HttpApiConfig};

/// The backend API by gRPC, on a port of its own. Only a restart changes this section but for `key`, `insecure` and
/// `error_mode`; what the files of TLS hold is read again at SIGHUP.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct GrpcApiConfig {
    /// Whether the port is open.
    pub enabled: bool,
    /// The address to listen on.
    pub address: String,
    /// The port.
    pub port: u16,
    /// What backends send as the metadata `authorization: apikey KEY`. Empty: `http_api.key`; with `tls_client_ca_file` then
    /// nothing, since a certificate was shown.
    pub key: String,
    /// Whether the API asks for no key. For development only.
    pub insecure: bool,
    /// Where errors of methods are told: in the reply (`reply`), or by the status of the call (`transport`), which a caller can
    /// ask for by the metadata `x-centrifugo-error-mode: transport`.
    pub error_mode: ApiErrorMode,
    /// Whether the services can be asked for what they are, as grpcurl does. Needs the key as calls do.
    pub reflection: bool,
    /// The certificate that the node shows, with those between it and its authority, in PEM. Empty: the port is plain TCP.
    pub tls_cert_file: String,
    /// Its key, in PEM.
    pub tls_key_file: String,
    /// The authorities whose certificates callers must show, in PEM; empty asks for none.
    pub tls_client_ca_file: String,
}

impl GrpcApiConfig {
    /// Whether there is TLS.
    pub fn has_tls(&self) -> bool {
        !self.tls_cert_file.is_empty()
    }

    /// Whether who gives this key may call. How long it takes tells nothing about the key.
    pub fn admits(&self, http_api: &HttpApiConfig, given: Option<&[u8]>) -> bool {
        let key = match self.key.as_str() {
            "" => &http_api.key,
            key => key,
        };
        // Without a certificate of the right authority nobody has come this far.
        let has_shown_certificate = self.key.is_empty() && !self.tls_client_ca_file.is_empty();
        self.insecure || has_shown_certificate || is_key(key, given)
    }

    /// Every broken rule, one line each.
    pub(super) fn check(&self, problems: &mut Vec<String>) {
        if self.tls_cert_file.is_empty() != self.tls_key_file.is_empty() {
            problems.push("`grpc_api.tls_cert_file` and `grpc_api.tls_key_file` are both needed, or none".into());
        }
        if !self.tls_client_ca_file.is_empty() && !self.has_tls() {
            problems.push("`grpc_api.tls_client_ca_file` needs `grpc_api.tls_cert_file`".into());
        }
    }
}

impl Default for GrpcApiConfig {
    fn default() -> Self {
        Self {
            enabled: false,
            address: "0.0.0.0".into(),
            port: 10_000,
            key: String::new(),
            insecure: false,
            error_mode: ApiErrorMode::Reply,
            reflection: false,
            tls_cert_file: String::new(),
            tls_key_file: String::new(),
            tls_client_ca_file: String::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_of_its_own_goes_before_that_of_http_and_a_certificate_is_one() {
        let http = HttpApiConfig { key: "http".into(), ..HttpApiConfig::default() };
        let with = |change: fn(&mut GrpcApiConfig)| {
            let mut config = GrpcApiConfig::default();
            change(&mut config);
            [None, Some(&b"http"[..]), Some(b"own"), Some(b"")].map(|given| config.admits(&http, given))
        };
        assert_eq!(with(|_| ()), [false, true, false, false]);
        assert_eq!(with(|config| config.key = "own".into()), [false, false, true, false]);
        assert_eq!(with(|config| config.tls_client_ca_file = "ca.pem".into()), [true; 4]);
        let both = |config: &mut GrpcApiConfig| {
            (config.key, config.tls_client_ca_file) = ("own".into(), "ca.pem".into());
        };
        assert_eq!(with(both), [false, false, true, false]);
        assert_eq!(with(|config| config.insecure = true), [true; 4]);
        let (none, own) = (HttpApiConfig::default(), GrpcApiConfig::default());
        assert!(!own.admits(&none, Some(b"")) && !own.admits(&none, None), "no key is nobody's");
    }

    #[test]
    fn half_of_what_tls_needs_is_refused() {
        let broken = |change: fn(&mut GrpcApiConfig)| {
            let (mut config, mut problems) = (GrpcApiConfig::default(), Vec::new());
            change(&mut config);
            config.check(&mut problems);
            problems.len()
        };
        assert_eq!(broken(|_| ()), 0);
        assert_eq!(broken(|config| config.tls_cert_file = "a".into()), 1);
        assert_eq!(broken(|config| config.tls_key_file = "a".into()), 1);
        assert_eq!(broken(|config| config.tls_client_ca_file = "a".into()), 1);
    }
}
