"""The rows: what became of each scheduled arrival, in a memory-mapped file that survives SIGKILL.

The file is preallocated with one row per arrival in schedule order, and each row is filled in place as things happen;
the outcome byte is written last, so a reader that sees it sees the rest. No header: its size is the number of rows.
"""

from __future__ import annotations

import enum
import os
import struct
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

NO_TIME = -(2**63)
"""Stands for "did not happen" in `sent_ns` and `answered_ns`."""

ROW_DTYPE = np.dtype(
    [
        ("index", "<i8"),
        ("intended_ns", "<i8"),
        ("sent_ns", "<i8"),
        ("answered_ns", "<i8"),
        ("status", "<u2"),
        ("outcome", "u1"),
        ("pad", "V5"),
    ]
)
SCHEDULE_DTYPE = np.dtype([("index", "<i8"), ("intended_ns", "<i8")])

_SENT_OFFSET = 16
_ANSWERED_OFFSET = 24
_OUTCOME_OFFSET = 34
_SENT = struct.Struct("<q")
_ANSWERED_STATUS = struct.Struct("<qH")


class Outcome(enum.IntEnum):
    """How an arrival ended (design section 4)."""

    PENDING = 0  # not yet known; after the run: the generator was ended before it knew
    ACKED = 1  # 2xx
    REFUSED = 2  # told no before any work, or never connected
    FAILED = 3  # told no after work may have begun
    INDETERMINATE = 4  # no whole answer in time, or cut off after the first byte was sent
    DROPPED = 5  # the generator could not send it in time


class Rows:
    """Writes the rows of one trial. Times are scenario ns."""

    def __init__(self, path: Path, schedule: NDArray[np.void]) -> None:
        """Create the file for `schedule` (SCHEDULE_DTYPE, shape (n,)).

        Raises OSError where the disk has no room: without the reservation a full disk would end the process with
        SIGBUS in the middle of the load.
        """
        size = len(schedule) * ROW_DTYPE.itemsize
        with path.open("wb") as file:
            if size and hasattr(os, "posix_fallocate"):
                os.posix_fallocate(file.fileno(), 0, size)
            else:
                file.truncate(size)
        # NumPy cannot map an empty file.
        rows: NDArray[np.void] = np.memmap(path, dtype=ROW_DTYPE, mode="r+") if size else np.empty(0, ROW_DTYPE)
        # Writing every row also brings its page in now, so that no page fault falls into the load.
        rows["index"] = schedule["index"]
        rows["intended_ns"] = schedule["intended_ns"]
        rows["sent_ns"] = NO_TIME
        rows["answered_ns"] = NO_TIME
        # struct on the bytes is several times faster than assigning to fields of a NumPy row.
        self._bytes = rows.view(np.uint8).data

    def sent(self, position: int, sent_ns: int) -> None:
        """The first byte of arrival `position` (its place in the schedule) is about to be written."""
        _SENT.pack_into(self._bytes, position * ROW_DTYPE.itemsize + _SENT_OFFSET, sent_ns)

    def settled(self, position: int, outcome: Outcome, status: int, answered_ns: int) -> None:
        """The outcome of arrival `position` is known; `status` 0 and `answered_ns` NO_TIME where no answer came."""
        offset = position * ROW_DTYPE.itemsize
        _ANSWERED_STATUS.pack_into(self._bytes, offset + _ANSWERED_OFFSET, answered_ns, status)
        self._bytes[offset + _OUTCOME_OFFSET] = outcome


def read(path: Path) -> NDArray[np.void]:
    """A copy of all rows, ROW_DTYPE, shape (n,). Raises OSError where there is no such file."""
    return np.fromfile(path, dtype=ROW_DTYPE)


def watch(path: Path) -> NDArray[np.void]:
    """The rows as a read-only view of the file, ROW_DTYPE, shape (n,): it changes while the generator writes."""
    if path.stat().st_size == 0:
        return np.empty(0, ROW_DTYPE)
    return np.memmap(path, dtype=ROW_DTYPE, mode="r")
