"""Arrivals over time, pooled over a variant's trials: how long the answers of each stretch took, and how they ended.

    registrations.parquet → bins of intended time → percentiles, endings

Folds over the stored rows where they are (`benchmarks.parquet`): a run may be larger than the memory. A chart
shows the trend with them, not a figure to quote.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from benchmarks.metrics.definition import PERCENTILES
from benchmarks.metrics.outcomes import OUTCOMES
from benchmarks.parquet import query

_SHOWN = ("p50", "p95", "p99")
_BIN = "CAST(floor(intended_ns / 1e9 / $bin_s) AS BIGINT)"
_ACCEPT_MS = "accept_latency_ms"  # a column of the file, NaN or null where nobody was accepted


def answers_over_time(registrations: Path, variant: str, bin_s: float) -> pd.DataFrame:
    """Percentiles of the accept latency per bin of intended time, and how the arrivals of the bin ended.

    Columns: t_s (begin of the bin), offered, p50, p95, p99 in milliseconds (NaN where nobody was accepted), and one per
    outcome. Bins without an arrival have no row.
    """
    quantiles = ", ".join(f"quantile_cont({_ACCEPT_MS}, {PERCENTILES[name]}) AS {name}" for name in _SHOWN)
    ended = ", ".join(f"count(*) FILTER (outcome = '{outcome}') AS {outcome}" for outcome in OUTCOMES)
    return query(
        f"SELECT {_BIN} * $bin_s AS t_s, count(*) AS offered, {quantiles}, {ended} "  # noqa: S608 - our own words
        "FROM read_parquet($registrations) WHERE variant = $variant GROUP BY t_s ORDER BY t_s",
        registrations=registrations,
        variant=variant,
        bin_s=bin_s,
    )


def endings_over_time(registrations: Path, variant: str, bin_s: float, slo_ms: float) -> pd.DataFrame:
    """How many arrivals of each bin ended how: columns bin (its number), ending, number.

    `ending` is an outcome, or `acked late` where the answer took longer than `slo_ms`; null where it is not known.
    """
    return query(
        f"SELECT {_BIN} AS bin, CASE WHEN {_ACCEPT_MS} > $slo_ms THEN 'acked late' ELSE outcome END AS ending, "  # noqa: S608
        "count(*) AS number FROM read_parquet($registrations) WHERE variant = $variant GROUP BY ALL ORDER BY ALL",
        registrations=registrations,
        variant=variant,
        bin_s=bin_s,
        slo_ms=slo_ms,
    )


def accepted_ms(registrations: Path, trial: int, begin_ns: int, end_ns: int) -> NDArray[np.float64]:
    """The accept latency of everybody who was accepted, of the arrivals intended in [begin, end) of one trial."""
    found = query(
        f"SELECT {_ACCEPT_MS} AS accept_ms FROM read_parquet($registrations) "  # noqa: S608 - our own words
        "WHERE trial = $trial AND intended_ns >= $begin_ns AND intended_ns < $end_ns",
        registrations=registrations,
        trial=trial,
        begin_ns=begin_ns,
        end_ns=end_ns,
    )["accept_ms"]
    return found.dropna().to_numpy(dtype=np.float64)


def share_in_time(registrations: Path, variant: str, slo_ms: float, begin_ns: int, end_ns: int) -> float | None:
    """The share of the arrivals intended in [begin, end) that were accepted within `slo_ms`; null without any."""
    found = query(
        f"SELECT count(*) AS offered, count(*) FILTER ({_ACCEPT_MS} <= $slo_ms) AS in_time "  # noqa: S608
        "FROM read_parquet($registrations) "
        "WHERE variant = $variant AND intended_ns >= $begin_ns AND intended_ns < $end_ns",
        registrations=registrations,
        variant=variant,
        slo_ms=slo_ms,
        begin_ns=begin_ns,
        end_ns=end_ns,
    ).iloc[0]
    return float(found["in_time"] / found["offered"]) if found["offered"] else None
