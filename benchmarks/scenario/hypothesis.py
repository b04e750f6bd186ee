"""What a scenario expects to see: a figure of one variant or of two against each other, and its bound."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, TypeVar

from benchmarks.scenario.metric import Expectation, Metric
from benchmarks.values.checked import Known
from benchmarks.values.problems import Flaw, ValueProblems, choice_hint

T = TypeVar("T")
ComparisonKind = Literal["variant", "ratio", "difference"]
_SEPARATORS: dict[ComparisonKind, str] = {"ratio": "/", "difference": "-"}
_COMPARISONS: tuple[ComparisonKind, ...] = ("variant", "ratio", "difference")
_KEYS = ("metric", *_COMPARISONS, "expect")


@dataclass(frozen=True)
class HypothesisPart:
    """One expectation. `sides` names one variant (`variant`) or two (A/B or A-B, in that order)."""

    metric: Metric
    comparison: ComparisonKind
    sides: tuple[str, ...]
    expect: Expectation

    @property
    def label(self) -> str:
        """As the file writes it: `events-sync`, `events/sync`, `events`."""
        return _SEPARATORS.get(self.comparison, "").join(self.sides)

    @property
    def variant(self) -> str | None:
        return self.sides[0] if self.comparison == "variant" else None

    @property
    def ratio(self) -> tuple[str, str] | None:
        return (self.sides[0], self.sides[1]) if self.comparison == "ratio" else None

    @property
    def difference(self) -> tuple[str, str] | None:
        return (self.sides[0], self.sides[1]) if self.comparison == "difference" else None

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
            [Flaw((), "a mapping of metric, expect and one of variant, ratio and difference belongs here")]
        )
    if "all" not in value:
        return Hypothesis((_parse_part(value, known),))
    items = value["all"]
    flaws = [Flaw((key,), f"{key!r} cannot stand beside 'all'") for key in value if key != "all"]
    if not isinstance(items, list) or not items:
        raise ValueProblems([*flaws, Flaw(("all",), "a list of one or more hypotheses belongs here")])
    parts: list[HypothesisPart] = []
    for index, item in enumerate(items):
        try:
            if not isinstance(item, dict):
                raise ValueProblems([Flaw((), "a mapping with metric and expect belongs here")])
            parts.append(_parse_part(item, known))
        except ValueProblems as error:
            flaws += [Flaw(("all", index, *flaw.location), flaw.message) for flaw in error.flaws]
    if flaws:
        raise ValueProblems(flaws)
    return Hypothesis(tuple(parts))


def check_metric(metric: Metric, known: Known) -> None:
    """That the scenario has the variant, the service and the window of `metric`. Raises ValueError."""
    if metric.variant is not None and metric.variant not in known.variants:
        raise ValueError(
            f"{metric.variant!r} is no variant of this scenario; {choice_hint(metric.variant, known.variants)}"
        )
    if metric.service is not None and metric.service not in known.services:
        raise ValueError(
            f"{metric.service!r} is no service of this scenario; {choice_hint(metric.service, known.services)}"
        )
    if metric.window is not None and metric.window not in known.windows:
        what = "fault that lasts" if metric.window == "during" else "fault"
        raise ValueError(f"'window:{metric.window}' needs a {what}, and this scenario has none")


def _parse_part(value: dict[str, object], known: Known) -> HypothesisPart:
    flaws = [
        Flaw((key,), f"{key!r} is no key of a hypothesis; {choice_hint(key, _KEYS)}")
        for key in value
        if key not in _KEYS
    ]

    metric = _read(value, "metric", lambda text: _hypothesis_metric(text, known), flaws)
    expect = _read(value, "expect", Expectation.parse, flaws)
    given = [comparison for comparison in _COMPARISONS if comparison in value]
    sides: tuple[str, ...] | None = None
    if len(given) == 1:
        sides = _read(value, given[0], lambda text: _split(text, given[0], known.variants), flaws)
    else:
        flaws.append(Flaw(tuple(given[1:2]), "exactly one of variant, ratio and difference belongs here"))
    if flaws or metric is None or expect is None or sides is None:
        raise ValueProblems(flaws)
    return HypothesisPart(metric, given[0], sides, expect)


def _read(value: dict[str, object], key: str, parse: Callable[[str], T], flaws: list[Flaw]) -> T | None:
    """The parsed text of `key`; where it cannot be read, None and one more flaw."""
    text = value.get(key)
    if not isinstance(text, str):
        what = "text belongs here, in quotes" if key in value else f"{key!r} is missing"
        flaws.append(Flaw((key,), what))
        return None
    try:
        return parse(text)
    except ValueError as error:
        flaws.append(Flaw((key,), str(error)))
        return None


def _hypothesis_metric(text: str, known: Known) -> Metric:
    metric = Metric.parse(text)
    if metric.variant is not None:
        raise ValueError("the tag 'variant' is for thresholds; here variant, ratio or difference names the sides")
    check_metric(metric, known)
    return metric


def _split(text: str, comparison: ComparisonKind, variants: Sequence[str]) -> tuple[str, ...]:
    """The sides of `A/B` or `A-B`. Names hold dashes too, so only a cut between two variants of the run counts."""
    if comparison == "variant":
        if text not in variants:
            raise ValueError(f"{text!r} is no variant of this scenario; {choice_hint(text, variants)}")
        return (text,)
    mark = _SEPARATORS[comparison]
    cuts = [(text[:at].strip(), text[at + 1 :].strip()) for at, letter in enumerate(text) if letter == mark]
    valid = [(a, b) for a, b in cuts if a in variants and b in variants]
    if len(valid) > 1:
        raise ValueError(f"{text!r} can be read in several ways; rename a variant")
    if not valid:
        choices = [f"{a}{mark}{b}" for a in variants for b in variants if a != b]
        if not choices:
            raise ValueError(f"a {comparison} needs two variants, and this scenario has one")
        raise ValueError(f"{text!r} names no two variants of this scenario; {choice_hint(text, choices)}")
    if valid[0][0] == valid[0][1]:
        raise ValueError(f"{text!r} compares a variant with itself")
    return valid[0]
