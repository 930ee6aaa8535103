//! Who came, went or was refused, as an event.

use uuid::Uuid;

use super::place::Place;
use crate::broker::ending::Ending;
use crate::broker::visit::{Guest, Visit, VisitEvent};
use crate::events::{LoginDevice, LoginKind, LoginSdk, UserLogin};
use crate::model::Device;

/// The event of a visit to a node.
pub(super) fn event(visit: &Visit, node: &str, place: Place) -> UserLogin {
    let event = UserLogin {
        id: Uuid::new_v4().to_string(),
        at_unix_ms: visit.time_unix_ms,
        node: node.into(),
        incarnation: place.incarnation,
        slot: place.slot.into(),
        address: visit.address.to_string(),
        transport: visit.format.map_or("", |format| if format.is_websocket() { "websocket" } else { "tcp" }).into(),
        ..UserLogin::default()
    };
    match &visit.event {
        VisitEvent::Connected(guest) => of_kind(LoginKind::Connected, of_guest(event, guest)),
        VisitEvent::Closed { guest, ending, reason, duration_ms } => UserLogin {
            connected_ms: *duration_ms,
            ..of_kind(LoginKind::Disconnected, of_ending(of_guest(event, guest), *ending, reason.as_deref()))
        },
        VisitEvent::Refused { ending, reason } => {
            of_kind(LoginKind::Refused, of_ending(event, *ending, reason.as_deref()))
        }
    }
}

fn of_kind(kind: LoginKind, event: UserLogin) -> UserLogin {
    UserLogin { kind: kind.as_str().into(), ..event }
}

fn of_guest(event: UserLogin, guest: &Guest) -> UserLogin {
    let Device { id, kind, app, version } = guest.device.as_deref().cloned().unwrap_or_default();
    let is_named = !id.is_empty() || !kind.is_empty();
    UserLogin {
        user: guest.user.to_string(),
        client: guest.client.to_string(),
        device: is_named.then(|| LoginDevice { id: id.into(), kind: kind.into() }),
        sdk: (!app.is_empty()).then(|| LoginSdk { name: app.into(), version: version.into() }),
        ..event
    }
}

fn of_ending(event: UserLogin, ending: Ending, reason: Option<&str>) -> UserLogin {
    let reason = reason.map(Into::into).or_else(|| ending.reason());
    UserLogin {
        cause: ending.cause().into(),
        code: ending.code().unwrap_or_default().into(),
        reason: reason.unwrap_or_default().into_owned(),
        ..event
    }
}
