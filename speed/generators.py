"""The benchmark of the benchmark: our load generator beside k6, vegeta, Locust's FastHttpUser, hey and wrk.

    python speed/generators.py [--repeats 3] [--only open,closed,ceiling,frozen] [--tools DIR] [--json FILE]

A benchmark, not a test: it asserts nothing. All of them load the same trivial server on loopback, one after the other
and in turns, the generator on one core and the server on another. Peers that are not there are left out with a word on
how to get them. docs/load.md, "Beside its peers", says what each column means. Linux only.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import platform
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path

import numpy as np
from beside.exact import (
    backlog_gap_ns,
    evenly,
    fitted_begin_ns,
    fitted_delays_ms,
    frozen_latencies_ms,
)
from beside.loads import QUANTILES, Closed, Load, Open, Tool, quantiles
from beside.measured import QUIET_CORES, Cores, Freeze, Measured, measure
from beside.ours import TREE, Ours, schedule_of
from beside.peers import find
from beside.tables import Collected, Figures, ratio_table, spread, table

POISSON = "bench, Poisson"
UNIFORM = "bench, uniform"
CLOSED = "bench, closed"

CONNECTIONS = 32
RATE_PER_S = 1_000
FREEZE = Freeze(after_s=5, for_s=1)
FROZEN_S = 15.0
FROZEN_IN_FLIGHT = 2_000
KNOWN_SERVICE_MS = (0, 50)

CLEAN_DELAY_P99_MS = 1.0
CEILING_FROM_PER_S = 4_000
CEILING_LEAST_PER_S = 100
CEILING_FACTOR = 1.5
CEILING_PRECISION = 1.05
CEILING_S = 3.0

MEDIAN, P99, P999 = QUANTILES
SEEN = "delay seen p{} ms"
TOLD = "delay reported p{} ms"
ERROR = "latency error p{} ms"
FROM_SEND = "from the send p{} ms"
CPU = "CPU-s per 1,000"
LOAD_CPU = "of it after the start"
RATE = "requests/s"
BUSY = "server's core"
OTHERS = "others' cores"
FAILED = "failed"
COST = (RATE, CPU, LOAD_CPU, BUSY, OTHERS, FAILED)
COMPARED = (RATE, CPU, LOAD_CPU, *(name.format(p) for name in (SEEN, TOLD, ERROR, FROM_SEND) for p in ("50", "99")))

OPEN = "open, {rate:,}/s, service time {service_ms} ms"
CEILING = "ceiling, Poisson"
FROZEN = f"frozen {FREEZE.for_s:g} s of {FROZEN_S:g}, {RATE_PER_S:,}/s"
ONE_CORE = "bench, one core"


@dataclass(frozen=True)
class Goal:
    """What ours is to reach: a figure of its own, or its ratio to a peer's."""

    words: str
    limit: str
    mode: str
    tool: str
    figure: str
    peer: str | None = None

    def values(self, collected: Sequence[Collected]) -> list[float]:
        """One a repeat; none where the mode did not run or the peer is not there."""
        found = next((one for one in collected if one.mode == self.mode), None)
        if found is None:
            return []
        if self.peer is None:
            return found.values(self.tool, self.figure)
        return found.ratios(self.tool, self.peer, self.figure)


_AT_ONCE = OPEN.format(rate=RATE_PER_S, service_ms=0)
_IN_50_MS = OPEN.format(rate=RATE_PER_S, service_ms=50)
GOALS = [
    Goal("schedule delay p99, Poisson, ms", "≤ 0.3", _AT_ONCE, POISSON, TOLD.format(99)),
    Goal("the same ÷ vegeta", "≤ 0.33", _AT_ONCE, POISSON, TOLD.format(99), "vegeta"),
    Goal("CPU after the start ÷ k6", "≤ 0.33", _AT_ONCE, POISSON, LOAD_CPU, "k6"),
    Goal("CPU after the start ÷ vegeta", "≤ 0.5", _AT_ONCE, POISSON, LOAD_CPU, "vegeta"),
    Goal("latency error p99 ÷ vegeta, service time 0", "≤ 1", _AT_ONCE, POISSON, ERROR.format(99), "vegeta"),
    Goal("latency error p99 ÷ vegeta, service time 50 ms", "≤ 1", _IN_50_MS, POISSON, ERROR.format(99), "vegeta"),
    Goal("highest clean rate on one core, /s", "≥ 15,000", CEILING, ONE_CORE, RATE),
    Goal("p99 of a freeze, off by %", "within 3", FROZEN, POISSON, "error p99 %"),
    Goal("p99.9 of a freeze, off by %", "within 3", FROZEN, POISSON, "error p99.9 %"),
]


@dataclass(frozen=True)
class Entrant:
    """A tool under the name and with the load that it has in a table."""

    name: str
    tool: Tool
    load: Load


def main() -> None:
    asked = _arguments()
    if sys.platform != "linux":
        sys.exit("this benchmark pins processes to cores and reads their CPU clocks: it needs Linux")
    cores = _cores(asked.patience)
    peers, missing = find(asked.tools)
    about = _about(cores)
    print(
        f"# {about['tree']}, Python {about['python']}, Locust {about['locust']}, load average {about['load_average']}"
    )
    for line in missing:
        print(f"# {line}")
    modes: dict[str, Callable[[], list[Collected]]] = {
        "open": lambda: measure_open(peers, asked.repeats, asked.seconds, cores),
        "closed": lambda: measure_closed(peers, asked.repeats, asked.seconds, cores),
        "ceiling": lambda: measure_ceiling(asked.repeats, cores),
        "frozen": lambda: measure_frozen(peers, asked.repeats, cores),
    }
    unknown = set(asked.only) - set(modes)
    if unknown:
        sys.exit(f"--only knows {', '.join(modes)}, not {', '.join(sorted(unknown))}")
    collected: list[Collected] = []
    for mode in asked.only:
        for found in modes[mode]():
            collected.append(found)
            _print_tables(found)
    print()
    for goal in GOALS:
        if values := goal.values(collected):
            print(f"{goal.words}: {spread(values)} (goal {goal.limit})")
    print(_disturbance(collected))
    if asked.json:
        asked.json.write_text(
            json.dumps({"about": about, "modes": {found.mode: found.runs for found in collected}}, indent=1) + "\n"
        )


def _print_tables(found: Collected) -> None:
    """What it took apart from the times, since one table of all would be too wide to read."""
    times = [name for name in found.names if name not in COST]
    cost = [name for name in found.names if name in COST]
    ours = [name for name in (UNIFORM, POISSON, CLOSED) if name in found.runs]
    for names in (times, cost):
        if names:
            print(f"\n{table(found, names)}")
        if ratios := ratio_table(found, ours, [name for name in names if name in COMPARED]):
            print(f"\n{ratios}")
    sys.stdout.flush()


def _disturbance(collected: Sequence[Collected]) -> str:
    """How many runs had a neighbour that worked, and what to do then."""
    others = [value for found in collected for tool in found.runs for value in found.values(tool, OTHERS)]
    disturbed = sum(value > QUIET_CORES for value in others)
    then = "; measure again on a quiet machine" if disturbed else ""
    return f"{disturbed} of {len(others)} runs were disturbed: {OTHERS} above {QUIET_CORES}{then}"


def measure_open(peers: Sequence[Tool], repeats: int, seconds: float, cores: Cores) -> list[Collected]:
    """1,000/s against a server that answers at once, and one that takes a known time."""
    load = Open(RATE_PER_S, seconds)
    entrants = [*_ours_open(load), *_entering(peers, load)]
    found = []
    for service_ms in KNOWN_SERVICE_MS:
        collected = Collected(OPEN.format(rate=RATE_PER_S, service_ms=service_ms))
        for entrant in _in_turns(entrants, repeats, collected):
            measured = measure(entrant.tool, entrant.load, cores, service_ms)
            collected.add(entrant.name, _open_figures(entrant.load, measured, service_ms))
        found.append(collected)
    return found


def _open_figures(load: Load, measured: Measured, service_ms: float) -> Figures:
    told, seen_ns = measured.told, measured.seen_ns
    schedule_ns = _schedule_ns(load, len(seen_ns))
    # Where requests are missing the k-th seen is not the k-th of the schedule: no figure rather than a wrong one.
    seen = quantiles(fitted_delays_ms(seen_ns, schedule_ns)) if not told.failed else {}
    figures = {SEEN.format(_percent(q)): seen.get(q, math.nan) for q in (MEDIAN, P99)}
    figures |= {TOLD.format(_percent(q)): told.delay_ms.get(q, math.nan) for q in (MEDIAN, P99)}
    figures |= {ERROR.format(_percent(q)): told.latency_ms.get(q, math.nan) - service_ms for q in (MEDIAN, P99)}
    from_send = told.from_send_ms or told.latency_ms
    figures |= {FROM_SEND.format(_percent(q)): from_send.get(q, math.nan) - service_ms for q in (MEDIAN, P99)}
    return {**figures, **_cost(measured), FAILED: told.failed}


def measure_closed(peers: Sequence[Tool], repeats: int, seconds: float, cores: Cores) -> list[Collected]:
    """As fast as 32 connections go. The rate is the server's own count."""
    load = Closed(CONNECTIONS, seconds)
    collected = Collected(f"closed, {CONNECTIONS} connections")
    for entrant in _in_turns([Entrant(CLOSED, Ours(), load), *_entering(peers, load)], repeats, collected):
        measured = measure(entrant.tool, load, cores)
        seen_ns = measured.seen_ns
        rate_per_s = (len(seen_ns) - 1) / (float(seen_ns[-1] - seen_ns[0]) / 1e9)
        collected.add(entrant.name, {RATE: rate_per_s, **_cost(measured), FAILED: measured.told.failed})
    return [collected]


def measure_ceiling(repeats: int, cores: Cores) -> list[Collected]:
    """The highest rate at which ours is punctual and loses nothing: steps up, then bisection. 0 where there is none.

    A rate counts as clean if one of two tries is: a neighbour on the machine can spoil a try, but not make one good.
    """
    collected = Collected(CEILING)
    for repeat in range(repeats):
        clean: dict[float, Figures] = {}
        low, high = 0.0, math.inf
        rate = float(CEILING_FROM_PER_S)
        while high > max(low, CEILING_LEAST_PER_S) * CEILING_PRECISION:
            print(f"# {collected.mode}: {repeat + 1}/{repeats} {rate:,.0f}/s", file=sys.stderr, flush=True)
            figures = next((tried for tried in _tries(rate, repeat, cores) if _clean(tried)), None)
            if figures is None:
                high = rate
            else:
                low, clean[rate] = rate, figures
            rate = low * CEILING_FACTOR if high == math.inf else (low + high) / 2
        collected.add(ONE_CORE, {RATE: low, **clean.get(low, {})})
    return [collected]


def _tries(rate_per_s: float, seed: int, cores: Cores) -> Iterator[Figures]:
    load = Open(round(rate_per_s), CEILING_S, "poisson", seed + 1, most_in_flight=1_000)
    for _ in range(2):
        measured = measure(Ours(), load, cores)
        told = measured.told
        delays = {TOLD.format(_percent(q)): told.delay_ms.get(q, math.inf) for q in (MEDIAN, P99)}
        yield {**delays, **_cost(measured), FAILED: told.failed}


def _clean(figures: Figures) -> bool:
    return figures[FAILED] == 0 and figures[TOLD.format(_percent(P99))] <= CLEAN_DELAY_P99_MS


def measure_frozen(peers: Sequence[Tool], repeats: int, cores: Cores) -> list[Collected]:
    """The server stands still for a second. Each tool's percentiles beside those that its schedule must have."""
    open_load = Open(RATE_PER_S, FROZEN_S, most_in_flight=FROZEN_IN_FLIGHT)
    closed_load = Closed(CONNECTIONS, FROZEN_S, RATE_PER_S)
    entrants = [*_ours_open(open_load), *_entering(peers, open_load)]
    entrants += _entering([peer for peer in peers if not peer.can(open_load)], closed_load)
    collected = Collected(FROZEN)
    for entrant in _in_turns(entrants, repeats, collected):
        measured = measure(entrant.tool, entrant.load, cores, freeze=FREEZE)
        collected.add(entrant.name, _frozen_figures(entrant.load, measured))
    return [collected]


def _frozen_figures(load: Load, measured: Measured) -> Figures:
    frozen_ns, woken_ns, seen_ns = measured.frozen_ns, measured.woken_ns, measured.seen_ns
    assert frozen_ns is not None
    assert woken_ns is not None
    schedule_ns = _schedule_ns(load, round(RATE_PER_S * FROZEN_S))
    begin_ns = fitted_begin_ns(seen_ns[seen_ns < frozen_ns], schedule_ns)
    # Awake is when it reads again: it accepts what had knocked first.
    thawed_ns = int(seen_ns[seen_ns >= woken_ns].min())
    exact_ms = frozen_latencies_ms(begin_ns + schedule_ns, frozen_ns, thawed_ns, backlog_gap_ns(seen_ns, thawed_ns))
    figures: dict[str, float] = {}
    for q in (P99, P999):
        told_ms, true_ms = measured.told.latency_ms[q], float(np.quantile(exact_ms, q))
        name = _percent(q)
        figures |= {
            f"p{name} ms": told_ms,
            f"exact p{name} ms": true_ms,
            f"error p{name} %": 100 * (told_ms / true_ms - 1),
        }
    told = measured.told
    return {**figures, "requests": told.requests, OTHERS: measured.others_cores, FAILED: told.failed}


def _ours_open(load: Open) -> list[Entrant]:
    return [Entrant(UNIFORM, Ours(), load), Entrant(POISSON, Ours(), replace(load, arrivals="poisson"))]


def _entering(peers: Sequence[Tool], load: Load) -> list[Entrant]:
    return [Entrant(peer.name, peer, load) for peer in peers if peer.can(load)]


def _in_turns(entrants: Sequence[Entrant], repeats: int, collected: Collected) -> Iterator[Entrant]:
    """Every entrant once a repeat, each time from another one on, so that none is always the first; a word for each."""
    for repeat in range(repeats):
        first = repeat % len(entrants)
        for entrant in (*entrants[first:], *entrants[:first]):
            print(f"# {collected.mode}: {repeat + 1}/{repeats} {entrant.name}", file=sys.stderr, flush=True)
            seeded = replace(entrant.load, seed=repeat + 1) if isinstance(entrant.load, Open) else entrant.load
            yield replace(entrant, load=seeded)


def _schedule_ns(load: Load, count: int) -> np.ndarray:
    """The times of the arrivals that were asked for, from the begin of the load; of peers as many as they made."""
    if isinstance(load, Open) and load.arrivals == "poisson":
        return np.asarray(schedule_of(load)["intended_ns"])
    return evenly(RATE_PER_S, count)


def _cost(measured: Measured) -> dict[str, float]:
    thousands = len(measured.seen_ns) / 1_000
    return {
        CPU: measured.cpu_s / thousands,
        LOAD_CPU: measured.load_cpu_s / thousands,
        BUSY: measured.server_busy,
        OTHERS: measured.others_cores,
    }


def _percent(quantile: float) -> str:
    return f"{quantile * 100:g}"


def _cores(patience: int) -> Cores:
    usable = sorted(os.sched_getaffinity(0))
    if len(usable) == 1:
        print("# one core only: generator and server share it, and no figure here says what it should")
    cores = Cores(usable[0], usable[-1], patience)
    os.sched_setaffinity(0, {cores.server})  # what little this process does is not to delay the generator
    return cores


def _about(cores: Cores) -> dict[str, object]:
    return {
        "tree": str(TREE),
        "python": platform.python_version(),
        "locust": version("locust"),
        "kernel": platform.release(),
        "cores": [cores.generator, cores.server],
        "load_average": round(os.getloadavg()[0], 2),
    }


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=5.0, help="of each run of open and closed, at least 1")
    parser.add_argument("--only", type=lambda text: text.split(","), default="open,closed,ceiling,frozen")
    parser.add_argument(
        "--patience",
        type=int,
        default=0,
        help="how often a run is made again during which others used the machine; the quietest one counts",
    )
    parser.add_argument("--tools", type=Path, help="a directory with the peers' programs, before PATH")
    parser.add_argument("--json", type=Path, help="where to write every figure of every repeat")
    return parser.parse_args()


if __name__ == "__main__":
    main()
