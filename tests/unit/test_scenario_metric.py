"""Metric names and expectations, as thresholds and hypotheses write them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest

from benchmarks.metrics import METRICS
from benchmarks.metrics.definition import Definition
from benchmarks.scenario.metric import Expectation, Metric


def written(metric: Definition[Any]) -> Iterator[str]:
    """Every way to write it but for the values of tags."""
    values = {"window": ("window:during",), "service": ("service:email",)}
    tags = ["", "variant:events", *(f"variant:events,{value}" for tag in metric.tags for value in values[tag])]
    for stat in metric.stats or ("",):
        for tag in tags:
            yield metric.name + (f".{stat}" if stat else "") + (f"{{{tag}}}" if tag else "")


@pytest.mark.parametrize("metric", METRICS, ids=lambda metric: metric.name)
def test_every_metric_is_read_and_written_back(metric: Definition[Any]) -> None:
    for text in written(metric):
        assert str(Metric.parse(text)) == text


@pytest.mark.parametrize("metric", METRICS, ids=lambda metric: metric.name)
def test_every_metric_has_words_and_its_rows_show_figures_that_it_has(metric: Definition[Any]) -> None:
    assert "{" not in metric.said(None)
    assert ("{stat}" in metric.words) == (len(metric.stats) > 1)
    assert all(row.stat in (metric.stats or (None,)) for row in metric.rows)
    assert not any(row.in_fault for row in metric.rows) or "window" in metric.tags


def test_the_order_and_the_spacing_of_tags_do_not_matter() -> None:
    one = Metric.parse("accept_latency_ms.p95{window:during,variant:events}")
    assert one == Metric.parse(" accept_latency_ms.p95 { variant: events , window: during } ")
    assert (one.variant, one.window, one.service) == ("events", "during", None)


def test_cpu_per_registration_is_the_total_unless_said_otherwise() -> None:
    assert Metric.parse("cpu_ms_per_registration") == Metric.parse("cpu_ms_per_registration.total")


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("acept_ratio", "unknown metric 'acept_ratio'; did you mean 'accept_ratio'?"),
        ("accept_latency_ms", "'accept_latency_ms' needs one of .p50, .p90, .p95, .p99, .p999, .max, .mean"),
        ("accept_latency_ms.meen", "'accept_latency_ms' has no '.meen'; did you mean 'mean'?"),
        ("accept_ratio.p50", "'accept_ratio' is one figure; leave out '.p50'"),
        ("registrations.lots", "'registrations' has no '.lots'; did you mean 'lost'?"),
        ("drain_s{window:during}", "'drain_s' is not recorded by window; it can have variant"),
        ("slo_ratio{window:now}", "unknown window 'now'; it must be one of 'before', 'during', 'after'"),
        ("slo_ratio{windw:during}", "unknown tag 'windw'; did you mean 'window'?"),
        ("slo_ratio{during}", "cannot read 'during' as a tag; write tag:value, as in window:during"),
        ("slo_ratio{window:during,window:after}", "the tag 'window' is given twice"),
        ("slo ratio", "cannot read 'slo ratio' as a metric; write name.stat{tag:value}, as in accept_latency_ms.p95"),
    ],
)
def test_what_is_no_metric_is_refused_with_the_nearest_choice(text: str, sentence: str) -> None:
    with pytest.raises(ValueError, match=re.escape(sentence)):
        Metric.parse(text)


@pytest.mark.parametrize(
    ("text", "value", "holds"),
    [
        ("< 0.5", 0.4, True),
        ("< 0.5", 0.5, False),
        ("<= 0.5", 0.5, True),
        ("> 1e2", 101.0, True),
        (">=-1", -1.0, True),
        ("== 0", 0.0, True),
        ("== 0", 1.0, False),
    ],
)
def test_an_expectation_holds_or_not(text: str, value: float, holds: bool) -> None:
    expectation = Expectation.parse(text)
    assert expectation.holds(value) is holds
    assert Expectation.parse(str(expectation)) == expectation


@pytest.mark.parametrize("text", ["", "0.5", "< ", "< x", "<> 1", "< 1 2", "< inf", "< nan", "=< 1", "< 1e999", "< ٣"])
def test_what_is_no_expectation_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"expectation|large"):
        Expectation.parse(text)


def test_far_percentiles_ask_for_many_samples() -> None:
    needs = [Metric.parse(f"accept_latency_ms.{stat}").smallest_sample for stat in ("p50", "p95", "p99", "p999")]
    assert needs == [1, 1, 1_000, 10_000]
