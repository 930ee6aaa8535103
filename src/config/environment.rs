//! Environment variables that override keys.

use toml::{Table, Value};

use super::ENV_PREFIX;
use super::keys::Origins;

/// Puts the variables with the prefix over the keys of the file and returns what is wrong with them. Lists and
/// tables are written in TOML's inline form, lists of plain words also with commas.
pub(super) fn override_from(
    environment: impl Iterator<Item = (String, String)>,
    known: &Table,
    given: &mut Table,
    origins: &mut Origins,
) -> Vec<String> {
    let mut problems = Vec::new();
    let ours = |(name, text): &(String, String)| name.starts_with(ENV_PREFIX) && !is_service_link(name, text);
    let mut variables: Vec<_> = environment.filter(ours).collect();
    variables.sort();
    for (name, text) in variables {
        let path: Vec<String> = name[ENV_PREFIX.len()..].split("__").map(str::to_lowercase).collect();
        let Some(default) = find(known, &path) else {
            problems.push(format!("the environment variable {name} names no key{}", nearest_variable(known, &name)));
            continue;
        };
        match value(&text, default) {
            Ok(value) => {
                origins.set(path.join("."), name);
                insert(given, &path, value);
            }
            Err(expected) => {
                problems.push(format!("the environment variable {name} must be {expected}, not \"{text}\""))
            }
        }
    }
    problems
}

/// Kubernetes describes a service named `ringpost` to every pod in variables that begin as ours do.
fn is_service_link(name: &str, text: &str) -> bool {
    let is_url = || ["tcp://", "udp://", "sctp://"].iter().any(|scheme| text.starts_with(scheme));
    let is_part = || {
        let port = name.split_once("_PORT_").map_or("", |(_, port)| port);
        port.starts_with(|first: char| first.is_ascii_digit())
    };
    !name.contains("__") && (name.ends_with("_SERVICE_HOST") || name.contains("_SERVICE_PORT") || is_url() || is_part())
}

fn find<'a>(table: &'a Table, path: &[String]) -> Option<&'a Value> {
    let (first, rest) = path.split_first()?;
    let value = table.get(first)?;
    if rest.is_empty() { Some(value) } else { find(value.as_table()?, rest) }
}

fn insert(table: &mut Table, path: &[String], value: Value) {
    let (first, rest) = path.split_first().expect("a path has a part");
    if rest.is_empty() {
        table.insert(first.clone(), value);
        return;
    }
    let inner = table.entry(first.clone()).or_insert_with(|| Value::Table(Table::new()));
    if let Value::Table(inner) = inner {
        insert(inner, rest, value);
    }
}

fn value(text: &str, default: &Value) -> Result<Value, &'static str> {
    let inline = || format!("value = {text}").parse::<Table>().ok().and_then(|mut table| table.remove("value"));
    match default {
        Value::String(_) => Ok(Value::String(text.into())),
        Value::Integer(_) => text.trim().parse().map(Value::Integer).map_err(|_| "a number"),
        Value::Boolean(_) => match text.trim() {
            "true" | "1" => Ok(Value::Boolean(true)),
            "false" | "0" => Ok(Value::Boolean(false)),
            _ => Err("true or false"),
        },
        Value::Array(_) => match inline() {
            Some(list @ Value::Array(_)) => Ok(list),
            _ if text.trim_start().starts_with('[') => Err("a list in TOML, such as [\"a\", \"b\"]"),
            _ => Ok(words(text)),
        },
        _ => match inline() {
            Some(table @ Value::Table(_)) => Ok(table),
            _ => Err("a table in TOML, such as { key = \"value\" }"),
        },
    }
}

fn words(text: &str) -> Value {
    let words = text.split(',').map(str::trim).filter(|word| !word.is_empty());
    Value::Array(words.map(|word| Value::String(word.into())).collect())
}

/// The nearest variable that would name a key, as the end of a sentence; above all where somebody joined
/// sections with a single underscore.
fn nearest_variable(known: &Table, wrong: &str) -> String {
    let mut names = Vec::new();
    variables(known, ENV_PREFIX, &mut names);
    let by_distance = names.into_iter().map(|name| (strsim::damerau_levenshtein(&name, wrong), name));
    match by_distance.min() {
        Some((distance, name)) if distance <= 4 => format!(": did you mean {name}?"),
        _ => String::new(),
    }
}

fn variables(table: &Table, prefix: &str, names: &mut Vec<String>) {
    for (key, value) in table {
        let name = format!("{prefix}{}", key.to_uppercase());
        if let Value::Table(inner) = value {
            variables(inner, &format!("{name}__"), names);
        }
        names.push(name);
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Config, ConfigError};

    fn parse(text: &str, variables: &[(&str, &str)]) -> Result<Config, ConfigError> {
        let variables = variables.iter().map(|(name, text)| (name.to_string(), text.to_string()));
        Config::parse(text, variables, false)
    }

    fn problem(variables: &[(&str, &str)]) -> String {
        let problems = parse("", variables).expect_err("the variable is refused").problems;
        assert_eq!(problems.len(), 1, "{problems:?}");
        problems.into_iter().next().unwrap()
    }

    #[test]
    fn a_variable_wins_over_the_file() {
        let config = parse("[http_server]\nport = 9000\n", &[("RINGPOST_HTTP_SERVER__PORT", "9001")]).unwrap();
        assert_eq!(config.http_server.port, 9001);
    }

    #[test]
    fn a_variable_reaches_a_nested_key_whose_name_has_underscores() {
        let config = parse("", &[("RINGPOST_CLIENT__TOKEN__HMAC_SECRET_KEY", "a=b, c")]).unwrap();
        assert_eq!(config.client.token.hmac_secret_key, "a=b, c");
    }

    #[test]
    fn a_list_is_written_with_commas_or_in_toml() {
        for text in ["https://a.example, https://b.example", "[\"https://a.example\", \"https://b.example\"]"] {
            let config = parse("", &[("RINGPOST_CLIENT__ALLOWED_ORIGINS", text)]).unwrap();
            assert_eq!(config.client.allowed_origins, ["https://a.example", "https://b.example"]);
        }
    }

    #[test]
    fn an_empty_variable_empties_a_list() {
        let file = "[client]\nallowed_origins = [\"*\"]\n";
        let config = parse(file, &[("RINGPOST_CLIENT__ALLOWED_ORIGINS", "")]).unwrap();
        assert!(config.client.allowed_origins.is_empty());
    }

    #[test]
    fn namespaces_are_written_as_inline_tables() {
        let text = "[{ name = \"chat\", presence = true }, { name = \"news\" }]";
        let config = parse("", &[("RINGPOST_CHANNEL__NAMESPACES", text)]).unwrap();
        let names: Vec<_> = config.channel.namespaces.iter().map(|namespace| namespace.name.as_str()).collect();
        assert_eq!(names, ["chat", "news"]);
        assert!(config.channel.namespaces[0].options.presence);
    }

    #[test]
    fn a_section_is_written_as_an_inline_table() {
        let config = parse("", &[("RINGPOST_HTTP_API", "{ key = \"k\", insecure = true }")]).unwrap();
        assert_eq!((config.http_api.key.as_str(), config.http_api.insecure), ("k", true));
        assert!(problem(&[("RINGPOST_HTTP_API", "7")]).contains("must be a table in TOML"));
    }

    #[test]
    fn a_value_of_the_wrong_kind_is_refused_with_the_right_one() {
        assert!(problem(&[("RINGPOST_HTTP_SERVER__PORT", "http")]).contains("must be a number, not \"http\""));
        assert!(problem(&[("RINGPOST_CLIENT__INSECURE", "maybe")]).contains("must be true or false"));
        assert!(problem(&[("RINGPOST_CLIENT__ALLOWED_ORIGINS", "[a")]).contains("must be a list in TOML"));
    }

    #[test]
    fn a_value_that_does_not_fit_its_key_names_the_variable() {
        let problem = problem(&[("RINGPOST_CLIENT__PING_INTERVAL", "25 sec")]);
        assert!(problem.contains("RINGPOST_CLIENT__PING_INTERVAL") && problem.contains("expected a time"), "{problem}");
    }

    #[test]
    fn a_variable_that_names_no_key_is_refused_with_the_nearest() {
        let problem = problem(&[("RINGPOST_CLIENT_PING_INTERVAL", "25s")]);
        assert!(problem.ends_with("did you mean RINGPOST_CLIENT__PING_INTERVAL?"), "{problem}");
    }

    #[test]
    fn variables_of_others_and_of_kubernetes_services_are_left_alone() {
        let variables = [
            ("PATH", "/bin"),
            ("RINGPOST_SERVICE_HOST", "10.0.0.1"),
            ("RINGPOST_SERVICE_PORT_HTTP", "8000"),
            ("RINGPOST_PORT", "tcp://10.0.0.1:8000"),
            ("RINGPOST_PORT_8000_TCP_ADDR", "10.0.0.1"),
        ];
        assert!(parse("", &variables).is_ok());
    }
}
