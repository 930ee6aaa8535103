//! Tells the application of users whom no device reaches: reads `push.offline`, gathers by user, sends on its way, and says up to where
//! all is done.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::{AbortHandle, Id, JoinError, JoinSet};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until, timeout_at};

use super::delivery::{DeadLetters, Deliveries, keep};
use super::gathering::Gathering;
use super::heard::Heard;
use super::marks::{Load, Mark};
use super::metrics::NotifyMetrics;
use super::patience::Patience;
use super::push::Push;
use super::reader::{COMMIT_PAUSE, Read, Reader};
use super::view::NotifyView;
use crate::clock;
use crate::cluster::kafka::producer::Producer;
use crate::cluster::kafka::taken::Taken;
use crate::config::Config;
use crate::events::{self, PushOffline};
use crate::roles::pulse::Pulse;

/// See the module.
pub(super) struct Pushes {
    reader: Reader,
    began: Instant,
    gathering: Gathering,
    deliveries: Arc<Deliveries>,
    dead: DeadLetters,
    max_age_ms: u64,
    /// What is on its way; nothing of what the role's end has stopped.
    flights: JoinSet<Option<()>>,
    /// What that is.
    on_their_way: HashMap<Id, Flight>,
    metrics: Arc<NotifyMetrics>,
    patience: Patience,
    /// How long what is on its way may take when the role ends.
    last_wait: Duration,
}

/// What is on its way.
struct Flight {
    stop: AbortHandle,
    /// To whom.
    users: Vec<Arc<str>>,
    /// The parts of records that are done with it.
    marks: Vec<Mark>,
}

impl Pushes {
    /// Must be called within the runtime of the roles. Nothing is waited for.
    ///
    /// # Errors
    /// Options that a client does not know, files that cannot be read; an endpoint that is none.
    pub(super) fn new(
        config: &Config,
        producer: Arc<Producer>,
        view: &NotifyView,
        pulse: &Arc<Pulse>,
        ending: watch::Receiver<bool>,
    ) -> anyhow::Result<Self> {
        let (notify, kafka) = (&config.notify, &config.cluster.kafka);
        let (topics, metrics) = (&kafka.topics, view.metrics.clone());
        let dead = DeadLetters { producer, from: topics.push.clone(), to: topics.notify_dead.clone() };
        let deliveries = Deliveries::new(notify, view.standing.clone(), dead.clone(), metrics.clone())?;
        let patience = Patience::new(ending, pulse.clone());
        let timeout: Duration = notify.timeout.into();
        let shutdown: Duration = config.shutdown.timeout.into();
        Ok(Self {
            reader: Reader::new(config, "notify", &dead.from, pulse.clone(), patience.clone())?,
            began: Instant::now(),
            gathering: Gathering::new(notify.batch_wait.as_millis(), notify.batch_max as usize),
            deliveries: Arc::new(deliveries),
            dead,
            max_age_ms: notify.max_age.as_millis(),
            flights: JoinSet::new(),
            on_their_way: HashMap::new(),
            metrics,
            patience,
            last_wait: (timeout + Duration::from_secs(1)).min(shutdown / 2),
        })
    }

    /// Goes on until it is to end. What was read and is not done by then is another process' to do.
    ///
    /// # Errors
    /// Nothing that time may mend.
    pub(super) async fn run(mut self, mut ending: watch::Receiver<bool>) -> anyhow::Result<()> {
        let mut commits = interval(COMMIT_PAUSE);
        commits.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let due = self.gathering.next_due_ms().map(|due_ms| self.began + Duration::from_millis(due_ms));
            tokio::select! {
                _ = ending.wait_for(|is_ending| *is_ending) => break,
                heard = self.reader.hear() => self.take_in(heard).await,
                Some(ended) = self.flights.join_next_with_id() => self.land(ended)?,
                () = until(due) => {}
                _ = commits.tick() => self.reader.commit(),
            }
            self.depart();
            self.reader.hold_back();
            self.metrics.open.set(self.reader.marks.open().parts as u64);
        }
        self.end().await
    }

    async fn take_in(&mut self, heard: Heard) {
        match self.reader.take_in(heard).await {
            Read::Record(record) => self.take(record),
            Read::Changed => self.forget(),
            Read::Nothing => {}
        }
    }

    /// Takes a record up.
    fn take(&mut self, record: Taken) {
        let now_unix_ms = clock::unix_ms();
        let written_unix_ms = record.written_unix_ms.unwrap_or(now_unix_ms);
        let is_too_late = now_unix_ms.saturating_sub(written_unix_ms) > self.max_age_ms.min(i64::MAX as u64) as i64;
        let Err(why) = self.take_push(&record, written_unix_ms, is_too_late) else { return };
        self.metrics.unreadable.add(1);
        if let Some(mark) = self.reader.take(&record, Load { parts: 1, bytes: record.bytes() }) {
            self.bury(record, mark, why);
        }
    }

    fn take_push(&mut self, record: &Taken, written_unix_ms: i64, is_too_late: bool) -> Result<(), String> {
        let event: PushOffline =
            events::decode(record.content_type.as_deref(), &record.value).map_err(|error| error.to_string())?;
        let users = event.users.len();
        // Its term is known when it is taken up, which only what can be used is.
        let mark = Mark { partition: record.partition, term: 0, offset: record.offset };
        let mut push = Push::new(event, mark, written_unix_ms).map_err(|error| error.to_string())?;
        let load = Load { parts: users, bytes: push.bytes() };
        let Some(mark) = self.reader.take(record, load) else { return Ok(()) };
        push.mark = mark;
        let counter = if push.is_withdrawal { &self.metrics.withdrawals } else { &self.metrics.pushes };
        counter.add(users as u64);
        if is_too_late && !push.is_withdrawal {
            self.metrics.too_late.add(users as u64);
        }
        let now_ms = self.now_ms();
        self.gathering.take(&Arc::new(push), is_too_late, now_ms);
        Ok(())
    }

    /// Keeps a record that nothing can be made of in the topic of what is dead.
    fn bury(&mut self, record: Taken, mark: Mark, why: String) {
        let (to, metrics, mut patience) = (self.dead.clone(), self.metrics.clone(), self.patience.clone());
        let kept = async move { keep(&to, record.dead(&to.from), &why, &metrics, &mut patience).await };
        self.fly(Vec::new(), vec![mark], kept);
    }

    /// Sends what has been gathered long enough on its way.
    fn depart(&mut self) {
        let now_ms = self.now_ms();
        for batch in self.gathering.due(now_ms) {
            let (deliveries, mut patience) = (self.deliveries.clone(), self.patience.clone());
            let users = batch.items.iter().map(|item| item.user.clone()).collect();
            let marks = batch.items.iter().flat_map(|item| item.marks.iter().copied()).collect();
            self.fly(users, marks, async move { deliveries.deliver(&batch, &mut patience).await });
        }
    }

    fn fly(&mut self, users: Vec<Arc<str>>, marks: Vec<Mark>, way: impl Future<Output = Option<()>> + Send + 'static) {
        let stop = self.flights.spawn(way);
        self.on_their_way.insert(stop.id(), Flight { stop, users, marks });
    }

    /// Takes in what has become of something that was on its way; nothing, where it was stopped.
    fn land(&mut self, ended: Result<(Id, Option<()>), JoinError>) -> Result<(), JoinError> {
        let (id, is_done) = match ended {
            Ok((id, done)) => (id, done.is_some()),
            Err(error) if error.is_cancelled() => return Ok(()),
            Err(panicked) => return Err(panicked),
        };
        if let Some(Flight { users, marks, .. }) = self.on_their_way.remove(&id).filter(|_| is_done) {
            marks.into_iter().for_each(|mark| self.reader.marks.settle(mark));
            self.settled(&users);
        }
        Ok(())
    }

    /// Lets go of what another process tells now: also of what waits for its next attempt, or it would be told when that process has
    /// told of its withdrawal.
    fn forget(&mut self) {
        let marks = &self.reader.marks;
        self.gathering.forget(|mark| marks.is_current(mark));
        let is_others = |_: &Id, flight: &mut Flight| !flight.marks.iter().any(|mark| marks.is_current(*mark));
        for (_, Flight { stop, users, .. }) in self.on_their_way.extract_if(is_others).collect::<Vec<_>>() {
            stop.abort();
            self.patience.give_up();
            self.settled(&users);
        }
    }

    /// Nothing is on its way to these users any more.
    fn settled(&mut self, users: &[Arc<str>]) {
        let now_ms = self.now_ms();
        users.iter().for_each(|user| self.gathering.settled(user, now_ms));
    }

    /// Waits a while for what is on its way, and says how far all is done.
    async fn end(&mut self) -> anyhow::Result<()> {
        let until = Instant::now() + self.last_wait;
        while let Ok(Some(ended)) = timeout_at(until, self.flights.join_next_with_id()).await {
            self.land(ended)?;
        }
        self.reader.commit();
        Ok(())
    }

    fn now_ms(&self) -> u64 {
        self.began.elapsed().as_millis() as u64
    }
}

async fn until(due: Option<Instant>) {
    match due {
        Some(due) => sleep_until(due).await,
        None => std::future::pending().await,
    }
}
