"""The master: has load workers elsewhere make one load, and leaves the rows that one process would have left.

    wait for workers → deal the schedule out → all ready → start → … → their rows, merged

It is Locust's own master with our messages on top (`wire.py`), and sends nothing to the API itself.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from locust.env import Environment
from locust.exception import RPCError
from locust.rpc import Message
from locust.runners import STATE_MISSING, MasterRunner
from numpy.typing import NDArray

from benchmarks.load.carrier import Carrier
from benchmarks.load.distributed import wire
from benchmarks.load.distributed.clocks import clock_identity
from benchmarks.load.distributed.wire import Collected, WireInbox, WireMessage, chunks
from benchmarks.load.rows import FILES_NEXT_STEP, ROW_DTYPE, SCHEDULE_DTYPE, Rows
from benchmarks.load.settings import MasterSettings, read_schedule
from benchmarks.load.shares import deal, merge, split
from registration.runtime.role import RoleError

_WORKERS_READY_LIMIT_S = 60.0
"""For the schedule to arrive, the clocks to be compared and the API to answer, which has a limit of its own."""


class _Runner(MasterRunner):
    """Locust's master, which no worker can join once `is_full`: it would redistribute its users while load runs."""

    is_full = False

    def handle_message(self, client_id: str, msg: Message) -> None:
        if msg.type == "client_ready" and self.is_full and client_id not in self.clients:
            return  # it keeps asking, and finds the master of the next load
        super().handle_message(client_id, msg)


@dataclass
class _RemoteWorker:
    """One worker: its share, and what it has said."""

    number: int
    share: NDArray[np.void]
    ready: Mapping[str, Any] | None = None
    progress: Mapping[str, Any] = field(default_factory=dict)
    done: Mapping[str, Any] | None = None

    def __post_init__(self) -> None:
        self.data = Collected(len(self.share) * ROW_DTYPE.itemsize)

    def rows(self) -> NDArray[np.void]:
        """What it returned. Raises ValueError where these are not the rows of its share."""
        rows = np.frombuffer(self.data.take(), dtype=ROW_DTYPE)
        if any(not np.array_equal(rows[name], self.share[name]) for name in SCHEDULE_DTYPE.names or ()):
            raise ValueError("they are of other arrivals")
        return rows


class Master:
    """One load made elsewhere, see `Load` in `process.py`."""

    def __init__(self, settings: MasterSettings, plugins: list[str]) -> None:
        """Reserve the rows, wait for the workers, give them their shares and have each prove the API ready.

        Raises RoleError where that cannot be had.
        """
        self._settings = settings
        self._host = clock_identity()
        try:
            schedule = read_schedule(settings.schedule)
            Rows(settings.rows, schedule)
        except (OSError, ValueError) as error:
            raise RoleError(f"the load generator cannot use its files: {error}", FILES_NEXT_STEP) from error
        self._carrier = Carrier(plugins, self._make_runner, settings.share["addresses"][0])
        self._runner = self._carrier.runner
        self._workers: dict[str, _RemoteWorker] = {}
        self._gather(deal(schedule, settings.workers))
        self._send_shares()
        self._until(lambda: all(worker.ready is not None for worker in self._workers.values()), _WORKERS_READY_LIMIT_S)

    @property
    def pacer(self) -> str:
        return ", ".join(sorted({str((worker.ready or {}).get("pacer")) for worker in self._workers.values()}))

    @property
    def in_flight(self) -> int:
        return self.progress()["in_flight"]

    def progress(self) -> dict[str, int]:
        """The sums of what the workers said last."""
        names = ("sent", "answered", "settled", "in_flight")
        return {name: sum(int(w.progress.get(name, 0)) for w in self._workers.values()) for name in names}

    def go(self, start_ns: int, on_progress: Callable[[], None]) -> dict[str, object]:
        """Have the load made with scenario time 0 at `start_ns`; what it took, once all rows are here.

        Raises RoleError where a worker fails or goes away.
        """
        self._runner.send_message(wire.START, {"start_ns": start_ns})
        self._runner.start(user_count=len(self._workers), spawn_rate=len(self._workers))
        told_s = time.monotonic()
        while not all(worker.done is not None for worker in self._workers.values()):
            self._look()
            if time.monotonic() - told_s >= 1:  # at most one message a second
                told_s = time.monotonic()
                on_progress()
        self._write_rows()
        self._runner.send_message(wire.THANKS)
        workers = sorted(self._workers.values(), key=lambda worker: worker.number)
        done = [worker.done or {} for worker in workers]
        self.quit()
        return {
            "rows": sum(int(each["rows"]) for each in done),
            "hosts": [str(host) for each in done for host in each["hosts"]],
            "pacer": self.pacer,
            "gc_collections": sum(int(each["gc_collections"]) for each in done),
            "cpu_ms": sum(float(each["cpu_ms"]) for each in done),
            "cpu_share_max_5s": max(float(each["cpu_share_max_5s"]) for each in done),
            "clock": _clock([each["clock"] for each in done]),
        }

    def quit(self) -> None:
        """Let Locust's listeners and the workers know that it is over, and leave the port."""
        self._carrier.quit()

    def _make_runner(self, environment: Environment) -> _Runner:
        host, port = self._settings.listen
        try:
            runner = _Runner(environment, host, port)
        except (RPCError, SystemExit) as error:  # Locust exits where the port is taken
            raise RoleError(
                f"the master of the load workers cannot listen on {host}:{port}",
                "give an address of this machine and a free port with --load-master",
            ) from error
        # Before anything else has a turn, or the first message of a waiting worker could be missed. A ping is answered
        # at once, not through the inbox: any wait between the two readings of a worker's clock is its error.
        runner.register_message(wire.PING, self._pong)
        self._inbox = WireInbox(runner, (wire.HERE, wire.READY, wire.PROGRESS, wire.ROWS, wire.DONE, wire.ERROR))
        return runner

    def _pong(self, msg: Any, **_: object) -> None:
        number = msg.data.get("number") if isinstance(msg.data, Mapping) else None
        pong = {"number": number, "clock_ns": time.monotonic_ns(), "host": self._host}
        self._runner.send_message(wire.PONG, pong, client_id=msg.node_id)

    def _gather(self, shares: list[NDArray[np.void]]) -> None:
        """Wait until there is a worker for each share."""
        deadline_s = time.monotonic() + self._settings.join_limit_s
        while len(self._workers) < len(shares):
            if time.monotonic() > deadline_s:
                host, port = self._settings.listen
                raise RoleError(
                    f"{len(self._workers)} of {len(shares)} load workers came to {host}:{port} within "
                    f"{self._settings.join_limit_s:g} s",
                    f"on each of the other hosts run: bench load-worker {host}:{port}",
                )
            message = self._inbox.next()
            # One that has come may leave before the others are there: then another can take its place.
            self._workers = {name: worker for name, worker in self._workers.items() if self._is_here(name)}
            if message is None or message.kind != wire.HERE:
                continue
            if message.data.get("protocol") != wire.PROTOCOL:
                raise RoleError("a load worker is of another version of bench", "install the same version on all hosts")
            taken = {worker.number for worker in self._workers.values()}
            number = next(number for number in range(len(shares)) if number not in taken)
            self._workers[message.sender] = _RemoteWorker(number, shares[number])
        self._runner.is_full = True
        for name in [name for name in self._runner.clients if name not in self._workers]:
            del self._runner.clients[name]

    def _send_shares(self) -> None:
        most = split(self._settings.max_in_flight, len(self._workers))
        for name, worker in self._workers.items():
            settings = {**self._settings.share, "max_in_flight": most[worker.number]}
            self._runner.send_message(wire.SHARE, {"settings": settings, "arrivals": len(worker.share)}, client_id=name)
            for data in chunks(np.ascontiguousarray(worker.share, SCHEDULE_DTYPE).tobytes()):
                self._runner.send_message(wire.SCHEDULE, {"data": data}, client_id=name)

    def _until(self, condition: Callable[[], bool], limit_s: float) -> None:
        deadline_s = time.monotonic() + limit_s
        while not condition():
            if time.monotonic() > deadline_s:
                raise RoleError(
                    f"the load workers were not ready within {limit_s:g} s", "look at what they print on their hosts"
                )
            self._look()

    def _look(self) -> None:
        """Take the next message of a worker. Raises RoleError where one failed or has gone."""
        message = self._inbox.next()
        if message is None:
            for name, worker in self._workers.items():
                if worker.done is None and not self._is_here(name):
                    host, port = self._settings.listen
                    raise RoleError(
                        f"{self._name(worker)} has gone away",
                        f"see what it printed on its host, and start it again with: bench load-worker {host}:{port}",
                    )
        elif message.sender in self._workers:
            self._take(self._workers[message.sender], message)

    def _take(self, worker: _RemoteWorker, message: WireMessage) -> None:
        match message.kind:
            case wire.ERROR:
                raise RoleError(
                    f"{self._name(worker)}: {message.data.get('message')}", str(message.data.get("next_step", ""))
                )
            case wire.READY:
                worker.ready = message.data
            case wire.PROGRESS:
                worker.progress = message.data
            case wire.ROWS:
                with self._trusting(worker):
                    worker.data.add(message.data.get("data"))
            case wire.DONE:
                worker.done = message.data

    def _write_rows(self) -> None:
        parts = []
        for worker in self._workers.values():
            with self._trusting(worker):
                parts.append(worker.rows())
        try:
            with self._settings.rows.open("r+b") as file:  # their room was reserved before the load
                file.write(merge(parts).tobytes())
        except OSError as error:
            raise RoleError(f"the rows of the load workers cannot be kept: {error}", FILES_NEXT_STEP) from error

    def _is_here(self, name: str) -> bool:
        node = self._runner.clients.get(name)
        return node is not None and node.state != STATE_MISSING

    def _name(self, worker: _RemoteWorker) -> str:
        return f"load worker {worker.number + 1} of {self._settings.workers}"

    @contextmanager
    def _trusting(self, worker: _RemoteWorker) -> Iterator[None]:
        """What a worker returned is checked before it counts."""
        try:
            yield
        except ValueError as error:
            raise RoleError(
                f"{self._name(worker)} returned rows that cannot be used: {error}", "this is a bug: please report it"
            ) from error


def _clock(clocks: Sequence[Mapping[str, Any]]) -> dict[str, object]:
    """What the run says of the workers' clocks: the largest offset and the largest error, in ms."""
    return {
        "offset_ms": max((float(clock["offset_ms"]) for clock in clocks), key=abs),
        "error_ms": max(float(clock["error_ms"]) for clock in clocks),
        "same_host": all(clock["same_host"] is True for clock in clocks),
    }
