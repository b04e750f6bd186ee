"""What if the promise were another: the share within the SLO for every SLO of the answer that could be set?"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from benchmarks.charts import axis, palette
from benchmarks.charts.chart import Chart
from benchmarks.charts.sheet import LABEL_PT, TICK_PT, EndLabel, Sheet
from benchmarks.charts.wording import told, while_clause, window_name
from benchmarks.words.numbers import nominal_ms, percent

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from benchmarks.charts.run_data import RunData
    from benchmarks.trial_result import TrialFacts


def title(data: RunData) -> str:
    slo = data.scenario.slo
    shares = told(data.figures("slo_ratio"), percent, "unknown", alike=1.0)
    promise = f"accepted within {nominal_ms(slo.accept_ms)} and done within {nominal_ms(slo.complete_ms)}"
    return f"{while_clause(data)}, {promise}: {shares}"


def draw(data: RunData) -> Figure:
    slo = data.scenario.slo
    sheet = Sheet(
        data,
        title(data),
        f"Share of all who arrived {window_name(data)} that were done within {nominal_ms(slo.complete_ms)} and "
        f"accepted within the time below. Thin: each trial; thick: all together; {data.load}.",
    )
    trials = {name: [_in_time_ms(data, facts) for facts in data.facts_of(name)] for name in data.variants}
    finite = np.concatenate(
        [[slo.accept_ms], *(sample[np.isfinite(sample)] for each in trials.values() for sample in each)]
    )
    low, high = float(finite.min()) / 1.6, float(finite.max()) * 1.6
    labels = [
        EndLabel(share, f"{name} {percent(share)}", data.colours[name], bold=True)
        for name, each in trials.items()
        if (share := _share(np.concatenate(each), high)) is not None
    ]
    axes = sheet.panel(
        sheet.body, "Share within the SLO", x=(low, high), end_labels=[label.text for label in labels], bottom=34
    )
    axis.latency(axes, [low, high], axis="x")
    axes.set_xlim(low, high)
    axis.share(axes)
    axes.set_ylim(-0.04, 1.1)
    label = axis.named("SLO of the answer, from when the arrival was due", [low, high])
    axes.set_xlabel(label, fontsize=TICK_PT, color=palette.QUIET, labelpad=3)
    axes.axvline(slo.accept_ms, ymax=0.94, color=palette.QUIET, linewidth=1, linestyle=(0, (4, 3)), zorder=1)
    axes.text(
        slo.accept_ms,
        1.1,
        f"SLO {nominal_ms(slo.accept_ms)}",
        fontsize=LABEL_PT,
        color=palette.QUIET,
        ha="center",
        va="top",
    )
    for number, (name, each) in enumerate(trials.items()):
        colour = data.colours[name]
        behind = len(trials) - 1 - number
        for sample in each:
            axes.step(*_steps(sample, low, high), where="post", color=colour, linewidth=0.7, alpha=0.35)
        pooled = np.concatenate(each)
        axes.step(*_steps(pooled, low, high), where="post", color=colour, linewidth=min(2.4 + 1.4 * behind, 5.2))
        share = _share(pooled, slo.accept_ms)
        if share is not None:
            axes.plot([slo.accept_ms], [share], "o", color=colour, markersize=8, markeredgecolor="white", zorder=5)
    sheet.label_ends(axes, labels)
    return sheet.figure


def _in_time_ms(data: RunData, facts: TrialFacts) -> NDArray[np.float64]:
    """The accept latency of everybody who arrived in the main window; infinite without an accept, or done too late."""
    times = data.times_ms(facts, data.inside)
    return times["accepted"].where(times["done"] <= data.scenario.slo.complete_ms, np.inf).to_numpy()


def _share(sample_ms: NDArray[np.float64], slo_ms: float) -> float | None:
    return float((sample_ms <= slo_ms).mean()) if sample_ms.size else None


def _steps(sample_ms: NDArray[np.float64], low: float, high: float) -> axis.Curve:
    """The empirical distribution function from `low` to `high`."""
    ordered = np.sort(sample_ms[np.isfinite(sample_ms)])
    shares = np.arange(1, ordered.size + 1) / max(sample_ms.size, 1)
    end = shares[-1] if ordered.size else 0.0
    return np.concatenate([[low], ordered, [high]]), np.concatenate([[0.0], shares, [end]])


CHART = Chart(
    name="share_within_slo",
    heading="What if the promise were another",
    question="How large is the share within the SLO, for every SLO of the answer that could be set?",
    how_to_read=(
        "Find a time below: the line above it is the share that would have been in time with that SLO, all else being "
        "the same. Dashed and dotted: the SLO that was set. Where the lines are apart, the verdict does not depend on "
        "it; where they cross, it does. A line that stays below 100 % at the right: the rest was never accepted, or "
        "done too late."
    ),
    title=title,
    draw=draw,
)
