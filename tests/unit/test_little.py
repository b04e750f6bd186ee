"""Little's law between the API's own count and its trace: they agree on queues of any shape, and tell what is lost."""

import numpy as np
import pandas as pd
import pytest
from synthetic import FAULTS_COLUMNS, SECOND

from benchmarks.analysis.little import Disagreement, disagreements

END_NS = 20 * SECOND
NO_FAULTS = pd.DataFrame(columns=list(FAULTS_COLUMNS))


def arrivals(seed: int = 1, rate: float = 60, mean_ms: float = 30, processes: int = 1) -> list[pd.DataFrame]:
    """Poisson arrivals of 23 s, the first 3 s warm-up, each in hand for an exponential time; one frame a process."""
    rng = np.random.default_rng(seed)
    received = rng.uniform(-3, 20, round(rate * 23))
    rows = pd.DataFrame(
        {"received_ns": received * 1e9, "replied_ns": (received + rng.exponential(mean_ms / 1e3, len(received))) * 1e9}
    )
    rows = rows.round().astype("Int64")
    return [rows.iloc[n::processes].reset_index(drop=True) for n in range(processes)]


def count(rows: pd.DataFrame, process: str = "api/0", seed: int = 2) -> pd.DataFrame:
    """What the process saw at uneven instants."""
    at = np.cumsum(np.random.default_rng(seed).uniform(0.02, 0.06, 650)) - 3
    begun, ended = (np.sort(rows[name].dropna().to_numpy(dtype=float)) / 1e9 for name in ("received_ns", "replied_ns"))
    number = np.searchsorted(begun, at, side="right") - np.searchsorted(ended, at, side="right")
    return pd.DataFrame({"t_ns": (at * 1e9).astype(np.int64), "process": process, "in_flight": number})


def fault(kind: str, begin_s: float, end_s: float | None, target: str = "api") -> pd.DataFrame:
    end_ns = None if end_s is None else end_s * SECOND
    row = (1, "sync", 0, kind, target, kind, begin_s * SECOND, end_ns, begin_s * SECOND, end_ns, 0.1, True)
    return pd.DataFrame([row], columns=list(FAULTS_COLUMNS))


def judged(rows: pd.DataFrame, samples: pd.DataFrame, faults: pd.DataFrame = NO_FAULTS) -> list[Disagreement]:
    return disagreements(rows, samples, faults, END_NS)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("mean_ms", [0.5, 3, 30, 800])
def test_a_counter_and_a_trace_that_are_whole_agree(seed: int, mean_ms: float) -> None:
    (rows,) = arrivals(seed, mean_ms=mean_ms)
    assert judged(rows, count(rows, seed=seed)) == []


@pytest.mark.parametrize("seed", range(10))
def test_so_do_several_processes_within_what_samples_can_tell(seed: int) -> None:
    parts = arrivals(seed, processes=3)
    samples = pd.concat([count(part, f"api/{n}", seed=seed + n) for n, part in enumerate(parts)])
    assert judged(pd.concat(parts), samples) == []


def test_one_in_fifty_that_the_trace_lost_shows() -> None:
    (rows,) = arrivals()
    (found,) = judged(rows[rows.index % 50 != 0], count(rows))
    assert (found.begin_s, found.end_s) == (0, 20)
    assert found.counted > found.traced + found.limit


def test_replies_that_were_stamped_too_early_show() -> None:
    (rows,) = arrivals()
    early = rows.assign(replied_ns=rows["replied_ns"] - 2_000_000)
    assert judged(early, count(rows))


def test_what_is_lost_in_one_window_shows_there() -> None:
    (rows,) = arrivals()
    during = rows["received_ns"].between(8 * SECOND, 10 * SECOND)
    faults = fault("latency", 8, 10, target="email")
    found = judged(rows[~(during & (rows.index % 25 == 0))], count(rows), faults)
    assert (8, 10) in [(each.begin_s, each.end_s) for each in found]


def test_an_api_that_was_stopped_is_left_out() -> None:
    (rows,) = arrivals()
    samples = count(rows)
    silent = samples["t_ns"].between(8 * SECOND, 10 * SECOND)
    samples.loc[samples["t_ns"].between(8 * SECOND, 10.1 * SECOND), "in_flight"] = 500  # nobody can have looked
    assert judged(rows, samples[~silent], fault("pause", 8, 10)) == []


def test_requests_that_died_with_their_process_are_in_hand_no_longer() -> None:
    """Killed twice: the trace of those that died has no reply, and the successor starts at nothing."""
    (rows,) = arrivals(mean_ms=300)
    lives = []
    for begin_s, end_s in ((-3, 6), (7, 12), (13, 20)):
        came = rows[rows["received_ns"].between(begin_s * SECOND, end_s * SECOND)].copy()
        samples = count(came)
        lives.append((came, samples[samples["t_ns"].between(begin_s * SECOND, end_s * SECOND)]))
        if end_s < 20:
            came.loc[came["replied_ns"] > end_s * SECOND, "replied_ns"] = pd.NA
    faults = pd.concat([fault("kill", 6, 7), fault("kill", 12, 13)])
    seen = pd.concat([samples for _, samples in lives])
    assert judged(pd.concat([came for came, _ in lives]), seen, faults) == []


def test_a_trial_without_samples_is_not_judged() -> None:
    (rows,) = arrivals()
    assert judged(rows, count(rows).iloc[:0]) == []
