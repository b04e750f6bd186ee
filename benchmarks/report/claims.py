"""What the text claims, in one sentence each: every scenario that names a claim measures it; none assumes it."""

from __future__ import annotations

from collections.abc import Mapping

CLAIMS: Mapping[str, str] = {
    "tight-coupling": "The caller must know every service it calls; adding one means changing the callers.",
    "synchronous-blocking": "One slow or failing service stops the chain; a single timeout delays everything.",
    "caller-bottleneck": "Coordination, retries and errors all sit in the caller; more services bloat it.",
    "lost-on-crash": "With no queue and no retry, a crash in the middle of a call loses data.",
    "fire-and-forget": "The producer publishes and moves on; nobody waits.",
    "independent-subscribers": "An event can have any number of consumers, and its producer stays untouched.",
    "scale-out": "More consumer instances give more throughput.",
    "replay": "A consumer that crashed or lags resumes from its last offset.",
    "exactly-once": "With the right settings, there are no duplicates.",
    "retry-dead-letter": "Built-in retries and dead-letter queues beat the caller's own code.",
    "event-sourcing": "An immutable log rebuilds state and feeds audit, analytics and CQRS.",
    "eventual-consistency": "The price: readers see old state for a while.",
    "harder-debugging": "The price: an event flow is harder to follow.",
    "broker-dependency": "The price: a broker to run, which can fail too.",
    "start-sync-then-events": "Start synchronous, and move to events as you grow.",
    "alternatives": "Kafka is one choice; others are RabbitMQ, AWS SNS/SQS and Pulsar.",
}
