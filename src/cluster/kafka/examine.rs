//! A look at Kafka: whether it has what nodes write to and read from, and keeps what it has taken.

use std::thread;
use std::time::Duration;

use rdkafka::admin::{AdminClient, AdminOptions, ResourceSpecifier};
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::KafkaResult;

use super::trouble::Trouble;
use super::{client, producer};
use crate::config::{Config, KafkaConfig, Role};
use crate::doctor::{Finding, page};
use crate::vital;

/// How long Kafka may take to answer a question.
const PATIENCE: Duration = Duration::from_secs(5);

/// How often a topic that is not there is asked for, and the pause between: brokers hear a little later of one that was just made.
const TRIES: usize = 4;
const PAUSE: Duration = Duration::from_millis(500);

const PAGE: &str = page!("docs/decisions/kafka.md");

/// A topic that is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Topic {
    partitions: usize,
    /// Copies of the partition that has the fewest.
    replicas: usize,
    /// How many of them must have a record before it is taken, where the topic may be asked.
    least_in_step: Option<usize>,
    /// The largest batch of records that it takes, bytes, where the topic may be asked.
    largest_batch: Option<usize>,
}

/// A name that is configured.
#[derive(Clone, Debug)]
struct Named {
    key: &'static str,
    name: String,
    need: Need,
}

/// What goes without a topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Need {
    /// No namespace with `acknowledge = "kafka"`.
    Relayed,
    /// What has to lie there when it cannot be used holds up what comes after it.
    Dead,
    /// All but what is written or read there.
    Own,
}

/// Looks at Kafka, for a process with this configuration.
pub async fn examine_for(config: &Config) -> Vec<Finding> {
    examine(&config.cluster.kafka, config.channel.relays(), config.roles.has(Role::Notify)).await
}

/// Looks at Kafka, for processes of which some namespaces go by it, or none, and that have the role `notify`, or not.
pub async fn examine(config: &KafkaConfig, is_relayed: bool, notifies: bool) -> Vec<Finding> {
    let brokers = config.brokers.join(", ");
    let (named, asked) = (named(config, is_relayed, notifies), config.clone());
    let names: Vec<_> = named.iter().map(|named| named.name.clone()).collect();
    let looked = vital::blocking(move || look(&asked, &names)).await;
    let topics = match looked.map_err(|error| error.to_string()).and_then(|looked| looked) {
        Ok(topics) => topics,
        // Nodes start all the same: what does not go by Kafka goes on.
        Err(why) => {
            let fix = "see that it runs, and that `cluster.kafka.brokers`, `options` and `password` are right";
            return vec![Finding::warn("kafka", brokers, why, fix, PAGE)];
        }
    };
    let topics = with_their_options(config, &named, topics).await;
    let mut findings = vec![Finding::ok("kafka", brokers, "a broker answers")];
    findings.extend(named.iter().zip(&topics).map(|(named, topic)| judge(named, *topic, &config.topics.deliver)));
    let written = named.iter().zip(&topics).filter(|(named, _)| named.key != "calls");
    let largest = largest_batch(config);
    findings.extend(written.filter_map(|(named, topic)| judge_batches(named, (*topic)?, largest)));
    findings
}

/// Whether a node of this slot has a partition for what it is told, by what was found.
///
/// # Errors
/// What to do.
pub async fn has_partition(config: &KafkaConfig, slot: u8) -> Result<(), String> {
    let (asked, name) = (config.clone(), config.topics.deliver.clone());
    let looked = vital::blocking(move || look(&asked, &[name])).await;
    match looked.map_err(|error| error.to_string()).and_then(|looked| looked).as_deref() {
        Ok([Some(topic)]) if topic.partitions < usize::from(slot) => Err(format!(
            "the node has slot {slot}, and the topic `{}` {} partitions: give it a partition for each node \
             (`kafka-topics.sh --alter --topic {} --partitions 32`)",
            config.topics.deliver, topic.partitions, config.topics.deliver
        )),
        // That it is away is found later, too.
        _ => Ok(()),
    }
}

fn named(config: &KafkaConfig, is_relayed: bool, notifies: bool) -> Vec<Named> {
    let topics = &config.topics;
    let relayed = [
        ("publish", &topics.publish),
        ("publish_dead", &topics.publish_dead),
        ("deliver", &topics.deliver),
        ("publications", &topics.publications),
    ];
    let others =
        [("calls", &topics.calls), ("login", &topics.login), ("session", &topics.session), ("push", &topics.push)];
    let dead =
        [("calls_dead", &topics.calls_dead, !topics.calls.is_empty()), ("notify_dead", &topics.notify_dead, notifies)];
    let needed = relayed.into_iter().filter(|_| is_relayed).map(|(key, name)| (key, name, Need::Relayed));
    let dead = dead.into_iter().filter(|(.., is_used)| *is_used).map(|(key, name, _)| (key, name, Need::Dead));
    let all = needed.chain(others.into_iter().map(|(key, name)| (key, name, Need::Own))).chain(dead);
    all.filter(|(_, name, _)| !name.is_empty())
        .map(|(key, name, need)| Named { key, name: name.clone(), need })
        .collect()
}

/// Asks for topics; none where one is not there. A consumer asks: no broker makes a topic for it.
fn look(config: &KafkaConfig, names: &[String]) -> Result<Vec<Option<Topic>>, String> {
    let mut options = client::options(config, "ringpost-check");
    options.set("group.id", format!("{}.check", config.group));
    let context = Trouble::of("the look at Kafka");
    let consumer: BaseConsumer<Trouble> = options.create_with_context(context).map_err(|error| error.to_string())?;
    let topic = |name: &String| -> KafkaResult<Option<Topic>> {
        let found = consumer.fetch_metadata(Some(name), PATIENCE)?;
        let there = found.topics().iter().find(|topic| topic.name() == name && topic.error().is_none());
        Ok(there.map(|topic| {
            let replicas = topic.partitions().iter().map(|partition| partition.replicas().len()).min();
            let (partitions, replicas) = (topic.partitions().len(), replicas.unwrap_or_default());
            Topic { partitions, replicas, least_in_step: None, largest_batch: None }
        }))
    };
    let mut found = Vec::new();
    for at in 0..TRIES {
        found = names.iter().map(&topic).collect::<KafkaResult<_>>().map_err(|error| error.to_string())?;
        if found.iter().all(Option::is_some) || at + 1 == TRIES {
            break;
        }
        thread::sleep(PAUSE);
    }
    Ok(found)
}

/// Asks how topics are configured, as far as the node's user may.
async fn with_their_options(
    config: &KafkaConfig,
    named: &[Named],
    mut topics: Vec<Option<Topic>>,
) -> Vec<Option<Topic>> {
    let there = named.iter().zip(&topics).filter(|(_, topic)| topic.is_some());
    let asked: Vec<_> = there.map(|(named, _)| ResourceSpecifier::Topic(&named.name)).collect();
    let context = Trouble::of("the look at Kafka");
    let admin: KafkaResult<AdminClient<Trouble>> =
        client::options(config, "ringpost-check").create_with_context(context);
    let Ok(admin) = admin else { return topics };
    let options = AdminOptions::new().request_timeout(Some(PATIENCE));
    let Ok(answers) = admin.describe_configs(&asked, &options).await else { return topics };
    for (topic, answer) in topics.iter_mut().flatten().zip(answers) {
        let Ok(answer) = answer else { continue };
        let number = |name| answer.get(name)?.value.as_ref()?.parse().ok();
        (topic.least_in_step, topic.largest_batch) = (number("min.insync.replicas"), number("max.message.bytes"));
    }
    topics
}

/// The largest batch of records that the node writes, bytes. librdkafka's own is a million, of one record and of many.
fn largest_batch(config: &KafkaConfig) -> usize {
    let options = producer::options(config, "ringpost-check");
    let limits = ["batch.size", "message.max.bytes"].map(|name| options.get(name)?.parse().ok());
    limits.into_iter().map(|limit| limit.unwrap_or(1_000_000)).min().unwrap_or_default()
}

/// A broker refuses a batch as a whole, and for good: also records that it would take alone.
fn judge_batches(named: &Named, topic: Topic, largest: usize) -> Option<Finding> {
    let taken = topic.largest_batch.filter(|taken| *taken < largest)?;
    let name = &named.name;
    let value = format!("{name}: batches of {taken} bytes");
    let what =
        format!("nodes write up to {largest} at once, and where much is written small records are refused together");
    let fix = format!(
        "set `max.message.bytes` of the topic to 1048588, or write less at once: `\"batch.size={taken}\"` among \
         `cluster.kafka.options`"
    );
    Some(Finding::warn("topic", value, what, fix, PAGE))
}

fn judge(named: &Named, topic: Option<Topic>, deliver: &str) -> Finding {
    let Named { key, name, need } = named;
    let Some(topic) = topic else {
        let partitions = if name == deliver { 32 } else { 12 };
        let fix = format!(
            "make it, such as by `kafka-topics.sh --create --topic {name} --partitions {partitions} \
             --replication-factor 3 --config min.insync.replicas=2`"
        );
        return match need {
            Need::Relayed => Finding::fail(
                "topic",
                name,
                "it is not there, or the node's user may not see it, and `acknowledge = \"kafka\"` needs it",
                fix,
                PAGE,
            ),
            Need::Dead => Finding::warn(
                "topic",
                name,
                "it is not there, or the node's user may not see it: what cannot be used waits for it, and others behind that",
                fix,
                PAGE,
            ),
            Need::Own => {
                let fix = format!("{fix}, or set `cluster.kafka.topics.{key} = \"\"`");
                Finding::warn(
                    "topic",
                    name,
                    "it is not there, or the node's user may not see it: nothing of it is written or read",
                    fix,
                    PAGE,
                )
            }
        };
    };
    let value = format!("{name}: {} partitions, {} copies", topic.partitions, topic.replicas);
    match topic.least_in_step {
        Some(0 | 1) if *need == Need::Relayed && name != deliver => Finding::warn(
            "topic",
            value,
            "what one broker has counts as taken, and is lost with it",
            format!("three copies, and `kafka-configs.sh --alter --topic {name} --add-config min.insync.replicas=2`"),
            PAGE,
        ),
        Some(least) if least > topic.replicas => Finding::fail(
            "topic",
            value,
            format!("it takes nothing: `min.insync.replicas` is {least}"),
            "give it more copies, or set `min.insync.replicas` to less",
            PAGE,
        ),
        _ if name == deliver => Finding::ok("topic", value, "so many nodes can be told"),
        _ => Finding::ok("topic", value, "it is there"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Verdict;

    fn judged(key: &'static str, need: Need, topic: Option<Topic>) -> Finding {
        judge(&Named { key, name: key.into(), need }, topic, "deliver")
    }

    #[test]
    fn a_topic_that_is_missing_is_refused_where_it_is_needed_and_warned_of_elsewhere() {
        let finding = judged("publish", Need::Relayed, None);
        assert_eq!(finding.verdict, Verdict::Fail, "{finding}");
        let finding = judged("calls_dead", Need::Dead, None);
        assert!(finding.verdict == Verdict::Warn && !finding.to_string().contains("= \"\""), "{finding}");
        let finding = judged("login", Need::Own, None);
        assert!(finding.verdict == Verdict::Warn && finding.to_string().contains("topics.login = \"\""), "{finding}");
    }

    #[test]
    fn a_topic_that_loses_records_with_one_broker_is_warned_of_and_one_that_takes_none_is_refused() {
        let topic =
            |replicas, least| Some(Topic { partitions: 4, replicas, least_in_step: least, largest_batch: None });
        let verdict = |replicas, least| judged("publish", Need::Relayed, topic(replicas, least)).verdict;
        assert_eq!(verdict(3, Some(2)), Verdict::Ok);
        assert_eq!(verdict(3, None), Verdict::Ok);
        assert_eq!(verdict(3, Some(1)), Verdict::Warn);
        assert_eq!(verdict(1, Some(2)), Verdict::Fail);
        // A hole of it is read from the streams.
        assert_eq!(judged("deliver", Need::Relayed, topic(1, Some(1))).verdict, Verdict::Ok);
    }

    #[test]
    fn without_namespaces_that_go_by_kafka_their_topics_are_not_looked_for() {
        let keys = |is_relayed| named(&KafkaConfig::default(), is_relayed, false).into_iter().map(|named| named.key);
        assert!(keys(false).eq(["login", "session", "push"]));
        assert!(keys(true).eq(["publish", "publish_dead", "deliver", "publications", "login", "session", "push"]));
    }

    #[test]
    fn what_cannot_be_used_is_to_lie_somewhere_where_there_is_such() {
        let mut config = KafkaConfig::default();
        config.topics.calls = "calls".into();
        let dead = |notifies| {
            let named = named(&config, false, notifies);
            named.into_iter().filter(|named| named.need == Need::Dead).map(|named| named.name).collect::<Vec<_>>()
        };
        assert_eq!(dead(false), ["ringpost.calls.dead"]);
        assert_eq!(dead(true), ["ringpost.calls.dead", "push.offline.dead"]);
    }

    #[test]
    fn a_topic_that_takes_smaller_batches_than_are_written_is_warned_of() {
        let mut config = KafkaConfig::default();
        let warned = |config: &KafkaConfig, taken| {
            let topic = Topic { partitions: 4, replicas: 3, least_in_step: Some(2), largest_batch: taken };
            let named = Named { key: "publish", name: "up".into(), need: Need::Relayed };
            judge_batches(&named, topic, largest_batch(config)).map(|finding| finding.to_string())
        };
        assert_eq!((warned(&config, Some(1_048_588)), warned(&config, None)), (None, None));
        let told = warned(&config, Some(100_000)).unwrap();
        assert!(told.contains("batch.size=100000"), "{told}");
        config.options = vec!["batch.size=100000".into()];
        assert_eq!(warned(&config, Some(100_000)), None);
        config.options = vec!["message.max.bytes=2000000".into(), "batch.size=2000000".into()];
        assert!(warned(&config, Some(1_048_588)).is_some());
    }
}
