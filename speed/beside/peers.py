"""The peers: one class a tool, with its command line and how to read what it leaves. None is needed; see `find`."""

from __future__ import annotations

import csv
import json
import shutil
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from beside.exact import evenly, fitted_delays_ms
from beside.loads import BODY, PATH, QUANTILES, Closed, Load, Open, Told, quantiles
from beside.processes import Command

WHERE_FROM = {
    "k6": "the Python package k6 carries the program: install it into an environment of its own",
    "vegeta": "go install github.com/tsenart/vegeta/v12@latest",
    "hey": "go install github.com/rakyll/hey@latest",
    "wrk": "the system's package wrk",
}
_JSON = "application/json"
_CREATED = 201
_DECODE_LIMIT_S = 60


class K6:
    """grafana/k6. `constant-arrival-rate` is its open loop at a constant rate; latency is `http_req_duration`.

    A user (VU) for each request that may be under way is made before the load. It keeps every latency in memory for its
    summary; that is its own affair, as our rows are ours, so no further output is asked of it.
    """

    name = "k6"
    _SCRIPT = """
import http from "k6/http";
export const options = JSON.parse(__ENV.OPTIONS);
const params = { headers: { "Content-Type": "application/json" } };
export default function () { http.post(__ENV.URL, __ENV.BODY, params); }
export function handleSummary(data) { return { "summary.json": JSON.stringify(data.metrics) }; }
"""

    def __init__(self, program: str) -> None:
        self._program = program

    def can(self, load: Load) -> bool:
        return isinstance(load, Open) or load.rate_per_s is None

    def start(self, load: Load, port: int, directory: Path, core: int) -> Command:
        duration = f"{load.duration_s:g}s"
        if isinstance(load, Open):
            scenario: dict[str, object] = {
                "executor": "constant-arrival-rate",
                "rate": load.rate_per_s,
                "timeUnit": "1s",
                "duration": duration,
                "preAllocatedVUs": load.most_in_flight,
            }
        else:
            scenario = {"executor": "constant-vus", "vus": load.connections, "duration": duration}
        options = {
            "scenarios": {"only": scenario},
            "discardResponseBodies": True,
            "summaryTrendStats": [_k6_name(q) for q in QUANTILES],
        }
        (directory / "script.js").write_text(self._SCRIPT)
        given = {"OPTIONS": json.dumps(options), "URL": f"http://127.0.0.1:{port}{PATH}", "BODY": BODY}
        variables = [word for name, value in given.items() for word in ("-e", f"{name}={value}")]
        argv = [self._program, "run", "--quiet", "--no-color", "--no-usage-report", *variables, "script.js"]
        return Command(argv, directory, core)

    def told(self, load: Load, directory: Path) -> Told:
        return read_k6((directory / "summary.json").read_text())


class Vegeta:
    """tsenart/vegeta: a constant rate with as many workers as it takes, or rate 0 with a fixed number of them.

    Latency counts from when it sent. Its raw results are kept as a run of ours keeps its rows.
    """

    name = "vegeta"

    def __init__(self, program: str) -> None:
        self._program = program

    def can(self, load: Load) -> bool:
        return isinstance(load, Open) or load.rate_per_s is None

    def start(self, load: Load, port: int, directory: Path, core: int) -> Command:
        (directory / "body.json").write_text(BODY)
        target = f"POST http://127.0.0.1:{port}{PATH}\nContent-Type: {_JSON}\n@body.json\n"
        (directory / "targets.txt").write_text(target)
        if isinstance(load, Open):
            how = [f"-rate={load.rate_per_s:g}/s", "-connections=10000"]
        else:
            most = load.connections
            how = ["-rate=0", f"-workers={most}", f"-max-workers={most}", f"-connections={most}"]
        common = ["-targets=targets.txt", f"-duration={load.duration_s:g}s", "-output=results.gob"]
        return Command([self._program, "attack", *common, *how], directory, core)

    def told(self, load: Load, directory: Path) -> Told:
        decode = [self._program, "encode", "--to=csv", "--output=results.csv", "results.gob"]
        subprocess.run(decode, cwd=directory, check=True, timeout=_DECODE_LIMIT_S)
        with (directory / "results.csv").open(newline="") as lines:
            return read_vegeta(lines, load.rate_per_s if isinstance(load, Open) else None)


class Hey:
    """rakyll/hey: a closed loop; its rate limit is per worker, so it cannot send while all of them wait."""

    name = "hey"

    def __init__(self, program: str) -> None:
        self._program = program

    def can(self, load: Load) -> bool:
        return isinstance(load, Closed)

    def start(self, load: Load, port: int, directory: Path, core: int) -> Command:
        assert isinstance(load, Closed)
        how = ["-c", str(load.connections), "-z", f"{load.duration_s:g}s", "-o", "csv"]
        if load.rate_per_s is not None:
            how += ["-q", f"{load.rate_per_s / load.connections:g}"]
        what = ["-m", "POST", "-T", _JSON, "-d", BODY, f"http://127.0.0.1:{port}{PATH}"]
        return Command([self._program, *how, *what], directory, core)

    def told(self, load: Load, directory: Path) -> Told:
        with (directory / "said.txt").open(newline="") as lines:
            return read_hey(lines)


class Wrk:
    """wg/wrk with one thread: the least work per request there is, and only a closed loop without a rate."""

    name = "wrk"
    _SCRIPT = """
wrk.method, wrk.body, wrk.headers["Content-Type"] = "POST", [[{body}]], "{kind}"
done = function(summary, latency)
  local e = summary.errors
  local failed = e.connect + e.read + e.write + e.status + e.timeout
  io.write(string.format("\\nrequests %d failed %d", summary.requests, failed))
  for _, p in ipairs({{{percentiles}}}) do io.write(string.format(" %.10g=%d", p, latency:percentile(p))) end
  io.write("\\n")
end
"""

    def __init__(self, program: str) -> None:
        self._program = program

    def can(self, load: Load) -> bool:
        return isinstance(load, Closed) and load.rate_per_s is None

    def start(self, load: Load, port: int, directory: Path, core: int) -> Command:
        assert isinstance(load, Closed)
        percentiles = ", ".join(f"{q * 100:.10g}" for q in QUANTILES)
        script = self._SCRIPT.format(body=BODY, kind=_JSON, percentiles=percentiles)
        (directory / "script.lua").write_text(script)
        how = ["-t1", f"-c{load.connections}", f"-d{load.duration_s:g}s", "-s", "script.lua"]
        return Command([self._program, *how, f"http://127.0.0.1:{port}{PATH}"], directory, core)

    def told(self, load: Load, directory: Path) -> Told:
        return read_wrk((directory / "said.txt").read_text())


class FastHttpUser:
    """Locust's own fast client as its users know it: a closed loop, paced or not, with Locust's statistics."""

    name = "FastHttpUser"
    _SCRIPT = """
from locust import FastHttpUser, constant_throughput, task


class Person(FastHttpUser):
    {pace}

    @task
    def register(self):
        self.client.post({path!r}, data={body!r}, headers={{"Content-Type": {kind!r}}})
"""

    def can(self, load: Load) -> bool:
        return isinstance(load, Closed)

    def start(self, load: Load, port: int, directory: Path, core: int) -> Command:
        assert isinstance(load, Closed)
        rate = load.rate_per_s
        pace = "" if rate is None else f"wait_time = constant_throughput({rate / load.connections!r})"
        script = self._SCRIPT.format(pace=pace, path=PATH, body=BODY, kind=_JSON)
        (directory / "people.py").write_text(script)
        users = ["-u", str(load.connections), "-r", str(load.connections), "-t", f"{load.duration_s:g}s"]
        how = ["--headless", "--json", "--loglevel", "ERROR", "-H", f"http://127.0.0.1:{port}"]
        return Command([sys.executable, "-P", "-m", "locust", "-f", "people.py", *users, *how], directory, core)

    def told(self, load: Load, directory: Path) -> Told:
        return read_locust((directory / "said.txt").read_text())


Peer = K6 | Vegeta | Hey | Wrk | FastHttpUser


def find(directory: Path | None) -> tuple[list[Peer], list[str]]:
    """The peers that are there, in `directory` or on PATH, and what to say of those that are not."""
    found: list[Peer] = [FastHttpUser()]
    missing = []
    for kind in (K6, Vegeta, Hey, Wrk):
        program = (shutil.which(kind.name, path=str(directory)) if directory else None) or shutil.which(kind.name)
        if program is None:
            missing.append(f"{kind.name} is left out: it is not on PATH ({WHERE_FROM[kind.name]})")
        else:
            found.append(kind(str(Path(program).absolute())))
    return found, missing


def read_k6(summary: str) -> Told:
    """Its metrics as `handleSummary` gets them. Iterations that it dropped count as failed."""
    metrics = json.loads(summary)
    taken = metrics["http_req_duration"]["values"]
    requests = metrics["http_reqs"]["values"]["count"]
    failed = metrics["http_req_failed"]["values"]["passes"]
    dropped = metrics.get("dropped_iterations", {"values": {"count": 0}})["values"]["count"]
    return Told(requests + dropped, failed + dropped, {q: float(taken[_k6_name(q)]) for q in QUANTILES})


def read_vegeta(lines: Iterable[str], rate_per_s: float | None) -> Told:
    """Its results as CSV, without a header: begin (ns), status, latency (ns), …"""
    rows = np.array([[int(row[0]), int(row[1]), int(row[2])] for row in csv.reader(lines)], np.int64)
    begun_ns, status, latency_ns = rows.T
    delays = [] if rate_per_s is None else fitted_delays_ms(begun_ns, evenly(rate_per_s, len(rows)))
    failed = int(np.count_nonzero(status != _CREATED))
    return Told(len(rows), failed, quantiles(latency_ns / 1e6), delay_ms=quantiles(delays))


def read_hey(lines: Iterable[str]) -> Told:
    """Its requests as CSV, one a line, in seconds."""
    rows = list(csv.DictReader(lines))
    failed = sum(int(row["status-code"]) != _CREATED for row in rows)
    return Told(len(rows), failed, quantiles([float(row["response-time"]) * 1e3 for row in rows]))


def read_wrk(said: str) -> Told:
    """The line that our script has it print last: `requests N failed N 50=µs 99=µs 99.9=µs`."""
    words = said.strip().splitlines()[-1].split()
    latency_ms = {}
    for word in words[4:]:
        percentile, micros = word.split("=")
        latency_ms[round(float(percentile) / 100, 6)] = int(micros) / 1e3
    return Told(int(words[1]), int(words[3]), latency_ms)


def read_locust(said: str) -> Told:
    """Its statistics as JSON: counts of response times that are already rounded to two digits."""
    entries = json.loads(said)
    times: list[float] = []
    for entry in entries:
        for rounded_ms, count in entry["response_times"].items():
            times += [float(rounded_ms)] * count
    requests = sum(entry["num_requests"] for entry in entries)
    return Told(requests, sum(entry["num_failures"] for entry in entries), quantiles(times))


def _k6_name(quantile: float) -> str:
    return "med" if quantile == 0.5 else f"p({quantile * 100:.10g})"
