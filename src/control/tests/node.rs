//! A node to test with: the control plane on a thread of its own, a listener that hands conns over as a shard
//! does, and a thread that plays two shards with real brokers, so that only the ring is missing.

use std::collections::HashMap;
use std::io::Read as _;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::thread::{self, JoinHandle};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use rand::SeedableRng as _;
use rand::rngs::StdRng;
use reqwest::{RequestBuilder, StatusCode};
use serde_json::{Value, json};
use tokio::runtime::Handle;
use tokio::sync::watch;

use crate::access_log::AccessLog;
use crate::auth::{Verifier, mint};
use crate::broker::ending::Ending;
use crate::broker::metrics::ShardMetrics;
use crate::broker::order::{Arrival, Errand, Order};
use crate::broker::{Broker, BrokerSetup};
use crate::cluster::bridge::BridgeView;
use crate::cluster::bridge::told::Hearer;
use crate::cluster::kafka::producer::Producer;
use crate::config::{Config, KafkaConfig, Purpose};
use crate::control::reload::Reload;
use crate::control::requests::{Request, Requests};
use crate::control::{ControlSetup, run};
use crate::event_log::EventLog;
use crate::hub::Placement;
use crate::protocol::Format;
use crate::protocol::centrifuge::codes::CodedDisconnect;
use crate::roles::RolesView;
use crate::roles::notify::view::NotifyView;
use crate::roles::state::view::StateView;
use crate::shard::handle::ShardHandle;
use crate::shard::waker::Waker;
use crate::time::Now;

pub(super) const SHARDS: u16 = 2;
pub(super) const KEY: &str = "dev";

/// A bridge to nodes of which none is there.
fn alone() -> BridgeView {
    let (about, leases) = (watch::channel(Bytes::new()).0, watch::channel(None).1);
    let (told, functions) = (Hearer::of_nobody(), watch::channel(None).1);
    let (metrics, missed) = (Arc::default(), Arc::default());
    BridgeView { metrics, leases, about, told, missed, functions, loopback: Arc::default(), runtime: Handle::current() }
}

/// A Kafka that cannot be reached.
fn unreachable_kafka() -> Arc<Producer> {
    let config = KafkaConfig { brokers: vec!["127.0.0.1:1".into()], ..KafkaConfig::default() };
    Arc::new(Producer::new(&config, "test").unwrap())
}

/// Roles of which none works.
fn idle_roles() -> RolesView {
    let mut config = Config::dev();
    config.cluster.redis.addresses = vec!["127.0.0.1:1".into()];
    RolesView { state: Some(StateView::new(&config).unwrap()), notify: Some(NotifyView::new(&config).unwrap()) }
}

type Work = Box<dyn FnOnce(&mut World) + Send>;

/// What the thread that plays the shards owns.
pub(super) struct World {
    brokers: Vec<Broker>,
    orders: Vec<flume::Receiver<Order>>,
    metrics: Vec<Arc<ShardMetrics>>,
    errands: flume::Sender<Errand>,
    began: Instant,
    /// What each conn was sent.
    sent: HashMap<(u16, u32), Vec<u8>>,
    /// With which code each conn was closed.
    closed: HashMap<(u16, u32), u16>,
    conns: u32,
    ends: bool,
}

impl World {
    /// A shard fails: nobody asked it to end.
    pub(super) fn fail(&self, shard: u16) {
        self.errands.send(Errand::Ended { shard }).expect("the control plane runs");
    }

    fn now(&self) -> Now {
        let unix = SystemTime::now().duration_since(UNIX_EPOCH).expect("it is after 1970");
        Now { mono_ms: self.began.elapsed().as_millis() as u64, unix_ms: unix.as_millis() as i64 }
    }

    fn run(mut self, work: &flume::Receiver<Work>, waker: &Waker) {
        loop {
            let mut busy = false;
            while let Ok(work) = work.try_recv() {
                work(&mut self);
                self.settle();
                busy = true;
            }
            for shard in 0..self.brokers.len() {
                while let Ok(order) = self.orders[shard].try_recv() {
                    self.order(shard, order);
                    self.settle();
                    busy = true;
                }
            }
            if busy {
                waker.awake();
            } else if work.is_disconnected() {
                return;
            } else {
                waker.sleeps();
                if work.is_empty() && self.orders.iter().all(flume::Receiver::is_empty) && !work.is_disconnected() {
                    rustix::io::read(waker.as_fd(), &mut [0; 8]).expect("an eventfd can be read");
                }
            }
        }
    }

    fn order(&mut self, shard: usize, order: Order) {
        let now = self.now();
        match order {
            Order::Drain(_) if self.ends => {
                let _ = self.errands.send(Errand::Ended { shard: shard as u16 });
                let _ = self.errands.send(Errand::RolesEnded);
            }
            // There is no ring for a conn to come back to.
            Order::Drain(_) | Order::Adopt { .. } => {}
            order => self.brokers[shard].order(order, now),
        }
    }

    /// Carries letters, bytes, closings and errands until nothing is left to carry.
    fn settle(&mut self) {
        let now = self.now();
        let mut busy = true;
        while std::mem::take(&mut busy) {
            for from in 0..self.brokers.len() {
                let broker = &mut self.brokers[from];
                let mut letters = Vec::new();
                broker.post(now, |to, _, _, letter| {
                    letters.push((to, letter));
                    Ok(())
                });
                busy |= !letters.is_empty() || broker.waits_for_tick();
                broker.begin_tick(now);
                while let Some(session) = broker.next_resumed() {
                    broker.resume(session, now);
                    busy = true;
                }
                for (to, letter) in letters {
                    self.brokers[usize::from(to)].letter_arrived(from as u16, letter, now);
                }
            }
        }
        for (shard, broker) in self.brokers.iter_mut().enumerate() {
            let sent = &mut self.sent;
            let mut send = |conn, bytes: &[u8]| {
                sent.entry((shard as u16, conn)).or_default().extend_from_slice(bytes);
                Ok(bytes.len())
            };
            while broker.edge.outbox.is_dirty() {
                broker.edge.outbox.flush(&mut send, |conn, flushed| panic!("conn {conn}: {flushed:?}"));
            }
            for closing in broker.edge.closings.drain(..) {
                broker.edge.outbox.close(closing.conn);
                self.metrics[shard].endings.count(Ending::Disconnect(closing.disconnect.kind));
                self.closed.insert((shard as u16, closing.conn), CodedDisconnect::from(&closing.disconnect).code);
            }
            for errand in broker.edge.errands.drain(..) {
                self.errands.send(errand).expect("the control plane runs");
            }
            broker.report();
        }
    }
}

/// What a test may want otherwise.
pub(super) struct Setup {
    pub(super) config: Config,
    /// What SIGHUP reads; without it the same again.
    pub(super) reload: Option<Reload>,
    /// Whether shards end when they are told to.
    pub(super) ends: bool,
    /// Whether there is a way to other nodes.
    pub(super) has_bridge: bool,
}

impl Default for Setup {
    fn default() -> Self {
        Self { config: Config::dev(), reload: None, ends: true, has_bridge: false }
    }
}

pub(super) struct TestNode {
    pub(super) address: SocketAddr,
    /// Where it serves gRPC, if it does.
    pub(super) grpc: Option<SocketAddr>,
    pub(super) requests: Requests,
    pub(super) metrics: Vec<Arc<ShardMetrics>>,
    pub(super) http: reqwest::Client,
    work: Option<flume::Sender<Work>>,
    waker: Arc<Waker>,
    closing: Arc<AtomicBool>,
    control: Option<JoinHandle<anyhow::Result<()>>>,
    threads: Vec<JoinHandle<()>>,
}

impl TestNode {
    pub(super) fn start(setup: Setup) -> Self {
        let Setup { config, reload, ends, has_bridge } = setup;
        let same = config.clone();
        let reload = reload.unwrap_or_else(|| Box::new(move || Ok(same.clone())));
        let config = Arc::new(config);
        let placement = Placement::new(SHARDS, 7);
        let waker = Arc::new(Waker::new().unwrap());
        let (errands, errands_taken) = flume::bounded(64);
        let (mut brokers, mut orders, mut shards, mut metrics) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        for me in 0..SHARDS {
            let counts = Arc::new(ShardMetrics::default());
            let setup = BrokerSetup {
                me,
                placement: placement.clone(),
                config: config.clone(),
                verifier: Arc::new(Verifier::new(&config.client.tokens(), None).unwrap()),
                metrics: counts.clone(),
                secret: 7,
                random: StdRng::seed_from_u64(me.into()),
            };
            brokers.push(Broker::new(setup).unwrap());
            let (sender, receiver) = flume::bounded(1024);
            orders.push(receiver);
            shards.push(ShardHandle::new(me, me.into(), counts.clone(), sender, waker.clone()));
            metrics.push(counts);
        }
        let (work, work_taken) = flume::unbounded();
        let world = World {
            brokers,
            orders,
            metrics: metrics.clone(),
            errands: errands.clone(),
            began: Instant::now(),
            sent: HashMap::new(),
            closed: HashMap::new(),
            conns: 0,
            ends,
        };
        let requests = Requests::new();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let grpc = config.grpc_api.enabled.then(|| TcpListener::bind("127.0.0.1:0").unwrap());
        let grpc_address = grpc.as_ref().map(|listener| listener.local_addr().unwrap());
        let setup = ControlSetup {
            access_log: AccessLog::default(),
            event_log: EventLog::default(),
            bridge: has_bridge.then(alone),
            kafka: has_bridge.then(unreachable_kafka),
            ending: watch::Sender::new(false),
            doors: vec![(Purpose::Http, address)],
            mover: has_bridge.then(Arc::default),
            config: watch::Sender::new(config),
            reload,
            shards,
            placement,
            errands: errands_taken,
            deaths: flume::unbounded().1,
            requests: requests.clone(),
            started: SystemTime::now(),
            roles: has_bridge.then(idle_roles),
            listener: None,
            grpc,
            ready: flume::bounded(1).0,
        };
        let closing = Arc::new(AtomicBool::new(false));
        let threads = vec![
            thread::spawn({
                let waker = waker.clone();
                move || world.run(&work_taken, &waker)
            }),
            thread::spawn({
                let closing = closing.clone();
                move || hand_over(&listener, &errands, &closing)
            }),
        ];
        let control = Some(thread::spawn(move || run(setup)));
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        Self {
            address,
            grpc: grpc_address,
            requests,
            metrics,
            http,
            work: Some(work),
            waker,
            closing,
            control,
            threads,
        }
    }

    /// Waits until the control plane has ended.
    pub(super) fn wait(&mut self) -> anyhow::Result<()> {
        self.control.take().expect("nobody has waited yet").join().expect("the control plane does not panic")
    }

    /// Does something on the shards' thread.
    pub(super) fn on_world<T: Send + 'static>(&self, act: impl FnOnce(&mut World) -> T + Send + 'static) -> T {
        let (answer, answered) = mpsc::channel();
        let work: Work = Box::new(move |world| drop(answer.send(act(world))));
        self.work.as_ref().expect("the node runs").send(work).expect("the shards run");
        self.waker.wake();
        answered.recv().expect("the work is done")
    }

    pub(super) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// A call with the key.
    pub(super) fn request(&self, method: &str, body: &Value) -> RequestBuilder {
        self.http.post(self.url(&format!("/api/{method}"))).header("X-API-Key", KEY).json(body)
    }

    /// The whole answer to a call that was understood.
    pub(super) async fn call(&self, method: &str, body: Value) -> Value {
        let response = self.request(method, &body).send().await.unwrap();
        let status = response.status();
        let text = response.text().await.unwrap();
        assert_eq!(status, StatusCode::OK, "{text}");
        serde_json::from_str(&text).unwrap()
    }

    /// The result of a call that was carried out.
    pub(super) async fn result(&self, method: &str, body: Value) -> Value {
        let mut answer = self.call(method, body).await;
        assert!(answer["error"].is_null(), "{answer}");
        answer["result"].take()
    }

    /// The code of a call that was refused.
    pub(super) async fn error(&self, method: &str, body: Value) -> u64 {
        let answer = self.call(method, body).await;
        answer["error"]["code"].as_u64().unwrap_or_else(|| panic!("it was not refused: {answer}"))
    }

    pub(super) async fn get(&self, path: &str) -> (StatusCode, String) {
        let response = self.http.get(self.url(path)).send().await.unwrap();
        (response.status(), response.text().await.unwrap())
    }

    /// A client that has sent a token of this user.
    pub(super) fn client(&self, shard: u16, user: &str) -> TestClient<'_> {
        let claims = json!({ "sub": user, "info": { "name": user } });
        let token = mint::hs256(&Config::dev().client.token.hmac_secret_key, &claims);
        self.client_with(shard, &token)
    }

    pub(super) fn client_with(&self, shard: u16, token: &str) -> TestClient<'_> {
        let (conn, session) = self.on_world(move |world| {
            world.conns += 1;
            let (conn, now) = (world.conns, world.now());
            let broker = &mut world.brokers[usize::from(shard)];
            broker.edge.outbox.open(conn);
            (conn, broker.open(conn, Format::TcpJson, Ipv4Addr::LOCALHOST.into(), now))
        });
        let client = TestClient { node: self, shard, conn, session };
        client.send(json!({ "id": 1, "connect": { "token": token, "name": "js" } }));
        client
    }
}

impl Drop for TestNode {
    fn drop(&mut self) {
        // Asked twice it leaves whatever the shards do.
        self.requests.ask(Request::Leave);
        self.requests.ask(Request::Leave);
        if let Some(control) = self.control.take() {
            let _ = control.join();
        }
        self.work = None;
        self.waker.wake();
        self.closing.store(true, Ordering::Relaxed);
        let _ = TcpStream::connect(self.address);
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

/// Accepts, waits until something comes, and hands both over.
fn hand_over(listener: &TcpListener, errands: &flume::Sender<Errand>, closing: &AtomicBool) {
    while let Ok((mut socket, _)) = listener.accept() {
        if closing.load(Ordering::Relaxed) {
            return;
        }
        let errands = errands.clone();
        thread::spawn(move || {
            let mut read = [0; 48];
            if let Ok(len @ 1..) = socket.read(&mut read) {
                let read = Bytes::copy_from_slice(&read[..len]);
                let _ = errands.send(Errand::Http {
                    socket: socket.into(),
                    read,
                    arrival: Arrival { purpose: Purpose::Http, address: Ipv4Addr::LOCALHOST.into(), is_backend: false },
                });
            }
        });
    }
}

/// A client of one of the shards.
#[derive(Clone, Copy)]
pub(super) struct TestClient<'a> {
    node: &'a TestNode,
    shard: u16,
    conn: u32,
    session: u32,
}

impl TestClient<'_> {
    pub(super) fn send(&self, command: Value) {
        let Self { shard, session, .. } = *self;
        self.node.on_world(move |world| {
            let now = world.now();
            world.brokers[usize::from(shard)].begin_tick(now);
            world.brokers[usize::from(shard)].input(session, command.to_string().as_bytes(), now);
        });
    }

    pub(super) fn subscribe(&self, channel: &str) {
        self.send(json!({ "id": 9, "subscribe": { "channel": channel } }));
        let replies = self.received();
        assert!(replies.iter().any(|reply| reply["id"] == 9 && reply["error"].is_null()), "{replies:?}");
    }

    /// What came since the last look.
    pub(super) fn received(&self) -> Vec<Value> {
        let of = (self.shard, self.conn);
        // Two looks: what the first one's turn has left is carried before the second.
        self.node.on_world(|_| ());
        let bytes = self.node.on_world(move |world| world.sent.remove(&of).unwrap_or_default());
        let lines = String::from_utf8(bytes).unwrap();
        lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// The publications that came since the last look.
    pub(super) fn publications(&self) -> Vec<Value> {
        self.received().into_iter().filter_map(|mut push| push.pointer_mut("/push/pub").map(Value::take)).collect()
    }

    /// The id that the connect reply told.
    pub(super) fn id(&self) -> String {
        let replies = self.received();
        let id = replies.iter().find_map(|reply| reply["connect"]["client"].as_str());
        id.unwrap_or_else(|| panic!("not connected: {replies:?}")).to_string()
    }

    /// Whether the connect reply has come, since the last look.
    pub(super) fn connected(&self) -> bool {
        self.received().iter().any(|reply| !reply["connect"].is_null())
    }

    /// The code with which it was closed.
    pub(super) fn closed(&self) -> Option<u16> {
        let of = (self.shard, self.conn);
        self.node.on_world(|_| ());
        self.node.on_world(move |world| world.closed.get(&of).copied())
    }
}
