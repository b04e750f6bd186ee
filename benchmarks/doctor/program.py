"""The system, the Python and the packages that bench runs on, against what the project declares."""

from __future__ import annotations

import platform
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from benchmarks.doctor.examination import Finding, missing, note, ok

_DISTRIBUTION = "sync-vs-events"
_TREE = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Package:
    """A dependency: `bounds` as declared (`>=2,<3`), `version` None where it is not installed."""

    name: str
    bounds: str
    version: str | None


@dataclass(frozen=True)
class Facts:
    """`system` as in `platform.system()`; `packages` are the dependencies that this system needs."""

    system: str
    release: str
    implementation: str
    python: str
    python_bounds: str
    packages: tuple[Package, ...]


def look() -> Facts:
    from packaging.requirements import Requirement

    python_bounds, texts = _declared()
    packages = []
    for text in texts:
        requirement = Requirement(text)
        if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
            packages.append(Package(requirement.name, str(requirement.specifier), _version(requirement.name)))
    return Facts(
        platform.system(),
        platform.release(),
        platform.python_implementation(),
        platform.python_version(),
        python_bounds,
        tuple(packages),
    )


def _declared() -> tuple[str, Sequence[str]]:
    """What the checkout declares, else what the installed distribution does."""
    try:
        project = tomllib.loads((_TREE / "pyproject.toml").read_text(encoding="utf-8"))["project"]
        return project["requires-python"], project["dependencies"]
    except FileNotFoundError:
        installed = metadata.metadata(_DISTRIBUTION)
        return installed["Requires-Python"] or "", metadata.requires(_DISTRIBUTION) or ()


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def judge(facts: Facts) -> list[Finding]:
    return [_system(facts), _python(facts), *_packages(facts.packages)]


def _system(facts: Facts) -> Finding:
    words = f"{facts.system} {facts.release}"
    if facts.system == "Linux":
        return ok("system", words)
    if facts.system == "Darwin":
        return note(
            "system",
            f"{words}: pacing is coarser than on Linux, and a `kill -9` of bench can leave processes behind",
            "for figures that others shall trust, run on Linux",
        )
    return missing("system", f"{words}: bench needs POSIX signals and processes", "use Linux, or WSL on Windows")


def _python(facts: Facts) -> Finding:
    words = f"{facts.implementation} {facts.python} (needs {facts.python_bounds})"
    if not _within(facts.python, facts.python_bounds):
        return missing("Python", words, "make a virtual environment with a newer Python, and install bench into it")
    if facts.implementation != "CPython":
        return note("Python", f"{words}: bench is tested on CPython only", "use CPython")
    return ok("Python", words)


def _packages(packages: Sequence[Package]) -> list[Finding]:
    findings = []
    for package in packages:
        wanted = f"{package.name}{package.bounds}"
        if package.version is None:
            findings.append(
                missing(package.name, f"is not installed (needs {wanted})", f"pip install '{wanted}', or bench anew")
            )
        elif not _within(package.version, package.bounds):
            words = f"{package.version} is outside its bounds {package.bounds}: untested, and it may fail"
            findings.append(note(package.name, words, f"pip install '{wanted}'"))
    good = len(packages) - len(findings)
    return [ok("packages", f"{good} of {len(packages)} are within their bounds"), *findings]


def _within(version: str, bounds: str) -> bool:
    from packaging.specifiers import SpecifierSet

    return SpecifierSet(bounds).contains(version, prereleases=True)
