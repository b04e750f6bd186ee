"""What a run will be judged by, and digests of it, written down before the load starts: `bench verify` asks for them.

scenario, plan, prediction → plan.json with `judged` (hypothesis, SLO, windows) and `sha256` of each of the three
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping

from benchmarks.scenario.model import Scenario
from benchmarks.scenario.sample import windows_bounds_ns


def sealed(plan: Mapping[str, object], scenario: Scenario, scenario_text: str) -> dict[str, object]:
    """`plan` (the object of `plan.json`) with what is judged and its digests; `scenario_text` is `scenario.yaml`.

    A digest is the SHA-256 of a file's bytes, or of an object as JSON with sorted keys and without white space.
    """
    parts = () if scenario.hypothesis is None else scenario.hypothesis.parts
    judged: dict[str, object] = {
        "hypothesis": [{**part.as_dict(), "sides": list(part.sides)} for part in parts],
        "slo": {"accept_ms": scenario.slo.accept_ms, "complete_ms": scenario.slo.complete_ms},
        "windows_ns": windows_bounds_ns(scenario),
    }
    whole = {**plan, "judged": judged}
    digests = {
        "scenario": _digest(scenario_text),
        "hypothesis": _digest_of(judged["hypothesis"]),
        "plan": _digest_of(whole),
    }
    return {**whole, "sha256": digests}


def _digest_of(value: object) -> str:
    return _digest(json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False))


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8")).hexdigest()
