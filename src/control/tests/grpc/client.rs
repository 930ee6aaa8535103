//! A client of the gRPC API: it knows the files in `proto/`, and nothing of the node's own way from JSON to messages.

use std::collections::HashMap;

use bytes::{Buf as _, BufMut as _, Bytes};
use prost::Message as _;
use prost_reflect::{
    DescriptorPool, DynamicMessage, FieldDescriptor, Kind, MapKey, MessageDescriptor, MethodDescriptor,
};
use serde_json::{Value, json};
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::transport::{Channel, Endpoint};
use tonic::{Request, Status};

use super::super::node::{KEY, TestNode};

pub(super) const RINGPOST: &str = "ringpost.api.v1.RingpostApi";
pub(super) const CENTRIFUGO: &str = "centrifugal.centrifugo.api.CentrifugoApi";

/// The files in `proto/`, compiled.
pub(super) fn compiled() -> protox::Compiler {
    let mut compiler = protox::Compiler::new([concat!(env!("CARGO_MANIFEST_DIR"), "/proto")]).unwrap();
    compiler.include_imports(true).include_source_info(false);
    compiler.open_files(["api.proto", "ringpost.proto"]).unwrap();
    compiler
}

pub(super) struct Client {
    pub(super) channel: Channel,
    pub(super) pool: DescriptorPool,
    pub(super) metadata: Vec<(&'static str, String)>,
}

impl Client {
    pub(super) async fn of(node: &TestNode) -> Self {
        let address = node.grpc.expect("it serves gRPC");
        let endpoint = Endpoint::from_shared(format!("http://{address}")).unwrap();
        Self::over(endpoint.connect().await.unwrap())
    }

    pub(super) fn over(channel: Channel) -> Self {
        let metadata = vec![("authorization", format!("apikey {KEY}"))];
        Self { channel, pool: compiled().descriptor_pool(), metadata }
    }

    /// The call of a service that a method of the API is.
    pub(super) fn rpc(&self, service: &str, method: &str) -> Option<MethodDescriptor> {
        let service = self.pool.get_service_by_name(service).unwrap();
        service.methods().find(|rpc| rpc.name().to_lowercase() == method.replace('_', ""))
    }

    /// Calls a method with a request that is written as JSON. Its answer, in the same way.
    pub(super) async fn call(&self, service: &str, method: &str, request: &Value) -> Result<Value, Status> {
        let rpc = self.rpc(service, method).unwrap_or_else(|| panic!("{service} has no {method}"));
        let path = format!("/{service}/{}", rpc.name());
        let answer = self.send(&path, fill(&rpc.input(), request).encode_to_vec()).await?;
        Ok(show(&DynamicMessage::decode(rpc.output(), answer).unwrap()))
    }

    /// Sends the bytes of a message, and receives those of the answer.
    pub(super) async fn send(&self, path: &str, message: Vec<u8>) -> Result<Bytes, Status> {
        let mut grpc = tonic::client::Grpc::new(self.channel.clone());
        grpc.ready().await.map_err(|error| Status::unavailable(error.to_string()))?;
        let mut request = Request::new(message);
        for (name, value) in &self.metadata {
            request.metadata_mut().insert(*name, value.parse().unwrap());
        }
        Ok(grpc.unary(request, path.parse().unwrap(), Raw).await?.into_inner())
    }
}

/// Messages as bytes.
struct Raw;

impl Codec for Raw {
    type Encode = Vec<u8>;
    type Decode = Bytes;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self
    }

    fn decoder(&mut self) -> Self {
        Self
    }
}

impl Encoder for Raw {
    type Item = Vec<u8>;
    type Error = Status;

    fn encode(&mut self, message: Vec<u8>, into: &mut EncodeBuf<'_>) -> Result<(), Status> {
        into.put_slice(&message);
        Ok(())
    }
}

impl Decoder for Raw {
    type Item = Bytes;
    type Error = Status;

    fn decode(&mut self, from: &mut DecodeBuf<'_>) -> Result<Option<Bytes>, Status> {
        Ok(Some(from.copy_to_bytes(from.remaining())))
    }
}

/// A message that says what JSON says, but for what it has no fields for.
pub(super) fn fill(of: &MessageDescriptor, json: &Value) -> DynamicMessage {
    let mut message = DynamicMessage::new(of.clone());
    for (name, value) in json.as_object().unwrap() {
        if let Some(field) = of.get_field_by_name(name) {
            message.set_field(&field, filled(&field, value));
        }
    }
    message
}

fn filled(field: &FieldDescriptor, json: &Value) -> prost_reflect::Value {
    use prost_reflect::Value as To;
    match field.kind() {
        Kind::Message(entry) if field.is_map() => {
            let value = entry.map_entry_value_field();
            let entries = json.as_object().unwrap().iter();
            let entries = entries.map(|(key, json)| (MapKey::String(key.clone()), filled(&value, json)));
            To::Map(entries.collect::<HashMap<_, _>>())
        }
        kind if field.is_list() => To::List(json.as_array().unwrap().iter().map(|json| one(&kind, json)).collect()),
        kind => one(&kind, json),
    }
}

fn one(kind: &Kind, json: &Value) -> prost_reflect::Value {
    use prost_reflect::Value as To;
    match kind {
        Kind::Bool => To::Bool(json.as_bool().unwrap()),
        Kind::Double => To::F64(json.as_f64().unwrap()),
        Kind::Int32 => To::I32(json.as_i64().unwrap().try_into().unwrap()),
        Kind::Int64 => To::I64(json.as_i64().unwrap()),
        Kind::Uint32 => To::U32(json.as_u64().unwrap().try_into().unwrap()),
        Kind::Uint64 => To::U64(json.as_u64().unwrap()),
        Kind::String => To::String(json.as_str().unwrap().into()),
        Kind::Bytes => To::Bytes(json.to_string().into_bytes().into()),
        Kind::Message(of) => To::Message(fill(of, json)),
        other => panic!("no field is {other:?}"),
    }
}

/// What a message says, as JSON.
pub(super) fn show(message: &DynamicMessage) -> Value {
    message.fields().map(|(field, value)| (field.name().to_owned(), shown(value))).collect()
}

fn shown(value: &prost_reflect::Value) -> Value {
    use prost_reflect::Value as Of;
    match value {
        Of::Bool(value) => json!(value),
        Of::I32(value) => json!(value),
        Of::I64(value) => json!(value),
        Of::U32(value) => json!(value),
        Of::U64(value) => json!(value),
        Of::F64(value) => json!(value),
        Of::String(value) => json!(value),
        Of::Bytes(bytes) => serde_json::from_slice(bytes).unwrap_or_else(|_| json!(bytes.to_vec())),
        Of::Message(message) => show(message),
        Of::List(items) => items.iter().map(shown).collect(),
        Of::Map(entries) => {
            entries.iter().map(|(key, value)| (key.as_str().unwrap().to_owned(), shown(value))).collect()
        }
        other => panic!("no field holds {other:?}"),
    }
}
