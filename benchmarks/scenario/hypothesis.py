"""What a scenario expects to see: a hypothesis (one variant, or two against each other), and thresholds to keep."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeVar

from benchmarks.scenario.metric import Expectation, Metric
from benchmarks.values.checked import Known
from benchmarks.values.problems import Flaw, ValueProblems, choice_hint

# Metric → expressions, both as written.
Thresholds = dict[str, tuple[str, ...]]

T = TypeVar("T")
EstimateKind = Literal["variant", "ratio", "difference"]
SEPARATORS: dict[EstimateKind, str] = {"ratio": "/", "difference": "-"}
_COMPARISONS: tuple[EstimateKind, ...] = ("variant", "ratio", "difference")
_KEYS = ("metric", *_COMPARISONS, "expect")


@dataclass(frozen=True)
class HypothesisPart:
    """One expectation. `sides` names one variant (`variant`) or two (A/B or A-B, in that order)."""

    metric: Metric
    comparison: EstimateKind
    sides: tuple[str, ...]
    expect: Expectation

    @property
    def label(self) -> str:
        """As the file writes it: `events-sync`, `events/sync`, `events`."""
        return SEPARATORS.get(self.comparison, "").join(self.sides)

    @property
    def variant(self) -> str | None:
        return self.sides[0] if self.comparison == "variant" else None

    @property
    def ratio(self) -> tuple[str, str] | None:
        return (self.sides[0], self.sides[1]) if self.comparison == "ratio" else None

    @property
    def difference(self) -> tuple[str, str] | None:
        return (self.sides[0], self.sides[1]) if self.comparison == "difference" else None

    def of(self, figures: Sequence[float | None]) -> float | None:
        """What it is about, from the figure of each side; None where one is missing, or divided by nothing."""
        first, second = figures[0], figures[-1]
        if first is None or second is None:
            return None
        if self.comparison == "variant":
            return first
        if self.comparison == "difference":
            return first - second
        return first / second if second else None

    def as_dict(self) -> dict[str, str]:
        return {"metric": str(self.metric), self.comparison: self.label, "expect": str(self.expect)}


@dataclass(frozen=True)
class Hypothesis:
    """All `parts` have to hold for the hypothesis to be confirmed."""

    parts: tuple[HypothesisPart, ...]

    def as_dict(self) -> dict[str, object]:
        parts = [part.as_dict() for part in self.parts]
        return dict(parts[0]) if len(parts) == 1 else {"all": parts}


def parse_hypothesis(value: object, known: Known) -> Hypothesis:
    """Read `{metric, variant | ratio | difference, expect}` or `{all: [...]}`. Raises ValueProblems."""
    if isinstance(value, Hypothesis):
        return value
    if not isinstance(value, dict):
        raise ValueProblems(
            [Flaw((), "this must be a mapping of metric, expect and one of variant, ratio or difference")]
        )
    if "all" not in value:
        return Hypothesis((_parse_part(value, known),))
    items = value["all"]
    flaws = [Flaw((key,), f"{key!r} cannot be combined with 'all'") for key in value if key != "all"]
    if not isinstance(items, list) or not items:
        raise ValueProblems([*flaws, Flaw(("all",), "this must be a list of one or more hypotheses")])
    parts: list[HypothesisPart] = []
    for index, item in enumerate(items):
        try:
            if not isinstance(item, dict):
                raise ValueProblems([Flaw((), "this must be a mapping with metric and expect")])
            parts.append(_parse_part(item, known))
        except ValueProblems as error:
            flaws += [Flaw(("all", index, *flaw.location), flaw.message) for flaw in error.flaws]
    if flaws:
        raise ValueProblems(flaws)
    return Hypothesis(tuple(parts))


def parse_thresholds(value: object, known: Known) -> Thresholds:
    """Read `{metric: [expression, …]}`, all about things the scenario has. Raises ValueProblems."""
    if not isinstance(value, Mapping):
        raise ValueProblems([Flaw((), 'this must be a mapping, as in {accept_latency_ms.p95: ["< 100"]}')])
    flaws: list[Flaw] = []
    for name, expressions in value.items():
        metric: Metric | None = None
        try:
            metric = Metric.parse(name)
            check_metric(metric, known)
        except ValueError as error:
            flaws.append(Flaw((name,), str(error)))
        if isinstance(expressions, str):
            flaws.append(Flaw((name,), f'{expressions!r} must be in a list, as in ["{expressions}"]'))
        elif not isinstance(expressions, Sequence) or not expressions:
            flaws.append(Flaw((name,), 'this must be a list of one or more expressions, as in ["< 100"]'))
        else:
            flaws += _flaws_of_expressions(name, expressions, metric)
    if flaws:
        raise ValueProblems(flaws)
    return {name: tuple(str(Expectation.parse(text)) for text in expressions) for name, expressions in value.items()}


def _flaws_of_expressions(name: str, expressions: Sequence[object], metric: Metric | None) -> Iterator[Flaw]:
    for index, expression in enumerate(expressions):
        try:
            if not isinstance(expression, str):
                raise ValueError('this must be an expression in quotes, as in ["< 100"]')  # noqa: TRY004 - a flaw
            _expectation(expression, metric, "variant")
        except ValueError as error:
            yield Flaw((name, index), str(error))


def check_metric(metric: Metric, known: Known) -> None:
    """Check that the scenario has the variant, the service and the window of `metric`. Raises ValueError."""
    if metric.variant is not None and metric.variant not in known.variants:
        raise ValueError(
            f"this scenario has no variant {metric.variant!r}; {choice_hint(metric.variant, known.variants)}"
        )
    if metric.service is not None and metric.service not in known.services:
        raise ValueError(
            f"this scenario has no service {metric.service!r}; {choice_hint(metric.service, known.services)}"
        )
    if metric.window is not None and metric.window not in known.windows:
        what = "fault that lasts" if metric.window == "during" else "fault"
        raise ValueError(f"'window:{metric.window}' needs a {what}, and this scenario has none")
    if not metric.is_there(known.windows):
        raise ValueError(f"{metric.name!r} needs a fault, and this scenario has none; add one, or leave this out")


def _parse_part(value: dict[str, object], known: Known) -> HypothesisPart:
    flaws = [
        Flaw((key,), f"a hypothesis has no key {key!r}; {choice_hint(key, _KEYS)}") for key in value if key not in _KEYS
    ]

    metric = _read(value, "metric", lambda text: _hypothesis_metric(text, known), flaws)
    given = [comparison for comparison in _COMPARISONS if comparison in value]
    comparison = given[0] if len(given) == 1 else None
    expect = _read(value, "expect", lambda text: _expectation(text, metric, comparison), flaws)
    sides: tuple[str, ...] | None = None
    if len(given) == 1:
        sides = _read(value, given[0], lambda text: _split(text, given[0], known.variants), flaws)
    else:
        flaws.append(Flaw(tuple(given[1:2]), "give exactly one of variant, ratio and difference"))
    if flaws or metric is None or expect is None or sides is None:
        raise ValueProblems(flaws)
    return HypothesisPart(metric, given[0], sides, expect)


def _read(value: dict[str, object], key: str, parse: Callable[[str], T], flaws: list[Flaw]) -> T | None:
    """The parsed text of `key`; where it cannot be read, None and one more flaw."""
    text = value.get(key)
    if not isinstance(text, str):
        what = "this must be text in quotes" if key in value else f"{key!r} is missing"
        flaws.append(Flaw((key,), what))
        return None
    try:
        return parse(text)
    except ValueError as error:
        flaws.append(Flaw((key,), str(error)))
        return None


def _expectation(text: str, metric: Metric | None, comparison: EstimateKind | None) -> Expectation:
    """What is expected of `metric`, if some value can meet it; None where that cannot be read, and is reported."""
    expect = Expectation.parse(text)
    if metric is None or comparison is None:
        return expect
    share = metric.definition.nature == "share"
    if "%" in text and not share and comparison != "ratio":
        raise ValueError(f"{text!r} is a share, and {metric.name!r} is not; write a number ({metric.definition.unit})")
    low = -math.inf if comparison == "difference" else 0.0
    high = math.inf
    what = {"variant": repr(metric.name), "difference": "a difference", "ratio": "a ratio"}[comparison]
    if share and comparison != "ratio":
        low, high = max(low, -1.0), 1.0
        what = "a share" if comparison == "variant" else "a difference of shares"
    if expect.can_hold(low, high):
        return expect
    if high == math.inf:
        raise ValueError(f"no value can meet {text!r}: {what} is never below 0; raise the bound")
    remedy = "choose a bound in between"
    if 1 < abs(expect.bound) <= 100:
        remedy = f"for {expect.bound:g} per cent write '{expect.op} {expect.bound:g}%'"
    raise ValueError(f"no value can meet {text!r}: {what} lies between {low:g} and {high:g}; {remedy}")


def _hypothesis_metric(text: str, known: Known) -> Metric:
    metric = Metric.parse(text)
    if metric.variant is not None:
        raise ValueError("the tag 'variant' is for thresholds; here variant, ratio or difference names the sides")
    check_metric(metric, known)
    return metric


def _split(text: str, comparison: EstimateKind, variants: Sequence[str]) -> tuple[str, ...]:
    """The sides of `A/B` or `A-B`. Names hold dashes too, so only a cut between two variants of the run counts."""
    if comparison == "variant":
        if text not in variants:
            raise ValueError(f"this scenario has no variant {text!r}; {choice_hint(text, variants)}")
        return (text,)
    mark = SEPARATORS[comparison]
    cuts = [(text[:at].strip(), text[at + 1 :].strip()) for at, letter in enumerate(text) if letter == mark]
    valid = [(a, b) for a, b in cuts if a in variants and b in variants]
    if len(valid) > 1:
        raise ValueError(f"{text!r} can be read in several ways; rename a variant")
    if not valid:
        choices = [f"{a}{mark}{b}" for a in variants for b in variants if a != b]
        if not choices:
            raise ValueError(f"a {comparison} needs two variants, and this scenario has one")
        raise ValueError(f"{text!r} does not name two variants of this scenario; {choice_hint(text, choices)}")
    if valid[0][0] == valid[0][1]:
        raise ValueError(f"{text!r} compares a variant with itself")
    return valid[0]
