"""Where `tests/data/oracle.json.xz` comes from: what the old replay said of 200 drawn scenarios.

The replay, `benchmarks/planning/predict.py`, was a second implementation of each variant: a discrete-event simulation
written beside the code. Commit bbf3e5c is the last that has it, so the file can be made again only there:

    git worktree add ../old bbf3e5c
    PYTHONPATH=../old:tests/oracle python tests/oracle/record.py

One line a scenario, keys as in `Told`. Times are whole nanoseconds, counted from the arrival's intended time where they
belong to an arrival.
"""

from __future__ import annotations

import json
import lzma
from pathlib import Path

import numpy as np
from benchmarks.planning.predict import predict
from scenarios_drawn import SAME, Drawn, scenarios

from benchmarks.planning.plan import make_plan
from benchmarks.planning.prediction import Prediction
from benchmarks.scenario import load_text
from benchmarks.values.times import NEVER

FIXTURE = Path(__file__).parents[1] / "data" / "oracle.json.xz"


def told(drawn: Drawn) -> dict[str, object]:
    """What the replay says; raises where a scenario is not what its rule needs."""
    scenario = load_text(drawn.text, "x")
    found = predict(make_plan(scenario), drawn.base)
    assert isinstance(found, Prediction), found
    intended_ns = found.intended_ns

    def since(times_ns: np.ndarray, begin_ns: np.ndarray) -> list[int | None]:
        pairs = zip(times_ns.tolist(), begin_ns.tolist(), strict=True)
        return [None if at_ns == NEVER else at_ns - begin for at_ns, begin in pairs]

    attempts = {}
    for service, of in found.attempts.items():
        ordered = of[np.lexsort((of["begun_ns"], of["place"]))]
        came_ns = intended_ns[ordered["place"]]
        attempts[service] = [
            list(row)
            for row in zip(
                ordered["place"].tolist(),
                ordered["attempt"].tolist(),
                since(ordered["begun_ns"], came_ns),
                since(ordered["ended_ns"], came_ns),
                strict=True,
            )
        ]
        if drawn.rule == SAME:
            last_ns = max((end for end in of["ended_ns"].tolist() if end != NEVER), default=0)
            assert last_ns < (scenario.workload.duration_s + scenario.drain_s - 2) * 1e9, (
                "not done before the drain ends"
            )
    return {
        "rule": drawn.rule,
        "variant": drawn.base,
        "scenario": drawn.text,
        "intended_ns": intended_ns.tolist(),
        "replied_ns": since(found.replied_ns, intended_ns),
        "accepted": "".join("01"[int(one)] for one in found.accepted.tolist()),
        "applied_ns": {name: since(times_ns, intended_ns) for name, times_ns in found.applied_ns.items()},
        "attempts": attempts,
    }


if __name__ == "__main__":
    lines = [json.dumps(told(drawn), separators=(",", ":")) for drawn in scenarios()]
    FIXTURE.write_bytes(lzma.compress(("\n".join(lines) + "\n").encode(), preset=9 | lzma.PRESET_EXTREME))
    print(f"{len(lines)} scenarios, {FIXTURE.stat().st_size:,} bytes")
