"""The raw files of one trial as arrays: the load generator's rows and every process's trace, by place in the schedule.

What contradicts the schedule is left out and told: `problems` collects one sentence for each such thing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from benchmarks.load import rows as load_rows
from benchmarks.load.rows import NO_TIME
from registration import luck, trace


class Ids:
    """The registration ids of a schedule, and the way back from an id to its place in the schedule."""

    def __init__(self, block_seed: int, indices: NDArray[np.int64]) -> None:
        ids = [luck.registration_id(block_seed, index) for index in indices.tolist()]
        self.strings: NDArray[np.object_] = np.array([str(id_) for id_ in ids], dtype=object)
        halves = _halves(np.frombuffer(b"".join(id_.bytes for id_ in ids), dtype="V16"))
        # The first halves tell the ids of a block apart: look that up, then compare the second.
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
    """Who wrote a trace, and on which host; an earlier version did not say."""

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


def read_rows(path: Path, schedule: NDArray[np.void], problems: list[str]) -> NDArray[np.void]:
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


def rows_as_issued(path: Path, problems: list[str]) -> NDArray[np.void]:
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


def read_records(paths: Iterable[Path], ids: Ids, start_ns: int, problems: list[str]) -> Records:
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
