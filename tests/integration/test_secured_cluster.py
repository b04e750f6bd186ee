"""A cluster that asks for a name and a password: a whole run on it, and the password stays in the environment."""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from benchmarks.brokers.kafka import server as kafka
from benchmarks.brokers.kafka.properties import server_properties
from benchmarks.brokers.kafka.server import start_kafka
from benchmarks.processes.ports import Ports

TREE = Path(__file__).parents[2]
BOUND_S = 300.0
SECRET = "correct-horse-battery-staple"
SCENARIO = """\
version: 1
name: small
workload: {rate: 20, duration: 2s, warmup: 1s}
variants: [events]
blocks: 1
"""


@dataclass(frozen=True)
class Cluster:
    """A Kafka with one more listener, which asks who is there."""

    address: str


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    directory = tmp_path_factory.mktemp("secured")
    port = Ports().take()

    def secured(plain_port: int, controller_port: int, durability: str = "os", *, successor: bool = False) -> str:
        text = server_properties(plain_port, controller_port, durability, successor=successor)
        login = "org.apache.kafka.common.security.plain.PlainLoginModule required"
        return (
            text.replace("\nlisteners=", f"\nlisteners=SASL_PLAINTEXT://127.0.0.1:{port},")
            .replace("\nadvertised.listeners=", f"\nadvertised.listeners=SASL_PLAINTEXT://127.0.0.1:{port},")
            .replace(
                "\nlistener.security.protocol.map=", "\nlistener.security.protocol.map=SASL_PLAINTEXT:SASL_PLAINTEXT,"
            )
            + "sasl.enabled.mechanisms=PLAIN\n"
            + f'listener.name.sasl_plaintext.plain.sasl.jaas.config={login} user_bench="{SECRET}";\n'
        )

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(kafka, "server_properties", secured)
        broker = asyncio.run(start_kafka(directory / "data", directory / "broker.log"))
    yield Cluster(f"127.0.0.1:{port}")
    asyncio.run(broker.stop())


def bench(here: Path, address: str, **login: str) -> subprocess.CompletedProcess[str]:
    (here / "small.yaml").write_text(SCENARIO)
    return subprocess.run(
        [
            *(sys.executable, "-P", "-m", "cli", "run", "./small.yaml"),
            *("--broker", address, "--repeat-invalid", "0", "--out", "mine"),
        ],
        cwd=here,
        env={
            **os.environ,
            "PYTHONPATH": str(TREE),
            "COLUMNS": "200",
            **{f"BENCH_KAFKA_{name}": value for name, value in login.items()},
        },
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=BOUND_S,
        check=False,
    )


def holders(directory: Path, secret: str) -> list[Path]:
    """The files below `directory` that hold the secret, in whatever form they keep their text."""
    return [path for path in directory.rglob("*") if path.is_file() and secret.encode() in path.read_bytes()]


def test_a_run_logs_in_and_the_password_is_in_no_output_result_or_log(tmp_path: Path, cluster: Cluster) -> None:
    login = {"SECURITY_PROTOCOL": "SASL_PLAINTEXT", "USERNAME": "bench", "PASSWORD": SECRET}
    done = bench(tmp_path, cluster.address, **login)
    summary = json.loads((tmp_path / "mine" / "summary.json").read_text())
    assert done.returncode in (0, 110), done.stderr  # a busy machine makes a run invalid, and this is about the login
    assert summary["variants"]["events"]["registrations"]["complete"] == 40
    assert SECRET not in done.stdout + done.stderr
    assert holders(tmp_path, SECRET) == []
    assert json.loads((tmp_path / "mine" / "environment.json").read_text())["broker"]["settings"] == {
        "security_protocol": "SASL_PLAINTEXT"
    }


def test_a_wrong_password_is_111_with_a_reason_and_is_not_told_either(tmp_path: Path, cluster: Cluster) -> None:
    wrong = "wrong-" + SECRET
    done = bench(tmp_path, cluster.address, SECURITY_PROTOCOL="SASL_PLAINTEXT", USERNAME="bench", PASSWORD=wrong)
    assert done.returncode == 111
    assert f"no answer from the broker at {cluster.address}" in done.stderr
    assert "next: check BENCH_KAFKA_USERNAME, BENCH_KAFKA_PASSWORD" in done.stderr
    assert "never retrieved" not in done.stderr
    assert "Traceback" not in done.stderr
    assert wrong not in done.stdout + done.stderr
    assert holders(tmp_path, wrong) == []


def test_a_password_that_is_missing_is_111_and_named(tmp_path: Path, cluster: Cluster) -> None:
    done = bench(tmp_path, cluster.address, SECURITY_PROTOCOL="SASL_PLAINTEXT", USERNAME="bench")
    assert done.returncode == 111
    assert "needs BENCH_KAFKA_PASSWORD" in done.stderr


def test_without_a_login_the_cluster_hangs_up_and_the_variable_to_set_is_named(
    tmp_path: Path, cluster: Cluster
) -> None:
    done = bench(tmp_path, cluster.address)
    assert done.returncode == 111
    assert "BENCH_KAFKA_SECURITY_PROTOCOL" in done.stderr


def test_a_password_on_the_command_line_is_2_and_written_nowhere(tmp_path: Path) -> None:
    done = bench(tmp_path, f"bench:{SECRET}@127.0.0.1:9092")
    assert done.returncode == 2
    assert "BENCH_KAFKA_PASSWORD" in done.stderr
    assert SECRET not in done.stdout + done.stderr
    assert not (tmp_path / "mine").exists()
