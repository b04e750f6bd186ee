"""Arrivals over time, pooled over a variant's trials: how long the answers of each stretch took, and how they ended.

    registrations.parquet → bins of intended time → percentiles, endings

Folds over the stored rows where they are (`benchmarks.parquet`): a run may be larger than the memory. A chart
shows the trend with them, not a figure to quote.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.metrics.definition import PERCENTILES
from benchmarks.metrics.outcomes import OUTCOMES
from benchmarks.parquet import query

_SHOWN = ("p50", "p95", "p99")
# Of several that hold, the first counts; what would go unnoticed comes first.
ENDINGS = (
    *("lost", "stranded", "pending", "dead_lettered"),
    *("duplicated", "unexpected", "recovered", "complete"),
)
NOT_TAKEN = "not_taken"
_BIN = "CAST(floor(intended_ns / 1e9 / $bin_s) AS BIGINT)"
_ACCEPT_MS = "accept_latency_ms"  # a column of the file, NaN or null where nobody was accepted
_DONE_MS = "CASE WHEN missing = '' THEN (done_ns - intended_ns) / 1e6 END"
# Each registration with when its last missing effect came (`done_ns`): null where one never did.
_WITH_DONE = """(
    SELECT r.*, e.done_ns, e.first_ns FROM read_parquet($registrations) r LEFT JOIN (
        SELECT trial, "index", max(ns) AS done_ns, map(list(service), list(ns)) AS first_ns FROM (
            SELECT trial, "index", service, min(applied_ns) AS ns FROM read_parquet($effects)
            WHERE applied_ns IS NOT NULL GROUP BY ALL
        ) GROUP BY ALL
    ) e ON r.trial = e.trial AND r."index" = e."index"
)"""


def answers_over_time(registrations: Path, variant: str, bin_s: float, effects: Path | None = None) -> pd.DataFrame:
    """Percentiles of the accept latency per bin of intended time, and how the arrivals of the bin ended.

    With `effects`, percentiles of the completion latency. They are those of everybody who arrived: those not accepted
    wait for ever, so that no side looks quick by turning people away. Columns: t_s (start of the bin), offered,
    reached (how many got there), p50, p95, p99 in milliseconds (NaN where that many never got there), and one per
    outcome. Bins without an arrival have no row.
    """
    time = f"coalesce({_ACCEPT_MS if effects is None else _DONE_MS}, 'nan'::DOUBLE)"  # sorts last, like for ever
    quantiles = ", ".join(f"quantile_cont({time}, {PERCENTILES[name]}) AS {name}" for name in _SHOWN)
    ended = ", ".join(f"count(*) FILTER (outcome = '{outcome}') AS {outcome}" for outcome in OUTCOMES)
    source = "read_parquet($registrations)" if effects is None else _WITH_DONE
    more: dict[str, Path] = {} if effects is None else {"effects": effects}
    return query(
        f"SELECT {_BIN} * $bin_s AS t_s, count(*) AS offered, "  # noqa: S608 - our own words
        f"count(*) FILTER (NOT isnan({time})) AS reached, {quantiles}, {ended} "
        f"FROM {source} WHERE variant = $variant GROUP BY t_s ORDER BY t_s",
        registrations=registrations,
        variant=variant,
        bin_s=bin_s,
        **more,
    )


def times_ms(registrations: Path, effects: Path, trial: int, services: Sequence[str]) -> pd.DataFrame:
    """Every arrival of one trial: intended_ns, and how many milliseconds after it what came.

    Columns accepted, done and one for each service; infinite where it never came.
    """
    each = ", ".join(f"(first_ns['{service}'] - intended_ns) / 1e6 AS \"{service}\"" for service in services)
    found = query(
        f"SELECT intended_ns, {_ACCEPT_MS} AS accepted, {_DONE_MS} AS done, {each} "  # noqa: S608 - our own words
        f"FROM {_WITH_DONE} WHERE trial = $trial",
        registrations=registrations,
        effects=effects,
        trial=trial,
    )
    return found.astype(np.float64).fillna(np.inf)


def endings(registrations: Path, variant: str) -> dict[str, int]:
    """How many of a variant's registrations ended where, each counted once, by the first of `ENDINGS` that holds."""
    cases = " ".join(f"WHEN \"{name}\" THEN '{name}'" for name in ENDINGS)
    found = query(
        f"SELECT CASE {cases} ELSE '{NOT_TAKEN}' END AS ending, count(*) AS number "  # noqa: S608 - our own words
        "FROM read_parquet($registrations) WHERE variant = $variant GROUP BY ALL",
        registrations=registrations,
        variant=variant,
    )
    return dict(zip(found["ending"], found["number"].astype(int).tolist(), strict=True))


def a_typical_one(
    registrations: Path, effects: Path, variant: str, begin_ns: int, end_ns: int
) -> tuple[int, int] | None:
    """Trial and index of the arrival intended in [begin, end) with the median completion; None where none is done."""
    found = query(
        f"SELECT trial, \"index\" FROM {_WITH_DONE} WHERE variant = $variant AND missing = '' "  # noqa: S608
        "AND intended_ns >= $begin_ns AND intended_ns < $end_ns "
        f'ORDER BY {_DONE_MS}, trial, "index"',
        registrations=registrations,
        effects=effects,
        variant=variant,
        begin_ns=begin_ns,
        end_ns=end_ns,
    )
    if found.empty:
        return None
    middle = found.iloc[(len(found) - 1) // 2]
    return int(middle["trial"]), int(middle["index"])


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
