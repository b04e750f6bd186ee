"""The results directory: where a run's files stand, and how they get there without ever being half written.

<out>/scenario.yaml plan.json environment.json summary.json *.parquet report.html charts/ logs/
<out>/trials/<nn>-<variant>/trial.json *.parquet raw/
"""

from __future__ import annotations

import datetime
import json
import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import pandas as pd

from benchmarks.analysis.history import TrialFacts, TrialFrames
from benchmarks.analysis.validity import TrialResult

_FRAMES = ("history", "effects", "lag", "resources", "faults")


class ResultsError(Exception):
    """The results directory cannot be used. `next_step` says what to try."""

    def __init__(self, message: str, next_step: str) -> None:
        super().__init__(message)
        self.next_step = next_step


def default_directory(scenario: str, root: Path = Path("results")) -> Path:
    """`results/<scenario>/<UTC stamp>`, under the working directory."""
    stamp = datetime.datetime.now(datetime.UTC).strftime("%Y%m%dT%H%M%SZ")
    return root / scenario / stamp


class Results:
    """One run's directory."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    @classmethod
    def create(cls, directory: Path) -> Results:
        """Make the directory and its folders. Raises ResultsError where it is in use or cannot be written."""
        try:
            if directory.exists() and (not directory.is_dir() or any(directory.iterdir())):
                raise ResultsError(
                    f"{directory} holds something already; nothing measured is ever overwritten",
                    "name another directory with --out, or move this one away",
                )
            for folder in ("trials", "logs", "charts"):
                (directory / folder).mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ResultsError(
                f"the results directory {directory} cannot be written: {error.strerror}",
                "name one that can with --out",
            ) from error
        return cls(directory)

    @property
    def logs(self) -> Path:
        return self.directory / "logs"

    def trial_directory(self, label: str) -> Path:
        return self.directory / "trials" / label

    def write_json(self, name: str, data: Mapping[str, object]) -> None:
        write_text(self.directory / name, json.dumps(data, indent=2, ensure_ascii=False, allow_nan=False) + "\n")

    def save_trial(self, result: TrialResult) -> None:
        """Write one finished trial; `trial.json` comes last and says that the rest is whole."""
        directory = self.trial_directory(result.facts.label)
        for name, frame in _frames_of(result).items():
            _write_parquet(frame, directory / f"{name}.parquet")
        _write_parquet(result.frames.warmup, directory / "warmup.parquet")
        facts = {**result.facts.as_dict(), "problems": list(result.frames.problems)}
        write_text(directory / "trial.json", json.dumps(facts, indent=2) + "\n")

    def save_run(self, results: Sequence[TrialResult]) -> None:
        """Write the frames of all finished trials, one below the other."""
        for name in _FRAMES:
            frames = [_frames_of(result)[name] for result in results]
            _write_parquet(pd.concat(frames, ignore_index=True), self.directory / f"{name}.parquet")

    def point_latest(self, root: Path) -> None:
        """Let `<root>/latest` point to this run, where the file system knows symbolic links."""
        with suppress(OSError):
            link = root / f".latest-{os.getpid()}"
            link.unlink(missing_ok=True)
            link.symlink_to(os.path.relpath(self.directory, root), target_is_directory=True)
            link.replace(root / "latest")


def load_trials(directory: Path) -> list[TrialResult]:
    """The finished trials of a results directory, in order; one that was cut short has no `trial.json`."""
    results = []
    for path in (directory / "trials").glob("*/trial.json"):
        data = json.loads(path.read_text())
        frames = {name: pd.read_parquet(path.parent / f"{name}.parquet") for name in (*_FRAMES, "warmup")}
        results.append(
            TrialResult(
                TrialFacts.from_dict(data),
                TrialFrames(frames["history"], frames["effects"], frames["warmup"], tuple(data["problems"])),
                frames["lag"],
                frames["resources"],
                frames["faults"],
            )
        )
    # By number, not by name: the hundredth folder sorts before the eleventh.
    return sorted(results, key=lambda result: result.facts.number)


def write_text(path: Path, text: str) -> None:
    """Write a file aside and rename it: whoever reads it finds it whole or not at all."""
    aside = path.with_name(f".{path.name}.part")
    aside.write_text(text, encoding="utf-8")
    aside.replace(path)


def _write_parquet(frame: pd.DataFrame, path: Path) -> None:
    aside = path.with_name(f".{path.name}.part")
    frame.to_parquet(aside, index=False)
    aside.replace(path)


def _frames_of(result: TrialResult) -> dict[str, pd.DataFrame]:
    return {
        "history": result.frames.history,
        "effects": result.frames.effects,
        "lag": result.lag,
        "resources": result.resources,
        "faults": result.faults,
    }
