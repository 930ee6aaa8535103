//! A Kafka that knows its users and what each may do.

use std::process::Command;

use super::Kafka;

/// Where tests/packages puts what Python programs import.
const PYTHON: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/target/tools/bin/python");

/// The password of the administrator, who may do everything.
const ADMIN: &str = "admin-password";

/// The password of the user `node`.
pub(crate) const PASSWORD: &str = "node-password";

/// What its brokers have beside.
const PROPERTIES: &str = r#"
listeners=SASL_PLAINTEXT://127.0.0.1:PORT,CONTROLLER://127.0.0.1:SECOND
advertised.listeners=SASL_PLAINTEXT://127.0.0.1:PORT
security.inter.broker.protocol=SASL_PLAINTEXT
sasl.mechanism.inter.broker.protocol=PLAIN
sasl.enabled.mechanisms=PLAIN
listener.name.sasl_plaintext.plain.sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule required \
    username="admin" password="admin-password" user_admin="admin-password" user_node="node-password";
authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer
super.users=User:admin;User:ANONYMOUS
"#;

/// What is in `[cluster.kafka]` of one who comes as the user `node`.
pub(crate) fn as_user(password: &str) -> String {
    format!(
        "options = [\"security.protocol=SASL_PLAINTEXT\", \"sasl.mechanism=PLAIN\", \"sasl.username=node\"]\n\
         password = \"{password}\""
    )
}

/// What a right is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Thing<'n> {
    Topic(&'n str),
    Group(&'n str),
}

impl Kafka {
    /// One whose user `node` may do everything with topics and groups, until something is refused.
    pub(crate) fn with_users() -> Self {
        let options = [
            ("security.protocol", "SASL_PLAINTEXT"),
            ("sasl.mechanism", "PLAIN"),
            ("sasl.username", "admin"),
            ("sasl.password", ADMIN),
        ];
        let kafka = Self::start_for(&options, PROPERTIES);
        kafka.rights("allow", Thing::Topic("*"), "ALL");
        kafka.rights("allow", Thing::Group("*"), "ALL");
        kafka
    }

    /// Refuses the user `node` something, such as `WRITE`.
    pub(crate) fn refuse(&self, thing: Thing<'_>, operation: &str) {
        self.rights("refuse", thing, operation);
    }

    /// No longer refuses it.
    pub(crate) fn restore(&self, thing: Thing<'_>, operation: &str) {
        self.rights("restore", thing, operation);
    }

    fn rights(&self, what: &str, thing: Thing<'_>, operation: &str) {
        let (kind, name) = match thing {
            Thing::Topic(name) => ("TOPIC", name),
            Thing::Group(name) => ("GROUP", name),
        };
        let program = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/kafka/rights.py");
        let mut python = Command::new(PYTHON);
        python.arg(program).args([&self.address(), ADMIN, what, "node", kind, name, operation]);
        assert!(python.status().expect("tests/packages installs it").success(), "{what} {thing:?} {operation}");
    }
}
