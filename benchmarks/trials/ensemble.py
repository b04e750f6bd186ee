"""The processes of a trial under way: spawned, heard, ended and, where a fault wants it, spawned again.

    Ensemble.spawn → begin → … → end / respawn (faults) … → stop

The first process that fails by itself fails the trial: whoever waits through `unless_failed` learns it at once. One
that a fault ends does not fail.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Iterable, Mapping
from pathlib import Path
from typing import TypeVar, cast

from benchmarks.processes.child import Child, ChildError, Message
from benchmarks.processes.sampling import Sampler
from benchmarks.trials.cast import Part

T = TypeVar("T")

_STOP_GRACE_S = 3.0
_CLEAN_UP_GRACE_S = 8.0  # for the role that removes the trial's topic from somebody else's cluster
_END_GRACE_S = 5.0


class Ensemble:
    """The children of one trial by name, and what they said of their own accord.

    `lag_rows`: (t_ns, group, records). `fault_edges`: (fault, "begin" | "end") → instants at which services saw it.
    Times are CLOCK_MONOTONIC.
    """

    def __init__(self, label: str, logs: Path) -> None:
        self.probed: set[str] = set()
        self.lag_rows: list[tuple[int, str, int]] = []
        self.fault_edges: dict[tuple[str, str], list[int]] = {}
        self.failure: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        # A failure that nobody waits for any more is no failure; retrieving it keeps asyncio from complaining.
        self.failure.add_done_callback(lambda failure: None if failure.cancelled() else failure.exception())
        self._label = label
        self._logs = logs
        self._children: dict[str, Child] = {}
        self._parts: dict[str, Part] = {}
        self._start_ns: int | None = None
        self._sampler: Sampler | None = None

    def __getitem__(self, name: str) -> Child:
        """The process that has this name now."""
        return self._children[name]

    def pids(self) -> dict[str, int]:
        return {name: child.pid for name, child in self._children.items()}

    async def spawn(self, parts: Iterable[Part]) -> None:
        """Start every process; they import while they wait to be told their role."""
        for part in parts:
            self._parts[part.name] = part
            await self._spawn(part)

    async def begin(self, parts: Iterable[Part]) -> None:
        """Tell processes their role, and wait until they are ready."""
        names = []
        for part in parts:
            self._children[part.name].begin(part.role, part.settings)
            names.append(part.name)
        await self.unless_failed(asyncio.gather(*(self._ready(name) for name in names)))

    def start(self, start_ns: int, sampler: Sampler) -> None:
        """Tell everybody the instant of scenario time 0; `sampler` learns of processes that are spawned again."""
        self._start_ns, self._sampler = start_ns, sampler
        for child in self._children.values():
            child.send(type="start", start_ns=start_ns)

    def signal(self, name: str, number: int) -> None:
        """See `benchmarks.faults.Processes`."""
        self._children[name].signal(number)

    async def end(self, name: str, number: int) -> None:
        """See `benchmarks.faults.Processes`."""
        ended = await self._children[name].end(number, _END_GRACE_S)
        if self._sampler is not None:
            self._sampler.gone(name, ended.cpu_s * 1000)

    async def respawn(self, name: str) -> None:
        """See `benchmarks.faults.Processes`."""
        part = self._parts[name]
        child = await self._spawn(part)
        # The start goes into the settings: work that arrives with the first breath is judged by the right time.
        child.begin(part.role, {**part.settings, "start_ns": self._start_ns})
        await self._ready(name)
        if self._sampler is not None:
            self._sampler.back(name, child.pid)

    async def stop(self) -> None:
        """End every process in order, and by force whoever takes too long. Nobody is left."""

        def grace_s(name: str) -> float:
            return _CLEAN_UP_GRACE_S if self._parts[name].settings.get("delete_topic") else _STOP_GRACE_S

        await asyncio.gather(*(child.stop(grace_s(name)) for name, child in self._children.items()))

    async def unless_failed(self, work: Awaitable[T]) -> T:
        """What `work` returns, or the error of the first process that fails before it is done."""
        task = asyncio.ensure_future(work)
        # It may fail in the same breath as the trial does, and then nobody asks what it says.
        task.add_done_callback(lambda done: None if done.cancelled() else done.exception())
        either: list[asyncio.Future[T] | asyncio.Future[None]] = [task, self.failure]
        try:
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
            if self.failure.done():
                self.failure.result()
            return task.result()
        finally:
            task.cancel()

    def fail(self, error: Exception) -> None:
        """Fail the trial; the first error counts."""
        if not self.failure.done():
            self.failure.set_exception(error)

    async def _spawn(self, part: Part) -> Child:
        log_path = self._logs / f"{self._label}-{part.name.replace('/', '-')}.log"
        child = await Child.spawn(part.name, part.module, log_path)
        self._children[part.name] = child
        child.on_message = lambda message: self._hear(part.name, message)
        return child

    async def _ready(self, name: str) -> None:
        await self._children[name].expect("ready", self._parts[name].ready_limit_s)

    def _hear(self, name: str, message: Message) -> None:
        match message.get("type"):
            case "probed":
                self.probed.add(name)
            case "lag":
                t_ns = cast(int, message["t_ns"])
                for group, lag in cast(Mapping[str, int], message["groups"]).items():
                    self.lag_rows.append((t_ns, group, lag))
            case "fault":
                edge = (str(message["fault"]), str(message["edge"]))
                self.fault_edges.setdefault(edge, []).append(cast(int, message["t_ns"]))
            case "failed":
                self.fail(ChildError(str(message.get("message")), str(message.get("next_step", ""))))
