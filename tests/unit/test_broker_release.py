import re
from pathlib import Path

import pytest

from benchmarks.brokers.kafka.jars import VERSION, Jar, load_release, render


def test_the_pinned_release_holds_kafka_and_a_backend_for_its_log() -> None:
    release = load_release()
    names = [jar.name for jar in release.jars]
    assert f"kafka_2.13-{VERSION}.jar" in names
    assert any(name.startswith("slf4j-simple-") for name in names)
    assert len(names) == len(set(names))
    assert release.total_bytes > 40_000_000


def test_every_pinned_jar_of_kafka_has_the_version_of_the_release() -> None:
    kafka = [jar for jar in load_release().jars if jar.path.startswith("org/apache/kafka/")]
    assert {jar.coordinate[2] for jar in kafka} == {VERSION}


def test_every_sum_is_a_sha256() -> None:
    assert all(re.fullmatch(r"[0-9a-f]{64}", jar.sha256) for jar in load_release().jars)


def test_a_path_in_a_maven_repository_is_a_coordinate() -> None:
    jar = Jar("org/apache/kafka/kafka-clients/4.4.0/kafka-clients-4.4.0.jar", "0" * 64)
    assert jar.coordinate == ("org.apache.kafka", "kafka-clients", "4.4.0")


def test_what_pin_writes_is_what_load_reads(tmp_path: Path) -> None:
    jars = [Jar("org/b/b/1/b-1.jar", "b" * 64), Jar("org/a/a/1/a-1.jar", "a" * 64)]
    path = tmp_path / "list"
    path.write_text(render("9.9.9", jars, 123))
    release = load_release(path, "9.9.9")
    assert release.jars == (jars[1], jars[0])
    assert release.total_bytes == 123


@pytest.mark.parametrize(
    "line",
    ["nonsense", "a" * 64, f"{'a' * 63}  org/a/a/1/a.jar", f"{'a' * 64}  ../../a/1/a.jar", f"{'a' * 64}  /a/b/1/a.jar"],
)
def test_a_line_that_is_no_sum_is_named(tmp_path: Path, line: str) -> None:
    path = tmp_path / "list"
    path.write_text(f"# a comment\n{line}\n")
    with pytest.raises(ValueError, match="list:2: expected `sha256  group"):
        load_release(path, "9.9.9")
