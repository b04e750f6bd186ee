"""Measured minus predicted, registration by registration: what the wiring added to what the parameters alone say.

    history, effects ┐                    ┌ accept      answered − predicted reply
    Prediction       ┴→ Residuals of one ─┼ completion  last first effect − predicted, and of each service
                        trial             └ work        how much longer the work took than the scenario says

The prediction holds parameters only, so nothing of the wiring is in it: no network, no broker, no interpreter. Where it
and the measurement disagree about what became of a registration (one says accepted, the other does not), there is no
difference of times, and the registration is counted instead.

A fault meets the work that *begins* inside its window, so work that the wiring shifts across the window's edge fares
otherwise than predicted. That is not a cost in milliseconds. Such registrations are known exactly, by the start of
each attempt as measured and as predicted, and are counted apart as being *on an edge*. What queued behind one is not.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from benchmarks.analysis import summary_model
from benchmarks.analysis.bracket import Ends, ends_of
from benchmarks.analysis.validity import Disturbed
from benchmarks.faults import ProcessKind
from benchmarks.metrics.aggregation import stats
from benchmarks.metrics.arrivals import Arrivals, Floats
from benchmarks.planning.prediction import Prediction, Unpredicted, arrivals_of
from benchmarks.scenario import Scenario
from benchmarks.trial_result import TrialResult
from benchmarks.values.json_object import Json
from benchmarks.values.times import NEVER, NS_PER_MS

# All predictions of one run together: so many take some ten seconds. The blocks beyond are not compared, and counted.
MOST_ARRIVALS_OF_A_RUN = 100_000

_STATS_SHOWN = ("p50", "p95", "p99", "max")

PredictBlock = Callable[[str, int], Prediction | Unpredicted]  # of a variant and a block


def columns(services: Iterable[str]) -> list[str]:
    """The columns of `residuals.parquet`."""
    names = list(services)
    return [
        *("trial", "variant", "block", "index", "accept_ms", "completion_ms"),
        *(f"{time}:{name}" for time in ("completion_ms", "work_ms") for name in names),
        *("accept_differs", "completion_differs", "on_edge"),
        *("predicted_accept_ms", "predicted_completion_ms", "predicted_acked", "quiet"),
    ]


@dataclass(frozen=True)
class Residuals:
    """One trial against its prediction. Arrays have one entry per counted arrival, in order of the index.

    Milliseconds, NaN where the measurement or the prediction has no such time. `work_ms`: of the attempt that made the
    first effect. `…_differs`: whether one of the two says accepted, or complete, and the other does not.
    """

    index: NDArray[np.int64]
    accept_ms: Floats
    completion_ms: Floats
    done_ms: Mapping[str, Floats]
    work_ms: Mapping[str, Floats]
    accept_differs: NDArray[np.bool_]
    completion_differs: NDArray[np.bool_]
    on_edge: NDArray[np.bool_]
    predicted_accept_ms: Floats
    predicted_completion_ms: Floats
    predicted_acked: NDArray[np.bool_]

    def rows(self, trial: int, variant: str, block: int, quiet: NDArray[np.bool_] | None) -> pd.DataFrame:
        """As `residuals.parquet` has it: one row per counted arrival. `quiet`: those that no disturbance can have
        touched; None where all are.
        """
        size = len(self.index)
        values = (
            np.full(size, trial, dtype=np.int16),
            pd.array([variant] * size, dtype="str"),
            np.full(size, block, dtype=np.int16),
            *(self.index, self.accept_ms, self.completion_ms, *self.done_ms.values(), *self.work_ms.values()),
            *(self.accept_differs, self.completion_differs, self.on_edge),
            *(self.predicted_accept_ms, self.predicted_completion_ms, self.predicted_acked),
            np.ones(size, dtype=bool) if quiet is None else quiet,
        )
        return pd.DataFrame(dict(zip(columns(list(self.done_ms)), values, strict=True)))


@dataclass(frozen=True)
class RunResiduals:
    """A run against its predictions: `summary.predicted`, `summary.residuals`, and the rows of `residuals.parquet`.

    `predicted_blocks`: as `predicted`, of every variant and block that was compared with its own.
    """

    predicted: Mapping[str, Json]
    predicted_blocks: Mapping[str, Mapping[int, Json]]
    summary: Mapping[str, summary_model.ResidualSummary]
    frame: pd.DataFrame
    ends: Mapping[int, Ends]  # of disturbed trials, by their numbers


def compare_run(scenario: Scenario, trials: Iterable[TrialResult], predict: PredictBlock) -> RunResiduals:
    """Compare every trial with what `predict` says of its variant and block, as far as `MOST_ARRIVALS_OF_A_RUN` goes.

    The first block of each variant is predicted in any case where it can be: the report shows it.
    """
    first = {name: predict(name, 0) for name in scenario.variant_names}
    frames: dict[str, list[pd.DataFrame]] = {name: [] for name in scenario.variant_names}
    blocks: dict[str, dict[int, Json]] = {name: {} for name in scenario.variant_names}
    skipped: dict[str, list[str]] = {name: [] for name in scenario.variant_names}  # why, one reason a trial
    ends: dict[int, Ends] = {}
    left = MOST_ARRIVALS_OF_A_RUN
    # Trials that cannot be compared need not be read.
    for trial in trials if any(_comparable(found) for found in first.values()) else ():
        name, block = trial.facts.variant, trial.facts.block
        if not _comparable(first[name]):
            continue
        if (left := left - arrivals_of(scenario)) < 0:
            skipped[name].append(f"more than {MOST_ARRIVALS_OF_A_RUN:,} arrivals in the run")
            continue
        prediction = first[name] if block == 0 else predict(name, block)
        if isinstance(prediction, Unpredicted):
            skipped[name].append(prediction.reason)
            continue
        blocks[name][block] = prediction.as_dict()
        found = residuals(trial.frames.history, trial.frames.effects, prediction, scenario)
        quiet = None
        if Disturbed.of(trial):
            ends[trial.facts.number] = ends_of(trial, prediction, scenario, found.on_edge)
            quiet = ends[trial.facts.number].quiet
        frames[name].append(found.rows(trial.facts.number, name, block, quiet))
    every = [frame for of_variant in frames.values() for frame in of_variant]
    return RunResiduals(
        {name: prediction.as_dict() for name, prediction in first.items()},
        blocks,
        {name: _summary(first[name], frames[name], skipped[name], scenario) for name in scenario.variant_names},
        pd.concat(every, ignore_index=True) if every else pd.DataFrame(columns=columns(scenario.services)),
        ends,
    )


def _why_not(prediction: Prediction | Unpredicted) -> str | None:
    """Why no registration of a run can be compared with it; None where each can."""
    if isinstance(prediction, Unpredicted):
        return prediction.reason
    return None if prediction.one_by_one else "which arrivals a closed load has depends on the replies"


def _comparable(prediction: Prediction | Unpredicted) -> bool:
    return _why_not(prediction) is None


def residuals(history: pd.DataFrame, effects: pd.DataFrame, prediction: Prediction, scenario: Scenario) -> Residuals:
    """One trial's stored frames against the prediction of its block and variant."""
    services = list(prediction.applied_ns)
    rows = history.set_index("index").reindex(prediction.index).reset_index()
    arrivals = Arrivals(rows, effects, services)
    answered, acked, applied = arrivals.answered_ns, arrivals.acked, arrivals.applied_ns
    expected = np.stack([_times(prediction.applied_ns[service]) for service in services], axis=1)
    # The maximum is NaN where one effect is missing, on either side.
    last, expected_last = applied.max(axis=1), expected.max(axis=1)
    measured = _measured(effects, prediction.index)
    on_edge = np.zeros(len(prediction.index), dtype=bool)
    work_ms = {}
    for column, service in enumerate(services):
        of_service = measured[measured["service"] == service]
        pairs = _predicted(prediction.attempts[service]).merge(of_service, on=["place", "attempt"])
        on_edge[pairs.loc[_crossed(pairs, scenario, prediction.variant, service), "place"]] = True
        work_ms[service] = _work_ms(pairs, applied[:, column])
    return Residuals(
        index=prediction.index,
        accept_ms=np.where(acked & prediction.accepted, answered - _times(prediction.replied_ns), np.nan) / NS_PER_MS,
        completion_ms=(last - expected_last) / NS_PER_MS,
        done_ms={name: (applied[:, at] - expected[:, at]) / NS_PER_MS for at, name in enumerate(services)},
        work_ms=work_ms,
        accept_differs=acked != prediction.accepted,
        completion_differs=np.isnan(last) != np.isnan(expected_last),
        on_edge=on_edge,
        predicted_accept_ms=np.where(
            prediction.accepted, (_times(prediction.replied_ns) - prediction.intended_ns) / NS_PER_MS, np.nan
        ),
        predicted_completion_ms=(expected_last - prediction.intended_ns) / NS_PER_MS,
        predicted_acked=prediction.accepted,
    )


def _times(times_ns: NDArray[np.int64]) -> Floats:
    """As floats, NaN where there is none."""
    return np.where(times_ns == NEVER, np.nan, times_ns)


def _predicted(attempts: NDArray[np.void]) -> pd.DataFrame:
    """The attempts of one service as predicted: place, attempt, begun_ns, ended_ns.

    A kill makes attempts count from 1 again; the first of each number stands for it, on both sides.
    """
    frame = pd.DataFrame({name: attempts[name] for name in ("place", "attempt", "begun_ns")})
    return frame.assign(ended_ns=_times(attempts["ended_ns"])).drop_duplicates(["place", "attempt"])


def _measured(effects: pd.DataFrame, index: NDArray[np.int64]) -> pd.DataFrame:
    """The attempts that began: place among the counted arrivals, service, attempt, started_ns, applied_ns."""
    begun = effects[effects["started_ns"].notna()].sort_values("started_ns", kind="stable")
    frame = pd.DataFrame(
        {
            "place": np.searchsorted(index, begun["index"].to_numpy(dtype=np.int64)),
            "service": begun["service"].astype("str"),
            "attempt": begun["attempt"].to_numpy(dtype=np.int32),
            "started_ns": begun["started_ns"].to_numpy(dtype=np.float64),
            "applied_ns": begun["applied_ns"].to_numpy(dtype=np.float64, na_value=np.nan),
        }
    )
    return frame.drop_duplicates(["place", "service", "attempt"])


def _crossed(pairs: pd.DataFrame, scenario: Scenario, variant: str, service: str) -> NDArray[np.bool_]:
    """Which attempts lie on another side of a fault's edge than predicted: by their start, which is what a
    fault of the work asks for, or by their end too where a fault stops or ends the process.
    """
    spec = scenario.variant(variant)
    faults = [fault for fault in scenario.faults if fault.process == service and fault.concerns(spec)]

    def sides_differ(edges_ns: Sequence[int], predicted: str, measured: str) -> NDArray[np.bool_]:
        edges = np.sort(np.asarray(edges_ns, dtype=np.float64))
        times = pairs[predicted].to_numpy(np.float64), pairs[measured].to_numpy(np.float64)
        sides = [np.searchsorted(edges, time, side="right") for time in times]
        differ: NDArray[np.bool_] = (sides[0] != sides[1]) & ~np.isnan(times[0]) & ~np.isnan(times[1])
        return differ

    every = [edge for fault in faults for edge in (fault.begin_ns, fault.end_ns)]
    of_process = [edge for fault in faults if isinstance(fault, ProcessKind) for edge in (fault.begin_ns, fault.end_ns)]
    return sides_differ(every, "begun_ns", "started_ns") | sides_differ(of_process, "ended_ns", "applied_ns")


def _work_ms(pairs: pd.DataFrame, first_applied_ns: Floats) -> Floats:
    """How much longer than predicted the attempt took that made the first effect, by place; NaN without one."""
    made = pairs[pairs["applied_ns"].to_numpy() == first_applied_ns[pairs["place"]]]
    took_ns = made["applied_ns"] - made["started_ns"] - (made["ended_ns"] - made["begun_ns"])
    longer = np.full(len(first_applied_ns), np.nan)
    longer[made["place"]] = took_ns / NS_PER_MS
    return longer


def _summary(
    prediction: Prediction | Unpredicted, frames: Sequence[pd.DataFrame], skipped: Sequence[str], scenario: Scenario
) -> summary_model.ResidualSummary:
    """One variant, its trials pooled; what is on an edge is counted, but in no figure."""
    reason = _why_not(prediction)
    if reason is None and not frames:
        reason = skipped[0] if skipped else "no trial was finished"
    every = pd.concat(frames, ignore_index=True) if frames else None
    clear = every[~every["on_edge"]] if every is not None else None

    def figures(column: str) -> dict[str, float | None]:
        found = stats(clear[column].to_numpy()) if clear is not None else dict.fromkeys(_STATS_SHOWN)
        return {stat: found[stat] for stat in _STATS_SHOWN}

    def by_service(column: str) -> Json:
        return {service: figures(f"{column}:{service}") for service in scenario.services}

    return summary_model.ResidualSummary(
        n=0 if clear is None else int((clear["accept_ms"].notna() | clear["completion_ms"].notna()).sum()),
        trials=len(frames),
        trials_not_compared=len(skipped),
        accept_ms=figures("accept_ms"),
        completion_ms={**figures("completion_ms"), "by_service": by_service("completion_ms")},
        work_ms={"by_service": by_service("work_ms")},
        accept_differs=0 if clear is None else int(clear["accept_differs"].sum()),
        completion_differs=0 if clear is None else int(clear["completion_differs"].sum()),
        on_edge=0 if every is None else int(every["on_edge"].sum()),
        not_compared=reason,
    )
