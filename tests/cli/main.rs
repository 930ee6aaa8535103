//! The command line as people use it: the real binary, its output and its exit codes.

mod host;
mod kill;
mod notice;
mod pause;
mod readme;
mod start;
mod store;

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

fn ringpost(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ringpost"));
    forget_settings(&mut command);
    command.args(arguments);
    command
}

/// Settings of whoever runs the tests are not the command's.
fn forget_settings(command: &mut Command) {
    let inherited = std::env::vars_os().map(|(name, _)| name);
    for name in inherited.filter(|name| name.to_string_lossy().starts_with("RINGPOST_")) {
        command.env_remove(name);
    }
}

fn output(arguments: &[&str]) -> Output {
    ringpost(arguments).output().expect("the command runs")
}

/// Standard output of a command that must succeed.
fn success(arguments: &[&str]) -> String {
    let output = output(arguments);
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("the output is text")
}

/// Standard error of a command that must fail.
fn failure(arguments: &[&str]) -> String {
    let output = output(arguments);
    assert_eq!(output.status.code(), Some(1), "{arguments:?}");
    String::from_utf8(output.stderr).expect("the error is text")
}

/// A folder for files of tests.
const TEMPORARY: &str = env!("CARGO_TARGET_TMPDIR");

fn file(name: &str, text: &str) -> PathBuf {
    let path = PathBuf::from(TEMPORARY).join(name);
    fs::write(&path, text).expect("the file is written");
    path
}

#[test]
fn help_names_every_command_and_what_to_try() {
    let help = success(&["--help"]);
    for command in ["serve", "config", "token", "doctor", "ringpost serve --dev"] {
        assert!(help.contains(command), "{command}: {help}");
    }
    assert!(success(&["token", "connection", "--help"]).contains("--user <USER>"));
}

#[test]
fn the_version_is_that_of_the_package() {
    assert_eq!(success(&["--version"]), concat!("ringpost ", env!("CARGO_PKG_VERSION"), "\n"));
}

#[test]
fn a_file_to_start_from_is_private_and_says_what_comes_next() {
    let folder = tempfile::tempdir().expect("a folder can be made");
    let path = folder.path().join("node.toml");
    let path = path.to_str().expect("the path is text");
    let said = success(&["config", "init", path]);
    for next in ["serve", "token connection"] {
        assert!(said.contains(&format!("{next} --config {path}")), "{said}");
    }
    assert_eq!(fs::metadata(path).expect("it is there").permissions().mode() & 0o777, 0o600);
    assert_eq!(success(&["config", "check", "--config", path]), format!("{path}: fine\n"));
    let token = success(&["token", "connection", "--config", path, "--user", "42"]);
    assert!(success(&["token", "check", "--config", path, token.trim()]).contains("valid: a connection token"));
}

#[test]
fn a_file_that_is_there_already_is_never_overwritten() {
    let path = file("mine.toml", "name = \"mine\"\n");
    let path = path.to_str().expect("the path is text");
    assert!(failure(&["config", "init", path]).contains("is there already"));
    assert_eq!(fs::read_to_string(path).expect("it is there"), "name = \"mine\"\n");
    assert!(failure(&["config", "init", "/nowhere/node.toml"]).contains("cannot be written"));
}

#[test]
fn a_configuration_of_centrifugo_becomes_one_that_a_node_takes() {
    let folder = tempfile::tempdir().expect("a folder can be made");
    let path = |name: &str| folder.path().join(name).to_str().expect("the path is text").to_owned();
    let write = |name: &str, text: &str| fs::write(path(name), text).expect("the file is written");
    write(
        "there.yaml",
        "client: {token: {hmac_secret_key: swordfish-swordfish-swordfish-32b}}\nadmin: {enabled: true}\n",
    );
    let said = output(&["config", "import", &path("there.yaml"), "--output", &path("here.toml")]);
    assert!(said.status.success() && said.stdout.is_empty(), "{said:?}");
    let told = String::from_utf8_lossy(&said.stderr);
    assert!(told.contains("not taken over:\n  - admin: ") && !told.contains("swordfish"), "{told}");
    assert_eq!(fs::metadata(path("here.toml")).expect("the file is there").permissions().mode() & 0o777, 0o600);
    assert!(fs::read_to_string(path("here.toml")).unwrap().contains("swordfish"));
    success(&["config", "check", "--config", &path("here.toml")]);
    assert!(failure(&["config", "import", &path("there.yaml"), "--output", &path("here.toml")]).contains("already"));

    write("flat.json", r#"{"port": "9000", "presence": true}"#);
    assert!(success(&["config", "import", &path("flat.json")]).contains("\nport = 9000\n"));
    write("broken.json", r#"{"port": 70000}"#);
    assert!(failure(&["config", "import", &path("broken.json")]).contains("cannot be used yet"));
    write("there.ini", "");
    assert!(failure(&["config", "import", &path("there.ini")]).contains("name it .json"));
}

#[test]
fn the_default_file_passes_the_check() {
    let path = file("default.toml", &success(&["config", "default"]));
    let checked = success(&["config", "check", "--config", path.to_str().unwrap()]);
    assert!(checked.contains("default.toml: fine"), "{checked}");
}

#[test]
fn the_check_tells_everything_that_is_wrong_with_its_line() {
    let path = file("wrong.toml", "[client]\nping_intervall = \"25s\"\n\n[http_server]\nport = 99999\n");
    let error = failure(&["config", "check", "--config", path.to_str().unwrap()]);
    assert!(
        error.contains("`client.ping_intervall` (line 2) is no key: did you mean `client.ping_interval`?"),
        "{error}"
    );
    assert!(error.contains("`http_server.port` (line 5)"), "{error}");
}

#[test]
fn the_environment_overrides_the_file() {
    let mut command = ringpost(&["config", "check"]);
    let output = command.env("RINGPOST_HTTP_SERVER__PORT", "http").output().expect("the command runs");
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("RINGPOST_HTTP_SERVER__PORT must be a number"));
}

#[test]
fn what_a_node_would_run_with_is_shown_without_secrets() {
    let path = file("effective.toml", "[client]\nping_interval = \"20s\"\n[http_api]\nkey = \"api-key-of-mine\"\n");
    let mut command = ringpost(&["config", "effective", "--config", path.to_str().expect("the path is text")]);
    let output = command.env("RINGPOST_HTTP_SERVER__PORT", "9000").output().expect("the command runs");
    let shown = String::from_utf8(output.stdout).expect("the output is text");
    assert!(shown.contains("ping_interval = \"20s\"  # line 2\n"), "{shown}");
    assert!(shown.contains("port = 9000  # RINGPOST_HTTP_SERVER__PORT\n"), "{shown}");
    assert!(shown.contains("key = \"(hidden)\"  # line 4\n") && !shown.contains("of-mine"), "{shown}");
}

#[test]
fn bash_completes_commands_and_their_options() {
    let completions = file("completions.bash", &success(&["completions", "bash"]));
    let script = format!(
        "source {}; COMP_WORDS=(ringpost token conn); COMP_CWORD=2; _ringpost ringpost conn token; echo \"${{COMPREPLY[*]}}\"",
        completions.display()
    );
    let output = Command::new("bash").args(["-c", &script]).output().expect("bash runs");
    assert_eq!(String::from_utf8_lossy(&output.stdout), "connection\n", "{output:?}");
}

#[test]
fn every_command_has_a_manual_page() {
    let folder = tempfile::tempdir().expect("a folder can be made");
    success(&["man", folder.path().to_str().expect("the path is text")]);
    for name in ["ringpost", "ringpost-serve", "ringpost-config-init", "ringpost-token-connection", "ringpost-doctor"] {
        let page = fs::read_to_string(folder.path().join(format!("{name}.1"))).unwrap_or_else(|_| panic!("no {name}"));
        assert!(page.contains(&format!(".TH {name} 1")), "{page}");
    }
    assert!(failure(&["man", "/nowhere"]).contains("cannot be written to /nowhere"));
}

#[test]
fn the_schema_is_json_that_knows_the_sections() {
    let schema: Value = serde_json::from_str(&success(&["config", "schema"])).expect("the schema is JSON");
    assert_eq!(schema["properties"]["http_server"]["properties"]["port"]["maximum"], 65_535);
}

#[test]
fn a_reader_that_has_seen_enough_is_no_error() {
    let mut child = ringpost(&["config", "docs"]).stdout(Stdio::piped()).spawn().expect("the command runs");
    // Closed before or while the command writes: both are a closed pipe to it.
    drop(child.stdout.take());
    assert!(child.wait().expect("the command ends").success());
}

#[test]
fn a_connection_token_passes_the_check_that_a_node_makes() {
    let token = success(&["token", "connection", "--dev", "--user", "alice", "--channel", "chat:lobby"]);
    let checked = success(&["token", "check", "--dev", token.trim()]);
    assert!(checked.contains("valid: a connection token for the user \"alice\", for another "), "{checked}");
    assert!(checked.contains("chat:lobby"), "{checked}");
}

#[test]
fn a_subscription_token_is_checked_with_the_keys_of_its_own() {
    let text = "[client.token]\nhmac_secret_key = \"one\"\n[client.subscription_token]\nenabled = true\n\
                hmac_secret_key = \"other\"\n";
    let path = file("keys.toml", text);
    let path = path.to_str().unwrap();
    let token =
        success(&["token", "subscription", "--config", path, "--user", "a", "--channel", "$news", "--expire", "0"]);
    let checked = success(&["token", "check", "--config", path, token.trim()]);
    assert!(checked.ends_with("valid: a subscription token for the user \"a\" in $news, for ever\n"), "{checked}");
    assert_eq!(output(&["token", "check", "--secret", "one", token.trim()]).status.code(), Some(1));
}

#[test]
fn a_token_can_be_piped_into_the_check() {
    let token = success(&["token", "connection", "--secret", "s", "--user", "alice"]);
    let mut check = ringpost(&["token", "check", "--secret", "s", "-"]);
    let mut child = check.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("the command runs");
    child.stdin.take().expect("it reads").write_all(token.as_bytes()).expect("it takes the token");
    assert!(child.wait_with_output().expect("the command ends").status.success());
}

#[test]
fn a_token_that_is_refused_is_explained() {
    let token = success(&["token", "connection", "--secret", "one", "--user", "alice"]);
    let output = output(&["token", "check", "--secret", "other", token.trim()]);
    assert_eq!(output.status.code(), Some(1));
    let checked = String::from_utf8(output.stdout).expect("the output is text");
    assert!(checked.contains("\"alice\"") && checked.contains("refused: the signature"), "{checked}");
}

#[test]
fn without_a_secret_no_token_is_made() {
    assert!(failure(&["token", "connection", "--user", "alice"]).contains("no secret to sign with"));
}

#[test]
fn the_doctor_tells_what_it_found_as_json() {
    // Whether this machine may run a node is not asked here: both codes are the doctor's.
    let output = output(&["doctor", "--json"]);
    let report: Value = serde_json::from_slice(&output.stdout).expect("the report is JSON");
    let findings = report["findings"].as_array().expect("it has findings");
    let checks: Vec<_> = findings.iter().map(|finding| finding["check"].as_str().unwrap()).collect();
    for check in ["kernel", "io_uring", "cores", "memlock", "descriptors", "memory", "net.core.somaxconn"] {
        assert!(checks.contains(&check), "{check}: {checks:?}");
    }
    let failed = findings.iter().any(|finding| finding["verdict"] == "fail");
    assert_eq!((report["verdict"] == "fail", output.status.code() == Some(1)), (failed, failed));
}

#[test]
fn the_doctor_fails_where_a_configured_core_is_missing() {
    let mut command = ringpost(&["doctor"]);
    let output = command.env("RINGPOST_SHARDS__CORES", "1023").output().expect("the command runs");
    assert_eq!(output.status.code(), Some(1));
    let report = String::from_utf8(output.stdout).expect("the output is text");
    assert!(report.contains("FAIL  cores") && report.contains("core 1023 is not among those"), "{report}");
}

#[test]
fn a_node_does_not_start_where_the_doctor_fails() {
    let mut command = ringpost(&["serve", "--dev"]);
    let output = command.env("RINGPOST_SHARDS__CORES", "1023").output().expect("the command runs");
    assert_eq!(output.status.code(), Some(1));
    let error = String::from_utf8(output.stderr).expect("the error is text");
    assert!(error.contains("this host cannot run a node") && error.contains("fix: "), "{error}");
}

/// A node that a test started; it does not outlive the test.
struct Node(Child);

impl Node {
    /// Starts a node on ports that the kernel chooses.
    fn start(arguments: &[&str]) -> Self {
        let mut command = ringpost(&[&["serve"], arguments].concat());
        command.env("RINGPOST_HTTP_SERVER__PORT", "0").env("RINGPOST_TCP_SERVER__PORT", "0");
        Self(command.stdout(Stdio::piped()).spawn().expect("the node starts"))
    }

    /// What it prints once it serves; nothing where it does not come so far.
    fn banner(&mut self) -> String {
        let banner = BufReader::new(self.0.stdout.take().expect("it prints"));
        let lines = banner.lines().map(|line| line.expect("the banner is text"));
        // The last of them.
        let mut text = String::new();
        for line in lines {
            text = text + &line + "\n";
            if line.contains("metrics") {
                break;
            }
        }
        text
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        // It has ended already where the test came to its end.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_node_prints_the_ports_that_it_got_and_ends_at_sigterm() {
    let mut node = Node::start(&["--dev"]);
    let text = node.banner();
    let after =
        |name: &str| text.split_once(name).unwrap_or_else(|| panic!("{name} is missing: {text}")).1.trim_start();
    let tcp = after("TCP").split(',').next().expect("it comes first");
    TcpStream::connect(tcp).expect("the TCP port is the one that was printed");
    let http = after("ws://").split('/').next().expect("it comes first");
    TcpStream::connect(http).expect("the HTTP port is the one that was printed");
    kill_process(Pid::from_child(&node.0), Signal::TERM).expect("the node is there");
    assert!(node.0.wait().expect("the node ends").success());
}

#[test]
fn a_message_of_an_at_least_once_channel_can_be_traced() {
    let mut node = Node::start(&["--dev"]);
    let text = node.banner();
    let api = text.split_once("API").expect("it has one").1.trim_start();
    let url = api.split_once("/api").expect("it is told").0;
    let trace = |offset: &str| output(&["trace", "inbox:a", offset, "--dev", "--url", url]);
    let unknown = trace("1");
    assert!(!unknown.status.success() && unknown.stdout.is_empty() && unknown.stderr.is_empty(), "{unknown:?}");
    let call = |method: &str, body: &str| {
        let host = url.strip_prefix("http://").expect("it is HTTP");
        let mut conn = TcpStream::connect(host).expect("the node is there");
        let head = format!("POST /api/{method} HTTP/1.1\r\nHost: node\r\nX-API-Key: dev\r\nConnection: close\r\n");
        write!(conn, "{head}Content-Length: {}\r\n\r\n{body}", body.len()).expect("it is taken");
        std::io::read_to_string(conn).expect("it answers")
    };
    assert!(call("members_add", r#"{"channel":"inbox:a","users":["ada"]}"#).contains("result"));
    assert!(call("publish", r#"{"channel":"inbox:a","data":1}"#).contains("result"));
    let said = trace("1");
    assert!(said.status.success() && String::from_utf8_lossy(&said.stdout).contains("published"), "{said:?}");
    assert!(failure(&["trace", "chat:a", "1", "--dev", "--url", url]).contains("at least once"));
    assert!(failure(&["trace", "inbox:a", "1", "--dev", "--url", "http://127.0.0.1:1"]).contains("no node answers"));
}
