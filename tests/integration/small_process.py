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

from registration.process import Link, Role, main


async def run(link: Link) -> None:
    settings = link.settings
    note(link, "told")
    if settings.get("start_ns") is not None:
        note(link, "knows-the-start")
    await asyncio.sleep(cast(float, settings.get("ready_after_s", 0)))
    note(link, "ready")
    link.ready()
    if settings.get("hears"):
        link.send(type="probed")
    busy, lag = (iter(cast(list[int], settings.get(key, [0]))) for key in ("busy", "lag"))
    last_busy = last_lag = 0
    async for message in link.messages():
        match message["type"]:
            case "start" if settings.get("done"):
                link.send(type="done", name=link.name)
            case "idle":
                last_busy = next(busy, last_busy)
                link.send(type="idle", question=message["question"], busy=last_busy)
                if "lag" in settings:
                    last_lag = next(lag, last_lag)
                    link.send(type="lag", t_ns=time.monotonic_ns(), groups={"email": last_lag, "cache": 0})
            case "pending" | "dead_lettered" as kind:
                known = cast(Mapping[str, list[str]], settings[kind])
                services = cast(list[str], message["services"])
                link.send(type=kind, services={name: known[name] for name in services if name in known})
            case "probe":
                note(link, "probed")


def note(link: Link, what: str) -> None:
    with Path(cast(str, link.settings["diary"])).open("a") as diary:
        diary.write(f"{what} {link.name}\n")


ROLES: Mapping[str, Role] = {"small": run}

if __name__ == "__main__":
    main(ROLES)
