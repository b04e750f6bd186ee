"""Trials that went exactly as predicted, to be changed by whoever tests what a change does."""

from __future__ import annotations

import numpy as np
import pandas as pd
from synthetic import LAG_COLUMNS, RESOURCES_COLUMNS, facts_of

from benchmarks.planning.plan import Plan, PlannedTrial
from benchmarks.planning.prediction import Prediction, Unpredicted
from benchmarks.trial_result import TrialFrames, TrialResult
from benchmarks.values.times import NEVER
from virtual.predict import predict

_KNOWN: dict[tuple[str, str, int], Prediction | Unpredicted] = {}


def predicted(plan: Plan, variant: str, block: int = 0) -> Prediction | Unpredicted:
    """`predict`, once for each scenario, variant and block of a test session."""
    key = plan.scenario.model_dump_json(), variant, block
    if key not in _KNOWN:
        _KNOWN[key] = predict(plan, variant, block)
    return _KNOWN[key]


def frames_of(prediction: Prediction, number: int = 1) -> tuple[pd.DataFrame, pd.DataFrame]:
    """History and effects of a trial that went exactly as predicted."""
    size = len(prediction.index)
    intended = pd.array(prediction.intended_ns, dtype="Int64")
    replied = pd.arrays.IntegerArray(
        np.where(prediction.replied_ns == NEVER, 0, prediction.replied_ns), prediction.replied_ns == NEVER
    )
    history = pd.DataFrame(
        {
            "trial": number,
            "variant": prediction.variant,
            "block": prediction.block,
            "index": prediction.index,
            "registration_id": [str(index) for index in prediction.index],
            "intended_ns": intended,
            "sent_ns": intended,
            "received_ns": intended,
            "stored_ns": pd.arrays.IntegerArray(prediction.intended_ns.copy(), ~prediction.stored),
            "replied_ns": replied,
            "answered_ns": replied,
            "outcome": pd.array(np.where(prediction.accepted, "acked", "failed"), dtype="str"),
            "status": pd.array(np.where(prediction.accepted, 201, 503), dtype="Int16"),
        },
        index=range(size),
    )
    parts = []
    for service, attempts in prediction.attempts.items():
        applied = prediction.applied_ns[service][attempts["place"]]
        ended = np.where(attempts["ended_ns"] == applied, applied, 0)
        begun = pd.array(attempts["begun_ns"], dtype="Int64")
        parts.append(
            pd.DataFrame(
                {
                    "trial": number,
                    "index": prediction.index[attempts["place"]],
                    "service": service,
                    "attempt": attempts["attempt"],
                    "received_ns": begun,
                    "started_ns": begun,
                    "applied_ns": pd.arrays.IntegerArray(ended.astype(np.int64), ended == 0),
                    "settled_ns": pd.arrays.IntegerArray(ended.astype(np.int64), ended == 0),
                }
            )
        )
    return history, pd.concat(parts, ignore_index=True)


def trial_of(plan: Plan, trial: PlannedTrial) -> TrialResult:
    """One trial of a plan as predicted, with nothing sampled beside it."""
    prediction = predicted(plan, trial.variant.name, trial.block)
    assert isinstance(prediction, Prediction)
    history, effects = frames_of(prediction, trial.number)
    workload = plan.scenario.workload
    facts = facts_of(
        number=trial.number,
        variant=trial.variant.name,
        base=trial.variant.base,
        block=trial.block,
        duration_ns=round(workload.duration_s * 1e9),
        timeout_ms=workload.timeout_ms,
        services=tuple(plan.scenario.services),
        broker={"kind": "kafka", "version": "4"} if trial.variant.uses_broker else None,
    )
    frames = TrialFrames(history, effects, history.iloc[:0], ())
    columns = ("planned_begin_ns", "begin_ns", "name", "applicable")
    empty = [pd.DataFrame(columns=list(names)) for names in (LAG_COLUMNS, RESOURCES_COLUMNS, columns)]
    return TrialResult(facts, frames, *empty)
