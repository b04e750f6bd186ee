"""What the parameters alone predict: the trial itself, run in virtual time on wires and a broker that cost nothing.

What a measurement shows beyond this is what the wiring and the machine added; what it shares with this was put in by
the scenario.
"""

from __future__ import annotations

import logging
import uuid
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from benchmarks.faults import Effect, ProcessKind
from benchmarks.planning.prediction import (
    ATTEMPT_DTYPE,
    PredictedFigures,
    Prediction,
    Unpredicted,
    arrivals_of,
    figures_of,
)
from benchmarks.scenario.sample import window_bounds_ns, windows_bounds_ns
from benchmarks.values.times import NEVER
from event_impl.brokers.port import Subscription
from registration.trace import RecordKind, TraceRecord
from virtual.load import Endless
from virtual.trial import VirtualTrial

if TYPE_CHECKING:
    from benchmarks.planning.plan import Plan
    from benchmarks.planning.stalls import Stalls
    from benchmarks.scenario.model import Scenario

# A prediction takes 120 to 400 µs an arrival: beyond this it would take longer than most people wait for a plan.
MOST_ARRIVALS_OF_A_TRIAL = 50_000


def predict(
    plan: Plan,
    variant: str,
    block: int = 0,
    progress: Callable[[int], None] = lambda _: None,
    stalls: Stalls | None = None,
    wire_ms: float = 0.0,
) -> Prediction | Unpredicted:
    """One block of one variant. `progress` is called now and then with the number of arrivals so far.

    `stalls` hold up every process, the load generator too; `wire_ms` is what each message takes on its way to one.

    Raises KeyError where the run has no such variant.
    """
    scenario = plan.scenario
    scenario.variant(variant)
    if (arrivals := arrivals_of(scenario)) > MOST_ARRIVALS_OF_A_TRIAL:
        return Unpredicted(
            variant, block, f"too many arrivals: {arrivals:,} a trial, {MOST_ARRIVALS_OF_A_TRIAL:,} at most"
        )
    muted = logging.root.manager.disable
    logging.disable()  # what a process logs when a fault hits it is expected here
    try:
        most = MOST_ARRIVALS_OF_A_TRIAL
        with closing(
            VirtualTrial(plan, variant, block, most=most, progress=progress, stalls=stalls, wire_ms=wire_ms)
        ) as trial:
            trial.run()
            return _read(trial, variant, block)
    except Endless as endless:
        return Unpredicted(variant, block, str(endless))
    except Exception as error:  # noqa: BLE001 - a run must not fail for lack of a prediction
        return Unpredicted(variant, block, f"it could not be run in virtual time: {error!r}")
    finally:
        logging.disable(muted)


def _read(trial: VirtualTrial, variant: str, block: int) -> Prediction:
    scenario, people = trial.scenario, trial.people
    index = np.array(people.index, np.int64)
    counted = index >= 0
    intended_ns = np.array(people.intended_ns, np.int64)[counted]
    replied_ns = np.array(people.replied_ns, np.int64)[counted]
    accepted = people.accepted[counted]
    ids = [id_ for id_, number in zip(people.ids, people.index, strict=True) if number >= 0]
    places = {id_: place for place, id_ in enumerate(ids)}
    rows: dict[str, list[TraceRecord]] = {name: [] for name in scenario.services}
    for process, records in trial.world.traces.items():
        service = process.partition("/")[0]
        if service in rows:
            rows[service] += records
    applied = {name: _applied(rows[name], places, trial.start_ns) for name in scenario.services}
    applied_ns = {name: first_ns for name, (first_ns, _) in applied.items()}
    attempts = {name: _attempts(rows[name], places, trial.start_ns) for name in scenario.services}

    def figures(begin_ns: int, end_ns: int) -> PredictedFigures:
        inside = (intended_ns >= begin_ns) & (intended_ns < end_ns)
        effects = {name: times[inside] for name, times in applied_ns.items()}
        return figures_of(scenario, intended_ns[inside], replied_ns[inside], accepted[inside], effects)

    bounds = windows_bounds_ns(scenario)
    return Prediction(
        variant=variant,
        block=block,
        whole=figures(*window_bounds_ns(scenario, None)),
        windows={name: None if within is None else figures(*within) for name, within in bounds.items()},
        index=index[counted],
        intended_ns=intended_ns,
        replied_ns=replied_ns,
        accepted=accepted,
        applied_ns=applied_ns,
        attempts=attempts,
        stored=np.array([id_ in trial.world.users.users for id_ in ids], np.bool_),
        applied_counts={name: counts for name, (_, counts) in applied.items()},
        drain_expired=trial.drained is not None and trial.drained.expired,
        notes=_notes(scenario, variant),
        one_by_one=not scenario.workload.closed,
    )


def _applied(
    rows: Sequence[TraceRecord], places: Mapping[uuid.UUID, int], start_ns: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """When each arrival was first applied (NEVER where it was not), and how often."""
    first, counts = [NEVER] * len(places), [0] * len(places)
    for row in rows:
        if row.kind is RecordKind.APPLIED and (place := places.get(row.registration_id)) is not None:
            first[place] = min(first[place], row.t_ns - start_ns)
            counts[place] += 1
    return np.array(first, np.int64), np.array(counts, np.int64)


def _attempts(rows: Sequence[TraceRecord], places: Mapping[uuid.UUID, int], start_ns: int) -> NDArray[np.void]:
    """Every attempt at a counted arrival, in order of its start."""
    begun: dict[tuple[object, int, int], list[int]] = {}
    found: list[list[int]] = []
    for row in rows:
        if (place := places.get(row.registration_id)) is None:
            continue
        key = row.registration_id, row.delivery, row.attempt
        if row.kind is RecordKind.STARTED:
            begun[key] = [place, row.attempt, row.t_ns - start_ns, NEVER]
            found.append(begun[key])
        elif row.kind in (RecordKind.APPLIED, RecordKind.FAILED):
            begun[key][-1] = row.t_ns - start_ns
    attempts = np.array([tuple(attempt) for attempt in found], dtype=ATTEMPT_DTYPE)
    return attempts[np.argsort(attempts["begun_ns"], kind="stable")]


def _notes(scenario: Scenario, variant: str) -> tuple[str, ...]:
    """What the parameters do not settle, for the reader."""
    notes = []
    if scenario.workload.closed:
        notes.append(
            "a closed load is predicted in figures, not registration by registration: which arrivals there are depends "
            "on the replies"
        )
    if any(fault.effect is Effect.DOWN and fault.concerns(scenario.variant(variant)) for fault in scenario.faults):
        notes.append("a process that is restarted is ready at once here: how long that takes is not a parameter")
    session_s = Subscription.session_timeout_s
    if scenario.variant(variant).uses_broker and any(
        fault.effect is Effect.STANDS_STILL
        and isinstance(fault, ProcessKind)
        and fault.concerns(scenario.variant(variant))
        and fault.end_ns - fault.begin_ns > session_s * 1e9
        for fault in scenario.faults
    ):
        notes.append(
            f"a consumer that stands still for longer than its session ({session_s:g} s) is removed from its group; "
            "how much it still does before it notices depends on timing"
        )
    return tuple(notes)
