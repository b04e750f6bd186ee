"""How much a calibration measures: the usual amount, or about a quarter of it."""

from __future__ import annotations

from dataclasses import dataclass

from benchmarks.metrics.definition import FEWEST_BLOCKS


@dataclass(frozen=True)
class Effort:
    """`attempts`: how often a step of the generator is tried before it counts as not clean. `traced`: whether the
    trials of the harness's share keep a trace, one after the other, there and back so that a drift cancels out.

    An A/A trial lasts `part` of its scenario's duration, and `longest_s` at most.
    """

    quick: bool
    rings: int
    exchanges: int
    step_s: float
    attempts: int
    halvings: int
    share_s: float
    traced: tuple[bool, ...]
    idle_s: float
    blocks: int
    part: float
    longest_s: float

    def trial_s(self, scenario_s: float) -> float:
        """The length of an A/A trial of a scenario that lasts `scenario_s`."""
        return min(self.part * scenario_s, self.longest_s)


USUAL = Effort(
    quick=False,
    rings=1_000,
    exchanges=500,
    step_s=2.0,
    attempts=3,
    halvings=3,
    share_s=5.0,
    traced=(True, False, False, True),
    idle_s=5.0,
    blocks=5,
    part=0.5,  # the shortest that a run's comparisons can be judged by, see `benchmarks.analysis.calibration`
    longest_s=60.0,
)
QUICK = Effort(
    quick=True,
    rings=300,
    exchanges=200,
    step_s=1.0,
    attempts=2,
    halvings=1,
    share_s=2.0,
    traced=(False, True),
    idle_s=2.0,
    blocks=FEWEST_BLOCKS,
    part=0.5,
    longest_s=2.0,
)
