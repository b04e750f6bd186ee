"""The charts: slides of one run, each as SVG and PNG, drawn from the stored results and nothing else.

    results/ → RunData → one `Chart` after the other → results/charts/<name>.svg, <name>.png

Importing this package does not import matplotlib: only drawing does.
"""

from __future__ import annotations

from pathlib import Path

from benchmarks.charts import (
    accept_latency_over_time,
    completion_beside_accept,
    completion_over_time,
    cost,
    latency_percentiles,
    measured_minus_predicted,
    one_registration,
    outcomes_over_time,
    outstanding_and_lag,
    share_within_slo,
    where_each_ended,
)
from benchmarks.charts.chart import Chart
from benchmarks.charts.run_data import RunData

# In the order in which they are read.
CHARTS: tuple[Chart, ...] = (
    accept_latency_over_time.CHART,
    completion_over_time.CHART,
    completion_beside_accept.CHART,
    one_registration.CHART,
    share_within_slo.CHART,
    outcomes_over_time.CHART,
    latency_percentiles.CHART,
    outstanding_and_lag.CHART,
    where_each_ended.CHART,
    cost.CHART,
    measured_minus_predicted.CHART,
)


def draw_all(results: Path) -> list[Path]:
    """Draw every chart of the run in `results` into `results/charts`; returns the files, SVG and PNG of each.

    The same results give the same bytes. Raises OSError where a result is missing or the folder cannot be written.
    """
    from benchmarks.charts.output import save, settings

    data = RunData.read(results)
    folder = results / "charts"
    folder.mkdir(exist_ok=True)
    paths: list[Path] = []
    for chart in CHARTS:
        with settings(chart.name):
            paths += save(chart.draw(data), chart, chart.title(data), folder)
    return paths
