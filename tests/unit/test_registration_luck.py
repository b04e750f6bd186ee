"""Identity and luck: the same for everybody who asks, and spread evenly."""

import uuid

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from registration import luck

ID = luck.registration_id(1, 0)


def test_a_registration_s_id_is_the_uuid_v5_of_its_index_under_the_block_seed() -> None:
    # Pinned: results of earlier runs are read back by these ids.
    assert str(luck.registration_id(1, 0)) == "6ff55b57-2b5f-5022-ad8b-524631694aa1"


def test_a_registration_s_id_follows_rfc_9562() -> None:
    import hashlib

    digest = bytearray(hashlib.sha1((42).to_bytes(16, "big") + b"-7", usedforsecurity=False).digest()[:16])
    digest[6] = digest[6] & 0x0F | 0x50
    digest[8] = digest[8] & 0x3F | 0x80
    assert luck.registration_id(42, -7).bytes == bytes(digest)


def test_the_block_seed_is_an_unsigned_64_bit_number_that_depends_on_seed_and_block() -> None:
    seeds = {luck.block_seed(seed, block) for seed in range(50) for block in range(50)}
    assert len(seeds) == 2500
    assert all(0 <= seed < 2**64 for seed in seeds)


def test_the_largest_block_seed_names_registrations_and_draws() -> None:
    largest = 2**64 - 1
    assert 0 < luck.uniform(largest, luck.registration_id(largest, 0), "email", 1, "latency") < 1


@given(st.integers(0, 2**64 - 1), st.integers(-(2**31), 2**31))
def test_no_registration_is_taken_for_a_probe(block_seed: int, index: int) -> None:
    assert not luck.is_probe(luck.registration_id(block_seed, index))


@given(st.integers(1, 2**32 - 1))
def test_every_probe_is_known_as_one(number: int) -> None:
    assert luck.is_probe(luck.probe_id(number))


@given(st.integers(0, 2**64 - 1), st.uuids(), st.text(max_size=40), st.integers(1, 2**16 - 1), st.text(max_size=40))
def test_a_draw_lies_inside_the_open_unit_interval_and_repeats(
    block_seed: int, id_: uuid.UUID, service: str, attempt: int, purpose: str
) -> None:
    drawn = luck.uniform(block_seed, id_, service, attempt, purpose)
    assert 0.0 < drawn < 1.0
    assert drawn == luck.uniform(block_seed, id_, service, attempt, purpose)


def test_draws_are_uniform() -> None:
    drawn = [luck.uniform(1, luck.registration_id(1, index), "email", 1, "latency") for index in range(20_000)]
    assert stats.kstest(drawn, "uniform").pvalue > 0.001


@pytest.mark.parametrize(
    "other",
    [
        (2, ID, "email", 1, "latency"),
        (1, luck.registration_id(1, 1), "email", 1, "latency"),
        (1, ID, "cache", 1, "latency"),
        (1, ID, "email", 2, "latency"),
        (1, ID, "email", 1, "error"),
    ],
)
def test_a_draw_depends_on_every_one_of_its_keys(other: tuple[int, uuid.UUID, str, int, str]) -> None:
    assert luck.uniform(1, ID, "email", 1, "latency") != luck.uniform(*other)


def test_draws_for_different_purposes_are_not_correlated() -> None:
    ids = [luck.registration_id(1, index) for index in range(5_000)]
    latency = [luck.uniform(1, id_, "email", 1, "latency") for id_ in ids]
    error = [luck.uniform(1, id_, "email", 1, "error") for id_ in ids]
    assert abs(np.corrcoef(latency, error)[0, 1]) < 0.05


def test_a_key_depends_on_the_block_and_the_arrival_alone() -> None:
    # Pinned: the people of earlier runs are read back by these keys.
    assert [luck.key(1, index, "zipf", 1_000, 1.1) for index in range(-2, 4)] == [10, 0, 2, 7, 11, 27]
    assert [luck.key(1, index, "uniform", 1_000, 1.1) for index in range(50)] != [
        luck.key(2, index, "uniform", 1_000, 1.1) for index in range(50)
    ]


@given(
    st.integers(0, 2**64 - 1),
    st.integers(-(2**31), 2**31),
    st.sampled_from(["uniform", "zipf"]),
    st.integers(1, 500),
    st.floats(0, 20),
)
def test_a_key_is_one_of_those_there_are(block_seed: int, index: int, distribution: str, count: int, s: float) -> None:
    assert 0 <= luck.key(block_seed, index, distribution, count, s) < count


@pytest.mark.parametrize(("distribution", "s"), [("uniform", 1.1), ("zipf", 0.0), ("zipf", 0.9), ("zipf", 1.1)])
def test_keys_are_distributed_as_asked(distribution: str, s: float) -> None:
    count, draws = 50, 20_000
    seen = np.bincount([luck.key(3, index, distribution, count, s) for index in range(draws)], minlength=count)
    weights = np.arange(1, count + 1) ** -(s if distribution == "zipf" else 0.0)
    assert stats.chisquare(seen, draws * weights / weights.sum()).pvalue > 0.001


def test_keys_of_an_unknown_distribution_are_refused() -> None:
    with pytest.raises(ValueError, match="pareto"):
        luck.key(1, 0, "pareto", 10, 1.0)
