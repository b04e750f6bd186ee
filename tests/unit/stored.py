"""Results directories of simulated runs, complete enough to be drawn and reported, and bent where a test needs it."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from functools import cache, partial
from pathlib import Path

import pandas as pd
from synthetic import write_results

from benchmarks.analysis.residual import compare_run
from benchmarks.analysis.summary import summarise
from benchmarks.analysis.summary_model import Summary
from benchmarks.planning.plan import make_plan
from benchmarks.planning.prediction import Prediction, Unpredicted
from benchmarks.scenario import Scenario, load_text
from benchmarks.scenario.resolve import dump, resolve
from benchmarks.store import Results, load_trials
from virtual import predict as prediction_module
from virtual.predict import predict

Frames = tuple[pd.DataFrame, pd.DataFrame]  # history, effects
Change = Callable[[pd.DataFrame, pd.DataFrame], Frames]

SMALL = {"rate": 20, "duration": "12s", "warmup": "0s"}
SLOW_EMAIL = {"target": "email", "type": "latency", "at": "4s", "duration": "4s", "latency": "800ms"}
NO_QUESTION: dict[str, object] = {"hypothesis": None, "thresholds": {}}


def stored_run(
    out: Path,
    *,
    change: Change | None = None,
    problems: Sequence[str] = (),
    predicted: bool = False,
    servers: int = 64,
    **changes: object,
) -> Scenario:
    """Write a run of a scenario in small, email slow from 4 s to 8 s; `change` bends the frames of each trial."""
    out.mkdir(parents=True, exist_ok=True)
    changes = {"workload": SMALL, "faults": [SLOW_EMAIL], **changes}
    scenario = write_results(out, servers=servers, judged=False, **changes)
    for trial in sorted((out / "trials").iterdir()):
        facts = json.loads((trial / "trial.json").read_text())
        (trial / "trial.json").write_text(json.dumps({"problems": [], **facts}))
        bent = (pd.read_parquet(trial / "history.parquet"), pd.read_parquet(trial / "effects.parquet"))
        if change is not None:
            bent = change(*bent)
        for name, frame in zip(("history", "effects"), bent, strict=True):
            frame.to_parquet(trial / f"{name}.parquet", index=False)
    Results(out).save_run()
    plan = make_plan(scenario)
    trials = load_trials(out)
    foretold = partial(_foretold, _what_happens(scenario), prediction_module.MOST_ARRIVALS_OF_A_TRIAL)
    replayed = compare_run(scenario, trials, foretold)
    replayed.frame.to_parquet(out / "residuals.parquet", index=False)
    summary = summarise(
        scenario,
        trials,
        run_problems=problems,
        predicted=replayed.predicted if predicted else None,
        predicted_blocks=replayed.predicted_blocks if predicted else None,
        residuals=replayed.summary,
    )
    (out / "summary.json").write_text(json.dumps(summary.as_dict()))
    (out / "scenario.yaml").write_text(dump(resolve(scenario)))
    (out / "plan.json").write_text(json.dumps(plan.as_dict()))
    (out / "environment.json").write_text(json.dumps({"cores": 2, "broker": {"settings": {"heap": "256 MB"}}}))
    run = {
        "started": "2026-01-02T03:04:05+00:00",
        "command": "bench run slow-downstream",
        "version": "0",
        "problems": [],
    }
    (out / "run.json").write_text(json.dumps({**run, "problems": list(problems)}))
    return scenario


def _what_happens(scenario: Scenario) -> str:
    """The scenario without what is asked of it, so that runs which differ in their questions share a prediction."""
    asked = ("title", "description", "claim", "tags", "hypothesis", "thresholds", "blocks")
    return dump({key: value for key, value in resolve(scenario).items() if key not in asked})


@cache
def _foretold(text: str, _most: int, variant: str, block: int) -> Prediction | Unpredicted:
    return predict(make_plan(load_text(text, "stored")), variant, block)


def summary_with(**fields: object) -> Summary:
    """A summary that says only this."""
    empty = {"format_version": 1, "scenario": "made-up", "claim": None, "seed": 1, "valid": True, "invalid_reasons": []}
    nothing = {"variants": {}, "comparison": None, "comparisons": [], "thresholds": []}
    return Summary.from_dict({**empty, **nothing, **fields})


def nobody_accepted(history: pd.DataFrame, effects: pd.DataFrame) -> Frames:
    """Everyone was refused before anything was stored."""
    return history.assign(outcome="refused", status=503, stored_ns=pd.array([pd.NA] * len(history), dtype="Int64")), (
        effects.iloc[:0]
    )


def every_ending(history: pd.DataFrame, effects: pd.DataFrame) -> Frames:
    """On the direct side, every seventh arrival ends in another way; on the other, one effect in fifty is missing."""
    if history["variant"].iloc[0] == "events":
        return history, effects[~((effects["service"] == "cache") & (effects["index"] % 50 == 0))]
    turn = history["index"] % 7
    history = history.copy()
    for place, outcome in ((1, "refused"), (2, "failed"), (3, "indeterminate"), (4, "dropped")):
        history.loc[turn == place, "outcome"] = outcome
    history.loc[turn == 3, "answered_ns"] = pd.NA
    history.loc[turn.isin([1, 4]), "stored_ns"] = pd.NA
    history.loc[turn == 4, ["sent_ns", "received_ns", "replied_ns", "answered_ns"]] = pd.NA
    gone = effects["index"] % 7
    return history, effects[~gone.isin([1, 4]) & ~((gone == 2) & (effects["service"] != "email"))]
