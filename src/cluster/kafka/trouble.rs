//! What librdkafka says, in the log. While brokers are away it says so several times a second: of each kind of trouble there is a line
//! a minute.

use rdkafka::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::ConsumerContext;
use rdkafka::error::KafkaError;

use super::fault::Fault;
use crate::cluster::seldom::Seldom;

/// What a client says. It is the whole context of one that needs no other.
#[derive(Debug)]
pub struct Trouble {
    /// Whose it is, for the log.
    of: &'static str,
    told: Seldom,
}

impl Trouble {
    /// That of this client.
    pub fn of(client: &'static str) -> Self {
        Self { of: client, told: Seldom::a_minute() }
    }

    /// A client cannot do its work, or not all of it, for now.
    pub fn tell(&self, error: &KafkaError, reason: &str) {
        if let Some(untold) = self.told.is_due(Fault::from(error).kind()) {
            tracing::warn!(untold, "{} has trouble with Kafka: {error}: {reason}", self.of);
        }
    }

    /// A line of librdkafka's own log.
    pub fn note(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        // These come as errors, too.
        let is_told = matches!(facility, "FAIL" | "ERROR");
        match level {
            RDKafkaLogLevel::Notice | RDKafkaLogLevel::Info | RDKafkaLogLevel::Debug => {
                tracing::debug!(facility, "{}: {message}", self.of);
            }
            _ if is_told => tracing::debug!(facility, "{}: {message}", self.of),
            _ => tracing::warn!(facility, "{}: {message}", self.of),
        }
    }
}

impl ClientContext for Trouble {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        self.note(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        self.tell(&error, reason);
    }
}

impl ConsumerContext for Trouble {}

#[cfg(test)]
mod tests {
    use std::io::{self, Write};
    use std::sync::{Arc, Mutex};

    use rdkafka::types::RDKafkaErrorCode as Code;
    use tracing::subscriber::with_default;

    use super::*;

    /// Lines of a log.
    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn of_each_kind_of_trouble_there_is_one_line_however_often_it_comes() {
        let (lines, trouble) = (Lines::default(), Trouble::of("a client"));
        let to = lines.clone();
        let log = tracing_subscriber::fmt().with_writer(move || to.clone()).finish();
        with_default(log, || {
            for _ in 0..100 {
                trouble.error(KafkaError::Global(Code::AllBrokersDown), "2/2 brokers are down");
                trouble.log(RDKafkaLogLevel::Error, "FAIL", "connect refused");
                trouble.error(KafkaError::Global(Code::Authentication), "wrong password");
            }
            trouble.log(RDKafkaLogLevel::Warning, "MAXPOLL", "left the group");
        });
        let text = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
        let has = |line: &str| text.lines().filter(|one| one.contains(line)).count();
        assert_eq!((has("are down"), has("wrong password"), has("left the group")), (1, 1, 1), "{text}");
        assert_eq!(text.lines().count(), 3, "{text}");
    }
}
