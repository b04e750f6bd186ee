"""What to know of a run's broker before its figures are read."""

from __future__ import annotations

from benchmarks.analysis.summary_model import Summary


def broker_caution(summary: Summary) -> str:
    """The sentence that stands above the figures of a stand-in; empty where the broker is a real one."""
    brokers = [variant.broker or {} for variant in summary.variants.values()]
    # Runs of before the flag was kept have but the name of the one stand-in that there was.
    stand_ins = {str(broker["kind"]) for broker in brokers if broker.get("emulator", broker.get("kind") == "embedded")}
    if not stand_ins:
        return ""
    return (
        f"Not a real broker: the event side ran on a stand-in ({', '.join(sorted(stand_ins))}). "
        "Its times, guarantees and cost are not those of a real one."
    )
