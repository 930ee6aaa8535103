//! What the roles beside the edge count, for `/metrics`.

use std::fmt;

use prometheus_client::encoding::{DescriptorEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::exemplar::Exemplar;
use prometheus_client::registry::Unit;

use crate::roles::RolesView;
use crate::roles::notify::NotifyMetrics;
use crate::roles::state::StateMetrics;

/// Writes what was counted. Of roles that the process does not have nothing is written.
pub(super) fn encode(encoder: &mut DescriptorEncoder<'_>, roles: &RolesView) -> fmt::Result {
    if roles.pulses().next().is_none() {
        return Ok(());
    }
    let help = "1 where the role consumes, or did within a minute";
    let mut well = encoder.encode_descriptor("ringpost_role_well", help, None, MetricType::Gauge)?;
    for (role, pulse) in roles.pulses() {
        well.encode_family(&[("role", role)])?.encode_gauge(&u64::from(pulse.is_well()))?;
    }
    let help = "For how long the role has not consumed";
    let mut silence =
        encoder.encode_descriptor("ringpost_role_silence", help, Some(&Unit::Seconds), MetricType::Gauge)?;
    for (role, pulse) in roles.pulses() {
        silence.encode_family(&[("role", role)])?.encode_gauge(&pulse.silence().as_secs_f64())?;
    }
    let help = "Records that the role has yet to do, of the partitions that are this process'";
    let mut lag = encoder.encode_descriptor("ringpost_role_lag", help, None, MetricType::Gauge)?;
    for (role, pulse) in roles.pulses() {
        for ((topic, partition), records) in pulse.lag() {
            let labels = [("role", role.to_owned()), ("topic", topic), ("partition", partition.to_string())];
            lag.encode_family(&labels)?.encode_gauge(&records)?;
        }
    }
    if let Some(state) = &roles.state {
        encode_state(encoder, &state.metrics)?;
    }
    match &roles.notify {
        Some(notify) => encode_notify(encoder, &notify.metrics),
        None => Ok(()),
    }
}

fn encode_state(encoder: &mut DescriptorEncoder<'_>, state: &StateMetrics) -> fmt::Result {
    let outcomes = [
        ("applied", state.applied.get()),
        ("repeated", state.repeated.get()),
        ("passed", state.passed.get()),
        ("unusable", state.unusable.get()),
    ];
    let help = "Records of the login log that the role state has done, by what became of them";
    encode_counts(encoder, "ringpost_state_records", help, "outcome", outcomes)?;
    let help = "Users who came online or went offline, by cause";
    encode_counts(encoder, "ringpost_state_transitions", help, "cause", state.transitions())?;
    let help = "Times that the role state could not go on, by kind of fault";
    encode_counts(encoder, "ringpost_state_errors", help, "kind", state.faults())?;
    for (name, help, number) in [
        ("ringpost_state_rebuilds", "Partitions read anew since some of the state was lost", state.rebuilds.get()),
        ("ringpost_state_adopted", "Sessions that nodes had and no record told of", state.adopted.get()),
        ("ringpost_state_ended_with_node", "Sessions that ended with their node", state.ended_with_node.get()),
        ("ringpost_state_ended_untold", "Sessions that ended and no record told of", state.ended_untold.get()),
    ] {
        let mut metric = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
        metric.encode_counter(&number, None::<&Exemplar<NoLabelSet, f64>>)?;
    }
    Ok(())
}

fn encode_notify(encoder: &mut DescriptorEncoder<'_>, notify: &NotifyMetrics) -> fmt::Result {
    let outcomes = [
        ("taken", notify.taken.get()),
        ("refused", notify.refused.get()),
        ("given_up", notify.given_up.get()),
        ("foreign", notify.foreign.get()),
        ("lost", notify.lost.get()),
    ];
    let help = "Webhooks that are done, by what became of them";
    encode_counts(encoder, "ringpost_notify_webhooks", help, "outcome", outcomes)?;
    for (name, help, number) in [
        ("ringpost_notify_pushes", "Messages that users were to be told of, times users", notify.pushes.get()),
        ("ringpost_notify_withdrawals", "Withdrawals of messages, times users", notify.withdrawals.get()),
        ("ringpost_notify_muted", "Messages times users that were muted", notify.muted.get()),
        ("ringpost_notify_too_late", "Messages times users that were too old to be told", notify.too_late.get()),
        ("ringpost_notify_unreadable", "Records that nothing could be made of", notify.unreadable.get()),
        ("ringpost_notify_sessions", "Changes of sessions that clients were to be told", notify.sessions.get()),
        ("ringpost_notify_attempts_failed", "Attempts at a webhook that failed", notify.failed.get()),
    ] {
        let mut metric = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
        metric.encode_counter(&number, None::<&Exemplar<NoLabelSet, f64>>)?;
    }
    let help = "Messages times users that are on their way";
    let mut open = encoder.encode_descriptor("ringpost_notify_open", help, None, MetricType::Gauge)?;
    open.encode_gauge(&notify.open.get())
}

fn encode_counts(
    encoder: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    label: &'static str,
    counts: impl IntoIterator<Item = (&'static str, u64)>,
) -> fmt::Result {
    let mut metric = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
    for (value, number) in counts {
        let labels = [(label, value)];
        metric.encode_family(&labels)?.encode_counter(&number, None::<&Exemplar<NoLabelSet, f64>>)?;
    }
    Ok(())
}
