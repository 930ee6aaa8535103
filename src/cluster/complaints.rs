//! Faults of Redis in the log: of each kind a line every few seconds; of what is foreign, which lasts until a person mends it, a line a key.

use super::once::Once;
use super::redis::fault::Fault;
use super::seldom::Seldom;

/// See the module.
#[derive(Debug, Default)]
pub struct Complaints {
    told: Seldom,
    foreign: Once,
}

impl Complaints {
    /// A call of this Function, or for this purpose, has failed. Whether there is a line of it.
    pub fn tell(&self, call: &'static str, fault: &Fault) -> bool {
        if let Fault::Foreign(what) = fault {
            let is_new = self.foreign.is_new(what);
            if is_new {
                tracing::error!(call, "{fault}");
            }
            return is_new;
        }
        let is_due = self.told.is_due(fault.kind());
        if let Some(untold) = is_due {
            tracing::warn!(call, untold, "{fault}");
        }
        is_due.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_kind_there_is_a_line_now_and_then_and_of_what_is_foreign_one_a_key() {
        let complaints = Complaints::default();
        let tell = |fault: Fault| complaints.tell("append", &fault);
        assert!(tell(Fault::Late) && !tell(Fault::Late) && tell(Fault::Full));
        let foreign = |key: &str| Fault::Foreign(key.into());
        assert!(tell(foreign("a")) && tell(foreign("b")) && !tell(foreign("a")));
    }
}
