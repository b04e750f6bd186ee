"""Trials made by hand: raw files as the processes write them, for a script or a simulated queue with exact figures."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from benchmarks.analysis.history import read_trial
from benchmarks.analysis.reconcile import reconcile
from benchmarks.analysis.summary import summarise
from benchmarks.load.rows import NO_TIME, ROW_DTYPE, SCHEDULE_DTYPE, Outcome
from benchmarks.scenario import Scenario, load_text
from benchmarks.trial_result import TrialFacts, TrialFrames, TrialResult
from registration import luck
from registration.trace import RECORD_FIELDS, RecordKind

SERVICES = ("email", "analytics", "cache")
START_NS = 5_000_000_000_000  # CLOCK_MONOTONIC at scenario time 0
BLOCK_SEED = luck.block_seed(1, 0)
SECOND = 1_000_000_000

# Sampled beside a trial: what stands in a folder of its own in the results.
LAG_COLUMNS = ("trial", "variant", "block", "t_ns", "group", "lag")
RESOURCES_COLUMNS = ("trial", "variant", "block", "t_ns", "process", "cpu_ms", "rss_mb")
FAULTS_COLUMNS = (
    *("trial", "variant", "block", "name", "target", "type"),
    *("planned_begin_ns", "planned_end_ns", "begin_ns", "end_ns", "ready_s", "applicable"),
)


NO_WINDOWS: Mapping[str, tuple[int, int] | None] = {"before": None, "during": None, "after": None}


def ns(milliseconds: float) -> int:
    return round(milliseconds * 1e6)


def around(during: tuple[int, int], facts: TrialFacts) -> dict[str, tuple[int, int] | None]:
    """The windows of a trial whose one fault lasts over `during`."""
    return {"before": (0, during[0]), "during": during, "after": (during[1], facts.duration_ns)}


def facts_of(**changes: object) -> TrialFacts:
    """The facts of a quiet trial of 10 s on `sync`, with what differs."""
    facts = TrialFacts(
        number=1,
        variant="sync",
        base="sync",
        block=0,
        block_seed=BLOCK_SEED,
        start_ns=START_NS,
        duration_ns=10 * SECOND,
        timeout_ms=10_000.0,
        services=SERVICES,
        drain_s=0.5,
        drain_expired=False,
        readiness_proven=True,
        pending={},
        broker=None,
        cpu_begin_ms={},
        cpu_end_ms={},
        broker_idle_ms_per_s=None,
        rss_mb_max={},
        cores=2,
    )
    return replace(facts, **changes)  # type: ignore[arg-type]


@dataclass
class Script:
    """A trial written event by event, times in milliseconds of scenario time; `write` makes its raw files."""

    facts: TrialFacts = field(default_factory=facts_of)
    rows: list[tuple[int, int, int, int, int, int]] = field(default_factory=list)
    records: dict[str, list[tuple[int, bytes, int, int, int, int]]] = field(default_factory=dict)
    deliveries: dict[str, int] = field(default_factory=dict)
    hosts: dict[str, str] = field(default_factory=dict)

    def arrival(
        self,
        index: int,
        intended_ms: float,
        sent_ms: float | None = None,
        answered_ms: float | None = None,
        outcome: Outcome = Outcome.ACKED,
        status: int = 202,
    ) -> None:
        """A row of the load generator."""
        times = [NO_TIME if ms is None else ns(ms) for ms in (sent_ms, answered_ms)]
        self.rows.append((index, ns(intended_ms), *times, status, int(outcome)))

    def api(
        self, index: int, received_ms: float, stored_ms: float | None = None, replied_ms: float | None = None
    ) -> None:
        """What the API recorded."""
        for kind, ms in (
            (RecordKind.RECEIVED, received_ms),
            (RecordKind.STORED, stored_ms),
            (RecordKind.REPLIED, replied_ms),
        ):
            if ms is not None:
                self.record("api/0", kind, index, ms)

    def effect(
        self,
        index: int,
        service: str,
        applied_ms: float | None,
        *,
        received_ms: float | None = None,
        started_ms: float | None = None,
        settled_ms: float | None = None,
        failed_ms: Sequence[float] = (),
        instance: int = 0,
    ) -> None:
        """One receipt of a service: attempts that failed, then the one that was applied, if any."""
        process = f"{service}/{instance}"
        self.deliveries[process] = delivery = self.deliveries.get(process, 0) + 1
        end_ms = applied_ms if applied_ms is not None else (failed_ms[0] if failed_ms else received_ms)
        assert end_ms is not None, "an effect needs a time"
        received_ms = end_ms if received_ms is None else received_ms
        started_ms = received_ms if started_ms is None else started_ms
        self.record(process, RecordKind.RECEIVED, index, received_ms, delivery)  # attempts begin with the work
        attempt = 0
        for attempt, ms in enumerate(failed_ms, start=1):
            self.record(process, RecordKind.STARTED, index, started_ms, delivery, attempt)
            self.record(process, RecordKind.FAILED, index, ms, delivery, attempt)
            started_ms = ms
        if applied_ms is not None:
            self.record(process, RecordKind.STARTED, index, started_ms, delivery, attempt + 1)
            self.record(process, RecordKind.APPLIED, index, applied_ms, delivery, attempt + 1)
        if settled_ms is not None:
            self.record(process, RecordKind.SETTLED, index, settled_ms, delivery)

    def record(
        self,
        process: str,
        kind: RecordKind,
        index: int,
        ms: float,
        delivery: int = 1,
        attempt: int = 0,
        status: int = 0,
    ) -> None:
        id_ = luck.registration_id(self.facts.block_seed, index)
        entry = (self.facts.start_ns + ns(ms), id_.bytes, delivery, attempt, status, int(kind))
        self.records.setdefault(process, []).append(entry)

    def happy(self, index: int, intended_ms: float, *, accept_ms: float = 150.0) -> None:
        """A registration for which all goes well, over `accept_ms`, one service after the other."""
        end_ms = intended_ms + accept_ms
        self.arrival(index, intended_ms, intended_ms, end_ms, status=201)
        self.api(index, intended_ms, intended_ms, end_ms)
        for number, service in enumerate(self.facts.services, start=1):
            self.effect(index, service, intended_ms + accept_ms * number / len(self.facts.services))

    def schedule(self) -> NDArray[np.void]:
        return np.array([row[:2] for row in sorted(self.rows, key=lambda row: row[1])], dtype=SCHEDULE_DTYPE)

    def write(self, raw: Path) -> None:
        raw.mkdir(parents=True, exist_ok=True)
        rows = np.zeros(len(self.rows), dtype=ROW_DTYPE)
        for place, row in enumerate(sorted(self.rows, key=lambda row: row[1])):
            rows[place] = (*row, b"")
        rows.tofile(raw / "load.rows")
        for process in {"api/0": None, **self.records}:
            records = np.zeros(len(self.records.get(process, [])), dtype=np.dtype(RECORD_FIELDS))
            for place, record in enumerate(sorted(self.records.get(process, []), key=lambda record: record[0])):
                records[place] = (*record, b"")
            write_trace(raw, process, records, self.hosts.get(process))

    def frames(self, raw: Path) -> TrialFrames:
        self.write(raw)
        return read_trial(raw, self.facts, self.schedule())


def write_trace(raw: Path, process: str, records: NDArray[np.void], host: str | None = None) -> None:
    """A trace file as `registration.trace.Trace` writes it, in one go."""
    name, instance = process.split("/")
    role, service = ("api", None) if name == "api" else ("service", name)
    header = {"process": process, "role": role, "service": service, "instance": int(instance), "pid": 1}
    header |= {} if host is None else {"host": host}
    path = raw / f"{name}-{instance}.trace"
    path.write_bytes(json.dumps(header).encode() + b"\n" + records.tobytes())


@dataclass(frozen=True)
class Fault:
    """Email takes `extra_ms` longer for work that begins in [begin_s, end_s)."""

    begin_s: float = 6.0
    end_s: float = 12.0
    extra_ms: float = 800.0


def simulate(
    raw: Path,
    facts: TrialFacts,
    schedule: NDArray[np.void],
    *,
    service_ms: Mapping[str, float],
    fault: Fault | None = None,
    sigma: float = 0.0,
    servers: int = 64,
) -> TrialFrames:
    """Write and read a simulated trial: `sync` calls its services in turn, `events` replies after a publish of 3 ms.

    Service times are `service_ms`, spread log-normally by `sigma`; each service has `servers` servers and one queue in
    order of arrival. A call is given 2 s, after which the registration fails.
    """
    rng = np.random.default_rng(facts.block_seed)
    intended = schedule["intended_ns"].astype(np.float64)
    sent = intended + 50_000
    received = sent + 200_000
    stored = received + 500_000
    events = facts.base == "events"
    clock = stored.copy()
    reached = np.ones(len(schedule), dtype=bool)  # the direct caller gives up at the first failure
    records: dict[str, list[NDArray[np.void]]] = {}
    last = stored.copy()
    for service, mean_ms in service_ms.items():
        arrive = (stored + 3e6 if events else clock) + 200_000
        work = mean_ms * 1e6 * np.exp(sigma * rng.standard_normal(len(schedule)))
        begin, end = _queue(arrive, work, reached, servers, fault if service == "email" else None)
        _service_records(records, service, schedule, facts, arrive, begin, end, reached)
        last = np.where(reached, np.maximum(last, end), last)
        if not events:
            late = end - clock > 2e9
            clock = np.where(reached, np.where(late, clock + 2e9, end + 300_000), clock)
            reached &= ~late
    replied = stored + 3e6 if events else clock
    answered = replied + 200_000
    gone = answered - intended > facts.timeout_ms * 1e6
    rows = np.zeros(len(schedule), dtype=ROW_DTYPE)
    rows["index"], rows["intended_ns"], rows["sent_ns"] = schedule["index"], schedule["intended_ns"], sent
    rows["answered_ns"] = np.where(gone, NO_TIME, answered)
    ok = np.ones(len(schedule), dtype=bool) if events else reached
    rows["status"] = np.where(gone, 0, np.where(ok, 202 if events else 201, 504))
    rows["outcome"] = np.where(gone, Outcome.INDETERMINATE, np.where(ok, Outcome.ACKED, Outcome.FAILED))
    raw.mkdir(parents=True, exist_ok=True)
    rows.tofile(raw / "load.rows")
    api = [
        _records(schedule, facts, at, RecordKind(kind), np.ones(len(schedule), dtype=bool), 0)
        for kind, at in ((RecordKind.RECEIVED, received), (RecordKind.STORED, stored), (RecordKind.REPLIED, replied))
    ]
    for process, parts in {"api/0": api, **records}.items():
        every = np.concatenate(parts)
        write_trace(raw, process, every[np.argsort(every["t_ns"], kind="stable")])
    return read_trial(raw, facts, schedule)


def _queue(
    arrive: NDArray[np.float64],
    work: NDArray[np.float64],
    reached: NDArray[np.bool_],
    servers: int,
    fault: Fault | None,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """When the work of each arrival begins and ends, first come, first served, with `servers` at work at once."""
    begin, end = np.full(len(arrive), np.nan), np.full(len(arrive), np.nan)
    free = np.full(servers, -np.inf)
    for place in np.argsort(arrive, kind="stable"):
        if not reached[place]:
            continue
        server = int(np.argmin(free))
        begin[place] = max(arrive[place], free[server])
        slow = fault is not None and fault.begin_s * 1e9 <= begin[place] < fault.end_s * 1e9
        end[place] = begin[place] + work[place] + (fault.extra_ms * 1e6 if fault and slow else 0.0)
        free[server] = end[place]
    return begin, end


def _service_records(
    records: dict[str, list[NDArray[np.void]]],
    service: str,
    schedule: NDArray[np.void],
    facts: TrialFacts,
    arrive: NDArray[np.float64],
    begin: NDArray[np.float64],
    end: NDArray[np.float64],
    reached: NDArray[np.bool_],
) -> None:
    work = [
        _records(schedule, facts, at, kind, reached, 1)
        for kind, at in ((RecordKind.STARTED, begin), (RecordKind.APPLIED, end))
    ]
    receipt = ((RecordKind.RECEIVED, arrive), (RecordKind.SETTLED, end + 200_000))
    # The receipt first: of records of the same instant it is the one that a process writes first.
    parts = [*(_records(schedule, facts, at, kind, reached, 0) for kind, at in receipt), *work]
    records.setdefault(f"{service}/0", []).extend(parts)


def _records(
    schedule: NDArray[np.void],
    facts: TrialFacts,
    at: NDArray[np.float64],
    kind: RecordKind,
    where: NDArray[np.bool_],
    attempt: int,
) -> NDArray[np.void]:
    ids = b"".join(luck.registration_id(facts.block_seed, int(index)).bytes for index in schedule["index"][where])
    records = np.zeros(int(where.sum()), dtype=np.dtype(RECORD_FIELDS))
    records["t_ns"] = facts.start_ns + at[where].astype(np.int64)
    records["registration_id"] = np.frombuffer(ids, dtype="V16")
    records["delivery"] = np.flatnonzero(where) + 1
    records["attempt"] = attempt
    records["kind"] = kind
    return records


def quiet(facts: TrialFacts, frames: TrialFrames) -> TrialResult:
    """A trial beside which nothing was sampled."""
    return TrialResult(
        facts=facts,
        frames=frames,
        lag=pd.DataFrame(columns=list(LAG_COLUMNS)),
        resources=pd.DataFrame(columns=list(RESOURCES_COLUMNS)),
        faults=pd.DataFrame(columns=list(FAULTS_COLUMNS)),
    )


def scenario_of(**changes: object) -> Scenario:
    """`slow-downstream` in small: 40 arrivals a second for 20 s, email 800 ms slower from 6 s to 12 s."""
    data: dict[str, object] = {
        "version": 1,
        "name": "slow-downstream",
        "title": "The email service becomes slow",
        "claim": "synchronous-blocking",
        "workload": {"rate": 40, "duration": "20s", "warmup": "2s"},
        "slo": {"accept": "300ms", "complete": "30s"},
        "faults": [{"target": "email", "type": "latency", "at": "6s", "duration": "6s", "latency": "800ms"}],
        "hypothesis": {"metric": "slo_ratio{window:during}", "difference": "events-sync", "expect": "> 0.5"},
        "thresholds": {"registrations.lost": ["== 0"], "accept_latency_ms.p95{variant:events}": ["< 100"]},
    }
    return load_text(json.dumps({**data, **changes}), "a test")  # JSON is YAML


def result_of(
    scenario: Scenario, number: int, variant: str, block: int, raw: Path, *, servers: int = 64
) -> TrialResult:
    """One simulated trial of a scenario shaped like `scenario_of`'s, samples included."""
    from benchmarks.planning.arrivals import schedule

    events = scenario.variant(variant).base == "events"
    seed = luck.block_seed(scenario.seed, block)
    duration_s = scenario.workload.duration_s
    processes = ["api/0", *(f"{service}/0" for service in SERVICES), *(["broker"] if events else [])]
    rates = {"api/0": 90.0, "email/0": 30.0, "analytics/0": 60.0, "cache/0": 30.0, "broker": 200.0, "load": 120.0}
    rates |= {"harness": 40.0, "machine": 4.0}
    facts = facts_of(
        number=number,
        variant=variant,
        base=scenario.variant(variant).base,
        block=block,
        block_seed=seed,
        duration_ns=round(duration_s * 1e9),
        timeout_ms=scenario.workload.timeout_ms,
        drain_s=0.9,
        broker={"kind": "kafka", "version": "4.1.0"} if events else None,
        cpu_begin_ms=dict.fromkeys(processes, 500.0),
        cpu_end_ms={process: 500.0 + rates[process] * (duration_s + 0.9) for process in processes},
        broker_idle_ms_per_s=20.0 if events else None,
        rss_mb_max={process: 310.0 if process == "broker" else 45.0 for process in processes},
    )
    faults = scenario.faults
    fault = Fault(faults[0].begin_ns / 1e9, faults[0].end_ns / 1e9) if faults else None
    frames = simulate(
        raw,
        facts,
        schedule(scenario.workload, seed),
        service_ms={"email": 20.0, "analytics": 10.0, "cache": 2.0},
        fault=fault,
        sigma=0.4,
        servers=servers,
    )
    identity = (number, variant, block)
    return TrialResult(
        facts,
        frames,
        lag=_lag(frames, facts, identity) if events else pd.DataFrame(columns=list(LAG_COLUMNS)),
        resources=_resources(rates, [*processes, "load", "harness", "machine"], duration_s, identity),
        faults=pd.DataFrame(
            [
                (
                    *identity,
                    f.name,
                    f.target,
                    f.type,
                    f.begin_ns,
                    f.end_ns,
                    f.begin_ns + ns(1),
                    f.end_ns + ns(1),
                    None,
                    True,
                )
                for f in faults
            ],
            columns=list(FAULTS_COLUMNS),
        ),
    )


def _lag(frames: TrialFrames, facts: TrialFacts, identity: tuple[int, str, int]) -> pd.DataFrame:
    """Sampled every 0.2 s: what a service received and has not settled."""
    rows = []
    for service in SERVICES:
        mine = frames.effects[frames.effects["service"] == service]
        received, settled = mine["received_ns"].to_numpy(dtype=float), mine["settled_ns"].to_numpy(dtype=float)
        for t_ns in range(-2 * SECOND, facts.end_ns, SECOND // 5):
            lag = int((received <= t_ns).sum() - (settled <= t_ns).sum())
            rows.append((*identity, t_ns, service, lag))
    return pd.DataFrame(rows, columns=list(LAG_COLUMNS))


def _resources(
    rates: Mapping[str, float], processes: Sequence[str], duration_s: float, identity: tuple[int, str, int]
) -> pd.DataFrame:
    """Sampled every 0.5 s; `rates` are milliseconds of processor time a second."""
    rows = [
        (
            *identity,
            round(t_s * 1e9),
            process,
            500.0 + rates[process] * (t_s + 2),
            None if process == "machine" else 45.0,
        )
        for t_s in np.arange(-2.0, duration_s + 1.0, 0.5)
        for process in processes
    ]
    return pd.DataFrame(rows, columns=list(RESOURCES_COLUMNS))


def run_of(scenario: Scenario, raw: Path, *, servers: int = 64) -> list[TrialResult]:
    """Every trial of a scenario, simulated, in blocks of alternating order."""
    results: list[TrialResult] = []
    for block in range(scenario.blocks):
        names = scenario.variant_names if block % 2 == 0 else tuple(reversed(scenario.variant_names))
        for variant in names:
            number = len(results) + 1
            results.append(
                result_of(scenario, number, variant, block, raw / f"{number:02d}-{variant}", servers=servers)
            )
    return results


def write_results(out: Path, *, servers: int = 64, judged: bool = True, **changes: object) -> Scenario:
    """A results directory of a simulated run: the Parquet files, `summary.json` and `trials/`; returns its scenario.

    `changes` go into `scenario_of`; without `judged` the summary is left to the caller.
    With `servers=16` email is overloaded while it is slow, and a backlog grows.
    """
    scenario = scenario_of(**changes)
    results = run_of(scenario, out / "raw", servers=servers)
    frames: dict[str, list[pd.DataFrame]] = {}
    for result in results:
        trial = out / "trials" / result.facts.label
        trial.mkdir(parents=True, exist_ok=True)
        parts = {
            "history": result.frames.history,
            "effects": result.frames.effects,
            "lag": result.lag,
            "resources": result.resources,
            "faults": result.faults,
            "registrations": reconcile(result.frames.history, result.frames.effects, result.facts).frame,
        }
        for name, frame in parts.items():
            frame.to_parquet(trial / f"{name}.parquet", index=False)
            frames.setdefault(name, []).append(frame)
        result.frames.warmup.to_parquet(trial / "warmup.parquet", index=False)
        (trial / "trial.json").write_text(json.dumps(result.facts.as_dict(), indent=1))
    for name, parts_of_all in frames.items():
        kept = [part for part in parts_of_all if not part.empty] or parts_of_all[:1]
        pd.concat(kept, ignore_index=True).to_parquet(out / f"{name}.parquet", index=False)
    if judged:
        (out / "summary.json").write_text(json.dumps(summarise(scenario, results).as_dict(), indent=1, allow_nan=False))
    return scenario
