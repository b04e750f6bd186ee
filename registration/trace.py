"""The append-only trace: what a process did to each registration, written as it happens.

    file   = header line (JSON) , record*
    record = t_ns i64 | registration id 16 bytes | delivery u32 | attempt u16 | status u16 | kind u8 | 7 spare

One `write` a record and no buffer in the process: what was recorded survives SIGKILL (not a power loss, which would
take an fsync). Little-endian, 40 bytes, so that NumPy maps a file of any length without parsing it.
"""

from __future__ import annotations

import enum
import json
import os
import struct
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_RECORD = struct.Struct("<q16sIHHB7x")
_LONGEST_HEADER = 65_536  # bytes
RECORD_FIELDS = [
    ("t_ns", "<i8"),
    ("registration_id", "V16"),
    ("delivery", "<u4"),
    ("attempt", "<u2"),
    ("status", "<u2"),
    ("kind", "u1"),
    ("pad", "V7"),
]


class RecordKind(enum.IntEnum):
    """What happened. `status` is an HTTP status where there is one, else 0."""

    RECEIVED = 1  # the process has the registration in hand
    STARTED = 2  # a service's work begins: the registration has left the queue
    FAILED = 3  # that attempt ended without an effect
    APPLIED = 4  # the effect is in its destination
    REPLIED = 5  # the reply is about to go to the socket
    SETTLED = 6  # the delivery will not come again: replied to, or its offset committed
    STORED = 7  # the API committed the user row


class TraceRecord(NamedTuple):
    """One thing that happened to a registration. `t_ns` is an instant of CLOCK_MONOTONIC."""

    kind: RecordKind
    registration_id: uuid.UUID
    t_ns: int
    delivery: int
    attempt: int
    status: int


class Trace:
    """Writes one process's records. `clock_ns` is CLOCK_MONOTONIC, injectable for tests."""

    def __init__(self, path: Path, header: dict[str, object], clock_ns: Callable[[], int] = time.monotonic_ns) -> None:
        self._clock_ns = clock_ns
        # O_APPEND: a respawned process goes on where its predecessor was killed.
        self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
        # A predecessor can be killed between two pages of a write: what it left behind would shift everything after it.
        os.ftruncate(self._fd, _whole_length(self._fd))
        if os.fstat(self._fd).st_size == 0:
            os.write(self._fd, json.dumps(header).encode() + b"\n")

    def record(
        self,
        kind: RecordKind,
        registration_id: uuid.UUID,
        *,
        delivery: int = 0,
        attempt: int = 0,
        status: int = 0,
        t_ns: int | None = None,
    ) -> None:
        """Append one record, stamped `t_ns` or now. Raises OSError where the disk is full: no trace may have holes."""
        at_ns = self._clock_ns() if t_ns is None else t_ns
        self._append(TraceRecord(kind, registration_id, at_ns, delivery, attempt, status))

    def close(self) -> None:
        os.close(self._fd)

    def _append(self, record: TraceRecord) -> None:
        kind, registration_id, t_ns, delivery, attempt, status = record
        written = os.write(self._fd, _RECORD.pack(t_ns, registration_id.bytes, delivery, attempt, status, kind))
        if written != _RECORD.size:
            raise OSError(f"trace: wrote {written} of {_RECORD.size} bytes; is the disk full?")


class NoTrace(Trace):
    """Keeps nothing. Only `bench calibrate` uses it, to learn what a trace costs: nothing can be reconciled."""

    def __init__(self) -> None:
        """It has no file."""
        self._clock_ns = time.monotonic_ns

    def close(self) -> None:
        pass

    def _append(self, _record: TraceRecord) -> None:
        pass


def _whole_length(fd: int) -> int:
    """How many bytes of an open trace are its header and whole records; 0 where not even the header is whole."""
    head, newline, _ = os.pread(fd, _LONGEST_HEADER, 0).partition(b"\n")
    records_begin = len(head) + len(newline)
    size = os.fstat(fd).st_size
    return size - (size - records_begin) % _RECORD.size if newline else 0


def read(path: Path) -> tuple[dict[str, object], NDArray[np.void]]:
    """The header and the records, shape (n,), of one trace file; a record cut short at the end is left out."""
    import numpy as np

    with path.open("rb") as file:
        header = _header(file.readline())
        body = file.read()
    whole = len(body) // _RECORD.size
    return header, np.frombuffer(body, dtype=np.dtype(RECORD_FIELDS), count=whole)


def read_header(path: Path) -> dict[str, object]:
    """What a trace file says of its process; empty where the process died before it had said it."""
    with path.open("rb") as file:
        return _header(file.readline())


def _header(line: bytes) -> dict[str, object]:
    header: dict[str, object] = json.loads(line) if line.endswith(b"\n") else {}
    return header
