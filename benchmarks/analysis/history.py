"""The history of one trial: what the processes wrote, joined into one row per arrival and one per attempt.

    raw/load.rows ──┐
    raw/*.trace ────┼→ read_trial → history (one row per arrival), effects (one row per attempt), warmup
    the schedule ───┘   (a closed workload has none: its rows say what was issued)

Nothing is judged here: no percentile, no category. All later steps are pure functions of these frames.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from benchmarks.analysis.rawfiles import Ids, Records, read_records, read_rows, rows_as_issued
from benchmarks.load.rows import NO_TIME, Outcome
from registration.trace import RecordKind

HISTORY_COLUMNS = (
    *("trial", "variant", "block", "index", "registration_id"),
    *("intended_ns", "sent_ns", "received_ns", "stored_ns", "replied_ns", "answered_ns"),
    *("outcome", "status", "host", "api_host"),
)
EFFECTS_COLUMNS = (
    *("trial", "variant", "block", "index", "registration_id", "service", "attempt", "instance"),
    *("received_ns", "started_ns", "applied_ns", "settled_ns", "failed", "host"),
)

# A time that did not happen, as the load generator writes it.
_NONE_NS = np.int64(NO_TIME)


@dataclass(frozen=True)
class TrialFacts:
    """What the harness knows of one trial beside its rows; `trial.json` in the trial's folder.

    `pending` names the registrations whose message for a service was still in a log when the drain ended,
    `dead_lettered` those whose message the service had put into a topic for what it cannot do. CPU times
    and memory are those of the system under test (API, services, broker) by process; CPU times are cumulative, taken
    at scenario time 0 and at the end of the drain. `cores` are the machine's. `closed`: arrivals were issued as answers
    came, so that none was planned and each was intended when it was issued. `attempt` counts the times that the trial's
    block was repeated before; `superseded`: the block was repeated afterwards, for these `reasons`, and the trial does
    not count. `load_workers` made the load; where they were elsewhere, `load_clock` says how far their clocks were from
    ours (`offset_ms`, true to within `error_ms`, and whether it is the `same_host`), and `load_busy_share` the largest
    share of a core that one of them took over five seconds. `load_hosts`: theirs, by number;
    an earlier version did not say.
    """

    number: int
    variant: str
    base: str
    block: int
    block_seed: int
    start_ns: int  # CLOCK_MONOTONIC at scenario time 0
    duration_ns: int
    timeout_ms: float
    services: tuple[str, ...]
    drain_s: float | None
    drain_expired: bool
    readiness_proven: bool
    pending: dict[str, list[str]]
    broker: dict[str, object] | None
    cpu_begin_ms: dict[str, float]
    cpu_end_ms: dict[str, float]
    broker_idle_ms_per_s: float | None
    rss_mb_max: dict[str, float]
    dead_lettered: dict[str, list[str]] = field(default_factory=dict)
    cores: int = 1
    cpu_span_s: float = 0.0  # from the first to the last reading of the processor times
    closed: bool = False
    attempt: int = 0
    superseded: bool = False
    reasons: tuple[str, ...] = ()
    load_workers: int = 1
    load_clock: dict[str, object] | None = None
    load_busy_share: float | None = None
    load_hosts: tuple[str, ...] = ()

    @property
    def clock_error_ns(self) -> int | None:
        """By how much the times of the load may be off those of the services; None where all share one clock."""
        if self.load_clock is None or self.load_clock["same_host"]:
            return None
        return math.ceil(float(str(self.load_clock["error_ms"])) * 1e6)

    @property
    def label(self) -> str:
        """The name of the trial's folder."""
        return f"{self.number:02d}-{self.variant}"

    @property
    def end_ns(self) -> int:
        """Scenario time at the end of the drain; the end of the load where the drain was not timed."""
        return self.duration_ns + round((self.drain_s or 0.0) * 1e9)

    def as_dict(self) -> dict[str, object]:
        """A dictionary for JSON."""
        return {
            **asdict(self),
            "services": list(self.services),
            "reasons": list(self.reasons),
            "load_hosts": list(self.load_hosts),
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, object]) -> TrialFacts:
        """The inverse of `as_dict`. Raises TypeError where a field is missing."""
        known = {field.name: data[field.name] for field in fields(cls) if field.name in data}
        for name in ("services", "reasons", "load_hosts"):
            if isinstance(known.get(name), list):
                known[name] = tuple(known[name])  # type: ignore[arg-type]  # a list, as the line above says
        return cls(**known)  # type: ignore[arg-type]  # written by as_dict


@dataclass(frozen=True)
class TrialFrames:
    """One trial's frames. `problems` are sentences about raw files that contradict each other or the schedule.

    `outcome` is missing (null) where the generator never decided on an arrival: it died or was stopped.
    """

    history: pd.DataFrame
    effects: pd.DataFrame
    warmup: pd.DataFrame
    problems: tuple[str, ...] = ()


def read_trial(raw: Path, facts: TrialFacts, schedule: NDArray[np.void] | None) -> TrialFrames:
    """Join the raw files of one trial in `raw`.

    `schedule` has shape (n,) with the fields `index` and `intended_ns`, warm-up (index < 0) included; a closed trial
    has none. Raises OSError where the generator left no rows at all.
    """
    problems: list[str] = []
    if schedule is None:
        # What was issued is what was offered: the rows are the schedule that nobody could know before.
        rows = schedule = rows_as_issued(raw / "load.rows", problems)
    else:
        rows = read_rows(raw / "load.rows", schedule, problems)
    ids = Ids(facts.block_seed, schedule["index"])
    records = read_records(sorted(raw.glob("*.trace")), ids, facts.start_ns, problems)
    arrivals = _arrivals(facts, schedule, ids, rows, records)
    warm = schedule["index"] < 0
    return TrialFrames(
        history=arrivals[~warm].sort_values("index", ignore_index=True),
        effects=_effects(facts, schedule["index"], ids, records),
        warmup=arrivals[warm].sort_values("index", ignore_index=True),
        problems=tuple(problems),
    )


def _arrivals(
    facts: TrialFacts, schedule: NDArray[np.void], ids: Ids, rows: NDArray[np.void], records: Records
) -> pd.DataFrame:
    api = records.of_role("api")
    decided = rows["outcome"] != Outcome.PENDING
    names = {int(outcome): outcome.name.lower() for outcome in Outcome if outcome is not Outcome.PENDING}
    status = rows["status"].astype(np.int16)
    return pd.DataFrame(
        {
            **_identity(facts, schedule["index"], ids.strings),
            "intended_ns": _nullable(schedule["intended_ns"]),
            "sent_ns": _nullable(rows["sent_ns"]),
            "received_ns": _nullable(_first(api, RecordKind.RECEIVED, len(schedule))),
            "stored_ns": _nullable(_first(api, RecordKind.STORED, len(schedule))),
            "replied_ns": _nullable(_first(api, RecordKind.REPLIED, len(schedule))),
            "answered_ns": _nullable(np.where(decided, rows["answered_ns"], _NONE_NS)),
            "outcome": pd.Series(rows["outcome"]).map(names).astype("str"),
            "status": pd.arrays.IntegerArray(status, status == 0),
            "host": _load_hosts(facts, len(schedule)),
            "api_host": records.hosts(_processes(api, len(schedule))),
        },
        columns=list(HISTORY_COLUMNS),
    )


def _load_hosts(facts: TrialFacts, size: int) -> pd.api.extensions.ExtensionArray:
    """The host that sent each arrival: they are dealt out in turn (`benchmarks.load.shares.deal`).

    Those of a closed load are not, but all its workers are on one host.
    """
    hosts = np.array(facts.load_hosts or (None,), dtype=object)
    return pd.array(hosts[np.arange(size) % len(hosts)], dtype="str")


def _processes(records: pd.DataFrame, size: int) -> NDArray[np.int64]:
    """The process that has recorded each place of the schedule, -1 where none has."""
    process = np.full(size, -1, dtype=np.int64)
    process[records["place"].to_numpy()] = records["process"].to_numpy()
    return process


def _first(records: pd.DataFrame, kind: RecordKind, size: int) -> NDArray[np.int64]:
    """The earliest time of `kind` at each place of the schedule, `_NONE_NS` where there is none."""
    of_kind = records[records["kind"] == kind]
    return _earliest(of_kind["place"].to_numpy(), of_kind["t_ns"].to_numpy(), size)


def _earliest(places: NDArray[np.int64], t_ns: NDArray[np.int64], size: int) -> NDArray[np.int64]:
    latest = np.iinfo(np.int64).max
    first = np.full(size, latest, dtype=np.int64)
    np.minimum.at(first, places, t_ns)
    first[first == latest] = _NONE_NS
    return first


def _effects(facts: TrialFacts, indices: NDArray[np.int64], ids: Ids, records: Records) -> pd.DataFrame:
    """One row per attempt; a receipt that was never started has one row, without `started_ns`.

    The times of a receipt (received, settled) stand on each of its attempts.
    """
    mine = records.of_role("service")
    mine = mine[indices[mine["place"].to_numpy()] >= 0].reset_index(drop=True)
    mine["receipt"] = _receipts(mine)

    worked = mine["kind"].isin([RecordKind.STARTED, RecordKind.FAILED, RecordKind.APPLIED])
    attempts = mine.loc[worked, ["receipt", "attempt"]].drop_duplicates()
    waiting = mine[~mine["receipt"].isin(attempts["receipt"])].drop_duplicates("receipt")[["receipt", "attempt"]]
    waiting["attempt"] = waiting["attempt"].clip(lower=1)
    attempts = pd.concat([attempts, waiting], ignore_index=True)

    of_receipt = attempts["receipt"].to_numpy(dtype=np.int64)
    head = mine.drop_duplicates("receipt").set_index("receipt").loc[of_receipt]
    receipts = int(mine["receipt"].max()) + 1 if len(mine) else 0
    most = int(mine["attempt"].max()) + 1 if len(mine) else 1
    row = pd.Index(of_receipt * most + attempts["attempt"].to_numpy())

    def receipt_time(kind: RecordKind) -> NDArray[np.int64]:
        found = mine[mine["kind"] == kind]
        times: NDArray[np.int64] = np.take(
            _earliest(found["receipt"].to_numpy(), found["t_ns"].to_numpy(), receipts), of_receipt
        )
        return times

    def attempt_time(kind: RecordKind) -> NDArray[np.int64]:
        found = mine[mine["kind"] == kind]
        places = row.get_indexer(pd.Index(found["receipt"] * most + found["attempt"])).astype(np.int64)
        return _earliest(places, found["t_ns"].to_numpy(), len(attempts))

    process = head["process"].to_numpy()
    services = np.array([process.service for process in records.processes], dtype=object)
    instances = np.array([process.instance for process in records.processes], dtype=np.int16)
    place = head["place"].to_numpy(dtype=np.int64)
    frame = pd.DataFrame(
        {
            **_identity(facts, indices[place], ids.strings[place]),
            "service": pd.Series(services[process], dtype="str"),
            "attempt": attempts["attempt"].to_numpy(dtype=np.int32),
            "instance": instances[process],
            "received_ns": _nullable(receipt_time(RecordKind.RECEIVED)),
            "started_ns": _nullable(attempt_time(RecordKind.STARTED)),
            "applied_ns": _nullable(attempt_time(RecordKind.APPLIED)),
            "settled_ns": _nullable(receipt_time(RecordKind.SETTLED)),
            "failed": attempt_time(RecordKind.FAILED) != _NONE_NS,
            "host": records.hosts(process),
        },
        columns=list(EFFECTS_COLUMNS),
    )
    return frame.sort_values(["index", "service", "received_ns", "attempt"], ignore_index=True)


def _receipts(records: pd.DataFrame) -> NDArray[np.int64]:
    """The number of the receipt, from 0, that each record of a service belongs to."""
    arrival, _ = pd.factorize(records["process"] * (records["place"].max() + 1) + records["place"])
    receipt, _ = pd.factorize(arrival * (records["delivery"].max() + 1) + records["delivery"])
    # A process started again counts its deliveries from 1 again, and its successor's first may well be the same
    # registration: each further RECEIVED begins another receipt.
    life = (records["kind"] == RecordKind.RECEIVED).groupby(receipt).cumsum()
    numbers: NDArray[np.int64] = pd.factorize(receipt * (life.max() + 1) + life)[0].astype(np.int64)
    return numbers


def _identity(
    facts: TrialFacts, indices: NDArray[np.int64], registration_ids: NDArray[np.object_]
) -> dict[str, object]:
    """The columns that every frame begins with."""
    size = len(indices)
    return {
        "trial": np.full(size, facts.number, dtype=np.int16),
        "variant": pd.array([facts.variant] * size, dtype="str"),
        "block": np.full(size, facts.block, dtype=np.int16),
        "index": indices.astype(np.int64),
        "registration_id": pd.array(registration_ids, dtype="str"),
    }


def _nullable(t_ns: NDArray[np.int64]) -> pd.arrays.IntegerArray:
    return pd.arrays.IntegerArray(t_ns.astype(np.int64), t_ns == _NONE_NS)
