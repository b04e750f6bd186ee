"""The table of the sides and the sentence of the verdict: figures as people write them, and no word too many."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest
from stored import NO_QUESTION, every_ending, nobody_accepted, stored_run, summary_with

from benchmarks.analysis.summary_model import Summary
from benchmarks.report.pages import comparisons, noise_floor, reasons
from benchmarks.scenario.metric import Metric
from benchmarks.words.numbers import (
    clause,
    count,
    figure,
    milliseconds,
    nominal_ms,
    percent,
    rough,
    rough_percent,
    sentence,
    signed,
    upper_bound,
)
from benchmarks.words.summary import metric_words, part_sentences, verdict_sentence
from benchmarks.words.table import TableRow, side_by_side

SLO = "slo_ratio{window:during}"


def summary_of(out: Path, **changes: object) -> Summary:
    stored_run(out, **changes)  # type: ignore[arg-type]
    return Summary.read(out / "summary.json")


def row(summary: Summary, label: str) -> TableRow:
    return next(row for row in side_by_side(summary) if row.label == label)


def plain(text: str) -> str:
    return text.replace("\u00a0", " ")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "–"),
        (float("nan"), "–"),
        (0, "0"),
        (4.123, "4.12"),
        (0.00473, "0.00473"),
        (855.4, "855"),
        (9.996, "10.0"),
        (1234.5, "1,230"),
        (-0.5, "−0.500"),
        (float("inf"), "∞"),
    ],
)
def test_figures_have_three_significant_digits(value: float | None, text: str) -> None:
    assert figure(value) == text


def test_only_all_is_all_and_only_nothing_is_nothing() -> None:
    shares = {1.0: "100 %", 0.99999: "> 99.9 %", 0.9991: "99.9 %", 0.5: "50.0 %", 0.00001: "< 0.1 %", 0.0: "0 %"}
    assert {share: plain(percent(share)) for share in shares} == shares


def test_units_stay_with_their_figures() -> None:
    assert milliseconds(855.4) == "855\u00a0ms"
    assert milliseconds(12_345) == "12.3\u00a0s"
    assert nominal_ms(300) == "300\u00a0ms"
    assert nominal_ms(1500) == "1.5\u00a0s"
    assert count(4500) == "4,500"
    assert signed(0.5) == "+0.500"
    assert plain(upper_bound(0.00066550)) == "< 0.067 %"
    assert plain(upper_bound(0.996)) == "< 100 %"


def test_what_is_known_no_better_has_two_digits_and_no_power_of_ten() -> None:
    assert [rough(value) for value in (5.94, 34.3, 312.0, 9.0, 0.0)] == ["5.9", "34", "310", "9.0", "0"]
    assert [plain(rough_percent(share)) for share in (0.876, 0.1, 0.002, 1.0)] == ["88 %", "10 %", "0.20 %", "100 %"]


def test_a_sentence_may_stand_inside_another() -> None:
    assert sentence("other programs ran") == sentence("Other programs ran.") == "Other programs ran."
    assert clause("Other programs ran.") == "other programs ran"
    assert sentence("") == ""


def test_a_row_has_each_side_and_the_comparison_with_its_interval(tmp_path: Path) -> None:
    found = row(summary_of(tmp_path), "accept p50, during the fault")
    assert found.unit == "ms"
    assert found.values[1] == "3.95"
    assert plain(found.comparison).startswith("events against sync: 21")
    assert "× faster (21" in found.comparison
    assert found.effect == found.comparison.removeprefix("events against sync: ")
    assert [cell.best for cell in found.cells.values()] == [False, True]


def test_a_difference_within_the_noise_floor_says_so_and_neither_side_is_better(tmp_path: Path) -> None:
    found = summary_of(tmp_path)
    near = tuple(replace(one, mark="≈") if one.metric == "accept_latency_ms.p50" else one for one in found.comparisons)
    summary = replace(found, valid=True, comparisons=near)
    assert row(summary, "accept p50").comparison.endswith(", ≈ within the noise floor")
    assert not any(cell.best for cell in row(summary, "accept p50").cells.values())
    assert any(cell.best for cell in row(summary, "accept p95").cells.values())


def test_what_only_the_correction_for_many_comparisons_makes_uncertain_says_so(tmp_path: Path) -> None:
    run = summary_of(tmp_path)
    doubtful = tuple(replace(one, p_holm=0.2, significant=False) for one in run.comparisons)
    summary = replace(run, valid=True, comparisons=doubtful)
    found = row(summary, "accept p50")
    assert found.comparison.endswith(", uncertain among so many comparisons")
    assert not any(cell.best for cell in found.cells.values())
    words = {cells[0]: cells[-1] for cells in comparisons(summary).rows}  # type: ignore[union-attr]
    assert words["accept p50"] == "uncertain among so many comparisons"


def test_the_report_lists_every_comparison_with_its_interval_and_what_to_know(tmp_path: Path) -> None:
    reading = summary_of(tmp_path)
    page = comparisons(reading)
    assert page is not None
    cells = {row[0]: [plain(cell) for cell in row[1:]] for row in page.rows}
    assert cells["accepted and complete within the SLO, during the fault"] == [
        *("events-sync", "+100 points", "+98.0 to +100", "< 0.001", "differs"),
    ]
    assert cells["completed per second"][-1] == "? may be noise"
    assert any("accepted and complete" in reason and "the same value" in reason for reason in reasons(reading))
    assert "bench calibrate --aa slow-downstream" in noise_floor(reading)


def test_a_gap_says_why(tmp_path: Path) -> None:
    summary = summary_of(tmp_path)
    assert row(summary, "accept p99").values == ("– (n too small)", "– (n too small)")
    assert row(summary, "consumer lag at most").values[0] == "– (no broker)"


def test_recovery_stands_in_the_table_where_there_was_a_fault(tmp_path: Path) -> None:
    # Email is slow to 8 s of 12: too short a rest to see five seconds in a row.
    short = summary_of(tmp_path / "short")
    assert row(short, "recovery after the fault").values == ("– (not observed long enough)",) * 2
    long = {"rate": 20, "duration": "18s", "warmup": "0s"}
    sync, events = row(summary_of(tmp_path / "long", workload=long), "recovery after the fault").values
    assert 0 <= float(sync) < 2
    assert 0 <= float(events) < 2
    quiet = summary_of(tmp_path / "quiet", faults=[], **NO_QUESTION)
    assert "recovery after the fault" not in [found.label for found in side_by_side(quiet)]


def test_a_side_that_did_not_recover_says_in_how_many_trials(tmp_path: Path) -> None:
    run = summary_of(tmp_path)
    events = run.variants["events"]
    figures = {**events.figures, "recovery_s": None, "recovered": False, "recovered_trials": 1}
    summary = replace(run, variants={**run.variants, "events": replace(events, figures=figures)})
    assert plain(row(summary, "recovery after the fault").values[1]) == "– (not recovered in 2 of 3 trials)"


def test_a_side_that_accepted_nobody_has_no_latency(tmp_path: Path) -> None:
    summary = summary_of(tmp_path, change=nobody_accepted, **NO_QUESTION)
    assert row(summary, "accept p50").values == ("– (nobody accepted)",) * 2
    assert row(summary, "completion p50").values == ("– (nothing complete)",) * 2


def test_latencies_of_different_people_are_not_compared(tmp_path: Path) -> None:
    found = row(summary_of(tmp_path, change=every_ending, **NO_QUESTION), "accept p50")
    assert found.comparison == "events against sync: survivorship: not comparable"
    assert not any(cell.best for cell in found.cells.values())


def test_a_zero_says_what_it_leaves_possible(tmp_path: Path) -> None:
    assert plain(row(summary_of(tmp_path), "lost").values[0]) == "0 (< 0.42 %)"


def test_without_an_event_side_the_others_are_compared_with_the_first(tmp_path: Path) -> None:
    summary = summary_of(tmp_path, variants=["sync", "sync-concurrent"], **NO_QUESTION)
    assert row(summary, "accept p50").comparison.startswith("sync-concurrent against sync: ")


def test_one_side_alone_is_compared_with_nothing(tmp_path: Path) -> None:
    summary = summary_of(tmp_path, variants=["sync"], **NO_QUESTION)
    assert {found.comparison for found in side_by_side(summary)} == {""}


@pytest.mark.parametrize(("expect", "verdict"), [("> 0.5", "Confirmed"), ("< 0.5", "Refuted"), ("== 0.5", "Refuted")])
def test_the_sentence_begins_with_the_verdict(expect: str, verdict: str, tmp_path: Path) -> None:
    hypothesis = {"metric": SLO, "difference": "events-sync", "expect": expect}
    sentence = plain(verdict_sentence(summary_of(tmp_path, hypothesis=hypothesis)))
    bound = f"{expect.split(maxsplit=1)[0]} 50 points"
    assert sentence == (
        f"{verdict}: the share accepted and complete within the SLO during the fault was 100 points higher with events "
        f"than with sync (95 % interval +98.0 to +100 points, 3 blocks, expected {bound})."
    )


def comparison(**changes: object) -> dict[str, object]:
    entry = {"metric": "accept_latency_ms.p95", "ratio": "events/sync", "expect": "< 0.5", "estimate": 0.47}
    return {**entry, "ci95": [0.4, 0.55], "per_block": [0.4, 0.5, 0.5], "mark": None, "reason": "", **changes}


def said(entry: Mapping[str, object] | None, **changes: object) -> str:
    sides = {name: {"trials": []} for name in ("sync", "events")}
    return plain(verdict_sentence(summary_with(variants=sides, comparison=entry, **changes)))


def test_an_interval_on_both_sides_of_the_bound_is_inconclusive() -> None:
    assert said(comparison(verdict="inconclusive")) == (
        "Inconclusive: accept latency p95 was 2.13× lower with events than with sync "
        "(95 % interval 1.82–2.50×, 3 blocks, expected events/sync < 0.5)."
    )


def test_the_verdict_of_a_quick_run_is_called_quick() -> None:
    assert said(comparison(verdict="confirmed"), quick=True).startswith("Confirmed (quick): accept latency p95")
    assert said(comparison(verdict=None, reason="2 of at least 3 blocks"), quick=True).startswith(
        "No verdict (quick): 2 of"
    )


def test_survivorship_gives_no_verdict() -> None:
    reason = "survivorship: accept_ratio is 1 against 0.6"
    assert said(comparison(verdict=None, reason=reason)).startswith(
        f"No verdict: {reason}. Measured: accept latency p95"
    )


def test_two_blocks_give_no_verdict() -> None:
    sentence = said(comparison(verdict=None, ci95=None, per_block=[0.4, 0.5], reason="2 of at least 3 blocks"))
    assert sentence == (
        "No verdict: 2 of at least 3 blocks. Measured: accept latency p95 was 2.13× lower with events than "
        "with sync (2 blocks, expected events/sync < 0.5)."
    )


def test_no_figure_gives_no_verdict() -> None:
    assert said(comparison(verdict=None, estimate=None, ci95=None, reason="a side is missing")) == (
        "No verdict: a side is missing."
    )


def test_one_variant_alone_can_be_judged() -> None:
    entry = comparison(variant="events", estimate=3.95, ci95=[3.9, 4.0], expect="< 100", verdict="confirmed")
    del entry["ratio"]
    assert said(entry) == (
        "Confirmed: accept latency p95 was 3.95 ms with events (95 % interval 3.90 to 4.00 ms, 3 blocks, "
        "expected < 100 ms)."
    )


@pytest.mark.parametrize(
    ("estimate", "ci95", "words"),
    [
        (0.99, [0.836, 1.17], "with events was 0.990 times that with sync (95 % interval 0.836–1.17×, 3 blocks"),
        (1.02, [0.996, 1.04], "with events was 1.02 times that with sync (95 % interval 0.996–1.04×, 3 blocks"),
        (0.998, [0.85, 1.16], "was the same with events and sync (95 % interval 0.850–1.16×, 3 blocks"),
        (1.2, [1.1, 1.3], "was 1.20× higher with events than with sync (95 % interval 1.10–1.30×, 3 blocks"),
        (0.005, [0.0, 0.00543478], "was 200× lower with events than with sync (95 % interval 184× or more, 3 blocks"),
    ],
)
def test_a_ratio_that_may_go_either_way_has_no_direction(estimate: float, ci95: list[float], words: str) -> None:
    sentence = said(comparison(verdict="inconclusive", estimate=estimate, ci95=ci95, per_block=[estimate] * 3))
    assert sentence == f"Inconclusive: accept latency p95 {words}, expected events/sync < 0.5)."


def parts_said(verdict: str | None, *parts: dict[str, object]) -> list[str]:
    judged = {"all": list(parts), "verdict": verdict, "reason": ""}
    sides = {name: {"trials": []} for name in ("sync", "events")}
    summary = summary_with(variants=sides, comparison=judged)
    return [plain(sentence) for sentence in (verdict_sentence(summary), *part_sentences(summary))]


def test_several_parts_are_told_one_a_line() -> None:
    missing = comparison(verdict=None, estimate=None, reason="no figure")
    assert parts_said(None, comparison(verdict="confirmed"), missing) == [
        "No verdict on 1 of 2 parts.",
        "Confirmed: accept latency p95, events against sync: 2.13× faster (1.82–2.50×), expected events/sync < 0.5.",
        "No verdict: accept latency p95, events against sync: no figure.",
    ]


def test_parts_that_differ_by_their_bound_alone_are_one_line() -> None:
    near = {"verdict": "confirmed", "estimate": 1.02, "ci95": [0.996, 1.04]}
    either = [comparison(**near, expect=expect) for expect in ("> 0.8", "< 1.25")]
    share = comparison(metric="slo_ratio", variant="events", estimate=1.0, ci95=[0.98, 1.0], expect="> 0.5")
    del share["ratio"]
    assert parts_said("confirmed", *either, {**share, "verdict": "confirmed"}) == [
        "Confirmed, all 3 parts.",
        "Confirmed: accept latency p95, events against sync: 1.02× (0.996–1.04×), expected > 0.8 and < 1.25.",
        "Confirmed: the share accepted and complete within the SLO, events: 100 % (98.0 to 100), expected > 50 %.",
    ]


def test_a_verdict_on_some_parts_says_on_how_many() -> None:
    both = [comparison(verdict=verdict) for verdict in ("refuted", "confirmed")]
    assert parts_said("refuted", *both)[0] == "Refuted, 1 of 2 parts."
    assert parts_said("confirmed", both[1], both[1])[0] == "Confirmed, both parts."
    assert parts_said(None, *[comparison(verdict=None, reason="2 blocks")] * 2)[0] == "No verdict on any of 2 parts."


def test_a_run_that_is_not_valid_and_one_without_a_question_say_so() -> None:
    assert said(comparison(verdict="confirmed"), valid=False, invalid_reasons=["late", "starved", "torn"]) == (
        "No verdict: the run is not valid (late; and 2 more)."
    )
    assert said(None).startswith("No hypothesis was set")


@pytest.mark.parametrize(
    ("metric", "text"),
    [
        ("accept_latency_ms.p95{window:during}", "accept latency p95 during the fault"),
        ("completion_latency_ms.p50{service:email}", "completion latency p50 of email"),
        ("registrations.dead_lettered", "dead-lettered registrations"),
        ("counts.acked", "acked arrivals"),
        ("cpu_ms_per_registration", "CPU milliseconds per registration"),
    ],
)
def test_metrics_have_words(metric: str, text: str) -> None:
    assert metric_words(Metric.parse(metric)) == text
