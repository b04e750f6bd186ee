"""The history of one trial: what the processes wrote, joined into one row per arrival and one per attempt.

    raw/load.rows ──┐
    raw/*.trace ────┼→ read_trial → history (one row per arrival), effects (one row per attempt), warmup
    the schedule ───┘

Nothing is judged here: no percentile, no category. All later steps are pure functions of these frames.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from benchmarks.load import rows as load_rows
from benchmarks.load.rows import NO_TIME, Outcome
from registration import luck, trace
from registration.trace import Kind

HISTORY_COLUMNS = (
    *("trial", "variant", "block", "index", "registration_id"),
    *("intended_ns", "sent_ns", "received_ns", "stored_ns", "replied_ns", "answered_ns"),
    *("outcome", "status"),
)
EFFECTS_COLUMNS = (
    *("trial", "variant", "block", "index", "registration_id", "service", "attempt", "instance"),
    *("received_ns", "started_ns", "applied_ns", "settled_ns", "failed"),
)

# A time that did not happen, as the load generator writes it; pandas' own marker for none has the same value.
_NONE_NS = np.int64(NO_TIME)


@dataclass(frozen=True)
class TrialFacts:
    """What the harness knows of one trial beside its rows; `trial.json` in the trial's folder.

    `pending` names the registrations whose message for a service was still in a log when the drain ended. CPU times
    are cumulative per process, taken at scenario time 0 and at the end of the drain. `cores` are the machine's.
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
    events_over: list[dict[str, object]]
    cpu_begin_ms: dict[str, float]
    cpu_end_ms: dict[str, float]
    broker_idle_ms_per_s: float | None
    rss_mb_max: dict[str, float]
    cores: int = 1

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
        return {**asdict(self), "services": list(self.services)}

    @classmethod
    def from_dict(cls, data: Mapping[str, object]) -> TrialFacts:
        """The inverse of `as_dict`. Raises TypeError where a field is missing."""
        known = {field.name: data[field.name] for field in fields(cls) if field.name in data}
        services = known.get("services")
        if isinstance(services, list):
            known["services"] = tuple(services)
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


def read_trial(raw: Path, facts: TrialFacts, schedule: NDArray[np.void]) -> TrialFrames:
    """Join the raw files of one trial in `raw`.

    `schedule` has shape (n,) with the fields `index` and `intended_ns`, warm-up (index < 0) included. Raises OSError
    where the generator left no rows at all.
    """
    problems: list[str] = []
    ids = _Ids(facts.block_seed, schedule["index"])
    rows = _load_rows(raw / "load.rows", schedule, problems)
    records = _records(sorted(raw.glob("*.trace")), ids, facts.start_ns, problems)
    arrivals = _arrivals(facts, schedule, ids, rows, records)
    warm = schedule["index"] < 0
    return TrialFrames(
        history=arrivals[~warm].sort_values("index", ignore_index=True),
        effects=_effects(facts, schedule["index"], ids, records),
        warmup=arrivals[warm].sort_values("index", ignore_index=True),
        problems=tuple(problems),
    )


class _Ids:
    """The registration ids of a schedule, and the way back from an id to its place in the schedule."""

    def __init__(self, block_seed: int, indices: NDArray[np.int64]) -> None:
        self._ids = [luck.registration_id(block_seed, int(index)) for index in indices]
        halves = _halves(np.frombuffer(b"".join(id_.bytes for id_ in self._ids), dtype="V16"))
        # Most ids differ in their first half already: look that up, then compare the second.
        self._lookup = pd.Index(halves[:, 0])
        self._second = halves[:, 1]
        if not self._lookup.is_unique:  # 60 random bits: one chance in 10⁸ among 100,000 arrivals
            raise ValueError("two registrations of this block share the first half of their ids; use another seed")

    def strings(self) -> NDArray[np.object_]:
        return np.array([str(id_) for id_ in self._ids], dtype=object)

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


def _load_rows(path: Path, schedule: NDArray[np.void], problems: list[str]) -> NDArray[np.void]:
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
    fitted["sent_ns"] = fitted["answered_ns"] = _NONE_NS
    places = pd.Index(schedule["index"]).get_indexer(pd.Index(rows["index"]))
    fitted[places[places >= 0]] = rows[places >= 0]
    return fitted


def _records(paths: Iterable[Path], ids: _Ids, start_ns: int, problems: list[str]) -> pd.DataFrame:
    """Every trace record of a scheduled registration, in each process's own order.

    Columns: process (number of the file), role, service, instance, place (in the schedule), t_ns (scenario time),
    delivery, attempt, kind.
    """
    frames = []
    for number, path in enumerate(paths):
        header, records = trace.read(path)
        if "role" not in header:
            problems.append(f"the trace {path.name} has no header: its process died before it was ready")
            continue
        places = ids.places(records["registration_id"]) if len(records) else np.empty(0, dtype=np.int64)
        strangers = int((places < 0).sum())
        if strangers:
            problems.append(f"the trace {path.name} names {strangers:,} registrations that were never scheduled")
        known = places >= 0
        frames.append(
            pd.DataFrame(
                {
                    "process": np.int64(number),
                    "role": str(header["role"]),
                    "service": str(header.get("service") or ""),
                    "instance": np.int16(int(str(header.get("instance") or 0))),
                    "place": places[known],
                    "t_ns": records["t_ns"][known].astype(np.int64) - start_ns,
                    "delivery": records["delivery"][known].astype(np.int64),
                    "attempt": records["attempt"][known].astype(np.int32),
                    "kind": records["kind"][known],
                }
            )
        )
    if not frames:
        problems.append("no process left a trace")
        frames.append(_no_records())
    return pd.concat(frames, ignore_index=True)


def _no_records() -> pd.DataFrame:
    whole = ("process", "place", "t_ns", "delivery", "attempt", "kind", "instance")
    return pd.DataFrame({**{name: np.empty(0, dtype=np.int64) for name in whole}, "role": "", "service": ""}, index=[])


def _arrivals(
    facts: TrialFacts, schedule: NDArray[np.void], ids: _Ids, rows: NDArray[np.void], records: pd.DataFrame
) -> pd.DataFrame:
    api = records[records["role"] == "api"]
    decided = rows["outcome"] != Outcome.PENDING
    names = {int(outcome): outcome.name.lower() for outcome in Outcome if outcome is not Outcome.PENDING}
    status = rows["status"].astype(np.int16)
    return pd.DataFrame(
        {
            **_identity(facts, schedule["index"], ids.strings()),
            "intended_ns": _nullable(schedule["intended_ns"]),
            "sent_ns": _nullable(rows["sent_ns"]),
            "received_ns": _nullable(_first(api, Kind.RECEIVED, len(schedule))),
            "stored_ns": _nullable(_first(api, Kind.STORED, len(schedule))),
            "replied_ns": _nullable(_first(api, Kind.REPLIED, len(schedule))),
            "answered_ns": _nullable(np.where(decided, rows["answered_ns"], _NONE_NS)),
            "outcome": pd.Series(rows["outcome"]).map(names).astype("str"),
            "status": pd.arrays.IntegerArray(status, status == 0),
        },
        columns=list(HISTORY_COLUMNS),
    )


def _first(records: pd.DataFrame, kind: Kind, size: int) -> NDArray[np.int64]:
    """The earliest time of `kind` at each place of the schedule, `_NONE_NS` where there is none."""
    of_kind = records[records["kind"] == kind]
    return _earliest(of_kind["place"].to_numpy(), of_kind["t_ns"].to_numpy(), size)


def _earliest(places: NDArray[np.int64], t_ns: NDArray[np.int64], size: int) -> NDArray[np.int64]:
    latest = np.iinfo(np.int64).max
    first = np.full(size, latest)
    np.minimum.at(first, places, t_ns)
    return np.where(first == latest, _NONE_NS, first)


def _effects(facts: TrialFacts, indices: NDArray[np.int64], ids: _Ids, records: pd.DataFrame) -> pd.DataFrame:
    """One row per attempt; a receipt that was never started has one row, without `started_ns`.

    The times of a receipt (received, settled) stand on each of its attempts.
    """
    mine = records[(records["role"] == "service") & (indices[records["place"].to_numpy()] >= 0)]
    mine = mine.reset_index(drop=True)
    receipt = ["process", "place", "delivery"]
    # A process started again counts its deliveries from 1 again: what tells two receipts apart is how many there were.
    mine["life"] = (mine["kind"] == Kind.RECEIVED).groupby([mine[name] for name in receipt]).cumsum()
    mine["receipt"] = mine.groupby([*receipt, "life"], sort=False).ngroup()

    worked = mine["kind"].isin([Kind.STARTED, Kind.FAILED, Kind.APPLIED])
    attempts = mine.loc[worked, ["receipt", "attempt"]].drop_duplicates()
    waiting = mine[~mine["receipt"].isin(attempts["receipt"])].drop_duplicates("receipt")[["receipt", "attempt"]]
    waiting["attempt"] = waiting["attempt"].clip(lower=1)
    attempts = pd.concat([attempts, waiting], ignore_index=True)

    receipts = int(mine["receipt"].max()) + 1 if len(mine) else 0
    of_receipt = attempts["receipt"].to_numpy(dtype=np.int64)
    head = mine.drop_duplicates("receipt").set_index("receipt").loc[of_receipt]
    row = pd.MultiIndex.from_frame(attempts)

    def receipt_time(kind: Kind) -> NDArray[np.int64]:
        found = mine[mine["kind"] == kind]
        return _earliest(found["receipt"].to_numpy(), found["t_ns"].to_numpy(), receipts)[of_receipt]

    def attempt_time(kind: Kind) -> NDArray[np.int64]:
        found = mine[mine["kind"] == kind]
        places = row.get_indexer(pd.MultiIndex.from_frame(found[["receipt", "attempt"]])).astype(np.int64)
        return _earliest(places, found["t_ns"].to_numpy(), len(attempts))

    place = head["place"].to_numpy(dtype=np.int64)
    frame = pd.DataFrame(
        {
            **_identity(facts, indices[place], ids.strings()[place]),
            "service": pd.array(head["service"].to_numpy(), dtype="str"),
            "attempt": attempts["attempt"].to_numpy(dtype=np.int32),
            "instance": head["instance"].to_numpy(dtype=np.int16),
            "received_ns": _nullable(receipt_time(Kind.RECEIVED)),
            "started_ns": _nullable(attempt_time(Kind.STARTED)),
            "applied_ns": _nullable(attempt_time(Kind.APPLIED)),
            "settled_ns": _nullable(receipt_time(Kind.SETTLED)),
            "failed": attempt_time(Kind.FAILED) != _NONE_NS,
        },
        columns=list(EFFECTS_COLUMNS),
    )
    return frame.sort_values(["index", "service", "received_ns", "attempt"], ignore_index=True)


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
