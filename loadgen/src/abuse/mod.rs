//! Abuse: clients that ask a server for more than is reasonable, on purpose, beside which others are to be served as
//! ever. What they make others wait is measured by a run of its own, from another process.
//!
//! ```text
//! kind (who there is, what an abuser says) → crowd (members, abusers, what became of them) → swarm (sockets)
//! ```
//!
//! Members are ordinary clients of one room, who read what comes. Abusers come back when they are cut off. Nothing of
//! what they are told is verified here.

mod abuser;
mod crowd;
mod kind;
mod order;

use anyhow::bail;
use ringpost::ring::Event;

use self::crowd::Crowd;
pub use self::kind::Kind;
pub use self::order::{Order, Told};
use crate::clock::Clock;
use crate::limits::{EVENTS_PER_TURN, GATHER_PATIENCE_MS};
use crate::protocol::Reader;
use crate::swarm;

const MILLISECOND_NS: u64 = 1_000_000;
/// How often somebody looks around who waits.
const LOOK_NS: u64 = 10 * MILLISECOND_NS;

/// A crowd that is connected.
#[derive(Debug)]
pub struct Abuse {
    reader: Reader,
    crowd: Crowd,
    events: Vec<Event>,
}

impl Abuse {
    /// Connects the members, and the abusers that are clients.
    ///
    /// # Errors
    /// What the host lacks, or why the server does not let them in.
    pub fn begin(order: Order) -> anyhow::Result<Self> {
        let (crowd, reader) = Crowd::new(order, Clock::start())?;
        let mut abuse = Self { reader, crowd, events: Vec::with_capacity(EVENTS_PER_TURN) };
        let (mut last, mut patient_until_ns) = (0, GATHER_PATIENCE_MS * MILLISECOND_NS);
        while !abuse.crowd.is_there() {
            abuse.crowd.gather();
            abuse.turn(LOOK_NS)?;
            let (ready, now_ns) = (abuse.crowd.ready(), abuse.crowd.now_ns());
            if ready > last {
                (last, patient_until_ns) = (ready, now_ns + GATHER_PATIENCE_MS * MILLISECOND_NS);
            }
            if let Some(why) = abuse.crowd.refusal() {
                bail!("the crowd is not let in: {why}");
            }
            if now_ns > patient_until_ns {
                bail!(
                    "only {ready} of the crowd were let in, the others were never answered: is there a limit on connections?"
                );
            }
        }
        Ok(abuse)
    }

    /// Everybody reads and answers pings, and nobody asks for anything, until it is time.
    ///
    /// # Errors
    /// When the kernel fails.
    pub fn wait(&mut self, mut is_time: impl FnMut() -> bool) -> anyhow::Result<()> {
        while !is_time() {
            self.turn(LOOK_NS)?;
        }
        Ok(())
    }

    /// The abusers do what they do, until it is enough.
    ///
    /// # Errors
    /// When the kernel fails.
    pub fn act(&mut self, mut is_enough: impl FnMut(&Told) -> bool) -> anyhow::Result<Told> {
        self.crowd.begin();
        while !is_enough(self.crowd.told()) {
            self.crowd.act();
            self.turn(MILLISECOND_NS)?;
        }
        Ok(self.crowd.told().clone())
    }

    /// One turn: what has happened, one send per connection. Waits for so long at the most.
    fn turn(&mut self, wait_ns: u64) -> anyhow::Result<()> {
        let until_ns = self.crowd.now_ns() + wait_ns;
        swarm::turn(&mut self.crowd, &self.reader, &mut self.events, until_ns)
    }
}
