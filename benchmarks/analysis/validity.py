"""The run judges itself: what the apparatus failed at makes it invalid, what else ran beside it makes it disturbed.

    each trial → trial_reasons, disturbances, Dropped → its frames can go
    a variant  → variant_reasons, from what stayed of its trials
    a block    → block_reasons → whether to repeat it, while the run goes on

What the system under test failed at is for `overload`; what a disturbance costs is for `bracket`.

A reason is a sentence with the measured value, the limit and what to do about it; `docs/validity.md` says why each
limit is where it is.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from benchmarks.analysis.little import disagreements
from benchmarks.analysis.overload import (
    BUSY_LIMIT,
    BUSY_SPAN_S,
    FOREIGN_LIMIT,
    STEAL_LIMIT,
    busiest_share,
    foreign_of,
    stolen_from,
)
from benchmarks.trial_result import TrialResult
from benchmarks.words.numbers import figure, milliseconds, nominal_ms, rough, rough_percent, seconds

DROPPED_LIMIT = 0.001
DELAY_LIMIT_MS = 2.0
DELAY_P99_SAMPLE = 1_000
GAP_LIMIT_MS = 50.0  # the largest single schedule delay

_HISTORY_ORDER = ("intended_ns", "sent_ns", "received_ns", "stored_ns", "replied_ns", "answered_ns")
_EFFECTS_ORDER = ("received_ns", "started_ns", "applied_ns", "settled_ns")


@dataclass(frozen=True)
class Dropped:
    """How many of one trial's arrivals the generator dropped."""

    offered: int
    dropped: int

    @classmethod
    def of(cls, history: pd.DataFrame) -> Dropped:
        return cls(len(history), int((history["outcome"] == "dropped").sum()))


@dataclass(frozen=True)
class Reason:
    """Why a trial does not count. `passing`: another attempt may be spared it."""

    text: str
    passing: bool = False


@dataclass(frozen=True)
class Disturbed:
    """What disturbed one trial, in sentences, and how much: empty, and far below the limits, for a quiet one.

    Shares are of the machine over the busiest 5 s, null where nobody knows; `delay_ms` is the schedule delay's
    percentile (p99, or p95 below 1,000 arrivals) and `latest_ms` its largest, null where nothing was sent.
    """

    reasons: tuple[str, ...]
    foreign_share: float | None
    steal_share: float | None
    delay_ms: float | None
    latest_ms: float | None

    def __bool__(self) -> bool:
        return bool(self.reasons)

    @classmethod
    def of(cls, trial: TrialResult) -> Disturbed:
        delays_ms = schedule_delays_ms(trial.frames.history)
        name, q = ("p99", 0.99) if len(delays_ms) >= DELAY_P99_SAMPLE else ("p95", 0.95)
        delay_ms = float(np.quantile(delays_ms, q)) if len(delays_ms) else None
        foreign, stolen = foreign_of(trial), stolen_from(trial)
        shares = [None if share is None else share.value / trial.facts.cores for share in (foreign, stolen)]
        reasons = list(_late(delay_ms, name))
        reasons += _gap(trial.frames.history)
        if shares[1] is not None and shares[1] > STEAL_LIMIT:
            reasons.append(
                f"the host took {rough_percent(shares[1])} of the machine's time "
                f"(steal, limit {rough_percent(STEAL_LIMIT)})"
            )
        if foreign is not None and shares[0] is not None and shares[0] > FOREIGN_LIMIT:
            reasons.append(
                f"other programs took {rough_percent(shares[0])} of the machine over {BUSY_SPAN_S:g} s, from "
                f"{seconds(foreign.begin_s)} on (limit {rough_percent(FOREIGN_LIMIT)})"
            )
        reasons += (reason.text for reason in _busy_generator(trial) if shares[0] and shares[0] > FOREIGN_LIMIT)
        latest_ms = float(delays_ms.max()) if len(delays_ms) else None
        return cls(tuple(reasons), shares[0], shares[1], delay_ms, latest_ms)


def schedule_delays_ms(history: pd.DataFrame) -> NDArray[np.float64]:
    """The schedule delay of each arrival that was sent, shape (n,)."""
    return (history["sent_ns"] - history["intended_ns"]).dropna().to_numpy(dtype=np.float64) / 1e6


def variant_reasons(variant: str, trials: Sequence[Dropped]) -> list[str]:
    """What speaks against a variant's trials together: arrivals dropped."""
    return [reason.text for reason in _dropped(variant, trials)]


def trial_reasons(trial: TrialResult, drain_may_expire: bool) -> list[str]:
    """What speaks against one trial by itself."""
    return [f"trial {trial.facts.label}: {reason.text}" for reason in _trial(trial, drain_may_expire)]


def block_reasons(trials: Sequence[TrialResult], *, drain_may_expire: bool) -> list[Reason]:
    """What speaks against the trials of one block, one for each variant, while the run goes on.

    The limit over a variant's trials is applied to each trial: where no trial exceeds a share, all together do not
    either.
    """
    reasons: list[Reason] = []
    for trial in trials:
        label = trial.facts.label
        reasons += _dropped(f"trial {label}", [Dropped.of(trial.frames.history)])
        reasons += [
            Reason(f"trial {label}: {reason.text}", reason.passing) for reason in _trial(trial, drain_may_expire)
        ]
    return reasons


def _dropped(whose: str, trials: Sequence[Dropped]) -> Iterator[Reason]:
    offered, dropped = sum(trial.offered for trial in trials), sum(trial.dropped for trial in trials)
    if offered and dropped / offered > DROPPED_LIMIT:
        yield Reason(
            f"{whose}: the load generator dropped {dropped:,} of {offered:,} arrivals "
            f"({rough_percent(dropped / offered)}, limit {rough_percent(DROPPED_LIMIT)}); lower the rate, or raise "
            "maxInFlight if it waited for answers",
            passing=True,
        )


def _late(delay_ms: float | None, name: str) -> Iterator[str]:
    if delay_ms is not None and delay_ms > DELAY_LIMIT_MS:
        limit = nominal_ms(DELAY_LIMIT_MS)
        yield f"arrivals were sent late, schedule delay {name} {milliseconds(delay_ms)} (limit {limit})"


def _trial(trial: TrialResult, drain_may_expire: bool) -> Iterator[Reason]:
    facts, history = trial.facts, trial.frames.history
    yield from map(Reason, trial.frames.problems)
    if not facts.readiness_proven:
        yield Reason("readiness was not proven: a service did not answer its probe; see logs/", passing=True)
    if len(history) and history["sent_ns"].isna().all():
        yield Reason("not one arrival was sent; see the load generator's log")
    yield from _rows_that_do_not_add_up(history)
    yield from _records_that_are_missing(history, trial.frames.effects)
    # What one host sent and another received cannot be told apart by less than their clocks' error.
    yield from _backwards(history, _HISTORY_ORDER, "arrivals", history, facts.clock_error_ns or 0)
    yield from _backwards(trial.frames.effects, _EFFECTS_ORDER, "effects", history)
    yield from _in_hand(trial)
    foreign = foreign_of(trial)
    if foreign is None or foreign.value / facts.cores <= FOREIGN_LIMIT:  # else it may have had too little left
        yield from _busy_generator(trial)
    if facts.drain_expired and not drain_may_expire:
        left = "" if facts.drain_s is None else f" after {seconds(facts.drain_s)}"
        yield Reason(
            f"work was left when the drain expired{left}; give it longer with drain, or allow it with drainMayExpire"
        )


def _rows_that_do_not_add_up(history: pd.DataFrame) -> Iterator[Reason]:
    undecided = int(history["outcome"].isna().sum())
    if undecided:
        yield Reason(
            f"{undecided:,} of {len(history):,} arrivals have no outcome: the load generator ended early; see logs/"
        )
    twice = int(history["registration_id"].duplicated().sum())
    if twice:
        yield Reason(f"{twice:,} registration ids stand more than once in the history; this is a bug, please report")


def _records_that_are_missing(history: pd.DataFrame, effects: pd.DataFrame) -> Iterator[Reason]:
    """A step that cannot have happened without an earlier one, of which there is no record.

    Each record is written before the next step is taken, so that a process which is killed leaves none of these.
    """
    acked = history["outcome"] == "acked"
    for rows, wanted, what in (
        (history[acked], ("received_ns", "stored_ns", "replied_ns"), "arrivals were acked"),
        (effects[effects["applied_ns"].notna()], ("received_ns", "started_ns"), "effects were applied"),
    ):
        missing = rows[list(wanted)].isna()
        number = int(missing.any(axis=1).sum())
        if number:
            first = _id_of(rows.loc[missing.any(axis=1), "index"].iloc[0], history)
            names = " or ".join(name.removesuffix("_ns") for name in wanted if missing[name].any())
            yield Reason(
                f"{number:,} {what} of which nobody recorded that they were {names} (the first: {first}); records were "
                "lost: is the disk full, or was a file in raw/ changed?"
            )


def _in_hand(trial: TrialResult) -> Iterator[Reason]:
    """The API's own count against its trace, by Little's law."""
    arrivals = pd.concat(
        [part[["received_ns", "replied_ns"]] for part in (trial.frames.warmup, trial.frames.history) if len(part)]
        or [trial.frames.history[["received_ns", "replied_ns"]]],
        ignore_index=True,
    )
    for found in disagreements(arrivals, trial.in_flight, trial.faults, trial.facts.duration_ns):
        yield Reason(
            f"the API saw {figure(found.counted)} registrations in flight on average from {seconds(found.begin_s)} to "
            f"{seconds(found.end_s)}, its rows say {figure(found.traced)} (they may differ by "
            f"{rough(found.limit)}): records were lost, or their times are wrong; this is a bug or a full disk, "
            "please look at raw/"
        )


def _gap(history: pd.DataFrame) -> Iterator[str]:
    sent = history[history["sent_ns"].notna()]
    delays_ms = schedule_delays_ms(sent)
    late = int((delays_ms > GAP_LIMIT_MS).sum())
    if late:
        worst = int(np.argmax(delays_ms))
        at_s = int(sent["intended_ns"].iloc[worst]) / 1e9
        yield (
            f"the load generator stood still: the arrival intended at {at_s:.3f} s was sent "
            f"{milliseconds(float(delays_ms[worst]))} late, and {late:,} of {len(history):,} by more than the limit of "
            f"{nominal_ms(GAP_LIMIT_MS)}"
        )


def _busy_generator(trial: TrialResult) -> Iterator[Reason]:
    names = sorted({str(name) for name in trial.resources["process"].unique()})
    # One process is called load; several are called load/0, load/1, …
    for process in [name for name in names if name.split("/")[0] == "load"]:
        busy = busiest_share(trial.resources, process, 0, trial.facts.duration_ns, BUSY_SPAN_S)
        if busy is not None and busy.value > BUSY_LIMIT:
            which = "the load generator" if process == "load" else f"the load generator's process {process}"
            yield Reason(
                f"{which} took {rough_percent(busy.value)} of a core over {BUSY_SPAN_S:g} s "
                f"(limit {rough_percent(BUSY_LIMIT)}); lower the rate: its latencies are partly its own",
                passing=True,
            )
    elsewhere = trial.facts.load_busy_share
    if elsewhere is not None and elsewhere > BUSY_LIMIT:
        yield Reason(
            f"a load worker on another host took {rough_percent(elsewhere)} of a core over {BUSY_SPAN_S:g} s "
            f"(limit {rough_percent(BUSY_LIMIT)}); lower the rate, or let more workers share it",
            passing=True,
        )


def _backwards(
    frame: pd.DataFrame, order: Sequence[str], rows: str, history: pd.DataFrame, error_ns: int = 0
) -> Iterator[Reason]:
    """Whether times that are there come in `order` in every row, but for `error_ns`."""
    latest = np.full(len(frame), -np.inf)
    wrong: NDArray[np.bool_] = np.zeros(len(frame), dtype=bool)
    for column in order:
        t_ns = frame[column].to_numpy(dtype=np.float64, na_value=np.nan)
        wrong |= t_ns < latest - error_ns
        latest = np.fmax(latest, t_ns)
    number = int(wrong.sum())
    if number:
        example = _id_of(frame["index"][wrong].iloc[0], history)
        yield Reason(
            f"the times of {number:,} {rows} run backwards (the first: {example}); "
            "the processes did not share one clock, or this is a bug: please report"
        )


def _id_of(index: int, history: pd.DataFrame) -> str:
    """The id of an arrival; a row of an effect that was read from disk has none of its own."""
    return str(history.loc[history["index"] == index, "registration_id"].iloc[0])
