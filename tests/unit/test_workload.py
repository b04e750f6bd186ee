"""A workload in words, for each executor."""

from __future__ import annotations

import pytest

from benchmarks.scenario import load_text


@pytest.mark.parametrize(
    ("workload", "words"),
    [
        ("{rate: 1200}", "1,200 arrivals/s"),
        ("{rate: 30, timeUnit: 1m}", "0.5 arrivals/s"),
        (
            "{executor: ramping-arrival-rate, startRate: 10,"
            " stages: [{duration: 5s, target: 80}, {duration: 5s, target: 80}, {duration: 5s, target: 20}]}",
            "10 → 80 → 20 arrivals/s",
        ),
        ("{executor: constant-vus, vus: 20}", "20 people in a closed loop"),
        ("{executor: constant-vus, vus: 1}", "1 person in a closed loop"),
    ],
)
def test_a_workload_reads_as_what_comes(workload: str, words: str) -> None:
    text = load_text(f"version: 1\nname: x\nworkload: {workload}\n", "x").workload.words
    assert text.replace("\N{NO-BREAK SPACE}", " ") == words
