"""What a summary comes to in sentences, for the terminal and the report: the verdict, a caution, what was repeated."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.analysis.overload import FOREIGN_LIMIT
from benchmarks.analysis.summary_model import HypothesisVerdict, PartVerdict, Summary, Threshold
from benchmarks.scenario.hypothesis import EstimateKind
from benchmarks.scenario.metric import Metric
from benchmarks.words.comparison import RatioWords, effect_words, scale_of
from benchmarks.words.numbers import NBSP, clause, figure, listed, plural, sentence, signed

_WINDOWS = {"before": "before the fault", "during": "during the fault", "after": "after the fault"}

# How a ratio is said, by its way.
_SAID = {
    "less": "was {size}× lower with {first} than with {second}",
    "more": "was {size}× higher with {first} than with {second}",
    "open": "with {first} was {size} times that with {second}",
    "same": "was the same with {first} and {second}",
}

_ASKED_MORE = 1.1  # how much more often one side may be asked before it is said


def verdict_sentence(summary: Summary) -> str:
    """One sentence: the verdict with what was found and expected, or why there is none; of several parts it alone."""
    if disturbance := _too_disturbed(summary):
        return f"{_head(None, summary)}: {disturbance}."
    if not summary.valid:
        more = len(summary.invalid_reasons) - 1
        first = summary.invalid_reasons[0] if summary.invalid_reasons else "it judged itself"
        return f"{_head(None, summary)}: the run is not valid ({first}{f'; and {more} more' if more > 0 else ''})."
    judged, variants = summary.comparison, tuple(summary.variants)
    if judged is None:
        return "No hypothesis was set, so there is no verdict: the table says what was measured."
    if isinstance(judged, HypothesisVerdict):
        return f"{_head(judged.verdict, summary)}{_of_parts(judged)}."
    if judged.verdict is None:
        measured = f" Measured: {found_words(judged, variants)}." if judged.estimate is not None else ""
        return f"{_head(None, summary)}: {judged.reason or 'there is no interval'}.{measured}"
    return f"{_head(judged.verdict, summary)}: {found_words(judged, variants)}."


def part_sentences(summary: Summary) -> tuple[str, ...]:
    """Beneath the verdict on several parts one line for each, those together that differ by their bound alone."""
    if not summary.valid or not isinstance(summary.comparison, HypothesisVerdict):
        return ()
    alike: dict[object, list[PartVerdict]] = {}
    for part in summary.parts:
        alike.setdefault((same_figure(part), part.estimate, part.ci95, part.verdict), []).append(part)
    return tuple(_part_sentence(parts, tuple(summary.variants)) for parts in alike.values())


def same_figure(part: PartVerdict) -> tuple[str, str]:
    """What two parts have in common that ask the same of the same sides."""
    return part.metric, part.label


def disturbance_sentence(summary: Summary) -> str:
    """What disturbed the run, and what follows; empty where nothing did, or where the verdict has it already."""
    return "" if summary.disturbed is None or _too_disturbed(summary) else sentence(summary.disturbed.sentence)


def reasons_against(summary: Summary) -> tuple[str, ...]:
    """Why the run is not valid: of one that was too disturbed, whose verdict says it, each trial's own reasons."""
    return summary.disturbed.reasons if summary.disturbed and _too_disturbed(summary) else summary.invalid_reasons


def disturbed_figures_sentence(summary: Summary) -> str:
    """Whose absolute figures are not theirs alone; empty where nothing disturbed the run."""
    if summary.disturbed is None:
        return ""
    hit = {label.partition("-")[2] for label in summary.disturbed.trials}  # of `01-sync`
    names = listed([name for name in summary.variants if name in hit])
    foreign = (summary.disturbed.foreign_share or 0.0) > FOREIGN_LIMIT
    whose = "other programs" if foreign else "the disturbance"
    return f"figures of {names} include what {whose} added" if names else ""


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
    blocks = sorted({attempt.block + 1 for attempt in summary.repeated_blocks})
    number = len(summary.repeated_blocks)
    times = {1: "once", 2: "twice"}.get(number, f"{number} times")
    if len(blocks) == 1:
        return f"block {blocks[0]} was repeated {times}, since it was disturbed"
    named = listed([str(block) for block in blocks])
    return f"blocks {named} were repeated ({times} in all), since they were disturbed" if blocks else ""


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
    """Every threshold in words by its state, what needs a look first; a state that none is in is left out.

    What was expected of several variants alike, and came out alike, is one line.
    """
    alike: dict[tuple[str, str, str, str | None], list[Threshold]] = {}
    for one in summary.thresholds:
        alike.setdefault((threshold_state(one), one.metric, one.expression, one.reason), []).append(one)
    found: dict[str, list[str]] = {}
    for (state, metric, expression, reason), of in alike.items():
        whose = "" if "variant:" in metric else f" of {listed([one.variant for one in of])}"
        measured = listed([figure(one.value) for one in of if one.value is not None])
        words = f"{metric}{whose} {expression}" + (f", measured {measured}" if measured else "")
        found.setdefault(state, []).append(f"{words}: {reason}" if reason else words)
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

    scale, unit = _unit(kind, metric)
    write = signed if kind == "difference" else figure
    span = "" if found.ci95 is None else " to ".join(write(edge * scale) for edge in found.ci95) + unit
    if kind == "ratio":
        size = RatioWords.of(value, found.ci95)
        text = f"{words} {_SAID[size.way].format(first=first, second=second, size=size.size)}"
        span = size.span
    elif kind == "difference" and value == 0:
        text = f"{words} was the same with {first} and {second}"
    elif kind == "difference":
        text = f"{words} was {figure(abs(value) * scale)}{unit} {'higher' if value > 0 else 'lower'} with {first}"
        text += f" than with {second}"
    else:
        text = f"{words} was {figure(value * scale)}{unit} with {first}"
    details = [f"95{NBSP}% interval {span}"] if span else []
    if found.per_block:
        details.append(plural(len(found.per_block), "block"))
    if found.expect:
        details.append(_expected([found], f"{found.label} " if kind == "ratio" else ""))
    return f"{text} ({', '.join(details)})" if details else text


def _part_sentence(parts: Sequence[PartVerdict], variants: Sequence[str]) -> str:
    """`Confirmed: accept latency p50, a against b: 1.02× (0.996–1.04×), expected > 0.8 and < 1.25.`"""
    found = parts[0]
    said = f"{metric_words(found.measured)}, {' against '.join(filter(None, sides_of(found.label, variants)))}"
    if found.estimate is not None:
        # One that is turned round is not what the bound is about.
        turned = found.kind == "ratio" and RatioWords.of(found.estimate, found.ci95).way == "less"
        said += f": {effect_words(found)}, {_expected(parts, f'{found.label} ' if turned else '')}"
    why = f": {found.reason or 'no figure'}" if found.verdict is None else ""
    return sentence(f"{found.verdict or 'no verdict'}: {said}{why}")


def _expected(parts: Sequence[PartVerdict], what: str) -> str:
    """`expected events/sync < 0.5`, `what` being the sides; the bounds of several parts about one figure together."""
    scale, unit = _unit(parts[0].kind, parts[0].measured)
    bounds = [part.expect.partition(" ") for part in parts]
    every = [f"{sign}{NBSP}{float(bound) * scale:g}{unit}" for sign, _, bound in bounds]
    return f"expected {what}{' and '.join(every)}"


def _of_parts(judged: HypothesisVerdict) -> str:
    """To how many of the parts the verdict on all of them is owed: `, all 4 parts`, ` on 1 of 2 parts`."""
    total, number = len(judged.all), sum(part.verdict == judged.verdict for part in judged.all)
    parts = plural(total, "part")
    if judged.verdict is None:
        return f" on any of {parts}" if number == total else f" on {number} of {parts}"
    every = "both parts" if total == 2 else f"all {parts}"
    return f", {every if number == total else f'{number} of {parts}'}"


def _too_disturbed(summary: Summary) -> str:
    """What disturbed the run where that is why it decides nothing, to stand inside a sentence; else empty."""
    said = "" if summary.disturbed is None else clause(summary.disturbed.sentence)
    return said if not summary.valid and any(said in reason for reason in summary.invalid_reasons[:1]) else ""


def _head(verdict: str | None, summary: Summary) -> str:
    return ("No verdict" if verdict is None else verdict.capitalize()) + " (quick)" * summary.quick


def sides_of(text: str, variants: Sequence[str]) -> tuple[str, str]:
    """The two sides of `A/B` or `A-B`, cut where both halves are variants; one side alone has no second."""
    cuts = [(text[:at], text[at + 1 :]) for at, mark in enumerate(text) if mark in "-/"]
    return next(((a, b) for a, b in cuts if a in variants and b in variants), (text, ""))


def _unit(kind: EstimateKind, metric: Metric) -> tuple[float, str]:
    """Scale and unit as in `scale_of`, but for a unit that the metric's words name already."""
    scale, unit = scale_of(kind, metric)
    return scale, unit if metric.definition.nature in ("share", "latency") else ""
