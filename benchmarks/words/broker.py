"""What to know of a run's broker before its figures are read."""

from __future__ import annotations

from benchmarks.analysis.summary_model import Summary

_EMBEDDED = "embedded"


def broker_caution(summary: Summary) -> str:
    """The sentence that stands above the figures of a stand-in; empty where the broker is a real one."""
    if not any((variant.broker or {}).get("kind") == _EMBEDDED for variant in summary.variants.values()):
        return ""
    return (
        "Not a real broker: the event side ran on the embedded stand-in, in memory and without consumer groups. "
        "Its times, guarantees and cost are not Kafka's."
    )
