//! Which format a conn speaks.

use proptest::prelude::*;

use super::Format;
use super::centrifuge::Encoding;
use super::centrifuge::client::encode_command;
use super::centrifuge::tests::words;
use super::word::{Connect, Verb};
use crate::model::PayloadKind;

#[test]
fn the_subprotocol_decides_before_the_query() {
    let json = (Format::WebSocketJson, Some("centrifuge-json"));
    let protobuf = (Format::WebSocketProtobuf, Some("centrifuge-protobuf"));
    assert_eq!(Format::of_upgrade(&["centrifuge-json"], ""), json);
    assert_eq!(Format::of_upgrade(&["centrifuge-json"], "format=protobuf"), json);
    assert_eq!(Format::of_upgrade(&["centrifuge-protobuf"], ""), protobuf);
    assert_eq!(Format::of_upgrade(&["chat, centrifuge-protobuf"], ""), protobuf);
    assert_eq!(Format::of_upgrade(&[], ""), (Format::WebSocketJson, None));
    assert_eq!(Format::of_upgrade(&["chat"], "format=json"), (Format::WebSocketJson, None));
    assert_eq!(Format::of_upgrade(&[], "format=protobuf"), (Format::WebSocketProtobuf, None));
    assert_eq!(Format::of_upgrade(&[], "a=b&cf_protocol=protobuf"), (Format::WebSocketProtobuf, None));
}

#[test]
fn json_on_tcp_is_told_by_its_brace() {
    assert_eq!(Format::of_tcp(b""), None);
    assert_eq!(Format::of_tcp(b"{"), None);
    assert_eq!(Format::of_tcp(b"{\"id\":1}"), Some(Format::TcpJson));
    assert_eq!(Format::of_tcp(b"{ "), Some(Format::TcpJson));
    assert_eq!(Format::of_tcp(b"\r\n{"), Some(Format::TcpJson));
}

proptest! {
    #[test]
    fn a_protobuf_command_of_any_length_is_told_from_json(
        mut command in words::command(PayloadKind::Binary), token in "[a-z]{0,300}",
    ) {
        command.verb = Verb::Connect(Box::new(Connect { token: token.into(), ..Connect::default() }));
        let mut frame = Vec::new();
        encode_command(Encoding::Protobuf, &command, &mut frame);
        prop_assert_eq!(Format::of_tcp(&frame), Some(Format::TcpProtobuf));
    }
}

#[test]
fn the_first_subprotocol_that_is_known_is_taken_from_all_that_are_offered() {
    let protobuf = (Format::WebSocketProtobuf, Some("centrifuge-protobuf"));
    assert_eq!(Format::of_upgrade(&["chat", "centrifuge-protobuf"], ""), protobuf);
    assert_eq!(Format::of_upgrade(&["centrifuge-protobuf,centrifuge-json"], ""), protobuf);
    // A browser closes what answers with a name that it did not offer.
    assert_eq!(Format::of_upgrade(&["Centrifuge-Protobuf"], ""), (Format::WebSocketJson, None));
}
