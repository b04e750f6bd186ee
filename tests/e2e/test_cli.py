"""The command line, as a person or a script uses it: output, files and exit codes."""

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import psutil
import pytest
import typer

import cli
from benchmarks.faults import KINDS

TREE = Path(__file__).parents[2]
BOUND_S = 300.0
SCENARIO = """\
version: 1
name: small
title: A small run
workload: {rate: 20, duration: 3s, warmup: 1s}
services: {analytics: {latency: 5ms}}
faults:
  - {target: email, type: latency, at: 1s, duration: 1s, latency: 100ms}
hypothesis: {metric: "accept_latency_ms.p50{window:during}", ratio: events/sync, expect: "< 0.5"}
"""


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-P", "-m", "cli", *arguments]


def environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(TREE), "COLUMNS": "200", "NO_COLOR": "1"}


@pytest.fixture
def here(tmp_path: Path) -> Path:
    """A directory of a user, with one scenario of their own."""
    (tmp_path / "small.yaml").write_text(SCENARIO)
    return tmp_path


def bench(here: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(*arguments),
        cwd=here,
        env=environment(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=BOUND_S,
        check=False,
    )


def files(directory: Path) -> list[str]:
    return sorted(str(path.relative_to(directory)) for path in directory.rglob("*"))


# ── run ───────────────────────────────────────────────────────────────────────────────────────────────────────────────


class Done:
    """One quick run of both sides, for all tests that only look at it."""

    def __init__(self, here: Path) -> None:
        (here / "small.yaml").write_text(SCENARIO)
        self.here = here
        self.result = bench(
            here, "run", "./small.yaml", "--quick", "--blocks", "1", "--repeat-invalid", "0", "--out", "mine"
        )
        self.out = here / "mine"
        self.summary = json.loads((self.out / "summary.json").read_text())


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Done:
    return Done(tmp_path_factory.mktemp("user"))


def test_a_quick_run_ends_well(done: Done) -> None:
    # A machine that is busy with something else may make it invalid; then it must say so.
    assert done.result.returncode == (0 if done.summary["valid"] else 110), done.result.stderr


def test_its_table_shows_both_sides_next_to_each_other(done: Done) -> None:
    lines = done.result.stdout.splitlines()
    assert any(line.split()[:2] == ["sync", "events"] for line in lines)
    assert any(line.split()[:2] == ["accept", "p50"] for line in lines)


def test_it_says_in_a_sentence_that_one_block_gives_no_verdict(done: Done) -> None:
    # For one block, or for a machine that was busy with something else.
    assert "No verdict (quick): " in done.result.stdout


def test_it_names_the_report_that_it_wrote(done: Done) -> None:
    last = done.result.stdout.strip().splitlines()[-1]
    assert last == "report: mine/report.html"
    assert (done.here / "mine" / "report.html").stat().st_size > 10_000


def test_it_tells_on_standard_error_what_it_is_doing(done: Done) -> None:
    said = done.result.stderr
    assert said.index("starting the broker") < said.index("trial 1 of 2: sync") < said.index("trial 2 of 2: events")


def test_out_is_exactly_where_it_goes(done: Done) -> None:
    assert not (done.here / "results").exists()
    assert sorted(path.name for path in done.here.iterdir()) == ["mine", "small.yaml"]


def test_the_report_needs_no_network(done: Done) -> None:
    report = (done.out / "report.html").read_text()
    for loading in ('src="http', "src='http", 'rel="stylesheet" href', "@import", "url(http"):
        assert loading not in report


def test_a_stored_run_is_reported_again_without_a_broker(done: Done) -> None:
    (done.out / "report.html").unlink()
    result = bench(done.here, "report", "mine")
    assert result.returncode == 0, result.stderr
    assert (done.out / "report.html").is_file()
    assert "accept p50" in result.stdout
    assert json.loads((done.out / "summary.json").read_text()) == done.summary


def test_a_directory_in_use_is_refused_and_left_as_it_was(done: Done) -> None:
    before = files(done.out)
    result = bench(done.here, "run", "./small.yaml", "--quick", "--blocks", "1", "--variant", "sync", "--out", "mine")
    assert result.returncode == 111
    assert "is not empty" in result.stderr
    assert "--out" in result.stderr
    assert files(done.out) == before


def test_json_alone_reaches_standard_output(here: Path) -> None:
    result = bench(
        here,
        "run",
        "./small.yaml",
        "--quick",
        "--blocks",
        "1",
        "--variant",
        "sync",
        "--json",
        "--duration",
        "2s",
        "--repeat-invalid",
        "0",
    )
    summary = json.loads(result.stdout)
    assert result.returncode == (0 if summary["valid"] else 110), result.stderr
    assert list(summary["variants"]) == ["sync"]
    assert "trial 1 of 1" in result.stderr
    # Without --out, under the working directory.
    assert json.loads((here / "results" / "latest" / "summary.json").read_text()) == summary
    assert len(list((here / "results" / "small").iterdir())) == 1


def test_a_failed_threshold_is_99(here: Path) -> None:
    (here / "small.yaml").write_text(
        SCENARIO.replace("duration: 3s", "duration: 2s") + 'thresholds: {accept_latency_ms.p50: ["< 0.001"]}\n'
    )
    result = bench(
        here, "run", "./small.yaml", "--quick", "--blocks", "1", "--variant", "sync", "--json", "--repeat-invalid", "0"
    )
    assert result.returncode == (99 if json.loads(result.stdout)["valid"] else 110), result.stderr


def wait_for(condition: Callable[[], bool]) -> None:
    deadline_s = time.monotonic() + BOUND_S
    while not condition():
        assert time.monotonic() < deadline_s, "it did not happen in time"
        time.sleep(0.05)


def test_killing_bench_itself_leaves_no_process(here: Path) -> None:
    process = subprocess.Popen(
        command("run", "./small.yaml", "--quick", "--blocks", "1", "--variant", "sync", "--out", "mine"),
        cwd=here,
        env=environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        wait_for((here / "mine" / "trials" / "01-sync" / "raw" / "load.rows").exists)
        started = psutil.Process(process.pid).children(recursive=True)
        assert len(started) >= 5
    finally:
        process.kill()
        process.wait(BOUND_S)
    wait_for(lambda: not any(child.is_running() for child in started))


# ── What is wrong is said, with the code that says so ─────────────────────────────────────────────────────────────────


def test_an_unknown_scenario_is_2_and_the_nearest_name_is_given(here: Path) -> None:
    result = bench(here, "run", "slow-downstrem")
    assert result.returncode == 2
    assert "did you mean 'slow-downstream'" in result.stderr
    assert not (here / "results").exists()


@pytest.mark.parametrize("verb", ["run", "show", "plan", "validate"])
def test_an_invalid_scenario_is_104_with_file_and_line_of_every_problem(here: Path, verb: str) -> None:
    (here / "small.yaml").write_text("version: 1\nname: small\nworkload:\n  rte: 20\nblocks: many\n")
    result = bench(here, verb, "./small.yaml")
    assert result.returncode == 104
    assert "small.yaml:4:" in result.stderr
    assert "did you mean 'rate'" in result.stderr
    assert "small.yaml:5:" in result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ("run",),
        ("run", "baseline", "--nonsense"),
        ("run", "baseline", "--blocks", "0"),
        ("plan", "no-such-scenario"),
        ("report", "no-such-run"),
        ("nonsense",),
    ],
    ids=" ".join,
)
def test_a_wrong_word_is_2_and_no_traceback(here: Path, arguments: Sequence[str]) -> None:
    result = bench(here, *arguments)
    assert result.returncode == 2
    assert result.stderr
    assert "Traceback" not in result.stderr


def test_an_unknown_variant_is_104(here: Path) -> None:
    result = bench(here, "run", "baseline", "--variant", "evnts")
    assert result.returncode == 104
    assert "events" in result.stderr


def test_a_broker_that_does_not_answer_is_111_with_a_next_step(here: Path) -> None:
    result = bench(
        here, "run", "./small.yaml", "--quick", "--blocks", "1", "--variant", "events", "--broker", "127.0.0.1:1"
    )
    assert result.returncode == 111
    assert "127.0.0.1:1" in result.stderr
    assert "next:" in result.stderr
    assert "Traceback" not in result.stderr


# ── list, show, plan, validate, help ──────────────────────────────────────────────────────────────────────────────────


def test_list_names_the_bundled_scenarios_anywhere(here: Path) -> None:
    result = bench(here, "list")
    assert result.returncode == 0
    for path in (TREE / "scenarios").glob("*.yaml"):
        assert path.stem in result.stdout


def test_list_names_the_user_s_own_scenarios(here: Path) -> None:
    (here / "scenarios").mkdir()
    (here / "small.yaml").rename(here / "scenarios" / "small.yaml")
    assert "A small run" in bench(here, "list").stdout


def test_show_prints_a_scenario_that_can_be_run_as_it_is(here: Path) -> None:
    shown = bench(here, "show", "slow-downstream")
    assert shown.returncode == 0
    (here / "slow-downstream.yaml").write_text(shown.stdout)
    again = bench(here, "show", "./slow-downstream.yaml")
    assert (again.returncode, again.stdout) == (0, shown.stdout)


def test_plan_shows_trials_and_utilisation_without_running(here: Path) -> None:
    result = bench(here, "plan", "slow-downstream")
    assert result.returncode == 0
    assert "6 trials" in result.stdout.replace("\N{NO-BREAK SPACE}", " ")
    assert "utilisation" in result.stdout
    assert files(here) == ["small.yaml"]


def test_plan_with_settings_is_that_of_the_scenario_so_changed(here: Path) -> None:
    result = bench(here, "plan", "slow-downstream", "--set", "workload.rate=12", "--set", "faults.0.at=9s", "--json")
    planned = json.loads(result.stdout)
    assert planned["arrivals_per_trial"] == 300
    assert planned["faults"][0]["begin_ns"] == 9_000_000_000


def test_plan_says_for_which_variants_nothing_is_predicted(here: Path) -> None:
    closed = ("--set", "workload.executor=constant-vus", "--set", "workload.vus=5")
    result = bench(here, "plan", "baseline", *closed)
    assert result.returncode == 0
    text = " ".join(result.stdout.split())
    assert "utilisation: not known before a run of a closed load" in text
    assert "events: not predicted: " in text
    for variant in ("sync", "sync-concurrent"):
        assert f"{variant}: not predicted" not in text
        assert re.search(rf"{variant} all 100 %", text)
    assert "a closed load is predicted in figures, not registration by registration" in text


def test_a_setting_that_makes_no_scenario_is_refused_with_the_nearest_key(here: Path) -> None:
    result = bench(here, "run", "slow-downstream", "--set", "workload.rat=80")
    assert result.returncode == 104
    assert result.stderr == "the command line: workload.rat: unknown key 'rat'; did you mean 'rate'?\n"


def test_plan_as_json_is_the_plan_of_the_run(done: Done) -> None:
    result = bench(done.here, "plan", "./small.yaml", "--quick", "--blocks", "1", "--json")
    of_the_run = json.loads((done.out / "plan.json").read_text())
    del of_the_run["judged"], of_the_run["sha256"]  # what a run is sealed with before its load starts
    assert json.loads(result.stdout) == of_the_run


def test_validate_says_what_is_valid_and_what_is_not(here: Path) -> None:
    (here / "broken.yaml").write_text("version: 1\nname: broken\nclaim: none\n")
    result = bench(here, "validate", "baseline", "./small.yaml", "./broken.yaml")
    assert result.returncode == 104
    assert "baseline: valid" in result.stdout
    assert "./small.yaml: valid" in result.stdout
    assert "broken.yaml:3:" in result.stderr
    assert bench(here, "validate", "baseline", "./small.yaml").returncode == 0


def test_help_names_every_verb(here: Path) -> None:
    result = bench(here, "--help")
    assert result.returncode == 0
    for verb in typer.main.get_command(cli.app).commands:  # type: ignore[attr-defined]
        assert verb in result.stdout


def test_a_new_scenario_is_written_once_and_valid(here: Path) -> None:
    assert "slow-service" in bench(here, "new").stdout
    assert "scenarios/mine.yaml: written" in bench(here, "new", "mine", "--from", "crash").stdout
    assert bench(here, "validate", "mine").stdout == "mine: valid\n"
    again = bench(here, "new", "mine")
    assert (again.returncode, "already exists" in again.stderr) == (2, True)


def test_the_schema_is_json_on_standard_output(here: Path) -> None:
    assert "workload" in json.loads(bench(here, "schema").stdout)["properties"]


def test_faults_lists_every_kind(here: Path) -> None:
    listed = bench(here, "faults")
    assert listed.returncode == 0
    assert json.loads(bench(here, "faults", "--json").stdout).keys() == KINDS.keys()
    assert all(f"\n{word} " in listed.stdout for word in KINDS)


BROKER_DIES = "version: 1\nname: dies\nfaults: [{target: broker, type: kill, at: 1s, duration: 1s}]\n"


def test_faults_of_somebody_else_s_broker_are_refused_before_the_load(here: Path) -> None:
    (here / "dies.yaml").write_text(BROKER_DIES)
    result = bench(here, "run", "dies.yaml", "--broker", "127.0.0.1:9")
    assert result.returncode == 2
    assert "'kill-broker' of dies would hit the broker, and the faults of 127.0.0.1:9 are not ours" in result.stderr
    assert "next: leave --broker out" in result.stderr
    assert files(here) == ["dies.yaml", "small.yaml"]


def test_faults_of_the_embedded_broker_are_refused(here: Path) -> None:
    (here / "dies.yaml").write_text(BROKER_DIES)
    result = bench(here, "run", "dies.yaml", "--broker", "embedded")
    assert result.returncode == 104
    assert "the embedded broker cannot be hit" in result.stderr
