//! What systemd is told of the node's life: sd_notify(3). Where nobody asked by `NOTIFY_SOCKET`, nobody is told.

use sd_notify::NotifyState;

/// The node serves, for the first time or after a reload.
pub fn ready() {
    tell(&[NotifyState::Ready]);
}

/// The configuration is being read again. systemd wants to know when that began (`Type=notify-reload`).
pub(super) fn reloading() {
    match NotifyState::monotonic_usec_now() {
        Ok(now) => tell(&[NotifyState::Reloading, now]),
        Err(error) => tracing::warn!(%error, "the clock cannot be read for systemd"),
    }
}

/// The node drains.
pub(super) fn stopping() {
    tell(&[NotifyState::Stopping]);
}

fn tell(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::warn!(%error, "systemd cannot be told what the node does");
    }
}
