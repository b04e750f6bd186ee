"""The metrics: each is one entry of this table, in the order in which summary, table and documents have them.

One more metric is one more file (or an entry in one of these) and a line here. Whoever needs to know what a metric is,
how it is computed, named, shown or compared asks its entry (`benchmarks/metrics/definition.py`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from benchmarks.metrics import backlog, cost, endings, latencies, outcomes
from benchmarks.metrics.definition import Definition

METRICS: tuple[Definition[Any], ...] = (
    outcomes.COUNTS,
    outcomes.SLO_RATIO,
    outcomes.ACCEPT_RATIO,
    endings.COMPLETE_RATIO,
    endings.LOST_RATIO,
    endings.STRANDED_RATIO,
    endings.DUPLICATED_RATIO,
    latencies.ACCEPT_LATENCY,
    latencies.COMPLETION_LATENCY,
    latencies.REPLY_LATENCY,
    latencies.SERVICE_TIME,
    latencies.SCHEDULE_DELAY,
    outcomes.THROUGHPUT,
    endings.REGISTRATIONS,
    endings.EFFECTS,
    backlog.OUTSTANDING_MAX,
    backlog.CONSUMER_LAG_MAX,
    backlog.DRAIN_S,
    backlog.RECOVERY_S,
    cost.CPU,
    cost.RSS_MB_MAX,
)
DEFINITIONS: Mapping[str, Definition[Any]] = {definition.name: definition for definition in METRICS}
