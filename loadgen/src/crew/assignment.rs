//! What a load thread is given to do, in words that go from process to process.

use std::thread;

use anyhow::ensure;
use serde::{Deserialize, Serialize};

use crate::clock::Clock;
use crate::engine::{Engine, Job, Line, News, Outcome, pin};
use crate::protocol;
use crate::scenario::Scenario;
use crate::share::{Part, Share};
use crate::swarm;
use crate::target::Targets;

/// What a load thread is given to do. The plan is not in it: a scenario becomes the same plan every time, and a load
/// process takes its share of it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Assignment {
    /// The load, with its settings.
    pub scenario: Scenario,
    /// Which share of it.
    pub part: Part,
    /// The server's nodes, and how to reach them.
    pub targets: Targets,
    /// What tokens are signed with; without it there are none.
    pub secret: Option<String>,
    /// The core of the load thread.
    pub core: usize,
    /// The clock of the run.
    pub clock: Clock,
}

impl Assignment {
    /// The share of the plan, with room for its connections.
    ///
    /// # Errors
    /// Which setting makes no sense, or what the protocol does not know or the host does not allow.
    pub fn job(self) -> anyhow::Result<Job> {
        let Self { scenario, part, targets, secret, clock, .. } = self;
        let scenario = scenario.part(part);
        let plan = scenario.plan()?;
        // Clients of the plan are shared out; those that come later take turns.
        let visitors = scenario.connections_max(&plan) - plan.clients.len() as u64;
        let channel_names = scenario.channel_names(&plan, &part.stem(&plan));
        protocol::check(targets.first(), &plan, &channel_names)?;
        ensure!(
            secret.is_some() || !plan.load.is_received() || !targets.first().knows_received(),
            "devices are known by their users' tokens: give the key that the server checks them with (--secret); a node of \
             `make run` has the one of its development"
        );
        let share = Share::of(plan, part)?;
        swarm::allow(share.clients.len() as u64 + visitors.div_ceil(part.of.into()))?;
        let nanoseconds = |s: f64| (s * 1e9) as u64;
        Ok(Job {
            channel_names,
            share,
            targets,
            encoding: scenario.run.encoding.into(),
            payload_bytes: scenario.run.payload_bytes,
            busy_poll: scenario.run.busy_poll,
            quick_ack: scenario.run.quick_ack,
            secret,
            warm_up_ns: nanoseconds(scenario.run.warm_up_s),
            duration_ns: nanoseconds(scenario.run.duration_s),
            clock,
        })
    }

    /// Starts a load thread that does it. The last thing that it tells is how it ended.
    ///
    /// # Errors
    /// When the thread cannot be started.
    pub(super) fn start(self, line: Line) -> std::io::Result<()> {
        let run = move |line: Line| -> anyhow::Result<Outcome> {
            pin(self.core)?;
            Engine::new(self.job()?, line)?.run()
        };
        let load = move || {
            let (member, news) = (line.member, line.news.clone());
            let outcome = run(line).map_err(|error| format!("{error:#}"));
            // Nobody listens where the run was given up.
            let _ = news.send((member, News::Ended(outcome)));
        };
        thread::Builder::new().name("load".into()).spawn(load).map(drop)
    }
}
