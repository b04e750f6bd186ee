"""HTTP in memory: one call, one status, no bytes in between, and no time.

    caller: Wire.send ─→ callee hears ─→ its task answers ─→ caller hears

A callee that is down refuses, one that dies resets, one that is stopped lets its callers wait. A caller that has gone,
by timeout or by death, hears nothing; the callee does the work all the same.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from registration.address import Address
from registration.call import Answer, Call, Reply
from registration.clock import Clock
from registration.runtime.role import GRACEFUL_S
from sync_impl.wires.port import WireError
from virtual.process import Process, current


class Network:
    """Which process listens where. An address belongs to one at a time."""

    def __init__(self) -> None:
        self._listening: dict[Address, MemoryServer] = {}

    def listen(self, address: Address, server: MemoryServer) -> None:
        self._listening[address] = server

    def leave(self, address: Address, server: MemoryServer) -> None:
        if self._listening.get(address) is server:
            del self._listening[address]

    def request(self, address: Address, call: Call, heard: Callable[[int | None], None]) -> bool:
        """Send; the caller runs `heard` with a status, or with None for a reset. False: refused."""
        server = self._listening.get(address)
        if server is None:
            return False
        caller = current()
        if caller.reach():  # else sent by a dead process: nothing hears it, and nothing waits
            server.called(caller, call, heard)
        return True


class MemoryServer:
    """What `registration.runtime.http.HttpServer` is to a real process."""

    def __init__(self, network: Network, answer: Answer, address: Address, clock: Clock) -> None:
        self._network = network
        self._answer = answer
        self._address = address
        self._clock = clock
        self._process = current()
        self._serving: set[asyncio.Task[Reply]] = set()
        self._open: dict[object, Callable[[], None]] = {}  # connections with a call on them → what breaks one

    async def open(self) -> None:
        self._network.listen(self._address, self)
        self._process.when_gone.append(self._gone)

    async def close(self) -> None:
        """Stop listening; what is being answered gets a second to finish."""
        self._network.leave(self._address, self)
        if self._serving:
            await asyncio.wait(self._serving, timeout=GRACEFUL_S)
        for task in self._serving:
            task.cancel()

    def called(self, caller: Process, call: Call, heard: Callable[[int | None], None]) -> None:
        connection = object()
        self._open[connection] = lambda: caller.hear(heard, None)
        self._process.hear(self._serve, connection, caller, call, heard)

    def _serve(self, connection: object, caller: Process, call: Call, heard: Callable[[int | None], None]) -> None:
        task = self._process.spawn(self._answer(call, self._clock.now_ns()))
        self._serving.add(task)

        def answered(done: asyncio.Task[Reply]) -> None:
            self._serving.discard(done)
            if not self._process.reach():
                return
            self._open.pop(connection, None)
            if done.cancelled():
                caller.hear(heard, None)
            else:
                # What a handler does not catch, a server answers with 500.
                caller.hear(heard, 500 if done.exception() else done.result().status)

        task.add_done_callback(answered)

    def _gone(self) -> None:
        self._network.leave(self._address, self)
        broken, self._open = self._open, {}
        for reset in broken.values():
            reset()


class MemoryWire:
    """What `sync_impl.wires.http.HttpWire` is to a real sender."""

    def __init__(self, network: Network) -> None:
        self._network = network

    def open(self, service: str) -> None:
        pass

    async def send(self, service: str, address: Address, call: Call) -> int:
        waiting: asyncio.Future[int | None] = asyncio.get_running_loop().create_future()

        def heard(status: int | None) -> None:
            if not waiting.done():  # the caller has not left
                waiting.set_result(status)

        if not self._network.request(address, call, heard):
            raise WireError(f"{service} refuses connections")
        if (status := await waiting) is None:
            raise WireError(f"{service} is gone")
        return status

    async def close(self) -> None:
        pass
