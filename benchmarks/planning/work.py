"""What a scenario makes of one service instance: the settings of its work, and the faults that its work meets."""

from __future__ import annotations

from benchmarks.scenario import Scenario
from registration.faults import WorkFault
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
            WorkFault(
                name=fault.name,
                type=fault.type,
                begin_ns=fault.begin_ns,
                end_ns=fault.end_ns,
                probability=fault.hit_probability,
                latency=fault.latency_ms,
                jitter_ms=fault.jitter_ms,
                status=fault.status if fault.type == "error" else None,
            )
            for fault in scenario.faults
            if not fault.is_process
            and fault.service == service
            and fault.instance in (None, instance)
            and fault.concerns(variant)
        ),
    )
