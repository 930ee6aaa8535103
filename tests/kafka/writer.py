"""Writes records that it is told by its standard input, batch by batch, each with a producer of its own."""
import json, sys, time

from confluent_kafka import Producer

told = json.load(sys.stdin)
for number, batch in enumerate(told["batches"]):
    options = {
        "bootstrap.servers": told["brokers"],
        "partitioner": "murmur2_random",
        "compression.type": batch["compression"],
        "message.max.bytes": 2_000_000,
        "linger.ms": 20,
    }
    if batch["end"]:
        options["transactional.id"] = f"{told['topic']}-{number}"
    if batch["end"] == "none":
        # As one that dies leaves it.
        options["transaction.timeout.ms"] = 4_000
    producer, refused = Producer(options), []
    if batch["end"]:
        producer.init_transactions(60)
        producer.begin_transaction()
    for record in batch["records"]:
        producer.produce(
            told["topic"],
            record["value"] if record["value"] is None else record["value"].encode(),
            record["key"],
            record.get("partition", -1),
            on_delivery=lambda error, _: error and refused.append(str(error)),
            timestamp=int((time.time() + record.get("in_s", 0)) * 1000),
            headers=[(name, value if value is None else value.encode()) for name, value in record.get("headers", [])],
        )
    if producer.flush(60) or refused:
        sys.exit(f"not written: {refused}")
    if batch["end"] == "commit":
        producer.commit_transaction(60)
    elif batch["end"] == "abort":
        producer.abort_transaction(60)
