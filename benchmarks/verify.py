"""Check a run without the program that made it: `python verify.py results/latest`. Needs pandas, and none of our code.

    plan.json         → are scenario, hypothesis and plan those that were written down before the load started?
    *.parquet         → counts, shares, percentiles, estimates, intervals and the verdict, recomputed
    summary.json      → does it say the same?

Exit codes: 0 it does · 110 something differs · 2 there is no run. `docs/verify.md` says what is not checked.
"""

from __future__ import annotations

import hashlib
import json
import math
import operator
import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

Row = tuple[str, object, object]  # what, as computed here, as it is stored
Interval = tuple[float, float]
Count = tuple[int, int]  # so many of so many
CATEGORIES = ("complete", "pending", "dead_lettered", "lost", "stranded", "recovered", "unexpected", "duplicated")
OUTCOMES = ("acked", "refused", "failed", "indeterminate", "dropped")
LATENCIES = ("accept_latency_ms", "completion_latency_ms", "reply_latency_ms", "service_time_ms", "schedule_delay_ms")
SHARES = {"slo_ratio": "slo", "accept_ratio": "acked"}
SHARES |= {f"{one}_ratio": one for one in ("complete", "lost", "stranded", "duplicated")}
QUANTILES = {"p50": 0.5, "p90": 0.9, "p95": 0.95, "p99": 0.99, "p999": 0.999, "max": 1.0}
NOT_CHECKED = "not checked"
FEWEST = {"p99": 1_000, "p999": 10_000}
OPERATORS = {"<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge, "==": operator.eq}
BRACKETED = ("slo_ratio", "accept_ratio", "accept_latency_ms", "completion_latency_ms")
BOUNDLESS_MS = 1e15
STATS = ("p50", "p95", "p99", "max")


# Where every registration ended, and when: one row for each.
def registrations(run: Path, slo: Mapping[str, float]) -> pd.DataFrame:
    history = pd.read_parquet(run / "history.parquet")
    effects = pd.read_parquet(run / "effects.parquet").dropna(subset=["applied_ns"])
    facts = [json.loads(path.read_text(encoding="utf-8")) for path in (run / "trials").glob("*/trial.json")]
    services = facts[0]["services"]
    keys = ["trial", "index"]
    by_service = effects.groupby([*keys, "service"])["applied_ns"]
    rows = history.set_index(keys)
    first = by_service.min().astype("float64").unstack().reindex(index=rows.index, columns=services)
    number = by_service.size().unstack().reindex(index=rows.index, columns=services).fillna(0)
    waiting, dead = (_named_in(facts, name, rows, services) for name in ("pending", "dead_lettered"))
    intended, sent, answered = (rows[f"{name}_ns"].astype("float64") for name in ("intended", "sent", "answered"))
    replied = answered.where(rows["status"].notna())
    acked, told_no = rows["outcome"] == "acked", rows["outcome"].isin(["refused", "failed"])
    missing = number == 0
    pending, dead_lettered = missing & waiting, missing & dead & ~waiting
    gone = (missing & ~pending & ~dead_lettered).any(axis=1)
    complete = (number == 1).all(axis=1)
    done = first.max(axis=1, skipna=False)
    table = pd.DataFrame(
        {
            "variant": rows["variant"],
            "block": rows["block"],
            "intended_ns": intended,
            "offered": True,
            "sent": sent.notna(),
            **{outcome: rows["outcome"] == outcome for outcome in OUTCOMES},
            "complete": complete,
            "pending": pending.any(axis=1),
            "dead_lettered": dead_lettered.any(axis=1),
            "lost": gone & acked,
            "stranded": gone & rows["stored_ns"].notna() & ~acked,
            "recovered": complete & ~acked,
            "unexpected": (number > 0).any(axis=1) & told_no,
            "duplicated": (number > 1).any(axis=1),
            "accept_latency_ms": ((replied - intended) / 1e6).where(acked),
            "completion_latency_ms": (done - intended) / 1e6,
            "reply_latency_ms": (replied - intended) / 1e6,
            "service_time_ms": (replied - sent) / 1e6,
            "schedule_delay_ms": (sent - intended) / 1e6,
            **{f"completion_latency_ms:{name}": (first[name] - intended) / 1e6 for name in services},
        }
    )
    table = _in_slo(table, slo)
    # A completion whose two ends were read from the clocks of two hosts is not given.
    two_clocks = any(trial.get("load_clock") and not trial["load_clock"]["same_host"] for trial in facts)
    completions = [name for name in table.columns if two_clocks and str(name).startswith("completion")]
    table[completions] = np.nan
    return table


def _named_in(facts: list[Any], what: str, rows: pd.DataFrame, services: list[str]) -> pd.DataFrame:
    """Which registrations each trial names for a service. The ids are the same in every trial of a block."""
    keys = pd.MultiIndex.from_arrays([rows.index.get_level_values("trial"), rows["registration_id"]])
    named = {name: [(one["number"], id_) for one in facts for id_ in one[what].get(name, ())] for name in services}
    found = {name: keys.isin(ids) if ids else np.zeros(len(rows), dtype=bool) for name, ids in named.items()}
    return pd.DataFrame(found, index=rows.index)


def _in_slo(table: pd.DataFrame, slo: Mapping[str, float]) -> pd.DataFrame:
    quick = (table["accept_latency_ms"] <= slo["accept_ms"]) & table["acked"]
    return table.assign(slo=quick & (table["completion_latency_ms"] <= slo["complete_ms"]))


# One figure of some registrations, and what a share was made of; None where there is none.
class Metric:
    """`name[.stat][{window:…,service:…}]`."""

    def __init__(self, text: str) -> None:
        name, _, stat, _, tags = re.fullmatch(r"(\w+)(\.(\w+))?(\{(.*)\})?", text).groups()  # type: ignore[union-attr]
        self.text, self.name, self.stat = text, name, stat
        self.tags = dict(tag.strip().split(":") for tag in (tags or "").split(",") if tag)
        self.latency, self.share = name in LATENCIES, name in SHARES

    def like(self, text: str) -> Metric:
        """Another figure of the same window."""
        window = self.tags.get("window")
        return Metric(f"{text}{{window:{window}}}" if window else text)

    def values(self, rows: pd.DataFrame, windows: Mapping[str, Any]) -> np.ndarray[Any, Any]:
        """Of each registration in its window."""
        intended_ns, values = rows["intended_ns"].to_numpy(), rows[self.column].to_numpy(dtype=np.float64)
        begin, end = windows[self.tags["window"]] if "window" in self.tags else (-math.inf, math.inf)
        found: np.ndarray[Any, Any] = values[(intended_ns >= begin) & (intended_ns < end)]
        return found

    def over(self, rows: pd.DataFrame, windows: Mapping[str, Any]) -> float | None:
        """Of several trials: from the sums, of a latency the geometric mean of the trials' figures."""
        if not self.latency:
            return self.of(rows, windows)
        values = [self.of(part, windows) for _, part in rows.groupby(level="trial")]
        known = [value for value in values if value is not None]
        if len(known) < len(values) or not known or min(known) < 0:
            return None
        return known[0] if len(known) == 1 else 0.0 if min(known) == 0 else math.exp(float(np.mean(np.log(known))))

    def of(self, rows: pd.DataFrame, windows: Mapping[str, Any]) -> float | None:
        """Of one trial."""
        values = self.values(rows, windows)
        if self.latency:
            return percentile(values[~np.isnan(values)], self.stat or "")
        if self.share:
            return float(values.mean()) if len(values) else None
        return float(values.sum())

    @property
    def column(self) -> str:
        if self.latency and "service" in self.tags:
            return f"{self.name}:{self.tags['service']}"
        return self.name if self.latency else SHARES.get(self.name, self.stat or "")

    @property
    def known(self) -> bool:
        return self.latency or self.share or self.name in ("registrations", "counts")


def percentile(values: np.ndarray[Any, Any], stat: str) -> float | None:
    if not len(values) or len(values) < FEWEST.get(stat, 1):
        return None
    found = float(values.mean() if stat == "mean" else np.quantile(values, QUANTILES[stat]))
    return None if found > BOUNDLESS_MS / 1e3 else found  # mixed from times without a bound


# What a disturbed run leaves open: the quickest and the slowest that each registration can have been.
def bracket(
    rows: pd.DataFrame, predicted: pd.DataFrame, slo: Mapping[str, float], disturbed: Sequence[str]
) -> list[pd.DataFrame]:
    predicted = predicted.set_index(["trial", "index"]).reindex(rows.index)
    numbers = [int(label.split("-")[0]) for label in disturbed]
    # A registration that was not predicted has no other value than the measured one.
    open_ = rows.index.get_level_values("trial").isin(numbers) & (predicted["quiet"] == False).to_numpy()  # noqa: E712
    acked = predicted["predicted_acked"] == True  # noqa: E712
    foretold = {
        "accept_latency_ms": predicted["predicted_accept_ms"].where(acked),
        "completion_latency_ms": predicted["predicted_completion_ms"],
    }
    found = []
    # A time that is missing never comes: `fmin` takes the other, `maximum` keeps it missing.
    for either, both, extreme in ((np.fmin, np.logical_or, 0.0), (np.maximum, np.logical_and, BOUNDLESS_MS)):
        times = {name: rows[name].mask(open_, either(rows[name], of)) for name, of in foretold.items()}
        table = _in_slo(rows.assign(**times, acked=rows["acked"].mask(open_, both(rows["acked"], acked))), slo)
        # Whether one that only one of the two has belongs to the latencies nobody knows, so it is at either end.
        for name, of in foretold.items():
            table[name] = table[name].mask(open_ & (rows[name].isna() != of.isna()), extreme)
        found.append(table)
    return found


# Intervals.
def t_quantile(freedom: int) -> float:
    """Of Student's t at 97.5 %: where the area from 0 (Simpson's rule) is 0.475."""
    scale = math.exp(math.lgamma((freedom + 1) / 2) - math.lgamma(freedom / 2)) / math.sqrt(freedom * math.pi)

    def area(until: float) -> float:
        density = scale * (1 + np.linspace(0, until, 2_001) ** 2 / freedom) ** (-(freedom + 1) / 2)
        return float(until / 6_000 * (density[0] + 4 * density[1::2].sum() + 2 * density[2:-1:2].sum() + density[-1]))

    return bisect(lambda t: area(t) < 0.475, 0, 20)


def bisect(below: Callable[[float], bool], low: float, high: float) -> float:
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if below(middle) else (low, middle)
    return (low + high) / 2


def exact(count: Count) -> Interval:
    """Clopper & Pearson: the shares at which so few, or so many, have a chance of 2.5 %."""
    part, whole = count
    numbers = np.arange(whole + 1)
    factorials = np.concatenate([[0], np.cumsum(np.log(numbers[1:]))])
    ways = factorials[-1] - factorials - factorials[::-1]

    def chance(share: float, these: slice) -> float:
        return float(np.exp(ways + numbers * math.log(share) + numbers[::-1] * math.log1p(-share))[these].sum())

    low = bisect(lambda share: chance(share, slice(part, None)) < 0.025, 0, 1) if part else 0.0
    high = bisect(lambda share: chance(share, slice(part + 1)) > 0.025, 0, 1) if part < whole else 1.0
    return low, high


def estimate(
    kind: str, metric: Metric, sides: Sequence[Mapping[int, float | None]], counts: Sequence[Count]
) -> tuple[float | None, Interval | None, list[float]]:
    """The estimate over the blocks that all sides have, its 95 % interval, and each block's value."""
    pairs = [[side[block] for side in sides] for block in sorted(set(sides[0]).intersection(*sides))]
    known = [[value for value in pair if value is not None] for pair in pairs]
    logs = kind == "ratio" or (kind == "variant" and metric.latency and all(pair and pair[0] > 0 for pair in known))
    if not known or any(
        len(a) < len(b) or (kind == "ratio" and min(a) <= 0) for a, b in zip(known, pairs, strict=True)
    ):
        return None, None, []
    values = [math.log(pair[0]) if logs else pair[0] for pair in known]
    if kind != "variant":
        values = [first - (math.log(pair[1]) if logs else pair[1]) for first, pair in zip(values, known, strict=True)]
    back: Callable[[float], float] = math.exp if logs else float
    mean = float(np.mean(values))
    if len(values) < 3:
        return back(mean), None, [back(value) for value in values]
    spread = 0.0 if min(values) == max(values) else float(np.std(values, ddof=1)) / math.sqrt(len(values))
    half = t_quantile(len(values) - 1) * spread
    low, high = mean - half, mean + half
    if metric.share:
        (a, *limits), *other = [[share(count), *exact(count)] for count in counts]
        (a, *limits), *other = [[math.log(end) if logs else end for end in ends] for ends in ([a, *limits], *other)]
        b, other_low, other_high = other[0] if other else (0.0, 0.0, 0.0)
        low = min(low, a - b - math.hypot(a - limits[0], other_high - b))
        high = max(high, a - b + math.hypot(limits[1] - a, b - other_low))
        if not logs:  # no further than a share can be
            low, high = max(low, -1.0 if other else 0.0), min(high, 1.0)
    return back(mean), (back(low), back(high)), [back(value) for value in values]


def share(count: Count) -> float:
    return count[0] / count[1]


def verdict_of(interval: Interval | None, expect: str) -> str | None:
    if interval is None:
        return None
    sign, bound = expect.split()
    holds = [OPERATORS[sign](end, float(bound)) for end in interval]
    never = not interval[0] <= float(bound) <= interval[1] if sign == "==" else not any(holds)
    return "confirmed" if all(holds) else "refuted" if never else "inconclusive"


# What is checked: pairs of what is found here and what is stored.
@dataclass(frozen=True)
class Run:
    """A stored run. `rows` are its registrations; `open_ends` the same at their quickest and slowest, if disturbed."""

    directory: Path
    plan: Mapping[str, Any]
    summary: Mapping[str, Any]
    rows: pd.DataFrame
    open_ends: Sequence[pd.DataFrame]

    @classmethod
    def read(cls, directory: Path) -> Run:
        plan, summary = (
            json.loads((directory / f"{name}.json").read_text(encoding="utf-8")) for name in ("plan", "summary")
        )
        slo = plan["judged"]["slo"]
        rows, disturbed, open_ends = registrations(directory, slo), summary.get("disturbed"), []
        if disturbed and "quiet" in (predicted := pd.read_parquet(directory / "residuals.parquet")):
            open_ends = bracket(rows, predicted, slo, disturbed["trials"])
        return cls(directory, plan, summary, rows, open_ends)

    @property
    def windows(self) -> Mapping[str, Any]:
        found: Mapping[str, Any] = self.plan["judged"]["windows_ns"]
        return found

    def seals(self) -> Iterator[Row]:
        """Are they those of before the load? A file that was changed together with its digest is not found out."""
        objects = {
            "hypothesis": self.plan["judged"]["hypothesis"],
            "plan": {key: value for key, value in self.plan.items() if key != "sha256"},
        }
        texts = {"scenario": (self.directory / "scenario.yaml").read_text(encoding="utf-8")}
        for name, value in objects.items():
            texts[name] = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        for name, text in texts.items():
            yield f"{name}, SHA-256", hashlib.sha256(text.encode()).hexdigest(), self.plan["sha256"][name]

    def figures(self, variant: str) -> Iterator[Row]:
        """Of a variant: counts, shares and latencies."""
        latencies = [f"{one}.{stat}" for one in LATENCIES for stat in STATS]
        names = [f"counts.{one}" for one in ("offered", "sent", *OUTCOMES)]
        names += [*(f"registrations.{one}" for one in CATEGORIES), *SHARES, *latencies]
        for window in (name for name, bounds in self.windows.items() if bounds):
            names += [f"{one}{{window:{window}}}" for one in ("slo_ratio", "accept_ratio", *latencies)]
        rows = self.rows[self.rows["variant"] == variant]
        for metric in map(Metric, names):
            stored = self.summary["variants"][variant]
            for key in ("windows", metric.tags["window"]) if "window" in metric.tags else ():
                stored = stored[key]
            stored = stored[metric.name] if metric.stat is None else stored[metric.name][metric.stat]
            yield f"{variant}: {metric.text}", metric.over(rows, self.windows), stored

    def hypothesis(self) -> Iterator[Row]:
        """What was asked, what came out, and what follows from it."""
        said = self.summary["comparison"]
        entries = [] if said is None else said.get("all", [said])
        asked = self.plan["judged"]["hypothesis"]
        yield "parts of the hypothesis", len(asked), len(entries)
        verdicts = []
        for part, entry in zip(asked, entries, strict=False):
            kind = next(one for one in ("variant", "ratio", "difference") if one in part)
            name = f"{part['metric']}, {part[kind]}"
            for key in ("metric", kind, "expect"):
                yield f"{name}: {key}", part[key], entry.get(key)
            metric, verdict = Metric(part["metric"]), entry["verdict"]
            if unchecked := self.unchecked(metric):
                yield f"{name}: {NOT_CHECKED}, {unchecked}", None, None
            else:
                value, interval, _ = self.of_sides(metric, kind, part, [self.rows] * 2)
                yield f"{name}: estimate", value, entry["estimate"]
                if not self.disturbed or metric.name not in BRACKETED:
                    yield f"{name}: ci95", interval, entry["ci95"]
                elif entry["ci95"] is None:
                    interval = None
                else:
                    within = self.bracketed(metric, kind, part, interval)
                    yield f"{name}: ci95 holds all that can have been", True, _holds(entry["ci95"], within)
                    interval = (entry["ci95"][0], entry["ci95"][1])
                verdict = None if self.forbidden(metric, part, entry) else verdict_of(interval, part["expect"])
                yield f"{name}: verdict", verdict, entry["verdict"]
            verdicts.append(verdict)
        if len(entries) > 1:
            least = next((one for one in ("refuted", None, "inconclusive") if one in verdicts), "confirmed")
            yield "all parts: verdict", least, said["verdict"]

    def unchecked(self, metric: Metric) -> str:
        """Why a part cannot be computed here, if so."""
        if not metric.known:
            return f"since {metric.name} is not made of arrivals and effects alone"
        if self.disturbed and metric.name in BRACKETED and not self.open_ends:
            return "since the run was disturbed and residuals.parquet lacks the predicted times"
        if self.disturbed and ("service" in metric.tags or (metric.share and metric.name not in BRACKETED)):
            return "since the run was disturbed and no file holds what was predicted of it"
        return ""

    @property
    def disturbed(self) -> bool:
        return bool(self.summary.get("disturbed"))

    def forbidden(self, metric: Metric, part: Mapping[str, Any], entry: Mapping[str, Any]) -> bool:
        """Whether there can be no verdict, whatever the interval."""
        if not self.summary["valid"]:
            return True
        if self.disturbed and metric.name not in BRACKETED:  # but for a guarantee, which may be judged as measured
            return part["expect"] != "== 0" or entry["verdict"] is None
        if not metric.latency or len(part["sides"]) < 2:
            return False
        sides = [self.rows[self.rows["variant"] == name] for name in part["sides"]]

        def of_each(text: str) -> list[float]:
            values = (metric.like(text).over(rows, self.windows) for rows in sides)
            return [value for value in values if value is not None]

        accepted, delays = of_each("accept_ratio"), of_each("schedule_delay_ms.p50")
        if metric.name != "schedule_delay_ms" and round(abs(accepted[0] - accepted[-1]), 9) > 0.01:
            return True  # the latencies of different people
        smaller = min(of_each(f"{metric.name}.p50"), default=math.inf)
        held = metric.name not in ("service_time_ms", "schedule_delay_ms")
        return held and smaller < 10 * max(delays, default=0.0)  # too quick for the generator

    def bracketed(
        self, metric: Metric, kind: str, part: Mapping[str, Any], measured: Interval | None
    ) -> list[Interval | None]:
        """The intervals that the stored one has to hold: as measured, and with either side at its quickest."""
        quick, slow = self.open_ends
        ends = [self.of_sides(metric, kind, part, tables)[1] for tables in ((quick, slow), (slow, quick))]
        return [measured, *ends]

    def of_sides(
        self, metric: Metric, kind: str, part: Mapping[str, Any], tables: Sequence[pd.DataFrame]
    ) -> tuple[float | None, Interval | None, list[float]]:
        sides, counts = [], []
        for rows, name in zip(tables, part["sides"], strict=False):
            mine = rows[rows["variant"] == name]
            sides.append({int(str(block)): metric.of(of, self.windows) for block, of in mine.groupby("block")})
            if metric.share:
                values = metric.values(mine, self.windows)
                counts.append((int(values.sum()), len(values)))
        return estimate(kind, metric, sides, counts)


def _holds(whole: Sequence[float], parts: Sequence[Interval | None]) -> bool:
    """Whether an interval, stored with six digits, holds all of others; where one has no bound, no interval does."""
    slack = 1e-5 * max(map(abs, whole)) + 1e-9
    known = [part for part in parts if part is not None]
    return all(whole[0] - slack <= low and high <= whole[1] + slack for low, high in known)


def same(found: object, stored: object) -> bool:
    """Whether they are; stored figures have six significant digits."""
    if isinstance(found, tuple) and isinstance(stored, list):
        return all(map(same, found, stored))
    if isinstance(found, float | int) and isinstance(stored, float | int):
        return math.isclose(found, stored, rel_tol=1e-5, abs_tol=1e-9)
    return found == stored


def main(directory: Path) -> int:
    try:
        run = Run.read(directory)
        checks = {"what was judged": list(run.seals())}
        checks |= {f"figures of {name}": list(run.figures(name)) for name in run.summary["variants"]}
        checks["hypothesis"] = list(run.hypothesis())
    except (OSError, ValueError, KeyError, IndexError) as error:
        print(f"{directory} is not a run that can be checked: {error!r}", file=sys.stderr)
        return 2
    differing, skipped = 0, [what for rows in checks.values() for what, *_ in rows if NOT_CHECKED in what]
    for name, rows in checks.items():
        wrong = [row for row in rows if not same(*row[1:])]
        differing += len(wrong)
        print(f"{name:<24} {len(rows) - len(wrong):>4} of {len(rows):>4} as stored")
        for what, found, stored in wrong:
            print(f"  DIFFERS  {what}: computed {found}, stored {stored}")
    for what in skipped:
        print(f"  {what}")
    if differing:
        print(f"{differing} differ: the summary does not follow from the files.")
    else:
        print("Nothing that was checked differs." if skipped else "Nothing differs.")
    return 110 if differing else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1] if len(sys.argv) > 1 else "results/latest")))
