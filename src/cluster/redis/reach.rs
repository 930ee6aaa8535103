//! Where Redis is, and how it is reached: by address, user and certificates, as configured.

use std::fs;
use std::time::Duration;

use redis::cluster::{ClusterClient, ClusterClientBuilder};
use redis::io::tcp::TcpSettings;
use redis::sentinel::{SentinelClient, SentinelClientBuilder, SentinelServerType};
use redis::{
    Client, ClientTlsConfig, ConnectionAddr, IntoConnectionInfo as _, ProtocolVersion, RedisConnectionInfo,
    RedisResult, TlsCertificates, TlsMode,
};
use tokio::sync::Mutex;

use crate::config::{RedisConfig, RedisMode, host_and_port};

/// How often the Cluster's connection follows a slot that moves before the caller is told. The queue asks again, paced.
const REDIRECTS_MAX: u32 = 3;

/// How a connection comes about.
pub(super) enum Reach {
    Single(Box<Client>),
    Sentinel(Box<Mutex<SentinelClient>>),
    Cluster(Box<ClusterClient>),
}

impl Reach {
    /// As it is configured; nothing is connected.
    ///
    /// # Errors
    /// Files of certificates that cannot be read or are none.
    pub(super) fn new(config: &RedisConfig) -> anyhow::Result<Self> {
        let certificates = certificates(config)?;
        Ok(match config.mode {
            RedisMode::Single => Self::Single(Box::new(single(config, certificates)?)),
            RedisMode::Sentinel => Self::Sentinel(Box::new(Mutex::new(sentinel(config, certificates)?))),
            RedisMode::Cluster => Self::Cluster(Box::new(cluster(config, certificates)?)),
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

/// Calls are sent at once. Packets that vanish end a connection as soon as an answer is late.
fn tcp(config: &RedisConfig) -> TcpSettings {
    TcpSettings::default().set_nodelay(true).set_user_timeout(config.timeout.into())
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
    let info = address(config, first).into_connection_info()?;
    let info = info.set_redis_settings(user(config)).set_tcp_settings(tcp(config));
    Ok(if config.tls { Client::build_with_tls(info, certificates)? } else { Client::open(info)? })
}

fn sentinel(config: &RedisConfig, certificates: TlsCertificates) -> anyhow::Result<SentinelClient> {
    let addresses = config.addresses.iter().map(|at| address(config, at));
    let mut builder = SentinelClientBuilder::new(addresses, &config.sentinel_service, SentinelServerType::Master)?
        .set_client_to_redis_protocol(ProtocolVersion::RESP3)
        .set_client_to_redis_tcp_settings(tcp(config));
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

fn cluster(config: &RedisConfig, certificates: TlsCertificates) -> anyhow::Result<ClusterClient> {
    let infos = config.addresses.iter().map(|at| address(config, at).into_connection_info());
    let infos = infos.collect::<RedisResult<Vec<_>>>()?;
    let mut builder = ClusterClientBuilder::new(infos)
        .use_protocol(ProtocolVersion::RESP3)
        .tcp_settings(tcp(config))
        .connection_timeout(config.connect_timeout.into())
        .response_timeout(config.timeout.into())
        .overall_response_timeout(Some(2 * Duration::from(config.timeout)))
        .retries(REDIRECTS_MAX)
        .min_retry_wait(20)
        .max_retry_wait(200);
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
