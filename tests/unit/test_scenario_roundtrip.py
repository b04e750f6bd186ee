"""Properties: what is stored loads to an equal scenario, and no text whatever breaks the loader."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.scenario import Problem, ScenarioError, load_text
from benchmarks.scenario import load as load_file
from benchmarks.scenario.loader import BUNDLED
from benchmarks.scenario.override import override
from benchmarks.scenario.resolve import dump, resolve

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
# At most one on each process, so that they never overlap.
process_faults = st.lists(
    st.one_of(
        st.fixed_dictionaries(
            {
                "type": st.sampled_from(["kill", "pause"]),
                "duration": st.integers(1, 5_000).map(lambda ms: f"{ms}ms"),
            }
        ),
        st.fixed_dictionaries({"type": st.just("restart")}),
    ).flatmap(
        lambda kind: st.fixed_dictionaries(
            {
                **{key: st.just(value) for key, value in kind.items()},
                "target": st.sampled_from(["email", "analytics/0", "cache", "api", "api/0"]),
                "at": st.integers(0, 4_000).map(lambda ms: f"{ms}ms"),
            }
        )
    ),
    max_size=3,
    unique_by=lambda fault: str(fault["target"]).split("/")[0],
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
lengths = st.integers(10_000, 60_000).map(lambda ms: f"{ms}ms")
load: dict[str, st.SearchStrategy[object]] = {
    "arrivals": st.sampled_from(["poisson", "uniform"]),
    "warmup": durations,
    "timeout": durations,
    "keys": st.one_of(
        st.just("unique"),
        st.just({"distribution": "uniform", "count": 9}),
        st.fixed_dictionaries(
            {"distribution": st.just("zipf"), "count": st.integers(1, 999)}, optional={"s": st.floats(0.1, 5)}
        ),
    ),
}
descriptions = st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"]), max_size=80)
scenarios = st.fixed_dictionaries(
    {
        "version": st.just(1),
        "name": st.from_regex(r"[a-z0-9][a-z0-9-]{0,20}", fullmatch=True),
        "workload": st.one_of(
            st.fixed_dictionaries(
                {"duration": lengths, "rate": st.floats(0.5, 500)},
                optional={**load, "maxInFlight": st.integers(1, 999)},
            ),
            st.fixed_dictionaries(
                {
                    "executor": st.just("ramping-arrival-rate"),
                    "stages": st.lists(
                        st.fixed_dictionaries({"duration": lengths, "target": st.floats(0.5, 50)}),
                        min_size=1,
                        max_size=3,
                    ),
                },
                optional={**load, "startRate": st.floats(0, 50), "timeUnit": st.just("2s")},
            ),
            st.fixed_dictionaries(
                {"executor": st.just("constant-vus"), "vus": st.integers(1, 99), "duration": lengths},
                optional={key: load[key] for key in ("warmup", "timeout", "keys")},
            ),
        ),
    },
    optional={
        "title": descriptions.filter(bool),
        "description": descriptions,
        "tags": st.lists(descriptions.filter(bool), max_size=3),
        "services": services,
        "variants": variants,
        "faults": st.builds(lambda work, process: work + process, faults, process_faults),
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
@settings(max_examples=60)
def test_what_is_resolved_loads_to_an_equal_scenario(data: dict[str, object]) -> None:
    scenario = load_text(dump(data), "given")
    stored = dump(resolve(scenario))
    again = load_text(stored, "stored")
    assert again == scenario
    assert dump(resolve(again)) == stored


@pytest.mark.parametrize("path", BUNDLED_FILES, ids=lambda path: path.stem)
def test_a_bundled_scenario_is_valid_and_survives_the_way_through_the_store(path: Path) -> None:
    scenario = load_file(path)
    assert load_text(dump(resolve(scenario)), "stored") == scenario


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


# A file with every executor's keys, keys and process faults, beside the bundled ones.
FULL = """version: 1
name: full
workload:
  executor: ramping-arrival-rate
  startRate: 10
  stages: [{duration: 10s, target: 80}, {duration: 10s, target: 20}]
  keys: {distribution: zipf, count: 1000, s: 1.1}
api: {instances: 2}
faults:
  - {target: email, type: kill, at: 2s, duration: 2s}
  - {target: email/0, type: pause, at: 5s, duration: 2s}
  - {target: api/1, type: restart, at: 9s, variants: [sync]}
thresholds: {"registrations.lost": ["== 0"]}
hypothesis: {metric: "slo_ratio{window:during}", difference: events-sync, expect: "> 0.5"}
"""
CLOSED = "version: 1\nname: closed\nworkload: {executor: constant-vus, vus: 9, duration: 5s, keys: unique}\n"
TEXTS = [FULL, CLOSED, *(path.read_text() for path in BUNDLED_FILES)]
WORDS = sorted(set(re.findall(r"[a-zA-Z][a-zA-Z/-]+|\d+m?s?", "\n".join(TEXTS))))


@pytest.mark.parametrize("text", [FULL, CLOSED], ids=["ramp", "closed"])
def test_what_is_mutilated_below_is_valid_at_first(text: str) -> None:
    assert load_text(text, "given").name


@given(
    st.sampled_from(TEXTS),
    st.lists(st.tuples(st.integers(0, 999), st.integers(0, 30), st.sampled_from(HOSTILE)), min_size=1, max_size=6),
)
@settings(max_examples=200)
def test_a_mutilated_file_is_a_scenario_or_a_list_of_problems(text: str, cuts: list[tuple[int, int, str]]) -> None:
    for place, length, inserted in cuts:
        at = place % (len(text) + 1)
        text = text[:at] + inserted + text[at + length :]
    only_a_scenario_or_problems(text)


@given(
    st.sampled_from(TEXTS),
    st.lists(st.tuples(st.integers(0, 999), st.sampled_from([*WORDS, *HOSTILE])), min_size=1, max_size=4),
)
@settings(max_examples=200)
def test_a_file_with_words_exchanged_is_a_scenario_or_a_list_of_problems(
    text: str, exchanges: list[tuple[int, str]]
) -> None:
    for place, word in exchanges:
        found = list(re.finditer(r"[a-zA-Z][a-zA-Z/-]+|\d+m?s?", text))
        if found:
            match = found[place % len(found)]
            text = text[: match.start()] + word + text[match.end() :]
    only_a_scenario_or_problems(text)


PATHS = [
    *("workload.rate", "workload.executor", "workload.stages.0.target", "workload.keys", "workload.keys.s", "workload"),
    *("faults", "faults.0.type", "faults[1].target", "faults.9.at", "faults.2", "variants", "variants.0.base", "seed"),
    *("services.email.latency.p50", "services.email", "thresholds.drain_s", "hypothesis.expect", "hypothesis.all.0"),
    *("", ".", "a..b", "a[0", "0", "name", "broker.partitions", "slo.accept", "drain.x", "faults.x"),
]


@given(
    st.sampled_from(TEXTS),
    st.lists(st.tuples(st.sampled_from(PATHS), st.sampled_from([*WORDS, *HOSTILE])), min_size=1, max_size=3),
)
@settings(max_examples=200)
def test_any_setting_makes_a_scenario_or_a_list_of_problems(text: str, sets: list[tuple[str, str]]) -> None:
    scenario = load_text(text, "given")
    problems: tuple[Problem, ...] = ()
    try:
        changed = override(scenario, sets=[f"{path}={value}" for path, value in sets])
        assert load_text(dump(resolve(changed)), "stored") == changed
    except ScenarioError as error:
        problems = error.problems
        assert problems, "an error names what is wrong"
    assert all(str(problem).startswith("the command line: ") for problem in problems)


@given(st.text(max_size=200))
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


def test_what_a_variant_says_of_its_broker_stays_though_its_kind_has_it_by_itself() -> None:
    text = (
        "version: 1\nname: x\nbroker: {profile: full, durability: fsync}\n"
        "variants: [events, {name: plain, base: events, broker: {profile: quick, durability: os}}]\n"
    )
    scenario = load_text(text, "x")
    for again in (load_text(dump(resolve(scenario)), "x"), override(scenario, seed=scenario.seed)):
        assert again == scenario
        plain = again.variant("plain").broker
        assert plain is not None
        assert (plain.profile, plain.durability) == ("quick", "os")
