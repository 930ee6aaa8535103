//! Redis and Kafka over TLS: whose certificate nodes take, and who they say that they are.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::json;
use tempfile::TempDir;

use crate::harness::{Node, publish_in_the_end, spawn_at, subscribe};
use crate::kafka::Kafka;
use crate::kafka_faults::is_refused_alone;
use crate::load::heard_until;
use crate::relays::topics;
use crate::server::{Kind, Place, Server, free_port};
use crate::start::refusal;

/// Authorities and certificates in a folder: `ca` has signed `server`, `client` and `elsewhere`; `other` nothing.
struct Certificates(TempDir);

impl Certificates {
    fn new() -> Self {
        let this = Self(TempDir::new().expect("a folder can be made"));
        for authority in ["ca", "other"] {
            this.openssl(&format!(
                "req -x509 {NEW_KEY} -keyout {authority}.key -out {authority}.pem -subj /CN={authority}"
            ));
        }
        for (name, address) in [("server", "IP:127.0.0.1"), ("client", "DNS:node"), ("elsewhere", "DNS:elsewhere")] {
            fs::write(this.path().join("names"), format!("subjectAltName={address}")).expect("the file is written");
            this.openssl(&format!("req {NEW_KEY} -keyout {name}.key -out {name}.csr -subj /CN={name}"));
            this.openssl(&format!(
                "x509 -req -in {name}.csr -CA ca.pem -CAkey ca.key -CAcreateserial -extfile names -out {name}.pem"
            ));
        }
        this
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn file(&self, name: &str) -> String {
        self.path().join(name).display().to_string()
    }

    fn openssl(&self, arguments: &str) {
        let output = Command::new("openssl").args(arguments.split(' ')).current_dir(self.path()).output();
        let output = output.expect("tests/packages installs it");
        assert!(output.status.success(), "{arguments}: {}", String::from_utf8_lossy(&output.stderr));
    }

    /// A Redis that shows this certificate and asks for one that `ca` has signed, and the port where it does.
    fn server(&self, name: &str) -> (Server, u16) {
        let port = free_port();
        let files = [format!("{name}.pem"), format!("{name}.key"), "ca.pem".into()].map(|file| self.file(&file));
        let [certificate, key, authority] = &files;
        let port_text = port.to_string();
        let options = ["--tls-port", &port_text, "--tls-cert-file", certificate, "--tls-key-file", key];
        (Server::start(Kind::Redis, &[&options[..], &["--tls-ca-cert-file", authority]].concat()), port)
    }

    /// The section of a node that trusts an authority, and shows a certificate if there is one.
    fn section(&self, port: u16, authority: &str, own: Option<&str>) -> String {
        let mut section = format!("addresses = [\"127.0.0.1:{port}\"]\ntls = true\n");
        section += &format!("tls_ca_file = \"{}\"\n", self.file(authority));
        if let Some(own) = own {
            let [certificate, key] = ["pem", "key"].map(|end| self.file(&format!("{own}.{end}")));
            section += &format!("tls_cert_file = \"{certificate}\"\ntls_key_file = \"{key}\"\n");
        }
        section
    }

    /// A Kafka that shows the certificate `server` and asks for one that `ca` has signed.
    fn kafka(&self) -> Kafka {
        let pem = |name: &str| fs::read_to_string(self.file(name)).expect("openssl has written it");
        fs::write(self.file("keystore.pem"), pem("server.key") + &pem("server.pem")).expect("the file is written");
        let lines = KAFKA.replace("FOLDER_OF_KEYS", &self.path().display().to_string());
        let [authority, certificate, key] = ["ca.pem", "client.pem", "client.key"].map(|name| self.file(name));
        let options = [
            ("security.protocol", "SSL"),
            ("ssl.ca.location", &authority),
            ("ssl.certificate.location", &certificate),
            ("ssl.key.location", &key),
        ];
        Kafka::start_for(&options, &lines)
    }

    /// What a node says that trusts an authority, and shows a certificate if there is one.
    fn options(&self, authority: &str, own: Option<&str>) -> String {
        let mut options = format!("\"security.protocol=SSL\", \"ssl.ca.location={}\"", self.file(authority));
        if let Some(own) = own {
            let [certificate, key] = ["pem", "key"].map(|end| self.file(&format!("{own}.{end}")));
            options += &format!(", \"ssl.certificate.location={certificate}\", \"ssl.key.location={key}\"");
        }
        format!("options = [{options}]")
    }
}

/// What a Kafka has beside that speaks TLS.
const KAFKA: &str = "
listeners=SSL://127.0.0.1:PORT,CONTROLLER://127.0.0.1:SECOND
advertised.listeners=SSL://127.0.0.1:PORT
listener.security.protocol.map=SSL:SSL,CONTROLLER:PLAINTEXT
security.inter.broker.protocol=SSL
ssl.keystore.type=PEM
ssl.keystore.location=FOLDER_OF_KEYS/keystore.pem
ssl.truststore.type=PEM
ssl.truststore.location=FOLDER_OF_KEYS/ca.pem
ssl.client.auth=required
";

const NEW_KEY: &str = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes";

#[test]
fn nodes_reach_a_redis_over_tls_and_show_their_own_certificate() {
    let certificates = Certificates::new();
    let (server, port) = certificates.server("server");
    let section = certificates.section(port, "ca.pem", Some("client"));
    let nodes = ["one", "two"].map(|name| Node::over(name, &section));
    let mut listener = nodes[1].client();
    subscribe(&mut listener, "shared:room", None);
    for at in 1..=10 {
        assert_eq!(nodes[0].publish("shared:room", at)["result"]["offset"], at);
        assert_eq!(listener.publication().1, at);
    }
    server.cli(&["CLIENT", "KILL", "TYPE", "pubsub"]);
    assert_eq!(nodes[0].publish("shared:room", 11)["result"]["offset"], 11);
    assert_eq!(listener.publication().1, 11);
}

#[test]
fn a_certificate_of_another_authority_or_name_is_refused_and_so_is_a_node_without_its_own() {
    let certificates = Certificates::new();
    let [(_right, right), (_elsewhere, elsewhere)] = ["server", "elsewhere"].map(|name| certificates.server(name));
    for (section, why) in [
        (certificates.section(right, "other.pem", Some("client")), "UnknownIssuer"),
        (certificates.section(elsewhere, "ca.pem", Some("client")), "not valid for name"),
        (certificates.section(right, "ca.pem", None), "CertificateRequired"),
        (format!("addresses = [\"127.0.0.1:{right}\"]"), "cannot be reached"),
    ] {
        let told = refusal(spawn_at(&Place::here(), "one", &section).0);
        assert!(told.contains("cluster.redis") && told.contains(why), "{why}: {told}");
    }
}

#[test]
#[ignore = "a Kafka of its own: make test-cluster"]
fn nodes_reach_a_kafka_over_tls_and_those_with_another_authority_or_no_certificate_are_refused() {
    let (certificates, redis) = (Certificates::new(), Server::start(Kind::Redis, &[]));
    let kafka = certificates.kafka();
    let prefix = topics(&kafka);
    let start = |name, authority, own| {
        let options = certificates.options(authority, own);
        Node::by_kafka_with(name, &redis, &kafka.address(), &prefix, &options)
    };
    let well = start("one", "ca.pem", Some("client"));
    let mut listener = well.client();
    subscribe(&mut listener, "relayed:room", None);
    publish_in_the_end(&well, "relayed:room", "by TLS");
    assert_eq!(heard_until(&mut listener, &json!("by TLS")), [json!("by TLS")]);
    for wrong in [start("two", "other.pem", Some("client")), start("three", "ca.pem", None)] {
        is_refused_alone(&wrong, "Kafka");
    }
}
