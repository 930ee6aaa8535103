//! The floor: a bare producer and a bare consumer of librdkafka, in a process of their own. They have the node's options and the
//! load generator's schedule, stamps and verification; a record is as large as the node's.
//!
//! ```text
//! schedule ─due→ producer ─→ Kafka ─→ consumer (a thread) ─heard→ verification
//!                    └─ answered (librdkafka's thread) ────────────↗
//! ```
//!
//! Where there is a Redis, its order lies between the consumer and what is heard.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, bail, ensure};
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::message::{DeliveryResult, Message as _};
use rdkafka::producer::{BaseRecord, Producer as _, ProducerContext, ThreadedProducer};
use rdkafka::util::get_rdkafka_version;
use rdkafka::{ClientContext, Offset, TopicPartitionList};
use ringpost::cluster::kafka::{client, producer};
use ringpost::config::KafkaConfig;
use ringpost::events::{self, Publish, Publisher};
use ringpost_loadgen::clock::Clock;
use ringpost_loadgen::engine::pin;
use ringpost_loadgen::fault::{Fault, Faults};
use ringpost_loadgen::measure::{Interval, Measure};
use ringpost_loadgen::payload::{Damaged, Payloads, Stamp};
use ringpost_loadgen::plan::Load;
use ringpost_loadgen::record::{Machine, Record, Whole};
use ringpost_loadgen::scenario::Scenario;
use ringpost_loadgen::share::Share;
use ringpost_loadgen::traffic::{Due, Traffic};
use serde::{Deserialize, Serialize};

use crate::broker::PARTITIONS;
use crate::load::CLIENT_CORE;
use crate::parts::{CpuNs, Part, Parts, each};
use crate::{Contenders, SERVER_CORE, Taken, ordered, redis_server};

/// How long an arrival is waited for once nothing more is sent, as the load generator does.
const PATIENCE: Duration = Duration::from_secs(5);

/// How long at most to wait before the time is looked at.
const TURN: Duration = Duration::from_millis(1);

/// What the process is to do.
#[derive(Debug, Serialize, Deserialize)]
struct Job {
    broker: SocketAddr,
    options: Vec<String>,
    topic: String,
    scenario: Scenario,
    broker_pid: i32,
    /// The Redis between, and its process.
    redis: Option<(SocketAddr, i32)>,
    command: String,
}

/// As [`measure`], with a Redis of its own between, on the same core.
pub(crate) fn measure_ordered(
    contenders: &Contenders<'_>,
    scenario: &Scenario,
    folder: &Path,
) -> anyhow::Result<Taken> {
    let folder = tempfile::Builder::new().prefix("redis-").tempdir_in(folder)?;
    // A process inherits the core of the thread that starts it.
    pin(SERVER_CORE)?;
    let started = redis_server::start(folder.path());
    pin(CLIENT_CORE)?;
    let (redis, address) = started?;
    measure(contenders, scenario, Some((address, redis.pid())))
}

/// Makes the load of a scenario through a topic of its own, in a process of this program on the servers' core.
pub(crate) fn measure(
    contenders: &Contenders<'_>,
    scenario: &Scenario,
    redis: Option<(SocketAddr, i32)>,
) -> anyhow::Result<Taken> {
    let Contenders { broker, options, command, .. } = contenders;
    let topics = broker.topics()?;
    let job = Job {
        broker: broker.address,
        options: options.to_vec(),
        topic: topics.publish(),
        scenario: scenario.clone(),
        broker_pid: broker.pid(),
        redis,
        command: (*command).to_owned(),
    };
    let mut bare = Command::new(std::env::current_exe()?);
    bare.args(["--bare", &serde_json::to_string(&job)?]).stdin(Stdio::null()).stderr(Stdio::inherit());
    // A process inherits the core of the thread that starts it.
    pin(SERVER_CORE)?;
    let output = bare.output();
    pin(CLIENT_CORE)?;
    let output = output.context("the bare producer and consumer do not start")?;
    ensure!(output.status.success(), "the bare producer and consumer failed");
    let taken: Taken = serde_json::from_slice(&output.stdout).context("the bare producer and consumer say nothing")?;
    Ok(Taken { record: taken.record.good()?, ..taken })
}

/// Is the process: does its job, and writes what came of it to the standard output.
pub(crate) fn serve(job: &str) -> anyhow::Result<()> {
    let job: Job = serde_json::from_str(job)?;
    println!("{}", serde_json::to_string(&Bare::start(&job)?.run(&job)?)?);
    Ok(())
}

/// Told by other threads.
enum Told {
    /// Kafka has it, or has refused it.
    Answered(Due, Option<String>),
    /// It was consumed, then.
    Heard(Result<Stamp, Damaged>, u64),
}

/// Told on librdkafka's thread what became of records.
struct Answers(Sender<Told>);

impl ClientContext for Answers {}

impl ProducerContext for Answers {
    type DeliveryOpaque = Box<Due>;

    fn delivery(&self, result: &DeliveryResult<'_>, due: Box<Due>) {
        let refusal = result.as_ref().err().map(|(error, _)| error.to_string());
        // Who has ended needs to know nothing.
        let _ = self.0.send(Told::Answered(*due, refusal));
    }
}

struct Bare {
    clock: Clock,
    traffic: Traffic,
    /// By channel.
    names: Vec<String>,
    /// By stream: who hears it.
    listeners: Vec<u32>,
    payloads: Payloads,
    producer: ThreadedProducer<Answers>,
    consumer: Option<JoinHandle<()>>,
    is_to_end: &'static AtomicBool,
    told: Receiver<Told>,
    interval: Interval,
    faults: Faults,
}

impl Bare {
    fn start(job: &Job) -> anyhow::Result<Self> {
        static IS_TO_END: AtomicBool = AtomicBool::new(false);
        let (clock, scenario) = (Clock::start(), &job.scenario);
        let plan = scenario.plan()?;
        let Load::Publish(pace) = plan.load else { bail!("there is nothing to be heard") };
        let names = scenario.channel_names(&plan, "loadgen");
        let hears = |channel| plan.clients.iter().position(|channels| channels.contains(&channel));
        let listeners = plan.streams.iter().map(|stream| Some(hears(stream.channel)? as u32));
        let listeners = listeners.collect::<Option<_>>().context("a channel is not heard")?;
        let config = KafkaConfig {
            brokers: vec![job.broker.to_string()],
            options: job.options.clone(),
            ..KafkaConfig::default()
        };
        let (told_in, told) = channel();
        let producer = producer::options(&config, "bare").create_with_context(Answers(told_in.clone()))?;
        let bytes = record_bytes(scenario.run.payload_bytes);
        let consumer = consumer(&config, &job.topic)?;
        let payloads = Payloads::new(bytes);
        let heard = move |value: &[u8]| {
            let stamp = payloads.find(value).unwrap_or(Err(Damaged));
            // Who has ended needs to know nothing.
            let _ = told_in.send(Told::Heard(stamp, clock.now_ns()));
        };
        let consumer = match job.redis {
            None => thread::spawn(move || consume(&consumer, heard, &IS_TO_END)),
            Some((redis, _)) => {
                let order = ordered::between(redis, names.clone(), heard)?;
                thread::spawn(move || order(&consumer, &IS_TO_END))
            }
        };
        Ok(Self {
            clock,
            traffic: Traffic::new(&Share::whole(plan), pace, clock.now_ns()),
            names,
            listeners,
            payloads: Payloads::new(bytes),
            producer,
            consumer: Some(consumer),
            is_to_end: &IS_TO_END,
            told,
            interval: Interval::default(),
            faults: Faults::default(),
        })
    }

    /// The load: its warm-up, what is measured, and what is on its way then.
    fn run(mut self, job: &Job) -> anyhow::Result<Taken> {
        let run = &job.scenario.run;
        let started = SystemTime::now().duration_since(UNIX_EPOCH)?;
        let mut pids = vec![(Part::Measured, std::process::id() as i32), (Part::Broker, job.broker_pid)];
        pids.extend(job.redis.map(|(_, pid)| (Part::Redis, pid)));
        let parts = Parts::new(&pids)?;
        let begin_ns = self.clock.now_ns() + (run.warm_up_s * 1e9) as u64;
        let end_ns = begin_ns + (run.duration_s * 1e9) as u64;
        self.load_until(begin_ns, &job.topic)?;
        self.interval.clear();
        let before = parts.used()?;
        self.load_until(end_ns, &job.topic)?;
        let after = parts.used()?;
        let measures = [Measure::Delivery, Measure::Reply, Measure::Lateness];
        let within = measures.map(|measure| self.interval.histogram(measure).len());
        let behind = self.traffic.behind(end_ns);
        self.drain();
        self.traffic.finish(&mut self.faults);
        let whole = |(measure, within): (Measure, u64)| {
            let histogram = self.interval.histogram(measure);
            (!histogram.is_empty()).then(|| (measure, Whole::of(histogram, within, run.duration_s)))
        };
        let whole: BTreeMap<_, _> = measures.into_iter().zip(within).filter_map(whole).collect();
        let cpu_ns = each(&before, &after, within[0]);
        let used: CpuNs = after.iter().map(|(part, ns)| (*part, ns - before[part])).collect();
        let record = Record {
            program: format!("{} {}", env!("CARGO_PKG_NAME"), env!("CARGO_PKG_VERSION")),
            name: "a bare producer and consumer".into(),
            scenario: job.scenario.clone(),
            changed: Vec::new(),
            command: job.command.clone(),
            url: format!("kafka://{}", job.broker),
            server_version: format!("librdkafka {}", get_rdkafka_version().1),
            nodes: Vec::new(),
            machine: Machine::this(),
            started_unix_ms: started.as_millis() as u64,
            clients: 2,
            measured_s: run.duration_s,
            is_interrupted: false,
            behind,
            attempts_failed: 0,
            busy: used[&Part::Measured] as f64 / 1e9 / run.duration_s,
            busy_by_process: Vec::new(),
            cpu_ns_per: BTreeMap::new(),
            seconds: Vec::new(),
            whole,
            counts: BTreeMap::new(),
            server: None,
            server_metrics: BTreeMap::new(),
            faults: std::mem::take(&mut self.faults),
            disturbed: Vec::new(),
            slow: None,
            ramp: None,
        };
        Ok(Taken { record, cpu_ns })
    }

    fn load_until(&mut self, until_ns: u64, topic: &str) -> anyhow::Result<()> {
        while self.clock.now_ns() < until_ns {
            while let Some(due) = self.traffic.take(self.clock.now_ns().min(until_ns), &mut self.interval) {
                self.send(due, topic);
            }
            let next_ns = self.traffic.next_due_ns().unwrap_or(u64::MAX).min(until_ns);
            let wait = Duration::from_nanos(next_ns.saturating_sub(self.clock.now_ns())).min(TURN);
            self.hear(wait).context("the consumer has ended")?;
        }
        Ok(())
    }

    /// Nothing more is sent.
    fn drain(&mut self) {
        let _ = self.producer.flush(PATIENCE);
        let mut last_ns = self.clock.now_ns();
        while self.traffic.under_way() > 0 && self.clock.now_ns() < last_ns + PATIENCE.as_nanos() as u64 {
            if let Some(true) = self.hear(TURN) {
                last_ns = self.clock.now_ns();
            }
        }
    }

    fn send(&mut self, due: Due, topic: &str) {
        let name = &self.names[due.channel as usize];
        let payload = self.payloads.write(due.stamp);
        let record = BaseRecord::with_opaque_to(topic, Box::new(due)).key(name).payload(payload);
        if let Err((error, _)) = self.producer.send(record) {
            self.traffic.refused(due.publisher, due.id, &error.to_string(), &mut self.faults);
        }
    }

    /// Waits for something to be told, and takes all that is; whether there was anything, nothing once nobody tells any more.
    fn hear(&mut self, patience: Duration) -> Option<bool> {
        let first = match self.told.recv_timeout(patience) {
            Ok(first) => first,
            Err(RecvTimeoutError::Timeout) => return Some(false),
            Err(RecvTimeoutError::Disconnected) => return None,
        };
        self.take(first);
        while let Ok(told) = self.told.try_recv() {
            self.take(told);
        }
        Some(true)
    }

    fn take(&mut self, told: Told) {
        let Self { traffic, interval, faults, .. } = self;
        match told {
            Told::Answered(due, None) => {
                traffic.acknowledged(due.publisher, due.id, self.clock.now_ns(), interval, faults);
            }
            Told::Answered(due, Some(why)) => traffic.refused(due.publisher, due.id, &why, faults),
            Told::Heard(Ok(stamp), at_ns) => {
                let Some(hears) = self.listeners.get(stamp.stream as usize) else {
                    return faults.note(Fault::Misdelivered, || format!("there is no stream {}", stamp.stream));
                };
                traffic.delivered(*hears, stamp, Measure::Delivery, at_ns, interval, faults);
            }
            Told::Heard(Err(Damaged), _) => faults.note(Fault::Damaged, || "a record was changed".into()),
        }
    }
}

impl Drop for Bare {
    fn drop(&mut self) {
        self.is_to_end.store(true, Ordering::Relaxed);
        if let Some(consumer) = self.consumer.take() {
            let _ = consumer.join();
        }
    }
}

/// Reads all partitions of the topic from their beginning, with the node's options for what it reads.
fn consumer(config: &KafkaConfig, topic: &str) -> anyhow::Result<BaseConsumer> {
    let mut options = client::options(config, "bare");
    options.set("group.id", "bare").set("enable.auto.commit", "false").set("enable.auto.offset.store", "false");
    let consumer: BaseConsumer = options.create()?;
    let mut partitions = TopicPartitionList::new();
    for partition in 0..PARTITIONS {
        partitions.add_partition_offset(topic, partition, Offset::Beginning)?;
    }
    consumer.assign(&partitions)?;
    Ok(consumer)
}

fn consume(consumer: &BaseConsumer, mut heard: impl FnMut(&[u8]), is_to_end: &AtomicBool) {
    while !is_to_end.load(Ordering::Relaxed) {
        // What comes between, such as a broker that is away for a moment, is no record.
        if let Some(Ok(record)) = consumer.poll(Duration::from_millis(100)) {
            heard(record.payload().unwrap_or_default());
        }
    }
}

/// How large a record of the way up is, headers included, whose message has so many bytes.
fn record_bytes(payload_bytes: usize) -> usize {
    let data = serde_json::json!("x".repeat(payload_bytes.saturating_sub(2))).to_string();
    let info = Publisher {
        user: "loadgen-100".into(),
        client: "00000000-0000-0000-0000-000000000000".into(),
        ..Publisher::default()
    };
    let record = Publish {
        channel: "kafka:loadgen-10".into(),
        data: data.into_bytes().into(),
        info: Some(info),
        ..Publish::default()
    };
    let format = KafkaConfig::default().format;
    let headers = events::headers::<Publish>(format);
    let headers: usize = headers.iter().map(|(name, value)| name.len() + value.len()).sum();
    events::encode(&record, format).len() + headers
}
