"""The documents are tests: they name every verb, option and scenario, their links lead somewhere, their commands run.

docs/cli.md is written from the command line itself: `BENCH_WRITE_DOCS=1 pytest tests/unit/test_docs.py` renews it.
"""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer.main

import cli
from benchmarks.scenario import load

TREE = Path(__file__).resolve().parents[2]
CLI_REFERENCE = TREE / "docs" / "cli.md"
DOCUMENTS = sorted([*TREE.glob("*.md"), TREE / "results" / "README.md", *(TREE / "docs").rglob("*.md")])
README = (TREE / "README.md").read_text(encoding="utf-8")

WRITTEN = """# Command line

Written from the program by `BENCH_WRITE_DOCS=1 pytest tests/unit/test_docs.py`. Both commands, `bench` and
`sync-vs-events`, are the same program.
"""


def leaves(group: Any, prefix: str = "bench") -> Iterator[tuple[str, Any]]:
    """Every verb with its full name, in the order of `--help`."""
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from leaves(command, f"{prefix} {name}")
        else:
            yield f"{prefix} {name}", command


VERBS = dict(leaves(typer.main.get_command(cli.app)))


def options(command: Any) -> list[Any]:
    return [parameter for parameter in command.params if parameter.param_type_name == "option"]


def reference() -> str:
    """docs/cli.md as it should be."""
    parts = [WRITTEN]
    for verb, command in VERBS.items():
        arguments = [parameter for parameter in command.params if parameter.param_type_name == "argument"]
        shown = [argument.name.upper() + ("…" if argument.nargs == -1 else "") for argument in arguments]
        usage = " ".join([verb, *shown])
        parts.append(f"\n## {usage}\n\n{command.help}\n")
        rows = [(name, argument.help) for name, argument in zip(shown, arguments, strict=True)]
        for option in options(command):
            value = "" if option.is_flag else f" {option.metavar or option.name.upper()}"
            rows.append(("/".join([*option.opts, *option.secondary_opts]) + value, option.help))
        if rows:
            parts.append("\n| | |\n|---|---|\n")
            parts += [f"| `{name}` | {text} |\n" for name, text in rows]
    return "".join(parts)


def code_blocks(text: str) -> list[str]:
    """The contents of the shell blocks of a document, in order."""
    return [block.strip() for block in re.findall(r"^```sh\n(.*?)^```", text, re.MULTILINE | re.DOTALL)]


def slug(heading: str) -> str:
    """The anchor of a heading, as code hosts make it."""
    plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).strip().lower()
    return re.sub(r"[^\w\- ]", "", plain).replace(" ", "-")


def anchors(path: Path) -> set[str]:
    text = re.sub(r"^```.*?^```", "", path.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    return {slug(heading) for heading in re.findall(r"^#+ (.+)$", text, re.MULTILINE)}


def links(path: Path) -> list[str]:
    """The targets of a document's links and images that point into the project."""
    text = re.sub(r"```.*?```|`[^`]*`", "", path.read_text(encoding="utf-8"), flags=re.DOTALL)
    targets = re.findall(r"\]\(<?([^)>\s]+)>?(?:\s+\"[^\"]*\")?\)", text)
    return [target for target in targets if not re.match(r"[a-z]+:", target)]


def test_the_reference_of_the_command_line_is_the_program_itself() -> None:
    if os.environ.get("BENCH_WRITE_DOCS"):
        CLI_REFERENCE.write_text(reference(), encoding="utf-8")
    assert CLI_REFERENCE.read_text(encoding="utf-8") == reference(), (
        "renew it with: BENCH_WRITE_DOCS=1 pytest tests/unit/test_docs.py"
    )


@pytest.mark.parametrize(("verb", "command"), VERBS.items(), ids=VERBS.keys())
def test_every_verb_and_option_explains_itself(verb: str, command: Any) -> None:
    assert command.help
    assert all(parameter.help for parameter in command.params)


@pytest.mark.parametrize("verb", VERBS)
def test_the_readme_names_every_verb(verb: str) -> None:
    group, _, last = verb.rpartition(" ")
    # Verbs of a group may stand together: `bench broker fetch|start|stop|status`.
    named = verb in README or re.search(rf"{re.escape(group)} [a-z|\\]*\b{last}\b", README)
    assert named, f"README.md does not say what `{verb}` is for"


@pytest.mark.parametrize("scenario", sorted(path.stem for path in (TREE / "scenarios").glob("*.yaml")))
def test_every_scenario_is_named_in_the_readme(scenario: str) -> None:
    assert f"`{scenario}`" in README


def test_the_first_command_of_the_readme_is_one_line_from_a_clone_to_a_run() -> None:
    first = code_blocks(README)[0]
    steps = [shlex.split(step) for step in first.split("&&")]
    assert steps == [
        ["python3", "-m", "venv", ".venv"],
        [".venv/bin/pip", "install", "-q", "-c", "constraints.txt", "-e", "."],
        [".venv/bin/bench", "run", "slow-downstream"],
    ]


def test_the_second_command_of_the_readme_is_one_line_that_runs_the_tests() -> None:
    second = code_blocks(README)[1]
    steps = [shlex.split(step) for step in second.split("&&")]
    assert steps == [
        [".venv/bin/pip", "install", "-q", "-c", "constraints.txt", "-e", ".[test]"],
        [".venv/bin/pytest", "-n", "4"],
    ]


def test_every_bench_command_in_the_documents_exists() -> None:
    known = {verb.split()[1] for verb in VERBS}
    for path in DOCUMENTS:
        for block in code_blocks(path.read_text(encoding="utf-8")):
            used = set(re.findall(r"(?:^|[ /])bench ([a-z]+)", block, re.MULTILINE))
            assert used <= known, f"{path.relative_to(TREE)} uses {used - known}"


def test_the_scenario_in_the_readme_is_valid(tmp_path: Path) -> None:
    (example,) = re.findall(r"^```yaml\n(.*?)^```", README, re.MULTILINE | re.DOTALL)
    name = re.search(r"^name: (.+)$", example, re.MULTILINE)
    assert name is not None
    file = tmp_path / f"{name.group(1)}.yaml"
    file.write_text(example, encoding="utf-8")
    assert load(file).hypothesis is not None


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(TREE)))
def test_links_lead_somewhere(path: Path) -> None:
    for target in links(path):
        file, _, anchor = target.partition("#")
        linked = (path.parent / file).resolve() if file else path
        assert linked.exists(), f"{target} does not exist"
        if anchor:
            assert anchor in anchors(linked), f"{target}: no such heading"


def test_the_index_of_the_documents_lists_each_of_them() -> None:
    index = TREE / "docs" / "README.md"
    listed = {(index.parent / target).resolve() for target in links(index)}
    missing = {path for path in (TREE / "docs").rglob("*.md") if path != index} - listed
    assert not missing


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(TREE)))
def test_documents_name_no_path_of_one_machine(path: Path) -> None:
    assert not re.search(r"(?<![\w.])/(?:home|root|tmp|Users|work|mnt|opt)/", path.read_text(encoding="utf-8"))
