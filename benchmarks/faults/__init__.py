"""Faults, one file per kind, listed in the table below: everything about a kind is in its file.

`benchmarks.faults.fault` says what a kind has; `docs/faults.md` how to add one.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Union

from pydantic import Field

from benchmarks.faults.error import ErrorFault
from benchmarks.faults.fault import Effect, FaultKind
from benchmarks.faults.hang import HangFault
from benchmarks.faults.kill import KillFault
from benchmarks.faults.latency import LatencyFault
from benchmarks.faults.pause import PauseFault
from benchmarks.faults.process_kind import Processes, ProcessKind
from benchmarks.faults.restart import RestartFault
from benchmarks.faults.work_kind import WorkKind

_TABLE: tuple[type[FaultKind], ...] = (
    LatencyFault,
    ErrorFault,
    HangFault,
    KillFault,
    PauseFault,
    RestartFault,
)
# By the word that a file gives as `type`.
KINDS: Mapping[str, type[FaultKind]] = {kind.word(): kind for kind in _TABLE}

# One fault of a file, of the kind that its `type` names. A type checker sees what all kinds have in common.
if TYPE_CHECKING:
    Fault = FaultKind
else:
    Fault = Annotated[Union[_TABLE], Field(discriminator="type")]  # noqa: UP007

__all__ = ["KINDS", "Effect", "Fault", "FaultKind", "ProcessKind", "Processes", "WorkKind"]
