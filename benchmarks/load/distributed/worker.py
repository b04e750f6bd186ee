"""A worker: makes its share of a load on another host than the API's, as a master tells it, once.

    join → share → compare clocks → prove the API ready → start at the master's instant → … → return the rows

Its rows and its schedule are files in a directory that goes with it. Scenario time 0 is one instant for all: the
master's, on this host's clock. Rows count from it, so they are on the master's time already; how far that is true is
the error of the offset, measured before and after the load.
"""

from __future__ import annotations

import tempfile
import time
from argparse import Namespace
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from gevent import Timeout
from gevent.event import AsyncResult
from locust.env import Environment
from locust.runners import WorkerRunner

from benchmarks.load.carrier import Carrier
from benchmarks.load.distributed import wire
from benchmarks.load.distributed.clocks import ClockOffset, Ping, clock_identity, estimate_offset, widened_by_drift
from benchmarks.load.distributed.wire import Collected, WireInbox, WireMessage, chunks
from benchmarks.load.local_load import LocalLoad
from benchmarks.load.rows import SCHEDULE_DTYPE
from benchmarks.load.settings import ConstantVusSettings, OpenSettings, load_settings
from registration.address import Address
from registration.runtime.role import RoleError

_HEARTBEAT_LIMIT_S = 10.0
"""The master answers each of our heartbeats, one a second; it answers none of a worker that it does not know."""

_MOST_ARRIVALS_OF_SHARE = 20_000_000
"""A schedule of 320 MB, rows of 800 MB. More is a mistake, or a stranger in the master's place."""

_PINGS = 20
_PING_LIMIT_S = 2.0
_FLUSH_MS = 2_000
_NEXT_STEP = "look at what the run prints on the master's host"


class LoadWorker:
    """One share of one load. `say` reports how things go to the command that started it."""

    def __init__(self, master: Address, plugins: list[str], say: Callable[[Mapping[str, object]], None]) -> None:
        """Join the master; this waits for it as long as Locust does (5 minutes), then raises RoleError."""
        self._say = say
        self._master = master
        self._carrier = Carrier(plugins, self._make_runner)
        self._runner = self._carrier.runner
        # Else Locust would read its configuration files, which do not concern us.
        self._runner.environment.parsed_options = Namespace(headless=False)
        self._heard_s = time.monotonic()
        self._runner.environment.events.heartbeat_received.add_listener(self._on_heartbeat)  # type: ignore[no-untyped-call]
        self._pong: AsyncResult[tuple[int, Mapping[str, Any]]] = AsyncResult()
        # Stamped in its listener: any wait between the two readings of our clock is its error.
        self._runner.register_message(wire.PONG, self._on_pong)
        self._inbox = WireInbox(self._runner, (wire.SHARE, wire.SCHEDULE, wire.START, wire.THANKS))

    def serve(self) -> None:
        """Make the share. Raises RoleError where something is wrong, after reporting it to the master."""
        try:
            with tempfile.TemporaryDirectory(prefix="bench-load-worker-") as directory:
                self._serve(Path(directory))
        except RoleError as error:
            self._send(wire.ERROR, {"message": str(error), "next_step": error.next_step})
            raise
        except Exception as error:
            self._send(wire.ERROR, {"message": f"it broke off: {error!r}", "next_step": "this is a bug: please report"})
            raise
        finally:
            self._carrier.quit()
            self._runner.client.close(linger=_FLUSH_MS)  # type: ignore[no-untyped-call]

    def _serve(self, directory: Path) -> None:
        self._send(wire.HERE, {"protocol": wire.PROTOCOL})
        self._say({"type": "joined"})
        settings = self._take_share(directory)
        before, same_host = self._compare_clocks()
        load = LocalLoad(settings, self._carrier)
        self._send(wire.READY, {"pacer": load.pacer})
        their_start_ns = int(self._expect(wire.START).data["start_ns"])
        # The processes of one host share the clock, whatever an exchange of messages says of it.
        start_ns = their_start_ns if same_host else before.ours_ns(their_start_ns)
        done = load.go(start_ns, lambda: self._mention_progress(load))
        offset = widened_by_drift(before, self._compare_clocks()[0])
        for data in chunks(settings.rows.read_bytes()):
            self._send(wire.ROWS, {"data": data})
        clock = {"offset_ms": offset.offset_ns / 1e6, "error_ms": offset.error_ns / 1e6, "same_host": same_host}
        self._send(wire.DONE, {**done, "clock": clock})
        self._expect(wire.THANKS)
        self._say({"type": "done", "rows": done["rows"], "clock": clock})

    def _make_runner(self, environment: Environment) -> WorkerRunner:
        host, port = self._master
        try:
            return WorkerRunner(environment, host, port)
        except ConnectionError as error:
            raise RoleError(f"no master answered at {host}:{port}", "start the run on the master's host") from error

    def _take_share(self, directory: Path) -> OpenSettings | ConstantVusSettings:
        """Wait for the share, and write its schedule down. Raises RoleError where it is not usable."""
        share = self._expect(wire.SHARE).data
        try:
            arrivals = int(share["arrivals"])
            if not 0 <= arrivals <= _MOST_ARRIVALS_OF_SHARE:
                raise ValueError(f"{arrivals:,} arrivals")
            schedule = Collected(arrivals * SCHEDULE_DTYPE.itemsize)
            while not schedule.complete:
                schedule.add(self._expect(wire.SCHEDULE).data.get("data"))
            np.save(directory / "schedule.npy", np.frombuffer(schedule.take(), SCHEDULE_DTYPE))
            files = {"schedule": str(directory / "schedule.npy"), "rows": str(directory / "load.rows")}
            return load_settings({"role": "load", "settings": {**share["settings"], **files}})
        except (KeyError, TypeError, ValueError) as error:
            raise RoleError(
                f"the master's share cannot be used: {error}", "install the same version on all hosts"
            ) from error

    def _compare_clocks(self) -> tuple[ClockOffset, bool]:
        """How far the master's clock is from ours, and whether it is the same one."""
        pings, hosts = [], set()
        for number in range(_PINGS):
            self._pong = AsyncResult()
            asked_ns = time.monotonic_ns()
            self._send(wire.PING, {"number": number})
            try:
                heard_ns, pong = self._pong.get(timeout=_PING_LIMIT_S)
            except Timeout:
                self._check_master()
                continue
            if pong.get("number") == number:  # else a late answer to an earlier one
                pings.append(Ping(asked_ns, int(pong["clock_ns"]), heard_ns))
                hosts.add(str(pong["host"]))
        if not pings:
            raise RoleError(f"the master answered none of {_PINGS} pings within {_PING_LIMIT_S:g} s", _NEXT_STEP)
        return estimate_offset(pings), hosts == {clock_identity()}

    def _expect(self, kind: str) -> WireMessage:
        """The master's next message, which must be of this kind. Raises RoleError where it has gone."""
        while (message := self._inbox.next()) is None:
            self._check_master()
        if message.kind != kind:
            raise RoleError(
                f"the master said {message.kind!r} where {kind!r} was due", "install the same version on all hosts"
            )
        return message

    def _mention_progress(self, load: LocalLoad) -> None:
        self._check_master()
        self._send(wire.PROGRESS, load.progress())

    def _check_master(self) -> None:
        if time.monotonic() - self._heard_s > _HEARTBEAT_LIMIT_S:
            raise RoleError("the master has gone away", _NEXT_STEP)

    def _on_heartbeat(self, **_: object) -> None:
        self._heard_s = time.monotonic()

    def _on_pong(self, msg: Any, **_: object) -> None:
        heard_ns = time.monotonic_ns()
        if isinstance(msg.data, Mapping):
            self._pong.set((heard_ns, msg.data))

    def _send(self, kind: str, data: Mapping[str, object]) -> None:
        self._runner.send_message(kind, dict(data))
