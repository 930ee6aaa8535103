//! Which buckets are to be asked where they stand, and to be subscribed to before that.
//!
//! Some are asked at once; of those that are with one server, and are only to be compared, many go by one call. A bucket has one
//! question on its way at a time, and what is wanted of it meanwhile comes after that. One that is not answered soon holds up no
//! other: its primary may be away while others go on.
//!
//! A subscription may be gone and nobody says so: while a primary of a Cluster is away, the library subscribes with whoever answers,
//! its replica among them, and takes another connection for one that is late. So a bucket of which a question has failed, or of
//! which something was not heard, is subscribed to again when it answers, and for half a minute with each comparison.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::timeout;

use super::fault::Fault;
use super::functions::{Compared, ComparedTogether, Functions};
use super::link::Link;
use super::slots::Slots;

/// How many questions are on their way at once, but for those that are late.
const AT_ONCE: usize = 8;

/// How many buckets one question compares: a few hundred microseconds of Redis, for which it does nothing else.
const TOGETHER: usize = 64;

/// When a question is late, and how long to wait before one that failed is asked again.
pub(super) const PAUSE: Duration = Duration::from_millis(200);

/// With how many comparisons a bucket is subscribed to again, after it has failed.
const DOUBTED: u8 = 6;

/// What is wanted of a bucket; the greater one does more.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
enum Want {
    #[default]
    Nothing,
    Compare,
    Subscribe,
}

#[derive(Clone, Copy, Debug, Default)]
struct Bucket {
    wants: Want,
    /// A question is on its way.
    is_asked: bool,
    /// It stands in the queue, or among those that have failed.
    waits: bool,
    /// It is not to be asked together with others, the next time.
    alone: bool,
    /// The last question has failed.
    has_failed: bool,
    /// With how many comparisons more it is subscribed to again.
    doubted: u8,
}

/// Who has which bucket.
struct Servers<'a> {
    functions: &'a Functions,
    slots: Option<Arc<Slots>>,
    is_one: bool,
}

impl Servers<'_> {
    /// A number of the server that has a bucket, which no other has, if it is known.
    fn of(&self, bucket: u16) -> Option<usize> {
        match (self.is_one, &self.slots) {
            (true, _) => Some(0),
            (false, slots) => slots.as_ref()?.primary_of(self.functions.keys().slot(bucket)),
        }
    }
}

/// What a question has come to.
pub(super) enum Progress {
    /// It is late.
    Late,
    /// It was answered, or has failed, as far as these buckets go; those that are left are to be asked alone.
    Done { compared: Answers, left: Vec<u16>, was_late: bool },
}

/// Buckets, and where they stand.
pub(super) type Answers = Vec<(u16, Result<Compared, Fault>)>;

/// See the module.
pub(super) struct Comparisons {
    functions: Arc<Functions>,
    link: Arc<Link>,
    buckets: Vec<Bucket>,
    queue: VecDeque<u16>,
    failed: Vec<u16>,
    /// Questions that are on their way, and not late.
    asking: usize,
    progress: mpsc::UnboundedSender<Progress>,
}

impl Comparisons {
    /// None yet, by this way; and where their progress comes.
    pub(super) fn new(functions: Arc<Functions>, link: Arc<Link>) -> (Self, mpsc::UnboundedReceiver<Progress>) {
        let (progress, progressed) = mpsc::unbounded_channel();
        let buckets = vec![Bucket::default(); functions.keys().buckets().into()];
        let (queue, failed, asking) = (VecDeque::new(), Vec::new(), 0);
        (Self { functions, link, buckets, queue, failed, asking, progress }, progressed)
    }

    /// All buckets are to be compared, or to be subscribed to as well.
    pub(super) fn want_all(&mut self, subscribes: bool) {
        let want = if subscribes { Want::Subscribe } else { Want::Compare };
        (0..self.buckets.len() as u16).for_each(|number| self.queue_up(number, want));
        self.ask();
    }

    /// Something of a bucket was not heard: it is to be subscribed to again.
    pub(super) fn doubt(&mut self, number: u16) {
        self.buckets[usize::from(number)].doubted = DOUBTED;
        self.queue_up(number, Want::Subscribe);
        self.ask();
    }

    /// A bucket is to be compared.
    pub(super) fn want(&mut self, number: u16) {
        self.queue_up(number, Want::Compare);
        self.ask();
    }

    fn queue_up(&mut self, number: u16, want: Want) {
        let bucket = &mut self.buckets[usize::from(number)];
        let want = if bucket.doubted > 0 { Want::Subscribe } else { want };
        bucket.doubted = bucket.doubted.saturating_sub(1);
        bucket.wants = bucket.wants.max(want);
        if !bucket.is_asked && !std::mem::replace(&mut bucket.waits, true) {
            self.queue.push_back(number);
        }
    }

    /// Whether some have failed.
    pub(super) fn has_failed(&self) -> bool {
        !self.failed.is_empty()
    }

    /// Asks those again that have failed.
    pub(super) fn again(&mut self) {
        self.queue.extend(self.failed.drain(..));
        self.ask();
    }

    /// Takes what a question has come to. One that has failed is asked again, with a subscription.
    pub(super) fn take(&mut self, progress: Progress) -> Answers {
        let Progress::Done { compared, left, was_late } = progress else {
            self.asking -= 1;
            self.ask();
            return Answers::new();
        };
        self.asking -= usize::from(!was_late);
        for number in left {
            let bucket = &mut self.buckets[usize::from(number)];
            (bucket.is_asked, bucket.alone) = (false, true);
            bucket.wants = bucket.wants.max(Want::Compare);
            self.wait(number);
        }
        for (number, compared) in &compared {
            let bucket = &mut self.buckets[usize::from(*number)];
            bucket.is_asked = false;
            if compared.is_err() {
                (bucket.wants, bucket.waits) = (Want::Subscribe, true);
                (bucket.has_failed, bucket.doubted) = (true, DOUBTED);
                self.failed.push(*number);
                continue;
            }
            if std::mem::take(&mut bucket.has_failed) {
                bucket.wants = Want::Subscribe;
            }
            if bucket.wants > Want::Nothing {
                self.wait(*number);
            }
        }
        self.ask();
        compared
    }

    fn wait(&mut self, number: u16) {
        self.buckets[usize::from(number)].waits = true;
        self.queue.push_back(number);
    }

    /// The next buckets that one question is about, and whether it subscribes to what they say.
    fn next(&mut self) -> Option<(Vec<u16>, bool)> {
        let first = self.queue.pop_front()?;
        let (mut group, subscribes) = (vec![first], self.begin(first));
        let is_alone = subscribes || std::mem::take(&mut self.buckets[usize::from(first)].alone);
        let servers =
            Servers { functions: &self.functions, slots: self.link.slots(), is_one: self.link.is_one_server() };
        let Some(server) = servers.of(first).filter(|_| !is_alone) else { return Some((group, subscribes)) };
        let goes_along = |number: u16| {
            let bucket = &self.buckets[usize::from(number)];
            bucket.wants == Want::Compare && !bucket.alone && servers.of(number) == Some(server)
        };
        let (mut left, mut along) = (VecDeque::new(), Vec::new());
        for number in self.queue.drain(..) {
            match along.len() + 1 < TOGETHER && goes_along(number) {
                true => along.push(number),
                false => left.push_back(number),
            }
        }
        self.queue = left;
        along.iter().for_each(|number| _ = self.begin(*number));
        group.extend(along);
        Some((group, subscribes))
    }

    /// A bucket is asked: whether it is to be subscribed to.
    fn begin(&mut self, number: u16) -> bool {
        let bucket = &mut self.buckets[usize::from(number)];
        (bucket.is_asked, bucket.waits) = (true, false);
        std::mem::take(&mut bucket.wants) == Want::Subscribe
    }

    fn ask(&mut self) {
        while self.asking < AT_ONCE
            && let Some((buckets, subscribes)) = self.next()
        {
            self.asking += 1;
            let (functions, link, progress) = (self.functions.clone(), self.link.clone(), self.progress.clone());
            tokio::spawn(async move {
                let compared = compare_all(&functions, &link, &buckets, subscribes);
                tokio::pin!(compared);
                let in_time = timeout(PAUSE, &mut compared).await;
                let was_late = in_time.is_err();
                let (compared, left) = match in_time {
                    Ok(compared) => compared,
                    Err(_) => {
                        let _ = progress.send(Progress::Late);
                        compared.await
                    }
                };
                // Nobody is there once the listener has ended.
                let _ = progress.send(Progress::Done { compared, left, was_late });
            });
        }
    }
}

/// Where buckets stand, and those that are to be asked alone.
async fn compare_all(functions: &Functions, link: &Link, buckets: &[u16], subscribes: bool) -> (Answers, Vec<u16>) {
    if let [bucket] = *buckets {
        return (vec![(bucket, compare(functions, link, bucket, subscribes).await)], Vec::new());
    }
    match functions.compare_many_by(link, buckets).await {
        Ok(ComparedTogether { found, has_refused }) => {
            if has_refused {
                link.renew_slots().await;
            }
            let is_found = |bucket: &u16| found.iter().any(|(other, _)| other == bucket);
            let left = buckets.iter().copied().filter(|bucket| !is_found(bucket)).collect();
            (found.into_iter().map(|(bucket, compared)| (bucket, Ok(compared))).collect(), left)
        }
        Err(fault) => (buckets.iter().map(|bucket| (*bucket, Err(fault.clone()))).collect(), Vec::new()),
    }
}

async fn compare(functions: &Functions, link: &Link, bucket: u16, subscribes: bool) -> Result<Compared, Fault> {
    if subscribes {
        for channel in channels(functions, bucket) {
            link.subscribe(&channel).await?;
        }
    }
    functions.compare_by(link, bucket).await
}

/// The channels of a bucket that a node listens to.
fn channels(functions: &Functions, bucket: u16) -> [String; 2] {
    let keys = functions.keys();
    [format!("{}:{}", keys.head(bucket), functions.incarnation().slot), keys.to_all(bucket)]
}
