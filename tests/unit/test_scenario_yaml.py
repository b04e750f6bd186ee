"""The YAML reader: YAML 1.2 plain values with lines, and a sentence for everything else."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from benchmarks.scenario import ScenarioError, load
from benchmarks.scenario.document import read_document


def refusal(text: str) -> str:
    with pytest.raises(ScenarioError) as caught:
        read_document(text, "x.yaml")
    return str(caught.value)


def test_plain_values_follow_the_core_schema_of_yaml_1_2() -> None:
    data = read_document("a: [1, 0x1F, 0o17, -2.5e3, .5, true, no, ~, '7', 1_000, 1:30]\n", "x").data
    assert data == {"a": [1, 31, 15, -2500.0, 0.5, True, "no", None, "7", "1_000", "1:30"]}


def test_infinities_are_read_as_such_and_left_to_the_validation() -> None:
    data = read_document("a: [.inf, -.Inf, .nan]\n", "x").data["a"]
    assert isinstance(data, list)
    assert data[:2] == [math.inf, -math.inf]


def test_every_key_and_item_knows_its_line() -> None:
    document = read_document("a: 1\nb:\n  - {c: 2}\n  -\n    d: 3\n", "x")
    assert document.lines == {
        ("a",): 1,
        ("b",): 2,
        ("b", 0): 3,
        ("b", 0, "c"): 3,
        ("b", 1): 5,
        ("b", 1, "d"): 5,
    }
    assert str(document.problem(("b", 1, "e"), "is missing")) == "x:5: b[1].e: is missing"


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "x.yaml:1: the file is empty; a scenario begins with 'version: 1'"),
        ("# only a comment\n", "x.yaml:1: the file is empty; a scenario begins with 'version: 1'"),
        ("- 1\n", "x.yaml:1: the file is not a mapping; a scenario begins with 'version: 1'"),
        ("just text\n", "x.yaml:1: the file is not a mapping; a scenario begins with 'version: 1'"),
        ("a: 1\n---\nb: 2\n", "x.yaml:2: a second document begins here; a scenario file holds one"),
        ("a: 1\nb: 2\na: 3\n", "x.yaml:3: a: 'a' is given twice; the first is on line 1"),
        ("a: &x 1\nb: *x\n", "x.yaml:1: the anchor '&x' is not supported; write values out"),
        ("a: *x\n", "x.yaml:1: the alias '*x' is not supported; write the value out"),
        ("a:\n  <<: {b: 1}\n", "x.yaml:2: the merge key '<<' is not supported; write the keys out"),
        ("a: !!python/object:os.system x\n", "x.yaml:1: the tag '"),
        ("? [a]\n: 1\n", "x.yaml:1: a key must be plain text, not a list or a mapping"),
        ("a:\n\t- 1\n", "x.yaml:2: this is not YAML: "),
        ("a: [1\n", "x.yaml:2: this is not YAML: "),
        ("a: 'b\n", "x.yaml:2: this is not YAML: "),
        ("a: 1\nb: \x00\n", "x.yaml:2: the character '\\x00' is not allowed in YAML; is this a text file?"),
        ("a: " + "[" * 50 + "]" * 50, "x.yaml:1: values are nested more than 20 deep"),
        ("a: [" + "1," * 30_000 + "1]", "x.yaml:1: the file holds more than 20,000 values; is it a scenario?"),
        ("a" * (1 << 20) + ": 1\n", "x.yaml:1: the file is larger than 1 MiB; is it a scenario?"),
    ],
)
def test_what_is_no_plain_mapping_is_refused_at_its_line(text: str, sentence: str) -> None:
    assert refusal(text).startswith(sentence)


def test_an_alias_bomb_is_refused_at_its_first_anchor() -> None:
    """Nine levels of nine aliases each would be 387 million values."""
    levels = [f"l{n}: &l{n} [{', '.join([f'*l{n - 1}'] * 9)}]" for n in range(1, 10)]
    text = "l0: &l0 lol\n" + "\n".join(levels)
    assert refusal(text) == "x.yaml:1: the anchor '&l0' is not supported; write values out"


@pytest.mark.parametrize("tag", ["!!python/object/apply:os.system ['true']", "!!python/name:os.system", "!x 1"])
def test_a_tag_makes_no_object(tag: str) -> None:
    assert refusal(f"version: {tag}\n").startswith("x.yaml:1: the tag '")


def test_a_tab_is_named_as_what_it_is() -> None:
    assert "a tab (indent with spaces)" in refusal("workload:\n\trate: 60\n")


def test_a_binary_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.yaml"
    path.write_bytes(b"\x7fELF\x02\x01\x01\x00" + bytes(range(256)))
    with pytest.raises(ScenarioError, match=r"x\.yaml:\d+: "):
        load(path)


def test_an_empty_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.yaml"
    path.write_bytes(b"")
    with pytest.raises(ScenarioError, match=r"x\.yaml:1: the file is empty; a scenario begins with 'version: 1'"):
        load(path)


def test_a_file_that_is_not_text_is_refused_at_its_line(tmp_path: Path) -> None:
    path = tmp_path / "x.yaml"
    path.write_bytes(b"version: 1\nname: \xff\xfe\n")
    with pytest.raises(ScenarioError, match=r"x\.yaml:2: this is not UTF-8 text; is it a scenario\?"):
        load(path)


def test_a_file_with_a_byte_order_mark_is_read(tmp_path: Path) -> None:
    path = tmp_path / "x.yaml"
    path.write_bytes(b"\xef\xbb\xbfversion: 1\nname: x\n")
    assert load(path).name == "x"


def test_a_file_that_cannot_be_opened_is_a_problem_too(tmp_path: Path) -> None:
    with pytest.raises(ScenarioError, match="cannot read the scenario: no such file"):
        load(tmp_path / "x.yaml")
    with pytest.raises(ScenarioError, match="cannot read the scenario: is a directory"):
        load(tmp_path)


def test_a_file_larger_than_a_mebibyte_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.yaml"
    path.write_text("# " + "x" * (1 << 21))
    with pytest.raises(ScenarioError, match="larger than 1 MiB"):
        load(path)
