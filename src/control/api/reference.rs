//! The API for people: `docs/API.md`, written from the same document that machines read.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde_json::{Map, Value};

use super::openapi;

const INTRODUCTION: &str = "# Backend API

Backends call `POST /api/<method>` with a JSON object and the key of `http_api.key`, in a header `X-API-Key: KEY` or
`Authorization: apikey KEY`. The content type is not looked at. What is listed here is what `/api/openapi.json` describes
for machines (OpenAPI 3.1; `ringpost api openapi` prints it without a node).

A call that was understood is answered with 200 and either `result` or `error`; `batch` with `replies`. What is no call is
answered with 400 (the body is not what the method takes), 401 (without the right key), 404 (no such path), 405 (another
method than `POST`), 408 (the body did not come in 30 s) or 413 (it is longer than 8 MiB), and the same `error`. Fields that
a method does not know are ignored. The same methods are called by gRPC, with the same fields and codes: [GRPC.md](GRPC.md).

Calls and answers below are one conversation: user 42 is connected and subscribed to `chat:lobby`, whose namespace keeps
history and presence.

This page is made from the comments in `src/control/api/`; a test keeps it true, and another holds the conversation.
";

/// Longest answer that stands in one line.
const LINE_MAX: usize = 100;

/// The reference of all methods.
pub fn markdown() -> String {
    let document = openapi::document();
    let reference = Reference::of(&document);
    let mut text = String::from(INTRODUCTION);
    text.push_str("\n| method | |\n|---|---|\n");
    for Method { name, about, .. } in &reference.methods {
        let _ = writeln!(text, "| [`{name}`](#{name}) | {about} |");
    }
    reference.methods.iter().for_each(|method| reference.method(method, &mut text));
    reference.objects(&mut text);
    text
}

/// A method as the document has it.
#[derive(Debug)]
struct Method<'a> {
    name: &'a str,
    about: &'a str,
    call: &'a Value,
    answer: &'a Value,
}

/// The document, and where on the page each of its schemas is told.
#[derive(Debug)]
struct Reference<'a> {
    schemas: &'a Map<String, Value>,
    methods: Vec<Method<'a>>,
    /// Schemas that a method's own section tells: their link.
    told: BTreeMap<&'a str, String>,
}

impl<'a> Reference<'a> {
    fn of(document: &'a Value) -> Self {
        let paths = document["paths"].as_object().expect("the document has paths");
        let schemas = document["components"]["schemas"].as_object().expect("the document has schemas");
        let methods: Vec<_> = paths.iter().filter_map(|(path, item)| method(path, item)).collect();
        let mut told = BTreeMap::from([("Done", "`{}`".to_owned())]);
        for Method { name, call, answer, .. } in &methods {
            let (reply, result) = (named(&answer["schema"]), result_of(schemas, answer));
            told.entry(named(&call["schema"])).or_insert_with(|| format!("a call of [`{name}`](#{name})"));
            told.entry(result).or_insert_with(|| format!("a result of [`{name}`](#{name})"));
            let either = format!("`result` of [`{name}`](#{name}), or `error`");
            told.entry(reply).or_insert(either);
        }
        Self { schemas, methods, told }
    }

    fn method(&self, Method { name, about, call, answer }: &Method<'_>, text: &mut String) {
        let _ = write!(text, "\n## `{name}`\n\n{about}\n\n");
        let (body, reply) = (&call["example"], &answer["example"]);
        let _ = writeln!(text, "```sh\ncurl -H 'X-API-Key: dev' -d '{body}' http://127.0.0.1:8000/api/{name}\n```\n");
        let line = reply.to_string();
        let reply = if line.len() > LINE_MAX { format!("{reply:#}") } else { line };
        let _ = writeln!(text, "```json\n{reply}\n```");
        self.table(named(&call["schema"]), "in the call", text);
        let result = result_of(self.schemas, answer);
        if self.schemas[result]["properties"].is_object() {
            self.table(result, if *name == "batch" { "in the answer" } else { "in `result`" }, text);
        }
    }

    /// What is part of a call or an answer, and has no section of its own.
    fn objects(&self, text: &mut String) {
        text.push_str("\n## Objects\n");
        for (name, schema) in self.schemas.iter().filter(|(name, _)| !self.told.contains_key(name.as_str())) {
            let _ = writeln!(text, "\n### {name}\n\n{}", about(schema));
            self.table(name, "field", text);
        }
    }

    fn table(&self, name: &str, title: &str, text: &mut String) {
        let schema = &self.schemas[name];
        let choices = schema["oneOf"].as_array().into_iter().flatten().filter_map(|one| one["properties"].as_object());
        let fields: Vec<_> = choices.chain(schema["properties"].as_object()).flatten().collect();
        if fields.is_empty() {
            return text.push_str("\nIt has no fields.\n");
        }
        let required: Vec<_> = schema["required"].as_array().into_iter().flatten().collect();
        let _ = writeln!(text, "\n| {title} | type | meaning |\n|---|---|---|");
        for (field, schema) in fields {
            let needed = if required.iter().any(|name| *name == field) { ", always" } else { "" };
            let _ = writeln!(text, "| `{field}` | {}{needed} | {} |", self.kind(schema), about(schema));
        }
    }

    /// The type of a field, for a person.
    fn kind(&self, schema: &Value) -> String {
        if let Some(choices) = schema["anyOf"].as_array() {
            return self.kind(&choices[0]);
        }
        let name = named(schema);
        if !name.is_empty() {
            let link = || format!("[{name}](#{})", name.to_lowercase());
            return self.told.get(name).cloned().unwrap_or_else(link);
        }
        let types = &schema["type"];
        match types.as_str().or_else(|| types[0].as_str()) {
            Some("array") => format!("list of {}", self.kind(&schema["items"])),
            Some("object") if schema["additionalProperties"].is_object() => {
                format!("map to {}", self.kind(&schema["additionalProperties"]))
            }
            Some(plain) => plain.to_owned(),
            None => "any JSON".to_owned(),
        }
    }
}

fn method<'a>(path: &'a str, item: &'a Value) -> Option<Method<'a>> {
    let (name, post) = (path.strip_prefix("/api/")?, item.get("post")?);
    Some(Method {
        name,
        about: post["summary"].as_str()?,
        call: &post["requestBody"]["content"]["application/json"],
        answer: &post["responses"]["200"]["content"]["application/json"],
    })
}

/// The schema of a method's result: what its reply brings where it is no refusal.
fn result_of<'a>(schemas: &'a Map<String, Value>, answer: &'a Value) -> &'a str {
    let reply = named(&answer["schema"]);
    match schemas[reply]["oneOf"][0]["properties"].get("result") {
        Some(result) => named(result),
        None => reply,
    }
}

/// The name of the schema that is meant, empty for one that has none.
fn named(schema: &Value) -> &str {
    schema["$ref"].as_str().and_then(|path| path.rsplit('/').next()).unwrap_or_default()
}

fn about(schema: &Value) -> String {
    let about = schema["description"].as_str().unwrap_or_default();
    about.split_whitespace().collect::<Vec<_>>().join(" ").replace('|', "\\|")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reference_in_the_documents_is_of_this_api() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/API.md");
        let written = std::fs::read_to_string(path).unwrap_or_default();
        assert!(written == markdown(), "docs/API.md is old: run `make docs`");
    }

    #[test]
    fn every_link_of_the_reference_leads_to_a_heading() {
        let text = markdown();
        let headings: Vec<_> = text
            .lines()
            .filter_map(|line| line.strip_prefix("##"))
            .map(|heading| heading.trim_start_matches('#').trim().replace('`', "").to_lowercase())
            .collect();
        for link in text.split("](#").skip(1).map(|rest| rest.split(')').next().unwrap()) {
            assert!(headings.iter().any(|heading| heading == link), "{link}");
        }
    }
}
