//! A value of serde as a message, by the message's descriptor: what the HTTP API writes as JSON.
//!
//! A struct's fields go to fields of the same name; those that the message has not are left out, as those that hold nothing. An enum's
//! variant is the field of its name. Into bytes goes application data as it is, and whatever else as JSON.

use std::collections::HashMap;
use std::fmt;

use bytes::Bytes;
use prost_reflect::{DynamicMessage, FieldDescriptor, Kind, MapKey, MessageDescriptor, ReflectMessage as _, Value};
use serde::Serialize;
use serde::ser::{Error as _, Impossible, SerializeMap, SerializeSeq, SerializeStruct, SerializeTuple, Serializer};

/// A value and the descriptor do not fit together.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(super) struct Misfit(String);

impl serde::ser::Error for Misfit {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self(message.to_string())
    }
}

/// Writes a value into a message.
///
/// # Errors
/// A field is of another kind than the value's, or too small for it.
pub(super) fn message(of: &MessageDescriptor, value: &(impl Serialize + ?Sized)) -> Result<DynamicMessage, Misfit> {
    match Place::One(Kind::Message(of.clone())).take(value)? {
        Some(Value::Message(message)) => Ok(message),
        _ => Ok(DynamicMessage::new(of.clone())),
    }
}

/// What is to hold a value.
enum Place {
    One(Kind),
    List(Kind),
    Map(Kind, Kind),
}

impl Place {
    fn of(field: &FieldDescriptor) -> Self {
        match field.kind() {
            Kind::Message(entry) if field.is_map() => {
                Self::Map(entry.map_entry_key_field().kind(), entry.map_entry_value_field().kind())
            }
            kind if field.is_list() => Self::List(kind),
            kind => Self::One(kind),
        }
    }

    /// The value, as the place holds it; `None` for none.
    fn take(self, value: &(impl Serialize + ?Sized)) -> Result<Option<Value>, Misfit> {
        let is_bytes = matches!(self, Self::One(Kind::Bytes));
        match value.serialize(self) {
            Err(_) if is_bytes => {
                let json = serde_json::to_vec(value).map_err(Misfit::custom)?;
                Ok(Some(Value::Bytes(json.into())))
            }
            taken => taken,
        }
    }

    fn whole(self, number: i128) -> Result<Option<Value>, Misfit> {
        let value = match self {
            Self::One(Kind::Uint32 | Kind::Fixed32) => number.try_into().ok().map(Value::U32),
            Self::One(Kind::Uint64 | Kind::Fixed64) => number.try_into().ok().map(Value::U64),
            Self::One(Kind::Int32 | Kind::Sint32 | Kind::Sfixed32) => number.try_into().ok().map(Value::I32),
            Self::One(Kind::Int64 | Kind::Sint64 | Kind::Sfixed64) => number.try_into().ok().map(Value::I64),
            Self::One(Kind::Double) => Some(Value::F64(number as f64)),
            place => return Err(place.misfit("a whole number")),
        };
        value.map(Some).ok_or_else(|| Misfit(format!("a field is too small for {number}")))
    }

    fn misfit(&self, what: &str) -> Misfit {
        Misfit(match self {
            Self::One(kind) => format!("{what} is no {kind:?}"),
            Self::List(kind) => format!("{what} is no list of {kind:?}"),
            Self::Map(key, value) => format!("{what} is no map of {key:?} to {value:?}"),
        })
    }

    /// A message whose fields come one by one.
    fn fields(self) -> Result<Fields, Misfit> {
        match self {
            Self::One(Kind::Message(of)) => Ok(Fields { message: DynamicMessage::new(of) }),
            place => Err(place.misfit("a struct")),
        }
    }
}

impl Serializer for Place {
    type Ok = Option<Value>;
    type Error = Misfit;
    type SerializeSeq = List;
    type SerializeTuple = List;
    type SerializeTupleStruct = Impossible<Self::Ok, Misfit>;
    type SerializeTupleVariant = Impossible<Self::Ok, Misfit>;
    type SerializeMap = Entries;
    type SerializeStruct = Fields;
    type SerializeStructVariant = Impossible<Self::Ok, Misfit>;

    /// Application data gives bytes where they are wanted.
    fn is_human_readable(&self) -> bool {
        !matches!(self, Self::One(Kind::Bytes))
    }

    fn serialize_bool(self, value: bool) -> Result<Self::Ok, Misfit> {
        match self {
            Self::One(Kind::Bool) => Ok(Some(Value::Bool(value))),
            place => Err(place.misfit("a truth value")),
        }
    }

    fn serialize_i8(self, value: i8) -> Result<Self::Ok, Misfit> {
        self.whole(value.into())
    }

    fn serialize_i16(self, value: i16) -> Result<Self::Ok, Misfit> {
        self.whole(value.into())
    }

    fn serialize_i32(self, value: i32) -> Result<Self::Ok, Misfit> {
        self.whole(value.into())
    }

    fn serialize_i64(self, value: i64) -> Result<Self::Ok, Misfit> {
        self.whole(value.into())
    }

    fn serialize_u8(self, value: u8) -> Result<Self::Ok, Misfit> {
        self.whole(value.into())
    }

    fn serialize_u16(self, value: u16) -> Result<Self::Ok, Misfit> {
        self.whole(value.into())
    }

    fn serialize_u32(self, value: u32) -> Result<Self::Ok, Misfit> {
        self.whole(value.into())
    }

    fn serialize_u64(self, value: u64) -> Result<Self::Ok, Misfit> {
        self.whole(value.into())
    }

    fn serialize_f32(self, value: f32) -> Result<Self::Ok, Misfit> {
        self.serialize_f64(value.into())
    }

    fn serialize_f64(self, value: f64) -> Result<Self::Ok, Misfit> {
        match self {
            Self::One(Kind::Double) => Ok(Some(Value::F64(value))),
            place => Err(place.misfit("a fraction")),
        }
    }

    fn serialize_char(self, value: char) -> Result<Self::Ok, Misfit> {
        self.serialize_str(value.encode_utf8(&mut [0; 4]))
    }

    fn serialize_str(self, value: &str) -> Result<Self::Ok, Misfit> {
        match self {
            Self::One(Kind::String) => Ok(Some(Value::String(value.to_owned()))),
            place => Err(place.misfit("a text")),
        }
    }

    fn serialize_bytes(self, value: &[u8]) -> Result<Self::Ok, Misfit> {
        match self {
            Self::One(Kind::Bytes) => Ok(Some(Value::Bytes(Bytes::copy_from_slice(value)))),
            place => Err(place.misfit("a string of bytes")),
        }
    }

    fn serialize_none(self) -> Result<Self::Ok, Misfit> {
        Ok(None)
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<Self::Ok, Misfit> {
        value.serialize(self)
    }

    fn serialize_unit(self) -> Result<Self::Ok, Misfit> {
        Err(self.misfit("nothing"))
    }

    fn serialize_unit_struct(self, _: &'static str) -> Result<Self::Ok, Misfit> {
        self.serialize_unit()
    }

    fn serialize_unit_variant(self, _: &'static str, _: u32, variant: &'static str) -> Result<Self::Ok, Misfit> {
        self.serialize_str(variant)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, _: &'static str, value: &T) -> Result<Self::Ok, Misfit> {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<Self::Ok, Misfit> {
        let mut fields = self.fields()?;
        fields.set(variant, value)?;
        Ok(Some(Value::Message(fields.message)))
    }

    fn serialize_seq(self, _: Option<usize>) -> Result<List, Misfit> {
        match self {
            Self::List(kind) => Ok(List { kind, items: Vec::new() }),
            place => Err(place.misfit("a list")),
        }
    }

    fn serialize_tuple(self, len: usize) -> Result<List, Misfit> {
        self.serialize_seq(Some(len))
    }

    fn serialize_tuple_struct(self, name: &'static str, _: usize) -> Result<Self::SerializeTupleStruct, Misfit> {
        Err(self.misfit(name))
    }

    fn serialize_tuple_variant(
        self,
        name: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Self::SerializeTupleVariant, Misfit> {
        Err(self.misfit(name))
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Entries, Misfit> {
        match self {
            Self::Map(key, value) => Ok(Entries { kinds: (key, value), key: None, entries: HashMap::new() }),
            place => Err(place.misfit("a map")),
        }
    }

    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Fields, Misfit> {
        self.fields()
    }

    fn serialize_struct_variant(
        self,
        name: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Self::SerializeStructVariant, Misfit> {
        Err(self.misfit(name))
    }
}

/// A message that is being filled.
struct Fields {
    message: DynamicMessage,
}

impl Fields {
    fn set(&mut self, name: &str, value: &(impl Serialize + ?Sized)) -> Result<(), Misfit> {
        let Some(field) = self.message.descriptor().get_field_by_name(name) else { return Ok(()) };
        let place = Place::of(&field);
        let taken = place.take(value).map_err(|Misfit(why)| Misfit(format!("{name}: {why}")))?;
        match taken {
            Some(value) => self.message.try_set_field(&field, value).map_err(Misfit::custom),
            None => Ok(()),
        }
    }
}

impl SerializeStruct for Fields {
    type Ok = Option<Value>;
    type Error = Misfit;

    fn serialize_field<T: Serialize + ?Sized>(&mut self, name: &'static str, value: &T) -> Result<(), Misfit> {
        self.set(name, value)
    }

    fn end(self) -> Result<Self::Ok, Misfit> {
        Ok(Some(Value::Message(self.message)))
    }
}

/// A list that is being filled.
struct List {
    kind: Kind,
    items: Vec<Value>,
}

impl SerializeSeq for List {
    type Ok = Option<Value>;
    type Error = Misfit;

    fn serialize_element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Misfit> {
        let item = Place::One(self.kind.clone()).take(value)?;
        self.items.push(item.ok_or_else(|| Misfit("a list holds nothing at one place".into()))?);
        Ok(())
    }

    fn end(self) -> Result<Self::Ok, Misfit> {
        Ok(Some(Value::List(self.items)))
    }
}

impl SerializeTuple for List {
    type Ok = Option<Value>;
    type Error = Misfit;

    fn serialize_element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Misfit> {
        SerializeSeq::serialize_element(self, value)
    }

    fn end(self) -> Result<Self::Ok, Misfit> {
        SerializeSeq::end(self)
    }
}

/// A map that is being filled.
struct Entries {
    kinds: (Kind, Kind),
    key: Option<MapKey>,
    entries: HashMap<MapKey, Value>,
}

impl SerializeMap for Entries {
    type Ok = Option<Value>;
    type Error = Misfit;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), Misfit> {
        let key = Place::One(self.kinds.0.clone()).take(key)?.and_then(Value::into_map_key);
        self.key = Some(key.ok_or_else(|| Misfit("a map has no key at one place".into()))?);
        Ok(())
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Misfit> {
        let value = Place::One(self.kinds.1.clone()).take(value)?;
        if let Some((key, value)) = self.key.take().zip(value) {
            self.entries.insert(key, value);
        }
        Ok(())
    }

    fn end(self) -> Result<Self::Ok, Misfit> {
        Ok(Some(Value::Map(self.entries)))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::value::RawValue;

    use super::*;
    use crate::control::grpc::proto::pool;

    /// What a history says, as its method writes it, and more.
    #[derive(Serialize)]
    struct History {
        publications: Vec<Publication>,
        offset: u64,
        beyond: &'static str,
    }

    #[derive(Serialize)]
    struct Publication {
        data: Box<RawValue>,
        info: Option<u8>,
    }

    fn written(name: &str, value: &impl Serialize) -> Result<DynamicMessage, Misfit> {
        message(&pool().get_message_by_name(&format!("ringpost.api.v1.{name}")).unwrap(), value)
    }

    #[test]
    fn fields_go_by_their_names_json_into_bytes_and_what_has_no_field_nowhere() {
        let data = RawValue::from_string(r#"{"a": 1}"#.into()).unwrap();
        let history = History { publications: vec![Publication { data, info: None }], offset: 7, beyond: "x" };
        let message = written("HistoryResult", &history).unwrap();
        let publications = message.get_field_by_name("publications").unwrap().into_owned();
        let publication = publications.as_list().unwrap()[0].as_message().unwrap();
        assert_eq!(publication.get_field_by_name("data").unwrap().as_bytes().unwrap(), &r#"{"a": 1}"#);
        assert!(!publication.has_field_by_name("info"));
        assert_eq!(message.get_field_by_name("offset").unwrap().as_u64(), Some(7));
    }

    #[test]
    fn what_a_field_cannot_hold_is_told_with_its_name() {
        #[derive(Serialize)]
        struct Stats<T> {
            num_clients: T,
        }
        let told = |result: Result<DynamicMessage, Misfit>| result.unwrap_err().to_string();
        let too_large = told(written("PresenceStatsResult", &Stats { num_clients: 1_u64 << 32 }));
        assert!(too_large.contains("num_clients") && too_large.contains("4294967296"), "{too_large}");
        let negative = told(written("PresenceStatsResult", &Stats { num_clients: -1 }));
        assert!(negative.contains("num_clients"), "{negative}");
        let text = told(written("PresenceStatsResult", &Stats { num_clients: "many" }));
        assert!(text.contains("num_clients"), "{text}");
        assert!(written("PresenceStatsResult", &7).is_err());
    }
}
