"""The rows: what became of each arrival, in a memory-mapped file that survives SIGKILL.

The file holds one row per arrival in order of intended time, and each row is filled in place as things happen; the
outcome byte is written last, so a reader that sees it sees the rest. With a schedule the rows are there before the
load. Without one the file grows ahead of the arrivals; rows not used yet are at its end, without an intended time, and
readers leave them out. No header. Several load workers write a file each, and readers merge them.
"""

from __future__ import annotations

import enum
import errno
import os
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.load.shares import merge, parts_of

NO_TIME = -(2**63)
"""Stands for "did not happen" in `sent_ns` and `answered_ns`, and in `intended_ns` for a row not used."""

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

FILES_NEXT_STEP = "check the disk's space and the results directory"

_CHUNK_ROWS = 4_096
"""By how many rows a file grows: a tenth of a millisecond's work, a fifth of a megabyte."""

_SENT_OFFSET = 16
_ANSWERED_OFFSET = 24
_OUTCOME_OFFSET = 34
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_ISSUED = struct.Struct("<qq")
_SENT = struct.Struct("<q")
_ANSWERED_STATUS = struct.Struct("<qH")


class Outcome(enum.IntEnum):
    """How an arrival ended, see docs/load.md."""

    PENDING = 0  # not yet known; after the run: the generator was ended before it knew
    ACKED = 1  # 2xx
    REFUSED = 2  # an error reply before any work, or never connected
    FAILED = 3  # an error reply after work may have begun
    INDETERMINATE = 4  # no whole answer in time, or cut off after the first byte was sent
    DROPPED = 5  # the generator could not send it in time

    @classmethod
    def of_status(cls, status: int) -> Outcome:
        """What a whole reply means. 4xx and 503 are refusals: the API answers so only before it stores the user."""
        if 200 <= status < 300:
            return cls.ACKED
        if 400 <= status < 500 or status == 503:
            return cls.REFUSED
        return cls.FAILED

    @classmethod
    def of_silence(cls, *, first_byte_sent: bool) -> Outcome:
        """What no whole reply in time means: once a byte is out, the other side may have acted on it."""
        return cls.INDETERMINATE if first_byte_sent else cls.REFUSED


class NoRoomError(OSError):
    """The disk has no room for the rows."""


class Rows:
    """Writes the rows of one trial. Times are scenario ns."""

    def __init__(self, path: Path, schedule: NDArray[np.void]) -> None:
        """Create the file for `schedule` (SCHEDULE_DTYPE, shape (n,)).

        Raises NoRoomError where the disk is full, OSError where there can be no such file.
        """
        with _full_disk_named(path), path.open("wb") as file:
            _reserve(file.fileno(), 0, len(schedule))
        # NumPy cannot map an empty file.
        rows: NDArray[np.void] = (
            np.memmap(path, dtype=ROW_DTYPE, mode="r+") if len(schedule) else np.empty(0, ROW_DTYPE)
        )
        # Writing every row also brings its page in now, so that no page fault falls into the load.
        rows["index"] = schedule["index"]
        rows["intended_ns"] = schedule["intended_ns"]
        rows["sent_ns"] = NO_TIME
        rows["answered_ns"] = NO_TIME
        self._use(rows)

    def _use(self, rows: NDArray[np.void]) -> None:
        # struct on the bytes is several times faster than assigning to fields of a NumPy row.
        self._bytes = rows.view(np.uint8).data

    def sent(self, position: int, sent_ns: int) -> None:
        """The first byte of arrival `position` (the place of its row) is about to be written."""
        _SENT.pack_into(self._bytes, position * ROW_DTYPE.itemsize + _SENT_OFFSET, sent_ns)

    def settled(self, position: int, outcome: Outcome, status: int, answered_ns: int) -> None:
        """The outcome of arrival `position` is known; `status` 0 and `answered_ns` NO_TIME where no answer came."""
        offset = position * ROW_DTYPE.itemsize
        _ANSWERED_STATUS.pack_into(self._bytes, offset + _ANSWERED_OFFSET, answered_ns, status)
        self._bytes[offset + _OUTCOME_OFFSET] = outcome


class GrowingRows(Rows):
    """The rows of arrivals that no schedule knows before they are issued."""

    def __init__(self, path: Path) -> None:
        """Create the file with its first rows. Raises NoRoomError where the disk is full, OSError as `Rows`."""
        super().__init__(path, np.empty(0, SCHEDULE_DTYPE))
        self._path = path
        self._reserved = 0
        self.make_room(0)

    def issued(self, position: int, index: int, intended_ns: int) -> None:
        """Arrival `index` takes row `position`, the next one. Raises NoRoomError where the disk is full."""
        if position >= self._reserved:
            self.make_room(position)
        # The intended time is written last: a row that has one is a whole row.
        _ISSUED.pack_into(self._bytes, position * ROW_DTYPE.itemsize, index, intended_ns)

    def make_room(self, used: int) -> None:
        """Keep rows to spare beyond the first `used`. Raises NoRoomError where the disk is full."""
        if self._reserved - used >= _CHUNK_ROWS // 2:
            return
        unused = np.zeros(_CHUNK_ROWS, ROW_DTYPE)
        unused["intended_ns"] = unused["sent_ns"] = unused["answered_ns"] = NO_TIME
        # Written rather than mapped and filled, so that nothing ever reads a row of zeros: that would be an arrival.
        data = memoryview(unused.tobytes())
        with _full_disk_named(self._path), self._path.open("ab", buffering=0) as file:
            while data:
                data = data[file.write(data) :]
            _reserve(file.fileno(), self._reserved, _CHUNK_ROWS)
        rows: NDArray[np.void] = np.memmap(self._path, dtype=ROW_DTYPE, mode="r+")
        rows[self._reserved :] = unused  # brings the pages in, as above
        self._reserved += _CHUNK_ROWS
        self._use(rows)


def _reserve(file: int, first: int, count: int) -> None:
    """Have the disk reserve room for `count` rows from row `first` on; what they hold already stays.

    Without it a full disk would end the process with SIGBUS in the middle of the load.
    """
    begin, size = first * ROW_DTYPE.itemsize, count * ROW_DTYPE.itemsize
    if size and hasattr(os, "posix_fallocate"):
        os.posix_fallocate(file, begin, size)
    else:
        os.truncate(file, begin + size)


@contextmanager
def _full_disk_named(path: Path) -> Iterator[None]:
    """Turn a lack of room into NoRoomError."""
    try:
        yield
    except OSError as error:
        if error.errno in _FULL:
            raise NoRoomError(error.errno, error.strerror, str(path)) from error
        raise


def read(path: Path) -> NDArray[np.void]:
    """A copy of all rows, ROW_DTYPE, shape (n,), in order of intended time. Raises OSError where there is no such file.

    Where several workers wrote a part each beside it (`path_of`), these are merged: the rows are those that one process
    would have written. Works at any time, also while the generator writes and after it was killed.
    """
    parts = [_used(np.fromfile(part, dtype=ROW_DTYPE)) for part in parts_of(path)]
    return merge(parts) if len(parts) > 1 else parts[0]


def schedule_of(rows: NDArray[np.void]) -> NDArray[np.void]:
    """The schedule that `rows` (ROW_DTYPE, shape (n,)) followed, SCHEDULE_DTYPE, shape (n,), in order of intended time.

    For arrivals that had none: what a closed loop issued is known only afterwards.
    """
    schedule = np.empty(len(rows), SCHEDULE_DTYPE)
    for name in SCHEDULE_DTYPE.names or ():
        schedule[name] = rows[name]
    return schedule[np.argsort(schedule["intended_ns"], kind="stable")]


def _used(rows: NDArray[np.void]) -> NDArray[np.void]:
    """The rows without those at the end that no arrival took."""
    unused = rows["intended_ns"] == NO_TIME
    return rows[: int(unused.argmax())] if unused.any() else rows
