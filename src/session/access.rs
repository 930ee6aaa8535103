//! Channel names and what their namespaces allow.
//!
//! `ns:name` lies in namespace `ns`, and so does `$ns:name`; `$…` is private (only with a subscription
//! token); `…#7,8` is open to the users 7 and 8 only; `#7` (in its namespace) is the personal channel of user
//! 7. The signs are configurable. Built once per configuration; looking a channel up allocates nothing.

use std::sync::Arc;

use hashbrown::HashMap;
use memchr::memmem::{Finder, FinderRev};
use memchr::{memchr, memrchr};
use regex::Regex;

use crate::config::{Acknowledge, ChannelConfig, ChannelOptions, Delivery, ForceRecoveryMode, Log};
use crate::delivery::InboxOptions;
use crate::hub::{HubOptions, RecoveryMode};
use crate::model::refusal::{Error, ErrorKind};

/// The rules of one namespace.
#[derive(Debug)]
struct Rule {
    number: u32,
    options: ChannelOptions,
    name: Option<Regex>,
}

impl Rule {
    fn new(number: u32, options: &ChannelOptions) -> Result<Self, regex::Error> {
        let name = match options.channel_regex.as_str() {
            "" => None,
            pattern => Some(Regex::new(pattern)?),
        };
        Ok(Self { number, options: options.clone(), name })
    }
}

/// What parts a name in two.
#[derive(Debug)]
enum Boundary {
    /// As nearly all have it.
    Byte(u8),
    Text(Box<(Finder<'static>, FinderRev<'static>)>),
}

impl Boundary {
    fn new(text: &str) -> Option<Self> {
        match text.as_bytes() {
            [] => None,
            [byte] => Some(Self::Byte(*byte)),
            text => {
                let (first, last) = (Finder::new(text).into_owned(), FinderRev::new(text).into_owned());
                Some(Self::Text(Box::new((first, last))))
            }
        }
    }

    /// Where it comes first.
    fn first(&self, name: &str) -> Option<usize> {
        match self {
            Self::Byte(byte) => memchr(*byte, name.as_bytes()),
            Self::Text(text) => text.0.find(name.as_bytes()),
        }
    }

    /// Where it comes last.
    fn last(&self, name: &str) -> Option<usize> {
        match self {
            Self::Byte(byte) => memrchr(*byte, name.as_bytes()),
            Self::Text(text) => text.1.rfind(name.as_bytes()),
        }
    }
}

/// All namespaces of a configuration.
#[derive(Debug)]
pub struct Access {
    config: ChannelConfig,
    without_namespace: Rule,
    namespaces: HashMap<Box<str>, Rule>,
    // Made once, since every command looks a name up. An empty boundary switches its feature off.
    namespace_boundary: Option<Boundary>,
    user_boundary: Option<Boundary>,
}

/// One channel as its name and namespace have it.
#[derive(Clone, Copy, Debug)]
pub struct Resolved<'a> {
    /// Its place in the configuration, from 1; 0 for the channels without a namespace.
    pub namespace: u32,
    /// The namespace's options.
    pub options: &'a ChannelOptions,
    /// Only with a subscription token.
    pub private: bool,
    /// The whole name, with namespace and prefix.
    pub channel: &'a str,
    /// What of the name `channel_regex` looks at.
    rest: &'a str,
    regex: Option<&'a Regex>,
    /// The part of the name that lists the users who may subscribe.
    users: Option<&'a str>,
    separator: &'a str,
}

impl<'a> Resolved<'a> {
    /// The user whose state the channel tells, if it does.
    pub fn told_user(&self) -> Option<&'a str> {
        self.options.users_status.then_some(self.rest)
    }
}

impl Resolved<'_> {
    /// Whether the name keeps everybody out but the users that it lists.
    pub fn lists_users(&self) -> bool {
        self.users.is_some()
    }

    /// Whether the name lists this user, in a namespace where that counts.
    pub fn admits_user(&self, user: &str) -> bool {
        let names = |users: &str| match self.separator {
            "" => users == user,
            separator => users.split(separator).any(|name| name == user),
        };
        self.options.allow_user_limited_channels && self.users.is_some_and(names)
    }

    /// Whether clients may use the name: the namespace's expression decides, without one it must be ASCII.
    /// What tokens and backends name is not asked.
    fn is_well_named(&self) -> bool {
        match self.regex {
            Some(regex) => regex.is_match(self.rest),
            None => self.channel.is_ascii(),
        }
    }

    /// What the hub needs to know of the options.
    pub fn hub_options(&self, config: &ChannelConfig) -> HubOptions {
        let options = self.options;
        let meta_ttl_ms = options.history_meta_ttl.as_millis();
        HubOptions {
            history_size: options.history_size,
            history_ttl_ms: options.history_ttl.as_millis(),
            history_meta_ttl_ms: if meta_ttl_ms > 0 { meta_ttl_ms } else { config.history_meta_ttl.as_millis() },
            excludes_publisher: !options.echo,
            at_least_once: self.is_at_least_once(),
            push_after_ms: if self.is_at_least_once() { options.push_after.as_millis() } else { 0 },
            is_durable: options.log == Log::Disk,
            is_mirrored: options.log == Log::Redis,
            is_relayed: options.acknowledge == Acknowledge::Kafka,
            tells_status: options.users_status,
            namespace: self.namespace,
        }
    }

    /// Whether members of the channel must say that they have received what is published.
    pub fn is_at_least_once(&self) -> bool {
        self.options.delivery == Delivery::AtLeastOnce && self.has_history()
    }

    /// What is promised to the channel's members, where anything is.
    pub fn inbox_options(&self) -> Option<InboxOptions> {
        let options = self.options;
        self.is_at_least_once().then(|| InboxOptions {
            ack_timeout_ms: options.ack_timeout.as_millis(),
            backoff_factor: options.retry_backoff_factor,
            backoff_max_ms: options.retry_backoff_max.as_millis(),
            max_attempts: options.max_attempts,
            max_unacked: options.max_unacked,
            device_ttl_ms: options.device_ttl.as_millis(),
            devices_max: options.devices_max as usize,
            is_durable: options.log == Log::Disk,
            is_shared: options.log == Log::Redis,
            skips_own: !options.echo,
            members_subscribe: options.members_by_subscribing,
            push_after_ms: options.push_after.as_millis(),
            namespace: self.namespace,
        })
    }

    /// Whether pushes are for devices of this kind.
    pub fn pushes_to(&self, kind: &str) -> bool {
        let kinds = &self.options.push_device_kinds;
        kinds.is_empty() || kinds.iter().any(|known| known == kind)
    }

    /// Whether the channel keeps publications.
    pub fn has_history(&self) -> bool {
        self.options.history_size > 0 && self.options.history_ttl.as_millis() > 0
    }

    /// How clients of the channel recover.
    pub fn recovery_mode(&self) -> RecoveryMode {
        match self.options.force_recovery_mode {
            ForceRecoveryMode::Stream => RecoveryMode::Stream,
            ForceRecoveryMode::Cache => RecoveryMode::Cache,
        }
    }
}

impl Access {
    /// Compiles the rules.
    ///
    /// # Errors
    /// A `channel_regex` that does not compile; `Config::load` has refused those already.
    pub fn new(config: &ChannelConfig) -> Result<Self, regex::Error> {
        let mut namespaces = HashMap::new();
        for (number, namespace) in (1..).zip(&config.namespaces) {
            namespaces.insert(Box::from(namespace.name.as_str()), Rule::new(number, &namespace.options)?);
        }
        Ok(Self {
            without_namespace: Rule::new(0, &config.without_namespace)?,
            namespaces,
            namespace_boundary: Boundary::new(&config.namespace_boundary),
            user_boundary: Boundary::new(&config.user_boundary),
            config: config.clone(),
        })
    }

    /// The channel section that the rules were made of.
    pub fn config(&self) -> &ChannelConfig {
        &self.config
    }

    /// Looks a channel up.
    ///
    /// # Errors
    /// [`ErrorKind::BadRequest`] for an empty or too long name, [`ErrorKind::UnknownChannel`] for a namespace that is
    /// not configured.
    pub fn resolve<'a>(&'a self, channel: &'a str) -> Result<Resolved<'a>, Error> {
        let config = &self.config;
        if channel.is_empty() {
            return Err(ErrorKind::BadRequest.because("bad request: empty channel name"));
        }
        if channel.len() > config.max_length {
            return Err(ErrorKind::BadRequest.because("bad request: channel name too long"));
        }
        let prefix = config.private_prefix.as_str();
        let private = !prefix.is_empty() && channel.starts_with(prefix);
        let public = if private { &channel[prefix.len()..] } else { channel };
        let namespace_ends = self.namespace_boundary.as_ref().and_then(|boundary| boundary.first(public));
        let (rule, rest) = match namespace_ends {
            Some(at) => {
                let rule = self.namespaces.get(&public[..at]).ok_or(ErrorKind::UnknownChannel)?;
                (rule, &public[at + config.namespace_boundary.len()..])
            }
            None => (&self.without_namespace, channel),
        };
        let users_begin = self.user_boundary.as_ref().and_then(|boundary| boundary.last(rest));
        let users = users_begin.map(|at| &rest[at + config.user_boundary.len()..]);
        let (options, regex, separator) = (&rule.options, rule.name.as_ref(), &*config.user_separator);
        Ok(Resolved { namespace: rule.number, options, private, channel, rest, regex, users, separator })
    }

    /// As [`Access::resolve`], for a name that a client gave.
    ///
    /// # Errors
    /// Also [`ErrorKind::BadRequest`] for a name that clients may not use.
    pub fn resolve_for_client<'a>(&'a self, channel: &'a str) -> Result<Resolved<'a>, Error> {
        let resolved = self.resolve(channel)?;
        if resolved.is_well_named() {
            Ok(resolved)
        } else {
            Err(ErrorKind::BadRequest.because("bad request: the namespace has no channels of such names"))
        }
    }

    /// The personal channel of a user.
    pub fn personal_channel(&self, namespace: &str, user: &str) -> Arc<str> {
        let config = &self.config;
        match namespace {
            "" => format!("{}{user}", config.user_boundary),
            _ => format!("{namespace}{}{}{user}", config.namespace_boundary, config.user_boundary),
        }
        .into()
    }
}
