"""The metrics of one trial, and of one window of it, as folds over its frames (definitions: `docs/measurement.md`)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from benchmarks.analysis.applied import Applied
from benchmarks.analysis.history import TrialFacts
from benchmarks.analysis.reconcile import Endings, reconcile
from benchmarks.analysis.recovery import Recovery, recovery, together
from benchmarks.analysis.series import LATENCIES, OUTCOMES, lag_max, latencies, outstanding
from benchmarks.scenario.metric import SMALLEST_SAMPLE

if TYPE_CHECKING:
    from benchmarks.scenario.model import Slo

STATS = ("p50", "p90", "p95", "p99", "p999", "max", "mean")

_QUANTILES = {"p50": 0.5, "p90": 0.9, "p95": 0.95, "p99": 0.99, "p999": 0.999}

_NS_PER_MS = 1e6

Bounds = tuple[int, int]
Stats = dict[str, float | None]


def stats(values_ms: NDArray[np.float64]) -> Stats:
    """The percentile fields of a sample (linear interpolation between order statistics); NaNs are left out.

    All null without a sample; p99 and p999 null where the sample is too small for them.
    """
    sample = values_ms[~np.isnan(values_ms)]
    if sample.size == 0:
        return dict.fromkeys(STATS)
    quantiles = np.quantile(sample, list(_QUANTILES.values()))
    figures: Stats = {
        name: float(value) if sample.size >= SMALLEST_SAMPLE.get(name, 1) else None
        for name, value in zip(_QUANTILES, quantiles, strict=True)
    }
    return {**figures, "max": float(sample.max()), "mean": float(sample.mean())}


def counts(history: pd.DataFrame) -> dict[str, int]:
    """How many arrivals were offered and sent, and how each ended."""
    ended = history["outcome"].value_counts()
    return {
        "offered": len(history),
        "sent": int(history["sent_ns"].notna().sum()),
        **{outcome: int(ended.get(outcome, 0)) for outcome in OUTCOMES},
    }


def share(part: float, whole: float) -> float | None:
    """`part` of `whole`, null where there is no whole."""
    return part / whole if whole else None


@dataclass(frozen=True)
class Sums:
    """What ratios and rates are made of, kept so that a variant's come from the sums over its trials."""

    offered: int = 0
    acked: int = 0
    in_slo: int = 0
    completed_inside: int = 0  # completed within the window of time
    window_s: float = 0.0
    completed: int = 0  # completed at all
    cpu_ms: tuple[tuple[str, float], ...] = ()
    cpu_is_whole: bool = True  # False where a process that took part, such as somebody else's broker, was not measured
    idle_ms: float | None = None
    completed_with_idle: int = 0  # in the trials of which the idle share is known

    def ratios(self) -> dict[str, float | None]:
        return {
            "accept_ratio": share(self.acked, self.offered),
            "slo_ratio": share(self.in_slo, self.offered),
            "throughput_per_s": share(self.completed_inside, self.window_s),
        }

    def cpu_ms_per_registration(self) -> dict[str, object]:
        """Total (idle share included), by process, and the broker's idle share.

        A total without the broker would flatter the side that has one, so there is none then.
        """
        total = sum(value for _, value in self.cpu_ms) if self.cpu_ms and self.cpu_is_whole else None
        return {
            "total": None if total is None else share(total, self.completed),
            "by_process": {process: share(value, self.completed) for process, value in self.cpu_ms},
            "idle": None if self.idle_ms is None else share(self.idle_ms, self.completed_with_idle),
        }


def summed(parts: Iterable[Sums]) -> Sums:
    """The sums over several trials. An idle share that one trial lacks is that of the others."""
    every = list(parts)
    cpu: dict[str, float] = {}
    for part in every:
        for process, value in part.cpu_ms:
            cpu[process] = cpu.get(process, 0.0) + value
    idle = [part.idle_ms for part in every if part.idle_ms is not None]
    return Sums(
        offered=sum(part.offered for part in every),
        acked=sum(part.acked for part in every),
        in_slo=sum(part.in_slo for part in every),
        completed_inside=sum(part.completed_inside for part in every),
        window_s=sum(part.window_s for part in every),
        completed=sum(part.completed for part in every),
        cpu_ms=tuple(cpu.items()),
        cpu_is_whole=all(part.cpu_is_whole for part in every),
        idle_ms=sum(idle) if idle else None,
        completed_with_idle=sum(part.completed for part in every if part.idle_ms is not None),
    )


@dataclass(frozen=True)
class WindowMetrics:
    """Counts, ratios and latencies of the arrivals intended in one window."""

    counts: dict[str, int]
    sums: Sums
    latencies: dict[str, Stats]
    completion_by_service: dict[str, Stats]

    def without_completion(self) -> WindowMetrics:
        """The same with null for completion: its two ends were read from the clocks of two hosts."""
        return replace(
            self,
            latencies={**self.latencies, "completion_latency_ms": dict.fromkeys(STATS)},
            completion_by_service={service: dict.fromkeys(STATS) for service in self.completion_by_service},
        )

    def as_dict(self) -> dict[str, object]:
        return {
            "counts": self.counts,
            **self.sums.ratios(),
            **self.latencies,
            "completion_latency_ms": {
                **self.latencies["completion_latency_ms"],
                "by_service": self.completion_by_service,
            },
        }


@dataclass(frozen=True)
class TrialMetrics:
    """Everything that `summary.json` says of one trial, before it is written."""

    facts: TrialFacts
    bounds: dict[str, Bounds | None]
    whole: WindowMetrics
    windows: dict[str, WindowMetrics | None]
    reconciliation: Endings
    recovery: Recovery
    outstanding_max: int
    consumer_lag_max: int | None

    def window_bounds_s(self) -> dict[str, tuple[float, float]]:
        """The windows there are, in seconds of scenario time; `whole` where there are none."""
        known = {name: bounds for name, bounds in self.bounds.items() if bounds is not None}
        whole = {"whole": (0, self.facts.duration_ns)}
        return {name: (begin / 1e9, end / 1e9) for name, (begin, end) in (known or whole).items()}

    def as_dict(self) -> dict[str, object]:
        return {
            **self.whole.as_dict(),
            "registrations": self.reconciliation.registrations,
            "effects": self.reconciliation.effects_as_dict(),
            "outstanding_max": self.outstanding_max,
            "consumer_lag_max": self.consumer_lag_max,
            "drain_s": self.facts.drain_s,
            **together([self.recovery]),
            "cpu_ms_per_registration": self.whole.sums.cpu_ms_per_registration(),
            "rss_mb_max": dict(self.facts.rss_mb_max),
            "windows": {name: None if part is None else part.as_dict() for name, part in self.windows.items()},
        }


def measure(
    history: pd.DataFrame,
    effects: pd.DataFrame,
    facts: TrialFacts,
    slo: Slo,
    bounds: Mapping[str, Bounds | None],
    lag: pd.DataFrame | None = None,
) -> TrialMetrics:
    """The metrics of one trial, whose frames these are.

    `bounds` are those of the scenario's windows (`windows_bounds_ns`); `lag` is missing or empty where there is no
    broker.
    """
    found = Applied.of(history, effects, facts.services)
    table = latencies(history, effects, facts.services, found)
    cpu_ms = tuple(
        (process, facts.cpu_end_ms[process] - begin_ms)
        for process, begin_ms in facts.cpu_begin_ms.items()
        if process in facts.cpu_end_ms
    )
    idle = facts.broker_idle_ms_per_s
    idle_ms = None if idle is None else idle * facts.cpu_span_s
    whole_cpu = facts.broker is None or "broker" in facts.cpu_begin_ms

    def window(inside: Bounds, cpu_ms: tuple[tuple[str, float], ...], idle_ms: float | None) -> WindowMetrics:
        measured = _window(history, table, inside, slo, facts.services, cpu_ms, idle_ms)
        known = 0 if idle_ms is None else measured.sums.completed
        if facts.clock_error_ns is not None:
            measured = measured.without_completion()
        return replace(measured, sums=replace(measured.sums, cpu_is_whole=whole_cpu, completed_with_idle=known))

    series = outstanding(history, effects, facts, found)
    before, after = bounds["before"], bounds["after"]
    return TrialMetrics(
        facts=facts,
        bounds=dict(bounds),
        whole=window((0, facts.duration_ns), cpu_ms, idle_ms),
        windows={name: None if inside is None else window(inside, (), None) for name, inside in bounds.items()},
        reconciliation=reconcile(history, effects, facts, found).endings,
        recovery=Recovery()
        if before is None or after is None
        else recovery(table, series, fault_ns=before[1], heal_ns=after[0], end_ns=facts.duration_ns),
        outstanding_max=int(series["count"].max()),
        consumer_lag_max=lag_max(lag),
    )


def _window(
    history: pd.DataFrame,
    table: pd.DataFrame,
    bounds: Bounds,
    slo: Slo,
    services: Sequence[str],
    cpu_ms: tuple[tuple[str, float], ...],
    idle_ms: float | None,
) -> WindowMetrics:
    begin, end = bounds
    intended = table["intended_ns"].to_numpy(dtype=np.int64)
    inside = (intended >= begin) & (intended < end)
    rows = table[inside]
    number = counts(history[inside])
    complete_ms = table["completion_latency_ms"].to_numpy()
    completed_ns = intended + complete_ms * _NS_PER_MS
    in_slo = (rows["accept_latency_ms"] <= slo.accept_ms) & (rows["completion_latency_ms"] <= slo.complete_ms)
    return WindowMetrics(
        counts=number,
        sums=Sums(
            offered=number["offered"],
            acked=number["acked"],
            in_slo=int(in_slo.sum()),
            # Work that arrived earlier and was completed here counts here: this is a rate of work done.
            completed_inside=int(((completed_ns >= begin) & (completed_ns < end)).sum()),
            window_s=(end - begin) / 1e9,
            completed=int(rows["completion_latency_ms"].notna().sum()),
            cpu_ms=cpu_ms,
            idle_ms=idle_ms,
        ),
        latencies={name: stats(rows[name].to_numpy()) for name in LATENCIES},
        completion_by_service={s: stats(rows[f"completion_latency_ms:{s}"].to_numpy()) for s in services},
    )


def geometric_mean(values: Sequence[float | None]) -> float | None:
    """Null where a value is missing (a mean over the rest would hide the worst trial), 0 where one is 0."""
    known = [value for value in values if value is not None]
    if not known or len(known) < len(values) or min(known) < 0:
        return None
    return 0.0 if min(known) == 0 else float(np.exp(np.mean(np.log(known))))


def combined_stats(parts: Sequence[Mapping[str, float | None]]) -> Stats:
    """The percentile fields of a variant: geometric means of its trials' figures, field by field."""
    return {name: geometric_mean([part[name] for part in parts]) for name in STATS}
