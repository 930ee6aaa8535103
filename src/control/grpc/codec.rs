//! Messages on the wire, by their descriptors.

use bytes::Buf as _;
use prost::Message as _;
use prost::encoding::{DecodeContext, decode_key, skip_field};
use prost_reflect::{DynamicMessage, MessageDescriptor};
use tonic::Status;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};

use crate::limits::BATCH_COMMANDS_MAX;

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

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;
    use prost_reflect::Value;

    use super::*;
    use crate::control::grpc::proto;

    fn batch() -> MessageDescriptor {
        proto::rpcs(&proto::pool()).into_iter().find(|rpc| rpc.path.ends_with("RingpostApi/Batch")).unwrap().request
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
        fn any_bytes_are_counted(bytes in vec(any::<u8>(), 0..64)) {
            let count = commands_in(&batch(), &bytes);
            if let Ok(read) = DynamicMessage::decode(batch(), &bytes[..]) {
                let listed = read.get_field_by_name("commands").as_deref().and_then(Value::as_list).unwrap().len();
                prop_assert_eq!(count, listed);
            }
        }
    }
}
