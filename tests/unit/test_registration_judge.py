"""What an attempt will do follows from the settings, the draw and the instant at which its work begins."""

from dataclasses import replace

import msgspec
import pytest

from registration import luck
from registration.faults import WorkFault
from registration.latency import Latency
from registration.work import ERROR_STATUS, WorkSettings, judge

SECOND = 1_000_000_000
SETTINGS = WorkSettings("email", 0, luck.block_seed(1, 0), Latency.fixed(20.0))
IDS = [luck.registration_id(SETTINGS.block_seed, index) for index in range(2_000)]
ID = IDS[0]
SLOW = WorkFault("slow", 2 * SECOND, 4 * SECOND, latency=Latency.fixed(800.0))
BROKEN = WorkFault("broken", 2 * SECOND, 4 * SECOND, status=503)
HUNG = WorkFault("hung", 2 * SECOND, 4 * SECOND, holds=True)


def under(*faults: WorkFault) -> WorkSettings:
    return replace(SETTINGS, faults=faults)


def share(settings: WorkSettings, *, at_ns: int, attempt: int = 1) -> float:
    """The share of registrations whose attempt fails."""
    return sum(judge(settings, id_, attempt, at_ns).status is not None for id_ in IDS) / len(IDS)


def test_without_faults_work_takes_its_time_and_succeeds() -> None:
    judgement = judge(SETTINGS, ID, 1, 0)
    assert (judgement.work_ms, judgement.hang_until_ns, judgement.status) == (20.0, None, None)


@pytest.mark.parametrize(
    ("at_ns", "work_ms"),
    [(2 * SECOND - 1, 20.0), (2 * SECOND, 820.0), (4 * SECOND - 1, 820.0), (4 * SECOND, 20.0)],
)
def test_a_latency_fault_slows_the_work_that_begins_inside_its_window(at_ns: int, work_ms: float) -> None:
    assert judge(under(SLOW), ID, 1, at_ns).work_ms == work_ms


def test_latency_faults_that_overlap_add_up() -> None:
    other = WorkFault("slower", 3 * SECOND, 5 * SECOND, latency=Latency.fixed(100.0))
    assert [judge(under(SLOW, other), ID, 1, round(at * SECOND)).work_ms for at in (1, 2.5, 3.5, 4.5)] == [
        *(20.0, 820.0, 920.0, 120.0)
    ]


def test_jitter_spreads_evenly_around_the_latency() -> None:
    settings = under(replace(SLOW, jitter_ms=50.0))
    times_ms = [judge(settings, id_, 1, 3 * SECOND).work_ms for id_ in IDS]
    assert 770.0 <= min(times_ms) < 772.0
    assert 868.0 < max(times_ms) <= 870.0
    assert sum(times_ms) / len(times_ms) == pytest.approx(820.0, abs=3.0)


def test_jitter_larger_than_the_latency_never_shortens_the_work() -> None:
    settings = under(replace(SLOW, latency=Latency.fixed(1.0), jitter_ms=500.0))
    assert min(judge(settings, id_, 1, 3 * SECOND).work_ms for id_ in IDS) == 20.0


def test_an_error_fault_fails_the_attempt_after_its_time_with_its_status() -> None:
    judgement = judge(under(BROKEN), ID, 1, 3 * SECOND)
    assert (judgement.work_ms, judgement.status) == (20.0, 503)
    assert judge(under(BROKEN), ID, 1, 4 * SECOND).status is None


def test_a_fault_of_some_probability_hits_that_share_of_attempts() -> None:
    settings = under(replace(BROKEN, probability=0.3))
    assert share(settings, at_ns=3 * SECOND) == pytest.approx(0.3, abs=0.04)
    assert share(settings, at_ns=SECOND) == 0.0


def test_a_fault_of_probability_zero_hits_nobody() -> None:
    assert share(under(replace(BROKEN, probability=0.0)), at_ns=3 * SECOND) == 0.0


def test_the_next_attempt_draws_its_luck_anew() -> None:
    settings = under(replace(BROKEN, probability=0.3))
    unlucky = [id_ for id_ in IDS if judge(settings, id_, 1, 3 * SECOND).status is not None]
    again = sum(judge(settings, id_, 2, 3 * SECOND).status is not None for id_ in unlucky)
    assert again / len(unlucky) == pytest.approx(0.3, abs=0.08)


def test_two_faults_of_the_same_probability_hit_independently() -> None:
    settings = under(replace(SLOW, probability=0.5), replace(SLOW, name="other", probability=0.5))
    both = sum(judge(settings, id_, 1, 3 * SECOND).work_ms > 1000 for id_ in IDS)
    assert both / len(IDS) == pytest.approx(0.25, abs=0.04)


def test_the_error_rate_of_a_service_needs_no_fault() -> None:
    settings = replace(SETTINGS, error_rate=0.1)
    assert share(settings, at_ns=0) == pytest.approx(0.1, abs=0.03)
    assert {judge(settings, id_, 1, 0).status for id_ in IDS} == {None, ERROR_STATUS}


def test_a_hang_lasts_until_its_window_ends_and_the_work_follows() -> None:
    judgement = judge(under(HUNG), ID, 1, 3 * SECOND)
    assert (judgement.hang_until_ns, judgement.work_ms, judgement.status) == (4 * SECOND, 20.0, None)


def test_of_two_hangs_the_later_end_counts() -> None:
    longer = replace(HUNG, name="longer", end_ns=6 * SECOND)
    assert judge(under(longer, HUNG), ID, 1, 3 * SECOND).hang_until_ns == 6 * SECOND


def test_the_same_registration_meets_the_same_fate_on_every_instance() -> None:
    settings = replace(SETTINGS, error_rate=0.5, latency=Latency("exponential", (20.0,)))
    other = replace(settings, instance=3, concurrency=1)
    assert [judge(settings, id_, 1, 0) for id_ in IDS] == [judge(other, id_, 1, 0) for id_ in IDS]


def test_services_do_not_share_their_luck() -> None:
    settings = replace(SETTINGS, latency=Latency("exponential", (20.0,)))
    other = replace(settings, service="cache")
    assert judge(settings, ID, 1, 0).work_ms != judge(other, ID, 1, 0).work_ms


@pytest.mark.parametrize("fault", [SLOW, BROKEN, HUNG], ids=lambda fault: fault.name)
def test_settings_survive_the_way_to_the_process(fault: WorkFault) -> None:
    settings = replace(under(fault), error_rate=0.25, concurrency=7, block_seed=2**64 - 1)
    assert msgspec.json.decode(msgspec.json.encode(settings), type=WorkSettings) == settings
