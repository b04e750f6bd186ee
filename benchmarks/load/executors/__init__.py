"""The load models: which arrivals there are, and when. One file each, in the same order of sections.

    its settings → rows, requests → begin → due → next_ns → settled → over → prepare

All times are absolute CLOCK_MONOTONIC ns but those in the rows, which are scenario times.
"""

from __future__ import annotations

from benchmarks.load.executors.constant_vus import ConstantVus
from benchmarks.load.executors.open import Open
from benchmarks.load.executors.port import Executor
from benchmarks.load.settings import ConstantVusSettings, OpenSettings


def make_executor(settings: OpenSettings | ConstantVusSettings) -> Executor:
    """The executor that the settings ask for. Raises OSError or ValueError where its files cannot be had."""
    return Open(settings) if isinstance(settings, OpenSettings) else ConstantVus(settings)
