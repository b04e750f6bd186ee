"""How long did people wait for their answer, second by second?"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from benchmarks.charts import axis, palette
from benchmarks.charts.chart import Chart
from benchmarks.charts.sheet import EndLabel, Sheet
from benchmarks.charts.wording import acked_note, told, while_clause
from benchmarks.words.numbers import milliseconds, nominal_ms, percent, plural

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from benchmarks.charts.run_data import RunData

_SHARE_PT = 104.0  # the height of the panel below, with its axis
_SHARES_NAMED = 4  # of many variants, so many shares get a label: the lowest
_BOTH_NAMED = 3  # up to so many variants, p50 and p95 both get a label


def title(data: RunData) -> str:
    medians = data.figures("accept_latency_ms", "p50")
    if all(median is None for median in medians.values()):
        return f"{while_clause(data)}, nobody was accepted"
    found = told(medians, milliseconds, "accepted nobody")
    return f"{while_clause(data)}, the median answer took {found}{acked_note(data)}"


def draw(data: RunData) -> Figure:
    sheet = Sheet(
        data,
        title(data),
        f"From when an arrival was due to its reply: p50 (thick) and p95 (thin) of each {data.bin_words}; "
        f"{data.load}, pooled.",
    )
    bin_s = data.bin_s
    series = {name: data.answers_over_time(name) for name in data.variants}
    slo_ms = data.scenario.slo.accept_ms
    shown = [float(value) for frame in series.values() for value in frame[["p50", "p95"]].to_numpy().ravel()]
    shown = [value for value in shown if not np.isnan(value)]
    with_slo = bool(shown) and (axis.needs_log([*shown, slo_ms]) or slo_ms < 3 * max(shown))
    slo = EndLabel(slo_ms, f"SLO {nominal_ms(slo_ms)}", palette.QUIET)

    ends = _ends(data, {name: frame["p50"].to_numpy(dtype=np.float64) for name, frame in series.items()}, "p50")
    if len(data.variants) <= _BOTH_NAMED:
        ends += _ends(data, {name: frame["p95"].to_numpy(dtype=np.float64) for name, frame in series.items()}, "p95")
    ends += [slo] if with_slo else []
    shares = _share_labels(data, series)
    texts = [label.text for label in (*ends, *shares)]

    left, bottom, right, top = sheet.body
    x = (0.0, data.duration_s)
    above = sheet.panel(
        (left, bottom + _SHARE_PT, right, top),
        "Accept latency",
        x=x,
        end_labels=texts,
        windows=data.windows,
        bottom=18,
    )
    below = sheet.panel(
        (left, bottom, right, bottom + _SHARE_PT - 8),
        "Share of arrivals accepted",
        x=x,
        end_labels=texts,
        windows=data.windows,
        name_windows=False,
    )
    axis.latency(above, [*shown, slo_ms] if with_slo else shown)
    _draw_lines(above, below, data, series, bin_s)
    if with_slo:
        above.axhline(slo_ms, color=palette.QUIET, linewidth=1, linestyle=(0, (4, 3)), zorder=1)
    if not shown:
        above.set_yticks([])
        above.text(0.5, 0.5, "Nobody was accepted: there is no accept latency", transform=above.transAxes, ha="center")
    axis.seconds(above, label="")
    axis.share(below)
    below.set_ylim(-0.06, 1.06)
    axis.seconds(below)
    sheet.label_ends(above, ends)
    sheet.label_ends(below, shares)
    return sheet.figure


def _draw_lines(above: Axes, below: Axes, data: RunData, series: dict[str, pd.DataFrame], bin_s: float) -> None:
    """Each variant's latencies in the panel above, its share of accepted arrivals in the one below."""
    for number, (name, frame) in enumerate(series.items()):
        colour = data.colours[name]
        t_s, p50, p95, share = _steps(frame, bin_s)
        behind = len(series) - 1 - number  # lines on top of each other all stay visible: each next one is thinner
        above.fill_between(t_s, p50, p95, step="post", color=colour, alpha=0.13, linewidth=0)
        above.step(t_s, p95, where="post", color=colour, linewidth=1.0)
        above.step(t_s, p50, where="post", color=colour, linewidth=min(2.4 + 1.4 * behind, 5.2))
        below.step(t_s, share, where="post", color=colour, linewidth=min(2.0 + 2.0 * behind, 7.0))


def _steps(frame: pd.DataFrame, bin_s: float) -> tuple[NDArray[np.float64], ...]:
    """Begin of each bin, p50, p95 and share accepted, with one more step so that the last bin has its width."""
    columns = (frame["t_s"], frame["p50"], frame["p95"], frame["acked"] / frame["offered"])
    arrays = [column.to_numpy(dtype=np.float64) for column in columns]
    if not len(frame):
        return tuple(arrays)
    t_s, *rest = arrays
    return (np.append(t_s, t_s[-1] + bin_s), *(np.append(values, values[-1]) for values in rest))


def _ends(data: RunData, lines: dict[str, NDArray[np.float64]], stat: str) -> list[EndLabel]:
    labels = []
    for name, line in lines.items():
        known = line[~np.isnan(line)]
        if known.size:
            labels.append(EndLabel(float(known[-1]), f"{name} {stat}", data.colours[name], bold=stat == "p50"))
    return labels


def _share_labels(data: RunData, series: dict[str, pd.DataFrame]) -> list[EndLabel]:
    """Each variant's share of the whole run; where there is no room for all, those with the same share as one."""
    last = {name: _last(frame["acked"] / frame["offered"]) for name, frame in series.items()}
    shares = {name: data.summary.figure(name, "accept_ratio") for name in series}
    if len(series) <= _BOTH_NAMED:
        return [
            EndLabel(last[name], f"{name} {percent(share)}", data.colours[name], bold=True)
            for name, share in shares.items()
        ]
    groups: dict[str, list[str]] = {}
    for name in sorted(series, key=lambda name: shares[name] or 0.0):
        groups.setdefault(percent(shares[name]), []).append(name)
    return [
        EndLabel(
            last[names[0]], f"{names[0] if len(names) == 1 else plural(len(names), 'variant')} {share}", palette.QUIET
        )
        for share, names in list(groups.items())[:_SHARES_NAMED]
    ]


def _last(values: pd.Series) -> float:
    known = values.dropna()
    return float(known.iloc[-1]) if len(known) else 0.0


CHART = Chart(
    name="accept_latency_over_time",
    heading="How long people waited for their answer",
    question="How long did people wait for their answer, second by second?",
    how_to_read=(
        "Thick lines are each second’s median, thin ones its 95th percentile. Shaded: the fault. Dashed: the promise "
        "(SLO). The panel below says how many were accepted at all: a latency counts only those."
    ),
    title=title,
    draw=draw,
)
