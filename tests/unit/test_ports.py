"""Ports: below the ephemeral range, free, and each handed out once."""

import random
import socket
from pathlib import Path

import pytest

from benchmarks.processes import ports as ports_module
from benchmarks.processes.ports import NoFreePort, Ports, ephemeral_start


def test_ports_lie_below_the_range_that_the_kernel_hands_out() -> None:
    ports = Ports(random.Random(1))
    assert all(port < ephemeral_start() for port in (ports.take() for _ in range(50)))


def test_no_port_is_handed_out_twice() -> None:
    ports = Ports(random.Random(1))
    taken = [ports.take() for _ in range(100)]
    assert len(set(taken)) == 100


def test_a_port_that_is_taken_is_passed_over() -> None:
    wanted = Ports(random.Random(7)).take()
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", wanted))
        holder.listen()
        assert Ports(random.Random(7)).take() != wanted


def test_two_who_take_at_the_same_time_never_meet() -> None:
    one, other = Ports(random.Random(7)), Ports(random.Random(7))
    assert {one.take() for _ in range(100)}.isdisjoint(other.take() for _ in range(100))


def test_a_stretch_is_free_again_when_its_owner_is_gone() -> None:
    wanted = Ports(random.Random(7)).take()
    assert Ports(random.Random(7)).take() == wanted


def test_two_runs_begin_their_search_in_different_places() -> None:
    assert len({Ports(random.Random(seed)).take() for seed in range(20)}) > 15


def test_a_machine_without_a_free_port_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ports_module, "bindable", lambda port: False)
    with pytest.raises(NoFreePort, match="no free port between 20000 and"):
        Ports(random.Random(1)).take()


@pytest.mark.parametrize("text", ["", "x y", None])
def test_an_unreadable_ephemeral_range_is_taken_for_the_usual_one(
    text: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "range"
    if text is not None:
        path.write_text(text)
    monkeypatch.setattr(ports_module, "_EPHEMERAL_RANGE", path)
    assert ephemeral_start() == 32_768


def test_a_machine_that_widened_its_range_over_ours_still_gets_ports(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "range").write_text("1024 65535\n")
    monkeypatch.setattr(ports_module, "_EPHEMERAL_RANGE", tmp_path / "range")
    assert 1024 < Ports(random.Random(1)).take() < 20_000
