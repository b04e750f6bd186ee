"""Locust around the engine: its environment, runner, user and events, so that its listeners and plugins work.

One Locust user stands for all arrivals. The engine sends and records from the event loop; the user's greenlet fires
Locust's events after the fact, so a listener may wait without holding up an arrival. What a listener computes does
take its time from the one core that all share.
"""

from __future__ import annotations

import importlib
import logging
from collections.abc import Callable, Sequence

import gevent
from gevent.event import Event
from locust import User, events, task
from locust.env import Environment
from locust.event import EventHook
from locust.exception import StopUser
from locust.stats import RequestStats

from benchmarks.load.recorder import Recorder, Report
from benchmarks.load.rows import Outcome
from benchmarks.load.settings import Settings

logger = logging.getLogger(__name__)

_QUIT_LIMIT_S = 0.5


class NotAckedError(Exception):
    """What Locust's `request` event carries as its exception: the outcome, and the status or the reason."""


class _NoStats(RequestStats):
    """Locust's statistics round every time to two digits; nothing here reads them, so nothing is spent on them."""

    def log_request(self, *_: object) -> None: ...
    def log_error(self, *_: object) -> None: ...


class Carrier:
    """Runs `begin` as the work of one Locust user and fires an event for each report.

    `news` is set where the recorder has new reports.
    """

    def __init__(self, recorder: Recorder, news: Event, settings: Settings, plugins: Sequence[str] = ()) -> None:
        """Import `plugins` (module names), which register their listeners as in a locustfile, and fire `init`."""
        self._recorder = recorder
        self._name = settings.path
        self._news = news
        self._over = False
        self._began = False
        self._begin: Callable[[], None] = lambda: None
        host, port = settings.addresses[0]
        for plugin in plugins:
            importlib.import_module(plugin)
        # Locust's global events: what the decorators of locustfiles and plugins add their listeners to.
        self._environment = Environment(user_classes=[self._user_class()], events=events, host=f"http://{host}:{port}")
        self._environment.stats = _NoStats()
        self._runner = self._environment.create_local_runner()
        _fire(events.init, environment=self._environment, runner=self._runner, web_ui=None)

    def start(self, begin: Callable[[], None]) -> None:
        """Fire `test_start` and spawn the user, which calls `begin`."""
        self._begin = begin
        self._runner.start(user_count=1, spawn_rate=1)

    def finish(self, limit_s: float) -> None:
        """No more reports will come: let the user fire the last ones and go, at most `limit_s` long."""
        self._over = True
        self._news.set()
        if not self._runner.user_greenlets.join(limit_s):
            logger.warning("a Locust listener is too slow: it misses the last events")

    @property
    def stopped(self) -> bool:
        """The user came and went: a listener stopped the test."""
        return self._began and self._runner.user_count == 0

    def quit(self) -> None:
        """Fire `test_stop`, `quitting` and `quit`. Bounded: a listener that hangs does not keep the process."""
        with gevent.Timeout(_QUIT_LIMIT_S, False):
            self._runner.quit()
            _fire(events.quitting, environment=self._environment, reverse=True)
            _fire(events.quit, exit_code=self._environment.process_exit_code or 0)

    def _user_class(self) -> type[User]:
        carrier = self

        class RegistrationUser(User):
            """All the people who register."""

            def on_start(self) -> None:
                carrier._began = True
                carrier._begin()

            @task
            def register(self) -> None:
                carrier._fire_reports()
                raise StopUser

        return RegistrationUser

    def _fire_reports(self) -> None:
        while True:
            while (report := self._recorder.take_report()) is not None:
                self._fire_report(report)
            if self._over:
                return
            self._news.clear()
            self._news.wait()

    def _fire_report(self, report: Report) -> None:
        acked = report.outcome is Outcome.ACKED
        _fire(
            events.request,
            request_type="POST",
            name=self._name,
            response_time=(report.ended_ns - report.intended_ns) / 1e6,
            response_length=report.body_length,
            exception=None
            if acked
            else NotAckedError(f"{report.outcome.name.lower()}: {report.reason or report.status}"),
            context={
                "registration_id": report.registration_id,
                "index": report.index,
                "outcome": report.outcome.name.lower(),
                "status": report.status,
                "intended_ns": report.intended_ns,
                "sent_ns": report.sent_ns,
                "answered_ns": report.answered_ns,
            },
        )


def _fire(hook: EventHook, **arguments: object) -> None:
    hook.fire(**arguments)  # type: ignore[no-untyped-call]
