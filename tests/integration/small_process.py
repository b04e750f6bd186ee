"""A process of a few lines for tests of the supervisor: it does what its settings say, and notes when.

diary: a file that it appends `told NAME` and `ready NAME` to. ready_after_s: how long it takes to become ready.
hears: it reports a probe once it has started. busy: its answers to `idle`, the last one for ever. lag: what it samples,
likewise. pending, dead_lettered: its answers to these. done: it says so when it has started. start_ns: it notes having
been told.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from pathlib import Path
from typing import cast

from registration.runtime.process import Role, Runtime, main


async def run(runtime: Runtime) -> None:
    settings = runtime.settings
    note(runtime, "told")
    if settings.get("start_ns") is not None:
        note(runtime, "knows-the-start")
    await asyncio.sleep(cast(float, settings.get("ready_after_s", 0)))
    note(runtime, "ready")
    runtime.ready()
    if settings.get("hears"):
        runtime.send(type="probed")
    busy, lag = (iter(cast(list[int], settings.get(key, [0]))) for key in ("busy", "lag"))
    last_busy = last_lag = 0
    async for message in runtime.messages():
        match message["type"]:
            case "start" if settings.get("done"):
                runtime.send(type="done", name=runtime.name)
            case "idle":
                last_busy = next(busy, last_busy)
                runtime.send(type="idle", question=message["question"], busy=last_busy)
                if "lag" in settings:
                    last_lag = next(lag, last_lag)
                    runtime.send(type="lag", t_ns=time.monotonic_ns(), groups={"email": last_lag, "cache": 0})
            case "pending" | "dead_lettered" as kind:
                known = cast(Mapping[str, list[str]], settings[kind])
                services = cast(list[str], message["services"])
                runtime.send(type=kind, services={name: known[name] for name in services if name in known})
            case "probe":
                note(runtime, "probed")


def note(runtime: Runtime, what: str) -> None:
    with Path(cast(str, runtime.settings["diary"])).open("a") as diary:
        diary.write(f"{what} {runtime.name}\n")


ROLES: Mapping[str, Role] = {"small": run}

if __name__ == "__main__":
    main(ROLES)
