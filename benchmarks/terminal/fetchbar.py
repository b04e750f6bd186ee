"""The progress of a first fetch, on a terminal as a bar, elsewhere as a line now and then."""

from __future__ import annotations

import threading

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TaskID, TextColumn, TimeRemainingColumn
from rich.text import Text


class FetchBar:
    """A `benchmarks.brokers.FetchProgress`. Use it as a context manager, so that the bar is gone at the end."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._lock = threading.Lock()  # called from the thread that downloads
        self._progress: Progress | None = None
        self._task: TaskID | None = None

    def __enter__(self) -> FetchBar:
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    def begin(self, total_files: int, total_bytes: int) -> None:
        """Say what will be fetched, once and for all: later runs need no network."""
        megabytes = total_bytes / 1e6
        self._console.print(
            Text(f"fetching Apache Kafka, once: {total_files} jars, {megabytes:.0f} MB"), soft_wrap=True
        )
        if not self._console.is_terminal:
            return
        columns = (TextColumn("  {task.description}"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
        with self._lock:
            self._progress = Progress(*columns, console=self._console, transient=True)
            self._task = self._progress.add_task("Kafka", total=total_bytes)
            self._progress.start()

    def advance(self, name: str, done_bytes: int) -> None:
        """Move the bar on."""
        with self._lock:
            if self._progress is not None and self._task is not None:
                self._progress.update(self._task, advance=done_bytes, description=name)

    def step(self, message: str) -> None:
        """Say what takes a few seconds besides the download."""
        self._console.print(Text(message), soft_wrap=True)

    def end(self) -> None:
        """Take the bar away."""
        with self._lock:
            if self._progress is not None:
                self._progress.stop()
            self._progress = None
