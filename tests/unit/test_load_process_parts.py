"""The small parts of the load generator's process: settings, lines, timers, usage."""

import gc
import json
import os
import select
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from benchmarks.load.event_loop import KernelTimer, LoopTimer
from benchmarks.load.local_load import CpuShare, collections, switch_collector_off
from benchmarks.load.parent import LineBuffer, Parent
from benchmarks.load.rows import SCHEDULE_DTYPE
from benchmarks.load.settings import ConstantVusSettings, KeySettings, OpenSettings, load_settings, read_schedule

SETTINGS = {
    "addresses": [["127.0.0.1", 8001]],
    "path": "/registrations",
    "executor": "open",
    "schedule": "s.npy",
    "keys": None,
    "block_seed": "18446744073709551615",
    "timeout_ms": 2500.5,
    "max_in_flight": 10,
    "rows": "load.rows",
}
CLOSED = {**SETTINGS, "executor": "constant-vus", "vus": 8, "warmup_ms": 1000, "duration_ms": 2500.5}


def test_settings_are_read_with_their_units() -> None:
    settings = load_settings({"role": "load", "settings": SETTINGS})
    assert settings.addresses == (("127.0.0.1", 8001),)
    assert settings.timeout_ns == 2_500_500_000
    assert settings.block_seed == 2**64 - 1
    assert isinstance(settings, OpenSettings)
    assert (settings.schedule, settings.rows, settings.keys) == (Path("s.npy"), Path("load.rows"), None)


def test_settings_of_a_closed_loop_need_no_schedule() -> None:
    keys = {"distribution": "zipf", "count": 1000, "s": 1.1}
    message = {key: value for key, value in {**CLOSED, "keys": keys}.items() if key != "schedule"}
    settings = load_settings({"role": "load", "settings": message})
    assert isinstance(settings, ConstantVusSettings)
    assert (settings.vus, settings.warmup_ms, settings.duration_ms) == (8, 1000.0, 2500.5)
    assert settings.keys == KeySettings("zipf", 1000, 1.1)


@pytest.mark.parametrize(
    ("message", "complaint"),
    [
        ({"role": "service", "settings": SETTINGS}, "role"),
        ({"role": "load"}, "malformed"),
        ({"role": "load", "settings": {**SETTINGS, "addresses": []}}, "addresses"),
        ({"role": "load", "settings": {**SETTINGS, "block_seed": "x"}}, "malformed"),
        ({"role": "load", "settings": {**SETTINGS, "timeout_ms": 0}}, "timeout_ms"),
        ({"role": "load", "settings": {k: v for k, v in SETTINGS.items() if k != "rows"}}, "rows"),
        ({"role": "load", "settings": {**SETTINGS, "executor": "ramping-vus"}}, "ramping-vus"),
        ({"role": "load", "settings": {**CLOSED, "vus": 0}}, "vus"),
        ({"role": "load", "settings": {k: v for k, v in CLOSED.items() if k != "duration_ms"}}, "duration_ms"),
        ({"role": "load", "settings": {**SETTINGS, "keys": {"distribution": "zipf", "s": 1}}}, "count"),
        ({"role": "load", "settings": {**SETTINGS, "keys": {"distribution": "pareto", "count": 1, "s": 1}}}, "pareto"),
        ("hello", "role"),
    ],
)
def test_settings_at_fault_are_named(message: object, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        load_settings(message)


def test_a_schedule_out_of_order_is_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "s.npy", np.array([(0, 20), (1, 10)], dtype=SCHEDULE_DTYPE))
    with pytest.raises(ValueError, match="order"):
        read_schedule(tmp_path / "s.npy")


def test_a_file_of_something_else_is_no_schedule(tmp_path: Path) -> None:
    np.save(tmp_path / "s.npy", np.arange(3))
    with pytest.raises(ValueError, match="columns"):
        read_schedule(tmp_path / "s.npy")


def test_lines_come_whole_out_of_pieces() -> None:
    lines = LineBuffer()
    assert list(lines.feed(b'{"a"')) == []
    assert list(lines.feed(b': 1}\n\n{"b": 2}\n{')) == [b'{"a": 1}', b'{"b": 2}']


def test_news_is_left_out_while_nobody_reads_and_answers_are_not() -> None:
    reading, writing = os.pipe()
    parent = Parent(reading, writing, wait_readable=lambda _fd: None)
    parent.mention({"type": "progress"})
    assert json.loads(os.read(reading, 100)) == {"type": "progress"}
    os.set_blocking(writing, False)
    with pytest.raises(BlockingIOError):
        parent.say({"filler": "x" * 1_000_000})
    parent.mention({"type": "progress"})  # does not wait, does not raise
    os.close(writing)
    os.close(reading)


class SelectLoop:
    """An event loop for one descriptor or one timer."""

    def __init__(self) -> None:
        self.fd = -1
        self.callback: Callable[[], None] = lambda: None
        self.delays_s: list[float] = []

    def watch_read(self, fd: int, callback: Callable[[], None], *, urgent: bool = False) -> "SelectLoop":
        self.fd, self.callback = fd, callback
        return self

    def watch_write(self, fd: int, callback: Callable[[], None]) -> "SelectLoop":
        raise NotImplementedError

    def watch_timer(self, delay_s: float, callback: Callable[[], None]) -> "SelectLoop":
        self.delays_s.append(delay_s)
        self.callback = callback
        return self

    def close(self) -> None:
        self.callback = lambda: None

    def turn(self, limit_s: float) -> None:
        if select.select([self.fd], [], [], limit_s)[0]:
            self.callback()


@pytest.mark.skipif(sys.platform != "linux", reason="timerfd is Linux's")
def test_the_kernel_timer_rings_once_and_never_early() -> None:
    loop = SelectLoop()
    rings: list[int] = []
    timer = KernelTimer(loop, lambda: rings.append(time.monotonic_ns()))
    at_ns = time.monotonic_ns() + 5_000_000
    timer.arm(at_ns)
    loop.turn(2)
    loop.turn(0.01)
    assert len(rings) == 1
    assert rings[0] >= at_ns
    timer.arm(1)  # long past: at once
    loop.turn(2)
    assert len(rings) == 2
    timer.arm(time.monotonic_ns() + 5_000_000)
    timer.disarm()
    loop.turn(0.02)
    assert len(rings) == 2


def test_the_loop_timer_waits_for_what_is_left() -> None:
    loop = SelectLoop()
    timer = LoopTimer(loop, lambda: None, clock_ns=lambda: 1_000_000_000)
    timer.arm(1_250_000_000)
    timer.arm(900_000_000)
    assert loop.delays_s == [0.25, 0.0]


def test_the_cpu_share_is_the_worst_five_seconds() -> None:
    now_ns = cpu_ns = 0
    share = CpuShare(lambda: cpu_ns, lambda: now_ns)
    for busy in [0.1] * 10 + [0.9] * 10 + [0.1] * 10:
        now_ns += 500_000_000
        cpu_ns += round(busy * 500_000_000)
        share.sample()
    assert share.max_share == pytest.approx(0.9)
    assert share.used_ms == pytest.approx(30 * 500 * (1.1 / 3))


def test_a_run_under_five_seconds_has_its_share_too() -> None:
    now_ns = cpu_ns = 0
    share = CpuShare(lambda: cpu_ns, lambda: now_ns)
    assert share.max_share == 0
    now_ns, cpu_ns = 500_000_000, 250_000_000
    share.sample()
    assert share.max_share == pytest.approx(0.5)


def test_no_collection_runs_once_the_collector_is_off() -> None:
    try:
        switch_collector_off()
        before = collections()
        garbage = [[] for _ in range(5_000)]
        assert len(garbage) == 5_000
        assert collections() == before
    finally:
        gc.unfreeze()
        gc.enable()
