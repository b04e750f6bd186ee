"""`bench calibrate`: what it prints while it measures and in the end, and how it exits."""

from __future__ import annotations

import asyncio
import json
from contextlib import AbstractContextManager

from rich.console import Console
from rich.table import Table
from rich.text import Text

from benchmarks.brokers import BrokerUnavailable
from benchmarks.brokers.kafka.prepare import prepare
from benchmarks.calibration import store
from benchmarks.calibration.measure import NOISE, PARTS, CalibrationRequest, Failure, calibrate
from benchmarks.progress import Observer
from benchmarks.run import ExitCode
from benchmarks.terminal.command import ORDER
from benchmarks.terminal.console import complain, console, say
from benchmarks.terminal.fetchbar import FetchBar
from benchmarks.terminal.interruptible import interruptible
from benchmarks.terminal.live import LivePanel, PlainLines
from benchmarks.values.json_object import Json
from benchmarks.words.calibration import part_words, stale_words

_FLOOR = "noise_floor"


class CalibrationLines:
    """A line for each part, and one for each step of it; an A/A run is shown as any run is."""

    def __init__(self, console: Console) -> None:
        self._console = console

    def part_began(self, name: str) -> None:
        self._console.print(Text(name, "bold"))

    def step(self, message: str) -> None:
        self._console.print(Text(f"  {message}", "dim"), soft_wrap=True)

    def part_ended(self, name: str, figures: Json) -> None:
        part = PARTS.get(name)
        self._console.print(Text(f"  {part_words(part.key if part else _FLOOR, figures)}"), soft_wrap=True)

    def part_failed(self, failure: Failure) -> None:
        complain(self._console, f"{failure.name}: {failure.problem}", failure.next_step)

    def observing(self) -> AbstractContextManager[Observer]:
        return LivePanel(self._console) if self._console.is_terminal else PlainLines(self._console)


def run_calibration(order: CalibrationRequest, *, as_json: bool) -> ExitCode:
    """Measure, store and show; with `as_json` only the calibration reaches standard output."""
    talk = console(stderr=True)
    uses_broker = any(PARTS[name].uses_broker for name in order.parts if name in PARTS) or (
        NOISE in order.parts
        and any(variant.uses_broker for scenario in order.scenarios for variant in scenario.variants)
    )
    codes: list[ExitCode] = []
    try:
        if uses_broker:
            with FetchBar(talk) as bar:
                asyncio.run(interruptible(prepare(bar)))
        failures = asyncio.run(interruptible(calibrate(order, CalibrationLines(talk))))
        codes = [failure.exit_code for failure in failures]
    except BrokerUnavailable as error:
        complain(talk, error.message, error.next_step)
        return ExitCode.ENVIRONMENT
    except asyncio.CancelledError:
        complain(talk, "interrupted; the parts that had ended are stored", "")
        codes = [ExitCode.INTERRUPTED]
    except OSError as error:
        complain(
            talk,
            f"the calibration cannot be stored: {error}",
            f"make room, or name a folder that can be written to with {store.DATA_VARIABLE}",
        )
        return ExitCode.ENVIRONMENT
    _show(talk if as_json else console(), as_json=as_json)
    return next((code for code in ORDER if code in codes), ExitCode.OK)


def _show(said: Console, *, as_json: bool) -> None:
    """All that is stored now, of earlier calibrations too."""
    stored = store.stored()
    if as_json:
        print(json.dumps(stored))
        return
    if stored is None:
        say(said, "nothing is stored")
        return
    if stale := stale_words(stored):
        say(said, f"stale: {stale}")
    table = Table(box=None, padding=(0, 2, 0, 0), show_header=False)
    table.add_column(style="bold", no_wrap=True)
    table.add_column()
    for name, part in PARTS.items():
        if isinstance(figures := stored.get(part.key), dict):
            table.add_row(name, part_words(part.key, figures))
    floors = stored.get(_FLOOR)
    for scenario, floor in floors.items() if isinstance(floors, dict) else ():
        table.add_row(f"{NOISE}: {scenario}", part_words(_FLOOR, floor))
    said.print()
    said.print(table)
    say(said, f"stored in {store.path()}")
