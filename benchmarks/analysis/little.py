"""Little's law between two witnesses: what the API had in hand when it looked, and what its trace says it had.

    counted   the mean of the API's own counter, from samples of it (`registration.runtime.in_flight`)
    traced    rate × mean (replied − received), from the rows: the mean number in hand

Little (1961): the two are one number, for any arrivals and any order of service. Both are means over the same span, of
which the rows are cut at both ends, so that the law holds without a remainder.

What samples miss of the mean is known: the rows also say what an observer at the very instants of the samples would
have seen, and the difference of that to their true mean is taken off. With several API processes, whose samples are not
at the same instants, it is bounded instead.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from benchmarks.faults import KINDS, Effect

# Half a hundredth of the number, and of a registration where there are few: a counter and a trace that are whole agree
# to far less (docs/validity.md has what was measured).
TOLERANCE_RATIO = 0.005
TOLERANCE_COUNT = 0.005
_DEVIATIONS = 5.0
_SHORTEST_S = 1.0
# A process that was stopped or ended needs a moment before its samples are those of a server again.
_AFTER_S = 0.2
_ENDING = tuple(word for word, kind in KINDS.items() if kind.effect is Effect.DOWN)
_STOPPING = tuple(word for word, kind in KINDS.items() if kind.effect is not Effect.WORKS)

Span = tuple[int, int]


@dataclass(frozen=True)
class Disagreement:
    """A span, in scenario seconds, in which the two means differ by more than `limit`."""

    begin_s: float
    end_s: float
    counted: float
    traced: float
    limit: float


def disagreements(
    arrivals: pd.DataFrame, in_flight: pd.DataFrame, faults: pd.DataFrame, end_ns: int
) -> list[Disagreement]:
    """Where counter and trace of a load over [0, `end_ns`) contradict each other: in all of it, or between two edges
    of a fault.

    `arrivals` has the columns `received_ns` and `replied_ns`, those of the warm-up included: some of them are still in
    hand when scenario time begins. Spans in which an API process was stopped or dead are left out.
    """
    if in_flight.empty:
        return []
    stopped = _stopped(faults, _STOPPING)
    begun, ended = _in_hand(arrivals, _stopped(faults, _ENDING))
    edges = sorted({0, end_ns, *(int(t) for t in faults[["begin_ns", "end_ns"]].to_numpy().ravel() if not pd.isna(t))})
    edges = [edge for edge in edges if 0 <= edge <= end_ns]
    spans = _without([(0, end_ns)], stopped)
    judged = [spans, *(_without([pair], stopped) for pair in itertools.pairwise(edges) if len(edges) > 2)]
    samples = [part.sort_values("t_ns") for _, part in in_flight.groupby("process")]
    found = (_compare(samples, begun, ended, each) for each in judged)
    return [one for one in found if one is not None]


def _compare(
    samples: Sequence[pd.DataFrame], begun: NDArray[np.float64], ended: NDArray[np.float64], spans: Sequence[Span]
) -> Disagreement | None:
    """The means over all of `spans` together."""
    length_s = counted_s = traced_s = missed_s = variance = 0.0
    for begin_ns, end_ns in spans:
        mine = [part[part["t_ns"].between(begin_ns, end_ns)] for part in samples]
        if any(len(part) < 2 for part in mine):
            continue
        times = [part["t_ns"].to_numpy(dtype=np.float64) / 1e9 for part in mine]
        counts = [part["in_flight"].to_numpy(dtype=np.float64) for part in mine]
        low, high = max(t_s[0] for t_s in times), min(t_s[-1] for t_s in times)
        if high <= low:
            continue
        length_s += high - low
        inside = np.clip(ended, low, high) - np.clip(begun, low, high)
        true_s = float(inside.sum())
        traced_s += true_s
        counted_s += sum(_area(t_s, count, low, high) for t_s, count in zip(times, counts, strict=True))
        if len(times) == 1:
            missed_s += _area(times[0], _number_at(times[0], begun, ended), low, high) - true_s
        else:
            gaps = np.concatenate([np.diff(t_s) for t_s in times])
            # The length of the gap that holds a given instant, in the mean square: long gaps hold more instants.
            gap_s = float(np.sqrt((gaps**3).sum() / gaps.sum()))
            variance += float(np.minimum(inside[inside > 0] * gap_s, gap_s**2 / 4).sum())
    if length_s < _SHORTEST_S:
        return None
    counted, traced = (counted_s - missed_s) / length_s, traced_s / length_s
    limit = TOLERANCE_RATIO * traced + TOLERANCE_COUNT + _DEVIATIONS * np.sqrt(variance) / length_s
    if abs(counted - traced) <= limit:
        return None
    return Disagreement(spans[0][0] / 1e9, spans[-1][1] / 1e9, counted, traced, float(limit))


def _in_hand(arrivals: pd.DataFrame, deaths: Sequence[Span]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """From when until when the API had each registration that it received, in scenario seconds."""
    received = arrivals[arrivals["received_ns"].notna()]
    begun = received["received_ns"].to_numpy(dtype=np.float64) / 1e9
    ended = received["replied_ns"].to_numpy(dtype=np.float64, na_value=np.inf) / 1e9
    for begin_ns, _ in deaths:
        # One that was never replied to died with the process that had it: the first that died after it came.
        ended = np.where(np.isinf(ended) & (begun <= begin_ns / 1e9), begin_ns / 1e9, ended)
    return begun, np.maximum(ended, begun)


def _number_at(t_s: NDArray[np.float64], begun: NDArray[np.float64], ended: NDArray[np.float64]) -> NDArray[np.float64]:
    """How many were in hand at each instant."""
    come = np.searchsorted(np.sort(begun), t_s, side="right")
    gone = np.searchsorted(np.sort(ended), t_s, side="right")
    return (come - gone).astype(np.float64)


def _area(t_s: NDArray[np.float64], count: NDArray[np.float64], low: float, high: float) -> float:
    """The integral of the samples from `low` to `high`, straight between two of them."""
    inside = t_s[(t_s > low) & (t_s < high)]
    grid = np.concatenate([[low], inside, [high]])
    at = np.interp(grid, t_s, count)
    return float(((at[1:] + at[:-1]) / 2 * np.diff(grid)).sum())


def _stopped(faults: pd.DataFrame, kinds: Sequence[str]) -> list[Span]:
    """When an API process was stopped or dead by faults of these kinds, in order; two of them may overlap."""
    mine = faults[
        faults["type"].isin(kinds) & (faults["target"].str.split("/").str[0] == "api") & faults["begin_ns"].notna()
    ]
    begin_ns = mine["begin_ns"].to_numpy(dtype=np.int64)
    end_ns = mine["end_ns"].fillna(mine["begin_ns"]).to_numpy(dtype=np.int64)
    ready_ns = np.round((mine["ready_s"].fillna(0.0).to_numpy(dtype=np.float64) + _AFTER_S) * 1e9).astype(np.int64)
    return sorted(zip(begin_ns.tolist(), (end_ns + ready_ns).tolist(), strict=True))


def _without(spans: Sequence[Span], holes: Sequence[Span]) -> list[Span]:
    """What is left of `spans`."""
    left = list(spans)
    for begin, end in holes:
        left = [
            part for low, high in left for part in ((low, min(high, begin)), (max(low, end), high)) if part[1] > part[0]
        ]
    return left
