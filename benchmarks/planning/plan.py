"""The plan: everything about a run that is settled before it starts, computed from the scenario alone.

Scenario → trials in order, fault windows, utilisation of each service, what its blocks can detect, warnings
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from benchmarks.faults import Fault
from benchmarks.planning.detect import Detectable, detectable_parts
from benchmarks.planning.utilisation import Utilisation, backlog_s, hot_keys, utilisation_table
from benchmarks.scenario.model import Scenario
from benchmarks.scenario.quick import quick_warnings
from benchmarks.scenario.session import session_warnings
from benchmarks.scenario.variant import VariantSpec
from registration import luck

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from benchmarks.analysis.calibration import NoiseFloor

# What a trial takes besides its load: processes started and proven ready, and the quiet half second of the drain.
_TRIAL_OVERHEAD_S = 3.0
_BROKER_START_S = 3.0
_MOST_LISTED = 3


@dataclass(frozen=True)
class PlannedTrial:
    """One fresh run of one variant. `number` counts from 1 in the order of the run, `block` from 0."""

    number: int
    block: int
    variant: VariantSpec
    block_seed: int

    @property
    def label(self) -> str:
        """The trial's directory: `01-sync`."""
        return f"{self.number:02d}-{self.variant.name}"


@dataclass(frozen=True)
class FaultWindow:
    """When a fault is on, [begin, end) in scenario ns, and which variants it meets; a restart ends as it begins."""

    name: str
    type: str
    target: str
    begin_ns: int
    end_ns: int
    variants: tuple[str, ...]

    @classmethod
    def of(cls, fault: Fault, scenario: Scenario) -> FaultWindow:
        met = tuple(variant.name for variant in scenario.variants if fault.concerns(variant))
        return cls(fault.name, fault.type, fault.target, fault.begin_ns, fault.end_ns, met)


@dataclass(frozen=True)
class Plan:
    """A run, before it runs. `during` is [first start, last end) of the faults that last, in ns, the same for every
    variant; `after_ns` is where the window `after` begins.
    """

    scenario: Scenario
    trials: tuple[PlannedTrial, ...]
    fault_windows: tuple[FaultWindow, ...]
    during: tuple[int, int] | None
    after_ns: int | None
    utilisation: tuple[Utilisation, ...]
    detectable: tuple[Detectable, ...]
    warnings: tuple[str, ...]
    estimated_s: float

    def schedule(self, block_seed: int) -> NDArray[np.void]:
        """The arrivals of a block, structured (index, intended_ns): see `benchmarks.planning.arrivals.schedule`.

        Raises ValueError for a closed load.
        """
        from benchmarks.planning.arrivals import schedule

        return schedule(self.scenario.workload, block_seed)

    def as_dict(self) -> dict[str, object]:
        """For `plan.json`. Seeds are text, since not every JSON reader holds 64 bits."""
        return {
            "scenario": self.scenario.name,
            "executor": self.scenario.workload.executor,
            "arrivals_per_trial": self.scenario.workload.arrival_count,
            "estimated_s": round(self.estimated_s, 1),
            "during_ns": None if self.during is None else list(self.during),
            "after_ns": self.after_ns,
            "trials": [
                {
                    "number": trial.number,
                    "label": trial.label,
                    "block": trial.block,
                    "variant": trial.variant.name,
                    "base": trial.variant.base,
                    "block_seed": str(trial.block_seed),
                }
                for trial in self.trials
            ],
            "faults": [
                {
                    "name": window.name,
                    "type": window.type,
                    "target": window.target,
                    "begin_ns": window.begin_ns,
                    "end_ns": window.end_ns,
                    "variants": list(window.variants),
                }
                for window in self.fault_windows
            ],
            "utilisation": [row.as_dict() for row in self.utilisation],
            "detectable": [part.as_dict() for part in self.detectable],
            "warnings": list(self.warnings),
        }


def make_plan(scenario: Scenario, floor: NoiseFloor | None = None) -> Plan:
    """The plan of a run of `scenario`; pure. `floor` is the machine's noise floor, for what can be detected."""
    table = utilisation_table(scenario)
    return Plan(
        scenario=scenario,
        trials=_trials(scenario),
        fault_windows=tuple(FaultWindow.of(fault, scenario) for fault in scenario.faults),
        during=scenario.during_ns,
        after_ns=scenario.after_ns,
        utilisation=table,
        detectable=detectable_parts(scenario, floor),
        warnings=tuple(_warnings(scenario, table)),
        estimated_s=_estimated_s(scenario, table),
    )


def _trials(scenario: Scenario) -> tuple[PlannedTrial, ...]:
    trials: list[PlannedTrial] = []
    for block in range(scenario.blocks):
        seed = luck.block_seed(scenario.seed, block)
        for variant in _order(scenario.variants, block):
            trials.append(PlannedTrial(len(trials) + 1, block, variant, seed))
    return tuple(trials)


def _order(variants: tuple[VariantSpec, ...], block: int) -> tuple[VariantSpec, ...]:
    """The variants of a block: a rotation, so that within n blocks each of n variants has each place once.

    Every second round of n blocks runs backwards, so that over two rounds each variant also follows each neighbour.
    """
    shift = block % len(variants)
    turned = variants[shift:] + variants[:shift]
    return turned if (block // len(variants)) % 2 == 0 else turned[::-1]


def _warnings(scenario: Scenario, table: tuple[Utilisation, ...]) -> list[str]:
    warnings = quick_warnings(scenario)
    busy = [sentence for row in table for sentence in row.sentences()]
    warnings += busy[:_MOST_LISTED]
    if len(busy) > _MOST_LISTED:
        warnings.append(f"{len(busy) - _MOST_LISTED} more windows are like that: see the utilisation table")
    warnings += hot_keys(scenario, table)
    cautions = (variant.broker.caution for variant in scenario.variants if variant.broker is not None)
    warnings += filter(None, dict.fromkeys(cautions))
    warnings += session_warnings(scenario)
    for variant in scenario.variants:
        if variant.broker is None:
            continue
        for name, service in scenario.services.items():
            if service.instances > variant.broker.partitions:
                idle = service.instances - variant.broker.partitions
                warnings.append(
                    f"{variant.name}: {idle} of the {service.instances} instances of {name} will be idle, since the "
                    f"topic has {variant.broker.partitions} partition{'s' * (variant.broker.partitions > 1)}; "
                    "raise broker.partitions"
                )
    if scenario.hypothesis is not None and scenario.blocks < 3:
        blocks = "one block gives" if scenario.blocks == 1 else f"{scenario.blocks} blocks give"
        warnings.append(f"{blocks} no interval and no verdict; use 3")
    return warnings


def _estimated_s(scenario: Scenario, table: tuple[Utilisation, ...]) -> float:
    workload = scenario.workload
    # A registration that is late by the whole backlog still has its own work to do; the overhead covers that.
    drain_s = min(backlog_s(table, workload.duration_s), scenario.drain_s)
    trial_s = _TRIAL_OVERHEAD_S + workload.warmup_s + workload.duration_s + drain_s
    servers = {variant.broker.server for variant in scenario.variants if variant.broker is not None}
    return trial_s * scenario.blocks * len(scenario.variants) + _BROKER_START_S * len(servers)
