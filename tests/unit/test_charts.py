"""The charts: readable whatever the run was, truthful in their titles, and the same bytes each time."""

from __future__ import annotations

import itertools
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pandas as pd
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg, RendererAgg
from matplotlib.transforms import Bbox
from stored import NO_QUESTION, SLOW_EMAIL, SMALL, every_ending, nobody_accepted, stored_run

from benchmarks.charts import CHARTS, draw_all
from benchmarks.charts.output import settings
from benchmarks.charts.run_data import RunData

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
    assert titles["completion_beside_accept"].endswith("nobody was accepted and nothing was done")
    assert titles["where_each_ended"].startswith("Completed: 0 % with sync and events alike")


def test_a_title_with_latencies_names_the_shares_accepted_where_they_differ(runs: dict[str, RunData]) -> None:
    assert "(accepted: " in titled(runs["every ending"])["accept_latency_over_time"]
    assert "(accepted: " not in titled(runs["email slow"])["accept_latency_over_time"]


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
