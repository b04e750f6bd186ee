"""The load in words: how many arrivals a second, or how many people in a closed loop."""

from __future__ import annotations

from benchmarks.scenario.workload import Workload
from benchmarks.words.numbers import NBSP


def load_words(workload: Workload) -> str:
    """`60 arrivals/s`, `10 → 80 → 20 arrivals/s`, `20 people in a closed loop`."""
    if workload.vus is not None:
        return f"{workload.vus:,}{NBSP}{'person' if workload.vus == 1 else 'people'} in a closed loop"
    stretches = workload.stretches
    rates = [stretches[0].from_per_s, *(stretch.to_per_s for stretch in stretches)]
    steps = [rate for place, rate in enumerate(rates) if place == 0 or rate != rates[place - 1]]
    return f"{' → '.join(f'{rate:,g}' for rate in steps)}{NBSP}arrivals/s"
