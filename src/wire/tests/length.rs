use proptest::prelude::*;
use prost::encoding::{decode_varint, encode_varint, encoded_len_varint};

use crate::wire::length::{LengthViolation, Message, next, varint_len, write_varint};

proptest! {
    #[test]
    fn varints_are_those_of_prost(value: u64, shift in 0..64u32) {
        let value = value >> shift;
        let (mut ours, mut theirs) = (Vec::new(), Vec::new());
        write_varint(value, &mut ours);
        encode_varint(value, &mut theirs);
        prop_assert_eq!(&ours, &theirs);
        prop_assert_eq!(varint_len(value), encoded_len_varint(value));
        prop_assert_eq!(decode_varint(&mut &ours[..]), Ok(value));
    }

    #[test]
    fn a_message_is_found_behind_its_length(payload in prop::collection::vec(any::<u8>(), 0..300), rest: [u8; 2]) {
        let mut input = Vec::new();
        write_varint(payload.len() as u64, &mut input);
        let start = input.len();
        input.extend_from_slice(&payload);
        let end = input.len();
        for len in 0..end {
            prop_assert_eq!(next(&input[..len], 300), Ok(Message::Partial));
        }
        input.extend_from_slice(&rest);
        prop_assert_eq!(next(&input, 300), Ok(Message::Whole { payload: start..end, consumed: end }));
    }
}

#[test]
fn a_message_longer_than_allowed_is_refused_before_its_bytes_come() {
    assert_eq!(next(&[5], 4), Err(LengthViolation::TooLong));
    assert_eq!(next(&[0xff, 0xff, 0xff, 0xff, 0x0f], 1 << 20), Err(LengthViolation::TooLong));
}

#[test]
fn a_length_of_more_than_five_bytes_is_malformed() {
    assert_eq!(next(&[0x80; 4], 9), Ok(Message::Partial));
    assert_eq!(next(&[0x80; 5], 9), Err(LengthViolation::Malformed));
}
