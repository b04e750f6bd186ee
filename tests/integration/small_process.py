"""A process of a few lines for tests of the supervisor: it does what its settings say, and notes when.

diary: a file that it appends `told NAME` and `ready NAME` to. ready_after_s: how long it takes to become ready.
ready_after_entry: an entry of the diary that it waits for before it is.
hears: it reports a probe once it has started. busy: its answers to `idle`, the last one for ever. lag: what it samples,
likewise. pending, dead_lettered: its answers to these. done: it says so when it has started. start_ns: it notes having
been told.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from registration.runtime.harness import DeadLettered, Harness, Idle, Pending, Probe, Role, Start, main
from registration.settings import Settings


@dataclass(frozen=True, kw_only=True)
class Small(Settings):
    diary: str
    ready_after_s: float = 0.0
    ready_after_entry: str = ""
    hears: bool = False
    busy: Sequence[int] = (0,)
    lag: Sequence[int] = ()
    pending: Mapping[str, list[str]] = field(default_factory=dict)
    dead_lettered: Mapping[str, list[str]] = field(default_factory=dict)
    done: bool = False


async def run(text: bytes, harness: Harness) -> None:
    settings = msgspec.json.decode(text, type=Small)

    def note(what: str) -> None:
        with Path(settings.diary).open("a") as diary:
            diary.write(f"{what} {settings.name}\n")

    note("told")
    if settings.start_ns is not None:
        note("knows-the-start")
    await asyncio.sleep(settings.ready_after_s)
    while settings.ready_after_entry not in Path(settings.diary).read_text():
        await asyncio.sleep(0.01)
    note("ready")
    harness.ready()
    if settings.hears:
        harness.send(type="probed")
    busy, lag = iter(settings.busy), iter(settings.lag)
    last_busy = last_lag = 0
    async for question in harness.questions():
        match question:
            case Start() if settings.done:
                harness.send(type="done", name=settings.name)
            case Idle(number):
                last_busy = next(busy, last_busy)
                harness.send(type="idle", question=number, busy=last_busy)
                if settings.lag:
                    last_lag = next(lag, last_lag)
                    harness.send(type="lag", t_ns=time.monotonic_ns(), groups={"email": last_lag, "cache": 0})
            case Pending(services):
                harness.send(type="pending", services=_of(services, settings.pending))
            case DeadLettered(services):
                harness.send(type="dead_lettered", services=_of(services, settings.dead_lettered))
            case Probe():
                note("probed")


def _of(services: Sequence[str], known: Mapping[str, list[str]]) -> dict[str, list[str]]:
    return {name: known[name] for name in services if name in known}


ROLES: Mapping[str, Role] = {"small": run}

if __name__ == "__main__":
    main(ROLES)
