"""Every kind of fault in the table: whole by itself, readable, told, and doing what it says to the work."""

from __future__ import annotations

import inspect
import math
import re
from itertools import pairwise
from pathlib import Path

import msgspec
import pytest

from benchmarks.charts import palette
from benchmarks.faults import KINDS, Effect, FaultKind, WorkKind
from benchmarks.planning.plan import make_plan
from benchmarks.planning.utilisation import utilisation_table
from benchmarks.planning.work import work_settings
from benchmarks.scenario import Scenario, ScenarioError, load_text
from benchmarks.scenario.faults import foreign_keys, windows_of
from benchmarks.scenario.override import override
from benchmarks.scenario.resolve import dump, resolve
from registration import luck
from registration.work import WorkSettings, judge

TREE = Path(__file__).parents[2]
FAULTS_PAGE = (TREE / "docs" / "faults.md").read_text(encoding="utf-8")
WORK = [word for word, kind in KINDS.items() if issubclass(kind, WorkKind)]
LASTING = [word for word, kind in KINDS.items() if kind.lasts]
SEED = luck.block_seed(1, 0)
IDS = [luck.registration_id(SEED, index) for index in range(50)]


def scenario_with(*faults: dict[str, object]) -> Scenario:
    head = {"version": 1, "name": "x", "variants": ["sync", "events"], "workload": {"duration": "20s"}}
    return load_text(dump({**head, "faults": list(faults)}), "x.yaml")


def fault_of(word: str, **more: object) -> FaultKind:
    """The shortest fault of a kind, on email from 8 s to 16 s where it lasts."""
    (fault,) = scenario_with({**KINDS[word].example(), **more}).faults
    return fault


def problems(fault: dict[str, object]) -> list[str]:
    with pytest.raises(ScenarioError) as caught:
        scenario_with(fault)
    return [problem.message for problem in caught.value.problems]


# ── the table and the files ───────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("word", KINDS)
def test_a_kind_is_the_file_of_its_name(word: str) -> None:
    assert Path(inspect.getfile(KINDS[word])).stem == word


def test_nobody_else_asks_for_the_type_of_a_fault() -> None:
    asking = re.compile(rf"""(?:==|!=|\bin|\bcase) *[(\[{{]? *["'](?:{"|".join(KINDS)})["']""")
    packages = ("scenario", "planning", "trials", "charts", "words", "report", "analysis")
    files = [path for name in packages for path in (TREE / "benchmarks" / name).rglob("*.py")]
    files += (TREE / "registration").rglob("*.py")
    assert len(files) > 60
    lines = [(path, line) for path in files for line in path.read_text(encoding="utf-8").splitlines()]
    # A figure is of the nature of a latency, too.
    assert [(path, line) for path, line in lines if asking.search(line) and "nature" not in line] == []


@pytest.mark.parametrize("word", KINDS)
def test_a_kind_is_in_the_table_of_the_documents_with_its_sentence(word: str) -> None:
    assert f"| `{word}` | {KINDS[word].sentence} |" in FAULTS_PAGE


@pytest.mark.parametrize("word", KINDS)
def test_every_key_says_what_it_is(word: str) -> None:
    assert [key.name for key in KINDS[word].described_keys() if not key.description] == []


# ── the file of a scenario ────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("word", KINDS)
def test_what_is_resolved_is_read_back(word: str) -> None:
    scenario = scenario_with({**KINDS[word].example(), "variants": ["events"]})
    assert load_text(dump(resolve(scenario)), "stored") == scenario
    resolved = scenario.faults[0].resolved()
    assert set(resolved) == KINDS[word].key_names()
    defaults = {key.name: key.default for key in KINDS[word].described_keys() if key.default is not None}
    assert {key: resolved[key] for key in defaults} == defaults


@pytest.mark.parametrize(
    ("word", "key"),
    [(word, key.name) for word, kind in KINDS.items() for key in kind.described_keys() if key.required],
)
def test_a_key_that_is_missing_is_asked_for_in_its_place(word: str, key: str) -> None:
    fault = {name: value for name, value in KINDS[word].example().items() if name != key}
    (problem,) = problems(fault)
    assert problem.startswith(f"faults[0].{key}: this key is missing: ")
    assert problem.endswith(f", as in {key}: {KINDS[word].example()[key]}")


@pytest.mark.parametrize(("word", "key"), [(word, key) for word in KINDS for key in sorted(foreign_keys(word))])
def test_a_key_of_another_kind_is_refused_with_the_kinds_that_have_it(word: str, key: str) -> None:
    (problem,) = problems({**KINDS[word].example(), key: "1s"})
    assert problem.startswith(f"faults[0].{key}: {key!r} is not for faults of type {word!r}, only for ")
    owners = set(re.findall(r"'(\w+)'", problem.partition("only for")[2]))
    assert owners == {other for other, kind in KINDS.items() if key in kind.key_names()}


@pytest.mark.parametrize("word", KINDS)
def test_only_a_fault_that_lasts_makes_a_window_during(word: str) -> None:
    scenario = scenario_with(KINDS[word].example())
    assert (scenario.during_ns is not None) == KINDS[word].lasts
    assert ("during" in windows_of([KINDS[word].example()])) == KINDS[word].lasts
    window = make_plan(scenario).fault_windows[0]
    assert (window.end_ns > window.begin_ns) == KINDS[word].lasts


@pytest.mark.parametrize("before", KINDS)
@pytest.mark.parametrize("after", KINDS)
def test_another_type_set_from_the_command_line_leaves_no_key_of_the_old_one(before: str, after: str) -> None:
    wanted = KINDS[after].example()
    sets = [f"faults.0.{key}={value}" for key, value in wanted.items()]
    (fault,) = override(scenario_with(KINDS[before].example()), sets=sets).faults
    assert fault == fault_of(after)


# ── what is told ──────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("word", KINDS)
def test_a_chart_and_a_title_name_whom_it_hits_and_what_it_does(word: str) -> None:
    fault, of_one = fault_of(word), fault_of(word, variants=["events"])
    assert fault.label.startswith("email")
    assert "email" in fault.clause
    assert of_one.label == f"{fault.label}, events only"


def test_no_two_kinds_are_told_alike() -> None:
    labels, clauses = zip(*((fault_of(word).label, fault_of(word).clause) for word in KINDS), strict=True)
    assert len(set(labels)) == len(set(clauses)) == len(KINDS)


@pytest.mark.parametrize("word", KINDS)
def test_a_shade_is_see_through_and_its_label_readable(word: str) -> None:
    shade = KINDS[word].shade
    assert int(shade.fill[7:9], 16) < 0x80
    assert palette.ink(shade.ink) == shade.ink


# ── what is computed from it ──────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("word", LASTING)
def test_utilisation_knows_whether_work_goes_on(word: str) -> None:
    rows = [row for row in utilisation_table(scenario_with(KINDS[word].example())) if row.service == "email"]
    assert [(row.begin_s, row.end_s) for row in rows] == [*pairwise([0.0, 8.0, 16.0, 20.0])]
    calm, during, healed = rows
    assert calm.work_ms == healed.work_ms == 20.0
    assert math.isinf(during.work_ms) == (KINDS[word].effect is not Effect.WORKS)
    assert during.down == (KINDS[word].effect is Effect.DOWN)
    assert during.faults == (f"{word}-email",)


@pytest.mark.parametrize("word", WORK)
def test_a_fault_in_the_work_that_hits_nobody_changes_nothing(word: str) -> None:
    fault = fault_of(word, probability=0)
    assert fault.mean_work_ms(20.0) == 20.0


@pytest.mark.parametrize("word", WORK)
def test_a_fault_in_the_work_reaches_the_service_and_changes_what_begins_in_its_window(word: str) -> None:
    scenario = scenario_with(KINDS[word].example())
    faulty = work_settings(scenario, "sync", "email", 0, SEED)
    well = work_settings(scenario_with(), "sync", "email", 0, SEED)
    assert msgspec.json.decode(msgspec.json.encode(faulty), type=WorkSettings) == faulty
    second = 1_000_000_000
    for at_s, changed in ((7.999, False), (8, True), (15.999, True), (16, False)):
        at_ns = round(at_s * second)
        differ = {judge(faulty, id_, 1, at_ns) != judge(well, id_, 1, at_ns) for id_ in IDS}
        assert differ == {changed}
    assert work_settings(scenario, "sync", "cache", 0, SEED).faults == ()


@pytest.mark.parametrize("word", WORK)
def test_a_fault_in_the_work_hits_its_share_of_the_attempts(word: str) -> None:
    scenario = scenario_with({**KINDS[word].example(), "probability": 0.5})
    faulty = work_settings(scenario, "sync", "email", 0, SEED)
    well = work_settings(scenario_with(), "sync", "email", 0, SEED)
    hit = [judge(faulty, id_, 1, 9_000_000_000) != judge(well, id_, 1, 9_000_000_000) for id_ in IDS]
    assert 10 < sum(hit) < 40
