//! `GET /api/openapi.json`: the API's description (OpenAPI 3.1), made of the structs that requests are read
//! into and results are written from.

use std::sync::OnceLock;

use axum::Json;
use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, SchemaGenerator};
use serde_json::{Map, Value, json};

use super::batch::{Batch, BatchReply};
use super::reply::{Refused, Reply};
use super::{Method, Visitor, visit};
use crate::control::health::Health;

/// Serves the document.
pub(super) async fn serve() -> Json<&'static Value> {
    static DOCUMENT: OnceLock<Value> = OnceLock::new();
    Json(DOCUMENT.get_or_init(document))
}

fn document() -> Value {
    let mut description = Description::new();
    visit(&mut description);
    description.method::<Batch, BatchReply>("batch");
    description.looks();
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
        let post = json!({
            "operationId": name,
            "summary": about,
            "requestBody": { "required": true, "content": content(&request.into()) },
            "responses": {
                "200": answer("An answer.", &self.results.subschema_for::<Answer>().into()),
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
        let health: Value = self.results.subschema_for::<Health>().into();
        let look = |summary: &str, responses: Value| json!({ "get": { "summary": summary, "security": [], "responses": responses } });
        let ready = json!({ "200": answer("It does.", &health), "503": answer("It is about to leave.", &health) });
        let metrics = json!({ "200": {
            "description": "OpenMetrics 1.0.",
            "content": { "application/openmetrics-text": { "schema": { "type": "string" } } },
        } });
        let this = json!({ "200": answer("OpenAPI 3.1.", &json!({ "type": "object" })) });
        for (path, summary, responses) in [
            ("/health", "Does the node take clients?", ready),
            ("/health/live", "Is the node there?", json!({ "200": answer("It is.", &health) })),
            ("/metrics", "What the node counts.", metrics),
            ("/api/openapi.json", "This document.", this),
        ] {
            self.paths.insert(path.into(), look(summary, responses));
        }
    }
}

fn content(schema: &Value) -> Value {
    json!({ "application/json": { "schema": schema } })
}

fn answer(description: &str, schema: &Value) -> Value {
    json!({ "description": description, "content": content(schema) })
}
