"""Shares of the processors, from the samples of a trial: whose they were, and over which span."""

import pandas as pd
import pytest
from synthetic import SECOND

from benchmarks.analysis.overload import busiest_share, foreign_share
from benchmarks.trial_result import BUSY

END_NS = 60 * SECOND


def samples(step_s: float = 0.5, **shares: list[float]) -> pd.DataFrame:
    """Each process with the share of a core that it took from one sample to the next; `busy` is the machine."""
    rows = []
    for name, of_process in shares.items():
        process = BUSY if name == "busy" else name
        rows.append((process, 0, 100.0))
        for number, share in enumerate(of_process, start=1):
            rows.append((process, round(number * step_s * SECOND), rows[-1][2] + share * step_s * 1e3))
    return pd.DataFrame(rows, columns=["process", "t_ns", "cpu_ms"])


class TestBusiestShare:
    def test_it_is_the_largest_over_any_five_seconds_and_says_when(self) -> None:
        share = busiest_share(samples(load=[0.1] * 7 + [0.8] * 10 + [0.1] * 7), "load", 0, END_NS, 5)
        assert share is not None
        assert (share.value, share.begin_s, share.span_s) == pytest.approx((0.8, 3.5, 5.0))

    def test_a_short_trial_is_taken_whole(self) -> None:
        share = busiest_share(samples(load=[0.2, 0.4]), "load", 0, END_NS, 5)
        assert share is not None
        assert share.value == pytest.approx(0.3)

    def test_without_two_samples_there_is_none(self) -> None:
        assert busiest_share(samples(load=[]), "load", 0, END_NS) is None
        assert busiest_share(samples(load=[0.5]), "api/0", 0, END_NS) is None


class TestForeignShare:
    def test_it_is_what_the_machine_was_busy_with_beyond_the_run(self) -> None:
        frame = samples(busy=[1.5] * 20, load=[0.3] * 20, harness=[0.1] * 20, broker=[0.4] * 20)
        share = foreign_share(frame, 0, END_NS, uses_broker=True, span_s=5)
        assert share is not None
        assert share.value == pytest.approx(0.7)

    def test_a_process_that_is_gone_for_a_while_took_nothing_meanwhile(self) -> None:
        frame = samples(busy=[0.5] * 6 + [0.1] * 6 + [0.5] * 6, api=[0.4] * 6 + [0.0] * 6 + [0.4] * 6, load=[0.1] * 18)
        gone = frame["process"].eq("api") & frame["t_ns"].between(3.2 * SECOND, 6 * SECOND)
        share = foreign_share(frame[~gone], 0, END_NS, uses_broker=False, span_s=1)
        assert share is not None
        assert share.value == pytest.approx(0.0, abs=1e-9)

    def test_somebody_elses_broker_cannot_be_told_from_other_programs(self) -> None:
        frame = samples(busy=[1.5] * 20, load=[0.3] * 20)
        assert foreign_share(frame, 0, END_NS, uses_broker=True) is None
        assert foreign_share(frame, 0, END_NS, uses_broker=False) is not None

    def test_a_machine_that_does_not_say_how_busy_it_is(self) -> None:
        assert foreign_share(samples(load=[0.3] * 20), 0, END_NS, uses_broker=False) is None
