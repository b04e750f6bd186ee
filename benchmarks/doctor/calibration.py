"""Whether this machine was calibrated, how long ago, and whether that still fits."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from dataclasses import dataclass

from benchmarks.doctor.examination import Finding, note, ok

_REMEDY = "bench calibrate"


@dataclass(frozen=True)
class Facts:
    """record: as a run would store it; None where there is none. age_days: since it was measured."""

    record: Mapping[str, object] | None
    age_days: float | None


def look() -> Facts:
    from benchmarks.calibration.store import stored

    record = stored()
    measured = None if record is None else record.get("measured")
    return Facts(record, _age_days(measured) if isinstance(measured, str) else None)


def _age_days(measured: str) -> float | None:
    try:
        since = datetime.datetime.now(datetime.UTC) - datetime.datetime.fromisoformat(measured)
    except (ValueError, TypeError):
        return None
    return since.total_seconds() / 86_400


def judge(facts: Facts) -> list[Finding]:
    from benchmarks.words.calibration import stale_words

    if facts.record is None:
        words = "none: what this machine can show is not known, and no comparison is held against its noise"
        return [note("calibration", words, _REMEDY)]
    if stale := stale_words(facts.record):
        return [note("calibration", f"stale, so not used: {stale}", _REMEDY)]
    floors = facts.record.get("noise_floor")
    names = ", ".join(floors) if isinstance(floors, Mapping) and floors else "no scenario"
    age = "at an unknown time" if facts.age_days is None else _age_words(facts.age_days)
    return [ok("calibration", f"measured {age}, with the noise floor of {names}")]


def _age_words(days: float) -> str:
    if days < 1:
        return "within the last day"
    return f"{days:.0f} day{'s' * (round(days) != 1)} ago"
