"""Parts `harness` and `broker`: what a registration costs before any work is done, and what an idle broker takes.

The harness: ordinary trials, of services that take no time; in turns as they are and without the traces,
where only the generator's rows are left: accept, and no completion.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Sequence

import numpy as np
import psutil

from benchmarks.analysis.trial_metrics import latencies
from benchmarks.brokers import Broker
from benchmarks.calibration.workbench import Workbench
from benchmarks.metrics.aggregation import stats
from benchmarks.metrics.definition import Stats
from benchmarks.planning.plan import make_plan
from benchmarks.processes.sampling import BYTES_PER_MB
from benchmarks.progress import SilentObserver
from benchmarks.scenario import Scenario, load_text
from benchmarks.scenario.broker import BrokerSpec
from benchmarks.trial_result import TrialResult
from benchmarks.trials.trial import RunContext, run_trial
from benchmarks.values.json_object import Json

RATE_PER_S = 100
_SETTLE_S = 2.0  # the broker's own start goes on for a moment after its first answer


async def measure_harness(bench: Workbench) -> Json:
    """By variant: accept and completion with the trace, accept without it. Raises like `run_trial`."""
    scenario = _scenario(bench.effort.share_s)
    results: dict[tuple[str, bool], list[TrialResult]] = {}
    async with bench.broker() as broker:
        for traced in bench.effort.traced:
            for result in await _trials(bench, scenario, broker, traced=traced):
                results.setdefault((result.facts.variant, traced), []).append(result)
    return {
        "rate_per_s": RATE_PER_S,
        "duration_s": bench.effort.share_s,
        "variants": {name: compared(results[name, True], results[name, False]) for name in scenario.variant_names},
    }


def compared(traced: Sequence[TrialResult], untraced: Sequence[TrialResult]) -> Json:
    """What one variant's trials say, pooled; `trace_costs_ms` is the difference of the medians of accept."""
    accept, without = _stats(traced, "accept_latency_ms"), _stats(untraced, "accept_latency_ms")
    both = accept["p50"], without["p50"]
    return {
        "accept_ms": _short(accept),
        "completion_ms": _short(_stats(traced, "completion_latency_ms")),
        "accept_without_trace_ms": _short(without),
        "trace_costs_ms": None if both[0] is None or both[1] is None else both[0] - both[1],
    }


async def _trials(bench: Workbench, scenario: Scenario, broker: Broker, *, traced: bool) -> list[TrialResult]:
    folder = bench.folder()
    plan = make_plan(scenario)
    tag = secrets.token_hex(4)
    context = RunContext(
        plan, {BrokerSpec().server: broker}, folder, tag, bench.take_port, SilentObserver(), traced=traced
    )
    results = []
    for trial in plan.trials:
        bench.step(f"{trial.variant.name}, {'with' if traced else 'without'} the trace")
        results.append(await run_trial(trial, context, folder / trial.label))
    return results


def _stats(results: Sequence[TrialResult], metric: str) -> Stats:
    every = [latencies(result.frames.history, result.frames.effects, result.facts.services) for result in results]
    return stats(np.concatenate([times[metric].to_numpy(dtype=np.float64) for times in every]))


def _short(found: Stats) -> dict[str, float | None]:
    return {name: found[name] for name in ("p50", "p99")}


def _scenario(duration_s: float) -> Scenario:
    return load_text(
        f"""\
version: 1
name: harness
workload: {{rate: {RATE_PER_S}, warmup: 1s, duration: {duration_s:g}s}}
services: {{email: {{latency: 0ms}}, analytics: {{latency: 0ms}}, cache: {{latency: 0ms}}}}
variants: [sync-concurrent, events]
blocks: 1
""",
        "the harness's share",
    )


async def measure_broker(bench: Workbench) -> Json:
    """CPU ms per second, and MB resident at the end. Raises BrokerUnavailable, also where it dies meanwhile."""
    async with bench.broker() as broker:
        await asyncio.sleep(_SETTLE_S)
        bench.step("watching it idle")
        process = psutil.Process(broker.pid)
        try:
            before_ms, began_s = _cpu_ms(process), time.monotonic()
            await asyncio.sleep(bench.effort.idle_s)
            span_s = time.monotonic() - began_s
            used_ms = _cpu_ms(process) - before_ms
            rss_mb = process.memory_info().rss / BYTES_PER_MB
        except psutil.Error:
            if (trouble := broker.trouble()) is not None:
                raise trouble from None
            raise
        info = broker.info
    return {
        "kind": info.kind,
        "version": info.version,
        "span_s": span_s,
        "cpu_ms_per_s": used_ms / span_s,
        "rss_mb": rss_mb,
    }


def _cpu_ms(process: psutil.Process) -> float:
    times = process.cpu_times()
    return (times.user + times.system) * 1e3
