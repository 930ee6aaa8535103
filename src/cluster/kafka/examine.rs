//! A look at Kafka: whether it has what nodes write to and read from, and keeps what it has taken.

use std::thread;
use std::time::Duration;

use rdkafka::admin::{AdminClient, AdminOptions, ResourceSpecifier};
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::KafkaResult;
use tokio::task::spawn_blocking;

use super::client;
use super::trouble::Trouble;
use crate::config::KafkaConfig;
use crate::doctor::{Finding, page};

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
}

/// A name that is configured.
#[derive(Clone, Debug)]
struct Named {
    key: &'static str,
    name: String,
    /// Namespaces with `acknowledge = "kafka"` do not go without it.
    is_needed: bool,
}

/// Looks at Kafka, for nodes of which some namespaces go by it, or none.
pub async fn examine(config: &KafkaConfig, is_relayed: bool) -> Vec<Finding> {
    let brokers = config.brokers.join(", ");
    let (named, asked) = (named(config, is_relayed), config.clone());
    let names: Vec<_> = named.iter().map(|named| named.name.clone()).collect();
    let looked = spawn_blocking(move || look(&asked, &names)).await;
    let topics = match looked.map_err(|error| error.to_string()).and_then(|looked| looked) {
        Ok(topics) => topics,
        // Nodes start all the same: what does not go by Kafka goes on.
        Err(why) => {
            let fix = "see that it runs, and that `cluster.kafka.brokers`, `options` and `password` are right";
            return vec![Finding::warn("kafka", brokers, why, fix, PAGE)];
        }
    };
    let topics = least_in_step(config, &named, topics).await;
    let mut findings = vec![Finding::ok("kafka", brokers, "a broker answers")];
    findings.extend(named.iter().zip(topics).map(|(named, topic)| judge(named, topic, &config.topics.deliver)));
    findings
}

/// Whether a node of this slot has a partition for what it is told, by what was found.
///
/// # Errors
/// What to do.
pub async fn has_partition(config: &KafkaConfig, slot: u8) -> Result<(), String> {
    let (asked, name) = (config.clone(), config.topics.deliver.clone());
    let looked = spawn_blocking(move || look(&asked, &[name])).await;
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

fn named(config: &KafkaConfig, is_relayed: bool) -> Vec<Named> {
    let topics = &config.topics;
    let relayed = [
        ("publish", &topics.publish),
        ("publish_dead", &topics.publish_dead),
        ("deliver", &topics.deliver),
        ("publications", &topics.publications),
    ];
    let others =
        [("calls", &topics.calls), ("login", &topics.login), ("session", &topics.session), ("push", &topics.push)];
    let needed = relayed.into_iter().filter(|_| is_relayed).map(|(key, name)| (key, name, true));
    let all = needed.chain(others.into_iter().map(|(key, name)| (key, name, false)));
    all.filter(|(_, name, _)| !name.is_empty())
        .map(|(key, name, is_needed)| Named { key, name: name.clone(), is_needed })
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
            Topic { partitions, replicas, least_in_step: None }
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
async fn least_in_step(config: &KafkaConfig, named: &[Named], mut topics: Vec<Option<Topic>>) -> Vec<Option<Topic>> {
    let there = named.iter().zip(&topics).filter(|(_, topic)| topic.is_some());
    let asked: Vec<_> = there.map(|(named, _)| ResourceSpecifier::Topic(&named.name)).collect();
    let context = Trouble::of("the look at Kafka");
    let admin: KafkaResult<AdminClient<Trouble>> =
        client::options(config, "ringpost-check").create_with_context(context);
    let Ok(admin) = admin else { return topics };
    let options = AdminOptions::new().request_timeout(Some(PATIENCE));
    let Ok(answers) = admin.describe_configs(&asked, &options).await else { return topics };
    for (topic, answer) in topics.iter_mut().flatten().zip(answers) {
        let entry = answer.ok().and_then(|answer| answer.get("min.insync.replicas")?.value.clone());
        topic.least_in_step = entry.and_then(|value| value.parse().ok());
    }
    topics
}

fn judge(named: &Named, topic: Option<Topic>, deliver: &str) -> Finding {
    let Named { key, name, is_needed } = named;
    let Some(topic) = topic else {
        let partitions = if name == deliver { 32 } else { 12 };
        let fix = format!(
            "make it, such as by `kafka-topics.sh --create --topic {name} --partitions {partitions} \
             --replication-factor 3 --config min.insync.replicas=2`"
        );
        return match is_needed {
            true => Finding::fail(
                "topic",
                name,
                "it is not there, or the node's user may not see it, and `acknowledge = \"kafka\"` needs it",
                fix,
                PAGE,
            ),
            false => {
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
        Some(0 | 1) if *is_needed && name != deliver => Finding::warn(
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

    fn judged(key: &'static str, is_needed: bool, topic: Option<Topic>) -> Finding {
        judge(&Named { key, name: key.into(), is_needed }, topic, "deliver")
    }

    #[test]
    fn a_topic_that_is_missing_is_refused_where_it_is_needed_and_warned_of_elsewhere() {
        let finding = judged("publish", true, None);
        assert_eq!(finding.verdict, Verdict::Fail, "{finding}");
        let finding = judged("login", false, None);
        assert!(finding.verdict == Verdict::Warn && finding.to_string().contains("topics.login = \"\""), "{finding}");
    }

    #[test]
    fn a_topic_that_loses_records_with_one_broker_is_warned_of_and_one_that_takes_none_is_refused() {
        let topic = |replicas, least| Some(Topic { partitions: 4, replicas, least_in_step: least });
        let verdict = |replicas, least| judged("publish", true, topic(replicas, least)).verdict;
        assert_eq!(verdict(3, Some(2)), Verdict::Ok);
        assert_eq!(verdict(3, None), Verdict::Ok);
        assert_eq!(verdict(3, Some(1)), Verdict::Warn);
        assert_eq!(verdict(1, Some(2)), Verdict::Fail);
        // A hole of it is read from the streams.
        assert_eq!(judged("deliver", true, topic(1, Some(1))).verdict, Verdict::Ok);
    }

    #[test]
    fn without_namespaces_that_go_by_kafka_their_topics_are_not_looked_for() {
        let keys = |is_relayed| named(&KafkaConfig::default(), is_relayed).into_iter().map(|named| named.key);
        assert!(keys(false).eq(["login", "session", "push"]));
        assert!(keys(true).eq(["publish", "publish_dead", "deliver", "publications", "login", "session", "push"]));
    }
}
