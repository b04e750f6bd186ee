"""A run in ten lines: the words beneath the verdict, the rows that matter, and what is said only where it occurred."""

from __future__ import annotations

from dataclasses import replace
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console
from stored import every_ending, stored_run, summary_with
from typer.testing import CliRunner

from benchmarks.analysis.summary_model import (
    Added,
    Comparison,
    Disturbance,
    HoldsFor,
    HypothesisVerdict,
    PartVerdict,
    Summary,
    Threshold,
)
from benchmarks.terminal.summary import print_summary
from benchmarks.words.brief import brief, endings_words, ten_rows
from benchmarks.words.comparison import effect_words
from benchmarks.words.summary import (
    disturbed_figures_sentence,
    loop_sentence,
    reasons_against,
    repeats_sentence,
    threshold_lines,
)
from benchmarks.words.worth import prediction_sentence, reach_sentence, worth_sentences
from cli import app


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Summary:
    out = tmp_path_factory.mktemp("run")
    stored_run(out, predicted=True)
    return Summary.read(out / "summary.json")


def plain(text: str) -> str:
    return text.replace("\u00a0", " ")


def printed(summary: Summary, *, width: int = 100, verbose: bool = False) -> str:
    out = StringIO()
    print_summary(summary, Path("results/run"), Console(file=out, width=width), verbose=verbose)
    return plain(out.getvalue())


def ratio(estimate: float, low: float, high: float, metric: str = "accept_latency_ms.p50") -> Comparison:
    return Comparison(metric, ratio="events/sync", estimate=estimate, ci95=(low, high), per_block=(estimate,) * 3)


def points(estimate: float, low: float, high: float) -> Comparison:
    return Comparison(
        "slo_ratio", difference="events-sync", estimate=estimate, ci95=(low, high), per_block=(estimate,) * 3
    )


@pytest.mark.parametrize(
    ("found", "words"),
    [
        (ratio(1 / 508, 1 / 709, 1 / 364), "508× faster (364–709×)"),
        (ratio(1 / 508, 0.0, 1 / 364), "508× faster (364× or more)"),
        (ratio(0.99, 0.836, 1.17), "0.990× (0.836–1.17×)"),
        (ratio(1.02, 0.996, 1.04), "1.02× (0.996–1.04×)"),
        (ratio(0.998, 0.85, 1.16), "the same (0.850–1.16×)"),
        (ratio(1.003, 1.001, 1.004), "the same (1.00–1.00×)"),
        (ratio(1.2, 1.1, 1.3), "1.20× slower (1.10–1.30×)"),
        (ratio(2.1, 2.0, 2.2, "cpu_ms_per_registration.total"), "2.10× more (2.00–2.20×)"),
        (ratio(0.5, 0.4, 0.625, "throughput_per_s"), "2.00× less (1.60–2.50×)"),
        (points(0.971, 0.96, 0.982), "97.1 points more (96.0 to 98.2)"),
        (points(-0.05, -0.06, -0.04), "5.00 points less (4.00 to 6.00)"),
        (points(-0.01, -0.03, 0.01), "−1.00 points (−3.00 to +1.00)"),
        (points(0.0, 0.0, 0.0), "equal"),
        (points(0.0, -0.004, 0.004), "equal"),
        (ratio(1.0, 1.0, 1.0), "equal"),
        (replace(ratio(0.5, 0.4, 0.6), ci95=None), "2.00× faster (no interval)"),
        (Comparison("slo_ratio", difference="events-sync"), "–"),
    ],
)
def test_a_comparison_is_said_as_people_say_it(found: Comparison, words: str) -> None:
    assert plain(effect_words(found)) == words


def share(**changes: object) -> PartVerdict:
    found = PartVerdict("slo_ratio", difference="events-sync", expect="> 0.5", verdict="confirmed", predicted=1.0)
    return replace(found, **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("part", "words"),
    [
        (share(as_predicted=True), "As predicted: the parameters alone say +100 points."),
        (share(predicted=0.2), "Not as predicted: the parameters alone say +20.0 points."),
        (share(predicted=0.2, verdict=None), "The parameters alone say +20.0 points."),
        (share(predicted=None), ""),
        (
            share(as_predicted=True, adds=Added(-0.02, (-0.03, -0.01), outside_floor=True)),
            "As predicted: the parameters alone say +100 points; "
            "the measurement adds −2.00 points (−3.00 to −1.00), outside the A/A floor.",
        ),
        (
            share(as_predicted=True, adds=Added(0.0, (0.0, 0.0), None)),
            "As predicted: the parameters alone say +100 points; the measurement adds nothing.",
        ),
        (
            PartVerdict(
                "accept_latency_ms.p50",
                variant="events",
                expect="< 100",
                verdict="confirmed",
                predicted=1.0,
                as_predicted=True,
                adds=Added(2.1, (1.8, 2.4), outside_floor=True),
            ),
            "As predicted: the parameters alone say 1.00 ms; "
            "the measurement adds +2.10 ms (+1.80 to +2.40), outside the A/A floor.",
        ),
    ],
)
def test_what_the_parameters_alone_say_stands_beneath_the_verdict(part: PartVerdict, words: str) -> None:
    assert plain(prediction_sentence(part)) == words


@pytest.mark.parametrize(
    ("accept", "complete", "words"),
    [
        ((45.0, 1020.0), (None, None), "an accept SLO between 45.0 ms and 1,020 ms (set: 300 ms) and for a completion SLO of any length (set: 30 s)"),  # noqa: E501
        ((None, 1020.0), (830.0, None), "an accept SLO up to 1,020 ms (set: 300 ms) and for a completion SLO of 830 ms or more (set: 30 s)"),  # noqa: E501
    ],
)  # fmt: skip
def test_how_far_a_verdict_reaches_is_said(
    accept: tuple[float | None, float | None], complete: tuple[float | None, float | None], words: str
) -> None:
    summary = summary_with(slo_ms={"accept": 300.0, "complete": 30_000.0})
    assert plain(reach_sentence(share(holds_for=HoldsFor(0.9, accept, complete)), summary)) == f"Holds for {words}."


@pytest.mark.parametrize(
    ("expect", "verdict", "bound", "words"),
    [
        ("< 0.5", "confirmed", 0.0027411, "It would still be confirmed at < 0.00275."),
        ("> 0.5", "confirmed", 0.7777, "It would still be confirmed at > 0.777."),
        ("< 0.5", "refuted", 0.8888, "It would be refuted even at < 0.888."),
    ],
)
def test_the_strictest_bound_is_rounded_so_that_it_still_holds(
    expect: str, verdict: str, bound: float, words: str
) -> None:
    part = PartVerdict("accept_latency_ms.p50", ratio="events/sync", expect=expect, verdict=verdict)
    assert reach_sentence(replace(part, holds_for=HoldsFor(bound)), summary_with()) == words


def test_the_worth_of_parts_about_one_figure_is_said_once() -> None:
    near = PartVerdict(
        "accept_latency_ms.p50",
        ratio="events/sync",
        verdict="confirmed",
        predicted=1.0,
        adds=Added(1.02, (0.996, 1.04), None),
        as_predicted=True,
    )
    low = replace(near, expect="> 0.8", holds_for=HoldsFor(0.9957))
    high = replace(near, expect="< 1.25", holds_for=HoldsFor(1.0361))
    both = replace(summary_with(), comparison=HypothesisVerdict((low, high), "confirmed", ""))
    assert worth_sentences(both) == (
        "As predicted: the parameters alone say the same; the measurement says 1.02 times that (0.996–1.04×). "
        "It would still be confirmed from > 0.995 to < 1.04.",
    )
    done = replace(near, metric="completion_latency_ms.p50", expect="< 1.25", adds=Added(0.999, (0.9, 1.1), None))
    three = replace(both, comparison=HypothesisVerdict((low, high, done), "confirmed", ""))
    first, second = worth_sentences(three)
    assert first.startswith("Accept p50: as predicted: the parameters alone say the same; ")
    assert second == (
        "Completion p50: as predicted: the parameters alone say the same; the measurement says the same (0.900–1.10×)."
    )


def test_what_speaks_for_the_losing_side_is_said(run: Summary) -> None:
    assert any(sentence.startswith("What speaks for sync: CPU") for sentence in worth_sentences(run))


def test_the_terminal_says_it_in_about_ten_lines_beneath_the_verdict(run: Summary) -> None:
    text = printed(run, width=130)
    assert text.lstrip().startswith("Confirmed: ")
    assert len([line for line in text.splitlines() if line.strip()]) <= 20
    assert "SLO: accepted within 300 ms, complete within 30 s" in text
    assert "during the fault" in text
    assert "events against sync" in text
    assert text.rstrip().endswith("results/run/report.html")


def test_the_rows_that_matter_are_both_times_and_both_shares(run: Summary) -> None:
    names = [row.name for row in brief(run).rows]
    assert names == ["accepted and complete within the SLO", "accepted", "accept p50", "completion p50"]


def test_the_ten_rows_add_the_tails_and_the_cost(run: Summary) -> None:
    names = [row.name for row in ten_rows(run)]
    assert len(names) == 10
    assert {"accept p95", "completion p95", "CPU per completed registration"} <= set(names)


def test_more_is_printed_when_asked_for(run: Summary) -> None:
    assert "completed per second" not in printed(run)
    assert "completed per second" in printed(run, width=130, verbose=True)


def test_three_variants_fit_a_hundred_columns(tmp_path: Path) -> None:
    stored_run(tmp_path, variants=["sync", "sync-concurrent", "events"])
    text = printed(Summary.read(tmp_path / "summary.json"))
    lines = [line for line in text.splitlines() if "p50" in line]
    assert len(lines) == 2
    assert all(line.count(" ms") == 3 and "(" in line for line in lines)


def test_only_endings_that_occurred_are_said(tmp_path: Path) -> None:
    stored_run(tmp_path, change=every_ending, hypothesis=None, thresholds={})
    summary = Summary.read(tmp_path / "summary.json")
    assert "lost" in endings_words(summary, "events")
    assert "none lost" not in endings_words(summary, "events")
    assert "none lost (<" in endings_words(summary, "sync")
    assert "dead-lettered" not in endings_words(summary, "sync")


def thresholds(*states: tuple[float | None, bool | None]) -> Summary:
    found = [
        Threshold("recovery_s", "sync", f"< {place}", value, passed, "disturbed" if passed is None else None)
        for place, (value, passed) in enumerate(states)
    ]
    return replace(summary_with(), thresholds=tuple(found))


def test_every_threshold_is_told_by_its_state() -> None:
    lines = threshold_lines(thresholds((1.0, True), (2.0, False), (None, False), (3.0, None)))
    assert lines == {
        "failed": ["recovery_s of sync < 1, measured 2.00"],
        "not decided": ["recovery_s of sync < 3, measured 3.00: disturbed"],
        "not measured": ["recovery_s of sync < 2"],
        "passed": ["recovery_s of sync < 0, measured 1.00"],
    }


def test_what_is_expected_of_several_sides_alike_is_one_line() -> None:
    found = tuple(
        Threshold("slo_ratio", variant, "> 0.95", value, passed=True) for variant, value in (("a", 1.0), ("b", 0.998))
    )
    summary = replace(summary_with(), thresholds=found)
    assert threshold_lines(summary) == {"passed": ["slo_ratio of a and b > 0.95, measured 1.00 and 0.998"]}
    assert ("2\u00a0thresholds passed", "slo_ratio of a and b > 0.95, measured 1.00 and 0.998") in brief(summary).lines


def test_whose_figures_hold_a_part_of_the_disturbance_is_said_once(run: Summary) -> None:
    disturbed = Disturbance(("busy",), ("01-sync", "03-sync"), 0.49, 0.0, 2.7, 9.0, "Other programs took some.")
    text = printed(replace(run, disturbed=disturbed), width=130, verbose=True)
    assert text.count("figures of sync include what other programs added") == 1
    late = replace(disturbed, trials=("01-sync", "02-events"), foreign_share=0.01)
    assert disturbed_figures_sentence(replace(run, disturbed=late)) == (
        "figures of sync and events include what the disturbance added"
    )
    assert disturbed_figures_sentence(run) == ""


def test_thresholds_findings_and_the_disturbance_are_printed_of_an_invalid_run_too(run: Summary) -> None:
    sides = {name: replace(side, findings=("saturated: machine",)) for name, side in run.variants.items()}
    disturbed = Disturbance(("busy",), ("01-sync",), 0.49, 0.0, 2.7, 9.0, "Other programs took 49 % of the machine.")
    summary = replace(run, valid=False, invalid_reasons=("late",), variants=sides, disturbed=disturbed)
    text = printed(summary, width=130)
    assert "sync and events: saturated: machine" in text
    assert text.count("saturated: machine") == 1
    assert "Other programs took 49 % of the machine." in text
    again = replace(summary, invalid_reasons=("other programs took 49 % of the machine",))
    assert printed(again, width=300).count("ther programs took 49 %") == 1
    assert "No verdict: other programs took 49 % of the machine." in printed(again, width=300)
    assert (reasons_against(summary), reasons_against(again)) == (("late",), ("busy",))
    assert "2 thresholds passed" in text or "3 thresholds passed" in text


def test_a_closed_loop_says_that_one_side_was_asked_more_often(run: Summary) -> None:
    assert loop_sentence(run) == ""
    events = run.variants["events"]
    counts = {**events.figures["counts"], "offered": events.figures["counts"]["offered"] * 8}  # type: ignore[index,dict-item]
    closed = replace(
        run, variants={**run.variants, "events": replace(events, figures={**events.figures, "counts": counts})}
    )
    assert "events was asked 8.00 times as often as sync" in loop_sentence(closed)


def test_repeats_are_said_once_and_by_block() -> None:
    attempts = [
        {"block": block, "attempt": attempt, "reasons": ["busy"], "trials": []}
        for block, attempt in ((0, 0), (0, 1), (2, 0))
    ]
    assert repeats_sentence(summary_with(repeated_blocks=attempts)) == (
        "blocks 1 and 3 were repeated (3 times in all), since they were disturbed"
    )
    assert repeats_sentence(summary_with(repeated_blocks=attempts[2:])) == (
        "block 3 was repeated once, since it was disturbed"
    )
    assert repeats_sentence(summary_with()) == ""


def test_run_without_a_name_lists_three_to_try() -> None:
    result = CliRunner().invoke(app, ["run"])
    assert result.exit_code == 2
    assert result.output.count("bench run ") == 3
