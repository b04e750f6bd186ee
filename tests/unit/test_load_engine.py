"""The engine and its pacer, on a clock that only moves when told."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from benchmarks.load.engine import Engine
from benchmarks.load.exchange import Exchange
from benchmarks.load.pacer import Pacer
from benchmarks.load.payloads import Payload
from benchmarks.load.recorder import Recorder, Report
from benchmarks.load.rows import NO_TIME, SCHEDULE_DTYPE, Outcome, Rows, read

START_NS = 1_000_000
TIMEOUT_NS = 1_000


class FakeClock:
    now_ns = START_NS

    def __call__(self) -> int:
        return self.now_ns


class FakeTimer:
    at_ns: int | None = None

    def arm(self, at_ns: int) -> None:
        self.at_ns = at_ns

    def disarm(self) -> None:
        self.at_ns = None


class FakePayloads:
    def __init__(self) -> None:
        self.taken = 0

    def take(self) -> Payload:
        self.taken += 1
        return Payload(f"id-{self.taken - 1}", b"request %d" % (self.taken - 1))

    def refill(self) -> None: ...


class FakeCarrier:
    abandoned = False

    def abandon(self) -> None:
        self.abandoned = True


class FakeClient:
    """Sends at once where `connected`, and keeps every exchange for the test to end."""

    def __init__(self, clock: FakeClock) -> None:
        self.clock = clock
        self.connected = True
        self.exchanges: list[Exchange] = []

    def dispatch(self, exchange: Exchange) -> None:
        self.exchanges.append(exchange)
        exchange.carrier = FakeCarrier()
        if self.connected:
            exchange.sent_ns = self.clock.now_ns
            exchange.listener.sent(exchange)

    def top_up(self) -> None: ...


class Bench:
    """An engine with fakes around it and real rows below."""

    def __init__(self, path: Path, intended_ns: Sequence[int], max_in_flight: int = 10) -> None:
        schedule = np.zeros(len(intended_ns), SCHEDULE_DTYPE)
        schedule["index"] = np.arange(len(intended_ns))
        schedule["intended_ns"] = intended_ns
        self.path = path / "load.rows"
        self.clock = FakeClock()
        self.timer = FakeTimer()
        self.client = FakeClient(self.clock)
        self.finished = 0
        self.payloads = FakePayloads()
        self.recorder = Recorder(Rows(self.path, schedule), schedule["index"].tolist(), on_report=lambda: None)
        self.engine = Engine(
            intended_ns=list(intended_ns),
            timeout_ns=TIMEOUT_NS,
            max_in_flight=max_in_flight,
            payloads=self.payloads,
            client=self.client,
            recorder=self.recorder,
            timer=self.timer,
            clock_ns=self.clock,
            on_finished=self._finish,
        )
        self.engine.begin(START_NS)

    def _finish(self) -> None:
        self.finished += 1

    def at(self, scenario_ns: int) -> None:
        self.clock.now_ns = START_NS + scenario_ns
        self.engine.wake()

    def answer(self, position: int, status: int = 201) -> None:
        self.engine.answered(self.client.exchanges[position], status, 2, self.clock.now_ns)

    @property
    def outcomes(self) -> list[Outcome]:
        return [Outcome(code) for code in read(self.path)["outcome"]]

    def reports(self) -> list[Report]:
        found = []
        while (report := self.recorder.take_report()) is not None:
            found.append(report)
        return found


def test_the_pacer_gives_out_each_arrival_once_when_it_is_due() -> None:
    pacer = Pacer([10, 20, 20, 30])
    assert pacer.due(9) is None
    assert pacer.due(10) == 0
    assert pacer.due(10) is None
    assert pacer.next_ns() == 20
    assert [pacer.due(25), pacer.due(25), pacer.due(25)] == [1, 2, None]
    assert pacer.due(99) == 3
    assert (pacer.due(99), pacer.next_ns()) == (None, None)


def test_arrivals_go_out_at_their_time_whether_earlier_ones_were_answered_or_not(tmp_path: Path) -> None:
    bench = Bench(tmp_path, [-50, 0, 70])
    assert bench.timer.at_ns == START_NS - 50
    bench.at(-50)
    bench.at(0)
    assert [exchange.request for exchange in bench.client.exchanges] == [b"request 0", b"request 1"]
    assert bench.timer.at_ns == START_NS + 70


def test_a_late_engine_sends_all_that_is_due_and_the_delay_shows(tmp_path: Path) -> None:
    bench = Bench(tmp_path, [0, 10, 20])
    bench.at(25)
    rows = read(bench.path)
    assert (rows["sent_ns"] - rows["intended_ns"]).tolist() == [25, 15, 5]


def test_times_in_the_rows_are_scenario_times(tmp_path: Path) -> None:
    bench = Bench(tmp_path, [5])
    bench.at(6)
    bench.clock.now_ns += 4
    bench.answer(0)
    assert read(bench.path)[0].tolist()[:6] == (0, 5, 6, 10, 201, Outcome.ACKED)


def test_a_reply_ends_its_arrival_and_the_last_one_the_run(tmp_path: Path) -> None:
    bench = Bench(tmp_path, [0, 0, 0])
    bench.at(0)
    bench.answer(1, 500)
    bench.answer(0, 201)
    assert bench.finished == 0
    bench.answer(2, 429)
    assert bench.outcomes == [Outcome.ACKED, Outcome.FAILED, Outcome.REFUSED]
    assert bench.finished == 1
    assert bench.timer.at_ns is None


def test_the_timeout_counts_from_the_intended_time(tmp_path: Path) -> None:
    bench = Bench(tmp_path, [0])
    bench.at(600)  # sent 600 ns late
    assert bench.timer.at_ns == START_NS + TIMEOUT_NS
    bench.at(TIMEOUT_NS)
    assert bench.outcomes == [Outcome.INDETERMINATE]
    assert read(bench.path)["answered_ns"][0] == NO_TIME
    carrier = bench.client.exchanges[0].carrier
    assert isinstance(carrier, FakeCarrier)
    assert carrier.abandoned
    assert bench.finished == 1


def test_a_reply_after_the_deadline_counts_as_none_even_before_the_timer_rang(tmp_path: Path) -> None:
    bench = Bench(tmp_path, [0])
    bench.at(0)
    bench.clock.now_ns = START_NS + TIMEOUT_NS + 1
    bench.answer(0)
    assert bench.outcomes == [Outcome.INDETERMINATE]
    assert bench.reports()[0].answered_ns is None


def test_whoever_never_connected_by_the_deadline_was_refused(tmp_path: Path) -> None:
    bench = Bench(tmp_path, [0])
    bench.client.connected = False
    bench.at(0)
    bench.at(TIMEOUT_NS)
    assert bench.outcomes == [Outcome.REFUSED]
    assert read(bench.path)["sent_ns"][0] == NO_TIME


def test_deadlines_pass_in_order_around_what_was_answered(tmp_path: Path) -> None:
    bench = Bench(tmp_path, [0, 100, 200])
    for time_ns in (0, 100, 200):
        bench.at(time_ns)
    bench.answer(0)
    bench.at(TIMEOUT_NS + 100)
    assert bench.outcomes == [Outcome.ACKED, Outcome.INDETERMINATE, Outcome.PENDING]
    assert bench.timer.at_ns == START_NS + TIMEOUT_NS + 200


@pytest.mark.parametrize(("sent", "outcome"), [(True, Outcome.INDETERMINATE), (False, Outcome.REFUSED)])
def test_a_cut_is_judged_by_whether_a_byte_was_sent(tmp_path: Path, sent: bool, outcome: Outcome) -> None:
    bench = Bench(tmp_path, [0])
    bench.client.connected = sent
    bench.at(0)
    bench.engine.unanswered(bench.client.exchanges[0], "cut")
    assert bench.outcomes == [outcome]
    assert bench.finished == 1


def test_beyond_max_in_flight_arrivals_are_dropped_and_later_ones_go_on(tmp_path: Path) -> None:
    bench = Bench(tmp_path, [0, 0, 0, 10], max_in_flight=2)
    bench.at(0)
    assert bench.outcomes == [Outcome.PENDING, Outcome.PENDING, Outcome.DROPPED, Outcome.PENDING]
    bench.answer(0)
    bench.at(10)
    assert [exchange.position for exchange in bench.client.exchanges] == [0, 1, 3]
    assert bench.client.exchanges[2].request == b"request 3"
    assert bench.engine.in_flight == 2


def test_an_arrival_whose_turn_comes_after_its_deadline_is_dropped(tmp_path: Path) -> None:
    bench = Bench(tmp_path, [0, 500])
    bench.at(TIMEOUT_NS + 1)
    assert bench.outcomes == [Outcome.DROPPED, Outcome.PENDING]


def test_what_this_machine_could_not_send_is_dropped(tmp_path: Path) -> None:
    bench = Bench(tmp_path, [0])
    bench.client.connected = False
    bench.at(0)
    bench.engine.unsendable(bench.client.exchanges[0], "no port left")
    assert bench.outcomes == [Outcome.DROPPED]


def test_every_end_but_a_drop_is_reported(tmp_path: Path) -> None:
    bench = Bench(tmp_path, [0, 0, 0], max_in_flight=2)
    bench.at(0)
    bench.clock.now_ns += 30
    bench.answer(0)
    bench.engine.unanswered(bench.client.exchanges[1], "cut")
    first, second = bench.reports()
    assert (first.registration_id, first.outcome, first.status, first.answered_ns) == ("id-0", Outcome.ACKED, 201, 30)
    assert (second.outcome, second.reason, second.answered_ns, second.ended_ns) == (
        Outcome.INDETERMINATE,
        "cut",
        None,
        30,
    )


def test_an_empty_schedule_is_over_at_once(tmp_path: Path) -> None:
    bench = Bench(tmp_path, [])
    assert bench.finished == 1
    assert bench.timer.at_ns is None
