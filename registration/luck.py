"""Identity and luck: every id and every random draw is a keyed hash, so each variant meets the same fate.

A draw depends on (block seed, registration, service, attempt, purpose) and on nothing else: not on the order in which
work arrives, not on the process that does it. Two variants of one block therefore differ by their wiring only
(common random numbers).
"""

from __future__ import annotations

import hashlib
import uuid
from array import array
from bisect import bisect_left
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate

# Ids below this are probes: they prove that a path works, draw no luck and leave no effect. A UUIDv5 is never one,
# since its version bits lie above.
PROBE_ID_LIMIT = 2**32

_UNIFORM_BITS = 52  # with the half added below, 53 bits: what a float holds without rounding up to 1


def block_seed(seed: int, block: int) -> int:
    """The unsigned 64-bit seed of block `block` (from 0) of a run with the scenario's `seed`."""
    digest = hashlib.blake2b(f"{seed}/{block}".encode(), digest_size=8, person=b"block-seed").digest()
    return int.from_bytes(digest, "big")


def registration_id(block_seed: int, index: int) -> uuid.UUID:
    """The id of arrival `index` of a block: UUIDv5 (RFC 9562) of the index in the block seed's name space."""
    return uuid.uuid5(uuid.UUID(int=block_seed), str(index))


def probe_id(number: int) -> uuid.UUID:
    """The reserved id of probe `number` (1 … 2³² - 1)."""
    return uuid.UUID(int=number)


def is_probe(id_: uuid.UUID) -> bool:
    return id_.int < PROBE_ID_LIMIT


def uniform(block_seed: int, registration_id: uuid.UUID, service: str, attempt: int, purpose: str) -> float:
    """One draw from the open interval (0, 1).

    Open at both ends, so that an inverse distribution function is finite at it.
    """
    digest = hashlib.blake2b(
        registration_id.bytes + f"{service}/{attempt}/{purpose}".encode(),
        digest_size=8,
        key=block_seed.to_bytes(8, "big"),
    ).digest()
    return ((int.from_bytes(digest, "big") >> (64 - _UNIFORM_BITS)) + 0.5) / float(2**_UNIFORM_BITS)


@dataclass(frozen=True)
class Luck:
    """The draws of one block."""

    block_seed: int

    def uniform(self, registration_id: uuid.UUID, service: str, attempt: int, purpose: str) -> float:
        """One draw from (0, 1); see `uniform`. A caller's own, such as the jitter of a backoff, has its own purpose."""
        return uniform(self.block_seed, registration_id, service, attempt, purpose)


def key(block_seed: int, index: int, distribution: str, count: int, s: float) -> int:
    """Which of `count` people arrival `index` is: 0 … `count` - 1, by a draw from the block and the index alone.

    "uniform" makes all equally likely. "zipf" gives key k the weight (k + 1)^-`s` (Zipf's law over finitely many),
    drawn through the inverse of its distribution function; with `s` 0 it is uniform again. Raises ValueError for any
    other distribution.
    """
    drawn = uniform(block_seed, registration_id(block_seed, index), "", 1, "key")
    if distribution == "uniform":
        return min(int(drawn * count), count - 1)
    if distribution == "zipf":
        cumulative = _zipf_cumulative(count, s)
        return min(bisect_left(cumulative, drawn * cumulative[-1]), count - 1)
    raise ValueError(f"no such distribution of keys: {distribution}")


def hottest_share(count: int, s: float) -> float:
    """The share of the arrivals that the first of `count` people has; `s` as in `key`, 0 where all are alike."""
    cumulative = _zipf_cumulative(count, s)
    return cumulative[0] / cumulative[-1]


@lru_cache(maxsize=4)
def _zipf_cumulative(count: int, s: float) -> array[float]:
    """The cumulative weights of ranks 1 … `count`, not normalised; eight bytes a rank."""
    return array("d", accumulate(rank**-s for rank in range(1, count + 1)))
