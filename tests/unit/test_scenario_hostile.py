"""A hostile scenario file is refused within bounded time and memory, and no name in it leads out of the results."""

from __future__ import annotations

import json
import os
import time
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.planning.plan import make_plan
from benchmarks.scenario import Scenario, ScenarioError, load, load_text
from benchmarks.store import Results, default_directory

SECONDS, BYTES = 2.0, 64 << 20
HEAD = "version: 1\nname: x\n"

BOMB = "".join(
    f"{name}: &{name} [{', '.join([f'*{before}'] * 9) if before else 'lol'}]\n"
    for before, name in zip(["", *"abcdefgh"], "abcdefghi", strict=True)
)
HOSTILE = {
    "a tag of Python": HEAD + "title: !!python/object/apply:os.system ['touch touched']\n",
    "a tag of Python, in full": HEAD + "title: !<tag:yaml.org,2002:python/name:os.system> x\n",
    "a tag on a key": "!!python/name:os.system version: 1\n",
    "a tag on the document": "--- !!python/object:os.system\nversion: 1\n",
    "a directive": "%TAG ! tag:yaml.org,2002:python/\n---\nversion: !name:os.system 1\n",
    "an alias bomb": BOMB + HEAD,
    "a merge bomb": "a: &a {b: 1}\nc: {<<: [*a, *a, *a]}\n" + HEAD,
    "an alias of itself": "a: &a [*a]\n" + HEAD,
    "a huge integer": HEAD + f"seed: {'9' * 100_000}\n",
    "a huge integer, hexadecimal": HEAD + f"seed: 0x{'f' * 100_000}\n",
    "a huge exponent": HEAD + "workload: {rate: 1e999999999}\n",
    "a huge duration": HEAD + f"workload: {{duration: {'9' * 1_000}h}}\n",
    "a run without end": HEAD + "workload: {rate: 1000000, duration: 1000h}\n",
    "deep lists": HEAD + "tags: " + "[" * 10_000,
    "deep mappings": HEAD + "services: " + "{a: " * 10_000,
    "deep blocks": HEAD + "".join(" " * depth + "a:\n" for depth in range(1_000)),
    "many keys": HEAD + "".join(f"k{number}: 1\n" for number in range(20_000)),
    "many tags": HEAD + "tags: [" + "a," * 50_000 + "a]\n",
    "one long line": "x" * 10_000_000,
    "one long text": HEAD + "title: '" + "x" * 100_000 + "'\n",
    "many quotes": HEAD + "title: " + "'" * 50_001 + "\n",
    "many anchors": "".join(f"&a{number} " for number in range(50_000)),
    "control letters": HEAD + "title: 'a\x1b[31mb'\n",
    "a text that backtracks": HEAD + "workload: {duration: " + "1" * 50_000 + "x}\n",
    "a metric that backtracks": HEAD + "hypothesis: {metric: '" + "a{" * 20_000 + "', ratio: a/b, expect: '< 1'}\n",
    "half a letter": HEAD + 'title: "\\ud800"\n',
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_file_is_refused_soon_and_cheaply(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "x.yaml"
    path.write_text(HOSTILE[name], encoding="utf-8", newline="\n")
    began_s = time.process_time()
    tracemalloc.start()
    try:
        with pytest.raises(ScenarioError) as refusal:
            load(path)
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    took_s = time.process_time() - began_s
    assert took_s < 10 * SECONDS  # tracing makes everything several times slower
    assert peak_bytes < BYTES
    assert len(str(refusal.value)) < 200_000
    assert [left.name for left in tmp_path.iterdir()] == ["x.yaml"]


# What is tried to get out of a directory, or into a file of somebody else.
WAYS_OUT = st.sampled_from(
    [
        *("..", "../..", "../../etc/passwd", "/etc/passwd", "a/../../b", "a/b", "a\\b", "C:\\x", "~", "~root", ".", ""),
        *("a\x00b", "a\n", "\n", "a b", "-rf", "--out", "$HOME", "`id`", "aux", "a" * 300, "é", "..%2f", "a:b", "*"),
    ]
)
NAMES = st.one_of(WAYS_OUT, st.text(max_size=20), st.from_regex(r"[a-z0-9./\\-]{1,12}", fullmatch=True))


def scenario_of(name: str, variant: str, service: str, fault: str) -> Scenario | None:
    """The scenario with these names, as a file would give them; None where it is refused."""
    document = {
        "version": 1,
        "name": name,
        "workload": {"rate": 5, "duration": "2s", "warmup": "0s"},
        "services": {service: {"latency": "1ms"}},
        "variants": ["sync", {"name": variant, "base": "events"}],
        "faults": [{"name": fault, "target": service, "type": "error", "at": "0s", "duration": "1s"}],
    }
    try:
        return load_text(json.dumps(document), "x")
    except ScenarioError:
        return None


def inside(root: Path, path: Path) -> bool:
    return Path(os.path.normpath(path)).is_relative_to(root) and "\x00" not in str(path)


@given(name=NAMES, variant=NAMES, service=NAMES, fault=NAMES)
def test_no_name_leads_out_of_the_results(name: str, variant: str, service: str, fault: str) -> None:
    root = Path("/results")
    # Each by itself, so that one that is refused does not hide the others.
    for names in (
        (name, "v", "smtp", "f"),
        ("x", variant, "smtp", "f"),
        ("x", "v", service, "f"),
        ("x", "v", "smtp", fault),
    ):
        scenario = scenario_of(*names)
        if scenario is None:
            continue
        directory = default_directory(scenario.name, root)
        assert inside(root, directory)
        assert directory.parent.parent == root
        results = Results(directory)
        for trial in make_plan(scenario).trials:
            where = results.trial_directory(trial.label)
            assert where.parent == directory / "trials"
            assert inside(root, where)
            for service_name in scenario.services:
                assert inside(root, where / "raw" / f"{service_name}-0.trace")
                assert (where / "raw" / f"{service_name}-0.trace").parent == where / "raw"
                log = results.logs / f"{trial.label}-{service_name}-0.log"
                assert log.parent == results.logs
                assert inside(root, log)
        for spoken in (*scenario.services, *scenario.variant_names, *(fault.name for fault in scenario.faults)):
            assert spoken.isascii()
            assert spoken.replace("-", "").isalnum()
            assert len(spoken) <= 60


def test_the_names_that_are_tried_are_refused_and_plain_ones_are_not() -> None:
    assert scenario_of("x", "v", "smtp", "f") is not None
    for names in (
        ("../x", "v", "smtp", "f"),
        ("x", "../v", "smtp", "f"),
        ("x", "v", "../smtp", "f"),
        ("x", "v", "smtp", "../f"),
        ("x\n", "v", "smtp", "f"),
        ("x", "v\n", "smtp", "f"),
    ):
        assert scenario_of(*names) is None, names
