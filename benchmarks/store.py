"""The results directory: where a run's files are, and how they get there without ever being half written.

<out>/scenario.yaml plan.json environment.json summary.json *.parquet report.html charts/ logs/
<out>/trials/<nn>-<variant>/trial.json *.parquet raw/
"""

from __future__ import annotations

import datetime
import hashlib
import itertools
import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.analysis.history import EFFECTS_COLUMNS, HISTORY_COLUMNS
from benchmarks.analysis.reconcile import reconcile
from benchmarks.parquet import write_together
from benchmarks.trial_result import TrialFacts, TrialFrames, TrialResult

_FRAMES = ("history", "effects", "lag", "resources", "faults", "in_flight")
# Came later than the others: a trial that was stored before has none, and is read as one without samples.
_LATER = ("in_flight",)
# Of these, the columns that are computed with. The ids of effects would take as long to read, and as much room, as all
# else together: each is its arrival's, which has the same `index`. No figure asks for hosts, and older files have none.
_READ = {
    "history": [name for name in HISTORY_COLUMNS if name not in ("host", "api_host")],
    "effects": [name for name in EFFECTS_COLUMNS if name not in ("registration_id", "host")],
}
# What history and effects amount to, registration by registration: it is made from them, and again when they change.
_DERIVED = "registrations"
# Which columns that file has: files of an older version are made again.
_DERIVED_FORMAT = b"2: with the accept latency"
# Where a Parquet file that is made from others names them: reports after the first need not write it again.
_MADE_OF = "bench.made_of"

# What `run.json` says from the first instant on, until a run ends on its own: it is then rewritten.
DID_NOT_END = (
    "bench did not reach the end of this run: it was killed, the disk was full, or the machine stopped; "
    "what is here are the trials that had ended"
)


class ResultsError(Exception):
    """The results directory cannot be used. `next_step` says what to try."""

    def __init__(self, message: str, next_step: str) -> None:
        super().__init__(message)
        self.next_step = next_step


def default_directory(scenario: str, root: Path = Path("results")) -> Path:
    """`results/<scenario>/<UTC stamp>`, under the working directory; a second one of the same second ends with `-2`.

    It is made here, so that no other run can take it. Raises ResultsError where that fails.
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
    return ResultsError(f"the results directory {directory} cannot be written: {why}", "choose another with --out")


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
                "choose another with --out",
            ) from None
        try:
            if directory.exists() and (not directory.is_dir() or any(directory.iterdir())):
                raise ResultsError(
                    f"{directory} is not empty; measurements are never overwritten",
                    "choose another directory with --out, or move this one away",
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
        """Where the run ran; empty where it ended before recording that.

        Raises ResultsError where the file was damaged since.
        """
        path = self.directory / "environment.json"
        if not path.is_file():
            return {}
        try:
            found = json.loads(path.read_text(encoding="utf-8"))
            if not isinstance(found, dict):
                raise TypeError("it is not a JSON object")
        except (ValueError, TypeError) as error:
            raise ResultsError(
                f"{path} cannot be read: {error}", "move it away; the trials are then reported without it"
            ) from error
        return found

    def run_problems(self) -> list[str]:
        """Why the run ended early; a missing `run.json` says that too.

        Raises ResultsError where the file was damaged since.
        """
        path = self.directory / "run.json"
        if not path.is_file():
            return [DID_NOT_END]
        try:
            problems: list[str] = json.loads(path.read_text(encoding="utf-8"))["problems"]
        except (ValueError, KeyError, TypeError) as error:
            raise ResultsError(
                f"{path} cannot be read: {error}", "move it away; the trials are then reported without it"
            ) from error
        return problems

    def save_trial(self, result: TrialResult) -> None:
        """Write one finished trial; `trial.json` comes last and says that the rest is whole."""
        directory = self.trial_directory(result.facts.label)
        for name in _FRAMES:
            _write_parquet(_frame_of(result, name), directory / f"{name}.parquet")
        _write_parquet(result.frames.warmup, directory / "warmup.parquet")
        self._save_derived(result)
        self.save_facts(result.facts, result.frames.problems)

    def save_facts(self, facts: TrialFacts, problems: Sequence[str]) -> None:
        """Write `trial.json` of a trial whose frames are there."""
        told = {**facts.as_dict(), "problems": list(problems)}
        write_text(self.trial_directory(facts.label) / "trial.json", json.dumps(told, indent=2) + "\n")

    def save_run(self) -> None:
        """Write the frames of all trials that count, one below the other, where the files do not hold that already.

        Raises ResultsError where those of a trial cannot be read.
        """
        trials = load_trials(self.directory).counted
        for trial in trials.stored:
            if not _holds(trial.directory / f"{_DERIVED}.parquet", trial.derived_from()):
                self._save_derived(trial.load())
        for name in (*_FRAMES, _DERIVED):
            paths = [trial.directory / f"{name}.parquet" for trial in trials.stored]
            parts = [path for path in paths if name not in _LATER or path.is_file()]
            if not parts:
                continue
            whole = self.directory / f"{name}.parquet"
            made_of = _digest(_footer(part) for part in parts)
            if not _holds(whole, made_of):
                aside = whole.with_name(f".{whole.name}.part")
                write_together(parts, aside, {"pandas": _pandas_types(parts), _MADE_OF: made_of})
                aside.replace(whole)

    def _save_derived(self, result: TrialResult) -> None:
        trial = StoredTrial(self.trial_directory(result.facts.label), result.facts, result.frames.problems)
        frame = reconcile(result.frames.history, result.frames.effects, result.facts).frame
        _write_parquet(frame, trial.directory / f"{_DERIVED}.parquet", {_MADE_OF: trial.derived_from()})

    def save_frame(self, name: str, frame: pd.DataFrame) -> None:
        """Write `<name>.parquet`, something that was computed from the trials."""
        _write_parquet(frame, self.directory / f"{name}.parquet")

    def point_latest(self, root: Path) -> bool:
        """Let `<root>/latest` point to this run; False where it cannot: something of the user's is there."""
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


@dataclass(frozen=True)
class StoredTrial:
    """One finished trial in its folder, of which only the facts are in memory."""

    directory: Path
    facts: TrialFacts
    problems: tuple[str, ...]

    @classmethod
    def of(cls, directory: Path) -> StoredTrial:
        """Raises ResultsError where `trial.json` was damaged since."""
        try:
            data = json.loads((directory / "trial.json").read_text(encoding="utf-8"))
            return cls(directory, TrialFacts.from_dict(data), tuple(data["problems"]))
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise _unreadable(directory, error) from error

    def load(self) -> TrialResult:
        """Read its frames, of history and effects what is computed with (`_READ`). Raises ResultsError where the files
        were damaged since.
        """
        try:
            frames = {name: self._read(name) for name in (*_FRAMES, "warmup") if self._has(name)}
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise _unreadable(self.directory, error) from error
        of_arrivals = TrialFrames(frames["history"], frames["effects"], frames["warmup"], self.problems)
        later = {name: frames[name] for name in _LATER if name in frames}
        return TrialResult(self.facts, of_arrivals, frames["lag"], frames["resources"], frames["faults"], **later)

    def _has(self, name: str) -> bool:
        """A frame that came later than others may be missing; any other must be there."""
        return name not in _LATER or (self.directory / f"{name}.parquet").is_file()

    def _read(self, name: str) -> pd.DataFrame:
        return pd.read_parquet(self.directory / f"{name}.parquet", columns=_READ.get(name))

    def derived_from(self) -> str:
        """What the list of its registrations is made from, in short."""
        try:
            footers = [_footer(self.directory / f"{name}.parquet") for name in ("history", "effects")]
        except (OSError, ValueError) as error:
            raise _unreadable(self.directory, error) from error
        facts = self.facts
        return _digest([_DERIVED_FORMAT, *footers, repr((facts.services, facts.pending, facts.dead_lettered)).encode()])


@dataclass(frozen=True)
class StoredTrials:
    """The finished trials of a run, in order. Each is read when its turn comes: a run may be larger than the memory.

    Going through them raises ResultsError where the files of one were damaged since.
    """

    stored: tuple[StoredTrial, ...]

    @property
    def counted(self) -> StoredTrials:
        """Those whose block was not repeated."""
        return StoredTrials(tuple(trial for trial in self.stored if not trial.facts.superseded))

    def __len__(self) -> int:
        return len(self.stored)

    def __iter__(self) -> Iterator[TrialResult]:
        return (trial.load() for trial in self.stored)


def load_trials(directory: Path) -> StoredTrials:
    """The finished trials of a results directory; one that was cut short has no `trial.json`.

    Raises ResultsError where a `trial.json` was damaged since.
    """
    found = [StoredTrial.of(path.parent) for path in (directory / "trials").glob("*/trial.json")]
    # By number, not by name: the hundredth folder sorts before the eleventh.
    return StoredTrials(tuple(sorted(found, key=lambda trial: trial.facts.number)))


def _unreadable(directory: Path, error: Exception) -> ResultsError:
    return ResultsError(
        f"the trial in {directory} cannot be read: {type(error).__name__}: {error}",
        "move that folder away, and the others are reported without it",
    )


def write_text(path: Path, text: str) -> None:
    """Write a file aside and rename it: readers find it whole or not at all."""
    aside = path.with_name(f".{path.name}.part")
    aside.write_text(text, encoding="utf-8")
    aside.replace(path)


def _write_parquet(frame: pd.DataFrame, path: Path, metadata: Mapping[str, str] | None = None) -> None:
    table = pa.Table.from_pandas(frame, preserve_index=False)
    aside = path.with_name(f".{path.name}.part")
    pq.write_table(table.replace_schema_metadata({**table.schema.metadata, **(metadata or {})}), aside)
    aside.replace(path)


def _frame_of(result: TrialResult, name: str) -> pd.DataFrame:
    frame = getattr(result.frames if name in ("history", "effects") else result, name)
    assert isinstance(frame, pd.DataFrame)
    return frame


def _footer(path: Path) -> bytes:
    """The end of a Parquet file: types, and for every piece of each column its place, size, least and greatest value.

    It identifies the file: other rows give another one. Raises ValueError where it is not a Parquet file.
    """
    with path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(size - 8, 0))
        length, magic = int.from_bytes(file.read(4), "little"), file.read(4)
        if magic != b"PAR1" or length > size - 8:
            raise ValueError(f"{path.name} is not a Parquet file, or only part of one")
        file.seek(size - 8 - length)
        return file.read(length)


def _digest(parts: Iterable[bytes]) -> str:
    return hashlib.sha256(b"".join(hashlib.sha256(part).digest() for part in parts)).hexdigest()


def _holds(path: Path, made_of: str) -> bool:
    """Whether a file was made of just that, and to its end."""
    try:
        metadata = pq.read_metadata(path).metadata or {}
    except (OSError, ValueError):
        return False
    return metadata.get(_MADE_OF.encode()) == made_of.encode()


def _pandas_types(parts: Sequence[Path]) -> str:
    """What types pandas gives the columns: a frame without rows may not know."""
    known = sorted(map(pq.read_metadata, parts), key=lambda metadata: metadata.num_rows == 0)[0].metadata
    types: bytes = (known or {}).get(b"pandas", b"{}")
    return types.decode()
