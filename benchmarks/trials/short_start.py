"""A short start before the first block: nothing of it is kept, and the first trial meets a broker that has worked.

    the scenario without its faults → a second of load on one variant with a broker → thrown away

A broker that has just started is slower: the code that takes its first records is not compiled yet. Without this the
first trial with a broker would pay for all the others, and balanced order cannot spread what happens only once.
"""

from __future__ import annotations

import shutil
from dataclasses import replace
from typing import Any

from benchmarks import scratch
from benchmarks.planning.plan import make_plan
from benchmarks.progress import SilentObserver
from benchmarks.scenario import Scenario, VariantSpec, load_text
from benchmarks.scenario.resolve import dump, resolve
from benchmarks.trials.load_workers import ONE_HERE
from benchmarks.trials.trial import RunContext, run_trial

RATE_PER_S = 150
DURATION_S = 1.5
_DRAIN_S = 10
# A number that no trial of the plan has: its topic, its groups and its logs are its own.
_NUMBER = 0


async def short_start(context: RunContext) -> None:
    """Load each broker of the run for a moment, through the first variant that has it. Raises like `run_trial`.

    Does nothing where there is none to warm: no variant uses a broker, or it is not ours, or a stand-in, which
    has nothing to compile.
    """
    first = {variant.broker.server: variant for variant in reversed(context.plan.scenario.variants) if variant.broker}
    for server, broker in context.brokers.items():
        if broker.info.ours and not broker.info.emulator:
            context.observer.step("warming the broker")
            await _warm(context, short_scenario(context.plan.scenario, first[server]))


async def _warm(context: RunContext, short: Scenario) -> None:
    plan = make_plan(short)
    directory = scratch.make()
    try:
        trial = replace(plan.trials[0], number=_NUMBER)
        await run_trial(
            trial,
            replace(context, plan=plan, observer=SilentObserver(), load_workers=ONE_HERE),
            directory / trial.label,
        )
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def short_scenario(scenario: Scenario, variant: VariantSpec) -> Scenario:
    """The variant's wiring under a short load, with services that take no time."""
    data: dict[str, Any] = dict(resolve(scenario))
    services = {name: {**service, "latency": "0ms", "errorRate": 0} for name, service in data["services"].items()}
    variants = [spec for spec in data["variants"] if spec["name"] == variant.name]
    workload = {"rate": RATE_PER_S, "duration": f"{DURATION_S}s", "warmup": "0s"}
    for key in ("faults", "hypothesis", "thresholds", "sweep"):
        data.pop(key, None)
    changed = {"workload": workload, "services": services, "variants": variants, "blocks": 1}
    return load_text(dump({**data, **changed, "drain": f"{_DRAIN_S}s", "drainMayExpire": True}), "the short start")
