"""Where the calibration is kept: one file in the user's data directory, never half written.

<data>/calibration.json
"""

from __future__ import annotations

import json
import os
from pathlib import Path

from benchmarks.calibration.calibration import Calibration, Fingerprint
from benchmarks.values.json_object import Json

DATA_VARIABLE = "SYNC_VS_EVENTS_DATA"
_NAME = "calibration.json"


def path() -> Path:
    """The file, in the folder `SYNC_VS_EVENTS_DATA`, else in the user's data folder."""
    chosen = os.environ.get(DATA_VARIABLE)
    if chosen:
        return Path(chosen).expanduser().absolute() / _NAME
    from platformdirs import user_data_path

    return user_data_path("sync-vs-events", appauthor=False) / _NAME


def load() -> Calibration | None:
    """What is stored; None where nothing is. Raises OSError or ValueError where it cannot be read."""
    try:
        text = path().read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    return Calibration.from_dict(json.loads(text))


def save(calibration: Calibration) -> None:
    """Store it, written aside and renamed: a reader finds the old one or the new one. Raises OSError."""
    target = path()
    target.parent.mkdir(parents=True, exist_ok=True)
    aside = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        aside.write_text(json.dumps(calibration.as_dict(), indent=1) + "\n", encoding="utf-8")
        aside.replace(target)
    finally:
        aside.unlink(missing_ok=True)


def stored() -> Json | None:
    """What a run records of it: None where this machine was never calibrated.

    A file that cannot be read has no figures, and says why under `stale`: it must be neither used nor silently missed.
    """
    try:
        found = load()
    except (OSError, ValueError) as error:
        return {"stale": [f"the stored calibration cannot be read ({error})"]}
    return None if found is None else found.seen_from(Fingerprint.here())
