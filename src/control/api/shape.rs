//! Shapes of JSON where serde's derived code and JSON Schema differ: what the API's description says holds.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Unexpected, Visitor};

/// A struct that is read from an object only: derived code takes an array of its fields, too.
#[derive(Debug)]
pub(super) struct Object<T>(pub(super) T);

/// It is described as what it holds.
impl<T: JsonSchema> JsonSchema for Object<T> {
    fn schema_name() -> Cow<'static, str> {
        T::schema_name()
    }

    fn schema_id() -> Cow<'static, str> {
        T::schema_id()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        T::json_schema(generator)
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Fields<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for Fields<T> {
            type Value = T;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<T, A::Error> {
                T::deserialize(MapAccessDeserializer::new(map))
            }
        }
        deserializer.deserialize_map(Fields(PhantomData)).map(Self)
    }
}

/// Reads a field that is an object, or null.
///
/// # Errors
/// Another shape.
pub(super) fn object<'de, T: Deserialize<'de>, D: Deserializer<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    Ok(Option::<Object<T>>::deserialize(deserializer)?.map(|Object(object)| object))
}

/// A list that is read up to a bound: one that is longer is refused at the first entry beyond, and takes no more memory than its bound.
#[derive(Debug)]
pub(super) struct AtMost<T, const MOST: usize>(pub(super) Vec<T>);

impl<T, const MOST: usize> Default for AtMost<T, MOST> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

/// It is described as a list with so many entries at the most.
impl<T: JsonSchema, const MOST: usize> JsonSchema for AtMost<T, MOST> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        Vec::<T>::schema_name()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let mut schema = Vec::<T>::json_schema(generator);
        schema.insert("maxItems".into(), MOST.into());
        schema
    }
}

impl<'de, T: Deserialize<'de>, const MOST: usize> Deserialize<'de> for AtMost<T, MOST> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Entries<T, const MOST: usize>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>, const MOST: usize> Visitor<'de> for Entries<T, MOST> {
            type Value = Vec<T>;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(formatter, "a list of at most {MOST}")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut entries: A) -> Result<Vec<T>, A::Error> {
                let mut list = Vec::new();
                while let Some(entry) = entries.next_element()? {
                    if list.len() == MOST {
                        return Err(A::Error::custom(format_args!("limit exceeded: more than {MOST}")));
                    }
                    list.push(entry);
                }
                Ok(list)
            }
        }
        deserializer.deserialize_seq(Entries::<T, MOST>(PhantomData)).map(Self)
    }
}

/// A whole number, however it is written: `255`, `255.0` and `2.55e2` are one number in JSON, and libraries write any.
#[derive(Clone, Copy, Debug)]
struct Whole<T>(T);

impl<'de, T: TryFrom<i128>> Deserialize<'de> for Whole<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Number<T>(PhantomData<T>);
        impl<T: TryFrom<i128>> Visitor<'_> for Number<T> {
            type Value = T;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(formatter, "a whole number ({})", std::any::type_name::<T>())
            }

            fn visit_u64<E: Error>(self, number: u64) -> Result<T, E> {
                T::try_from(number.into()).map_err(|_| E::invalid_value(Unexpected::Unsigned(number), &self))
            }

            fn visit_i64<E: Error>(self, number: i64) -> Result<T, E> {
                T::try_from(number.into()).map_err(|_| E::invalid_value(Unexpected::Signed(number), &self))
            }

            fn visit_f64<E: Error>(self, number: f64) -> Result<T, E> {
                let wrong = || E::invalid_value(Unexpected::Float(number), &self);
                // Past an i64's range a fraction's digits are gone: -9223372036854775809 is read as the least of them.
                let is_whole = number.fract() == 0.0 && number.abs() < i64::MAX as f64;
                T::try_from(number as i128).ok().filter(|_| is_whole).ok_or_else(wrong)
            }
        }
        deserializer.deserialize_any(Number(PhantomData)).map(Self)
    }
}

/// Reads a field that is a whole number.
///
/// # Errors
/// Another shape, a fraction, a number that `T` cannot hold.
pub(super) fn whole<'de, T: TryFrom<i128>, D: Deserializer<'de>>(deserializer: D) -> Result<T, D::Error> {
    Whole::deserialize(deserializer).map(|Whole(number)| number)
}

/// As [`whole`], for a field that may be null.
///
/// # Errors
/// As [`whole`].
pub(super) fn whole_or_null<'de, T: TryFrom<i128>, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<T>, D::Error> {
    Ok(Option::<Whole<T>>::deserialize(deserializer)?.map(|Whole(number)| number))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_list_is_read_up_to_its_bound_and_what_comes_after_that_is_not_looked_at() {
        let read = |text: &str| serde_json::from_str::<AtMost<u8, 2>>(text).map(|AtMost(list)| list);
        assert!(read("[]").unwrap().is_empty());
        assert_eq!(read("[1,2]").unwrap(), [1, 2]);
        // Neither a wrong entry nor the missing end is reached.
        for text in ["[1,2,3]", "[1,2,3,\"x\"]", "[1,2,3,4"] {
            assert_eq!(read(text).unwrap_err().to_string(), "limit exceeded: more than 2 at line 1 column 7", "{text}");
        }
        assert!(read("[1,\"x\",3]").unwrap_err().to_string().starts_with("invalid type"));
        assert!(read("7").unwrap_err().to_string().contains("a list of at most 2"));
    }

    #[test]
    fn a_list_with_a_bound_is_described_so() {
        let schema = SchemaGenerator::default().into_root_schema_for::<AtMost<u8, 2>>();
        let described = (schema.get("type"), schema.get("maxItems"));
        assert_eq!(described, (Some(&json!("array")), Some(&json!(2))));
    }
}
