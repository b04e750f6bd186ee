"""What to know of a run's broker before its figures are read."""

from __future__ import annotations

from benchmarks.words.reading import Json, Reading

EMBEDDED = "embedded"


def broker_caution(summary: Json) -> str:
    """The sentence that stands above the figures of a stand-in; empty where the broker is a real one."""
    reading = Reading(summary)
    if not any(reading.text("variants", name, "broker", "kind") == EMBEDDED for name in reading.variants):
        return ""
    return (
        "Not a real broker: the event side ran on the embedded stand-in, in memory and without consumer groups. "
        "Its times, guarantees and cost are not Kafka's."
    )
