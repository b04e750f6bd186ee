"""Locust around the engine: its environment, runner, user and events, so that its listeners and plugins work.

One Locust user stands for all arrivals. The engine sends and records from the event loop; the user's greenlet fires
Locust's events after the fact, so a listener may wait without holding up an arrival. What a listener computes does
take its time from the one core that all share.
"""

from __future__ import annotations

import importlib
import logging
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

import gevent
from gevent.event import AsyncResult, Event
from locust import User, events, task
from locust.env import Environment
from locust.event import EventHook
from locust.exception import StopUser
from locust.runners import LocalRunner, Runner
from locust.stats import RequestStats

from benchmarks.load.recorder import Recorder, RequestEvent
from benchmarks.load.rows import Outcome
from benchmarks.load.settings import Settings
from registration.address import Address
from registration.runtime.role import RoleError

logger = logging.getLogger(__name__)

PLUGINS_VARIABLE = "BENCH_LOCUST_PLUGINS"
"""Environment variable: Locust plugin modules to import, separated by commas."""

_QUIT_LIMIT_S = 0.5


class NotAckedError(Exception):
    """What Locust's `request` event carries as its exception: the outcome, and the status or the reason."""


class _NoStats(RequestStats):
    """Locust's statistics round every time to two digits; nothing here reads them, so nothing is spent on them."""

    def log_request(self, *_: object) -> None: ...
    def log_error(self, *_: object) -> None: ...


AnyRunner = TypeVar("AnyRunner", bound=Runner)


class Carrier(Generic[AnyRunner]):
    """Fires Locust's events, and runs the load as the work of one Locust user.

    On the usual runner `start` spawns that user; on a worker's runner the master does.
    """

    def __init__(
        self,
        plugins: Sequence[str],
        make_runner: Callable[[Environment], AnyRunner],
        host: Address | None = None,
    ) -> None:
        """Import `plugins` (module names), which register their listeners as in a locustfile, and fire `init`.

        `host` is what listeners see as Locust's host; a worker's runner learns it from the master.
        """
        self._over = self._began = self._has_quit = False
        self._begin: AsyncResult[Callable[[], None]] = AsyncResult()
        for plugin in plugins:
            importlib.import_module(plugin)
        # Locust's global events: what the decorators of locustfiles and plugins add their listeners to.
        self._environment = Environment(
            user_classes=[self._user_class()],
            events=events,
            host=None if host is None else f"http://{host[0]}:{host[1]}",
        )
        self._environment.stats = _NoStats()
        listeners = len(events.request._handlers)
        self.runner = make_runner(self._environment)
        # The runner's own listener feeds the statistics, which are off.
        for listener in events.request._handlers[listeners:]:
            events.request.remove_listener(listener)  # type: ignore[no-untyped-call]
        self._environment.runner = self.runner
        _fire(events.init, environment=self._environment, runner=self.runner, web_ui=None)

    def attach(self, recorder: Recorder, news: Event, settings: Settings) -> None:
        """The recorder whose events to fire; `news` is set where it has new ones."""
        self._recorder = recorder
        self._news = news
        self._name = settings.path

    def start(self, begin: Callable[[], None]) -> None:
        """Have the user call `begin`, and on the usual runner fire `test_start` and spawn it."""
        self._begin.set(begin)
        if isinstance(self.runner, LocalRunner):
            self.runner.start(user_count=1, spawn_rate=1)

    def finish(self, limit_s: float) -> None:
        """No more events will come: let the user fire the last ones and go, at most `limit_s` long."""
        self._over = True
        self._news.set()
        if not self.runner.user_greenlets.join(limit_s):
            logger.warning("a Locust listener is too slow: it misses the last events")

    @staticmethod
    def anybody_listens() -> bool:
        """Whether anything listens to the event that says what became of an arrival."""
        return bool(events.request._handlers)  # Locust has no public way to ask

    def check_not_stopped(self) -> None:
        """Raises RoleError where the user has ended: a listener stopped the test."""
        if self._began and self.runner.user_count == 0:
            raise RoleError("a Locust listener stopped the test", f"run without it ({PLUGINS_VARIABLE})")

    def quit(self) -> None:
        """Fire `test_stop`, `quitting` and `quit`, once. Bounded: a listener that hangs does not keep the process."""
        if self._has_quit:
            return
        self._has_quit = True
        with gevent.Timeout(_QUIT_LIMIT_S, False):
            self.runner.quit()
            _fire(events.quitting, environment=self._environment, reverse=True)
            _fire(events.quit, exit_code=self._environment.process_exit_code or 0)

    def _user_class(self) -> type[User]:
        carrier = self

        class RegistrationUser(User):
            """All the people who register."""

            def on_start(self) -> None:
                carrier._began = True
                carrier._begin.get()()

            @task
            def register(self) -> None:
                carrier._fire_requests()
                raise StopUser

        return RegistrationUser

    def _fire_requests(self) -> None:
        while True:
            while (event := self._recorder.take_event()) is not None:
                self._fire_request(event)
            if self._over:
                return
            self._news.clear()
            self._news.wait()

    def _fire_request(self, event: RequestEvent) -> None:
        acked = event.outcome is Outcome.ACKED
        _fire(
            events.request,
            request_type="POST",
            name=self._name,
            response_time=(event.ended_ns - event.intended_ns) / 1e6,
            response_length=event.body_length,
            exception=None if acked else NotAckedError(f"{event.outcome.name.lower()}: {event.reason or event.status}"),
            context={
                "registration_id": event.registration_id,
                "index": event.index,
                "outcome": event.outcome.name.lower(),
                "status": event.status,
                "intended_ns": event.intended_ns,
                "sent_ns": event.sent_ns,
                "answered_ns": event.answered_ns,
            },
        )


def _fire(hook: EventHook, **arguments: object) -> None:
    hook.fire(**arguments)  # type: ignore[no-untyped-call]
