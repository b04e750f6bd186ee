"""The blocks of a run, one after the other: each runs, is judged at once, and is repeated where that may help.

    (short start) → block → judge → next block
                      ▲       │ disturbed so that it may decide the verdict, or a cause that may pass; and repeats left
                      └───────┘ of all attempts the least disturbed counts, the others are kept

Judged by schedule delay, by the share that other programs took, and by what the parameters alone predict; never by the
figures that are compared (`docs/disturbed-runs.md`). At most half the planned blocks are repeated.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import groupby

from benchmarks.analysis.at_risk import at_risk
from benchmarks.analysis.validity import Disturbed, block_reasons
from benchmarks.planning.plan import Plan, PlannedTrial
from benchmarks.planning.prediction import Predict, Prediction, Unpredicted
from benchmarks.store import Results
from benchmarks.trial_result import TrialFacts, TrialResult
from benchmarks.trials.trial import RunContext, run_trial


@dataclass(frozen=True)
class _Attempt:
    """One attempt at a block: its trials' facts, why it might be repeated, and what was taken from it.

    `stands`: it counts whatever there is besides, since what speaks against it would be there again; `taken`: the
    largest share of the machine that others had.
    """

    trials: tuple[tuple[TrialFacts, Sequence[str]], ...]  # each with the problems of its rows
    reasons: tuple[str, ...]
    stands: bool
    taken: float


async def run_blocks(
    context: RunContext, results: Results, ended: list[TrialFacts], predict: Predict, *, repeats: int | None
) -> None:
    """Run every trial of the context's plan. At most `repeats` blocks are repeated, by default half of them.

    `ended` grows as trials end and are saved; attempts that do not count are in it as superseded. Raises as
    `run_trial`. Only the block under way is held in memory.
    """
    numbers = _numbers_after(context.plan)
    left = context.plan.scenario.blocks // 2 if repeats is None else repeats
    for _, planned in groupby(context.plan.trials, key=lambda trial: trial.block):
        block = list(planned)
        attempts: list[_Attempt] = []
        while True:
            done: list[TrialResult] = []
            try:
                for trial in block:
                    done.append(await _run_one(trial, len(attempts), context, results))
                    ended.append(done[-1].facts)
                attempts.append(await _judged(done, context.plan, predict))
            except BaseException:
                if attempts:  # what there is of this one does not count beside a whole one
                    with suppress(OSError):
                        _supersede(
                            [(one.facts, one.frames.problems) for one in done], ("it was cut short",), ended, results
                        )
                        _choose(attempts, ended, results)
                raise
            if not attempts[-1].reasons or left <= 0:
                break
            left -= 1
            context.observer.warn(f"block {block[0].block + 1} again: " + "; ".join(attempts[-1].reasons))
            block = [replace(trial, number=next(numbers)) for trial in block]
        _choose(attempts, ended, results)


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


async def _judged(block: Sequence[TrialResult], plan: Plan, predict: Predict) -> _Attempt:
    """Why to repeat a block; no reason where it is good enough, or where a reason would come up again."""
    against = block_reasons(block, drain_may_expire=plan.scenario.drain_may_expire)
    disturbances = [Disturbed.of(trial) for trial in block]
    stands = any(not reason.passing for reason in against)
    reasons: list[str] = []
    # Dropped arrivals are part of what is compared: they are a reason only beside a disturbance.
    if not stands and any(disturbances) and (against or await asyncio.to_thread(_may_decide, block, plan, predict)):
        reasons = [reason.text for reason in against]
        reasons += [
            f"trial {trial.facts.label}: {text}"
            for trial, found in zip(block, disturbances, strict=True)
            for text in found.reasons
        ]
    elif not stands and not all(trial.facts.readiness_proven for trial in block):
        reasons = [reason.text for reason in against]
    shares = [share or 0.0 for found in disturbances for share in (found.foreign_share, found.steal_share)]
    trials = tuple((trial.facts, trial.frames.problems) for trial in block)
    return _Attempt(trials, tuple(reasons), stands, max(shares))


def _may_decide(block: Sequence[TrialResult], plan: Plan, predict: Predict) -> bool:
    predicted: Mapping[str, Prediction | Unpredicted] = {
        trial.facts.variant: predict(plan, trial.facts.variant, trial.facts.block) for trial in block
    }
    return at_risk(plan.scenario, block, predicted)


def _choose(attempts: Sequence[_Attempt], ended: list[TrialFacts], results: Results) -> None:
    """Of several attempts the one counts from which others took the least; the later one of equals."""
    best = min(reversed(attempts), key=lambda attempt: (not attempt.stands, attempt.taken))
    for attempt in attempts:
        if attempt is not best:
            reasons = attempt.reasons or ("other programs took more from it than from another attempt",)
            _supersede(attempt.trials, reasons, ended, results)


def _supersede(
    trials: Iterable[tuple[TrialFacts, Sequence[str]]],
    reasons: tuple[str, ...],
    ended: list[TrialFacts],
    results: Results,
) -> None:
    """These are kept, and do not count."""
    for facts, problems in trials:
        superseded = replace(facts, superseded=True, reasons=reasons)
        results.save_facts(superseded, problems)
        ended[ended.index(facts)] = superseded
