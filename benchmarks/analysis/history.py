"""The history of one trial: what the processes wrote, joined into one row per arrival and one per attempt.

    raw/load.rows ──┐
    raw/*.trace ────┼→ read_trial → history (one row per arrival), effects (one row per attempt), warmup
    the schedule ───┘   (a closed workload has none: its rows say what was issued)

What contradicts the schedule is left out and reported: `problems` collects one sentence for each such thing. Nothing is
judged here: no percentile, no category. All later steps are pure functions of these frames.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from benchmarks.load import rows as load_rows
from benchmarks.load.rows import NO_TIME, Outcome
from benchmarks.trial_result import TrialFacts, TrialFrames
from registration import luck, trace
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


def read_trial(raw: Path, facts: TrialFacts, schedule: NDArray[np.void] | None) -> TrialFrames:
    """Join the raw files of one trial in `raw`.

    `schedule` has shape (n,) with the fields `index` and `intended_ns`, warm-up (index < 0) included; a closed trial
    has none. Raises OSError where the generator left no rows at all.
    """
    problems: list[str] = []
    if schedule is None:
        # What was issued is what was offered: the rows are the schedule that could not be known before.
        rows = schedule = _rows_as_issued(raw / "load.rows", problems)
    else:
        rows = _read_rows(raw / "load.rows", schedule, problems)
    ids = Ids(facts.block_seed, schedule["index"])
    records = _read_records(sorted(raw.glob("*.trace")), ids, facts.start_ns, problems)
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
    """The host that sent each arrival: they are distributed in turn (`benchmarks.load.shares.deal`).

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

    The times of a receipt (received, settled) are on each of its attempts.
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
    # A restarted process counts its deliveries from 1 again, and its successor's first may well be the same
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


class Ids:
    """The registration ids of a schedule, and the way back from an id to its place in the schedule."""

    def __init__(self, block_seed: int, indices: NDArray[np.int64]) -> None:
        ids = [luck.registration_id(block_seed, index) for index in indices.tolist()]
        self.strings: NDArray[np.object_] = np.array([str(id_) for id_ in ids], dtype=object)
        halves = _halves(np.frombuffer(b"".join(id_.bytes for id_ in ids), dtype="V16"))
        # The first halves distinguish the ids of a block: look that up, then compare the second.
        self._lookup = pd.Index(halves[:, 0])
        self._second = halves[:, 1]
        if not self._lookup.is_unique:  # 60 random bits: one chance in 10⁸ among 100,000 arrivals
            raise ValueError("two registrations of this block share the first half of their ids; use another seed")

    def places(self, raw_ids: NDArray[np.void]) -> NDArray[np.int64]:
        """The place of each 16-byte id in the schedule, -1 where it is not of this block."""
        halves = _halves(raw_ids)
        places = self._lookup.get_indexer(pd.Index(halves[:, 0])).astype(np.int64)
        found = places >= 0
        found[found] = self._second[places[found]] == halves[found, 1]
        return np.where(found, places, -1)


def _halves(raw_ids: NDArray[np.void]) -> NDArray[np.uint64]:
    """Shape (n, 2), from n ids of 16 bytes."""
    return np.ascontiguousarray(raw_ids).view(np.uint64).reshape(-1, 2)


@dataclass(frozen=True)
class TracedProcess:
    """Which process wrote a trace, and on which host; an earlier version did not record that."""

    role: str
    service: str
    instance: int
    host: str | None


@dataclass(frozen=True)
class Records:
    """Every trace record of a scheduled registration, in each process's own order.

    Columns of `frame`, all whole numbers: process (its place in `processes`), place (in the schedule), t_ns (scenario
    time), delivery, attempt, kind.
    """

    processes: tuple[TracedProcess, ...]
    frame: pd.DataFrame

    def hosts(self, process: NDArray[np.int64]) -> pd.api.extensions.ExtensionArray:
        """The host of each process (its place in `processes`), missing where it is -1 or did not say."""
        hosts = np.array([*(each.host for each in self.processes), None], dtype=object)
        return pd.array(hosts[process], dtype="str")

    def of_role(self, role: str) -> pd.DataFrame:
        mine = np.array([process.role == role for process in self.processes], dtype=bool)
        return self.frame[mine[self.frame["process"].to_numpy()]] if mine.any() else self.frame.iloc[:0]


def _read_rows(path: Path, schedule: NDArray[np.void], problems: list[str]) -> NDArray[np.void]:
    """The generator's rows, one per place in the schedule; PENDING where it wrote none."""
    rows = load_rows.read(path)
    if np.array_equal(rows["index"], schedule["index"]) and np.array_equal(
        rows["intended_ns"], schedule["intended_ns"]
    ):
        return rows
    problems.append(
        f"the load generator's rows are not those of the schedule ({len(rows):,} rows, {len(schedule):,} planned)"
    )
    fitted = np.zeros(len(schedule), dtype=load_rows.ROW_DTYPE)
    fitted["sent_ns"] = fitted["answered_ns"] = NO_TIME
    places = pd.Index(schedule["index"]).get_indexer(pd.Index(rows["index"]))
    fitted[places[places >= 0]] = rows[places >= 0]
    return fitted


def _rows_as_issued(path: Path, problems: list[str]) -> NDArray[np.void]:
    """The rows of a closed workload, in order of issue: those that the file keeps ready for more are left out.

    Counted arrivals are numbered 0, 1, … as they were issued, those of the warm-up -1, -2, ….
    """
    rows = load_rows.read(path)
    rows = rows[rows["intended_ns"] != NO_TIME]
    counted = rows["index"] >= 0
    numbers = np.sort(rows["index"][counted]), np.sort(-1 - rows["index"][~counted])
    if not all(np.array_equal(found, np.arange(len(found))) for found in numbers):
        problems.append("the load generator's rows do not number the arrivals as they were issued")
        rows = rows[np.unique(rows["index"], return_index=True)[1]]
    ordered: NDArray[np.void] = rows[np.argsort(rows["intended_ns"], kind="stable")]
    return ordered


def _read_records(paths: Iterable[Path], ids: Ids, start_ns: int, problems: list[str]) -> Records:
    """Every trace in `paths`; scenario time 0 is at `start_ns`."""
    processes: list[TracedProcess] = []
    frames: list[pd.DataFrame] = []
    for path in paths:
        header, records = trace.read(path)
        if "role" not in header:
            problems.append(f"the trace {path.name} has no header: its process died before it was ready")
            continue
        places = ids.places(records["registration_id"])
        known = places >= 0
        strangers = len(records) - int(known.sum())
        if strangers:
            problems.append(f"the trace {path.name} names {strangers:,} registrations that were never scheduled")
        frames.append(
            pd.DataFrame(
                {
                    "process": np.int64(len(processes)),
                    "place": places[known],
                    "t_ns": records["t_ns"][known] - start_ns,
                    "delivery": records["delivery"][known].astype(np.int64),
                    "attempt": records["attempt"][known].astype(np.int64),
                    "kind": records["kind"][known],
                }
            )
        )
        processes.append(_writer_of(header))
    if not any(process.role == "api" for process in processes):
        problems.append("no API process left a trace")
    return Records(tuple(processes), pd.concat(frames, ignore_index=True) if frames else _no_records())


def _writer_of(header: Mapping[str, object]) -> TracedProcess:
    service, instance, host = (header.get(name) for name in ("service", "instance", "host"))
    return TracedProcess(
        str(header["role"]), str(service or ""), int(str(instance or 0)), None if host is None else str(host)
    )


def _no_records() -> pd.DataFrame:
    names = ("process", "place", "t_ns", "delivery", "attempt", "kind")
    return pd.DataFrame({name: np.empty(0, dtype=np.int64) for name in names})
