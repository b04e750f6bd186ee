"""What a summary comes to in sentences, for the terminal and the report: the verdict, a caution, what was repeated."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from math import inf

from benchmarks.analysis.summary_model import HypothesisVerdict, PartVerdict, Summary, Threshold
from benchmarks.scenario.metric import Metric
from benchmarks.words.numbers import NBSP, figure, listed, plural, signed

_WINDOWS = {"before": "before the fault", "during": "during the fault", "after": "after the fault"}

_ASKED_MORE = 1.1  # how much more often one side may be asked before it is said


def verdict_sentence(summary: Summary) -> str:
    """One sentence: what was expected, what was found with its interval, and the verdict or why there is none."""
    if not summary.valid:
        more = len(summary.invalid_reasons) - 1
        first = summary.invalid_reasons[0] if summary.invalid_reasons else "it judged itself"
        return f"{_head(None, summary)}: the run is not valid ({first}{f'; and {more} more' if more > 0 else ''})."
    judged, variants = summary.comparison, tuple(summary.variants)
    if judged is None:
        return "No hypothesis was set, so there is no verdict: the table says what was measured."
    if isinstance(judged, HypothesisVerdict):
        parts = [f"{part.verdict or 'no verdict'}: {found_words(part, variants)}" for part in judged.all]
        return f"{_head(judged.verdict, summary)}, of {plural(len(parts), 'part')}. {'; '.join(parts)}."
    if judged.verdict is None:
        measured = f" Measured: {found_words(judged, variants)}." if judged.estimate is not None else ""
        return f"{_head(None, summary)}: {judged.reason or 'there is no interval'}.{measured}"
    return f"{_head(judged.verdict, summary)}: {found_words(judged, variants)}."


def broker_caution(summary: Summary) -> str:
    """The sentence that stands above the figures of a stand-in; empty where the broker is a real one."""
    brokers = [variant.broker or {} for variant in summary.variants.values()]
    # Runs of before the flag was kept have but the name of the one stand-in that there was.
    stand_ins = {str(broker["kind"]) for broker in brokers if broker.get("emulator", broker.get("kind") == "embedded")}
    if not stand_ins:
        return ""
    return (
        f"Not a real broker: the event side ran on a stand-in ({', '.join(sorted(stand_ins))}). "
        "Its times, guarantees and cost are not those of a real one."
    )


def repeated_sentences(summary: Summary) -> tuple[str, ...]:
    """One sentence for each attempt at a block that does not count; empty where every first attempt does."""
    return tuple(
        f"repeated as a block, and not counted: {', '.join(attempt.trials)}, since {'; '.join(attempt.reasons)}"
        for attempt in summary.repeated_blocks
    )


def repeats_sentence(summary: Summary) -> str:
    """Which blocks were repeated and how often, in one line; empty where none was."""
    times = Counter(attempt.block for attempt in summary.repeated_blocks)
    often = {1: "once", 2: "twice"}
    words = [f"block {block + 1} {often.get(number, f'{number} times')}" for block, number in sorted(times.items())]
    return f"{listed(words)} repeated, since disturbed; those attempts do not count" if words else ""


def loop_sentence(summary: Summary) -> str:
    """That a closed loop asked one side more often than the other; empty where all were asked as often."""
    asked = {
        name: (summary.figure(name, "counts", "offered") or 0) / max(len(side.trials), 1)
        for name, side in summary.variants.items()
    }
    most, least = max(asked, key=asked.__getitem__, default=""), min(asked, key=asked.__getitem__, default="")
    if not asked or asked[least] <= 0 or asked[most] / asked[least] < _ASKED_MORE:
        return ""
    return (
        f"a closed loop asks again once it is answered, so {most} was asked {figure(asked[most] / asked[least])} times "
        f"as often as {least}: compare shares and times with that in mind"
    )


def threshold_lines(summary: Summary) -> dict[str, list[str]]:
    """Every threshold in words by its state, what needs a look first; a state that none is in is left out."""
    found: dict[str, list[str]] = {}
    for one in summary.thresholds:
        words = f"{one.metric}{'' if 'variant:' in one.metric else f' of {one.variant}'} {one.expression}"
        told = f"{words}, measured {figure(one.value)}" if one.value is not None else words
        found.setdefault(threshold_state(one), []).append(f"{told}: {one.reason}" if one.reason else told)
    return {state: found[state] for state in ("failed", "not decided", "not measured", "passed") if state in found}


def threshold_state(one: Threshold) -> str:
    """`passed`, `failed`, `not measured` where there is no figure, `not decided` where there is one and no answer."""
    if one.value is None:
        return "not measured"
    return "not decided" if one.passed is None else "passed" if one.passed else "failed"


def metric_words(metric: Metric) -> str:
    """`accept_latency_ms.p95{window:during}` as `accept latency p95 during the fault`."""
    service = f" of {metric.service}" if metric.service else ""
    return metric.definition.said(metric.stat) + service + (f" {_WINDOWS[metric.window]}" if metric.window else "")


def found_words(found: PartVerdict, variants: Sequence[str]) -> str:
    """A comparison and what was expected, in words: `… was 97.1 points higher with events than with sync (…)`."""
    metric, kind, value = found.measured, found.kind, found.estimate
    first, second = sides_of(found.label, variants)
    words = metric_words(metric)
    if value is None:
        sides = f"{first} and {second}" if second else first
        return f"{words}, {sides}: {found.reason or 'no figure'}"

    unit = _unit(kind, metric)
    scale = 100.0 if unit in (f"{NBSP}points", f"{NBSP}%") else 1.0
    if kind == "difference" and value == 0:
        text = f"{words} was the same with {first} and {second}"
    elif kind == "difference":
        text = f"{words} was {figure(abs(value) * scale)}{unit} {'higher' if value > 0 else 'lower'} with {first}"
        text += f" than with {second}"
    elif kind == "ratio" and value == 1:
        text = f"{words} was the same with {first} and {second}"
    elif kind == "ratio":
        turned = value < 1
        text = f"{words} was {figure(1 / value if turned else value)}× {'lower' if turned else 'higher'} with {first}"
        text += f" than with {second}"
    else:
        text = f"{words} was {figure(value * scale)}{unit} with {first}"
    details = []
    if found.ci95 is not None:
        ends = (
            found.ci95
            if kind != "ratio" or value >= 1
            else tuple(1 / edge if edge else inf for edge in found.ci95[::-1])
        )
        low, high = (signed(edge * scale) if kind == "difference" else figure(edge * scale) for edge in ends)
        details.append(f"95{NBSP}% interval {low} to {high}{'×' if kind == 'ratio' else unit}")
    if found.per_block:
        details.append(plural(len(found.per_block), "block"))
    if found.expect:
        sign, _, bound = found.expect.partition(" ")
        what = f"{found.label} " if kind == "ratio" else ""
        details.append(f"expected {what}{sign} {float(bound) * scale:g}{unit}")
    return f"{text} ({', '.join(details)})" if details else text


def _head(verdict: str | None, summary: Summary) -> str:
    return ("No verdict" if verdict is None else verdict.capitalize()) + " (quick)" * summary.quick


def sides_of(text: str, variants: Sequence[str]) -> tuple[str, str]:
    """The two sides of `A/B` or `A-B`, cut where both halves are variants; one side alone has no second."""
    cuts = [(text[:at], text[at + 1 :]) for at, mark in enumerate(text) if mark in "-/"]
    return next(((a, b) for a, b in cuts if a in variants and b in variants), (text, ""))


def _unit(kind: str, metric: Metric) -> str:
    nature = metric.definition.nature
    if kind == "ratio":
        return ""
    if nature == "share":
        return f"{NBSP}points" if kind == "difference" else f"{NBSP}%"
    return f"{NBSP}ms" if nature == "latency" else ""
