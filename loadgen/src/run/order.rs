//! What is to be run, and who makes the load.

use std::path::PathBuf;

use anyhow::{Context as _, ensure};

use crate::clock::Clock;
use crate::crew::{Assignment, Crew};
use crate::limits::{DESCRIPTORS_RESERVED, PROCESSES_MAX, SHARED_STREAMS_MAX};
use crate::plan::{Load, Plan};
use crate::scenario::Scenario;
use crate::share::Part;
use crate::swarm;
use crate::target::Targets;

/// What is to be run, and beside what.
#[derive(Clone, Debug)]
pub struct Order {
    /// The scenario's name.
    pub name: String,
    /// The load, with its settings.
    pub scenario: Scenario,
    /// The server's nodes, and how to reach them.
    pub targets: Targets,
    /// What tokens are signed with; without it there are none.
    pub secret: Option<String>,
    /// How many load processes; `None` for as many as the connections need. One is a thread of this process.
    pub processes: Option<u32>,
    /// The cores of the load threads, in turn.
    pub cores: Vec<usize>,
    /// This program, of which load processes are started where there is more than one.
    pub program: PathBuf,
    /// The server's processes, to be watched: what they use is added up.
    pub pids: Vec<i32>,
    /// The server's metrics, to be read.
    pub metrics_url: Option<String>,
    /// What was typed, without the secret.
    pub command: String,
}

impl Order {
    /// How many load processes make the load of a plan.
    pub(super) fn processes(&self, plan: &Plan) -> anyhow::Result<u32> {
        let connections = self.scenario.connections_max(plan);
        let needed = swarm::processes(connections);
        ensure!(
            self.processes.is_some() || needed <= PROCESSES_MAX,
            "{connections} connections need {needed} load processes, as few descriptors as this host allows each, and \
             {PROCESSES_MAX} are the most: raise the limit with `ulimit -Hn {}` as root, or ask for fewer",
            connections.div_ceil(PROCESSES_MAX.into()) + DESCRIPTORS_RESERVED
        );
        let processes = self.processes.unwrap_or(needed);
        ensure!(
            (1..=PROCESSES_MAX).contains(&processes),
            "{processes} load processes are asked for: --processes takes 1 to {PROCESSES_MAX}"
        );
        ensure!(
            processes == 1 || plan.streams.len() <= SHARED_STREAMS_MAX,
            "{processes} load processes cannot share {} pairs of a publisher and a channel, only {SHARED_STREAMS_MAX}: \
             ask for fewer publishers",
            plan.streams.len()
        );
        ensure!(
            processes == 1 || !matches!(plan.load, Load::Recover(_)),
            "{processes} load processes cannot recover together, since one client publishes what all miss: ask for fewer \
             clients, or raise the limit with `ulimit -Hn`"
        );
        if processes > 1 && plan.load.is_seen_whole() {
            for index in 0..processes {
                self.scenario.part(Part { index, of: processes }).plan().with_context(|| {
                    format!(
                        "each of {processes} load processes has a load of its own, with some of the users and channels"
                    )
                })?;
            }
        }
        Ok(processes)
    }

    /// Starts those who make the load.
    pub(super) fn crew(&self, processes: u32, clock: Clock) -> anyhow::Result<Crew> {
        ensure!(!self.cores.is_empty(), "the load needs a core: name one with --core");
        let assignment = |index: u32| Assignment {
            scenario: self.scenario.clone(),
            part: Part { index, of: processes },
            targets: self.targets.clone(),
            secret: self.secret.clone(),
            core: self.cores[index as usize % self.cores.len()],
            clock,
        };
        if processes == 1 {
            return Crew::thread(assignment(0));
        }
        // Two pipes each.
        swarm::allow(2 * u64::from(processes))?;
        Crew::processes(&self.program, &(0..processes).map(assignment).collect::<Vec<_>>())
    }
}
