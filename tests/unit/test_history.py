"""From raw files to frames."""

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from synthetic import BLOCK_SEED, Script, facts_of, ns

from benchmarks.analysis.history import EFFECTS_COLUMNS, HISTORY_COLUMNS, read_trial
from benchmarks.load.rows import NO_TIME, ROW_DTYPE, Outcome
from benchmarks.trial_result import TrialFacts, TrialFrames
from registration import luck
from registration.trace import RecordKind


@pytest.fixture
def script() -> Script:
    return Script(facts_of(number=4, variant="events", block=2))


def only(frame: pd.DataFrame) -> dict[str, object]:
    assert len(frame) == 1
    return {str(name): value for name, value in frame.iloc[0].items()}


def test_an_arrival_is_one_row_with_the_times_of_the_generator_and_of_the_api(script: Script, tmp_path: Path) -> None:
    script.facts = replace(script.facts, load_hosts=("loads",))
    script.hosts = {"api/0": "serves"}
    script.arrival(0, 100, 101, 151, status=201)
    script.api(0, 102, 103, 150)
    row = only(script.frames(tmp_path).history)
    assert tuple(row) == HISTORY_COLUMNS
    assert row == {
        "trial": 4,
        "variant": "events",
        "block": 2,
        "index": 0,
        "registration_id": str(luck.registration_id(BLOCK_SEED, 0)),
        "intended_ns": ns(100),
        "sent_ns": ns(101),
        "received_ns": ns(102),
        "stored_ns": ns(103),
        "replied_ns": ns(150),
        "answered_ns": ns(151),
        "outcome": "acked",
        "status": 201,
        "host": "loads",
        "api_host": "serves",
    }


def test_what_did_not_happen_is_null(script: Script, tmp_path: Path) -> None:
    script.arrival(0, 100, outcome=Outcome.DROPPED, status=0)
    row = only(script.frames(tmp_path).history)
    assert row["outcome"] == "dropped"
    assert all(pd.isna(row[name]) for name in ("sent_ns", "received_ns", "stored_ns", "answered_ns", "status"))


def test_an_arrival_that_the_generator_never_decided_on_has_no_outcome(script: Script, tmp_path: Path) -> None:
    script.arrival(0, 100, 101, outcome=Outcome.PENDING, status=0)
    assert pd.isna(only(script.frames(tmp_path).history)["outcome"])


def test_the_warm_up_is_kept_apart_and_has_no_effects(script: Script, tmp_path: Path) -> None:
    script.happy(-1, -500)
    script.happy(-2, -900)
    script.happy(0, 10)
    frames = script.frames(tmp_path)
    assert list(frames.history["index"]) == [0]
    assert list(frames.warmup["index"]) == [-2, -1]
    assert set(frames.effects["index"]) == {0}


def test_an_effect_is_one_row_per_attempt(script: Script, tmp_path: Path) -> None:
    script.happy(0, 0)
    script.records.clear()
    script.effect(0, "email", 90, received_ms=10, started_ms=11, failed_ms=[30, 60], settled_ms=95, instance=1)
    effects = script.frames(tmp_path).effects
    assert tuple(effects.columns) == EFFECTS_COLUMNS
    assert list(effects["attempt"]) == [1, 2, 3]
    assert list(effects["failed"]) == [True, True, False]
    assert list(effects["started_ns"]) == [ns(11), ns(30), ns(60)]
    assert list(effects["applied_ns"].fillna(-1)) == [-1, -1, ns(90)]
    assert list(effects["received_ns"]) == [ns(10)] * 3
    assert list(effects["settled_ns"]) == [ns(95)] * 3
    assert list(effects["instance"]) == [1] * 3


def test_every_row_carries_the_host_that_wrote_it(script: Script, tmp_path: Path) -> None:
    script.facts = replace(script.facts, load_hosts=("one", "two"))
    script.hosts = {"api/0": "serves", "email/0": "mails", "cache/0": "caches"}
    for index in range(3):
        script.happy(index, 10 * index)
    script.arrival(3, 30, outcome=Outcome.DROPPED, status=0)
    frames = script.frames(tmp_path)
    assert list(frames.history["host"]) == ["one", "two", "one", "two"]
    assert list(frames.history["api_host"].fillna("never had it")) == ["serves"] * 3 + ["never had it"]
    by_service = frames.effects.groupby("service")["host"].unique()
    assert (list(by_service["email"]), list(by_service["cache"])) == (["mails"], ["caches"])
    assert by_service["analytics"].isna().all() or pd.isna(by_service["analytics"][0])


def test_traces_of_an_earlier_version_name_no_host(script: Script, tmp_path: Path) -> None:
    script.happy(0, 10)
    frames = script.frames(tmp_path)
    for hosts in (frames.history["host"], frames.history["api_host"], frames.effects["host"]):
        assert hosts.isna().all()
        assert hosts.dtype == "str"


def test_a_receipt_that_was_never_started_is_one_row(script: Script, tmp_path: Path) -> None:
    script.arrival(0, 0, 0, 5)
    script.effect(0, "email", None, received_ms=10)
    row = only(script.frames(tmp_path).effects)
    assert row["attempt"] == 1
    assert row["received_ns"] == ns(10)
    assert pd.isna(row["started_ns"])
    assert pd.isna(row["applied_ns"])


def test_a_second_delivery_is_a_receipt_of_its_own(script: Script, tmp_path: Path) -> None:
    script.arrival(0, 0, 0, 5)
    script.effect(0, "cache", 20, received_ms=10)
    script.effect(0, "cache", 40, received_ms=30)
    effects = script.frames(tmp_path).effects
    assert list(effects["received_ns"]) == [ns(10), ns(30)]
    assert list(effects["applied_ns"]) == [ns(20), ns(40)]


def test_a_respawned_process_that_counts_from_one_again_is_not_mistaken_for_its_predecessor(
    script: Script, tmp_path: Path
) -> None:
    script.arrival(0, 0, 0, 5)
    script.effect(0, "cache", 20, received_ms=10)
    script.deliveries.clear()  # killed and started again: the same file, the same delivery number
    script.effect(0, "cache", 40, received_ms=30)
    effects = script.frames(tmp_path).effects
    assert list(effects["applied_ns"]) == [ns(20), ns(40)]


def test_a_consumer_killed_before_its_offset_was_committed_gives_two_receipts_of_one_registration(
    script: Script, tmp_path: Path
) -> None:
    script.arrival(0, 0, 0, 5)
    script.effect(0, "cache", 20, received_ms=10)  # applied, and killed before it settled
    script.deliveries.clear()
    script.effect(1, "cache", 35, received_ms=31, settled_ms=36)  # its successor's first delivery is another one
    script.arrival(1, 1, 1, 5)
    script.effect(0, "cache", 45, received_ms=40, settled_ms=46)
    effects = script.frames(tmp_path).effects
    mine = effects[effects["index"] == 0]
    assert list(mine["received_ns"]) == [ns(10), ns(40)]
    assert list(mine["applied_ns"]) == [ns(20), ns(45)]
    assert list(mine["settled_ns"].fillna(-1)) == [-1, ns(46)]


def test_a_consumer_killed_in_the_middle_of_the_work_leaves_an_attempt_without_an_end(
    script: Script, tmp_path: Path
) -> None:
    script.arrival(0, 0, 0, 5)
    script.record("cache/0", RecordKind.RECEIVED, 0, 10, 1)
    script.record("cache/0", RecordKind.STARTED, 0, 11, 1, 1)
    script.effect(0, "cache", 45, received_ms=40, settled_ms=46)  # counts from 1 again
    effects = script.frames(tmp_path).effects
    assert list(effects["started_ns"]) == [ns(11), ns(40)]
    assert list(effects["applied_ns"].fillna(-1)) == [-1, ns(45)]
    assert list(effects["settled_ns"].fillna(-1)) == [-1, ns(46)]


def test_records_keep_apart_by_process(script: Script, tmp_path: Path) -> None:
    script.arrival(0, 0, 0, 5)
    script.effect(0, "email", 20, instance=0)
    script.effect(0, "email", 30, instance=1)
    assert list(script.frames(tmp_path).effects["instance"]) == [0, 1]


def test_a_record_cut_short_by_a_kill_is_left_out(script: Script, tmp_path: Path) -> None:
    script.happy(0, 0)
    script.write(tmp_path)
    trace = tmp_path / "cache-0.trace"
    os.truncate(trace, trace.stat().st_size - 1)
    frames = read_again(script, tmp_path)
    assert frames.effects.set_index("service")["applied_ns"].isna()["cache"]
    assert frames.problems == ()


def test_a_trace_without_a_header_is_a_problem(script: Script, tmp_path: Path) -> None:
    script.happy(0, 0)
    script.write(tmp_path)
    (tmp_path / "email-0.trace").write_bytes(b"")
    frames = read_again(script, tmp_path)
    assert any("email-0.trace has no header" in problem for problem in frames.problems)


def test_a_registration_that_nobody_scheduled_is_a_problem(script: Script, tmp_path: Path) -> None:
    script.happy(0, 0)
    script.record("email/0", RecordKind.RECEIVED, 77, 5.0)
    frames = script.frames(tmp_path)
    assert frames.problems == ("the trace email-0.trace names 1 registrations that were never scheduled",)
    assert set(frames.effects["index"]) == {0}


def test_ids_that_share_their_first_half_are_not_mistaken_for_each_other(script: Script, tmp_path: Path) -> None:
    script.happy(0, 0)
    t_ns, id_, *rest = script.records["email/0"][0]
    script.records["email/0"].append((t_ns, id_[:8] + bytes(8), *rest))
    assert "names 1 registrations" in script.frames(tmp_path).problems[0]


def test_rows_that_are_not_the_schedules_are_a_problem_and_are_matched_by_index(script: Script, tmp_path: Path) -> None:
    script.happy(0, 0)
    script.happy(1, 10)
    script.write(tmp_path)
    schedule = script.schedule()
    rows = tmp_path / "load.rows"
    rows.write_bytes(rows.read_bytes()[40:])  # the first row is gone
    frames = read_again(script, tmp_path, schedule)
    assert "1 rows, 2 planned" in frames.problems[0]
    assert pd.isna(frames.history["outcome"][0])
    assert frames.history["outcome"][1] == "acked"


def test_no_trace_at_all_still_gives_a_history(script: Script, tmp_path: Path) -> None:
    script.arrival(0, 0, 1, outcome=Outcome.REFUSED, status=0)
    script.write(tmp_path)
    (tmp_path / "api-0.trace").unlink()
    frames = read_again(script, tmp_path)
    assert frames.problems == ("no API process left a trace",)
    assert len(frames.history) == 1
    assert frames.effects.empty


class TestAClosedTrial:
    """Nobody knows its arrivals before: the rows are the schedule."""

    def frames(self, script: Script, raw: Path, change: Callable[[np.ndarray], np.ndarray]) -> TrialFrames:
        script.write(raw)
        rows = raw / "load.rows"
        change(np.fromfile(rows, dtype=ROW_DTYPE)).tofile(rows)
        return read_trial(raw, replace(script.facts, closed=True), None)

    @pytest.fixture
    def issued(self) -> Script:
        script = Script()
        for index, at_ms in ((-1, -900.0), (-2, -400.0), (0, 100.0), (1, 250.0)):
            script.happy(index, at_ms)
        return script

    def test_what_was_issued_is_what_was_offered(self, issued: Script, tmp_path: Path) -> None:
        unused = np.zeros(3, dtype=ROW_DTYPE)
        unused["intended_ns"] = unused["sent_ns"] = unused["answered_ns"] = NO_TIME
        frames = self.frames(issued, tmp_path, lambda rows: np.concatenate([rows, unused]))
        assert frames.problems == ()
        assert list(frames.history["index"]) == [0, 1]
        assert list(frames.history["outcome"]) == ["acked", "acked"]
        assert list(frames.history["intended_ns"]) == [ns(100), ns(250)]
        assert list(frames.warmup["index"]) == [-2, -1]
        assert set(frames.effects["index"]) == {0, 1}

    def test_numbers_that_leave_one_out_are_a_problem(self, issued: Script, tmp_path: Path) -> None:
        frames = self.frames(issued, tmp_path, lambda rows: rows[rows["index"] != 0])
        assert "do not number the arrivals as they were issued" in frames.problems[0]
        assert list(frames.history["index"]) == [1]

    def test_a_number_that_stands_twice_is_a_problem_and_counts_once(self, issued: Script, tmp_path: Path) -> None:
        frames = self.frames(issued, tmp_path, lambda rows: np.concatenate([rows, rows[-1:]]))
        assert "do not number the arrivals as they were issued" in frames.problems[0]
        assert list(frames.history["index"]) == [0, 1]


def test_frames_survive_parquet(script: Script, tmp_path: Path) -> None:
    script.happy(0, 0)
    script.arrival(1, 10, outcome=Outcome.DROPPED, status=0)
    frames = script.frames(tmp_path)
    for name in ("history", "effects", "warmup"):
        frame = getattr(frames, name)
        frame.to_parquet(tmp_path / "stored.parquet", index=False)
        pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / "stored.parquet"), frame)


def test_facts_survive_json() -> None:
    facts = facts_of(pending={"email": ["a"]}, broker={"kind": "kafka", "version": "4"})
    assert TrialFacts.from_dict(facts.as_dict()) == facts


def test_facts_that_lack_a_field_are_refused() -> None:
    data = facts_of().as_dict()
    del data["block"]
    with pytest.raises(TypeError, match="block"):
        TrialFacts.from_dict(data)


def read_again(script: Script, raw: Path, schedule: np.ndarray | None = None) -> TrialFrames:
    return read_trial(raw, script.facts, script.schedule() if schedule is None else schedule)
