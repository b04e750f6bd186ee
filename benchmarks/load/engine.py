"""The engine: sends what its executor says is due, and sees each arrival to its outcome."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Protocol

from benchmarks.load.event_loop import Timer
from benchmarks.load.executors.port import DueArrival, Executor
from benchmarks.load.http.exchange import Exchange
from benchmarks.load.recorder import Recorder
from benchmarks.load.rows import Outcome

ARRIVALS_PER_TURN = 16
"""How many are sent before the event loop has its turn. Where each has to open a connection, which takes as long as two
or three sends, a loop that went on for as long as any was due would be fed faster than it works, and send nothing."""


class Dispatcher(Protocol):
    """Sends exchanges, and notifies each exchange's listener."""

    def dispatch(self, exchange: Exchange) -> None: ...
    def open_spares(self) -> None: ...
    def top_up(self) -> None: ...


class Engine:
    """Runs one load model. All times are absolute.

    Nothing here waits: the timer wakes it, replies call it. With a constant timeout and arrivals in order of intended
    time the deadlines are in order too, so those under way form a queue and one timer serves arrivals and deadlines.
    """

    def __init__(
        self,
        executor: Executor,
        timeout_ns: int,
        max_in_flight: int,
        client: Dispatcher,
        recorder: Recorder,
        timer: Timer,
        clock_ns: Callable[[], int],
        on_finished: Callable[[], None],
    ) -> None:
        self._executor = executor
        self._timeout_ns = timeout_ns
        self._max_in_flight = max_in_flight
        self._client = client
        self._recorder = recorder
        self._timer = timer
        self._clock_ns = clock_ns
        self._on_finished = on_finished
        self._under_way: deque[Exchange] = deque()
        self.in_flight = 0
        self.finished = False  # no arrival will come any more, and every one has its outcome

    def begin(self, start_ns: int) -> None:
        """Run; scenario time 0 is at `start_ns`."""
        self._recorder.begin(start_ns)
        self._executor.begin(start_ns)
        self._check_finished()
        self._client.open_spares()
        self._arm()

    def wake(self) -> None:
        """The timer rang: send what is due, give up on what is overdue, then use the pause that follows.

        What is still due after a turn's share follows in the next turn: the timer is set to a time that has passed.
        """
        now_ns = self._clock_ns()
        for _ in range(ARRIVALS_PER_TURN):
            arrival = self._executor.due(now_ns)
            if arrival is None:
                break
            self._arrive(arrival, now_ns)
            now_ns = self._clock_ns()
        is_pause = arrival is None
        self._expire(now_ns)
        self._check_finished()
        self._arm()
        if is_pause:
            self._executor.prepare()
            self._client.top_up()

    def _arrive(self, arrival: DueArrival, now_ns: int) -> None:
        position, intended_ns, payload = arrival
        deadline_ns = intended_ns + self._timeout_ns
        exchange = Exchange(
            position,
            payload.index,
            payload.registration_id,
            payload.request,
            intended_ns,
            deadline_ns,
            listener=self,
        )
        self.in_flight += 1
        if self.in_flight > self._max_in_flight or now_ns > deadline_ns:
            self._drop(exchange)
            return
        self._under_way.append(exchange)
        self._client.dispatch(exchange)

    def sent(self, exchange: Exchange) -> None:
        """See ExchangeListener."""
        self._recorder.sent(exchange)

    def answered(self, exchange: Exchange, status: int, body_length: int, answered_ns: int) -> None:
        """See ExchangeListener. A reply past the deadline counts as none: the person has gone."""
        if answered_ns > exchange.deadline_ns:
            self.unanswered(exchange, "no whole reply in time")
            return
        self._recorder.answered(exchange, Outcome.of_status(status), status, body_length, answered_ns)
        self._settle(exchange, answered_ns)

    def unanswered(self, exchange: Exchange, reason: str) -> None:
        """See ExchangeListener."""
        now_ns = self._clock_ns()
        outcome = Outcome.of_silence(first_byte_sent=exchange.sent_ns != 0)
        self._recorder.unanswered(exchange, outcome, reason, now_ns)
        self._settle(exchange, now_ns)

    def unsendable(self, exchange: Exchange, _reason: str) -> None:
        """See ExchangeListener. A limit of the generator, so it counts as dropped."""
        self._drop(exchange)

    def _drop(self, exchange: Exchange) -> None:
        self._recorder.dropped(exchange.position)
        self._settle(exchange, self._clock_ns())

    def _settle(self, exchange: Exchange, now_ns: int) -> None:
        exchange.settled = True
        self.in_flight -= 1
        if self._executor.settled(exchange, now_ns):
            self._arm()
        self._check_finished()

    def _expire(self, now_ns: int) -> None:
        while self._under_way:
            exchange = self._under_way[0]
            if not exchange.settled:
                if exchange.deadline_ns > now_ns:
                    return
                if exchange.connection is not None:
                    exchange.connection.abandon()
                self.unanswered(exchange, "no whole reply in time")
            self._under_way.popleft()

    def _arm(self) -> None:
        at_ns = self._executor.next_ns()
        if self._under_way:
            deadline_ns = self._under_way[0].deadline_ns
            at_ns = deadline_ns if at_ns is None else min(at_ns, deadline_ns)
        if at_ns is None:
            self._timer.disarm()
        else:
            self._timer.arm(at_ns)

    def _check_finished(self) -> None:
        if not self.in_flight and self._executor.over and not self.finished:
            self.finished = True
            self._timer.disarm()
            self._on_finished()
