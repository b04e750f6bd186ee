"""Properties: what is stored loads to an equal scenario, and no text whatever breaks the loader."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from benchmarks.scenario import Problem, ScenarioError, load, load_text
from benchmarks.scenario.find import BUNDLED
from benchmarks.scenario.resolve import dump

BUNDLED_FILES = sorted(BUNDLED.glob("*.yaml"))

durations = st.integers(1, 90_000).map(lambda ms: f"{ms}ms")
shares = st.floats(0, 1)
latencies = st.one_of(
    durations,
    st.builds(
        lambda p50, more: {"distribution": "lognormal", "p50": f"{p50}ms", "p99": f"{p50 + more}ms"},
        st.integers(1, 900),
        st.integers(1, 900),
    ),
    st.builds(lambda mean: {"distribution": "exponential", "mean": mean}, durations),
    st.builds(lambda lo, alpha: {"distribution": "pareto", "min": lo, "alpha": alpha}, durations, st.floats(0.2, 50)),
    st.builds(
        lambda lo, more: {"distribution": "uniform", "min": f"{lo}ms", "max": f"{lo + more}ms"},
        st.integers(0, 900),
        st.integers(1, 900),
    ),
)
services = st.dictionaries(
    st.sampled_from(["email", "analytics", "cache", "sms", "ledger"]),
    st.fixed_dictionaries(
        {},
        optional={
            "latency": latencies,
            "errorRate": shares,
            "concurrency": st.integers(1, 99),
            "instances": st.integers(1, 4),
        },
    ),
)
faults = st.lists(
    st.one_of(
        st.fixed_dictionaries({"type": st.just("hang")}),
        st.fixed_dictionaries({"type": st.just("error")}, optional={"rate": shares, "status": st.integers(400, 599)}),
        st.fixed_dictionaries({"type": st.just("latency"), "latency": latencies}, optional={"jitter": durations}),
    ).flatmap(
        lambda kind: st.fixed_dictionaries(
            {
                **{key: st.just(value) for key, value in kind.items()},
                "target": st.sampled_from(["email", "analytics", "cache/0"]),
                "at": st.integers(0, 5_000).map(lambda ms: f"{ms}ms"),
                "duration": st.integers(1, 5_000).map(lambda ms: f"{ms}ms"),
            },
            optional={"probability": shares, "variants": st.just(["events"])},
        )
    ),
    max_size=3,
)
variants = st.lists(
    st.sampled_from(
        [
            "sync",
            "sync-concurrent",
            "events",
            {"name": "hurried", "base": "sync", "options": {"timeout": "200ms"}},
            {"name": "wide", "base": "events", "broker": {"partitions": 12}},
        ]
    ),
    unique_by=str,
).map(lambda chosen: [*(variant for variant in chosen if variant != "events"), "events"])
descriptions = st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"]), max_size=80)
scenarios = st.fixed_dictionaries(
    {
        "version": st.just(1),
        "name": st.from_regex(r"[a-z0-9][a-z0-9-]{0,20}", fullmatch=True),
        "workload": st.fixed_dictionaries(
            {"duration": st.integers(10_000, 60_000).map(lambda ms: f"{ms}ms"), "rate": st.floats(0.5, 500)},
            optional={
                "arrivals": st.sampled_from(["poisson", "uniform"]),
                "warmup": durations,
                "timeout": durations,
                "maxInFlight": st.integers(1, 999),
            },
        ),
    },
    optional={
        "title": descriptions.filter(bool),
        "description": descriptions,
        "tags": st.lists(descriptions.filter(bool), max_size=3),
        "services": services,
        "variants": variants,
        "faults": faults,
        "slo": st.fixed_dictionaries({"accept": durations, "complete": durations}),
        "drain": durations,
        "drainMayExpire": st.booleans(),
        "thresholds": st.just({"accept_latency_ms.p95{variant:events}": ["< 100", ">= 0.5"]}),
        "hypothesis": st.just({"all": [{"metric": "drain_s", "variant": "events", "expect": "< 1e3"}] * 2}),
        "blocks": st.integers(1, 5),
        "seed": st.integers(0, 2**63 - 1),
    },
)


@given(scenarios)
@settings(deadline=None, max_examples=60)
def test_what_is_resolved_loads_to_an_equal_scenario(data: dict[str, object]) -> None:
    scenario = load_text(dump(data), "given")
    stored = dump(scenario.resolved())
    again = load_text(stored, "stored")
    assert again == scenario
    assert dump(again.resolved()) == stored


@pytest.mark.parametrize("path", BUNDLED_FILES, ids=lambda path: path.stem)
def test_a_bundled_scenario_is_valid_and_survives_the_way_through_the_store(path: Path) -> None:
    scenario = load(path)
    assert load_text(dump(scenario.resolved()), "stored") == scenario


HOSTILE = [
    *(
        "",
        "\n",
        " ",
        "\t",
        "-",
        ":",
        ": ",
        "?",
        "&a ",
        "*a",
        "!!str ",
        "!x ",
        "|",
        ">",
        "%",
        "@",
        "`",
        "'",
        '"',
        ",",
        "#",
    ),
    *(
        "{",
        "}",
        "[",
        "]",
        "---\n",
        "...\n",
        "~",
        "null",
        "true",
        "0",
        "-1",
        "1e999",
        ".nan",
        ".inf",
        "9" * 400,
        "0x",
        "1s",
    ),
    *(
        "800",
        "é",
        "\x00",
        "\ufeff",
        "\u2028",
        "<<: *a",
        "faults",
        "name",
        "email/0",
        "email/-1",
        "a" * 99,
        "{a: {b: 1}}",
    ),
]


@given(
    st.sampled_from([path.read_text() for path in BUNDLED_FILES]),
    st.lists(st.tuples(st.integers(0, 999), st.integers(0, 30), st.sampled_from(HOSTILE)), min_size=1, max_size=6),
)
@settings(deadline=None, max_examples=200, suppress_health_check=[HealthCheck.too_slow])
def test_a_mutilated_file_is_a_scenario_or_a_list_of_problems(text: str, cuts: list[tuple[int, int, str]]) -> None:
    for place, length, inserted in cuts:
        at = place % (len(text) + 1)
        text = text[:at] + inserted + text[at + length :]
    only_a_scenario_or_problems(text)


@given(st.text(max_size=200))
@settings(deadline=None)
def test_any_text_is_a_scenario_or_a_list_of_problems(text: str) -> None:
    only_a_scenario_or_problems(text)


def only_a_scenario_or_problems(text: str) -> None:
    problems: tuple[Problem, ...] = ()
    try:
        load_text(text, "mutated.yaml")
    except ScenarioError as error:
        problems = error.problems
        assert problems, "an error names what is wrong"
    lines = text.count("\n") + 2
    assert all(problem.line is not None and 1 <= problem.line <= lines for problem in problems)
    assert all(str(problem).startswith("mutated.yaml:") for problem in problems)
