"""`bench broker`: fetch, start, stop and look at the Kafka that bench uses."""

from __future__ import annotations

from rich.console import Console

from benchmarks.brokers import BrokerUnavailable, manage
from benchmarks.exit_code import ExitCode
from benchmarks.terminal.console import complain, say
from benchmarks.terminal.fetchbar import FetchBar


def broker_fetch(console: Console) -> ExitCode:
    """Make the cache complete, and say where it is."""
    with FetchBar(console) as bar:
        try:
            fetched = manage.fetch(bar)
        except BrokerUnavailable as error:
            return _unavailable(console, error)
    megabytes = fetched.total_bytes / 1e6
    say(console, f"Kafka {fetched.version} on Java {fetched.java} is ready: {fetched.jars} jars, {megabytes:.0f} MB")
    say(console, f"in {fetched.directory}")
    return ExitCode.OK


def broker_start(port: int | None, console: Console) -> ExitCode:
    """Leave a broker running."""
    with FetchBar(console) as bar:
        try:
            started = manage.start_detached(port if port is not None else manage.DEFAULT_PORT, progress=bar)
        except BrokerUnavailable as error:
            return _unavailable(console, error)
    say(console, f"Kafka {started.version} listens on {started.bootstrap} (process {started.pid})")
    say(console, f"use it with: bench run NAME --broker {started.bootstrap}")
    return ExitCode.OK


def broker_stop(console: Console) -> ExitCode:
    """End the broker that was left running."""
    try:
        stopped = manage.stop_detached()
    except BrokerUnavailable as error:
        return _unavailable(console, error)
    say(console, "no broker was running" if stopped is None else f"stopped the broker on {stopped.bootstrap}")
    return ExitCode.OK


def broker_status(console: Console) -> ExitCode:
    """Say what is in the cache and what runs."""
    status = manage.status()
    fetched, running = status.fetched, status.detached
    if fetched is None:
        say(console, f"cache: no Kafka in {status.cache}; `bench broker fetch` gets it")
    else:
        start = "starts fast" if fetched.fast_start else "not trained for a fast start yet"
        say(console, f"cache: Kafka {fetched.version} on Java {fetched.java} in {fetched.directory}, {start}")
    if running is None:
        say(console, "running: none; `bench broker start` leaves one running")
    else:
        answers = "answers" if status.answers else f"does not answer; its log is {running.log_path}"
        say(console, f"running: Kafka {running.version} on {running.bootstrap} (process {running.pid}), {answers}")
    return ExitCode.OK


def _unavailable(console: Console, error: BrokerUnavailable) -> ExitCode:
    complain(console, error.message, error.next_step)
    return ExitCode.ENVIRONMENT
