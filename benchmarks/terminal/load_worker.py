"""`bench load-worker`: makes its share of the loads of a run on another host, one trial after the other.

a fresh process for each trial: join → share → load → rows returned → … until Ctrl-C, or until nobody asks any more
"""

from __future__ import annotations

import asyncio
import math
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import cast

from rich.console import Console

from benchmarks.exit_code import ExitCode
from benchmarks.processes.child import Child, ChildError
from benchmarks.terminal.console import complain, say
from benchmarks.terminal.interruptible import interruptible
from benchmarks.words.numbers import plural

# The master of a trial that is over lets go of its port in this time, so that nobody joins it instead of the next one.
_PAUSE_S = 1.0
_STOP_GRACE_S = 3.0


def load_worker(host: str, port: int, wait_s: float, console: Console) -> ExitCode:
    """Serve the masters that appear at `host:port`, until none has for `wait_s` seconds, or Ctrl-C."""
    try:
        return asyncio.run(interruptible(_serve(host, port, wait_s, console)))
    except asyncio.CancelledError:
        return ExitCode.INTERRUPTED


async def _serve(host: str, port: int, wait_s: float, console: Console) -> ExitCode:
    served = 0
    say(console, f"waiting for a run that makes its load with --load-master {host}:{port}")
    with tempfile.TemporaryDirectory(prefix="bench-load-worker-") as directory:
        while True:
            child = await Child.spawn("the load worker", "benchmarks.load", Path(directory) / "load-worker.log")
            try:
                child.begin("load-worker", {"master": [host, port]})
                try:
                    await child.expect("joined", wait_s)
                except ChildError as error:
                    if child.ended.done():
                        complain(console, str(error), error.next_step)
                        return ExitCode.ENVIRONMENT
                    if served:
                        say(console, f"nobody has asked for {wait_s:g} s; done after {plural(served, 'trial')}")
                        return ExitCode.OK
                    complain(
                        console, f"no run asked for load at {host}:{port} within {wait_s:g} s", "start it on its host"
                    )
                    return ExitCode.ENVIRONMENT
                try:
                    done = await child.expect("done", math.inf)
                except ChildError as error:  # this trial has failed; a next one may come
                    complain(console, str(error), error.next_step)
                else:
                    served += 1
                    clock = cast(Mapping[str, object], done["clock"])
                    say(console, f"trial {served}: {done['rows']} arrivals, {_clock_words(clock)}")
            finally:
                await child.stop(_STOP_GRACE_S)
            await asyncio.sleep(_PAUSE_S)


def _clock_words(clock: Mapping[str, object]) -> str:
    if clock["same_host"]:
        return "on the clock of the API"
    return f"clock offset {clock['offset_ms']:.3f} ms ± {clock['error_ms']:.3f} ms"
