"""Check a run without the program that made it: `python verify.py results/latest`. Needs pandas, and none of our code.

    plan.json         → are scenario, hypothesis and plan those that were written down before the load started?
    *.parquet         → counts, endings, shares, percentiles, estimates, intervals and the verdict, computed anew
    summary.json      → does it say the same?

Exit codes: 0 it does · 110 something differs · 2 there is no run. `docs/verify.md` says what is not checked.
"""

from __future__ import annotations

import hashlib
import json
import math
import operator
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

Check = tuple[str, object, object]  # what, as computed here, as it is stored
Interval = tuple[float, float]
OUTCOMES = ["acked", "refused", "failed", "indeterminate", "dropped"]
ENDINGS = ["complete", "pending", "dead_lettered", "lost", "stranded", "recovered", "unexpected", "duplicated"]
LATENCIES = ["accept_latency_ms", "completion_latency_ms"]
BRACKETED = ("slo_ratio", "accept_ratio", *LATENCIES)
QUANTILES = {"p50": 0.5, "p90": 0.9, "p95": 0.95, "p99": 0.99, "p999": 0.999, "max": 1.0}
FEWEST = {"p99": 1_000, "p999": 10_000}  # registrations that a percentile needs
NEVER_MS = 1e15  # stands for a time without a bound
OPERATORS = {"<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge, "==": operator.eq}


def read_registrations(run: Path, judged: dict[str, Any]) -> pd.DataFrame:
    """How each registration ended, and when: one row for each, by trial and index."""
    rows = pd.read_parquet(run / "history.parquet").set_index(["trial", "index"])
    effects = pd.read_parquet(run / "effects.parquet").dropna(subset=["applied_ns"])
    trials = [json.loads(path.read_bytes()) for path in (run / "trials").glob("*/trial.json")]
    services = trials[0]["services"]
    by_service = effects.groupby(["trial", "index", "service"])["applied_ns"]
    first_ns = by_service.min().astype("float64").unstack().reindex(index=rows.index, columns=services)
    times = by_service.size().unstack().reindex(index=rows.index, columns=services).fillna(0)

    def missing_in(what: str) -> pd.DataFrame:
        """Which effects are missing and in a trial's list of those that still wait, or that were given up."""
        listed = {(of["number"], id_, name) for of in trials for name, ids in of[what].items() for id_ in ids}
        keys = list(zip(rows.index.get_level_values("trial"), rows["registration_id"], strict=True))
        found = {name: [(*key, name) in listed for key in keys] for name in services}
        return (times == 0) & pd.DataFrame(found, index=rows.index)

    pending, dead_lettered = missing_in("pending"), missing_in("dead_lettered")
    gone = ((times == 0) & ~pending & ~dead_lettered).any(axis=1)
    acked, complete = rows["outcome"] == "acked", (times == 1).all(axis=1)
    sent_ns, answered_ns, intended_ns = (rows[f"{of}_ns"].astype("float64") for of in ("sent", "answered", "intended"))
    found = rows[["variant", "block"]].assign(**{outcome: rows["outcome"] == outcome for outcome in OUTCOMES})
    found["offered"], found["sent"], found["complete"] = True, sent_ns.notna(), complete
    found["pending"], found["dead_lettered"] = pending.any(axis=1), (dead_lettered & ~pending).any(axis=1)
    found["lost"], found["stranded"] = gone & acked, gone & rows["stored_ns"].notna() & ~acked
    found["recovered"], found["duplicated"] = complete & ~acked, (times > 1).any(axis=1)
    found["unexpected"] = (times > 0).any(axis=1) & rows["outcome"].isin(["refused", "failed"])
    found["accept_latency_ms"] = ((answered_ns - intended_ns) / 1e6).where(acked & rows["status"].notna())
    found["completion_latency_ms"] = (first_ns.max(axis=1, skipna=False) - intended_ns) / 1e6
    found["schedule_delay_ms"], found["window"] = (sent_ns - intended_ns) / 1e6, ""
    for name, bounds_ns in judged["windows_ns"].items():
        begin_ns, end_ns = bounds_ns or (0, 0)
        found["window"] = found["window"].mask((intended_ns >= begin_ns) & (intended_ns < end_ns), name)
    if any(trial.get("load_clock") and not trial["load_clock"]["same_host"] for trial in trials):
        found["completion_latency_ms"] = math.nan  # its two ends were read from the clocks of two hosts
    return with_shares(found, judged["slo"])


def with_shares(rows: pd.DataFrame, slo: dict[str, float]) -> pd.DataFrame:
    """The rows, and whether each counts for a share: `slo` is accepted in time and complete in time."""
    accepted = rows["acked"] & (rows["accept_latency_ms"] <= slo["accept_ms"])
    return rows.assign(slo=accepted & (rows["completion_latency_ms"] <= slo["complete_ms"]), accept=rows["acked"])


def quickest_and_slowest(rows: pd.DataFrame, residuals: pd.DataFrame, slo: dict[str, float]) -> Iterator[pd.DataFrame]:
    """The rows at both ends of a disturbance: the truth lies between what was predicted and what was measured.

    What was quiet keeps what was measured. A time that is missing never comes: `fmin` takes the other, `maximum` keeps
    it missing. A latency that only one of the two has may be anything.
    """
    predicted = residuals.set_index(["trial", "index"]).reindex(rows.index)
    is_open = predicted["quiet"].eq(False)
    acked = predicted["predicted_acked"].eq(True)
    other = predicted[["predicted_accept_ms", "predicted_completion_ms"]].set_axis(LATENCIES, axis=1)
    other["accept_latency_ms"] = other["accept_latency_ms"].where(acked)
    only_one = (rows[LATENCIES].isna() != other.isna()).mul(is_open, axis=0)
    ways: Any = ((np.fmin, np.logical_or, 0.0), (np.maximum, np.logical_and, NEVER_MS))
    for either, both, extreme_ms in ways:
        found = rows.assign(acked=rows["acked"].mask(is_open, both(rows["acked"], acked)))
        found[LATENCIES] = rows[LATENCIES].mask(is_open, either(rows[LATENCIES], other))
        found = with_shares(found, slo)
        found[LATENCIES] = found[LATENCIES].mask(only_one, extreme_ms)
        yield found


def figures_of(rows: pd.DataFrame, by: list[str]) -> pd.DataFrame:
    """Each metric (a column, such as `accept_latency_ms.p95{window:during}`) of each variant, or of each of its blocks.

    A time without a bound is infinite.
    """
    columns: dict[str, Any] = {}
    windows = {f"{{window:{name}}}": rows["window"] == name for name in rows["window"].unique() if name}
    for tag, inside in ({"": rows["offered"]} | windows).items():
        numbers = rows.drop(columns=["variant", "block", "window"]).astype("float64").where(inside)
        groups: Any = numbers.groupby([rows[key] for key in by])
        sums, means, counts = groups.sum(), groups.mean(), groups.count()
        columns |= {f"counts.{name}{tag}": sums[name] for name in ("offered", "sent", *OUTCOMES)}
        columns |= {f"{name}_ratio{tag}": means[name] for name in ("slo", "accept")}
        for stat, share in QUANTILES.items():
            found = groups.quantile(share).where(counts >= FEWEST.get(stat, 1))
            found = found.mask(found > NEVER_MS / 1e3, math.inf)
            columns |= {f"{name}.{stat}{tag}": found[name] for name in (*LATENCIES, "schedule_delay_ms")}
        if not tag:
            columns |= {f"registrations.{name}": sums[name] for name in ENDINGS}
            columns |= {f"{name}_ratio": means[name] for name in ("complete", "lost", "stranded", "duplicated")}
    return pd.DataFrame(columns)


def tag_of(metric: str) -> str:
    """Its window, with braces."""
    return "".join(metric.partition("{")[1:])


@np.errstate(divide="ignore", invalid="ignore")
def whole_of(rows: pd.DataFrame, blocks: pd.DataFrame) -> pd.DataFrame:
    """Each metric of each variant: of a latency the geometric mean over its blocks, all else over its registrations."""
    latencies: Any = blocks.filter(like="_ms").apply(np.log)
    logs = latencies.groupby("variant").agg(lambda figures: figures.mean(skipna=False))
    return figures_of(rows, ["variant"]).assign(**np.exp(logs))


def beta_quantile(a: float, b: float, chance: float) -> float:
    """Of the beta distribution, from the area under its density; each share is an angle's squared sine."""
    angles = (np.arange(1_000_000) + 0.5) * math.pi / 2e6
    log_density = (2 * a - 1) * np.log(np.sin(angles)) + (2 * b - 1) * np.log(np.cos(angles))
    areas = np.cumsum(np.exp(log_density - log_density.max()))
    return math.sin(np.interp(chance, areas / areas[-1], angles + angles[0])) ** 2


def t_quantile(freedom: int) -> float:
    """Student's t at 97.5 %: the share t² / (freedom + t²) has a beta distribution."""
    share = beta_quantile(0.5, freedom / 2, 0.95)
    return math.sqrt(freedom * share / (1 - share))


def exact(part: int, whole: int) -> Interval:
    """Clopper & Pearson: the shares at which so few, or so many, have a chance of 2.5 %."""
    low = beta_quantile(part, whole - part + 1, 0.025) if part else 0.0
    return low, beta_quantile(part + 1, whole - part, 0.975) if part < whole else 1.0


@np.errstate(divide="ignore", invalid="ignore")
def estimate(kind: str, metric: str, sides: list[pd.DataFrame]) -> tuple[float | None, Interval | None]:
    """The mean over the blocks that all sides have, and its 95 % interval: Student's t, for shares no narrower than
    the exact binomial limits of their counts (squared and added for two sides). Ratios and latencies are on logarithms.
    """
    figures = pd.concat([side["figure"] for side in sides], axis=1, join="inner").to_numpy()
    logs = kind == "ratio" or (kind == "variant" and "_ms" in metric and (figures > 0).all())
    scaled: Callable[[Any], Any] = np.log if logs else np.asarray
    back: Callable[[Any], float] = math.exp if logs else float
    blocks = scaled(figures[:, 0]) - (scaled(figures[:, 1]) if len(sides) == 2 else 0)
    if not len(blocks) or not np.isfinite(blocks).all():
        return None, None
    mean = blocks.mean()
    if len(blocks) < 3:
        return back(mean), None
    half = t_quantile(len(blocks) - 1) * blocks.std(ddof=1) / math.sqrt(len(blocks))
    low, high = mean - half, mean + half
    if "_ratio" in metric:
        sums = [side.sum() for side in sides]
        moved = [of["part"] / of["whole"] + side["shift"].iloc[0] for of, side in zip(sums, sides, strict=True)]
        counts = [
            (round(min(max(share, 0), 1) * of["whole"]), int(of["whole"]))
            for share, of in zip(moved, sums, strict=True)
        ]
        if logs and not all(part for part, _ in counts):
            return back(mean), (back(low), back(high))
        limits: list[Any] = [scaled([part / whole, *exact(part, whole)]) for part, whole in counts]
        (a, a_low, a_high), (b, b_low, b_high) = [*limits, (0, 0, 0)][:2]
        low = min(low, a - b - math.hypot(a - a_low, b_high - b))
        high = max(high, a - b + math.hypot(a_high - a, b - b_low))
        if not logs:  # no further than a share, or a difference of two, can be
            low, high = max(low, 1 - len(sides)), min(high, 1)
    return back(mean), (back(low), back(high))


def verdict_of(interval: Interval, expect: str) -> str:
    """Confirmed if the expectation holds on all of the interval, refuted if on none of it."""
    sign, bound = expect.split()
    holds = [OPERATORS[sign](end, float(bound)) for end in interval]
    never = not interval[0] <= float(bound) <= interval[1] if sign == "==" else not any(holds)
    return "confirmed" if all(holds) else "refuted" if never else "inconclusive"


class Run(NamedTuple):
    """A stored run. `whole`: figures by variant. `blocks`: by block, as measured and, if disturbed, highest and lowest.

    `disturbed`: the variants that were, and whether all their disturbed trials were predicted.
    """

    directory: Path
    plan: dict[str, Any]
    summary: dict[str, Any]
    whole: pd.DataFrame
    blocks: list[pd.DataFrame]
    disturbed: dict[str, bool]

    @classmethod
    def read(cls, directory: Path) -> Run:
        """From the files of a results directory."""
        plan, summary = (json.loads((directory / f"{name}.json").read_bytes()) for name in ("plan", "summary"))
        rows, by = read_registrations(directory, plan["judged"]), ["variant", "block"]
        blocks, disturbed = [figures_of(rows, by)], dict[str, bool]()
        if summary.get("disturbed"):
            residuals = pd.read_parquet(directory / "residuals.parquet")
            ends = quickest_and_slowest(rows, residuals, plan["judged"]["slo"])
            quick, slow = (figures_of(end, by) for end in ends)
            blocks += [quick.where(quick >= slow, slow), quick.where(quick <= slow, slow)]
            predicted = set(residuals["trial"])
            for number, variant in (label.split("-", 1) for label in summary["disturbed"]["trials"]):
                disturbed[variant] = disturbed.get(variant, True) and int(number) in predicted
        return cls(directory, plan, summary, whole_of(rows, blocks[0]), blocks, disturbed)

    def seals(self) -> Iterator[Check]:
        """Are they those of before the load? A file that was changed together with its digest is not found out."""
        as_text = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode
        texts = {"scenario": (self.directory / "scenario.yaml").read_text(encoding="utf-8")}
        texts["hypothesis"] = as_text(self.plan["judged"]["hypothesis"])
        texts["plan"] = as_text({key: value for key, value in self.plan.items() if key != "sha256"})
        for name, text in texts.items():
            yield f"{name}, SHA-256", hashlib.sha256(text.encode()).hexdigest(), self.plan["sha256"][name]

    def figures(self) -> Iterator[Check]:
        """Counts, endings, shares and latencies of each variant, whole and by window."""
        for variant, stored in self.summary["variants"].items():
            flat = pd.json_normalize(stored).to_dict("records")[0]
            for metric in map(str, self.whole):
                name, _, window = metric.rstrip("}").partition("{window:")
                place = f"windows.{window}.{name}" if window else name
                yield f"{variant}: {metric}", self.whole[metric].get(variant), flat.get(place)

    def hypothesis(self) -> Iterator[Check]:
        """What was asked, what came out, and what follows from it."""
        said: Any = self.summary["comparison"] or {"all": []}
        entries, asked = said.get("all", [said]), self.plan["judged"]["hypothesis"]
        verdicts = []
        yield "parts of the hypothesis", len(asked), len(entries)
        for part, entry in zip(asked, entries, strict=False):
            kind = next(one for one in ("variant", "ratio", "difference") if one in part)
            found = {key: part[key] for key in ("metric", kind, "expect")} | self.judged(kind, part)
            yield from ((f"{part['metric']}, {part[kind]}: {key}", found[key], entry.get(key)) for key in found)
            verdicts.append(found.get("verdict", entry["verdict"]))
        if len(entries) > 1:
            least = next((one for one in ("refuted", None, "inconclusive") if one in verdicts), "confirmed")
            yield "all parts: verdict", least, said["verdict"]

    def judged(self, kind: str, part: dict[str, Any]) -> dict[str, Any]:
        """Estimate, interval and verdict of a part; of a disturbed one the interval is over all that can have been."""
        metric, sides = part["metric"], part["sides"]
        # A loss that was seen stands, and none seen is none, however busy the machine was.
        counted = metric.removeprefix("registrations.").removesuffix("_ratio") in ("lost", "stranded", "duplicated")
        guaranteed = kind == "variant" and counted and part["expect"] == "== 0"
        hit = [] if guaranteed else [name for name in sides if name in self.disturbed]
        if metric not in self.whole or (hit and "_ratio" in metric and not metric.startswith(BRACKETED)):
            return {"not checked": None}

        def at(*ends: int) -> tuple[float | None, Interval | None]:
            return estimate(kind, metric, [self.side(metric, *each) for each in zip(sides, ends, strict=False)])

        bracket: tuple[float | None, float | None] | None = None
        value, interval = at(0, 0)
        bounded = all(self.margin(metric, name) is not None for name in hit)
        if hit and bounded and interval:
            (lowest, low), (highest, high) = at(-1, 1), at(1, -1)
            if kind == "ratio" and not low:
                lowest, low = 0.0, (0.0, 0.0)  # such as one to something that is predicted to take no time
            bracket = (lowest, highest) if low and high else None
            interval = (min(low[0], interval[0]), max(high[1], interval[1])) if low and high else None
        sound = bounded and self.summary["valid"] and not self.not_comparable(metric, sides)
        verdict = verdict_of(interval, part["expect"]) if interval and sound else None
        return {"estimate": value, "ci95": interval, "bracket": bracket, "verdict": verdict}

    def side(self, metric: str, variant: str, end: int) -> pd.DataFrame:
        """A variant's blocks, as measured (0), lowest (-1) or highest (1): the figure, and of a share its counts."""
        blocks = self.blocks[end][self.blocks[end].index.get_level_values("variant") == variant].droplevel("variant")
        whole, share = blocks[f"counts.offered{tag_of(metric)}"], "_ratio" in metric
        margin = self.margin(metric, variant) if end and variant in self.disturbed else None
        moved = blocks[metric] + end * (margin or 0.0)
        part, shift = (blocks[metric] * whole).round(), end * (margin or 0.0)
        figure = moved.clip(0, 1 if share else None)
        return pd.DataFrame({"figure": figure, "part": part, "whole": whole, "shift": shift})

    def margin(self, metric: str, variant: str) -> float | None:
        """How much further out both ends of a disturbed variant's figure are moved; None where they bound nothing."""
        if not self.disturbed[variant] or not metric.startswith(BRACKETED):
            return None
        known: dict[str, float | None] = self.summary["disturbed"].get("margins", {}).get(variant, {})
        name, tag = metric.partition("{")[0], tag_of(metric)
        if name.startswith(tuple(LATENCIES)) and name.split(".")[1] not in ("p50", "p95", "p99"):  # not tried by itself
            like = [known.get(f"{name.split('.')[0]}.{stat}{tag}", 0.0) for stat in ("p50", "p95", "p99")]
            return None if None in like else max(one for one in like if one is not None)
        return known.get(metric, 0.0)

    def not_comparable(self, metric: str, sides: list[str]) -> bool:
        """Two latencies of different people (acceptance a point apart), or too quick for the generator's own delay."""
        if "latency" not in metric or len(sides) < 2:
            return False
        likes = ("accept_ratio", f"{metric.split('.', 1)[0]}.p50", "schedule_delay_ms.p50")
        accepted, p50s_ms, delays_ms = (self.whole[name + tag_of(metric)].reindex(sides) for name in likes)
        return bool(round(accepted.max() - accepted.min(), 9) > 0.01 or p50s_ms.min() < 10 * delays_ms.max())


def same(found: Any, stored: Any) -> bool:
    """Whether they are; stored figures have six significant digits, and none is null."""
    if isinstance(found, tuple) and isinstance(stored, list):
        return all(map(same, found, stored))
    if isinstance(found, float | int) and isinstance(stored, float | int):
        return math.isclose(found, stored, rel_tol=1e-5, abs_tol=1e-9)
    return bool(found == stored or (found != found and stored is None))


def main(directory: Path) -> int:
    """Print what was checked and what differs, and return the exit code."""
    try:
        run = Run.read(directory)
        checks = [*run.seals(), *run.figures(), *run.hypothesis()]
    except (OSError, ValueError, KeyError, IndexError) as error:
        print(f"{directory} is not a run that can be checked: {error!r}", file=sys.stderr)
        return 2
    wrong = [check for check in checks if not same(*check[1:])]
    skipped = [what for what, *_ in checks if what.endswith("not checked")]
    for what, found, stored in wrong:
        print(f"DIFFERS  {what}: computed {found}, stored {stored}")
    for what in skipped:
        print(f"{what}, since no file holds what it is made of")
    print(f"{len(checks) - len(skipped) - len(wrong)} of {len(checks) - len(skipped)} as stored")
    print("The summary does not follow from the files." if wrong else "Nothing that was checked differs.")
    return 110 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1] if len(sys.argv) > 1 else "results/latest")))
