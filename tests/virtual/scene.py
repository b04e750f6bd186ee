"""What a variant lived through in virtual time: registrations at given instants, and all that was left behind."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from benchmarks.planning.arrivals import SCHEDULE_FIELDS
from benchmarks.planning.plan import make_plan
from benchmarks.scenario import load_text
from registration import luck
from registration.trace import RecordKind, TraceRecord
from virtual.trial import VirtualTrial

MS = 1_000_000


@dataclass(frozen=True)
class Record:
    """One record of a trace, in scenario ms."""

    process: str
    index: int
    kind: RecordKind
    at_ms: float
    delivery: int
    attempt: int
    status: int

    @property
    def service(self) -> str:
        return self.process.partition("/")[0]


@dataclass(frozen=True)
class Lived:
    """`statuses` by index; 0 where nobody answered in time. `records` in the order of time."""

    statuses: dict[int, int]
    replied_ms: dict[int, float]
    stored: set[int]
    records: tuple[Record, ...]

    def of(self, kind: RecordKind, *, service: str | None = None, index: int | None = None) -> list[Record]:
        return [
            record
            for record in self.records
            if record.kind is kind and service in (None, record.service) and index in (None, record.index)
        ]

    def applied(self, index: int) -> list[str]:
        """The services whose effect is there, sorted; twice where it is there twice."""
        return sorted(record.service for record in self.of(RecordKind.APPLIED, index=index))


def live(variant: str, at_ms: Sequence[float], rest: str = "", *, timeout: str = "10s") -> Lived:
    """Registrations 0, 1, … at `at_ms`; `rest` is the rest of the scenario, `timeout` people's patience."""
    workload = f"{{rate: 20, duration: 6s, warmup: 0s, timeout: {timeout}}}"
    text = f"version: 1\nname: x\nvariants: [{variant}]\nworkload: {workload}\n"
    plan = make_plan(load_text(text + rest, "x"))
    schedule = np.array([(index, round(at * MS)) for index, at in enumerate(at_ms)], dtype=np.dtype(SCHEDULE_FIELDS))
    trial = VirtualTrial(plan, variant, schedule=schedule)
    try:
        trial.run()
        number = {luck.registration_id(trial.seed, index): index for index in range(len(at_ms))}

        def read(process: str, row: TraceRecord) -> Record:
            at = (row.t_ns - trial.start_ns) / MS
            return Record(process, number[row.registration_id], row.kind, at, row.delivery, row.attempt, row.status)

        rows = [read(process, row) for process, of in trial.world.traces.items() for row in of]
        people = trial.people
        return Lived(
            dict(zip(people.index, people.status, strict=True)),
            {index: at / MS for index, at in zip(people.index, people.replied_ns, strict=True)},
            {number[id_] for id_ in trial.world.users.users},
            tuple(sorted(rows, key=lambda record: record.at_ms)),
        )
    finally:
        trial.close()
