"""The engine and its executors, on a clock that only moves when told."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from benchmarks.load.engine import ARRIVALS_PER_TURN, Engine
from benchmarks.load.executors.constant_vus import RETRY_NS, ConstantVus
from benchmarks.load.executors.open import Open
from benchmarks.load.executors.port import Executor
from benchmarks.load.http.exchange import Exchange
from benchmarks.load.recorder import Recorder, RequestEvent
from benchmarks.load.rows import NO_TIME, SCHEDULE_DTYPE, Outcome, read
from benchmarks.load.settings import ConstantVusSettings, OpenSettings, load_settings
from registration.luck import registration_id

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


class FakeConnection:
    abandoned = False

    def abandon(self) -> None:
        self.abandoned = True


class FakeClient:
    """Sends at once where `connected`, and keeps every exchange for the test to end."""

    def __init__(self, clock: FakeClock) -> None:
        self.clock = clock
        self.connected = True
        self.topped_up = 0
        self.exchanges: list[Exchange] = []

    def dispatch(self, exchange: Exchange) -> None:
        self.exchanges.append(exchange)
        exchange.connection = FakeConnection()
        if self.connected:
            exchange.sent_ns = self.clock.now_ns
            exchange.listener.sent(exchange)

    def open_spares(self) -> None: ...

    def top_up(self) -> None:
        self.topped_up += 1


def told(path: Path, executor: str, **more: object) -> dict[str, object]:
    settings = {
        "addresses": [["127.0.0.1", 8001]],
        "path": "/registrations",
        "executor": executor,
        "keys": None,
        "block_seed": 7,
        "timeout_ms": TIMEOUT_NS / 1e6,
        "max_in_flight": 10,
        "rows": str(path / "load.rows"),
    }
    return {"role": "load", "settings": {**settings, **more}}


def open_loop(path: Path, intended_ns: Sequence[int]) -> Open:
    schedule = np.zeros(len(intended_ns), SCHEDULE_DTYPE)
    schedule["index"] = np.arange(len(intended_ns))
    schedule["intended_ns"] = intended_ns
    np.save(path / "schedule.npy", schedule)
    found = load_settings(told(path, "open", schedule=str(path / "schedule.npy")))
    assert isinstance(found, OpenSettings)
    return Open(found)


def closed_loop(path: Path, vus: int, warmup_ns: int = 100, duration_ns: int = 10_000) -> ConstantVus:
    span = {"warmup_ms": warmup_ns / 1e6, "duration_ms": duration_ns / 1e6}
    found = load_settings(told(path, "constant-vus", vus=vus, **span))
    assert isinstance(found, ConstantVusSettings)
    return ConstantVus(found)


class Bench:
    """An engine with fakes around it, a real executor in it and real rows below."""

    def __init__(self, path: Path, load: Sequence[int] | Executor, max_in_flight: int = 10) -> None:
        executor = open_loop(path, load) if isinstance(load, Sequence) else load
        self.path = path / "load.rows"
        self.clock = FakeClock()
        self.timer = FakeTimer()
        self.client = FakeClient(self.clock)
        self.finished = 0
        self.listened = True
        self.recorder = Recorder(executor.rows, on_event=lambda: None, is_wanted=lambda: self.listened)
        self.engine = Engine(
            executor=executor,
            timeout_ns=TIMEOUT_NS,
            max_in_flight=max_in_flight,
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

    def events(self) -> list[RequestEvent]:
        found = []
        while (event := self.recorder.take_event()) is not None:
            found.append(event)
        return found


def test_arrivals_go_out_at_their_time_whether_earlier_ones_were_answered_or_not(tmp_path: Path) -> None:
    bench = Bench(tmp_path, [-50, 0, 70])
    assert bench.timer.at_ns == START_NS - 50
    bench.at(-50)
    bench.at(0)
    assert [exchange.index for exchange in bench.client.exchanges] == [0, 1]
    assert bench.timer.at_ns == START_NS + 70


def test_a_late_engine_sends_all_that_is_due_and_the_delay_shows(tmp_path: Path) -> None:
    bench = Bench(tmp_path, [0, 10, 20])
    bench.at(25)
    rows = read(bench.path)
    assert (rows["sent_ns"] - rows["intended_ns"]).tolist() == [25, 15, 5]


def test_a_burst_leaves_the_event_loop_its_turns_and_work_ahead_waits_until_it_is_over(tmp_path: Path) -> None:
    bench = Bench(tmp_path, [0] * (2 * ARRIVALS_PER_TURN + 1), max_in_flight=100)
    for sent in (ARRIVALS_PER_TURN, 2 * ARRIVALS_PER_TURN):
        bench.at(5)
        assert len(bench.client.exchanges) == sent
        assert bench.timer.at_ns is not None
        assert bench.timer.at_ns <= bench.clock.now_ns  # again at once
        assert bench.client.topped_up == 0
    bench.at(5)
    assert len(bench.client.exchanges) == 2 * ARRIVALS_PER_TURN + 1
    assert bench.timer.at_ns == START_NS + TIMEOUT_NS
    assert bench.client.topped_up == 1


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
    connection = bench.client.exchanges[0].connection
    assert isinstance(connection, FakeConnection)
    assert connection.abandoned
    assert bench.finished == 1


def test_a_reply_after_the_deadline_counts_as_none_even_before_the_timer_rang(tmp_path: Path) -> None:
    bench = Bench(tmp_path, [0])
    bench.at(0)
    bench.clock.now_ns = START_NS + TIMEOUT_NS + 1
    bench.answer(0)
    assert bench.outcomes == [Outcome.INDETERMINATE]
    assert bench.events()[0].answered_ns is None


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
    assert b"user-3@" in bench.client.exchanges[2].request
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


def test_every_end_but_a_drop_makes_an_event(tmp_path: Path) -> None:
    bench = Bench(tmp_path, [0, 0, 0], max_in_flight=2)
    bench.at(0)
    bench.clock.now_ns += 30
    bench.answer(0)
    bench.engine.unanswered(bench.client.exchanges[1], "cut")
    first, second = bench.events()
    assert (first.index, first.outcome, first.status, first.answered_ns) == (0, Outcome.ACKED, 201, 30)
    assert first.registration_id == str(registration_id(7, 0))
    assert (second.outcome, second.reason, second.answered_ns, second.ended_ns) == (
        Outcome.INDETERMINATE,
        "cut",
        None,
        30,
    )


def test_no_event_is_made_while_nobody_listens(tmp_path: Path) -> None:
    bench = Bench(tmp_path, [0, 0])
    bench.at(0)
    bench.listened = False
    bench.answer(0)
    assert bench.events() == []
    bench.listened = True
    bench.answer(1)
    assert [event.index for event in bench.events()] == [1]
    assert bench.outcomes == [Outcome.ACKED] * 2


def test_an_empty_schedule_is_over_at_once(tmp_path: Path) -> None:
    bench = Bench(tmp_path, [])
    assert bench.finished == 1
    assert bench.timer.at_ns is None


def test_the_open_loop_gives_out_each_arrival_once_when_it_is_due(tmp_path: Path) -> None:
    executor = open_loop(tmp_path, [10, 20, 20, 30])
    executor.begin(0)

    def due(now_ns: int) -> int | None:
        arrival = executor.due(now_ns)
        return None if arrival is None else arrival.position

    assert [due(9), due(10), due(10)] == [None, 0, None]
    assert executor.next_ns() == 20
    assert [due(25), due(25), due(25)] == [1, 2, None]
    assert not executor.over
    assert due(99) == 3
    assert (due(99), executor.next_ns(), executor.over) == (None, None, True)


def test_each_user_of_the_closed_loop_comes_again_when_the_last_answer_is_there(tmp_path: Path) -> None:
    bench = Bench(tmp_path, closed_loop(tmp_path, vus=2))
    assert bench.timer.at_ns == START_NS - 100
    bench.at(-100)
    assert [exchange.index for exchange in bench.client.exchanges] == [-1, -2]
    assert bench.timer.at_ns == START_NS - 100 + TIMEOUT_NS  # nothing to send until somebody is free
    bench.clock.now_ns = START_NS + 40
    bench.answer(0)
    assert bench.timer.at_ns is not None
    assert bench.timer.at_ns <= START_NS + 40  # at once
    bench.at(41)
    assert [exchange.index for exchange in bench.client.exchanges] == [-1, -2, 0]
    assert read(bench.path)[["index", "intended_ns", "sent_ns"]].tolist() == [
        (-1, -100, -100),
        (-2, -100, -100),
        (0, 41, 41),
    ]


def test_the_closed_loop_sends_no_more_after_its_end_and_waits_for_the_last_answer(tmp_path: Path) -> None:
    bench = Bench(tmp_path, closed_loop(tmp_path, vus=2, duration_ns=500))
    bench.at(0)
    bench.clock.now_ns = START_NS + 499
    bench.answer(0)
    bench.at(500)
    assert len(bench.client.exchanges) == 2
    assert bench.finished == 0
    assert bench.timer.at_ns == START_NS + TIMEOUT_NS
    bench.answer(1)
    assert bench.finished == 1
    assert bench.timer.at_ns is None
    assert bench.outcomes == [Outcome.ACKED] * 2


def test_a_closed_loop_whose_last_answer_is_the_news_of_its_end_is_over(tmp_path: Path) -> None:
    bench = Bench(tmp_path, closed_loop(tmp_path, vus=1, duration_ns=500))
    bench.at(0)
    bench.clock.now_ns = START_NS + 600
    bench.answer(0)
    bench.engine.wake()
    assert (len(bench.client.exchanges), bench.finished, bench.timer.at_ns) == (1, 1, None)


def test_a_user_who_gets_no_answer_comes_again_after_the_timeout(tmp_path: Path) -> None:
    bench = Bench(tmp_path, closed_loop(tmp_path, vus=1))
    bench.at(0)
    bench.at(TIMEOUT_NS)
    bench.engine.wake()
    assert bench.outcomes == [Outcome.INDETERMINATE, Outcome.PENDING]
    assert read(bench.path)["intended_ns"].tolist() == [0, TIMEOUT_NS]


def test_users_of_a_server_that_refuses_them_do_not_run_hot(tmp_path: Path) -> None:
    bench = Bench(tmp_path, closed_loop(tmp_path, vus=2, duration_ns=10 * RETRY_NS))
    bench.client.connected = False
    bench.at(0)
    for position in (0, 1):
        bench.engine.unanswered(bench.client.exchanges[position], "not connected: Connection refused")
    bench.engine.wake()
    assert bench.timer.at_ns == START_NS + RETRY_NS
    bench.at(RETRY_NS)
    assert len(bench.client.exchanges) == 4


def test_a_closed_loop_that_can_send_nothing_ends(tmp_path: Path) -> None:
    bench = Bench(tmp_path, closed_loop(tmp_path, vus=3, duration_ns=10 * RETRY_NS), max_in_flight=2)

    def refuse(exchange: Exchange) -> None:
        exchange.listener.unsendable(exchange, "no descriptor left")

    bench.client.dispatch = refuse  # type: ignore[method-assign]
    wakes = 0
    while bench.timer.at_ns is not None and not bench.finished:
        bench.at(bench.timer.at_ns - START_NS)
        wakes += 1
    assert bench.finished == 1
    assert set(bench.outcomes) == {Outcome.DROPPED}
    assert wakes <= 12
