//! Messages on the wire, by their descriptors.

use bytes::Buf as _;
use prost::Message as _;
use prost::encoding::{DecodeContext, WireType, decode_key, decode_varint, skip_field};
use prost_reflect::{DynamicMessage, FieldDescriptor, Kind, MessageDescriptor};
use tonic::Status;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};

use crate::limits::{BATCH_COMMANDS_MAX, GRPC_VALUES_MAX};

/// What a message counts for beside its fields.
const MESSAGE_VALUES: usize = 4;

/// Messages within messages are read to this depth, and those that go deeper refused by who reads them.
const DEPTH_MAX: u32 = 100;

/// Reads requests of one kind, and writes any answers.
#[derive(Debug)]
pub(super) struct ByDescriptor(pub(super) MessageDescriptor);

impl Codec for ByDescriptor {
    type Encode = DynamicMessage;
    type Decode = DynamicMessage;
    type Encoder = Writer;
    type Decoder = Reader;

    fn encoder(&mut self) -> Writer {
        Writer
    }

    fn decoder(&mut self) -> Reader {
        Reader(self.0.clone())
    }
}

/// Writes answers.
#[derive(Debug)]
pub(super) struct Writer;

impl Encoder for Writer {
    type Item = DynamicMessage;
    type Error = Status;

    fn encode(&mut self, message: DynamicMessage, into: &mut EncodeBuf<'_>) -> Result<(), Status> {
        message.encode(into).map_err(|error| Status::internal(error.to_string()))
    }
}

/// Reads requests.
#[derive(Debug)]
pub(super) struct Reader(MessageDescriptor);

impl Decoder for Reader {
    type Item = DynamicMessage;
    type Error = Status;

    fn decode(&mut self, from: &mut DecodeBuf<'_>) -> Result<Option<DynamicMessage>, Status> {
        let bytes = from.copy_to_bytes(from.remaining());
        if commands_in(&self.0, &bytes) > BATCH_COMMANDS_MAX {
            return Err(Status::invalid_argument(format!("limit exceeded: more than {BATCH_COMMANDS_MAX} commands")));
        }
        if !has_room(&self.0, &bytes, &mut { GRPC_VALUES_MAX }, 0) {
            return Err(Status::invalid_argument(format!("limit exceeded: more than {GRPC_VALUES_MAX} values")));
        }
        let malformed = |error| Status::invalid_argument(format!("the request is no {}: {error}", self.0.full_name()));
        DynamicMessage::decode(self.0.clone(), bytes).map(Some).map_err(malformed)
    }
}

/// How many commands a batch has, up to one more than it may. They are counted as they lie in the bytes: one of two bytes takes a
/// hundred times as much memory when it is read. What is malformed is told by who reads it.
fn commands_in(of: &MessageDescriptor, mut bytes: &[u8]) -> usize {
    let Some(commands) = of.get_field_by_name("commands") else { return 0 };
    let mut count = 0;
    while let Ok((number, kind)) = decode_key(&mut bytes) {
        count += usize::from(number == commands.number());
        let skipped = skip_field(kind, number, &mut bytes, DecodeContext::default());
        if skipped.is_err() || count > BATCH_COMMANDS_MAX {
            break;
        }
    }
    count
}

/// Whether a message has no more values than are left to be read; it takes its own away. They are counted as they lie in the bytes, since
/// each takes far more memory when it is read. What is malformed is told by who reads it.
fn has_room(of: &MessageDescriptor, mut bytes: &[u8], left: &mut usize, depth: u32) -> bool {
    while let Ok((number, wire)) = decode_key(&mut bytes) {
        let before = bytes;
        if depth > DEPTH_MAX || skip_field(wire, number, &mut bytes, DecodeContext::default()).is_err() {
            break;
        }
        let mut value = &before[..before.len() - bytes.len()];
        let field = of.get_field(number).filter(|_| wire == WireType::LengthDelimited);
        let values = match field.as_ref().map(FieldDescriptor::kind) {
            Some(Kind::Message(message)) => {
                // Its length, which was skipped with it.
                if decode_varint(&mut value).is_err() || !has_room(&message, value, left, depth + 1) {
                    return false;
                }
                MESSAGE_VALUES
            }
            Some(Kind::String | Kind::Bytes) => 1,
            // Numbers that are packed, each of a byte at least.
            Some(_) => 1 + value.len(),
            None if wire == WireType::StartGroup => 1 + value.len(),
            None => 1,
        };
        let Some(rest) = left.checked_sub(values) else { return false };
        *left = rest;
    }
    true
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;
    use prost_reflect::Value;

    use super::*;
    use crate::control::grpc::proto;
    use crate::limits::BROADCAST_CHANNELS_MAX;

    fn request(call: &str) -> MessageDescriptor {
        proto::rpcs(&proto::pool()).into_iter().find(|rpc| rpc.path.ends_with(call)).unwrap().request
    }

    fn batch() -> MessageDescriptor {
        request("RingpostApi/Batch")
    }

    /// How many values are read, as they are counted.
    fn values_of(message: &DynamicMessage) -> usize {
        let count = |value: &Value| match value {
            Value::Message(message) => MESSAGE_VALUES + values_of(message),
            _ => 1,
        };
        let fields = message.fields().map(|(_, value)| match value {
            Value::List(list) => list.iter().map(count).sum(),
            Value::Map(entries) => entries.values().map(count).sum(),
            value => count(value),
        });
        fields.sum::<usize>() + message.unknown_fields().count()
    }

    #[test]
    fn a_list_of_empty_texts_is_refused_before_it_is_read_and_the_largest_broadcast_is_not() {
        let broadcast = request("RingpostApi/Broadcast");
        let channels = |count: usize| [0x0a, 0x00].repeat(count);
        let has_room = |of: &MessageDescriptor, bytes: &[u8]| super::has_room(of, bytes, &mut { GRPC_VALUES_MAX }, 0);
        assert!(
            [BROADCAST_CHANNELS_MAX, GRPC_VALUES_MAX].map(channels).iter().all(|bytes| has_room(&broadcast, bytes))
        );
        assert!(!has_room(&broadcast, &channels(GRPC_VALUES_MAX + 1)));
        // Unknown fields, an unknown group of these, and such within a message.
        assert!(!has_room(&broadcast, &[0xf8, 0x7f, 0x00].repeat(GRPC_VALUES_MAX + 1)));
        let group = [&[0xfb, 0x7f][..], &[0x08, 0x00].repeat(GRPC_VALUES_MAX), &[0xfc, 0x7f]].concat();
        assert!(!has_room(&broadcast, &group));
        let mut command = vec![0x0a];
        prost::encoding::encode_varint(2 * (GRPC_VALUES_MAX as u64 + 1), &mut command);
        command.extend([0x78, 0x00].repeat(GRPC_VALUES_MAX + 1));
        assert!(!has_room(&batch(), &command));
    }

    proptest! {
        #[test]
        fn as_many_commands_are_counted_as_are_read(commands in vec(vec(any::<u8>(), 0..6), 0..20), parallel: bool) {
            // Unknown fields of some bytes, whole, as commands.
            let length = |command: &Vec<u8>| command.len() as u8;
            let head = |command: &Vec<u8>| [0x0a, length(command) + 3, 0xfa, 0x7f, length(command)];
            let field = |command: &Vec<u8>| [&head(command)[..], command].concat();
            let bytes = [commands.iter().flat_map(field).collect(), vec![0x10, u8::from(parallel)]].concat();
            let read = DynamicMessage::decode(batch(), &bytes[..]).unwrap();
            let listed = read.get_field_by_name("commands").as_deref().and_then(Value::as_list).unwrap().len();
            prop_assert_eq!((commands_in(&batch(), &bytes), listed), (commands.len(), commands.len()));
        }

        #[test]
        fn no_more_values_are_read_than_were_counted(bytes in vec(any::<u8>(), 0..64), commands in vec(vec(any::<u8>(), 0..8), 0..4)) {
            let field = |command: &Vec<u8>| [&[0x0a, command.len() as u8][..], command].concat();
            for bytes in [bytes, commands.iter().flat_map(field).collect()] {
                if let Ok(read) = DynamicMessage::decode(batch(), &bytes[..]) {
                    let values = values_of(&read);
                    let has_room = |mut left: usize| has_room(&batch(), &bytes, &mut left, 0);
                    prop_assert!(has_room(GRPC_VALUES_MAX) && (values == 0 || !has_room(values - 1)), "{}", values);
                }
            }
        }

        #[test]
        fn any_bytes_are_counted(bytes in vec(any::<u8>(), 0..64)) {
            let count = commands_in(&batch(), &bytes);
            if let Ok(read) = DynamicMessage::decode(batch(), &bytes[..]) {
                let listed = read.get_field_by_name("commands").as_deref().and_then(Value::as_list).unwrap().len();
                prop_assert_eq!(count, listed);
            }
        }
    }
}
