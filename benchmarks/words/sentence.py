"""The verdict in one sentence, for the terminal and the top of the report; it follows from the summary alone."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.scenario.metric import Metric
from benchmarks.words.numbers import NBSP, figure, plural, signed
from benchmarks.words.reading import Json, Reading

_NAMES = {
    "accept_latency_ms": "accept latency",
    "reply_latency_ms": "reply latency",
    "service_time_ms": "service time",
    "schedule_delay_ms": "schedule delay",
    "completion_latency_ms": "completion latency",
    "accept_ratio": "the share accepted",
    "slo_ratio": "the share accepted and complete within the SLO",
    "throughput_per_s": "completions per second",
    "outstanding_max": "the largest number outstanding",
    "consumer_lag_max": "the largest consumer lag",
    "drain_s": "the drain in seconds",
    "recovery_s": "the recovery in seconds",
    "cpu_ms_per_registration": "CPU milliseconds per registration",
    "rss_mb_max": "the largest memory in MB",
}
_WINDOWS = {"before": "before the fault", "during": "during the fault", "after": "after the fault"}


def verdict_sentence(summary: Json) -> str:
    """One sentence: what was expected, what was found with its interval, and the verdict or why there is none."""
    reading = Reading(summary)
    if not reading.valid:
        more = len(reading.invalid_reasons) - 1
        first = reading.invalid_reasons[0] if reading.invalid_reasons else "it judged itself"
        return f"No verdict: the run is not valid ({first}{f'; and {more} more' if more > 0 else ''})."
    comparison = reading.section("comparison")
    if not comparison:
        return "No hypothesis was set, so there is no verdict: the table says what was measured."
    judged, variants = Reading(comparison), reading.variants
    parts = judged.records("all")
    verdict = judged.text("verdict")
    if parts:
        told = [f"{Reading(part).text('verdict') or 'no verdict'}: {found_words(part, variants)}" for part in parts]
        return f"{_head(verdict)}, of {plural(len(parts), 'part')}. {'; '.join(told)}."
    if verdict is None:
        reason = judged.text("reason") or "there is no interval"
        measured = f" Measured: {found_words(comparison, variants)}." if judged.number("estimate") is not None else ""
        return f"No verdict: {reason}.{measured}"
    return f"{_head(verdict)}: {found_words(comparison, variants)}."


def metric_words(metric: Metric) -> str:
    """`accept_latency_ms.p95{window:during}` as `accept latency p95 during the fault`."""
    name = _NAMES.get(metric.name, metric.name)
    if metric.name in ("registrations", "effects", "counts"):
        name = f"{(metric.stat or '').replace('_', '-')} {metric.name}".replace(" counts", " arrivals")
    elif metric.stat and metric.name != "cpu_ms_per_registration":
        name = f"{name} {metric.stat}"
    service = f" of {metric.service}" if metric.service else ""
    return f"{name}{service}" + (f" {_WINDOWS[metric.window]}" if metric.window else "")


def found_words(comparison: Json, variants: Sequence[str]) -> str:
    """An entry of `comparison` or `comparisons` in words: `… was 97.1 points higher with events than with sync (…)`."""
    reading = Reading(comparison)
    metric = Metric.parse(reading.text("metric") or "")
    kind = next(kind for kind in ("difference", "ratio", "variant") if reading.text(kind) is not None)
    first, second = _sides(reading.text(kind) or "", variants)
    words, value = metric_words(metric), reading.number("estimate")
    if value is None:
        sides = f"{first} and {second}" if second else first
        return f"{words}, {sides}: {reading.text('reason') or 'no figure'}"

    unit = _unit(kind, metric)
    scale = 100.0 if unit in (f"{NBSP}points", f"{NBSP}%") else 1.0
    if kind == "difference" and value == 0:
        text = f"{words} was the same with {first} and {second}"
    elif kind == "difference":
        text = f"{words} was {figure(abs(value) * scale)}{unit} {'higher' if value > 0 else 'lower'} with {first}"
        text += f" than with {second}"
    elif kind == "ratio":
        text = f"{words} with {first} was {figure(value)} times that with {second}"
    else:
        text = f"{words} was {figure(value * scale)}{unit} with {first}"
    details = []
    if edges := [float(str(edge)) for edge in reading.items("ci95")]:
        low, high = (signed(edge * scale) if kind == "difference" else figure(edge * scale) for edge in edges)
        details.append(f"95{NBSP}% interval {low} to {high}{unit}")
    if blocks := reading.items("per_block"):
        details.append(plural(len(blocks), "block"))
    if expect := reading.text("expect"):
        sign, _, bound = expect.partition(" ")
        details.append(f"expected {sign} {float(bound) * scale:g}{unit}")
    return f"{text} ({', '.join(details)})" if details else text


def _head(verdict: str | None) -> str:
    return "No verdict" if verdict is None else verdict.capitalize()


def _sides(text: str, variants: Sequence[str]) -> tuple[str, str]:
    """The two sides of `A/B` or `A-B`, cut where both halves are variants; one side alone has no second."""
    cuts = [(text[:at], text[at + 1 :]) for at, mark in enumerate(text) if mark in "-/"]
    return next(((a, b) for a, b in cuts if a in variants and b in variants), (text, ""))


def _unit(kind: str, metric: Metric) -> str:
    if kind == "ratio":
        return ""
    if metric.name.endswith("_ratio"):
        return f"{NBSP}points" if kind == "difference" else f"{NBSP}%"
    return f"{NBSP}ms" if metric.name.endswith("_ms") else ""
