"""What it took of the machine: processor time and memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from benchmarks.metrics.aggregation import share
from benchmarks.metrics.definition import Definition, MetricRow

if TYPE_CHECKING:
    from benchmarks.metrics.series import WindowSeries


@dataclass(frozen=True)
class CpuTime:
    """The processor time of one trial. `is_whole`: False where a process that took part, such as somebody else's
    broker, was not measured. `idle_ms` is what the broker would have taken without load, null where nobody knows.
    """

    completed: int
    cpu_ms: Mapping[str, float]
    is_whole: bool = True
    idle_ms: float | None = None


def _cpu_time(window: WindowSeries) -> CpuTime:
    facts = window.trial.facts
    idle = facts.broker_idle_ms_per_s
    done_ms = window.of_each("completion_latency_ms")
    return CpuTime(
        completed=int((done_ms == done_ms).sum()),  # all but NaN
        cpu_ms={
            process: facts.cpu_end_ms[process] - begin_ms
            for process, begin_ms in facts.cpu_begin_ms.items()
            if process in facts.cpu_end_ms
        },
        is_whole=facts.broker is None or "broker" in facts.cpu_begin_ms,
        idle_ms=None if idle is None else idle * facts.cpu_span_s,
    )


def cost_of(parts: Sequence[CpuTime]) -> dict[str, object]:
    """Total (idle share included), by process, and the broker's idle share, of the trials that know it.

    A total without the broker would flatter the side that has one, so there is none then.
    """
    cpu_ms: dict[str, float] = {}
    for part in parts:
        for process, value in part.cpu_ms.items():
            cpu_ms[process] = cpu_ms.get(process, 0.0) + value
    completed = sum(part.completed for part in parts)
    idle = [(part.idle_ms, part.completed) for part in parts if part.idle_ms is not None]
    whole = bool(cpu_ms) and all(part.is_whole for part in parts)
    return {
        "total": share(sum(cpu_ms.values()), completed) if whole else None,
        "by_process": {process: share(value, completed) for process, value in cpu_ms.items()},
        "idle": share(sum(ms for ms, _ in idle), sum(number for _, number in idle)) if idle else None,
    }


def _why_no_cost(figures: Mapping[str, object]) -> str | None:
    registrations = figures.get("registrations")
    complete = registrations.get("complete") if isinstance(registrations, Mapping) else None
    return "the broker is not ours to measure" if figures.get("broker") and complete else None


def _largest_each(parts: Sequence[Mapping[str, float]]) -> dict[str, float]:
    names = dict.fromkeys(name for part in parts for name in part)
    return {name: max(part[name] for part in parts if name in part) for name in names}


CPU = Definition(
    name="cpu_ms_per_registration",
    nature="cost",
    unit="ms",
    words="CPU milliseconds per registration",
    meaning=(
        "processor time of API, services and broker from scenario time 0 to the end of the drain ÷ registrations "
        "completed. `idle` is the part of `total` that the broker would have taken in that time without load. "
        "Sampling the lag, about eight small requests a second under load, is work of the broker too and counts in "
        "it. With a broker that is not ours there is no `total`"
    ),
    measure=_cpu_time,
    combine=cost_of,
    stats=("total",),
    default_stat="total",
    rows=(
        MetricRow(
            "CPU per completed registration",
            "total",
            section="cost",
            better="low",
            missing="nothing complete",
            listed=True,
            watched=True,
        ),
    ),
    why_missing=_why_no_cost,
)
RSS_MB_MAX = Definition(
    name="rss_mb_max",
    nature="memory",
    unit="MB",
    words="the largest memory in MB",
    meaning=(
        "the most memory of each process at any sample; as a metric, the sum over the processes (their peaks need "
        "not coincide)"
    ),
    measure=lambda window: window.trial.facts.rss_mb_max,
    combine=_largest_each,
    number=lambda by_process: sum(by_process.values()) if by_process else None,
    rows=(
        MetricRow("memory at most, all processes", section="cost", better="low", missing="not sampled", compared=False),
    ),
)
