"""A metric: how many people were told no, as a share of all who came."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks.metrics.aggregation import share_of_sums
from benchmarks.metrics.definition import Definition, MetricRow

if TYPE_CHECKING:
    from benchmarks.metrics.series import WindowSeries


def _told_no(window: WindowSeries) -> tuple[int, int]:
    """Those who were told no, and all, of one window of one trial."""
    return window.ended.get("refused", 0) + window.ended.get("failed", 0), window.offered


TOLD_NO = Definition(
    name="told_no_ratio",
    nature="share",
    unit="%",
    words="the share told no",
    meaning="refused or failed ÷ offered",
    measure=_told_no,
    combine=share_of_sums,  # of several trials: from the sums, since trials may differ in size
    tags=("window",),
    rows=(MetricRow("told no", better="low", in_fault=True, listed=True),),
)
