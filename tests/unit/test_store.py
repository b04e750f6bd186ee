"""The results directory: nothing overwritten, nothing half written, and read back as it was."""

import json
import os
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from synthetic import FAULTS_COLUMNS, LAG_COLUMNS, RESOURCES_COLUMNS, facts_of

from benchmarks.analysis.history import EFFECTS_COLUMNS, HISTORY_COLUMNS
from benchmarks.store import DID_NOT_END, Results, ResultsError, default_directory, load_trials, write_text
from benchmarks.trial_result import TrialFrames, TrialResult


def frame(columns: tuple[str, ...], trial: int) -> pd.DataFrame:
    return pd.DataFrame({column: [trial] for column in columns})


def trial(number: int, variant: str = "sync") -> TrialResult:
    facts = replace(facts_of(), number=number, variant=variant)
    history = frame(HISTORY_COLUMNS, number)
    frames = TrialFrames(history, frame(EFFECTS_COLUMNS, number), history, ("a row is missing",))
    return TrialResult(
        facts,
        frames,
        frame(LAG_COLUMNS, number),
        frame(RESOURCES_COLUMNS, number),
        frame(FAULTS_COLUMNS, number),
    )


def save(results: Results, *trials: TrialResult) -> None:
    for result in trials:
        results.trial_directory(result.facts.label).mkdir()
        results.save_trial(result)


def test_a_new_directory_gets_its_folders(tmp_path: Path) -> None:
    results = Results.create(tmp_path / "a" / "b")
    assert sorted(path.name for path in results.directory.iterdir()) == ["charts", "logs", "trials"]


def test_an_empty_directory_may_be_used(tmp_path: Path) -> None:
    assert Results.create(tmp_path).directory == tmp_path


def test_a_directory_in_use_is_refused_and_left_as_it_was(tmp_path: Path) -> None:
    (tmp_path / "summary.json").write_text("{}")
    with pytest.raises(ResultsError, match="is not empty") as refusal:
        Results.create(tmp_path)
    assert "--out" in refusal.value.next_step
    assert [path.name for path in tmp_path.iterdir()] == ["summary.json"]


def test_a_file_in_the_way_is_refused(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("")
    with pytest.raises(ResultsError):
        Results.create(tmp_path / "out")
    with pytest.raises(ResultsError, match="cannot be written"):
        Results.create(tmp_path / "out" / "below")


def test_the_default_directory_is_named_by_scenario_and_utc_time(tmp_path: Path) -> None:
    directory = default_directory("baseline", tmp_path)
    assert directory.parent == tmp_path / "baseline"
    assert len(directory.name) == len("20260101T000000Z")


def test_trials_come_back_as_they_were_saved(tmp_path: Path) -> None:
    results = Results.create(tmp_path)
    saved = trial(1)
    save(results, saved)
    (loaded,) = load_trials(tmp_path)
    assert loaded.facts == saved.facts
    assert loaded.frames.problems == saved.frames.problems
    for name in ("lag", "resources", "faults"):
        pd.testing.assert_frame_equal(getattr(loaded, name), getattr(saved, name))
    pd.testing.assert_frame_equal(loaded.frames.warmup, saved.frames.warmup)
    # No figure asks for hosts, and an effect's id is its arrival's.
    pd.testing.assert_frame_equal(loaded.frames.history, saved.frames.history.drop(columns=["host", "api_host"]))
    pd.testing.assert_frame_equal(loaded.frames.effects, saved.frames.effects.drop(columns=["registration_id", "host"]))


def test_a_trial_of_an_earlier_version_without_hosts_is_read(tmp_path: Path) -> None:
    results = Results.create(tmp_path)
    save(results, trial(1))
    folder = results.trial_directory("01-sync")
    for name in ("history", "effects"):
        path = folder / f"{name}.parquet"
        frame = pd.read_parquet(path)
        frame.drop(columns=frame.columns.intersection(["host", "api_host"])).to_parquet(path, index=False)
    facts = json.loads((folder / "trial.json").read_text())
    del facts["load_hosts"]
    (folder / "trial.json").write_text(json.dumps(facts))
    (loaded,) = load_trials(tmp_path)
    assert loaded.facts.load_hosts == ()
    assert loaded.frames.history["index"].tolist() == [1]
    results.save_run()
    assert pd.read_parquet(tmp_path / "effects.parquet")["trial"].tolist() == [1]


def test_trials_come_back_in_the_order_of_the_run_beyond_the_hundredth(tmp_path: Path) -> None:
    results = Results.create(tmp_path)
    save(results, *(trial(number) for number in (100, 9, 11, 99)))
    assert [loaded.facts.number for loaded in load_trials(tmp_path)] == [9, 11, 99, 100]


def test_a_trial_that_was_cut_short_is_not_read(tmp_path: Path) -> None:
    results = Results.create(tmp_path)
    save(results, trial(1), trial(2))
    (results.trial_directory("02-sync") / "trial.json").unlink()
    assert [loaded.facts.number for loaded in load_trials(tmp_path)] == [1]


def test_each_registration_is_listed_beside_the_frames_it_comes_from(tmp_path: Path) -> None:
    results = Results.create(tmp_path)
    save(results, trial(1))
    listed = pd.read_parquet(results.trial_directory("01-sync") / "registrations.parquet")
    assert list(listed["registration_id"]) == [1]
    assert list(listed["missing"]) == ["email,analytics,cache"]


def test_a_run_without_a_word_on_its_end_did_not_come_to_it(tmp_path: Path) -> None:
    results = Results.create(tmp_path)
    assert results.run_problems() == [DID_NOT_END]
    results.write_json("run.json", {"problems": []})
    assert results.run_problems() == []


def test_a_run_s_frames_hold_those_of_all_trials(tmp_path: Path) -> None:
    results = Results.create(tmp_path)
    save(results, trial(1), trial(2, "events"))
    results.save_run()
    for name in ("history", "effects", "lag", "resources", "faults", "registrations"):
        assert pd.read_parquet(tmp_path / f"{name}.parquet")["trial"].tolist() == [1, 2]


def test_a_file_is_replaced_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "summary.json"
    write_text(path, "old")
    with pytest.raises(UnicodeEncodeError):
        write_text(path, "new \ud800")
    assert path.read_text() == "old"
    write_text(path, "new")
    assert path.read_text() == "new"
    assert [left.name for left in tmp_path.iterdir() if not left.name.startswith(".")] == ["summary.json"]


def test_json_that_others_could_not_read_is_refused(tmp_path: Path) -> None:
    results = Results.create(tmp_path)
    with pytest.raises(ValueError, match="not JSON compliant"):
        results.write_json("summary.json", {"ratio": float("nan")})
    results.write_json("summary.json", {"größe": 1})
    assert json.loads((tmp_path / "summary.json").read_text()) == {"größe": 1}


def test_latest_points_to_the_newest_run_by_a_relative_link(tmp_path: Path) -> None:
    for name in ("first", "second"):
        Results.create(tmp_path / "baseline" / name).point_latest(tmp_path)
    assert os.readlink(tmp_path / "latest") == os.path.join("baseline", "second")  # noqa: PTH115, PTH118
    assert (tmp_path / "latest" / "trials").is_dir()


def test_two_runs_of_one_scenario_in_the_same_second_have_directories_of_their_own(tmp_path: Path) -> None:
    made = {default_directory("baseline", tmp_path) for _ in range(3)}
    assert len(made) == 3
    assert all(directory.is_dir() for directory in made)
