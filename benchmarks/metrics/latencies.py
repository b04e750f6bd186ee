"""The times of an arrival, in milliseconds: until its answer, and until all its work was done."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from benchmarks.metrics.aggregation import combined_stats, stats
from benchmarks.metrics.definition import STATS, Definition, MetricRow, Stats

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from benchmarks.metrics.arrivals import Arrivals
    from benchmarks.metrics.series import WindowSeries


def _accept_ms(arrivals: Arrivals) -> NDArray[np.float64]:
    return arrivals.only(arrivals.acked, _reply_ms(arrivals))


def _reply_ms(arrivals: Arrivals) -> NDArray[np.float64]:
    return (arrivals.answered_ns - arrivals.intended_ns) / 1e6


def _completion_ms(arrivals: Arrivals) -> NDArray[np.float64]:
    last: NDArray[np.float64] = arrivals.done_ms().max(axis=1, initial=float("-inf"))  # NaN where one effect is missing
    return last


def _completion(window: WindowSeries) -> dict[str, Stats]:
    """By service, and of all under an empty name."""
    names = ("", *window.trial.facts.services)
    if window.trial.facts.clock_error_ns is not None:  # its two ends were read from the clocks of two hosts
        return {name: dict.fromkeys(STATS) for name in names}
    return {name: stats(window.of_each("completion_latency_ms", name)) for name in names}


def _completions(parts: Sequence[Mapping[str, Stats]]) -> dict[str, object]:
    whole, *by_service = ((name, combined_stats([part[name] for part in parts])) for name in parts[0])
    return {**whole[1], "by_service": dict(by_service)}


def _latency(name: str, each: Callable[[Arrivals], NDArray[np.float64]], **more: Any) -> Definition[Stats]:
    """A latency in milliseconds, from what `each` says of every arrival."""
    known: dict[str, Any] = {
        "tags": ("window",),
        "measure": lambda window: stats(window.of_each(name)),
        "combine": combined_stats,
    }
    return Definition(name=name, nature="latency", unit="ms", stats=STATS, each=each, **{**known, **more})


def _time_rows(label: str, missing: str, *, p95_in_fault: bool = False) -> tuple[MetricRow, ...]:
    """The rows of a latency by which sides are compared: p50, p95 and p99."""
    like: dict[str, Any] = {"better": "low", "missing": missing, "in_fault": True}
    return (
        MetricRow(f"{label} p50", "p50", listed=True, watched=True, planned=True, **like),
        MetricRow(f"{label} p95", "p95", listed=True, listed_in_fault=p95_in_fault, **like),
        MetricRow(f"{label} p99", "p99", **like),
    )


ACCEPT_LATENCY = _latency(
    "accept_latency_ms",
    _accept_ms,
    words="accept latency {stat}",
    meaning=(
        "intended → answered, of acked arrivals. Never shown without `accept_ratio`: it is about those who got through"
    ),
    rows=_time_rows("accept", "nobody accepted", p95_in_fault=True),
    bracketed=True,
    of_survivors=True,
    holds_delay=True,
)
REPLY_LATENCY = _latency(
    "reply_latency_ms",
    _reply_ms,
    words="reply latency {stat}",
    meaning="intended → answered, of every reply, rejections included; a refused connection is not a reply",
    of_survivors=True,
    holds_delay=True,
)
SERVICE_TIME = _latency(
    "service_time_ms",
    lambda arrivals: (arrivals.answered_ns - arrivals.sent_ns) / 1e6,
    words="service time {stat}",
    meaning="sent → answered, of every reply",
    of_survivors=True,
)
SCHEDULE_DELAY = _latency(
    "schedule_delay_ms",
    lambda arrivals: (arrivals.sent_ns - arrivals.intended_ns) / 1e6,
    words="schedule delay {stat}",
    meaning="intended → sent, of everything sent; the generator's own fault",
)
COMPLETION_LATENCY = _latency(
    "completion_latency_ms",
    _completion_ms,
    words="completion latency {stat}",
    meaning=(
        "intended → the last of the services' first effects, of registrations with every effect; with a service, → "
        "its first effect, of registrations with that effect"
    ),
    rows=_time_rows("completion", "nothing complete"),
    bracketed=True,
    of_survivors=True,
    holds_delay=True,
    tags=("window", "service"),
    measure=_completion,
    combine=_completions,
)
