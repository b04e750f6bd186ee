"""The history of one trial: what the processes wrote, joined into one row per arrival and one per attempt.

    raw/load.rows ──┐
    raw/*.trace ────┼→ read_trial → history (one row per arrival), effects (one row per attempt), warmup
    the schedule ───┘   (a closed workload has none: its rows say what was issued)

Nothing is judged here: no percentile, no category. All later steps are pure functions of these frames.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from benchmarks.analysis.rawfiles import Ids, Records, read_records, read_rows, rows_as_issued
from benchmarks.load.rows import NO_TIME, Outcome
from benchmarks.trial_result import TrialFacts, TrialFrames
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
