"""What the charts are drawn from: one results directory, and nothing else.

Rows stay in their files. What a chart asks for comes as a small table, so that a run may be larger than the memory.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.analysis.summary_model import Summary
from benchmarks.charts import over_time, palette
from benchmarks.faults.fault import Shade
from benchmarks.metrics.definition import PERCENTILES
from benchmarks.metrics.series import outstanding
from benchmarks.parquet import query
from benchmarks.scenario.loader import load_text
from benchmarks.scenario.model import Scenario
from benchmarks.scenario.sample import windows_bounds_ns
from benchmarks.trial_result import TrialFacts
from benchmarks.words.numbers import NBSP, nominal_ms, plural

_LEAST_MS = 1e-3  # what is on time to the microsecond
_EVER = (-(2**62), 2**62)
_UNTIL = ("trial", "index", "service", "applied_ns")
_OUTSTANDING_OF = ("trial", "index", "registration_id", "intended_ns", "sent_ns", "answered_ns")


@dataclass(frozen=True)
class FaultSpan:
    """A stretch of time that charts shade, in scenario seconds, and what they call it (`email +800 ms`)."""

    label: str
    begin_s: float
    end_s: float
    shade: Shade


@dataclass(frozen=True, eq=False)
class RunData:
    """One run in `directory`. `lag` has the columns of its file; `facts` has one entry for each trial that counts."""

    directory: Path
    scenario: Scenario
    summary: Summary
    lag: pd.DataFrame
    facts: tuple[TrialFacts, ...]

    @classmethod
    def read(cls, results: Path) -> RunData:
        """Read a results directory. Raises OSError where a file is missing."""
        return cls(
            directory=results,
            # Not `load`: the file's own name is the scenario's only in the folder it was written in.
            scenario=load_text((results / "scenario.yaml").read_text(encoding="utf-8"), "scenario.yaml"),
            summary=Summary.read(results / "summary.json"),
            lag=pd.read_parquet(results / "lag.parquet"),
            facts=tuple(facts for facts in _every_facts(results) if not facts.superseded),
        )

    # -- the run ------------------------------------------------------------------------------------------------------

    @property
    def variants(self) -> tuple[str, ...]:
        return tuple(self.summary.variants)

    @property
    def valid(self) -> bool:
        return self.summary.valid

    @property
    def invalid_reason(self) -> str:
        return next(iter(self.summary.invalid_reasons), "the run judged itself not valid")

    @property
    def blocks(self) -> int:
        return self.summary.blocks

    @property
    def duration_s(self) -> float:
        return self.scenario.workload.duration_s

    @property
    def bin_s(self) -> float:
        """How much time one point of a series stands for: a second, less of a short run, more of a long one."""
        return 0.5 if self.duration_s < 10 else float(math.ceil(self.duration_s / 60))

    @property
    def bin_words(self) -> str:
        return "second" if self.bin_s == 1 else f"{self.bin_s:g}{NBSP}s"

    @property
    def services(self) -> tuple[str, ...]:
        return tuple(self.scenario.services)

    @cached_property
    def colours(self) -> dict[str, str]:
        bases = {variant.name: variant.base for variant in self.scenario.variants}
        return palette.variant_colours({name: bases.get(name, name) for name in self.variants})

    @cached_property
    def windows(self) -> tuple[FaultSpan, ...]:
        """The faults as planned, in order of their start."""
        return tuple(
            FaultSpan(fault.label, fault.at_s, fault.end_s, fault.shade)
            for fault in sorted(self.scenario.faults, key=lambda fault: fault.at_s)
        )

    @property
    def main_window(self) -> str | None:
        """The window that the run is about: `during` where there is one, else the whole run."""
        return "during" if self.summary.has_window("during") else None

    def figures(self, name: str, stat: str | None = None) -> dict[str, float | None]:
        """Each variant's figure in the main window."""
        return {one: self.summary.figure(one, name, stat, window=self.main_window) for one in self.variants}

    @property
    def load(self) -> str:
        """`60 arrivals/s for 25 s, 3 blocks`."""
        load, duration = self.scenario.workload.words, nominal_ms(self.duration_s * 1e3)
        return f"{load} for {duration}, {plural(self.blocks, 'block')}"

    @property
    def source(self) -> str:
        """The footer: where the figures come from."""
        stored = [variant.broker or {} for variant in self.summary.variants.values()]
        brokers = [" ".join(str(one[part]) for part in ("kind", "version") if one.get(part)) for one in stored]
        known = " and ".join(dict.fromkeys(filter(None, brokers)))
        return " · ".join(filter(None, (f"scenario {self.scenario.name}", known, f"seed {self.scenario.seed}")))

    # -- series -------------------------------------------------------------------------------------------------------

    def answers_over_time(self, variant: str, *, done: bool = False) -> pd.DataFrame:
        """Percentiles of the accept latency, or the completion latency, and endings of each stretch of time."""
        return over_time.answers_over_time(self._registrations, variant, self.bin_s, self._effects if done else None)

    def endings_over_time(self, variant: str) -> pd.DataFrame:
        """How many arrivals ended how."""
        return over_time.endings_over_time(self._registrations, variant, self.bin_s, self.scenario.slo.accept_ms)

    def share_in_time(self, variant: str) -> float | None:
        """The share of the arrivals of the main window that were accepted within the SLO."""
        slo_ms = self.scenario.slo.accept_ms
        return over_time.share_in_time(self._registrations, variant, slo_ms, *(self.inside or _EVER))

    @property
    def inside(self) -> tuple[int, int] | None:
        """The main window, in scenario nanoseconds."""
        return self.scenario.during_ns if self.main_window else None

    def times_ms(self, facts: TrialFacts, inside: tuple[int, int] | None) -> pd.DataFrame:
        """The arrivals of one trial, or those intended `inside`: columns accepted, done, and one for each service.

        In milliseconds since each was due; infinite where it never came.
        """
        times = over_time.times_ms(self._registrations, self._effects, facts.number, facts.services)
        begin_ns, end_ns = inside or _EVER
        return times[times["intended_ns"].between(begin_ns, end_ns, inclusive="left")]

    def quantile_ms(self, variant: str, time: str, stat: str, window: str | None) -> float | None:
        """The time within which half (p50), or nearly all (p95), of all who arrived reached a column of `times_ms`.

        Geometric mean over the trials, as the summary has it; infinite where fewer ever did, null without rows.
        """
        values = self._quantiles_ms.get((variant, time, stat, window), [])
        return float(np.exp(np.mean(np.log(np.maximum(values, _LEAST_MS))))) if values else None

    @cached_property
    def _quantiles_ms(self) -> dict[tuple[str, str, str, str | None], list[float]]:
        """One value for each trial."""
        windows: dict[str | None, tuple[int, int]] = {None: _EVER}
        windows |= {name: span for name, span in windows_bounds_ns(self.scenario).items() if span}
        found: dict[tuple[str, str, str, str | None], list[float]] = {}
        for facts in self.facts:
            every = self.times_ms(facts, None)
            for window, (begin_ns, end_ns) in windows.items():
                rows = every[every["intended_ns"].between(begin_ns, end_ns, inclusive="left")]
                for time in rows.columns[1:] if len(rows) else ():
                    for stat in ("p50", "p95"):
                        # Between the last finite value and none at all there is no quantile.
                        value = float(rows[time].quantile(PERCENTILES[stat], interpolation="higher"))
                        if math.isfinite(value):
                            value = float(rows[time].quantile(PERCENTILES[stat]))
                        found.setdefault((facts.variant, time, stat, window), []).append(value)
        return found

    def medians_ms(self, time: str) -> dict[str, float | None]:
        """Each variant's `quantile_ms` of a half, in the main window; null where fewer got there."""
        found = {name: self.quantile_ms(name, time, "p50", self.main_window) for name in self.variants}
        return {name: value if value is not None and math.isfinite(value) else None for name, value in found.items()}

    def endings(self, variant: str) -> dict[str, int]:
        """How many registrations ended where, each counted once."""
        return over_time.endings(self._registrations, variant)

    def a_typical_one(self, variant: str) -> tuple[int, int] | None:
        """Trial and index of the main window's registration with the median completion; None where none is done."""
        return over_time.a_typical_one(self._registrations, self._effects, variant, *(self.inside or _EVER))

    def outstanding_of(self, facts: TrialFacts) -> pd.DataFrame:
        """What was outstanding in one trial (`benchmarks.metrics.series.outstanding`)."""
        trial = self.directory / "trials" / facts.label
        history = pd.read_parquet(trial / "history.parquet", columns=list(_OUTSTANDING_OF))
        effects = pd.read_parquet(trial / "effects.parquet", columns=list(_UNTIL))
        return outstanding(history, effects, facts)

    def first_that_ended(self, variant: str, category: str, number: int) -> pd.DataFrame:
        """The first registrations of a category, with the columns of `registrations.parquet`."""
        return query(
            f'SELECT * FROM read_parquet($registrations) WHERE variant = $variant AND "{category}" LIMIT $number',  # noqa: S608
            registrations=self._registrations,
            variant=variant,
            number=number,
        )

    def rows_of(self, table: str, trials: Sequence[int], indices: Sequence[int]) -> pd.DataFrame:
        """The rows of `history` or `effects` about some registrations, in order; times in scenario ns, NaN for none.

        A registration is known by its trial and its index there, the entries of the two sequences at one place.
        """
        return query(
            "SELECT * EXCLUDE (registration_id) FROM read_parquet($table) "
            'WHERE (trial, "index") IN (SELECT unnest($trials), unnest($indices))',
            table=self.directory / f"{table}.parquet",
            trials=list(trials),
            indices=list(indices),
        )

    @property
    def _registrations(self) -> Path:
        return self.directory / "registrations.parquet"

    @property
    def _effects(self) -> Path:
        return self.directory / "effects.parquet"

    @cached_property
    def residuals(self) -> pd.DataFrame:
        """Measured minus predicted, one row for each registration that was compared."""
        return pd.read_parquet(self.directory / "residuals.parquet")

    def facts_of(self, variant: str) -> tuple[TrialFacts, ...]:
        return tuple(facts for facts in self.facts if facts.variant == variant)


def _every_facts(results: Path) -> Iterator[TrialFacts]:
    for path in sorted(results.glob("trials/*/trial.json")):
        yield TrialFacts.from_dict(json.loads(path.read_text(encoding="utf-8")))
