"""The intervals are honest: drawn from identical sides, one in twenty is wrong, and a real slowdown is found."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from stored import summary_with

from benchmarks.analysis import resample
from benchmarks.analysis.resample import FALSE_ALARMS, share_found, shares, told

# Every file counts: the made-up one, and blocks that were measured, as `--save` writes them.
STORED = sorted((Path(__file__).parents[1] / "data").glob("aa_blocks_*.json"))


@pytest.mark.parametrize("path", STORED, ids=lambda path: path.stem)
def test_of_2000_comparisons_of_identical_sides_one_in_twenty_excludes_no_effect(path: Path) -> None:
    pairs = json.loads(path.read_text())["blocks"]
    found = shares(pairs, 5)
    false_alarms = float(np.mean([alarms for alarms, _ in found.values()]))
    assert FALSE_ALARMS[0] <= false_alarms <= FALSE_ALARMS[1]
    assert all(slowdowns >= 0.8 for _, slowdowns in found.values())


def test_there_are_stored_blocks() -> None:
    assert STORED


def test_noise_as_large_as_the_slowdown_hides_it() -> None:
    noise = np.exp(np.random.default_rng(3).normal(0, 0.3, (24, 2)))
    assert share_found([(a, b) for a, b in noise], 5, slowdown=1.3, times=300) < 0.5


def test_a_side_that_is_always_a_little_slower_is_no_effect_once_sides_are_swapped() -> None:
    found = share_found([(1.1 + place / 1000, 1.0) for place in range(20)], 5)
    assert found == pytest.approx(2 * 0.5**5, abs=0.02)  # only when all five fall on one side


def test_the_shares_are_told_pair_by_pair_and_together() -> None:
    lines = told({"p50 a b": [(1.0, 1.0), (2.0, 2.1), (1.0, 1.1)]}, 3)
    assert [line.partition(":")[0] for line in lines] == ["p50 a b", "all"]


def test_the_command_reads_the_twins_of_a_run_and_saves_their_blocks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    text = "version: 1\nname: baseline\nvariants: [sync, {name: sync-again, base: sync}, events]\n"
    (tmp_path / "scenario.yaml").write_text(text)

    def side(p50: float) -> dict[str, object]:
        return {
            "trials": [{"trial": n + 1, "block": n, "accept_latency_ms": {"p50": p50 + n}} for n in range(3)],
        }

    variants = {"sync": side(40), "sync-again": side(41), "events": side(4)}
    (tmp_path / "summary.json").write_text(json.dumps(summary_with(variants=variants).as_dict()))
    saved = tmp_path / "aa_blocks_here.json"
    monkeypatch.setattr("sys.argv", ["resample", str(tmp_path), "--save", str(saved)])
    resample.main()
    assert json.loads(saved.read_text())["blocks"] == {
        "accept_latency_ms.p50 sync sync-again": [[40, 41], [41, 42], [42, 43]]
    }
    assert "of 2,000 comparisons of 5 blocks" in capsys.readouterr().out


def test_a_run_without_twins_says_what_makes_some(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "scenario.yaml").write_text("version: 1\nname: baseline\n")
    (tmp_path / "summary.json").write_text(
        json.dumps(summary_with(variants={name: {"trials": []} for name in ("sync", "events")}).as_dict())
    )
    monkeypatch.setattr("sys.argv", ["resample", str(tmp_path)])
    with pytest.raises(SystemExit):
        resample.main()
    assert "bench calibrate --aa" in capsys.readouterr().err
