"""Results directories of any size: trials drawn as arrays, row by row consistent, without raw files.

Each registration has one history row and about one effect row for each of three services. Both sides meet the same
arrivals and the same luck; `sync` calls one service after the other, `events` has them work side by side. A few
registrations end in every other way there is: refused, failed, cut off, undone, done twice, tried again.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from synthetic import FAULTS_COLUMNS, LAG_COLUMNS, RESOURCES_COLUMNS, SECOND, facts_of, scenario_of

from benchmarks.analysis.history import EFFECTS_COLUMNS, HISTORY_COLUMNS
from benchmarks.planning.plan import make_plan
from benchmarks.scenario import Scenario
from benchmarks.scenario.resolve import dump, resolve
from benchmarks.store import Results
from benchmarks.trial_result import TrialFacts, TrialFrames, TrialResult
from registration import luck

RATE_PER_S = 2_100
_WORK_MS = {"email": 20.0, "analytics": 10.0, "cache": 2.0}
_SLOWER_MS = 200.0  # what the fault adds to email


def scenario_of_size(registrations: int, blocks: int = 3) -> Scenario:
    """Both sides, `registrations` in each trial; email is slower in the middle third."""
    third_s = registrations / RATE_PER_S / 3
    return scenario_of(
        workload={"rate": RATE_PER_S, "duration": f"{round(registrations / RATE_PER_S * 1e3)}ms", "warmup": "0s"},
        blocks=blocks,
        faults=[
            {
                "target": "email",
                "type": "latency",
                "at": f"{round(third_s * 1e3)}ms",
                "duration": f"{round(third_s * 1e3)}ms",
                "latency": f"{_SLOWER_MS:g}ms",
            }
        ],
    )


def write_run(out: Path, scenario: Scenario) -> Results:
    """A run of `scenario` as it stands when its last trial has been saved: no summary, charts or report yet."""
    results = Results.create(out)
    (out / "scenario.yaml").write_text(dump(resolve(scenario)))
    results.write_json("plan.json", make_plan(scenario).as_dict())
    results.write_json("environment.json", {"cores": 2})
    results.write_json(
        "run.json", {"started": "2026-01-02T03:04:05+00:00", "command": "", "version": "0", "problems": []}
    )
    for trial in trials_of(scenario):
        results.trial_directory(trial.facts.label).mkdir()
        results.save_trial(trial)
    return results


def trials_of(scenario: Scenario) -> Iterator[TrialResult]:
    """Every trial of a scenario made by `scenario_of_size`, one after the other."""
    number = 0
    for block in range(scenario.blocks):
        for variant in scenario.variant_names:
            number += 1
            yield trial_of(scenario, number, variant, block)


def trial_of(scenario: Scenario, number: int, variant: str, block: int) -> TrialResult:
    seed = luck.block_seed(scenario.seed, block)
    facts = facts_of(
        number=number,
        variant=variant,
        base=scenario.variant(variant).base,
        block=block,
        block_seed=seed,
        duration_ns=round(scenario.workload.duration_s * 1e9),
        drain_s=2.0,
        broker={"kind": "kafka", "version": "4.1.0"} if variant == "events" else None,
        cpu_begin_ms={"api/0": 500.0, "email/0": 500.0},
        cpu_end_ms={"api/0": 90_000.0, "email/0": 60_000.0},
        rss_mb_max={"api/0": 80.0, "email/0": 60.0},
    )
    frames = _frames(scenario, facts)
    identity = (number, variant, block)
    t_ns = np.arange(0, facts.duration_ns, SECOND // 2)
    sampled = [
        (*identity, int(at), process, 500.0 + 0.4e-6 * int(at), 80.0)
        for at in t_ns
        for process in ("api/0", "email/0", "load", "harness")
    ]
    lag = [(*identity, int(at), service, int(at) % 7) for at in t_ns for service in facts.services]
    fault = scenario.faults[0]
    planned = (fault.name, fault.target, fault.type, fault.begin_ns, fault.end_ns, fault.begin_ns, fault.end_ns)
    return TrialResult(
        facts,
        frames,
        lag=pd.DataFrame(lag if variant == "events" else [], columns=list(LAG_COLUMNS)),
        resources=pd.DataFrame(sampled, columns=list(RESOURCES_COLUMNS)),
        faults=pd.DataFrame([(*identity, *planned, None, True)], columns=list(FAULTS_COLUMNS)),
    )


def _frames(scenario: Scenario, facts: TrialFacts) -> TrialFrames:
    from benchmarks.planning.arrivals import schedule

    arrivals = schedule(scenario.workload, facts.block_seed)
    index = arrivals["index"].astype(np.int64)
    intended = arrivals["intended_ns"].astype(np.int64)
    n = len(index)
    rng = np.random.default_rng(facts.block_seed)
    events = facts.base == "events"

    def spread(mean_ms: float) -> NDArray[np.int64]:
        return (mean_ms * 1e6 * np.exp(0.4 * rng.standard_normal(n))).astype(np.int64)

    sent = intended + spread(0.05)
    received = sent + spread(0.2)
    stored = received + spread(0.5)
    fate = rng.random(n)  # of a thousand: 2 refused, 2 failed, 1 unanswered, 1 lost, 1 done twice, 2 tried again
    refused, failed, unanswered = fate < 0.002, (fate >= 0.002) & (fate < 0.004), (fate >= 0.004) & (fate < 0.005)
    lost, twice = (fate >= 0.005) & (fate < 0.006), (fate >= 0.006) & (fate < 0.007)
    again = (fate >= 0.007) & (fate < 0.009)
    never = np.zeros(n, dtype=bool)

    fault = scenario.faults[0]
    clock = stored + (spread(3.0) if events else 0)
    published = clock
    parts: list[pd.DataFrame] = []
    done = clock
    for service, mean_ms in _WORK_MS.items():
        arrive = (published if events else clock) + spread(0.2)
        slow = (service == "email") & (arrive >= fault.begin_ns) & (arrive < fault.end_ns)
        applied = arrive + spread(mean_ms) + np.where(slow, round(_SLOWER_MS * 1e6), 0)
        settled = applied + spread(0.2)
        tried = ~refused & ~(lost & (service == "cache")) & ~(failed & (service != "email"))
        parts.append(_attempts(index, service, 1, arrive, arrive, applied, settled, again, tried))
        second = twice & (service == "email")
        parts.append(
            _attempts(index, service, 1, settled, settled, settled + 1_000_000, settled + 2_000_000, never, second)
        )
        if service == "email":
            retried = again & tried
            parts.append(
                _attempts(index, service, 2, arrive, applied, applied + 1_000_000, settled + 1_000_000, never, retried)
            )
        clock = settled + (1_000_000 if service == "email" else 0) * again
        done = np.maximum(done, clock)
    replied = np.where(refused, stored, published if events else done)
    answered = replied + spread(0.2)
    outcome = np.full(n, "acked", dtype=object)
    status = np.where(refused, 429, np.where(failed, 504, 202 if events else 201))
    outcome[refused], outcome[failed], outcome[unanswered] = "refused", "failed", "indeterminate"
    ids = _ids(facts.block_seed, n)
    identity = {
        "trial": np.int16(facts.number),
        "variant": facts.variant,
        "block": np.int16(facts.block),
    }
    history = pd.DataFrame({"index": index}).assign(
        **identity,
        registration_id=pd.array(ids, dtype="str"),
        intended_ns=_nullable(intended),
        sent_ns=_nullable(sent),
        received_ns=_nullable(received),
        stored_ns=_nullable(stored, refused),
        replied_ns=_nullable(replied, unanswered),
        answered_ns=_nullable(answered, unanswered),
        outcome=pd.array(outcome, dtype="str"),
        status=pd.arrays.IntegerArray(status.astype(np.int16), unanswered),
        host="here",
        api_host="here",
    )
    effects = pd.concat(parts, ignore_index=True).sort_values(
        ["index", "service", "received_ns", "attempt"], ignore_index=True
    )
    effects = effects.assign(
        **identity, registration_id=pd.array(ids[effects["index"].to_numpy()], dtype="str"), host="here"
    )
    history = history.astype(dict.fromkeys(("variant", "host", "api_host"), "str"))[list(HISTORY_COLUMNS)]
    effects = effects.astype(dict.fromkeys(("variant", "service", "host"), "str"))[list(EFFECTS_COLUMNS)]
    return TrialFrames(history, effects, history.iloc[:0])


def _attempts(
    index: NDArray[np.int64],
    service: str,
    attempt: int,
    received: NDArray[np.int64],
    started: NDArray[np.int64],
    applied: NDArray[np.int64],
    settled: NDArray[np.int64],
    again: NDArray[np.bool_],
    where: NDArray[np.bool_],
) -> pd.DataFrame:
    """The attempts of one number at one service `where` there is one; those that are made `again` failed."""
    failed = again & (service == "email")
    return pd.DataFrame(
        {
            "index": index[where],
            "service": pd.Categorical.from_codes(np.zeros(int(where.sum()), dtype=np.int8), [service]).astype("str"),
            "attempt": np.int32(attempt),
            "instance": np.int16(0),
            "received_ns": _nullable(received[where]),
            "started_ns": _nullable(started[where]),
            "applied_ns": _nullable(applied[where], failed[where]),
            "settled_ns": _nullable((settled + 1_000_000 * failed)[where]),
            "failed": failed[where],
        }
    )


def _nullable(t_ns: NDArray[np.int64], missing: NDArray[np.bool_] | None = None) -> pd.arrays.IntegerArray:
    none = np.zeros(len(t_ns), dtype=bool) if missing is None else missing
    return pd.arrays.IntegerArray(t_ns.astype(np.int64), none)


def _ids(block_seed: int, n: int) -> NDArray[np.object_]:
    """`n` ids that look like UUIDv5 and are as unique, drawn rather than hashed: a tenth of the time."""
    raw = np.random.default_rng(block_seed + 1).bytes(16 * n).hex()
    cut = ((0, 8), (8, 12), (13, 16), (17, 20), (20, 32))
    ids = []
    for at in range(0, 32 * n, 32):
        a, b, c, d, e = (raw[at + begin : at + end] for begin, end in cut)
        ids.append(f"{a}-{b}-5{c}-8{d}-{e}")
    return np.array(ids, dtype=object)
