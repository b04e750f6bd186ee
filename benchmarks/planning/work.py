"""What a scenario makes of one service instance: the settings of its work, and the faults that its work meets."""

from __future__ import annotations

from benchmarks.faults import WorkKind
from benchmarks.scenario import Scenario
from registration.work import WorkSettings


def work_settings(scenario: Scenario, variant: str, service: str, instance: int, block_seed: int) -> WorkSettings:
    """What one service instance does, and which faults it meets, under a variant."""
    spec = scenario.services[service]
    return WorkSettings(
        service=service,
        instance=instance,
        block_seed=block_seed,
        latency=spec.latency,
        error_rate=spec.error_rate,
        concurrency=spec.concurrency,
        faults=tuple(
            fault.for_service()
            for fault in scenario.faults
            if isinstance(fault, WorkKind)
            and fault.process == service
            and fault.instance in (None, instance)
            and fault.concerns(scenario.variant(variant))
        ),
    )
