//! The way to Redis: one connection to a primary, found by its address or by Sentinels, or one to each primary of a Cluster.
//!
//! A connection carries calls and what is published to this node. It is made when it is first needed, and anew after it broke;
//! while that fails, calls fail at once instead of waiting in line for it.

use std::fs;
use std::time::{Duration, Instant};

use redis::aio::{ConnectionLike as _, MultiplexedConnection};
use redis::cluster::{ClusterClient, ClusterClientBuilder};
use redis::cluster_async::ClusterConnection;
use redis::cluster_routing::{MultipleNodeRoutingInfo, RoutingInfo};
use redis::sentinel::{SentinelClient, SentinelClientBuilder, SentinelServerType};
use redis::{
    AsyncConnectionConfig, Client, ClientTlsConfig, Cmd, ConnectionAddr, IntoConnectionInfo as _, ProtocolVersion,
    PushInfo, RedisConnectionInfo, RedisResult, TlsCertificates, TlsMode, Value,
};
use tokio::sync::{Mutex, mpsc};

use super::fault::{Fault, Remedy};
use crate::config::{RedisConfig, RedisMode, host_and_port};

/// How long calls fail at once after a connection did not come about: at first, and at the most. So long a Redis that comes
/// back is not noticed, and so often it is asked by each node.
const PAUSE: Duration = Duration::from_millis(50);
const PAUSE_MAX: Duration = Duration::from_secs(1);

/// How often the Cluster's connection follows a slot that moves before the caller is told. The queue asks again, paced.
const REDIRECTS_MAX: u32 = 3;

/// Where pushes of the server go: what is published to this node, and that a connection has ended.
pub type Pushes = mpsc::UnboundedSender<PushInfo>;

/// A Redis, as it is configured.
pub struct Link {
    reach: Reach,
    options: AsyncConnectionConfig,
    state: Mutex<State>,
    connect_timeout: Duration,
}

/// How a connection comes about.
enum Reach {
    Single(Box<Client>),
    Sentinel(Box<Mutex<SentinelClient>>),
    Cluster(Box<ClusterClient>),
}

#[derive(Clone)]
enum Connection {
    Single(MultiplexedConnection),
    Cluster(ClusterConnection),
}

/// The connection, if there is one, and when the next may be tried.
#[derive(Default)]
struct State {
    connection: Option<Connection>,
    /// How many there were: who found one broken must not end its successor.
    number: u64,
    failed: Option<(Instant, Duration, Fault)>,
}

impl Link {
    /// Prepares the way; nothing is connected yet. Pushes go to `pushes`, where there is one.
    ///
    /// # Errors
    /// Files of certificates that cannot be read or are none.
    pub fn new(config: &RedisConfig, pushes: Option<Pushes>) -> anyhow::Result<Self> {
        let mut options = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(config.connect_timeout.into()))
            .set_response_timeout(Some(config.timeout.into()));
        if let Some(pushes) = pushes.clone() {
            options = options.set_push_sender(pushes);
        }
        let certificates = certificates(config)?;
        let reach = match config.mode {
            RedisMode::Single => Reach::Single(Box::new(single(config, certificates)?)),
            RedisMode::Sentinel => Reach::Sentinel(Box::new(Mutex::new(sentinel(config, certificates)?))),
            RedisMode::Cluster => Reach::Cluster(Box::new(cluster(config, certificates, pushes)?)),
        };
        Ok(Self { reach, options, state: Mutex::default(), connect_timeout: config.connect_timeout.into() })
    }

    /// Asks the primary that has the command's key.
    ///
    /// # Errors
    /// What went wrong; after [`Fault::is_open`] it may have been done.
    pub async fn call(&self, command: &Cmd) -> Result<Value, Fault> {
        let (mut connection, number) = self.connection().await?;
        let answer = match &mut connection {
            Connection::Single(connection) => connection.req_packed_command(command).await,
            Connection::Cluster(connection) => connection.req_packed_command(command).await,
        };
        self.judge(answer, number).await
    }

    /// Asks every primary, and gives the answers of all.
    ///
    /// # Errors
    /// What went wrong at one of them.
    pub async fn call_all(&self, command: &Cmd) -> Result<Vec<Value>, Fault> {
        let (mut connection, number) = self.connection().await?;
        let answer = match &mut connection {
            Connection::Single(connection) => connection.req_packed_command(command).await,
            Connection::Cluster(connection) => {
                let all = RoutingInfo::MultiNode((MultipleNodeRoutingInfo::AllMasters, None));
                connection.route_command(command.clone(), all).await
            }
        };
        match (self.judge(answer, number).await?, connection) {
            (Value::Map(answers), Connection::Cluster(_)) => {
                answers.into_iter().map(|(_, answer)| Ok(answer.extract_error()?)).collect()
            }
            (answer, _) => Ok(vec![answer]),
        }
    }

    /// Subscribes to a channel of sharded Pub/Sub; what is published there comes as pushes.
    ///
    /// # Errors
    /// What went wrong.
    pub async fn subscribe(&self, channel: &str) -> Result<(), Fault> {
        let (mut connection, number) = self.connection().await?;
        let answer = match &mut connection {
            // One channel a command: its one confirmation is the command's answer.
            Connection::Single(connection) => {
                connection.req_packed_command(redis::cmd("SSUBSCRIBE").arg(channel)).await
            }
            Connection::Cluster(connection) => connection.ssubscribe(channel).await.map(|()| Value::Okay),
        };
        self.judge(answer, number).await.map(drop)
    }

    /// Ends the connection; the next call makes another.
    pub async fn reset(&self) {
        self.state.lock().await.connection = None;
    }

    async fn judge(&self, answer: RedisResult<Value>, number: u64) -> Result<Value, Fault> {
        let fault = match answer.and_then(Value::extract_error) {
            Ok(value) => return Ok(value),
            Err(error) => Fault::from(error),
        };
        // The connection of a Cluster mends itself, and has many.
        if fault.remedy() == Remedy::Reconnect && !matches!(self.reach, Reach::Cluster(_)) {
            let mut state = self.state.lock().await;
            if state.number == number {
                state.connection = None;
            }
        }
        Err(fault)
    }

    /// The connection and its number; made where there is none.
    async fn connection(&self) -> Result<(Connection, u64), Fault> {
        let mut state = self.state.lock().await;
        if let Some(connection) = &state.connection {
            return Ok((connection.clone(), state.number));
        }
        if let Some((since, pause, fault)) = &state.failed
            && since.elapsed() < *pause
        {
            return Err(fault.clone());
        }
        let connected = tokio::time::timeout(2 * self.connect_timeout, self.connect()).await;
        let connected = connected.unwrap_or_else(|_| Err(Fault::Unreachable("no connection in time".into())));
        match connected {
            Ok(connection) => {
                state.number += 1;
                state.failed = None;
                state.connection = Some(connection.clone());
                Ok((connection, state.number))
            }
            Err(fault) => {
                let before = state.failed.as_ref().map(|(_, pause, _)| *pause);
                let pause = before.map_or(PAUSE, |pause| (2 * pause).min(PAUSE_MAX));
                state.failed = Some((Instant::now(), pause, fault.clone()));
                Err(fault)
            }
        }
    }

    async fn connect(&self) -> Result<Connection, Fault> {
        Ok(match &self.reach {
            Reach::Single(client) => {
                Connection::Single(client.get_multiplexed_async_connection_with_config(&self.options).await?)
            }
            Reach::Sentinel(client) => {
                Connection::Single(client.lock().await.get_async_connection_with_config(&self.options).await?)
            }
            Reach::Cluster(client) => Connection::Cluster(client.get_async_connection().await?),
        })
    }
}

fn certificates(config: &RedisConfig) -> anyhow::Result<TlsCertificates> {
    let read = |path: &str| fs::read(path).map_err(|problem| anyhow::anyhow!("{path}: {problem}"));
    let client_tls = match config.tls_cert_file.as_str() {
        "" => None,
        path => Some(ClientTlsConfig { client_cert: read(path)?, client_key: read(&config.tls_key_file)? }),
    };
    let root_cert = match config.tls_ca_file.as_str() {
        "" => None,
        path => Some(read(path)?),
    };
    Ok(TlsCertificates { client_tls, root_cert })
}

/// Where a configured address is; the configuration was checked.
fn address(config: &RedisConfig, address: &str) -> ConnectionAddr {
    let (host, port) = host_and_port(address).unwrap_or((address, 6379));
    match config.tls {
        false => ConnectionAddr::Tcp(host.into(), port),
        true => ConnectionAddr::TcpTls { host: host.into(), port, insecure: false, tls_params: None },
    }
}

fn user(config: &RedisConfig) -> RedisConnectionInfo {
    let mut info = RedisConnectionInfo::default().set_protocol(ProtocolVersion::RESP3);
    if !config.user.is_empty() {
        info = info.set_username(&config.user);
    }
    if !config.password.is_empty() {
        info = info.set_password(&config.password);
    }
    info
}

fn single(config: &RedisConfig, certificates: TlsCertificates) -> anyhow::Result<Client> {
    let first = config.addresses.first().map_or("", String::as_str);
    let info = address(config, first).into_connection_info()?.set_redis_settings(user(config));
    Ok(if config.tls { Client::build_with_tls(info, certificates)? } else { Client::open(info)? })
}

fn sentinel(config: &RedisConfig, certificates: TlsCertificates) -> anyhow::Result<SentinelClient> {
    let addresses = config.addresses.iter().map(|at| address(config, at));
    let mut builder = SentinelClientBuilder::new(addresses, &config.sentinel_service, SentinelServerType::Master)?
        .set_client_to_redis_protocol(ProtocolVersion::RESP3);
    if config.tls {
        builder = builder
            .set_client_to_redis_tls_mode(TlsMode::Secure)
            .set_client_to_redis_certificates(certificates.clone())
            .set_client_to_sentinel_tls_mode(TlsMode::Secure)
            .set_client_to_sentinel_certificates(certificates);
    }
    if !config.user.is_empty() {
        builder = builder.set_client_to_redis_username(&config.user);
    }
    if !config.password.is_empty() {
        builder = builder.set_client_to_redis_password(&config.password);
    }
    if !config.sentinel_user.is_empty() {
        builder = builder.set_client_to_sentinel_username(&config.sentinel_user);
    }
    if !config.sentinel_password.is_empty() {
        builder = builder.set_client_to_sentinel_password(&config.sentinel_password);
    }
    Ok(builder.build()?)
}

fn cluster(
    config: &RedisConfig,
    certificates: TlsCertificates,
    pushes: Option<Pushes>,
) -> anyhow::Result<ClusterClient> {
    let infos = config.addresses.iter().map(|at| address(config, at).into_connection_info());
    let infos = infos.collect::<RedisResult<Vec<_>>>()?;
    let mut builder = ClusterClientBuilder::new(infos)
        .use_protocol(ProtocolVersion::RESP3)
        .connection_timeout(config.connect_timeout.into())
        .response_timeout(config.timeout.into())
        .overall_response_timeout(Some(2 * Duration::from(config.timeout)))
        .retries(REDIRECTS_MAX)
        .min_retry_wait(20)
        .max_retry_wait(200);
    if let Some(pushes) = pushes {
        builder = builder.push_sender(pushes);
    }
    if config.tls {
        builder = builder.tls(TlsMode::Secure).certs(certificates);
    }
    if !config.user.is_empty() {
        builder = builder.username(&config.user);
    }
    if !config.password.is_empty() {
        builder = builder.password(&config.password);
    }
    Ok(builder.build()?)
}
