"""Which charts show the verdict: the two that a reader sees before any table, by what the hypothesis is about."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from benchmarks.analysis.summary_model import Summary

_SHOWN_FIRST = 2
# In order of preference. A run from before a chart existed lacks it, so each list goes on.
_USUAL = ("completion_beside_accept", "accept_latency_over_time")
_BY_METRIC: Mapping[str, tuple[str, ...]] = {
    "slo_ratio": ("share_within_slo", "accept_latency_over_time"),
    "accept_ratio": ("outcomes_over_time", "where_each_ended"),
    "counts": ("outcomes_over_time", "where_each_ended"),
    "accept_latency_ms": ("accept_latency_over_time", "completion_beside_accept"),
    "reply_latency_ms": ("accept_latency_over_time", "completion_beside_accept"),
    "completion_latency_ms": ("completion_over_time", "completion_beside_accept"),
    "registrations": ("where_each_ended", "outcomes_over_time"),
    "effects": ("where_each_ended", "outcomes_over_time"),
    "complete_ratio": ("where_each_ended", "outcomes_over_time"),
    "lost_ratio": ("where_each_ended", "outcomes_over_time"),
    "stranded_ratio": ("where_each_ended", "outcomes_over_time"),
    "duplicated_ratio": ("where_each_ended", "outcomes_over_time"),
    "outstanding_max": ("outstanding_and_lag", "completion_over_time"),
    "consumer_lag_max": ("outstanding_and_lag", "completion_over_time"),
    "drain_s": ("outstanding_and_lag", "completion_over_time"),
    "recovery_s": ("accept_latency_over_time", "outstanding_and_lag"),
    "cpu_ms_per_registration": ("cost", "completion_beside_accept"),
    "rss_mb_max": ("cost", "completion_beside_accept"),
}


def first_charts(summary: Summary, drawn: Collection[str]) -> tuple[str, ...]:
    """The names of two of the `drawn` charts: the first of each part of the hypothesis, then their second ones."""
    wanted = [_BY_METRIC.get(part.measured.name, _USUAL) for part in summary.parts]
    first = [names[0] for names in wanted]
    second = [name for names in wanted for name in names[1:]]
    known = dict.fromkeys(name for name in (*first, *second, *_USUAL) if name in drawn)
    return tuple(known)[:_SHOWN_FIRST]
