//! The way to Kafka: librdkafka's clients with the options of the configuration. Nobody ever waits for it: what is written is
//! put into a bounded queue, and what became of it is told later, on librdkafka's thread.

pub mod announcer;
pub mod client;
pub mod dead;
pub mod deliver;
pub mod examine;
pub mod fault;
pub mod headers;
pub mod loopback;
pub mod metrics;
pub mod mover;
pub mod producer;
pub mod publications;
pub mod record;
pub mod refusals;
pub mod relay;
pub mod taken;
pub mod trouble;
