"""The schema of scenario files, the reference written from it, and `bench new`.

`BENCH_WRITE_DOCS=1 pytest tests/unit/test_schema.py` renews scenarios/schema.json and docs/yaml.md.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from benchmarks.faults import KINDS
from benchmarks.scenario.document import read_document
from benchmarks.scenario.errors import MODELS
from benchmarks.scenario.loader import BUNDLED, load, load_text
from benchmarks.scenario.new import NewScenarioError, templates, write_new
from benchmarks.scenario.schema import scenario_schema
from benchmarks.subject import VARIANTS
from benchmarks.values.units import DURATION_PATTERN, PERCENT_PATTERN
from registration.options import options_of

TREE = Path(__file__).resolve().parents[2]
STORED = BUNDLED / "schema.json"
REFERENCE = TREE / "docs" / "yaml.md"
FILES = sorted(BUNDLED.rglob("*.yaml"))
SCHEMA = scenario_schema()
CHECK = jsonschema.Draft202012Validator(SCHEMA)
LARGEST = 1e9  # of what a table shows as a bound
RENEW = "renew it with: BENCH_WRITE_DOCS=1 pytest tests/unit/test_schema.py"

HEAD = """# Every key of a scenario file

Written from the program by `BENCH_WRITE_DOCS=1 pytest tests/unit/test_schema.py`. How the parts belong together is in
[scenarios.md](scenarios.md); `bench schema` prints the same for editors.

A *duration* is a number and a unit (`800ms`, `25s`, `2m`, `1h`), a *share* a number from 0 to 1 or per cent (`10%`), a
*latency* a duration or a distribution.
"""
# The part of the file that each object is, and what its heading says.
PLACES = {
    "Workload": "workload",
    "Stage": "workload.stages[…]",
    "Keys": "workload.keys",
    "Service": "services.NAME",
    "ApiSpec": "api",
    "BrokerSpec": "broker",
    "VariantSpec": "variants[…]",
    "Slo": "slo",
    "Hypothesis": "hypothesis",
    **{kind.__name__: f"faults[…] of type {word}" for word, kind in KINDS.items()},
}


def written(path: Path, text: str) -> str:
    """What is stored; renewed first where that is asked for."""
    if os.environ.get("BENCH_WRITE_DOCS"):
        path.write_text(text, encoding="utf-8")
    return path.read_text(encoding="utf-8")


def type_words(key: dict[str, Any]) -> str:
    """What may stand there, and within which bounds."""
    if "$ref" in key:
        name = key["$ref"].rpartition("/")[2]
        return f"[{place(name)}](#{slug(name)})"
    if "const" in key:
        return f"`{key['const']}`"
    if "enum" in key:
        return "a metric" if "slo_ratio" in key["enum"] else " · ".join(f"`{word}`" for word in key["enum"])
    if "anyOf" in key:
        words = [type_words(choice) for choice in key["anyOf"]]
        if any(choice.get("pattern") == PERCENT_PATTERN for choice in key["anyOf"]):
            return "share"
        if "distribution" in json.dumps(key["anyOf"][-1].get("properties", {})):
            return "latency"
        return "a metric" if words[0] == "a metric" else " or ".join(words)
    if key.get("pattern") == DURATION_PATTERN:
        return "duration"
    if key["type"] == "array":
        return f"list of {type_words(key['items'])}"
    if key["type"] == "object":
        return "mapping"
    if "oneOf" in key:
        return "fault"
    kind = {"string": "text", "integer": "whole number", "number": "number", "boolean": "`true` · `false`"}[key["type"]]
    return kind + bounds(key)


def bounds(key: dict[str, Any]) -> str:
    least = key.get("minimum", key.get("exclusiveMinimum"))
    most = key.get("maximum", key.get("exclusiveMaximum"))
    if least is None:
        return ""
    above = "above " if "exclusiveMinimum" in key else ""
    return f", {above}{least:,} " + ("or more" if most is None or most > LARGEST else f"to {most:,}")


def place(name: str) -> str:
    return PLACES.get(name, name.lower())


def slug(name: str) -> str:
    return re.sub(r"[^\w\- ]", "", place(name)).lower().replace(" ", "-")


def rows(part: dict[str, Any]) -> Iterator[str]:
    for name, key in part["properties"].items():
        if name in part.get("required", ()):
            default = "required"
        elif "default" in key:
            default = f"`{json.dumps(key['default'])}`".replace('"', "")
        else:
            default = ""
        words = type_words(key) if "oneOf" not in key.get("items", {}) else "list of faults, below"
        yield f"| `{name}` | {words} | {default} | {key.get('description', 'the kind of fault')} |\n"


def table(part: dict[str, Any]) -> str:
    return "\n| key | type | default | meaning |\n|---|---|---|---|\n" + "".join(rows(part))


def reference() -> str:
    """docs/yaml.md as it should be."""
    parts = [HEAD, "\n## The file\n", table(SCHEMA)]
    for name in sorted(SCHEMA["$defs"], key=lambda name: [*PLACES, name].index(name)):
        part = SCHEMA["$defs"][name]
        parts.append(f"\n## {place(name)}\n")
        if "description" in part:
            parts.append(f"\nWhat it does: {part['description']}.\n")
        if name == "Hypothesis":
            parts.append(
                "\nOne of these, with exactly one of `variant`, `ratio` and `difference`; or several in a list `all`.\n"
            )
            part = part["anyOf"][0]
        parts.append(table(part))
        if name == "VariantSpec":
            for base, listed in VARIANTS.items():
                parts.append(f"\n### options of {base}\n\n| key | default | meaning |\n|---|---|---|\n")
                options = next(
                    rule["then"]["properties"]["options"]["properties"]
                    for rule in part["allOf"]
                    if rule["if"]["anyOf"][0]["properties"]["base"]["const"] == base
                )
                assert set(options) == set(options_of(listed.declared.options))
                parts += [
                    f"| `{key}` | `{json.dumps(option['default'])}` | {option['description']} |\n".replace('"', "")
                    for key, option in options.items()
                ]
    return "".join(parts)


def test_the_stored_schema_is_what_bench_schema_prints() -> None:
    text = json.dumps(SCHEMA, indent=1, ensure_ascii=False) + "\n"
    assert written(STORED, text) == text, RENEW


def test_the_reference_has_every_key() -> None:
    assert written(REFERENCE, reference()) == reference(), RENEW
    keys = {field.alias or name for _, model in MODELS for name, field in model.model_fields.items()}
    text = REFERENCE.read_text(encoding="utf-8")
    assert {key for key in keys if f"| `{key}` |" not in text} == set()


@pytest.mark.parametrize("name", ["the file", *SCHEMA["$defs"]])
def test_every_key_says_what_it_means(name: str) -> None:
    part = SCHEMA if name == "the file" else SCHEMA["$defs"][name]
    silent = {key for key, says in part.get("properties", {}).items() if not says.get("description")}
    assert silent <= {"type"}


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_file_is_valid_by_the_schema_and_names_it(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert [error.message for error in CHECK.iter_errors(read_document(text, path.name).data)] == []
    named = re.match(r"# yaml-language-server: \$schema=(\S+)\n", text)
    assert named is not None
    assert (path.parent / named[1]).resolve() == STORED
    assert load(path).name == path.stem


@pytest.mark.parametrize(
    "text",
    [
        "services: {email: {errorRate: 10%, latency: {distribution: pareto, min: 5ms, alpha: 2}}, sms: {instances: 2}}",
        "workload: {executor: ramping-arrival-rate, stages: [{duration: 0s, target: 5}, {duration: 5s, target: 5}]}",
        "workload: {keys: {distribution: zipf, count: 5}}",
        "variants: [sync, {name: a, base: events, options: {timeout: 200ms}, broker: {partitions: 2}}]",
        'thresholds: {"drain_s{variant:sync}": ["< 5"], slo_ratio: [">= 95%"]}',
        'hypothesis: {all: [{metric: slo_ratio, difference: events-sync, expect: "> 10%"}]}',
        "faults: [{target: broker, type: restart, at: 1s, variants: [events]}]",
    ],
)
def test_what_is_valid_is_valid_by_the_schema(text: str) -> None:
    head = "version: 1\nname: x\n"
    assert load_text(head + text, "x").name == "x"
    assert [error.message for error in CHECK.iter_errors(read_document(head + text, "x").data)] == []


@pytest.mark.parametrize(
    "text",
    [
        "titel: t",
        "workload: {rate: 0}",
        "workload: {vus: 5}",
        "workload: {executor: constant-vus, vus: 5, rate: 50}",
        "workload: {duration: 25}",
        "services: {email: {errorRate: 1.5}}",
        "services: {email: {latency: {distribution: normal}}}",
        "broker: {kind: rabbitmq}",
        "variants: [evnts]",
        "variants: [{name: a, base: sync, options: {timeuot: 1s}}]",
        "faults: [{target: email, type: kil, at: 1s}]",
        "faults: [{target: email, type: kill, at: 1s, duration: 1s, jitter: 1ms}]",
        "faults: [{target: email, at: 1s, duration: 1s}]",
        'thresholds: {drain_s: "< 5"}',
        'hypothesis: {metric: slo_ratio, expect: "> 0.5"}',
    ],
)
def test_what_is_not_is_marked_by_an_editor_too(text: str) -> None:
    assert not CHECK.is_valid(read_document(f"version: 1\nname: x\n{text}", "x").data)


@pytest.mark.parametrize("template", templates())
def test_a_new_file_is_valid_as_it_stands(template: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    path = write_new("mine", template)
    assert path == Path("scenarios/mine.yaml")
    assert load(path).name == "mine"
    assert path.read_text(encoding="utf-8").startswith("# yaml-language-server: $schema=schema.json\n")


def test_a_file_that_is_there_is_never_overwritten(tmp_path: Path) -> None:
    path = write_new(str(tmp_path / "mine.yaml"))
    path.write_text("mine", encoding="utf-8")
    with pytest.raises(NewScenarioError, match="already exists"):
        write_new(str(path))
    assert path.read_text(encoding="utf-8") == "mine"


def test_an_unknown_template_and_a_bad_name_are_refused_and_write_nothing(tmp_path: Path) -> None:
    with pytest.raises(NewScenarioError, match="unknown template 'crsh'; did you mean 'crash'"):
        write_new(str(tmp_path / "mine.yaml"), "crsh")
    with pytest.raises(NewScenarioError, match="'My Own' is not a valid name"):
        write_new(str(tmp_path / "My Own.yaml"))
    assert list(tmp_path.iterdir()) == []
