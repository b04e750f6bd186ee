"""The recorder: each fact goes to the rows first, then into the counts, then to what fires Locust's events.

It is called straight from the engine, not as a Locust listener: Locust swallows what a listener raises, and a run with
holes in its record is worthless. An error here ends it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from benchmarks.load.http.exchange import Exchange
from benchmarks.load.rows import NO_TIME, Outcome, Rows


@dataclass(frozen=True, slots=True)
class RequestEvent:
    """What Locust's `request` event says of one exchange that was not dropped. Times are scenario ns."""

    index: int
    registration_id: str
    intended_ns: int
    sent_ns: int | None
    answered_ns: int | None
    ended_ns: int
    outcome: Outcome
    status: int
    body_length: int
    reason: str


class Recorder:
    """Writes rows, counts outcomes and queues events until `take_event` fetches them.

    An event that nothing wants is not made: `is_wanted` says whether anything listens at that moment.
    """

    def __init__(self, rows: Rows, on_event: Callable[[], None], is_wanted: Callable[[], bool]) -> None:
        self._rows = rows
        self._on_event = on_event
        self._is_wanted = is_wanted
        self._events: deque[RequestEvent] = deque()
        self._start_ns = 0
        self.sent_count = 0
        self.answered_count = 0
        self.settled_count = 0

    def begin(self, start_ns: int) -> None:
        """Scenario time 0 is at `start_ns` of the absolute clock."""
        self._start_ns = start_ns

    def sent(self, exchange: Exchange) -> None:
        self._rows.sent(exchange.position, exchange.sent_ns - self._start_ns)
        self.sent_count += 1

    def dropped(self, position: int) -> None:
        self._rows.settled(position, Outcome.DROPPED, 0, NO_TIME)
        self.settled_count += 1

    def answered(self, exchange: Exchange, outcome: Outcome, status: int, body_length: int, answered_ns: int) -> None:
        self._rows.settled(exchange.position, outcome, status, answered_ns - self._start_ns)
        self.answered_count += 1
        self.settled_count += 1
        self._queue_event(exchange, outcome, answered_ns, status=status, body_length=body_length)

    def unanswered(self, exchange: Exchange, outcome: Outcome, reason: str, now_ns: int) -> None:
        self._rows.settled(exchange.position, outcome, 0, NO_TIME)
        self.settled_count += 1
        self._queue_event(exchange, outcome, now_ns, reason=reason)

    def take_event(self) -> RequestEvent | None:
        """The oldest event not taken yet; None if there is none."""
        return self._events.popleft() if self._events else None

    def _queue_event(
        self,
        exchange: Exchange,
        outcome: Outcome,
        ended_ns: int,
        *,
        status: int = 0,
        body_length: int = 0,
        reason: str = "",
    ) -> None:
        if not self._is_wanted():
            return
        ended_ns -= self._start_ns
        event = RequestEvent(
            index=exchange.index,
            registration_id=exchange.registration_id,
            intended_ns=exchange.intended_ns - self._start_ns,
            sent_ns=exchange.sent_ns - self._start_ns if exchange.sent_ns else None,
            answered_ns=ended_ns if status else None,
            ended_ns=ended_ns,
            outcome=outcome,
            status=status,
            body_length=body_length,
            reason=reason,
        )
        self._events.append(event)
        self._on_event()
