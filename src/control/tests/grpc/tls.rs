//! TLS, and callers that show certificates.

use std::fs;
use std::process::Command;

use serde_json::json;
use tempfile::TempDir;
use tonic::Status;
use tonic::transport::{Certificate, ClientTlsConfig, Endpoint, Identity};

use super::super::node::TestNode;
use super::client::{CENTRIFUGO, Client};
use super::served_with;
use crate::config::Config;
use crate::control::requests::Request;

/// Authorities `ca` and `other`; `server` and `client` are of the one, `stranger` of the other.
struct Certificates(TempDir);

const NEW_KEY: &str = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes";

impl Certificates {
    fn new() -> Self {
        let this = Self(TempDir::new().unwrap());
        for authority in ["ca", "other"] {
            this.openssl(&format!(
                "req -x509 {NEW_KEY} -keyout {authority}.key -out {authority}.pem -subj /CN={authority}"
            ));
        }
        for (name, authority) in [("server", "ca"), ("client", "ca"), ("stranger", "other")] {
            this.sign(name, authority);
        }
        this
    }

    fn sign(&self, name: &str, authority: &str) {
        fs::write(self.0.path().join("names"), "subjectAltName=DNS:localhost").unwrap();
        self.openssl(&format!("req {NEW_KEY} -keyout {name}.key -out {name}.csr -subj /CN={name}"));
        self.openssl(&format!(
            "x509 -req -in {name}.csr -CA {authority}.pem -CAkey {authority}.key -CAcreateserial -extfile names -out {name}.pem"
        ));
    }

    fn openssl(&self, arguments: &str) {
        let output = Command::new("openssl").args(arguments.split(' ')).current_dir(self.0.path()).output().unwrap();
        assert!(output.status.success(), "{arguments}: {}", String::from_utf8_lossy(&output.stderr));
    }

    fn file(&self, name: &str) -> String {
        self.0.path().join(name).display().to_string()
    }

    fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.0.path().join(name)).unwrap()
    }

    fn node(&self, asks: bool, change: impl FnOnce(&mut Config)) -> TestNode {
        TestNode::start(served_with(|config| {
            config.grpc_api.tls_cert_file = self.file("server.pem");
            config.grpc_api.tls_key_file = self.file("server.key");
            if asks {
                config.grpc_api.tls_client_ca_file = self.file("ca.pem");
            }
            change(config);
        }))
    }

    /// Calls with the certificate of this name, if any.
    async fn call(&self, node: &TestNode, authority: &str, own: Option<&str>, key: Option<&str>) -> Result<(), Status> {
        let certificate = Certificate::from_pem(self.read(&format!("{authority}.pem")));
        let mut tls = ClientTlsConfig::new().ca_certificate(certificate).domain_name("localhost");
        if let Some(own) = own {
            let [certificate, key] = ["pem", "key"].map(|end| self.read(&format!("{own}.{end}")));
            tls = tls.identity(Identity::from_pem(certificate, key));
        }
        let endpoint = Endpoint::from_shared(format!("https://{}", node.grpc.unwrap())).unwrap();
        let channel = endpoint.tls_config(tls).unwrap().connect().await;
        let mut client = Client::over(channel.map_err(|error| Status::unavailable(error.to_string()))?);
        client.metadata = key.map(|key| ("authorization", format!("apikey {key}"))).into_iter().collect();
        client.call(CENTRIFUGO, "info", &json!({})).await.map(drop)
    }
}

fn code(result: Result<(), Status>) -> tonic::Code {
    result.map_or_else(|status| status.code(), |()| tonic::Code::Ok)
}

#[tokio::test]
async fn calls_are_made_over_tls_with_the_key() {
    let certificates = Certificates::new();
    let node = certificates.node(false, |_| ());
    assert_eq!(code(certificates.call(&node, "ca", None, Some("dev")).await), tonic::Code::Ok);
    assert_eq!(code(certificates.call(&node, "ca", None, None).await), tonic::Code::Unauthenticated);
    assert_ne!(code(certificates.call(&node, "other", None, Some("dev")).await), tonic::Code::Ok, "not its authority");
    let plain = Endpoint::from_shared(format!("http://{}", node.grpc.unwrap())).unwrap().connect().await;
    if let Ok(channel) = plain {
        assert!(Client::over(channel).call(CENTRIFUGO, "info", &json!({})).await.is_err(), "plain TCP is refused");
    }
}

#[tokio::test]
async fn where_certificates_are_asked_for_one_of_the_authority_is_enough_unless_there_is_a_key_as_well() {
    let certificates = Certificates::new();
    let node = certificates.node(true, |_| ());
    assert_eq!(code(certificates.call(&node, "ca", Some("client"), None).await), tonic::Code::Ok);
    for own in [None, Some("stranger")] {
        let refused = code(certificates.call(&node, "ca", own, Some("dev")).await);
        assert!(![tonic::Code::Ok, tonic::Code::Unauthenticated].contains(&refused), "{own:?}: {refused:?}");
    }
    let both = certificates.node(true, |config| config.grpc_api.key = "own".into());
    assert_eq!(code(certificates.call(&both, "ca", Some("client"), Some("own")).await), tonic::Code::Ok);
    assert_eq!(code(certificates.call(&both, "ca", Some("client"), None).await), tonic::Code::Unauthenticated);
}

#[tokio::test]
async fn a_hangup_reads_the_certificates_again_and_broken_ones_change_nothing() {
    let certificates = Certificates::new();
    let node = certificates.node(false, |_| ());
    // It reads them as it starts, which may be after this test has begun: an answer tells that it has.
    assert_eq!(code(certificates.call(&node, "ca", None, Some("dev")).await), tonic::Code::Ok);
    let good = certificates.read("server.pem");
    fs::write(certificates.file("server.pem"), "no certificate").unwrap();
    node.requests.ask(Request::Reload);
    // The answer to a call tells that the control plane has turned; the reload was asked before it.
    node.result("info", json!({})).await;
    assert_eq!(code(certificates.call(&node, "ca", None, Some("dev")).await), tonic::Code::Ok);
    fs::write(certificates.file("server.pem"), good).unwrap();
    certificates.sign("server", "other");
    node.requests.ask(Request::Reload);
    for _ in 0..200 {
        if code(certificates.call(&node, "other", None, Some("dev")).await) == tonic::Code::Ok {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    panic!("the new certificate is not shown");
}

#[test]
fn a_node_without_its_certificate_does_not_start() {
    let mut setup = served_with(|config| {
        (config.grpc_api.tls_cert_file, config.grpc_api.tls_key_file) = ("/nowhere.pem".into(), "/nowhere.key".into());
    });
    setup.ends = true;
    let mut node = TestNode::start(setup);
    let why = format!("{:#}", node.wait().unwrap_err());
    assert!(why.contains("grpc_api.tls_cert_file") && why.contains("/nowhere.pem"), "{why}");
}
