"""The broker in memory does the same again, whatever the interpreter's hash seed."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
PROGRAM = """
import asyncio, logging
from world import message, run_virtual

async def scenario(world):
    one, two = await asyncio.gather(*(world.join(name, session_timeout_s=3.0) for name in ("a-0", "a-1")))
    async def publish():
        for number in range(200):
            await world.publish([number], keys=23)
            await asyncio.sleep(0.05)
    publishing = asyncio.create_task(publish())
    await asyncio.sleep(3)
    one.stop()
    await asyncio.sleep(4)
    one.go_on()
    await asyncio.sleep(2)
    two.kill()
    again = await world.join("a-1")
    await publishing
    await asyncio.sleep(3)
    print(world.loop.now_ns, [member.said for member in (one, two, again)])

logging.disable()
run_virtual("memory", scenario, 6)
"""


def test_a_stop_past_the_session_and_a_kill_are_the_same_whatever_the_hash_seed() -> None:
    runs = {
        subprocess.run(
            [sys.executable, "-c", PROGRAM],
            env={**os.environ, "PYTHONPATH": f"{HERE}{os.pathsep}{HERE.parents[1]}", "PYTHONHASHSEED": seed},
            check=True,
            capture_output=True,
            text=True,
        ).stdout
        for seed in ("0", "1", "2")
    }
    (said,) = runs
    assert said.count("'got'") > 200  # some came twice
