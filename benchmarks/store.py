"""The results directory: where a run's files stand, and how they get there without ever being half written.

<out>/scenario.yaml plan.json environment.json summary.json *.parquet report.html charts/ logs/
<out>/trials/<nn>-<variant>/trial.json *.parquet raw/
"""

from __future__ import annotations

import datetime
import itertools
import json
import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import pandas as pd

from benchmarks.analysis.history import TrialFacts, TrialFrames
from benchmarks.analysis.reconcile import reconcile
from benchmarks.analysis.validity import TrialResult

_FRAMES = ("history", "effects", "lag", "resources", "faults", "in_flight")
# Came later than the others: a trial that was stored before has none, and is read as one of which nothing was sampled.
_LATER = ("in_flight",)
# Says what the others come to, registration by registration, so it is written and never read back.
_DERIVED = ("registrations",)


# What `run.json` says from the first instant on, until a run comes to any end of its own: it is then written anew.
DID_NOT_END = (
    "bench did not come to the end of this run: it was killed, the disk was full, or the machine stopped; "
    "what is here are the trials that had ended"
)


class ResultsError(Exception):
    """The results directory cannot be used. `next_step` says what to try."""

    def __init__(self, message: str, next_step: str) -> None:
        super().__init__(message)
        self.next_step = next_step


def default_directory(scenario: str, root: Path = Path("results")) -> Path:
    """`results/<scenario>/<UTC stamp>`, under the working directory; a second one of the same second ends with `-2`.

    It is made here, so that no other run can take it. Raises ResultsError where it cannot be.
    """
    stamp = datetime.datetime.now(datetime.UTC).strftime("%Y%m%dT%H%M%SZ")
    for number in itertools.count(1):
        directory = root / scenario / (stamp if number == 1 else f"{stamp}-{number}")
        try:
            directory.mkdir(parents=True)
        except FileExistsError:
            if (root / scenario).is_dir():
                continue
            raise _unwritable(directory, "a file is in the way") from None
        except OSError as error:
            raise _unwritable(directory, error.strerror or str(error)) from error
        return directory
    raise AssertionError("the count does not end")


def _unwritable(directory: Path, why: str) -> ResultsError:
    return ResultsError(f"the results directory {directory} cannot be written: {why}", "name one that can with --out")


class Results:
    """One run's directory."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    @classmethod
    def create(cls, directory: Path) -> Results:
        """Make the directory and its folders. Raises ResultsError where it is in use or cannot be written."""
        try:
            str(directory).encode()
        except UnicodeEncodeError:
            # Parquet files and reports could not name it, and nor could most other programs.
            raise ResultsError(
                f"the name of the results directory is not UTF-8: {os.fsencode(directory)!r}",
                "name one that is with --out",
            ) from None
        try:
            if directory.exists() and (not directory.is_dir() or any(directory.iterdir())):
                raise ResultsError(
                    f"{directory} holds something already; nothing measured is ever overwritten",
                    "name another directory with --out, or move this one away",
                )
            for folder in ("trials", "logs", "charts"):
                (directory / folder).mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise _unwritable(directory, error.strerror or str(error)) from error
        return cls(directory)

    @property
    def logs(self) -> Path:
        return self.directory / "logs"

    def trial_directory(self, label: str) -> Path:
        return self.directory / "trials" / label

    def write_json(self, name: str, data: Mapping[str, object]) -> None:
        write_text(self.directory / name, json.dumps(data, indent=2, ensure_ascii=False, allow_nan=False) + "\n")

    def environment(self) -> Mapping[str, object]:
        """Where the run ran; empty where it did not come as far as to say so.

        Raises ResultsError where the file was damaged since.
        """
        path = self.directory / "environment.json"
        if not path.is_file():
            return {}
        try:
            found = json.loads(path.read_text(encoding="utf-8"))
            if not isinstance(found, dict):
                raise TypeError("it holds no object")
        except (ValueError, TypeError) as error:
            raise ResultsError(
                f"{path} cannot be read: {error}", "move it away: the trials are reported without it"
            ) from error
        return found

    def run_problems(self) -> list[str]:
        """Why the run did not come to its planned end; a `run.json` that is not there says that too.

        Raises ResultsError where the file was damaged since.
        """
        path = self.directory / "run.json"
        if not path.is_file():
            return [DID_NOT_END]
        try:
            problems: list[str] = json.loads(path.read_text(encoding="utf-8"))["problems"]
        except (ValueError, KeyError, TypeError) as error:
            raise ResultsError(
                f"{path} cannot be read: {error}", "move it away: the trials are reported without it"
            ) from error
        return problems

    def save_trial(self, result: TrialResult) -> None:
        """Write one finished trial; `trial.json` comes last and says that the rest is whole."""
        directory = self.trial_directory(result.facts.label)
        for name, frame in _frames_of(result).items():
            _write_parquet(frame, directory / f"{name}.parquet")
        _write_parquet(result.frames.warmup, directory / "warmup.parquet")
        self.save_facts(result)

    def save_facts(self, result: TrialResult) -> None:
        """Write `trial.json` of a trial whose frames are there."""
        facts = {**result.facts.as_dict(), "problems": list(result.frames.problems)}
        directory = self.trial_directory(result.facts.label)
        write_text(directory / "trial.json", json.dumps(facts, indent=2) + "\n")

    def save_run(self, results: Sequence[TrialResult]) -> None:
        """Write the frames of all finished trials that count, one below the other."""
        frames = [_frames_of(result) for result in results if not result.facts.superseded]
        for name in (*_FRAMES, *_DERIVED):
            together = pd.concat([of_trial[name] for of_trial in frames], ignore_index=True)
            _write_parquet(together, self.directory / f"{name}.parquet")

    def save_frame(self, name: str, frame: pd.DataFrame) -> None:
        """Write `<name>.parquet`, something that was computed from the trials."""
        _write_parquet(frame, self.directory / f"{name}.parquet")

    def point_latest(self, root: Path) -> bool:
        """Let `<root>/latest` point to this run; False where it cannot: something of the user's stands there."""
        link = root / f".latest-{os.getpid()}"
        try:
            link.unlink(missing_ok=True)
            link.symlink_to(os.path.relpath(self.directory, root), target_is_directory=True)
            if (root / "latest").is_symlink() or not (root / "latest").exists():
                link.replace(root / "latest")
                return True
        except OSError:
            pass  # a file system without symbolic links, or one that is full
        with suppress(OSError):
            link.unlink()
        return False


def load_trials(directory: Path) -> list[TrialResult]:
    """The finished trials of a results directory, in order; one that was cut short has no `trial.json`.

    Raises ResultsError where the files of one were damaged since.
    """
    results = [_load_trial(path) for path in (directory / "trials").glob("*/trial.json")]
    # By number, not by name: the hundredth folder sorts before the eleventh.
    return sorted(results, key=lambda result: result.facts.number)


def _load_trial(path: Path) -> TrialResult:
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        frames = {
            name: pd.read_parquet(path.parent / f"{name}.parquet")
            for name in (*_FRAMES, "warmup")
            if name not in _LATER or (path.parent / f"{name}.parquet").is_file()
        }
        return TrialResult(
            TrialFacts.from_dict(data),
            TrialFrames(frames["history"], frames["effects"], frames["warmup"], tuple(data["problems"])),
            frames["lag"],
            frames["resources"],
            frames["faults"],
            **{name: frames[name] for name in _LATER if name in frames},
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ResultsError(
            f"the trial in {path.parent} cannot be read: {type(error).__name__}: {error}",
            "move that folder away, and the others are reported without it",
        ) from error


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
        "in_flight": result.in_flight,
        "registrations": reconcile(result.frames.history, result.frames.effects, result.facts).frame,
    }
