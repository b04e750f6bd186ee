"""The charts: readable whatever the run was, truthful in their titles, and the same bytes each time."""

from __future__ import annotations

import itertools
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg, RendererAgg
from matplotlib.transforms import Bbox
from stored import NO_QUESTION, SLOW_EMAIL, SMALL, every_ending, nobody_accepted, stored_run

from benchmarks.analysis.summary_model import Disturbance
from benchmarks.charts import CHARTS, draw_all
from benchmarks.charts.output import settings
from benchmarks.charts.run_data import RunData
from benchmarks.charts.sheet import HEIGHT_PT, EndLabel, Sheet

LADDER = [
    "sync",
    *({"name": f"sync-{word}", "base": "sync"} for word in ("best-effort", "resilient", "background", "hurried")),
    "sync-concurrent",
    "events",
    *({"name": f"events-{word}", "base": "events"} for word in ("naive", "fire-and-forget", "outbox", "transactional")),
]
OVERLAPPING = [
    SLOW_EMAIL,
    {"target": "email", "type": "error", "at": "5s", "duration": "500ms", "rate": 0.3},
    {"target": "analytics", "type": "hang", "at": "5200ms", "duration": "2s", "variants": ["events"]},
    {
        "target": "cache",
        "type": "latency",
        "at": "7s",
        "duration": "5s",
        "latency": {"distribution": "pareto", "min": "20ms", "alpha": 0.9},
        "probability": 0.25,
    },
]
RUNS: Mapping[str, Mapping[str, object]] = {
    "email slow": {},
    "no faults": {"faults": [], **NO_QUESTION},
    "one variant": {"variants": ["sync"], **NO_QUESTION},
    "three variants": {"variants": ["sync", "sync-concurrent", "events"], **NO_QUESTION},
    "a whole ladder": {"variants": LADDER, "blocks": 2, "workload": {**SMALL, "rate": 5}, **NO_QUESTION},
    "faults that overlap": {"faults": OVERLAPPING, **NO_QUESTION},
    "processes that were killed, frozen and restarted": {
        "faults": [
            {"target": "email", "type": "kill", "at": "3s", "duration": "2s"},
            {"target": "cache/0", "type": "pause", "at": "4s", "duration": "3s", "variants": ["events"]},
            {"target": "api", "type": "restart", "at": "9s"},
        ],
        **NO_QUESTION,
    },
    "a restart alone": {"faults": [{"target": "email", "type": "restart", "at": "6s"}], **NO_QUESTION},
    "overloaded": {"servers": 4},
    "nobody accepted": {"change": nobody_accepted},
    "every ending": {"change": every_ending},
    "hardly a row": {
        "workload": {"rate": 1, "duration": "2s", "warmup": "0s"},
        "faults": [{"target": "email", "type": "hang", "at": "500ms", "duration": "100ms"}],
        "blocks": 1,
        **NO_QUESTION,
    },
    "not valid": {"problems": ["sync: arrivals were sent late, schedule p99 9 ms; lower the rate, or free a core"]},
}


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, RunData]:
    folder = tmp_path_factory.mktemp("runs")
    found = {}
    for name, changes in RUNS.items():
        stored_run(folder / name, **changes)  # type: ignore[arg-type]
        found[name] = RunData.read(folder / name)
    return found


def test_importing_the_charts_does_not_import_matplotlib() -> None:
    code = "import sys, benchmarks.charts; print('matplotlib' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.strip() == "False"


@pytest.mark.parametrize("run", RUNS)
@pytest.mark.parametrize("chart", CHARTS, ids=lambda chart: chart.name)
def test_no_words_touch_each_other_or_the_edge(
    run: str, chart: object, runs: dict[str, RunData], monkeypatch: pytest.MonkeyPatch
) -> None:
    written: list[tuple[str, Bbox]] = []

    def record(self: RendererAgg, gc: object, x: float, y: float, s: str, *rest: object, **options: object) -> None:
        written.append((s, options["mtext"].get_window_extent(self)))  # type: ignore[attr-defined]

    monkeypatch.setattr(RendererAgg, "draw_text", record)
    with settings("test"):
        figure = next(one for one in CHARTS if one is chart).draw(runs[run])
        written.clear()  # what was drawn to measure it
        canvas = FigureCanvasAgg(figure)
        canvas.draw()
    width, height = canvas.get_width_height()
    assert written
    for words, box in written:
        assert box.x0 >= 0, f"{words!r} is cut off at the left"
        assert box.x1 <= width + 0.5, f"{words!r} is cut off at the right"
        assert box.y0 >= 0, f"{words!r} is cut off at the bottom"
        assert box.y1 <= height + 0.5, f"{words!r} is cut off at the top"
    # Boxes hold the room of letters that hang below and stand above: touching by that is not overlapping.
    cores = [(words, Bbox.from_extents(box.x0, box.y0 + 3, box.x1, box.y1 - 3)) for words, box in written]
    for (first, one), (second, other) in itertools.combinations(cores, 2):
        assert not one.overlaps(other), f"{first!r} and {second!r} overlap"


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Path]]:
    """The files of a run that is not valid. PNGs of few pixels: what stands in them is not looked at here."""
    folder = tmp_path_factory.mktemp("drawn")
    stored_run(folder, problems=["interrupted after 5 of 6 trials"], blocks=1, **NO_QUESTION)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("benchmarks.charts.output.PNG_DPI", 20)
        yield draw_all(folder)


def test_a_run_that_is_not_valid_says_so_on_each_chart(drawn: list[Path]) -> None:
    for path in drawn[::2]:
        assert "NOT VALID: interrupted after 5 of 6 trials" in path.read_text()


def test_each_chart_is_written_as_svg_and_png_and_the_same_each_time(drawn: list[Path]) -> None:
    assert [path.name for path in drawn] == [f"{chart.name}.{kind}" for chart in CHARTS for kind in ("svg", "png")]
    first = {path: path.read_bytes() for path in drawn}
    assert {path: path.read_bytes() for path in draw_all(drawn[0].parents[1])} == first


def test_the_charts_can_share_a_page(drawn: list[Path]) -> None:
    ids: list[str] = []
    for path in drawn[::2]:
        svg = path.read_text()
        mine = set(re.findall(r'\bid="([^"]+)"', svg))
        ids += mine
        assert set(re.findall(r'(?:href="#|url\(#)([^")]+)', svg)) <= mine
        assert 'role="img"' in svg
        assert "<title>" in svg
    assert len(ids) == len(set(ids))


def titled(data: RunData) -> dict[str, str]:
    return {chart.name: chart.title(data).replace("\u00a0", " ") for chart in CHARTS}


def test_titles_say_what_was_measured(runs: dict[str, RunData]) -> None:
    titles = titled(runs["email slow"])
    assert titles["accept_latency_over_time"].startswith(
        "While email was slower by 800 ms, the median answer took 3.95 ms"
    )
    assert titles["where_each_ended"] == "Every registration was completed exactly once: 720 with sync and events alike"
    assert titles["measured_minus_predicted"] == (
        "Beyond what the parameters say, the typical answer took 3.69 ms to 3.95 ms with sync and events alike; "
        "until all was done it took 3.19 ms with sync and 3.54 ms with events"
    )


def test_titles_are_the_same_sentence_when_the_direct_side_is_faster(tmp_path: Path) -> None:
    def slower_events(history: pd.DataFrame, effects: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
        if history["variant"].iloc[0] == "events":
            history = history.assign(answered_ns=history["answered_ns"] + 4_000_000_000)
        return history, effects

    stored_run(tmp_path, change=slower_events, **NO_QUESTION)
    title = titled(RunData.read(tmp_path))["accept_latency_over_time"]
    assert title.endswith("with sync and 4,000 ms with events")


def test_titles_call_alike_what_is_alike_but_never_losses(runs: dict[str, RunData]) -> None:
    titles = titled(runs["three variants"])
    assert "with sync, sync-concurrent and events alike" in titles["outstanding_and_lag"]
    ended = titled(runs["every ending"])["where_each_ended"]
    assert "lost: 0 with sync and 15 with events" in ended
    assert "stranded: 0 with events and" in ended


def test_titles_admit_that_nobody_was_accepted(runs: dict[str, RunData]) -> None:
    titles = titled(runs["nobody accepted"])
    assert titles["accept_latency_over_time"].endswith("nobody was accepted")
    assert titles["latency_percentiles"].endswith("nobody was accepted")
    assert titles["outcomes_over_time"].endswith("nobody was accepted")
    assert titles["completion_beside_accept"].endswith("nobody was accepted")
    assert titles["where_each_ended"].startswith("Complete: 0 % with sync and events alike")


@pytest.mark.parametrize("chart", ["accept_latency_over_time", "latency_percentiles"])
def test_where_the_shares_accepted_differ_a_title_says_them_and_no_latency(
    chart: str, runs: dict[str, RunData]
) -> None:
    title = titled(runs["every ending"])[chart]
    assert title.endswith("accepted: 42.1 % with sync and 100 % with events")
    assert "accepted:" not in titled(runs["email slow"])[chart]


def test_nothing_is_all_done_before_a_service_is_done(runs: dict[str, RunData]) -> None:
    data = runs["every ending"]
    for variant, stat, window in itertools.product(data.variants, ("p50", "p95"), (None, "before", "during")):
        done = data.quantile_ms(variant, "done", stat, window)
        services = [data.quantile_ms(variant, name, stat, window) for name in data.services]
        assert done is not None
        assert all(each is not None and each <= done for each in services)
    assert data.quantile_ms("sync", "accepted", "p50", None) == float("inf")  # 3 of 7 are


def test_a_run_that_was_disturbed_says_so_on_its_charts(tmp_path: Path) -> None:
    stored_run(tmp_path, blocks=1, **NO_QUESTION)
    data = RunData.read(tmp_path)
    words = "Disturbed: other programs took 49 % of the machine"
    disturbed = Disturbance(("busy",), ("01-sync",), 0.49, None, None, None, words)
    busy = replace(data, summary=replace(data.summary, disturbed=disturbed))
    with settings("test"):
        written = [text.get_text() for text in CHARTS[0].draw(busy).texts]
    assert words in written
    assert not any("NOT VALID" in text for text in written)


def test_each_registration_ends_once_and_they_add_up_to_what_was_offered(runs: dict[str, RunData]) -> None:
    data = runs["every ending"]
    for variant in data.variants:
        assert sum(data.endings(variant).values()) == data.summary.figure(variant, "counts", "offered")
    assert data.endings("events")["lost"] == data.summary.figure("events", "registrations", "lost")
    assert data.endings("sync")["not_taken"] > 0


def test_only_endings_that_occurred_have_a_row(runs: dict[str, RunData]) -> None:
    chart = next(chart for chart in CHARTS if chart.name == "where_each_ended")
    with settings("test"):
        written = [text.get_text() for text in chart.draw(runs["email slow"]).texts]
    assert "complete" in written
    assert "lost" not in written
    assert any(text.startswith("None ended as not taken, recovered, pending") for text in written)


FIGURE = re.compile(r"(?:max )?([\d,.]+)\u00a0?(ms|s|%)?(?:, drain.*| \(.*)?$")
FAR_PT = 45.0  # labels that would touch are moved apart, each with a line to its place


# The others draw much the same labels, and every chart of a run takes seconds.
LABELLED = ("email slow", "every ending", "hardly a row")


@pytest.mark.parametrize("run", [run if run in LABELLED else pytest.param(run, marks=pytest.mark.slow) for run in RUNS])
def test_each_label_with_a_figure_stands_where_the_figure_is(
    run: str, runs: dict[str, RunData], monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = 0
    label_ends = Sheet.label_ends

    def check(sheet: Sheet, axes: Axes, labels: Sequence[EndLabel]) -> None:
        nonlocal seen
        before = len(sheet.figure.texts)
        label_ends(sheet, axes, labels)
        for label, text in zip(labels, sheet.figure.texts[before:], strict=True):
            found = FIGURE.search(label.text)
            if found is None or label.text.endswith(("p50", "p95")):
                continue
            value = float(found[1].replace(",", "")) * {"s": 1e3, "%": 0.01}.get(found[2] or "", 1)
            at = sheet.height_of(axes, value)
            assert at == pytest.approx(sheet.height_of(axes, label.y), abs=2.0), label
            assert text.get_position()[1] * HEIGHT_PT == pytest.approx(at, abs=max(FAR_PT, 12.5 * len(labels))), label
            seen += 1

    monkeypatch.setattr(Sheet, "label_ends", check)
    with settings("test"):
        for chart in CHARTS:
            chart.draw(runs[run])
    assert seen >= len(runs[run].variants)


def test_a_single_registration_does_not_stretch_a_logarithmic_axis(runs: dict[str, RunData]) -> None:
    data = runs["email slow"]
    residuals = data.residuals.copy()
    residuals.loc[residuals.index[0], ["accept_ms", "completion_ms"]] = 1e-4
    residuals.loc[residuals.index[1], ["accept_ms", "completion_ms"]] = 4_000.0
    bent = replace(data)
    bent.__dict__["residuals"] = residuals
    chart = next(chart for chart in CHARTS if chart.name == "measured_minus_predicted")
    with settings("test"):
        panels = chart.draw(bent).axes
    assert len({axes.get_ylim() for axes in panels}) == 1, "panels that are compared share a scale"
    assert panels[0].get_ylim()[0] > 0.1


def test_the_words_of_an_svg_stay_words(drawn: list[Path]) -> None:
    svg = next(path for path in drawn if path.name == "cost.svg").read_text()
    assert ">CPU per completed registration (ms)</text>" in svg


def test_a_ladder_is_told_as_a_range(runs: dict[str, RunData]) -> None:
    title = titled(runs["a whole ladder"])["accept_latency_over_time"]
    assert re.search(r"took 3\.95 ms \(events\) to 8\d\d ms \(sync\)$", title)


def test_faults_are_named_by_what_they_do(runs: dict[str, RunData]) -> None:
    labels = [window.label.replace("\u00a0", " ") for window in runs["faults that overlap"].windows]
    assert labels == [
        "email +800 ms",
        "email: 30 % fail",
        "analytics hangs, events only",
        "cache +pareto latency (25 % of its work)",
    ]
