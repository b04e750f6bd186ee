"""What a verdict is worth, in sentences: what the parameters alone say, how far it holds, what it costs."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from benchmarks.analysis.summary_model import Added, PartVerdict, Summary
from benchmarks.scenario.metric import Expectation, Metric
from benchmarks.words.comparison import RatioWords, advantage_words, scale_of, span_words
from benchmarks.words.numbers import NBSP, clause, count, figure, milliseconds, nominal_ms, seconds, sentence, signed
from benchmarks.words.summary import same_figure
from benchmarks.words.table import label_of

_SHOWN = 3  # of what speaks for the losing side; `summary.json` has them all


def worth_sentences(summary: Summary) -> tuple[str, ...]:
    """Of each figure and pair of sides its prediction and its reach, once; then what speaks for the other side."""
    alike: dict[tuple[str, str], list[PartVerdict]] = {}
    for part in summary.parts:
        alike.setdefault(same_figure(part), []).append(part)
    labels = [label_of(parts[0].measured) for parts in alike.values()]
    lines = []
    for label, parts in zip(labels, alike.values(), strict=True):
        # Parts about one figure may differ in what follows from it, not in what the parameters alone say.
        every = [*map(prediction_sentence, parts), *_reaches(parts, summary)]
        said = " ".join(dict.fromkeys(filter(None, every)))
        whose = f"{label}, {parts[0].label}" if labels.count(label) > 1 else label
        if said:
            lines.append(sentence(f"{whose}: {clause(said)}" if len(alike) > 1 else said))
    return (*lines, *advantage_sentences(summary))


def prediction_sentence(part: PartVerdict) -> str:
    """What the parameters alone say, and what the measurement adds; empty without a prediction."""
    if part.predicted is None:
        return ""
    says = f"the parameters alone say {_value(part, part.predicted)}"
    added = f"; the measurement {_added(part, part.adds)}" if part.adds is not None else ""
    if part.as_predicted:
        return f"As predicted: {says}{added}."
    if part.decided:
        return f"Not as predicted: {says}{added}."
    return f"{says[0].upper()}{says[1:]}{added}."


def reach_sentence(part: PartVerdict, summary: Summary) -> str:
    """For which SLOs, or up to which bound, the verdict stays what it is; empty where it is not known."""
    holds = part.holds_for
    if holds is None:
        return ""
    if holds.accept_slo_ms is None or holds.complete_slo_ms is None:
        bound = _bound_words(part)
        return f"It {_still(part)} at {bound}." if bound else ""
    set_ms = summary.slo_ms or {}
    accept = f"an accept SLO {_span(holds.accept_slo_ms)}{_set(set_ms.get('accept'))}"
    complete = f"a completion SLO {_span(holds.complete_slo_ms)}{_set(set_ms.get('complete'))}"
    return f"Holds for {accept} and for {complete}."


def cost_sentences(summary: Summary) -> tuple[tuple[str, str], ...]:
    """What each side took, as (what, words): only what was measured, and of what went wrong only what occurred."""
    if summary.worth is None:
        return ()
    costs = summary.worth.costs
    lines = (
        (
            "CPU",
            {
                name: milliseconds(of.cpu_ms_per_registration)
                for name, of in costs.items()
                if of.cpu_ms_per_registration is not None
            },
        ),
        (
            "memory",
            {name: f"{figure(of.rss_mb_max)}{NBSP}MB" for name, of in costs.items() if of.rss_mb_max is not None},
        ),
        ("drain", {name: seconds(of.drain_s) for name, of in costs.items() if of.drain_s is not None}),
        ("effects missing", {name: count(of.effects_missing) for name, of in costs.items() if of.effects_missing}),
        ("complete, but late", {name: count(of.late) for name, of in costs.items() if of.late}),
    )
    return tuple((what, ", ".join(f"{name} {text}" for name, text in of.items())) for what, of in lines if of)


def advantage_sentences(summary: Summary) -> Iterator[str]:
    """What speaks for the side that the verdict speaks against; each metric once, in the window that is found first."""
    if summary.worth is None or not summary.worth.losing_side_better:
        return
    every: dict[str, str] = {}
    for one in summary.worth.losing_side_better:
        metric = Metric.parse(one.metric)
        every.setdefault(metric.name, f"{label_of(metric)} {advantage_words(one)}")
    more = len(every) - _SHOWN
    rest = f"; and {more} more" if more > 0 else ""
    side = summary.worth.losing_side_better[0].variant
    yield f"What speaks for {side}: {'; '.join([*every.values()][:_SHOWN])}{rest}."


def _value(part: PartVerdict, value: float) -> str:
    if part.kind == "ratio":
        return "the same" if value == 1 else f"{figure(value)} times" if value > 0 else "0 times"
    scale, unit = scale_of(part.kind, part.measured)
    return (signed if part.kind == "difference" else figure)(value * scale) + unit


def _added(part: PartVerdict, adds: Added) -> str:
    """`adds 2.10 ms (1.80 to 2.40), outside the A/A floor`."""
    floor = {None: "", True: ", outside the A/A floor", False: ", within the A/A floor"}[adds.outside_floor]
    if part.kind == "ratio":
        found = RatioWords.of(adds.estimate, adds.ci95)
        size = "the same" if found.way == "same" else f"{figure(adds.estimate)} times that"
        return f"says {size}{f' ({span_words(adds.ci95)})' if adds.ci95 else ''}{floor}"
    scale, unit = scale_of("difference", part.measured)
    if adds.estimate == 0 and (adds.ci95 is None or set(adds.ci95) == {0}):
        return "adds nothing"
    span = f" ({signed(adds.ci95[0] * scale)} to {signed(adds.ci95[1] * scale)})" if adds.ci95 else ""
    return f"adds {signed(adds.estimate * scale)}{unit}{span}{floor}"


def _reaches(parts: Sequence[PartVerdict], summary: Summary) -> list[str]:
    """The reach of each part; a lower and an upper bound of one figure together."""
    if len(parts) == 2 and parts[0].verdict == parts[1].verdict:
        low, high = (next((part for part in parts if part.expect.startswith(sign)), None) for sign in "><")
        if low and high and (least := _bound_words(low)) and (most := _bound_words(high)):
            return [f"It {_still(low)} from {least} to {most}."]
    return [reach_sentence(part, summary) for part in parts]


def _still(part: PartVerdict) -> str:
    return "would still be confirmed" if part.verdict == "confirmed" else "would be refuted even"


def _bound_words(part: PartVerdict) -> str:
    """The strictest bound at which the verdict stays, as `> 0.995`; empty where it is not known, or has SLOs."""
    holds = part.holds_for
    if holds is None or holds.bound is None or holds.accept_slo_ms is not None:
        return ""
    op, confirmed = Expectation.parse(part.expect).op, part.verdict == "confirmed"
    scale, unit = scale_of(part.kind, part.measured)
    # Rounded so that what is printed would still be judged alike.
    text = figure(_rounded(holds.bound * scale, up=(op in ("<", "<=")) == confirmed))
    return f"{op[0]} {text}{unit}"


def _rounded(value: float, *, up: bool) -> float:
    if value == 0:
        return 0.0
    factor = 10.0 ** (2 - math.floor(math.log10(abs(value))))
    return (math.ceil if up else math.floor)(value * factor) / factor


def _span(span: tuple[float | None, float | None]) -> str:
    low, high = span
    if low is None and high is None:
        return "of any length"
    if low is None:
        return f"up to {milliseconds(high)}"
    return (
        f"of {milliseconds(low)} or more" if high is None else f"between {milliseconds(low)} and {milliseconds(high)}"
    )


def _set(set_ms: float | None) -> str:
    return "" if set_ms is None else f" (set: {nominal_ms(set_ms)})"


def slo_words(summary: Summary) -> str:
    """`SLO: accepted within 300 ms, complete within 30 s`; empty where an older run did not store it."""
    slo = summary.slo_ms
    if not slo:
        return ""
    return f"SLO: accepted within {nominal_ms(slo['accept'])}, complete within {nominal_ms(slo['complete'])}"
