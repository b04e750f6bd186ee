"""Two panels that share their seconds: a latency, and below it the share of arrivals that it is about."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from benchmarks.charts import axis, palette
from benchmarks.charts.sheet import EndLabel, Sheet
from benchmarks.words.numbers import nominal_ms, percent, plural

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from benchmarks.charts.run_data import RunData

_SHARE_PT = 104.0  # the height of the panel below, with its axis
_SHARES_NAMED = 4  # of many variants, so many shares get a label: the lowest
_SLO_WITHIN = 20  # times the largest figure: an SLO further up would flatten the lines
_BOTH_NAMED = 3  # up to so many variants, p50 and p95 both get a label


@dataclass(frozen=True)
class Timed:
    """Which of the two times: the heading of each panel, and what the second says about those who never got there."""

    done: bool
    heading: str
    share_heading: str
    nobody: str


def draw(sheet: Sheet, data: RunData, timed: Timed, slo_ms: float) -> None:
    """Fill the body of a sheet."""
    series = {name: data.answers_over_time(name, done=timed.done) for name in data.variants}
    shown = [float(value) for frame in series.values() for value in frame[["p50", "p95"]].to_numpy().ravel()]
    shown = [value for value in shown if not np.isnan(value)]
    with_slo = bool(shown) and slo_ms < _SLO_WITHIN * max(shown)
    scale = [*shown, slo_ms] if with_slo else shown

    ends = _ends(data, series, "p50")
    if len(data.variants) <= _BOTH_NAMED:
        ends += _ends(data, series, "p95")
    ends += [EndLabel(slo_ms, f"SLO {nominal_ms(slo_ms)}", palette.QUIET)] if with_slo else []
    shares = _share_labels(data, series)
    texts = [label.text for label in (*ends, *shares)]

    left, bottom, right, top = sheet.body
    x = (0.0, data.duration_s)
    room = (left, bottom + _SHARE_PT, right, top)
    heading = axis.named(timed.heading, scale) + ("" if with_slo else f"; the SLO, {nominal_ms(slo_ms)}, lies above")
    above = sheet.panel(room, heading, x=x, end_labels=texts, windows=data.windows, bottom=18)
    room = (left, bottom, right, bottom + _SHARE_PT - 8)
    below = sheet.panel(room, timed.share_heading, x=x, end_labels=texts, windows=data.windows, name_windows=False)
    axis.latency(above, scale)
    _draw_lines(above, below, data, series)
    if with_slo:
        above.axhline(slo_ms, color=palette.QUIET, linewidth=1, linestyle=(0, (4, 3)), zorder=1)
    if not shown:
        above.set_yticks([])
        above.text(0.5, 0.5, timed.nobody, transform=above.transAxes, ha="center")
    axis.seconds(above, label="")
    axis.share(below)
    below.set_ylim(-0.06, 1.06)
    axis.seconds(below)
    sheet.label_ends(above, ends)
    sheet.label_ends(below, shares)


def _draw_lines(above: Axes, below: Axes, data: RunData, series: dict[str, pd.DataFrame]) -> None:
    """Each variant's latencies in the panel above, the share that got there in the one below.

    Where half of a stretch never got there, there is no median: a cross on top of the panel says so.
    """
    for number, (name, frame) in enumerate(series.items()):
        colour = data.colours[name]
        t_s, p50, p95, share = _steps(frame, data.bin_s)
        behind = len(series) - 1 - number  # lines on top of each other all stay visible: each next one is thinner
        above.fill_between(t_s, p50, p95, step="post", color=colour, alpha=0.13, linewidth=0)
        above.step(t_s, p95, where="post", color=colour, linewidth=1.0)
        above.step(t_s, p50, where="post", color=colour, linewidth=min(2.4 + 1.4 * behind, 5.2))
        below.step(t_s, share, where="post", color=colour, linewidth=min(2.0 + 2.0 * behind, 7.0))
        never = t_s[:-1][np.isnan(p50[:-1])] + data.bin_s / 2
        height = np.full(never.size, 0.985 - 0.035 * (number % 6))
        place = above.get_xaxis_transform()
        above.plot(never, height, "x", color=colour, markersize=5, transform=place, clip_on=False)


def _steps(frame: pd.DataFrame, bin_s: float) -> tuple[NDArray[np.float64], ...]:
    """Start of each bin, p50, p95 and the share, with one more step so that the last bin has its width."""
    columns = (frame["t_s"], frame["p50"], frame["p95"], frame["reached"] / frame["offered"])
    arrays = [column.to_numpy(dtype=np.float64) for column in columns]
    if not len(frame):
        return tuple(arrays)
    t_s, *rest = arrays
    return (np.append(t_s, t_s[-1] + bin_s), *(np.append(values, values[-1]) for values in rest))


def _ends(data: RunData, series: dict[str, pd.DataFrame], stat: str) -> list[EndLabel]:
    """A name for each line, at the height of its last point."""
    known = {name: frame[stat].dropna() for name, frame in series.items()}
    return [
        EndLabel(float(line.iloc[-1]), f"{name} {stat}", data.colours[name], bold=stat == "p50")
        for name, line in known.items()
        if len(line)
    ]


def _share_labels(data: RunData, series: dict[str, pd.DataFrame]) -> list[EndLabel]:
    """Each variant's share of the whole run; where there is no room for all, those with the same share as one."""
    shares = {name: frame["reached"].sum() / max(frame["offered"].sum(), 1) for name, frame in series.items()}
    if len(series) <= _BOTH_NAMED:
        return [
            EndLabel(share, f"{name} {percent(share)}", data.colours[name], bold=True) for name, share in shares.items()
        ]
    groups: dict[str, list[str]] = {}
    for name in sorted(series, key=lambda name: shares[name]):
        groups.setdefault(percent(shares[name]), []).append(name)
    return [
        EndLabel(
            shares[names[0]],
            f"{names[0] if len(names) == 1 else plural(len(names), 'variant')} {share}",
            palette.QUIET,
        )
        for share, names in list(groups.items())[:_SHARES_NAMED]
    ]
