//! What a shard goes by: one configuration, the rules made of it, what tokens are checked with. Edge and home share it, so
//! that both always go by the same.

use std::cell::Cell;
use std::iter;
use std::sync::Arc;

use super::metrics::ShardMetrics;
use super::namespaces::{NO_NAMESPACE, NamespaceMetrics};
use crate::auth::{Revocations, Verifier};
use crate::config::Config;
use crate::delivery::InboxOptions;
use crate::hub::HubOptions;
use crate::model::refusal::{Error, ErrorKind};
use crate::session::Context;
use crate::session::access::Access;
use crate::time::Now;

/// The configuration in force on a shard. A reload puts another in its place.
#[derive(Clone, Debug)]
pub(super) struct Policy {
    /// The configuration itself.
    pub(super) config: Arc<Config>,
    /// Channel names and their options.
    pub(super) access: Arc<Access>,
    /// What tokens are checked with.
    pub(super) verifier: Arc<Verifier>,
    /// What the signatures of tokens have cost since this was last taken, nanoseconds.
    pub(super) signatures_ns: Cell<u64>,
    /// The counts of the namespaces, by their numbers.
    pub(super) namespaces: Arc<[Arc<NamespaceMetrics>]>,
}

impl Policy {
    /// # Errors
    /// A `channel_regex` that does not compile; `Config::load` has refused those already.
    pub(super) fn new(
        config: Arc<Config>,
        verifier: Arc<Verifier>,
        metrics: &ShardMetrics,
    ) -> Result<Self, regex::Error> {
        let access = Arc::new(Access::new(&config.channel)?);
        let names = config.channel.namespaces.iter().map(|namespace| namespace.name.as_str());
        let namespaces = iter::once(NO_NAMESPACE).chain(names).map(|name| metrics.namespaces.of(name)).collect();
        Ok(Self { access, config, verifier, signatures_ns: Cell::default(), namespaces })
    }

    /// The counts of a namespace, by its number in the configuration in force.
    #[inline]
    pub(super) fn counts(&self, namespace: u32) -> &Arc<NamespaceMetrics> {
        &self.namespaces[namespace as usize]
    }

    /// The counts of a channel's namespace.
    pub(super) fn counts_of(&self, channel: &str) -> &Arc<NamespaceMetrics> {
        self.counts(self.access.resolve(channel).map_or(0, |resolved| resolved.namespace))
    }

    /// What a session reads of the node.
    pub(super) fn context<'a>(&'a self, revocations: &'a Revocations, now: Now) -> Context<'a> {
        let Self { config, access, verifier, signatures_ns, .. } = self;
        Context { config, access, verifier, revocations, now, signatures_ns }
    }

    /// What the hub needs to know of a channel's options.
    ///
    /// # Errors
    /// As [`Access::resolve`].
    pub(super) fn hub_options(&self, channel: &str) -> Result<HubOptions, Error> {
        Ok(self.access.resolve(channel)?.hub_options(&self.config.channel))
    }

    /// The options of a channel that keeps history.
    ///
    /// # Errors
    /// As [`Access::resolve`]; [`ErrorKind::NotAvailable`] without history.
    pub(super) fn with_history(&self, channel: &str) -> Result<HubOptions, Error> {
        let resolved = self.access.resolve(channel)?;
        match resolved.has_history() {
            true => Ok(resolved.hub_options(&self.config.channel)),
            false => Err(ErrorKind::NotAvailable.into()),
        }
    }

    /// What is promised to the members of a channel.
    ///
    /// # Errors
    /// As [`Access::resolve`]; [`ErrorKind::NotAvailable`] where nothing is.
    pub(super) fn inbox_options(&self, channel: &str) -> Result<InboxOptions, Error> {
        let nothing =
            || ErrorKind::NotAvailable.because("not available: nothing is received at least once in the channel");
        self.access.resolve(channel)?.inbox_options().ok_or_else(nothing)
    }

    /// Whether a channel tells who is in it.
    ///
    /// # Errors
    /// As [`Access::resolve`]; [`ErrorKind::NotAvailable`] without presence.
    pub(super) fn with_presence(&self, channel: &str) -> Result<(), Error> {
        match self.access.resolve(channel)?.options.presence {
            true => Ok(()),
            false => Err(ErrorKind::NotAvailable.into()),
        }
    }
}
