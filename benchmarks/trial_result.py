"""What one trial leaves: its facts, its rows, and the samples beside them (columns: `docs/measurement.md`)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields

import pandas as pd

IN_FLIGHT_COLUMNS = ("trial", "variant", "block", "t_ns", "process", "in_flight")

# Rows of `resources` about the machine rather than a process; `benchmarks.processes.sampling` says what each holds.
STEAL, BUSY, PRESSURE = "machine", "machine:busy", "machine:pressure"


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


@dataclass(frozen=True)
class TrialResult:
    """What one finished trial left: facts, frames, and samples (columns: `docs/measurement.md`).

    `in_flight` is empty for a trial that was stored before it was sampled.
    """

    facts: TrialFacts
    frames: TrialFrames
    lag: pd.DataFrame
    resources: pd.DataFrame
    faults: pd.DataFrame
    in_flight: pd.DataFrame = field(default_factory=lambda: pd.DataFrame(columns=list(IN_FLIGHT_COLUMNS)))
