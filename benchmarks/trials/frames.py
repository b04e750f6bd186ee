"""What a trial sampled beside its traces, as frames: lag, resources, in flight and faults, in scenario time."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.faults import Effect
from benchmarks.faults.injection import FaultRecord
from benchmarks.scenario import Scenario
from benchmarks.trial_result import TrialFacts
from registration import trace
from registration.address import this_host
from registration.runtime import in_flight


def lag_frame(rows: Sequence[tuple[int, str, int]], facts: TrialFacts) -> pd.DataFrame:
    """From (t_ns absolute, group, records)."""
    frame = pd.DataFrame(rows, columns=["t_ns", "group", "lag"])
    frame["t_ns"] -= facts.start_ns
    return _identified(frame.astype({"t_ns": "int64", "group": "str", "lag": "int64"}), facts)


def resource_frame(rows: Sequence[tuple[int, str, float, float | None]], facts: TrialFacts) -> pd.DataFrame:
    """From (t_ns absolute, process, cumulative cpu_ms, rss_mb)."""
    frame = pd.DataFrame(rows, columns=["t_ns", "process", "cpu_ms", "rss_mb"])
    frame["t_ns"] -= facts.start_ns
    return _identified(frame.astype({"process": "str", "cpu_ms": "float64", "rss_mb": "float64"}), facts)


def in_flight_frame(paths: Iterable[Path], facts: TrialFacts) -> pd.DataFrame:
    """From the files in which the API's processes counted what they had in hand."""
    frames = [
        pd.DataFrame({"t_ns": np.empty(0, np.int64), "process": "", "in_flight": np.empty(0, np.int64), "host": ""})
    ]
    for path in paths:
        samples = in_flight.read(path)
        # The file is named as its process is, with a dash: api-0.
        process = "/".join(path.stem.rsplit("-", 1))
        frames.append(
            pd.DataFrame(
                {
                    "t_ns": samples["t_ns"] - facts.start_ns,
                    "process": process,
                    "in_flight": samples["in_flight"],
                    "host": _host_of(path.with_suffix(".trace")),
                }
            )
        )
    together = pd.concat(frames, ignore_index=True)
    types = {"t_ns": "int64", "process": "str", "in_flight": "int32", "host": "str"}
    return _identified(together.astype(types), facts)


def fault_frame(
    scenario: Scenario,
    edges: Mapping[tuple[str, str], Sequence[int]],
    records: Sequence[FaultRecord],
    facts: TrialFacts,
) -> pd.DataFrame:
    """One row per fault of the scenario: as planned, and as it really began (first) and ended (last).

    `edges` is what services saw of faults in their work, `records` what was done to processes; times absolute.
    """
    rows = []
    for fault in scenario.faults:
        mine = [done for done in records if done.fault == fault.name]
        begins = [*edges.get((fault.name, "begin"), []), *(done.begin_ns for done in mine)]
        ends = [*edges.get((fault.name, "end"), []), *(done.end_ns for done in mine)]
        # Only a process that was started anew had to become ready.
        ready_s = max((done.ready_s for done in mine), default=None) if fault.effect is Effect.DOWN else None
        rows.append(
            {
                "name": fault.name,
                "target": fault.target,
                "type": fault.type,
                "planned_begin_ns": fault.begin_ns,
                "planned_end_ns": fault.end_ns,
                "begin_ns": min(begins) - facts.start_ns if begins else None,
                "end_ns": max(ends) - facts.start_ns if ends else None,
                "ready_s": ready_s,
                "applicable": fault.concerns(scenario.variant(facts.variant)),
            }
        )
    columns = ["name", "target", "type", "planned_begin_ns", "planned_end_ns", "begin_ns", "end_ns", "ready_s"]
    frame = pd.DataFrame(rows, columns=[*columns, "applicable"])
    times = dict.fromkeys(("planned_begin_ns", "planned_end_ns", "begin_ns", "end_ns"), "Int64")
    words = dict.fromkeys(("name", "target", "type"), "str")
    return _identified(frame.astype({**times, **words, "ready_s": "float64", "applicable": "bool"}), facts)


def _identified(frame: pd.DataFrame, facts: TrialFacts) -> pd.DataFrame:
    """The frame behind the columns with which every frame of a run begins; the harness's host where it names none."""
    frame.insert(0, "trial", np.int16(facts.number))
    frame.insert(1, "variant", facts.variant)
    frame.insert(2, "block", np.int16(facts.block))
    if "host" not in frame:
        frame["host"] = this_host()
    return frame.astype({"variant": "str", "host": "str"})


def _host_of(path: Path) -> str | None:
    """The host of the process that wrote a trace; None where it ended before it said so."""
    host = trace.read_header(path).get("host") if path.is_file() else None
    return None if host is None else str(host)
