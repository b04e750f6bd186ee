"""How honest the intervals are: thousands of comparisons drawn from the blocks of identical sides (A/A).

    A/A blocks → draw n, with replacement, sides swapped at random → estimate → does it exclude no effect?
    the same with one side made slower by a known factor         → is that found?

    python -m benchmarks.analysis.resample RESULTS        the shares, for each pair of identical variants of that run
    python -m benchmarks.analysis.resample RESULTS --save FILE     and its blocks, as the tests read them

Swapping the sides makes "no effect" exactly true, whatever noise the blocks hold; drawing blocks whole keeps that noise
as it was measured (a permutation test's null, with the blocks bootstrapped: Good 2005, "Permutation, Parametric and
Bootstrap Tests of Hypotheses"). Twenty blocks or more should be there: the shares of a few depend on which they are.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from itertools import combinations
from pathlib import Path

import numpy as np

from benchmarks.analysis.run_comparison import StoredRun
from benchmarks.analysis.statistics import estimate
from benchmarks.scenario.metric import Metric, rows

TIMES = 2_000
SLOWDOWN = 1.3
FALSE_ALARMS = (0.03, 0.07)  # of 95 % intervals, one in twenty
_METRICS = tuple(str(metric) for row, metric in rows() if row.planned)
_BLOCKS = (3, 5)

Pairs = list[tuple[float, float]]


def share_found(
    blocks: Sequence[tuple[float, float]], n: int, *, slowdown: float = 1.0, times: int = TIMES, seed: int = 0
) -> float:
    """The share of `times` comparisons of `n` blocks whose interval excludes no effect.

    `blocks` are the figures of two identical sides, block by block. With a `slowdown` above 1 the first side's are
    multiplied with it, and only intervals above 1 count.
    """
    rng = np.random.default_rng(seed)
    stored = np.asarray(blocks, dtype=np.float64)
    found = 0
    for places, swaps in zip(rng.integers(len(stored), size=(times, n)), rng.random((times, n)) < 0.5, strict=True):
        drawn = np.where(swaps[:, None], stored[places, ::-1], stored[places])
        interval = estimate("ratio", _METRICS[0], list(drawn[:, 0] * slowdown), list(drawn[:, 1])).interval
        found += interval is not None and (interval[0] > 1 or (slowdown == 1 and interval[1] < 1))
    return found / times


def identical_pairs(run: StoredRun) -> dict[str, Pairs]:
    """The blocks of every two variants of a run that are the same but for their name, by metric and names."""
    pairs: dict[str, Pairs] = {}
    variants = run.variants
    for first, second in combinations(variants, 2):
        if variants[first] != variants[second]:
            continue
        sides = [run.side(name, name) for name in (first, second)]
        for metric in _METRICS:
            one, other = (side.by_block(Metric.parse(metric)) for side in sides)
            both = [(one[block], other[block]) for block in sorted(set(one) & set(other))]
            known = [(a, b) for a, b in both if a is not None and b is not None]
            if known:
                pairs[f"{metric} {first} {second}"] = known
    return pairs


def shares(pairs: Mapping[str, Sequence[tuple[float, float]]], n: int) -> dict[str, tuple[float, float]]:
    """For each pair of sides: the share of false alarms, and that of the slowdowns found, among `n` blocks."""
    return {name: (share_found(blocks, n), share_found(blocks, n, slowdown=SLOWDOWN)) for name, blocks in pairs.items()}


def told(pairs: Mapping[str, Sequence[tuple[float, float]]], n: int) -> list[str]:
    """One line for each pair of sides, and one for their mean: of a few stored blocks, each alone is a rough guess."""
    found = shares(pairs, n)
    means = tuple(float(np.mean(column)) for column in zip(*found.values(), strict=True))
    return [
        f"{name}: of {TIMES:,} comparisons of {n} blocks {alarms:.1%} exclude no effect, "
        f"and a slowdown of {SLOWDOWN:g} × is found in {slower:.1%}"
        for name, (alarms, slower) in {**found, "all": means}.items()
    ]


def main() -> None:
    """The command: see the top of this file."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.analysis.resample", description=__doc__.splitlines()[0])
    parser.add_argument("results", type=Path, help="a results directory in which the same variant stands twice")
    parser.add_argument("--save", type=Path, metavar="FILE", help="write the blocks there")
    asked = parser.parse_args()
    run = StoredRun.read(asked.results)
    pairs = identical_pairs(run)
    if not pairs:
        parser.error(
            f"{asked.results} has no two variants that are the same but for their name; see bench calibrate --aa"
        )
    if asked.save is not None:
        source = {"scenario": run.scenario.name, "cpu": run.environment.get("cpu"), "bench": run.version}
        asked.save.write_text(json.dumps({"source": source, "blocks": pairs}, indent=1) + "\n", encoding="utf-8")
    for n in _BLOCKS:
        print("\n".join(told(pairs, n)))


if __name__ == "__main__":
    main()
