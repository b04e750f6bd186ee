"""`bench new`: a scenario file to start from, as a copy of a template or of a bundled scenario under another name."""

from __future__ import annotations

import re
from pathlib import Path

from benchmarks.scenario.loader import BUNDLED, list_scenarios
from benchmarks.values.checked import NAME
from benchmarks.values.problems import choice_hint

TEMPLATES = BUNDLED / "templates"
DEFAULT = "slow-service"
_SUFFIX = ".yaml"


class NewScenarioError(Exception):
    """A file that cannot be made, and what to do instead."""


def templates() -> dict[str, Path]:
    """What a new file can start from, by name: the commented templates, then every scenario that `bench list` shows."""
    commented = {path.stem: path for path in sorted(TEMPLATES.glob(f"*{_SUFFIX}"))}
    return {**dict(list_scenarios()), **commented}


def write_new(name_or_path: str, template: str = DEFAULT) -> Path:
    """Write the scenario and return its file, `scenarios/NAME.yaml` where a name is given. Raises NewScenarioError."""
    path = Path(name_or_path)
    if path.suffix != _SUFFIX:
        path = path.with_name(path.name + _SUFFIX) if path.parent != Path() else Path("scenarios", path.name + _SUFFIX)
    if not re.fullmatch(NAME, path.stem):
        raise NewScenarioError(f"{path.stem!r} is not a valid name; use small letters, digits and dashes")
    known = templates()
    if template not in known:
        raise NewScenarioError(f"unknown template {template!r}; {choice_hint(template, known)}")
    text = known[template].read_text("utf-8").replace("$schema=../", "$schema=", 1)  # templates are one folder below
    text = re.sub(r"^name:.*$", f"name: {path.stem}", text, count=1, flags=re.MULTILINE)
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        raise NewScenarioError(f"{path} already exists; choose another name, or remove it first") from None
    return path
