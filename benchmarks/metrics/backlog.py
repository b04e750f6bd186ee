"""What piled up, and how long it took to get rid of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from benchmarks.metrics.aggregation import largest, mean
from benchmarks.metrics.definition import Definition, MetricRow

if TYPE_CHECKING:
    from benchmarks.metrics.series import Recovery, WindowSeries


def _lag_max(window: WindowSeries) -> int | None:
    """The largest lag of any group at any sample after the warm-up; null without a sample."""
    lag = window.trial.lag
    if lag is None or lag.empty:
        return None
    counted = lag.loc[lag["t_ns"] >= 0, "lag"].dropna()
    return None if counted.empty else int(counted.max())


def _why_no_lag(figures: Mapping[str, object]) -> str | None:
    broker = figures.get("broker")
    if not isinstance(broker, Mapping):
        return None
    return "the stand-in does not report it" if broker.get("emulator", False) else "not sampled"


def _recovery_s(parts: Sequence[Recovery]) -> float | None:
    """The mean; null where a trial has none, since the others would hide what did not recover."""
    return None if any(part.recovery_s is None for part in parts) else mean(part.recovery_s for part in parts)


def _recovered(parts: Sequence[Recovery]) -> dict[str, object]:
    """`recovered` is false where one did not, and `recovered_trials` says how many did; null where nobody can say."""
    found = [part.recovered for part in parts]
    return {
        "recovered": False if False in found else None if None in found else True,
        "recovered_trials": None if all(one is None for one in found) else found.count(True),
    }


def _why_not_recovered(figures: Mapping[str, object]) -> str | None:
    if figures.get("recovered") is not False:
        return None
    trials, recovered = figures.get("trials"), figures.get("recovered_trials")
    number = len(trials) if isinstance(trials, Sequence) else 1
    missing = number - (recovered if isinstance(recovered, int) else 0)
    return f"not recovered in {missing} of {number}\u00a0trial{'s' * (number > 1)}"


OUTSTANDING_MAX = Definition(
    name="outstanding_max",
    nature="count",
    unit="",
    words="the largest number outstanding",
    meaning=(
        "most registrations outstanding at once: from the intended time to the later of the answer (or the timeout) "
        "and the last effect, pending ones to the end of the drain. What was never sent (`dropped`, or nobody to "
        "connect to) never was"
    ),
    measure=lambda window: int(window.trial.outstanding["count"].max()),
    combine=largest,
    rows=(MetricRow("outstanding at most", section="cost", compared=False),),
)
CONSUMER_LAG_MAX = Definition(
    name="consumer_lag_max",
    nature="count",
    unit="records",
    words="the largest consumer lag",
    meaning=(
        "records past the committed offset, summed over a group's partitions; the largest group at any sample after "
        "the warm-up"
    ),
    measure=_lag_max,
    combine=largest,
    rows=(MetricRow("consumer lag at most", section="cost", missing="no broker", compared=False),),
    why_missing=_why_no_lag,
)
DRAIN_S = Definition(
    name="drain_s",
    nature="time",
    unit="s",
    words="the drain in seconds",
    meaning=(
        "from the end of the load to the last thing that was done for a registration (a reply, work, an offset "
        "committed); where the drain expired, its whole length"
    ),
    measure=lambda window: window.trial.facts.drain_s,
    combine=mean,  # a drain can take no time at all, so there is no geometric mean of it
    rows=(MetricRow("drain", section="cost", missing="not timed", compared=False),),
)
RECOVERY_S = Definition(
    name="recovery_s",
    nature="time",
    unit="s",
    words="the recovery in seconds",
    meaning=(
        "how long after the heal everything was [as before the fault](#recovery); null without faults, and where one "
        "trial did not recover"
    ),
    measure=lambda window: window.trial.recovery,
    combine=_recovery_s,
    beside=_recovered,
    rows=(MetricRow("recovery after the fault", section="cost", missing="not observed long enough", compared=False),),
    needs_fault=True,
    why_missing=_why_not_recovered,
)
