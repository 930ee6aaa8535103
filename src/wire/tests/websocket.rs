use proptest::prelude::*;
use tungstenite::protocol::frame::coding::{CloseCode, Control, Data, OpCode};
use tungstenite::protocol::frame::{CloseFrame, Frame as Theirs, FrameHeader};
use tungstenite::protocol::{Message, Role, WebSocket, WebSocketConfig};

use super::Pipe;
use crate::limits::CLOSE_REASON_BYTES_MAX;
use crate::wire::websocket::{
    Decoded, Fragments, Frame, Opcode, Piece, Sender, Violation, apply_mask, assemble, close_code, decode, write_close,
    write_close_answer, write_frame, write_masked,
};

/// Every length at which the header changes, and its neighbours.
const EDGES: [usize; 10] = [0, 1, 124, 125, 126, 127, 65_534, 65_535, 65_536, 65_537];
const MAX: usize = 1 << 20;

/// What a peer has said, frames and fragments put together.
#[derive(Debug, Default, PartialEq)]
struct Heard {
    messages: Vec<(Opcode, Vec<u8>)>,
    violation: Option<Violation>,
}

/// Reads as a shard does: from a buffer that grows by `chunk` bytes at a time, and nothing after a close.
fn hear(stream: &[u8], sender: Sender, max: usize, chunk: usize) -> Heard {
    let (mut heard, mut open, mut buffer) = (Heard::default(), None, Vec::new());
    for bytes in stream.chunks(chunk.max(1)) {
        buffer.extend_from_slice(bytes);
        loop {
            match hear_one(&mut buffer, sender, max, &mut open, &mut heard.messages) {
                Ok(0) => break,
                Ok(_) if heard.messages.last().is_some_and(|(opcode, _)| *opcode == Opcode::Close) => return heard,
                Ok(consumed) => drop(buffer.drain(..consumed)),
                Err(violation) => {
                    heard.violation = Some(violation);
                    return heard;
                }
            }
        }
    }
    heard
}

fn hear_one(
    buffer: &mut [u8],
    sender: Sender,
    max: usize,
    open: &mut Option<Box<Fragments>>,
    messages: &mut Vec<(Opcode, Vec<u8>)>,
) -> Result<usize, Violation> {
    let Decoded::Frame(frame) = decode(buffer, sender, max)? else { return Ok(0) };
    let payload = &buffer[frame.payload.clone()];
    if frame.opcode == Opcode::Close {
        close_code(payload)?;
    }
    if frame.opcode.is_control() {
        messages.push((frame.opcode, payload.to_vec()));
    } else {
        match assemble(open, &frame, payload, max)? {
            Piece::Message(opcode) => messages.push((opcode, payload.to_vec())),
            Piece::Gathered(opcode, bytes) => messages.push((opcode, bytes)),
            Piece::More => {}
        }
    }
    Ok(frame.consumed)
}

/// A frame as `tungstenite` writes it.
fn theirs(opcode: OpCode, fin: bool, payload: &[u8], mask: Option<[u8; 4]>) -> Vec<u8> {
    let header = FrameHeader { is_final: fin, opcode, mask, ..FrameHeader::default() };
    let mut out = Vec::new();
    Theirs::from_payload(header, payload.to_vec().into()).format(&mut out).unwrap();
    out
}

fn their_opcode(opcode: Opcode) -> OpCode {
    match opcode {
        Opcode::Continuation => OpCode::Data(Data::Continue),
        Opcode::Text => OpCode::Data(Data::Text),
        Opcode::Binary => OpCode::Data(Data::Binary),
        Opcode::Close => OpCode::Control(Control::Close),
        Opcode::Ping => OpCode::Control(Control::Ping),
        Opcode::Pong => OpCode::Control(Control::Pong),
    }
}

fn their_socket(role: Role, input: &[u8]) -> WebSocket<Pipe> {
    let config = WebSocketConfig::default().max_message_size(Some(MAX)).max_frame_size(Some(MAX));
    WebSocket::from_raw_socket(Pipe::of(input), role, Some(config))
}

fn our_message(message: Message) -> (Opcode, Vec<u8>) {
    match message {
        Message::Text(text) => (Opcode::Text, text.as_bytes().to_vec()),
        Message::Binary(bytes) => (Opcode::Binary, bytes.to_vec()),
        Message::Ping(bytes) => (Opcode::Ping, bytes.to_vec()),
        Message::Pong(bytes) => (Opcode::Pong, bytes.to_vec()),
        other => panic!("not sent: {other:?}"),
    }
}

/// A message and where it is cut into fragments; pings and pongs go between.
fn conversation() -> impl Strategy<Value = Vec<(Opcode, Vec<u8>, Vec<usize>)>> {
    let len = prop_oneof![4 => 0..200usize, 1 => prop::sample::select(EDGES.to_vec())];
    let text = "\\PC{0,60}".prop_map(|text| (Opcode::Text, text.into_bytes()));
    let binary = len.prop_map(|len| (Opcode::Binary, (0..len).map(|at| at as u8).collect::<Vec<_>>()));
    let message = prop_oneof![text, binary];
    let cuts = prop::collection::vec(0..200usize, 0..4);
    prop::collection::vec((message, cuts).prop_map(|((opcode, bytes), cuts)| (opcode, bytes, cuts)), 1..6)
}

/// Writes a conversation with `tungstenite`: the stream, and the messages in the order in which they are heard.
fn say(conversation: &[(Opcode, Vec<u8>, Vec<usize>)], mask: Option<[u8; 4]>) -> (Vec<u8>, Vec<(Opcode, Vec<u8>)>) {
    let (mut stream, mut messages) = (Vec::new(), Vec::new());
    for (opcode, bytes, cuts) in conversation {
        let mut cuts: Vec<_> = cuts.iter().map(|cut| cut % (bytes.len() + 1)).collect();
        cuts.sort_unstable();
        cuts.push(bytes.len());
        let mut from = 0;
        for (at, &cut) in cuts.iter().enumerate() {
            let frame_opcode = if at == 0 { *opcode } else { Opcode::Continuation };
            let last = at + 1 == cuts.len();
            stream.extend(theirs(their_opcode(frame_opcode), last, &bytes[from..cut], mask));
            from = cut;
            if !last {
                let control = if at % 2 == 0 { Opcode::Ping } else { Opcode::Pong };
                stream.extend(theirs(their_opcode(control), true, b"between", mask));
                messages.push((control, b"between".to_vec()));
            }
        }
        messages.push((*opcode, bytes.clone()));
    }
    (stream, messages)
}

proptest! {
    #[test]
    fn what_tungstenite_writes_is_heard_however_it_is_cut(talk in conversation(), mask: [u8; 4], chunk in 1..5_000usize) {
        let (stream, messages) = say(&talk, Some(mask));
        let heard = hear(&stream, Sender::Client, MAX, chunk);
        prop_assert_eq!(heard, Heard { messages, violation: None });
    }

    #[test]
    fn what_we_write_tungstenite_reads(talk in conversation(), mask: [u8; 4]) {
        let (mut from_server, mut from_client) = (Vec::new(), Vec::new());
        for (opcode, bytes, _) in &talk {
            write_frame(*opcode, bytes, &mut from_server);
            write_masked(*opcode, bytes, mask, &mut from_client);
        }
        for (role, stream) in [(Role::Client, from_server), (Role::Server, from_client)] {
            let mut socket = their_socket(role, &stream);
            for (opcode, bytes, _) in &talk {
                prop_assert_eq!(our_message(socket.read().unwrap()), (*opcode, bytes.clone()));
            }
        }
    }

    #[test]
    fn a_mask_is_xored_in_over_and_over(payload in prop::collection::vec(any::<u8>(), 0..70), mask: [u8; 4], start in 0..8usize) {
        let start = start.min(payload.len());
        let mut masked = payload.clone();
        apply_mask(&mut masked[start..], mask);
        for (at, byte) in masked.iter().enumerate() {
            let expected = if at < start { payload[at] } else { payload[at] ^ mask[(at - start) % 4] };
            prop_assert_eq!(*byte, expected);
        }
    }

    #[test]
    fn damaged_streams_are_judged_as_tungstenite_judges_them(
        talk in conversation(), mask: [u8; 4], at: prop::sample::Index, bit in 0..8u8,
    ) {
        let (mut stream, _) = say(&talk, Some(mask));
        let at = at.index(stream.len());
        stream[at] ^= 1 << bit;
        let mut ours = hear(&stream, Sender::Client, MAX, usize::MAX);
        let mut socket = their_socket(Role::Server, &stream);
        let (mut theirs, mut error) = (Vec::new(), None);
        loop {
            match socket.read() {
                Ok(Message::Close(_)) => break,
                Ok(message) => theirs.push(our_message(message)),
                Err(tungstenite::Error::Io(_)) => break,
                Err(other) => {
                    error = Some(other);
                    break;
                }
            }
        }
        ours.messages.retain(|(opcode, _)| *opcode != Opcode::Close);
        // They object to text that is no UTF-8 at its first fragment, we when the message is whole.
        let common = ours.messages.len().min(theirs.len());
        prop_assert_eq!(&ours.messages[..common], &theirs[..common]);
        match (ours.violation, error) {
            (None, None) => prop_assert_eq!(ours.messages.len(), theirs.len()),
            // Its last fragment has not come: we have not looked at it yet.
            (None, Some(tungstenite::Error::Utf8(_))) => prop_assert_eq!(ours.messages.len(), theirs.len()),
            (None, Some(error)) => prop_assert!(false, "only they object: {}", error),
            // They take lengths that are not the shortest, and look at a frame only when it is whole.
            (Some(_), _) => {}
        }
    }
}

#[test]
fn lengths_at_the_edges_go_both_ways() {
    for len in EDGES {
        let payload: Vec<u8> = (0..len).map(|at| (at * 7) as u8).collect();
        let mut ours = Vec::new();
        write_frame(Opcode::Binary, &payload, &mut ours);
        assert_eq!(ours, theirs(their_opcode(Opcode::Binary), true, &payload, None), "{len}");
        let mut masked = Vec::new();
        write_masked(Opcode::Binary, &payload, [1, 2, 3, 4], &mut masked);
        assert_eq!(masked, theirs(their_opcode(Opcode::Binary), true, &payload, Some([1, 2, 3, 4])), "{len}");
        let header = masked.len() - len;
        let frame = Frame { fin: true, opcode: Opcode::Binary, payload: header..header + len, consumed: header + len };
        assert_eq!(decode(&mut masked, Sender::Client, MAX), Ok(Decoded::Frame(frame)), "{len}");
        assert_eq!(masked[header..], payload[..]);
    }
}

#[test]
fn a_partial_frame_is_left_as_it_is() {
    let mut stream = Vec::new();
    write_masked(Opcode::Text, b"hello", [9; 4], &mut stream);
    for len in 0..stream.len() {
        let mut part = stream[..len].to_vec();
        assert_eq!(decode(&mut part, Sender::Client, MAX), Ok(Decoded::Partial));
        assert_eq!(part, stream[..len]);
    }
}

#[test]
fn violations_have_the_close_code_of_the_rfc() {
    let masked = |first: u8, payload: &[u8]| [&[first, 0x80 | payload.len() as u8, 0, 0, 0, 0], payload].concat();
    let cases: [(Vec<u8>, Violation, u16); 16] = [
        (masked(0xc1, b"x"), Violation::ReservedBits, 1002),
        (masked(0x91, b"x"), Violation::ReservedBits, 1002),
        (masked(0x83, b"x"), Violation::UnknownOpcode, 1002),
        (masked(0x8b, b"x"), Violation::UnknownOpcode, 1002),
        (vec![0x81, 1, b'x'], Violation::Masking, 1002),
        (vec![0x81, 0xfe, 0, 125], Violation::MalformedLength, 1002),
        (vec![0x81, 0xff, 0, 0, 0, 0, 0, 0, 0xff, 0xff], Violation::MalformedLength, 1002),
        (vec![0x81, 0xff, 0x80, 0, 0, 0, 0, 0, 0, 0], Violation::MalformedLength, 1002),
        (masked(0x09, b"fragmented ping"), Violation::MalformedControl, 1002),
        (vec![0x89, 0xfe, 0, 126], Violation::MalformedControl, 1002),
        (masked(0x80, b"out of nothing"), Violation::Fragmentation, 1002),
        ([masked(0x01, b"a"), masked(0x81, b"b")].concat(), Violation::Fragmentation, 1002),
        (masked(0x81, b"\xff"), Violation::NotUtf8, 1007),
        ([masked(0x01, b"\xce"), masked(0x80, b"\xce")].concat(), Violation::NotUtf8, 1007),
        (vec![0x82, 0xff, 0, 0, 0, 0, 0, 0x10, 0, 1], Violation::TooBig, 1009),
        (masked(0x88, b"\x03"), Violation::MalformedClose, 1002),
    ];
    for (stream, violation, code) in cases {
        let heard = hear(&stream, Sender::Client, MAX, 1);
        assert_eq!(heard.violation, Some(violation), "{stream:02x?}");
        assert_eq!(violation.close_code(), code);
    }
}

#[test]
fn a_character_may_be_cut_by_fragments() {
    let stream = [
        theirs(their_opcode(Opcode::Text), false, &"ü".as_bytes()[..1], Some([7; 4])),
        theirs(their_opcode(Opcode::Continuation), true, &"ü".as_bytes()[1..], Some([7; 4])),
    ];
    let heard = hear(&stream.concat(), Sender::Client, MAX, usize::MAX);
    assert_eq!(heard.messages, [(Opcode::Text, "ü".as_bytes().to_vec())]);
}

#[test]
fn fragments_together_obey_the_limit_of_one_message() {
    let part = [7; 600];
    let first = theirs(their_opcode(Opcode::Binary), false, &part, Some([1; 4]));
    let more = theirs(their_opcode(Opcode::Continuation), true, &part, Some([1; 4]));
    let stream = [first, more].concat();
    assert_eq!(hear(&stream, Sender::Client, 1_200, usize::MAX).messages.len(), 1);
    assert_eq!(hear(&stream, Sender::Client, 1_199, usize::MAX).violation, Some(Violation::TooBig));
}

#[test]
fn only_sendable_close_codes_are_taken() {
    assert_eq!(close_code(b""), Ok(None));
    for code in 0..=u16::MAX {
        // RFC 6455, 7.4, and the registry it founds: 1004 to 1006 and 1015 must not be sent.
        let sendable = matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999);
        let expected = if sendable { Ok(Some(code)) } else { Err(Violation::MalformedClose) };
        assert_eq!(close_code(&code.to_be_bytes()), expected, "{code}");
    }
    assert_eq!(close_code(&[0x03, 0xe8, 0xff]), Err(Violation::NotUtf8));
}

#[test]
fn a_close_and_its_answer_are_those_of_tungstenite() {
    let mut out = Vec::new();
    write_close(3008, "slow", &mut out);
    let mut client = their_socket(Role::Client, &out);
    let close = CloseFrame { code: CloseCode::Iana(3008), reason: "slow".into() };
    assert_eq!(client.read().unwrap(), Message::Close(Some(close)));
    let _ = client.flush();
    let answer = hear(&client.get_ref().output, Sender::Client, MAX, usize::MAX);
    assert_eq!(answer.messages.len(), 1);
    assert_eq!(close_code(&answer.messages[0].1), Ok(Some(3008)));

    for code in [None, Some(1000)] {
        let mut out = Vec::new();
        write_close_answer(code, &mut out);
        let Message::Close(frame) = their_socket(Role::Client, &out).read().unwrap() else { panic!("a close") };
        assert_eq!(frame.map(|frame| u16::from(frame.code)), code);
    }
}

#[test]
fn a_reason_that_is_too_long_is_cut_at_a_character() {
    let mut out = Vec::new();
    write_close(3501, &"ü".repeat(100), &mut out);
    let Message::Close(Some(frame)) = their_socket(Role::Client, &out).read().unwrap() else { panic!("a close") };
    assert_eq!(frame.reason.as_str(), "ü".repeat(CLOSE_REASON_BYTES_MAX / 2));
}

#[test]
fn a_ping_is_answered_with_what_it_carried() {
    let mut client = their_socket(Role::Client, b"");
    client.send(Message::Ping("are you there".into())).unwrap();
    let ping = hear(&client.get_ref().output, Sender::Client, MAX, usize::MAX);
    assert_eq!(ping.messages, [(Opcode::Ping, b"are you there".to_vec())]);
    let mut pong = Vec::new();
    write_frame(Opcode::Pong, &ping.messages[0].1, &mut pong);
    client.get_mut().input = pong;
    assert_eq!(client.read().unwrap(), Message::Pong("are you there".into()));
}
