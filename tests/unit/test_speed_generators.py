"""The benchmark of the benchmark: what it reads from each tool, and the figures it holds them against."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
from beside.exact import backlog_gap_ns, evenly, fitted_begin_ns, fitted_delays_ms, frozen_latencies_ms
from beside.loads import Closed, Load, Open, Tool
from beside.peers import (
    K6,
    WHERE_FROM,
    FastHttpUser,
    Hey,
    Vegeta,
    Wrk,
    find,
    read_hey,
    read_k6,
    read_locust,
    read_vegeta,
    read_wrk,
)
from beside.server import is_whole
from beside.tables import Collected, ratio_table, spread, table

MS = 1_000_000
SECOND = 1_000 * MS


def k6_metrics(**more: object) -> str:
    return json.dumps(
        {
            "http_req_duration": {"type": "trend", "values": {"med": 0.374007, "p(99)": 1.25, "p(99.9)": 2.5}},
            "http_reqs": {"type": "counter", "values": {"count": 1001, "rate": 998.9}},
            "http_req_failed": {"type": "rate", "values": {"passes": 3, "fails": 998, "rate": 0.003}},
            **more,
        }
    )


def test_k6_summary() -> None:
    told = read_k6(k6_metrics())
    assert (told.requests, told.failed) == (1001, 3)
    assert told.latency_ms == {0.5: 0.374007, 0.99: 1.25, 0.999: 2.5}


def test_an_iteration_that_k6_dropped_is_a_failed_request() -> None:
    told = read_k6(k6_metrics(dropped_iterations={"type": "counter", "values": {"count": 7, "rate": 1}}))
    assert (told.requests, told.failed) == (1008, 10)


def test_vegeta_results() -> None:
    begin = 1_795_381_765_338_804_025
    late_ms = [0.0, 0.5, 0.25, 2.0]
    lines = [
        f"{begin + number * 100 * MS + round(late * MS)},{status},{(number + 1) * MS},140,2,,b2s=,,{number},POST,u,\n"
        for number, (late, status) in enumerate(zip(late_ms, [201, 201, 500, 0], strict=True))
    ]
    told = read_vegeta(lines, rate_per_s=10)
    assert (told.requests, told.failed) == (4, 2)
    assert told.latency_ms[0.5] == 2.5
    assert told.delay_ms[0.5] == pytest.approx(0.375)
    assert read_vegeta(lines, rate_per_s=None).delay_ms == {}


def test_hey_requests() -> None:
    told = read_hey(
        [
            "response-time,DNS+dialup,DNS,Request-write,Response-delay,Response-read,status-code,offset\n",
            "0.0009,0.0005,0.0000,0.0003,0.0001,0.0000,201,0.2016\n",
            "0.0013,0.0005,0.0000,0.0002,0.0003,0.0000,500,0.2012\n",
            "0.0003,0.0000,0.0000,0.0000,0.0002,0.0000,201,0.4022\n",
        ]
    )
    assert (told.requests, told.failed) == (3, 1)
    assert told.latency_ms[0.5] == pytest.approx(0.9)


def test_wrk_line_of_our_script() -> None:
    told = read_wrk("Running 1s test\n  24930 requests in 1.00s\n\nrequests 24930 failed 2 50=40 99=5352 99.9=7458\n")
    assert (told.requests, told.failed) == (24_930, 2)
    assert told.latency_ms == {0.5: 0.04, 0.99: 5.352, 0.999: 7.458}


def test_locust_statistics() -> None:
    entry = {"num_requests": 10, "num_failures": 1, "response_times": {"24": 1, "1": 5, "0": 4}}
    told = read_locust(json.dumps([entry]))
    assert (told.requests, told.failed) == (10, 1)
    assert told.latency_ms[0.5] == 1
    assert told.latency_ms[0.999] == pytest.approx(24, abs=0.5)


def test_each_peer_takes_the_loads_that_it_has() -> None:
    loads: list[Load] = [Open(1_000, 5), Closed(32, 5), Closed(32, 5, 1_000)]
    peers: list[Tool] = [K6("k6"), Vegeta("vegeta"), Hey("hey"), Wrk("wrk"), FastHttpUser()]
    assert {peer.name: [peer.can(load) for load in loads] for peer in peers} == {
        "k6": [True, True, False],
        "vegeta": [True, True, False],
        "hey": [False, True, True],
        "wrk": [False, True, False],
        "FastHttpUser": [False, True, True],
    }


def test_a_peer_that_is_not_there_is_left_out_with_a_word_on_how_to_get_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path / "nothing"))
    (tmp_path / "hey").touch(mode=0o755)
    found, missing = find(tmp_path)
    assert [peer.name for peer in found] == ["FastHttpUser", "hey"]
    assert len(missing) == 3
    assert all(any(WHERE_FROM[name] in line for line in missing) for name in ("k6", "vegeta", "wrk"))


def test_a_schedule_without_a_known_begin_is_held_against_its_most_punctual_arrival() -> None:
    schedule = evenly(1_000, 5)
    seen = 77 * SECOND + schedule + np.array([300_000, 50_000, 50_000, 1_050_000, 150_000])
    assert fitted_delays_ms(seen, schedule) == pytest.approx([0.25, 0, 0, 1, 0.1])
    assert fitted_begin_ns(seen, schedule) == 77 * SECOND + 50_000


def test_backlog_is_worked_off_at_the_pace_after_the_thaw() -> None:
    seen = np.array([0, MS, 2 * MS, *range(500 * MS, 500 * MS + 200 * 20_000, 20_000)])
    assert backlog_gap_ns(seen, 500 * MS) == 20_000


def test_a_freeze_makes_exactly_those_wait_that_came_in_it() -> None:
    arrivals = evenly(1_000, 15_000)
    latency_ms = frozen_latencies_ms(arrivals, 5 * SECOND, 6 * SECOND, service_ns=0)
    assert (latency_ms[:5_000] == 0).all()
    assert latency_ms[5_000:6_000] == pytest.approx(1_000 - np.arange(1_000))
    assert (latency_ms[6_000:] == 0).all()
    # A fifteenth of the arrivals waits between 0 and 1,000 ms: 15,000 × 0.01 of them longer than 850.
    assert np.quantile(latency_ms, 0.99) == pytest.approx(850, abs=1)
    assert np.quantile(latency_ms, 0.999) == pytest.approx(985, abs=1)


def test_the_written_out_recursion_is_the_queue_step_by_step() -> None:
    arrivals = np.sort(np.random.default_rng(7).integers(0, SECOND, 500))
    frozen, thawed, service = 300 * MS, 450 * MS, 1_700_000
    free, expected = 0, []
    for arrival in arrivals.tolist():
        ready = thawed if frozen <= arrival < thawed else arrival
        free = max(ready, free) + service
        expected.append((free - arrival) / 1e6)
    assert frozen_latencies_ms(arrivals, frozen, thawed, service) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("request_bytes", "whole"),
    [
        (b"GET /ready HTTP/1.1\r\nHost: x\r\n\r\n", True),
        (b"POST / HTTP/1.1\r\nHost: x\r\n", False),
        (b"POST / HTTP/1.1\r\nContent-Type: a\r\ncontent-length: 3\r\n\r\nab", False),
        (b"POST / HTTP/1.1\r\nContent-Type: a\r\nContent-Length: 3\r\n\r\nabc", True),
    ],
)
def test_the_server_waits_for_the_body(request_bytes: bytes, whole: bool) -> None:
    assert is_whole(request_bytes) is whole


def test_ratios_are_of_the_same_repeat_and_leave_out_what_nobody_told() -> None:
    collected = Collected("open")
    for ours, theirs in [(1.0, 4.0), (2.0, 2.0), (math.nan, 1.0)]:
        collected.add("bench", {"delay": ours})
        collected.add("peer", {"delay": theirs, "other": 1})
    assert collected.ratios("bench", "peer", "delay") == [0.25, 1.0]
    assert collected.ratios("bench", "peer", "other") == []
    assert table(collected, ["delay"]).splitlines()[2:] == [
        "| bench | 1.5 (1 … 2) |",
        "| peer | 2 (1 … 4) |",
    ]
    assert "| bench ÷ peer | 0.625 (0.25 … 1) |" in ratio_table(collected, ["bench"], ["delay"])
    alone = Collected("ceiling", {"bench": [{"rate": 15_000}]})
    assert ratio_table(alone, ["bench"], ["rate"]) == ""


def test_one_value_stands_alone_and_none_is_a_dash() -> None:
    assert spread([15_000.0]) == "15,000"
    assert spread([math.nan]) == "–"
