"""The benchmark of the benchmark measures the generator that a run uses: what the server saw is what its rows say."""

import os
import sys

import numpy as np
import pytest
from beside.loads import Open
from beside.measured import Cores, Freeze, measure
from beside.ours import Ours

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="pins processes and reads their CPU clocks")


def test_every_request_of_ours_reaches_the_server_and_its_cost_is_known() -> None:
    usable = sorted(os.sched_getaffinity(0))
    load = Open(200, 1)
    measured = measure(Ours(), load, Cores(usable[0], usable[-1]), delay_ms=5, freeze=Freeze(0.3, 0.2))
    assert set(os.sched_getaffinity(0)) == set(usable)
    assert (measured.told.requests, measured.told.failed) == (200, 0)
    assert len(measured.seen_ns) == 200
    assert 0 < measured.load_cpu_s < measured.cpu_s
    assert measured.told.from_send_ms[0.5] >= 5
    assert measured.frozen_ns is not None
    assert measured.woken_ns is not None
    assert not np.any((measured.seen_ns > measured.frozen_ns + 50_000_000) & (measured.seen_ns < measured.woken_ns))
    # 40 of the 200 came while it stood still, the first of them 0.2 s before its end.
    assert measured.told.latency_ms[0.99] > 100
