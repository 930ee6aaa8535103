//! One publish to a thousand subscribers, from the frame to the sends, which take everything and do nothing.

use std::sync::Arc;

use criterion::{Criterion, Throughput};
use rand::SeedableRng;
use rand::rngs::StdRng;
use ringpost::auth::Verifier;
use ringpost::config::Config;
use ringpost::hub::Home;
use ringpost::protocol::centrifuge::format::Format;
use ringpost::shard::core::{Core, CoreSetup, Input};
use ringpost::time::Now;

const NOW: Now = Now { mono_ms: 1000, unix_ms: 1 << 40 };
const SUBSCRIBERS: u32 = 1000;

fn core() -> Core {
    let mut config = Config::default();
    config.client.insecure = true;
    let verifier = Verifier::new(&config.client, None).expect("no keys are good keys");
    Core::new(CoreSetup {
        me: 0,
        home: Home::new(1, 1),
        config: Arc::new(config),
        verifier: Arc::new(verifier),
        metrics: Arc::default(),
        secret: 1,
        random: StdRng::seed_from_u64(1),
    })
    .expect("the default configuration has no expressions")
}

fn client(core: &mut Core, conn: u32, format: Format, channel: Option<&str>) -> u32 {
    core.outbox.open(conn);
    let session = core.open(conn, format, NOW);
    let mut tell = |command: String| assert_eq!(core.input(session, command.as_bytes(), NOW), Input::Ready);
    tell("{\"id\":1,\"connect\":{}}".into());
    if let Some(channel) = channel {
        tell(format!("{{\"id\":2,\"subscribe\":{{\"channel\":\"{channel}\"}}}}"));
    }
    session
}

fn flush(core: &mut Core) -> usize {
    let mut sent = 0;
    core.outbox.flush(
        |_, bytes| {
            sent += bytes.len();
            Ok(bytes.len())
        },
        |conn, flushed| unreachable!("conn {conn} takes everything, but {flushed:?}"),
    );
    sent
}

pub(crate) fn bench(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("fan-out");
    for batch in [1u32, 16] {
        let mut core = core();
        for conn in 0..SUBSCRIBERS {
            client(&mut core, conn, Format::WebSocketJson, Some("room"));
        }
        let publisher = client(&mut core, SUBSCRIBERS, Format::WebSocketJson, None);
        flush(&mut core);
        let data = "x".repeat(84);
        let frame = format!("{{\"id\":3,\"publish\":{{\"channel\":\"room\",\"data\":{{\"text\":\"{data}\"}}}}}}");
        group.throughput(Throughput::Elements(u64::from(SUBSCRIBERS * batch)));
        group.bench_function(format!("{batch} publishes to {SUBSCRIBERS}"), |bencher| {
            bencher.iter(|| {
                for _ in 0..batch {
                    assert_eq!(core.input(publisher, frame.as_bytes(), NOW), Input::Ready);
                }
                flush(&mut core)
            });
        });
    }
    group.finish();
}
