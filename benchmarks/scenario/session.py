"""Faults that keep a consumer away for longer than its session, after which its group goes on without it."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from benchmarks.faults import Effect, Fault, ProcessKind
from benchmarks.scenario.model import Scenario
from benchmarks.scenario.variant import VariantSpec
from benchmarks.subject import SESSION_S, capabilities


def outlasts_session(fault: Fault, services: Collection[str], variants: Iterable[VariantSpec]) -> bool:
    """Whether it kills or pauses a consumer of one of the variants for longer than the session."""
    return (
        isinstance(fault, ProcessKind)
        and fault.effect in (Effect.DOWN, Effect.STANDS_STILL)
        and fault.process in services
        and fault.end_s - fault.at_s > SESSION_S
        and any(_in_groups(variant) for variant in variants if fault.concerns(variant))
    )


def _in_groups(variant: VariantSpec) -> bool:
    return variant.broker is not None and capabilities(variant.broker.kind).groups


def session_warnings(scenario: Scenario) -> list[str]:
    """What follows from each fault that outlasts the session."""
    return [
        f"{fault.name}: {fault.target} is away for {fault.end_s - fault.at_s:g} s, and after {SESSION_S:g} s (the "
        f"session) its consumer group goes on without it: {_then(scenario.services[fault.process].instances)}"
        for fault in scenario.faults
        if outlasts_session(fault, scenario.services, scenario.variants)
    ]


def _then(instances: int) -> str:
    if instances == 1:
        return "it rejoins when it is back"
    return (
        "the others take its partitions until it is back; what they are working on as partitions move is done again, "
        "and counts as duplicated"
    )
