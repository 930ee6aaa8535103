//! `GET /api/openapi.json`: the API's description (OpenAPI 3.1), made of the structs that requests are read
//! into and results are written from.

use std::sync::OnceLock;

use axum::Json;
use schemars::generate::SchemaSettings;
use schemars::transform::RecursiveTransform;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde_json::{Map, Value, json};

use super::batch::{self, Batch, BatchReply};
use super::reply::Reply;
use super::{Method, Visitor, examples, visit};
use crate::config::HttpServerConfig;
use crate::control::refused::Refused;

/// Serves the document.
pub(super) async fn serve() -> Json<&'static Value> {
    static DOCUMENT: OnceLock<Value> = OnceLock::new();
    Json(DOCUMENT.get_or_init(document))
}

/// The whole document.
pub fn document() -> Value {
    let mut description = Description::new();
    visit(&mut description);
    description.method::<Batch, BatchReply>(batch::NAME);
    description.looks();
    description.doors();
    let Description { mut requests, mut results, paths } = description;
    let mut schemas = requests.take_definitions(true);
    for (name, schema) in results.take_definitions(true) {
        let before = schemas.insert(name, schema);
        assert!(before.is_none(), "a struct is read or written, not both: {before:?}");
    }
    let key = |header| json!({ "type": "apiKey", "in": "header", "name": header });
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Ringpost backend API",
            "version": crate::VERSION,
            "description": ABOUT,
        },
        "servers": [
            { "url": "/", "description": "The node that gives this document." },
            { "url": "http://127.0.0.1:8000", "description": "A node in development mode." },
        ],
        "security": [{ "key": [] }, { "authorization": [] }],
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": { "key": key("X-API-Key"), "authorization": key("Authorization") },
        },
    })
}

const ABOUT: &str = "What backends ask of the node. Each method is a POST with a JSON object. A call that was \
                     understood is answered with 200 and either `result` or `error`; `batch` with `replies`. \
                     `Authorization` holds `apikey KEY`.";

struct Description {
    requests: SchemaGenerator,
    results: SchemaGenerator,
    paths: Map<String, Value>,
}

impl Visitor for Description {
    fn see<M: Method>(&mut self) {
        self.method::<M, Reply<M::Result>>(M::NAME);
    }
}

impl Description {
    fn new() -> Self {
        let settings = || {
            SchemaSettings::draft2020_12().with(|settings| {
                settings.definitions_path = "/components/schemas".into();
                settings.meta_schema = None;
                settings.transforms.push(Box::new(RecursiveTransform(bound)));
            })
        };
        Self {
            requests: settings().for_deserialize().into_generator(),
            results: settings().for_serialize().into_generator(),
            paths: Map::new(),
        }
    }

    fn method<Request: JsonSchema, Answer: JsonSchema>(&mut self, name: &str) {
        let request = self.requests.subschema_for::<Request>();
        let about = self.requests.definitions()[&*Request::schema_name()]["description"].clone();
        let example = examples::of(name);
        let post = json!({
            "operationId": name,
            "summary": about,
            "requestBody": { "required": true, "content": with_example(content(&request.into()), example.call) },
            "responses": {
                "200": {
                    "description": "An answer.",
                    "content": with_example(content(&self.results.subschema_for::<Answer>().into()), example.answer),
                },
                "400": answer("The body is not what the method takes.", &self.refused()),
                "401": answer("Without the right key.", &self.refused()),
                "408": answer("The body did not come in time.", &self.refused()),
                "413": answer("The body is too long.", &self.refused()),
            },
        });
        self.paths.insert(format!("/api/{name}"), json!({ "post": post }));
    }

    fn refused(&mut self) -> Value {
        self.results.subschema_for::<Refused>().into()
    }

    /// What can be looked at without a key.
    fn looks(&mut self) {
        // As `shard::probe` writes it.
        let status = json!({ "enum": ["ready", "draining", "live"], "description": "In one word." });
        let health = json!({ "type": "object", "properties": { "status": status }, "required": ["status"] });
        let look = |summary: &str, responses: Value| json!({ "get": { "summary": summary, "security": [], "responses": responses } });
        let refused = self.refused();
        let off = answer("Probes are switched off (`health.enabled`).", &refused);
        let ready = json!({
            "200": answer("It does.", &health), "503": answer("It is about to leave.", &health), "404": off,
        });
        let live = json!({ "200": answer("It is.", &health), "404": off });
        let metrics = json!({
            "200": {
                "description": "OpenMetrics 1.0 or the text of Prometheus 0.0.4, by `Accept`.",
                "content": {
                    "text/plain": { "schema": { "type": "string" } },
                    "application/openmetrics-text": { "schema": { "type": "string" } },
                },
            },
            "404": answer("Metrics are switched off (`prometheus.enabled`).", &refused),
        });
        let this = json!({ "200": answer("OpenAPI 3.1.", &json!({ "type": "object" })) });
        for (path, summary, responses) in [
            ("/health", "Does the node take clients? With `?live`, is it there?", ready.clone()),
            ("/health/ready", "Does the node take clients?", ready),
            ("/health/live", "Is the node there?", live),
            ("/metrics", "What the node counts.", metrics),
            ("/api/openapi.json", "This document.", this),
        ] {
            self.paths.insert(path.into(), look(summary, responses));
        }
    }
}

impl Description {
    /// What is not for backends: clients and people come here.
    fn doors(&mut self) {
        let html = content_of("text/html", &json!({ "type": "string" }));
        let page = json!({ "200": { "description": "The demo page, or where to go instead.", "content": html } });
        let index = json!({ "summary": "For people with a browser.", "security": [], "responses": page });
        let token = json!({
            "summary": "A connection token for the demo page.",
            "security": [],
            "parameters": [{
                "name": "user", "in": "query", "required": true, "description": "Whose it is.",
                "schema": { "type": "string", "minLength": 1 },
            }],
            "responses": {
                "200": answer("A token that lives a day.", &json!({ "type": "object" })),
                "400": answer("No name, or a long one.", &self.refused()),
                "404": answer("The demo is switched off (`demo.enabled`).", &self.refused()),
            },
        });
        let door = json!({
            "summary": "The WebSocket door of clients, by default here (`http_server.websocket_path`).",
            "security": [],
            "responses": {
                "101": { "description": "From here on the client protocol is spoken." },
                "400": line("The head is none, or the upgrade is not whole."),
                "403": line("The page's origin may not connect (`client.allowed_origins`)."),
                "426": line("It is no upgrade: what is missing."),
                "503": line("The node is full, or about to leave."),
            },
        });
        let path = HttpServerConfig::default().websocket_path;
        self.paths.insert("/".into(), json!({ "get": index }));
        self.paths.insert("/demo/token".into(), json!({ "post": token }));
        self.paths.insert(path, json!({ "get": door }));
    }
}

/// Says what numbers a field can hold. `schemars` does so for small and unsigned ones.
fn bound(schema: &mut Schema) {
    let (min, max) = match schema.get("format").and_then(Value::as_str) {
        Some("int32") => (json!(i32::MIN), json!(i32::MAX)),
        Some("int64") => (json!(i64::MIN), json!(i64::MAX)),
        Some("uint32") => (json!(0), json!(u32::MAX)),
        Some("uint64") => (json!(0), json!(u64::MAX)),
        _ => return,
    };
    schema.insert("minimum".into(), min);
    schema.insert("maximum".into(), max);
}

fn with_example(mut content: Value, example: Value) -> Value {
    content["application/json"]["example"] = example;
    content
}

/// An answer of one line of text, for a person.
fn line(description: &str) -> Value {
    json!({ "description": description, "content": content_of("text/plain", &json!({ "type": "string" })) })
}

fn content_of(media: &str, schema: &Value) -> Value {
    json!({ media: { "schema": schema } })
}

fn content(schema: &Value) -> Value {
    content_of("application/json", schema)
}

fn answer(description: &str, schema: &Value) -> Value {
    json!({ "description": description, "content": content(schema) })
}
