"""A calibration in sentences: the same for the terminal, the report and the doctor."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast

from benchmarks.scenario.metric import Metric
from benchmarks.words.numbers import DASH, figure, milliseconds, percent, plural
from benchmarks.words.table import label_of

NOT_CALIBRATED = "not calibrated: `bench calibrate` measures what this machine can show"
_QUICK = " (quick)"
# The figures of a noise floor that are shown: the others are in the file.
_SHOWN = ("accept_latency_ms.p50", "accept_latency_ms.p95", "completion_latency_ms.p50", "slo_ratio")


@dataclass(frozen=True)
class StoredFigures:
    """A stored calibration, read with types: any part may be missing, and a figure that is not there reads as None."""

    document: Mapping[str, object]

    def section(self, *path: str) -> Mapping[str, object]:
        """The object at `path`; empty where there is none."""
        found = self._at(path)
        return cast("Mapping[str, object]", found) if isinstance(found, Mapping) else {}

    def items(self, *path: str) -> tuple[object, ...]:
        """The list at `path`; empty where there is none."""
        found = self._at(path)
        return tuple(found) if isinstance(found, list | tuple) else ()

    def number(self, *path: str) -> float | None:
        found = self._at(path)
        return None if found is None or isinstance(found, bool | str | Mapping | list) else float(cast("float", found))

    def text(self, *path: str) -> str | None:
        found = self._at(path)
        return None if found is None else str(found)

    def _at(self, path: tuple[str, ...]) -> object:
        found: object = self.document
        for key in path:
            if not isinstance(found, Mapping):
                return None
            found = found.get(key)
        return found


def stale_words(calibration: Mapping[str, object]) -> str:
    """Why it does not fit; empty where it does."""
    reasons = calibration.get("stale")
    return "; ".join(str(reason) for reason in reasons) if isinstance(reasons, list) else ""


def part_words(name: str, figures: Mapping[str, object]) -> str:
    """One part in a sentence. `name`: a part of the calibration by its key, or `noise_floor` for a scenario's."""
    stored = StoredFigures(figures)
    return _WORDS[name](stored) + (_QUICK if figures.get("quick") else "")


def _timer(part: StoredFigures) -> str:
    return (
        f"{part.text('pacer')} rings {_late(part, 'late_ms')} late; the event loop's own {_late(part, 'loop_late_ms')}"
    )


def _late(part: StoredFigures, name: str) -> str:
    return f"{milliseconds(part.number(name, 'p50'))} (p50), {milliseconds(part.number(name, 'p99'))} (p99)"


def _clock(part: StoredFigures) -> str:
    low, high = (figure(float(str(edge))) for edge in part.items("offset_us"))
    one = part.document.get("one_clock") is True
    same = "one clock in all processes" if one else f"not one clock: {figure(part.number('outside'))} answers outside"
    cost, source = figure(part.number("read_ns")), part.text("source") or "not known"
    return f"{same}, offset within {low} to {high} µs; a look at it costs {cost} ns; source {source}"


def _generator(part: StoredFigures) -> str:
    highest = part.number("highest_clean_per_s")
    if highest is None:
        return "not even the lowest rate was clean: end what else is running, and calibrate again"
    limit = milliseconds(part.number("delay_limit_ms"))
    return f"clean up to {highest:,.0f}/s (schedule delay p99 at most {limit}, nothing dropped)"


def _harness(part: StoredFigures) -> str:
    sides = []
    for name in part.section("variants"):
        accept, done, trace = (
            part.number("variants", name, *path)
            for path in (("accept_ms", "p50"), ("completion_ms", "p50"), ("trace_costs_ms",))
        )
        times = f"{name}: accept {milliseconds(accept)}, completion {milliseconds(done)} (p50)"
        sides.append(times + ("" if trace is None else f", the trace {_cost(trace)}"))
    return f"without any work, at {figure(part.number('rate_per_s'))}/s, " + "; ".join(sides)


def _cost(added_ms: float) -> str:
    return f"{milliseconds(added_ms)} of it" if added_ms > 0 else "less than can be told apart"


def _broker(part: StoredFigures) -> str:
    share, memory = part.number("cpu_ms_per_s"), part.number("rss_mb")
    return f"idle {part.text('kind')} {part.text('version')}: {figure(share)} ms of CPU a second, {figure(memory)} MB"


def _noise(part: StoredFigures) -> str:
    reaches = [
        f"{label_of(Metric.parse(metric))} {_reach(part, metric)}"
        for metric in _SHOWN
        if part.section("metrics", metric)
    ]
    blocks = int(part.number("blocks") or 0)
    return f"identical sides over {plural(blocks, 'block')} differ by up to: " + (", ".join(reaches) or DASH)


def _reach(part: StoredFigures, metric: str) -> str:
    high = part.number("metrics", metric, "high")
    if high is None:
        return DASH
    return f"± {percent(high)}" if part.text("metrics", metric, "kind") == "difference" else f"× {figure(high)}"


def calibration_lines(
    calibration: object, scenario: str, planned_per_s: float | None
) -> tuple[str, list[tuple[str, str]]]:
    """For a report: one sentence on the whole, and each part that bears on the run with what it says.

    `planned_per_s`: the highest rate that the run planned; None for a closed load.
    """
    if not isinstance(calibration, Mapping):
        return NOT_CALIBRATED, []
    if stale := stale_words(calibration):
        return f"stale, so not used: {stale}", []
    stored = StoredFigures(calibration)
    lines = []
    if floor := stored.section("noise_floor", scenario):
        lines.append(("noise floor", part_words("noise_floor", floor)))
    else:
        lines.append(("noise floor", f"not measured: `bench calibrate --aa {scenario}`"))
    for name, words in _REPORTED.items():
        if part := stored.section(name):
            lines.append((words, part_words(name, part) + (_planned(planned_per_s) if name == "generator" else "")))
    return f"measured {stored.text('measured')} on this machine", lines


def _planned(per_s: float | None) -> str:
    return "" if per_s is None else f"; this run planned at most {per_s:,.0f}/s"


_REPORTED = {
    "generator": "generator",
    "harness": "harness",
    "timer": "timer",
    "clock": "clock",
    "broker_idle": "broker",
}
_WORDS = {
    "timer": _timer,
    "clock": _clock,
    "generator": _generator,
    "harness": _harness,
    "broker_idle": _broker,
    "noise_floor": _noise,
}
