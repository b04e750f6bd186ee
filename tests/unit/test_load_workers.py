"""Several load workers: dealing out and merging are inverses, clocks are compared, wrong requests are refused."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

import cli
from benchmarks.load.distributed.clocks import ClockOffset, Ping, clock_identity, estimate_offset, widened_by_drift
from benchmarks.load.rows import SCHEDULE_DTYPE, Outcome, Rows, read
from benchmarks.load.settings import master_address, master_settings
from benchmarks.load.shares import deal, merge, path_of, split
from benchmarks.scenario import load_text
from benchmarks.scenario.workload import Workload
from benchmarks.trials.load_workers import LoadWorkers, LoadWorkersError

OPEN = "{rate: 10, duration: 2s, maxInFlight: 3}"
CLOSED = "{executor: constant-vus, vus: 8, duration: 2s}"
MASTER = {
    "addresses": [["10.0.0.5", 8001]],
    "path": "/registrations",
    "executor": "open",
    "schedule": "s.npy",
    "keys": None,
    "block_seed": "7",
    "timeout_ms": 1000,
    "max_in_flight": 10,
    "rows": "load.rows",
    "listen": ["10.0.0.5", 5557],
    "workers": 2,
    "join_limit_s": 60.0,
}


def schedule_at(times_ns: list[int], warm: int = 0) -> np.ndarray:
    schedule = np.zeros(len(times_ns), SCHEDULE_DTYPE)
    schedule["index"] = np.arange(len(times_ns)) - warm
    schedule["intended_ns"] = sorted(times_ns)
    return schedule


def workload(text: str) -> Workload:
    return load_text(f"version: 1\nname: some\nworkload: {text}\nvariants: [sync]\n", "some").workload


@given(
    times_ns=st.lists(st.integers(-50, 50), max_size=200),
    warm=st.integers(0, 20),
    workers=st.integers(1, 9),
    data=st.data(),
)
def test_merging_is_the_inverse_of_dealing_out(
    times_ns: list[int], warm: int, workers: int, data: st.DataObject
) -> None:
    schedule = schedule_at(times_ns, warm)
    parts = deal(schedule, workers)
    assert len(parts) == workers
    assert merge(data.draw(st.permutations(parts))).tolist() == schedule.tolist()
    assert {len(part) for part in parts} <= {len(schedule) // workers, -(-len(schedule) // workers)}


@given(total=st.integers(1, 10_000), workers=st.integers(1, 64))
def test_what_is_split_adds_up(total: int, workers: int) -> None:
    parts = split(total, workers)
    assert (sum(parts), len(parts)) == (total, workers)
    assert max(parts) - min(parts) <= 1


def test_the_rows_of_several_files_are_read_as_those_of_one(tmp_path: Path) -> None:
    schedule = schedule_at([10 * number for number in range(25)], warm=4)
    one, several = Rows(tmp_path / "one.rows", schedule), []
    for worker, share in enumerate(deal(schedule, 12)):
        several.append(Rows(path_of(tmp_path / "load.rows", worker), share))
    for place in range(25):
        for rows, position in ((one, place), (several[place % 12], place // 12)):
            rows.sent(position, 1_000 + place)
            rows.settled(position, Outcome.ACKED, 201, 2_000 + place)
    assert read(tmp_path / "load.rows").tolist() == read(tmp_path / "one.rows").tolist()


def test_no_rows_at_all_are_an_error_that_names_the_file(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"load\.rows"):
        read(tmp_path / "load.rows")


@given(
    offset_ns=st.integers(-(10**15), 10**15),
    legs=st.lists(st.tuples(st.integers(0, 10**9), st.integers(0, 10**9)), min_size=1, max_size=20),
)
def test_the_true_offset_is_within_the_error_however_lopsided_the_way(
    offset_ns: int, legs: list[tuple[int, int]]
) -> None:
    pings, now_ns = [], 5_000
    for there_ns, back_ns in legs:
        pings.append(Ping(now_ns, now_ns + there_ns + offset_ns, now_ns + there_ns + back_ns))
        now_ns += 10_000
    found = estimate_offset(pings)
    assert abs(found.offset_ns - offset_ns) <= found.error_ns
    assert found.error_ns <= min(there_ns + back_ns for there_ns, back_ns in legs) / 2 + 1


def test_an_instant_of_their_clock_is_found_on_ours() -> None:
    assert ClockOffset(5_000, 1).ours_ns(12_000) == 7_000


def test_a_drift_between_two_measurements_is_part_of_the_error() -> None:
    assert widened_by_drift(ClockOffset(1_000, 50), ClockOffset(1_400, 80)) == ClockOffset(1_000, 480)
    assert widened_by_drift(ClockOffset(1_000, 50), ClockOffset(1_000, 20)) == ClockOffset(1_000, 50)


def test_a_host_is_recognised_without_being_named() -> None:
    assert clock_identity() == clock_identity()
    assert len(clock_identity()) == 64


def test_a_master_is_an_address_that_others_can_reach() -> None:
    workers = LoadWorkers.of(3, "10.0.0.5:5557")
    assert workers.master == ("10.0.0.5", 5557)
    assert workers.api_host == "10.0.0.5"
    assert LoadWorkers.of(3, None).api_host == "127.0.0.1"


@pytest.mark.parametrize(
    "address", ["0.0.0.0:5557", "10.0.0.5", "10.0.0.5:0", "10.0.0.5:x", "somewhere:5557", "::1:5557"]
)
def test_anything_else_is_refused(address: str) -> None:
    with pytest.raises(LoadWorkersError, match="--load-master takes"):
        LoadWorkers.of(2, address)


def test_a_closed_loop_cannot_be_dealt_out() -> None:
    LoadWorkers(1).check(workload(CLOSED))
    for workers in (LoadWorkers(2), LoadWorkers(1, ("10.0.0.5", 5557))):
        with pytest.raises(LoadWorkersError, match="closed loop"):
            workers.check(workload(CLOSED))


def test_each_worker_may_have_at_least_one_under_way() -> None:
    LoadWorkers(3).check(workload(OPEN))
    with pytest.raises(LoadWorkersError, match="maxInFlight"):
        LoadWorkers(4).check(workload(OPEN))


def test_a_report_does_not_tell_where_the_load_came_from() -> None:
    assert LoadWorkers(2, ("10.0.0.5", 5557)).as_dict() == {"workers": 2, "elsewhere": True}


def test_a_master_tells_workers_everything_but_the_files() -> None:
    settings = master_settings({"role": "load-master", "settings": MASTER})
    assert (settings.listen, settings.workers, settings.max_in_flight) == (("10.0.0.5", 5557), 2, 10)
    assert set(settings.share) == {"addresses", "path", "executor", "keys", "block_seed", "timeout_ms"}


@pytest.mark.parametrize(
    ("changed", "complaint"),
    [
        ({"workers": 11}, "workers"),
        ({"workers": 0}, "workers"),
        ({"listen": "x"}, "malformed"),
        ({"executor": "constant-vus", "vus": 1, "warmup_ms": 0, "duration_ms": 1}, "constant-vus"),
    ],
)
def test_settings_of_a_master_are_checked(changed: dict[str, object], complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        master_settings({"role": "load-master", "settings": {**MASTER, **changed}})


def test_a_worker_is_told_nothing_but_its_master() -> None:
    assert master_address({"role": "load-worker", "settings": {"master": ["there", 5557]}}) == ("there", 5557)
    with pytest.raises(ValueError, match="master"):
        master_address({"role": "load-worker", "settings": {}})


@pytest.mark.parametrize(
    "arguments",
    [
        ["run", "baseline", "--load-workers", "0"],
        ["run", "baseline", "--load-master", "0.0.0.0:5557"],
        ["run", "baseline", "--load-workers", "64", "--set", "workload.maxInFlight=63"],
        ["load-worker", "10.0.0.5"],
    ],
)
def test_a_request_that_cannot_be_met_is_a_usage_error(arguments: list[str]) -> None:
    assert CliRunner().invoke(cli.app, arguments).exit_code == 2
