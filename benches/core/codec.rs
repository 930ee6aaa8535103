//! Frames and commands in, publications out.

use std::hint::black_box;

use criterion::{BatchSize, Criterion, Throughput};
use ringpost::protocol::centrifuge::format::{self, Format};
use ringpost::protocol::centrifuge::{self, client};
use ringpost::protocol::word::{Command, Payload, PayloadKind, PayloadRef, Publication, Push, Verb};
use ringpost::wire::websocket::{self, Decoded, Sender};

const FORMATS: [(&str, Format); 2] = [("json", Format::WebSocketJson), ("protobuf", Format::WebSocketProtobuf)];

fn data() -> Vec<u8> {
    format!("{{\"text\":\"{}\"}}", "x".repeat(85)).into_bytes()
}

fn publish_frame(format: Format) -> Vec<u8> {
    let data = PayloadRef { bytes: data().into(), kind: PayloadKind::Json };
    let command = Command { id: 7, verb: Verb::Publish { channel: "chat:room".into(), data } };
    let (mut body, mut frame) = (Vec::new(), Vec::new());
    client::write_command(format, &command, [1, 2, 3, 4], &mut body, &mut frame);
    frame
}

pub(crate) fn bench(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("codec");
    group.throughput(Throughput::Elements(1));
    for (name, format) in FORMATS {
        let frame = publish_frame(format);
        group.bench_function(format!("read a publish, {name}"), |bencher| {
            bencher.iter_batched_ref(
                || frame.clone(),
                |frame| {
                    let Ok(Decoded::Frame(found)) = websocket::decode(frame, Sender::Client, 65_536) else {
                        unreachable!("the frame is whole");
                    };
                    let mut commands = centrifuge::decode(format, &frame[found.payload]);
                    black_box(commands.next()).is_some()
                },
                BatchSize::SmallInput,
            );
        });
        let publication =
            Publication { offset: 1234, data: Payload::json(data()), info: None, tags: None, time_unix_ms: 1 << 40 };
        let push = Push::Publication { channel: "chat:room", publication: &publication };
        let (mut body, mut out) = (Vec::new(), Vec::with_capacity(4096));
        group.bench_function(format!("write a publication, {name}"), |bencher| {
            bencher.iter(|| {
                out.clear();
                format::write_push(format, black_box(&push), &mut body, &mut out);
                black_box(out.len())
            });
        });
    }
    group.finish();
}
