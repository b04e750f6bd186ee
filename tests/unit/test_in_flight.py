"""The API's own count of what it has in hand: written as it goes, unevenly, and read back."""

import asyncio
from pathlib import Path

import numpy as np

from registration.runtime.in_flight import LONGEST_WAIT_S, SHORTEST_WAIT_S, InFlightSampler, read


def sample(path: Path, for_s: float) -> None:
    async def run() -> None:
        InFlightSampler(path, lambda: 7).open()
        await asyncio.sleep(for_s)

    asyncio.run(run())


def test_it_looks_until_its_loop_ends_and_keeps_what_it_saw(tmp_path: Path) -> None:
    sample(tmp_path / "api-0.inflight", 0.2)
    samples = read(tmp_path / "api-0.inflight")
    assert len(samples) > 2
    assert set(samples["in_flight"].tolist()) == {7}
    assert (np.diff(samples["t_ns"]) > 0).all()


def test_the_waits_differ_so_that_an_even_load_is_not_met_at_one_point(tmp_path: Path) -> None:
    sample(tmp_path / "api-0.inflight", 0.6)
    waits_s = np.diff(read(tmp_path / "api-0.inflight")["t_ns"]) / 1e9
    assert waits_s.min() >= SHORTEST_WAIT_S - 0.001
    assert waits_s.max() - waits_s.min() > (LONGEST_WAIT_S - SHORTEST_WAIT_S) / 4


def test_a_successor_goes_on_in_the_same_file(tmp_path: Path) -> None:
    path = tmp_path / "api-0.inflight"
    sample(path, 0.1)
    first = len(read(path))
    sample(path, 0.1)
    assert len(read(path)) > first


def test_a_sample_that_was_cut_short_is_left_out(tmp_path: Path) -> None:
    path = tmp_path / "api-0.inflight"
    sample(path, 0.1)
    whole = len(read(path))
    with path.open("ab") as file:
        file.write(b"half")
    assert len(read(path)) == whole
