"""How arrivals ended, and the shares and the rate that follow from it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from benchmarks.metrics.aggregation import share_of_sums, summed
from benchmarks.metrics.definition import Definition, MetricRow

if TYPE_CHECKING:
    from benchmarks.metrics.series import WindowSeries

OUTCOMES = ("acked", "refused", "failed", "indeterminate", "dropped")


def zero_upper95(offered: int) -> float:
    """The largest rate that `offered` cases without one leave possible, at 95 %: 1 - 0.05^(1/n), about 3/n.

    Exact binomial bound, one-sided (Clopper & Pearson 1934; Hanley & Lippman-Hand 1983, "If nothing goes wrong, is
    everything all right?"). 1.0 without any case.
    """
    import math

    return 1.0 if offered <= 0 else -math.expm1(math.log(0.05) / offered)


def _counts(window: WindowSeries) -> dict[str, int]:
    return {
        "offered": window.offered,
        "sent": int(window.column("sent_ns").notna().sum()),
        **{outcome: window.ended.get(outcome, 0) for outcome in OUTCOMES},
    }


def _zero_bound(parts: Sequence[Mapping[str, int]]) -> dict[str, object]:
    return {"zero_upper95": zero_upper95(sum(part["offered"] for part in parts))}


def _accepted(window: WindowSeries) -> tuple[int, int]:
    return window.ended.get("acked", 0), window.offered


def _in_slo(window: WindowSeries) -> tuple[int, int]:
    slo = window.trial.slo
    accepted = window.of_each("accept_latency_ms") <= slo.accept_ms
    in_slo = accepted & (window.of_each("completion_latency_ms") <= slo.complete_ms)
    return int(in_slo.sum()), len(in_slo)


def _done_inside(window: WindowSeries) -> tuple[int, float]:
    """Work that arrived earlier and was completed here counts here: this is a rate of work done."""
    trial, window_s = window.trial, (window.end_ns - window.begin_ns) / 1e9
    done_ns = trial.intended_ns + trial.of_each("completion_latency_ms") * 1e6
    return int(((done_ns >= window.begin_ns) & (done_ns < window.end_ns)).sum()), window_s


COUNTS = Definition(
    name="counts",
    nature="count",
    unit="",
    words="{stat} arrivals",
    meaning=(
        "offered, sent, and how each ended: acked, refused, failed, indeterminate, dropped "
        "([which is which](load.md#how-an-arrival-ends)). `zero_upper95` beside it is the largest rate that none "
        "among those offered leaves possible"
    ),
    measure=_counts,
    combine=summed,
    beside=_zero_bound,
    stats=("offered", "sent", *OUTCOMES),
    tags=("window",),
)
SLO_RATIO = Definition(
    name="slo_ratio",
    nature="share",
    unit="%",
    words="the share accepted and complete within the SLO",
    meaning=(
        "share of *offered* that were acked within `slo.accept` and had every effect within `slo.complete`. Nobody "
        "is left out, so this leads"
    ),
    measure=_in_slo,
    combine=share_of_sums,
    bracketed=True,
    tags=("window",),
    rows=(
        MetricRow(
            "accepted and complete within the SLO", better="high", in_fault=True, listed=True, listed_in_fault=True
        ),
    ),
)
ACCEPT_RATIO = Definition(
    name="accept_ratio",
    nature="share",
    unit="%",
    words="the share accepted",
    meaning="acked ÷ offered",
    measure=_accepted,
    combine=share_of_sums,
    bracketed=True,
    tags=("window",),
    rows=(MetricRow("accepted", better="high", in_fault=True, listed=True),),
)
THROUGHPUT = Definition(
    name="throughput_per_s",
    nature="rate",
    unit="/s",
    words="completions per second",
    meaning=(
        "registrations whose last effect fell into the window of time ÷ its length, whenever they arrived. Over a "
        "whole run it leaves out what was only done in the drain"
    ),
    measure=_done_inside,
    combine=share_of_sums,
    tags=("window",),
    rows=(MetricRow("completed per second", better="high", listed=True),),
)
