"""The blocks of a run, one after the other: each runs, is judged at once, and is repeated where it was disturbed.

    (short start) → block → judge → next block
                      ▲       │ disturbed, and attempts left
                      └───────┘ the attempt is kept, and does not count

A cause that may pass (another program, a busy host, a generator that stood still) is worth another attempt; one that
would be the same again is not.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import groupby

from benchmarks.analysis.validity import Reason, block_reasons
from benchmarks.planning.plan import Plan, PlannedTrial
from benchmarks.planning.utilisation import saturation_planned
from benchmarks.store import Results
from benchmarks.trial_result import TrialFacts, TrialResult
from benchmarks.trials.trial import RunContext, run_trial


async def run_blocks(context: RunContext, results: Results, ended: list[TrialFacts], *, repeats: int) -> None:
    """Run every trial of the context's plan, and repeat a disturbed block at most `repeats` times.

    `ended` grows as they end and are saved; attempts that do not count are in it as superseded. Raises as `run_trial`.
    Only the block under way is held in memory.
    """
    numbers = _numbers_after(context.plan)
    for _, planned in groupby(context.plan.trials, key=lambda trial: trial.block):
        block = list(planned)
        for attempt in range(repeats + 1):
            if attempt:
                block = [replace(trial, number=next(numbers)) for trial in block]
            done: list[TrialResult] = []
            for trial in block:
                done.append(await _run_one(trial, attempt, context, results))
                ended.append(done[-1].facts)
            # The last attempt stands whatever it was: the run then judges itself.
            if attempt == repeats or not (disturbances := _disturbances(done, context.plan)):
                break
            ended[-len(done) :] = [_supersede(result, disturbances, results) for result in done]
            context.observer.warn(
                f"block {block[0].block + 1} was disturbed and is repeated ({attempt + 1} of at most {repeats}): "
                + "; ".join(disturbances)
            )


async def _run_one(trial: PlannedTrial, attempt: int, context: RunContext, results: Results) -> TrialResult:
    context.observer.trial_began(trial)
    result = await run_trial(trial, context, results.trial_directory(trial.label))
    result = replace(result, facts=replace(result.facts, attempt=attempt))
    results.save_trial(result)
    context.observer.trial_ended(trial)
    return result


def _numbers_after(plan: Plan) -> Iterator[int]:
    """Planned trials keep the numbers of `plan.json`; those of repeats follow."""
    number = len(plan.trials)
    while True:
        number += 1
        yield number


def _disturbances(block: Sequence[TrialResult], plan: Plan) -> tuple[str, ...]:
    """Why to repeat a block; empty where it is valid, or where one of its reasons would be there again."""
    scenario = plan.scenario
    per_trial = scenario.workload.arrival_count
    reasons: list[Reason] = block_reasons(
        block,
        drain_may_expire=scenario.drain_may_expire,
        saturation_planned=saturation_planned(scenario),
        planned=None if per_trial is None else per_trial * scenario.blocks,
    )
    return tuple(reason.text for reason in reasons) if all(reason.passing for reason in reasons) else ()


def _supersede(result: TrialResult, reasons: tuple[str, ...], results: Results) -> TrialFacts:
    facts = replace(result.facts, superseded=True, reasons=reasons)
    results.save_facts(replace(result, facts=facts))
    return facts
