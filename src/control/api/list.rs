//! The list of all methods.

use super::method::Method;
use super::{badge_get, badge_reset, mute_list, mute_remove, mute_set};
use super::{
    broadcast, channels, connections, disconnect, history, history_remove, info, presence, presence_stats, publish,
    refresh, scheduled_cancel, scheduled_list, session_attributes, subscribe, tokens_revoke, tokens_revoked,
    unsubscribe, users_state, users_status,
};
use super::{dead_letters_list, dead_letters_purge, dead_letters_requeue, dead_letters_show};
use super::{inbox_positions, inbox_unread, members_add, members_list, members_remove, trace};

/// Somebody who wants to see every method.
pub(in crate::control) trait Visitor {
    /// Sees one.
    fn see<M: Method>(&mut self);
}

/// Shows all methods but `batch`, which is made of them: the one list that paths and documentation follow.
pub(in crate::control) fn visit(visitor: &mut impl Visitor) {
    visitor.see::<publish::Publish>();
    visitor.see::<broadcast::Broadcast>();
    visitor.see::<scheduled_list::ScheduledList>();
    visitor.see::<scheduled_cancel::ScheduledCancel>();
    visitor.see::<subscribe::Subscribe>();
    visitor.see::<unsubscribe::Unsubscribe>();
    visitor.see::<disconnect::Disconnect>();
    visitor.see::<refresh::Refresh>();
    visitor.see::<session_attributes::SessionAttributes>();
    visitor.see::<tokens_revoke::TokensRevoke>();
    visitor.see::<tokens_revoked::TokensRevoked>();
    visitor.see::<presence::Presence>();
    visitor.see::<presence_stats::PresenceStats>();
    visitor.see::<history::History>();
    visitor.see::<history_remove::HistoryRemove>();
    visitor.see::<members_add::MembersAdd>();
    visitor.see::<members_remove::MembersRemove>();
    visitor.see::<members_list::MembersList>();
    visitor.see::<inbox_positions::InboxPositions>();
    visitor.see::<inbox_unread::InboxUnread>();
    visitor.see::<trace::Trace>();
    visitor.see::<dead_letters_list::DeadLettersList>();
    visitor.see::<dead_letters_show::DeadLettersShow>();
    visitor.see::<dead_letters_requeue::DeadLettersRequeue>();
    visitor.see::<dead_letters_purge::DeadLettersPurge>();
    visitor.see::<channels::Channels>();
    visitor.see::<connections::Connections>();
    visitor.see::<users_status::UsersStatus>();
    visitor.see::<users_state::UsersState>();
    visitor.see::<badge_get::BadgeGet>();
    visitor.see::<badge_reset::BadgeReset>();
    visitor.see::<mute_set::MuteSet>();
    visitor.see::<mute_remove::MuteRemove>();
    visitor.see::<mute_list::MuteList>();
    visitor.see::<info::Info>();
}
