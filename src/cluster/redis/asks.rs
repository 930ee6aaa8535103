//! What nodes ask each other, and answer. Nothing is kept: who asks waits for the answers of those that were asked, and does not
//! hear of a question or an answer that was lost.

use super::bucket::Kind;
use super::fault::Fault;
use super::functions::{Functions, Incarnation};
use super::sessions::incarnations;

impl Functions {
    /// Asks the nodes that have sessions of a user, in the user's bucket ([`Kind::Asked`]). Which those are; this one may be
    /// among them.
    ///
    /// # Errors
    /// What went wrong.
    pub async fn ask_user(&self, user: &str, question: &[u8]) -> Result<Vec<Incarnation>, Fault> {
        let mut command = self.function("ask_user", self.keys().bucket_of(user));
        command.arg(user).arg(question);
        incarnations(self.once(command).await?)
    }

    /// Asks nodes, or answers them, by their slots.
    ///
    /// # Errors
    /// What went wrong.
    pub async fn tell_nodes(&self, bucket: u16, slots: &[u8], kind: Kind, told: &[u8]) -> Result<(), Fault> {
        assert!(matches!(kind, Kind::Asked | Kind::Answered), "{kind:?} is for the Functions to say");
        let mut command = self.function("tell_nodes", bucket);
        command.arg(slots).arg(if kind == Kind::Asked { 7 } else { 8 }).arg(told);
        self.once(command).await.map(drop)
    }
}
