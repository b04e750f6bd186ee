"""Calibration: the floor from a summary, what is stored and when it no longer fits, the ceiling's search, and words."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from stored import summary_with

from benchmarks.analysis.calibration import NoiseFloor, ceiling_unknown, ceiling_warnings
from benchmarks.analysis.statistics import t_interval
from benchmarks.calibration import ceiling, noise, store
from benchmarks.calibration.calibration import Calibration, DamagedCalibration, Fingerprint
from benchmarks.calibration.clocks import ClockReading, consistency
from benchmarks.calibration.floor import floor_of, twice
from benchmarks.calibration.measure import kept
from benchmarks.calibration.workbench import QUICK, USUAL
from benchmarks.load.rows import NO_TIME, ROW_DTYPE, Outcome
from benchmarks.scenario import Workload, load_text
from benchmarks.words.calibration import calibration_lines, part_words

HERE = Fingerprint("6.1.0", "A chip", 8, "CPython 3.12.1", "0.1.0")
NOON = "2026-01-31T12:00:00+00:00"
GENERATOR = {"highest_clean_per_s": 12_000.0, "delay_limit_ms": 1.0, "quick": False}
FLOOR = {
    "blocks": 5,
    "rate_per_s": 60.0,
    "duration_s": 10.0,
    "quick": False,
    "metrics": {"accept_latency_ms.p50": {"kind": "ratio", "low": 0.95, "high": 1 / 0.95, "sd": 0.02}},
}
FULL = Calibration(HERE, NOON).with_part("generator", GENERATOR, NOON).with_floor("baseline", FLOOR, NOON)


@pytest.fixture(autouse=True)
def _own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(store.DATA_VARIABLE, str(tmp_path / "data"))


# ── what is stored ────────────────────────────────────────────────────────────────────────────────────────────────────


def test_what_was_saved_is_loaded_again() -> None:
    store.save(FULL)

    assert store.load() == FULL
    assert [path.name for path in store.path().parent.iterdir()] == ["calibration.json"]


def test_a_machine_that_was_never_calibrated_has_nothing_stored() -> None:
    assert store.load() is None
    assert store.stored() is None


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("{", "Expecting"),
        ("[]", "not an object"),
        ("{}", "no format_version"),
        ('{"format_version": 7}', "format 7"),
        (json.dumps({**FULL.as_dict(), "generator": "fast"}), "generator is 'fast'"),
        (json.dumps({**FULL.as_dict(), "fingerprint": {**HERE.as_dict(), "cores": "many"}}), "many"),
        (json.dumps({**FULL.as_dict(), "fingerprint": {**HERE.as_dict(), "cpu": None}}), "fingerprint"),
    ],
)
def test_a_damaged_file_is_told_of_and_not_used(text: str, why: str) -> None:
    store.path().parent.mkdir()
    store.path().write_text(text)

    stored = store.stored()
    assert stored is not None
    assert why in str(stored["stale"])
    assert NoiseFloor.of({"calibration": stored}, "baseline") is None
    assert "cannot be read" in calibration_lines(stored, "baseline", 60.0)[0]


def test_what_is_no_calibration_says_so() -> None:
    with pytest.raises(DamagedCalibration, match="measured"):
        Calibration.from_dict({**FULL.as_dict(), "measured": None} | {"measured": ["measured"]})


# ── when it no longer fits ────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("now", "words"),
    [
        (replace(HERE, kernel="6.2.0"), "the kernel changed from 6.1.0 to 6.2.0"),
        (replace(HERE, cpu="B chip"), "the processor changed from A chip to B chip"),
        (replace(HERE, cores=4), "the number of cores changed from 8 to 4"),
        (replace(HERE, python="CPython 3.13.0"), "Python changed from CPython 3.12.1 to CPython 3.13.0"),
        (replace(HERE, version="0.2.0"), "bench changed from 0.1.0 to 0.2.0"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_change_makes_it_stale_and_is_named(now: Fingerprint, words: str) -> None:
    seen = FULL.seen_from(now)

    assert seen["stale"] == [words]
    assert NoiseFloor.of({"calibration": seen}, "baseline") is None
    assert kept(FULL, now).floors == {}


def test_where_nothing_changed_it_fits_and_earlier_floors_stay() -> None:
    assert FULL.seen_from(HERE)["stale"] == []
    assert kept(FULL, HERE).with_floor("slow-downstream", FLOOR, NOON).floors.keys() == {"baseline", "slow-downstream"}


def test_a_run_reads_the_floor_that_was_stored() -> None:
    floor = NoiseFloor.of({"calibration": FULL.seen_from(HERE)}, "baseline")

    assert floor is not None
    assert floor.interval("ratio", "accept_latency_ms.p50") == (0.95, 1 / 0.95)
    assert floor.sd("ratio", "accept_latency_ms.p50") == 0.02


# ── the noise floor ───────────────────────────────────────────────────────────────────────────────────────────────────


def variant(p50s: list[float | None], shares: list[float]) -> dict[str, object]:
    """A variant's part of a summary, as far as the floor needs it."""
    trials = [
        {
            "trial": block + 1,
            "block": block,
            "accept_latency_ms": {"p50": p50},
            "slo_ratio": share,
            "windows": {"during": {"slo_ratio": share / 2}},
        }
        for block, (p50, share) in enumerate(zip(p50s, shares, strict=True))
    ]
    return {"trials": trials[::-1]}  # in no particular order


def test_the_floor_is_the_end_of_the_interval_that_is_furthest_from_no_effect_both_ways() -> None:
    summary = summary_with(
        variants={
            "sync": variant([10.0, 10.0, 10.0], [0.9, 0.9, 0.9]),
            "sync-again": variant([10.0, 10.5, 11.0], [0.9, 0.9, 0.9]),
            "events": variant([5.0, 5.0, 5.0], [0.98, 0.98, 0.98]),
            "events-again": variant([5.0, 5.0, 5.0], [0.98, 0.96, 1.0]),
        }
    )
    logs = [math.log(10.0 / other) for other in (10.0, 10.5, 11.0)]
    reach = -t_interval(logs)[0]
    differences = [0.0, 0.02, -0.02]

    floor = floor_of(summary, [("sync", "sync-again"), ("events", "events-again")])

    assert floor["accept_latency_ms.p50"] == {
        "kind": "ratio",
        "low": pytest.approx(math.exp(-reach)),
        "high": pytest.approx(math.exp(reach)),
        "sd": pytest.approx(np.std(logs, ddof=1)),
    }
    share = floor["slo_ratio"]
    assert isinstance(share, dict)
    assert share["kind"] == "difference"
    assert (share["low"], share["high"]) == pytest.approx((-t_interval(differences)[1], t_interval(differences)[1]))
    assert floor["slo_ratio{window:during}"] == {
        "kind": "difference",
        "low": pytest.approx(share["low"] / 2),
        "high": pytest.approx(share["high"] / 2),
        "sd": pytest.approx(share["sd"] / 2),
    }


def test_a_metric_that_is_missing_in_one_block_has_no_floor() -> None:
    sides = {"sync": variant([10.0, None, 10.0], [1.0] * 3), "sync-again": variant([10.0] * 3, [1.0] * 3)}

    assert "accept_latency_ms.p50" not in floor_of(summary_with(variants=sides), [("sync", "sync-again")])


SCENARIO = """\
version: 1
name: two-sides
workload: {rate: 60, duration: 20s}
variants: [sync, {name: sync-hurried, base: sync, options: {timeout: 200ms}}, events]
faults:
  - {name: slow, target: email, type: latency, at: 8s, duration: 8s, latency: 80ms, variants: [sync, sync-hurried]}
  - {name: hurried, target: cache, type: latency, at: 8s, duration: 8s, latency: 80ms, variants: [sync-hurried]}
  - {name: all, target: analytics, type: latency, at: 8s, duration: 8s, latency: 80ms}
thresholds: {"registrations.lost{variant:sync}": ["== 0"]}
hypothesis: {metric: accept_latency_ms.p50, ratio: events/sync, expect: "< 0.5"}
"""


def test_an_a_a_run_has_each_side_twice_with_the_same_options_and_faults() -> None:
    doubled, pairs = twice(load_text(SCENARIO, "test"))

    assert pairs == [("sync", "sync-again"), ("events", "events-again")]
    assert [variant.name for variant in doubled.variants] == ["sync", "sync-again", "events", "events-again"]
    assert [variant.base for variant in doubled.variants] == ["sync", "sync", "events", "events"]
    assert doubled.variants[0].options == doubled.variants[1].options
    assert {fault.name: fault.variants for fault in doubled.faults} == {"slow": ("sync", "sync-again"), "all": None}
    assert doubled.hypothesis is None
    assert doubled.thresholds == {}


def test_the_options_of_a_named_variant_go_to_its_twin() -> None:
    text = SCENARIO.replace("[sync, {name", "[{name", 1).replace("variants: [sync, sync-h", "variants: [sync-h")
    text = text.replace("events/sync,", "events/sync-hurried,").replace("variant:sync}", "variant:sync-hurried}")

    doubled, _ = twice(load_text(text, "test"))

    assert doubled.variant("sync-hurried-again").options == {"timeout_s": 0.2, "bare_transport": False}


def test_a_calm_scenario_has_no_faults_in_its_a_a_run_either() -> None:
    doubled, _ = twice(load_text("version: 1\nname: calm\n", "test"))

    assert (doubled.faults, len(doubled.variants)) == ((), 4)


def test_an_a_a_trial_is_long_enough_for_the_floor_to_hold_in_the_scenario_itself() -> None:
    scenario = load_text(SCENARIO, "test")
    usual = noise.prepared(scenario, USUAL, blocks=None, rate=None, duration=None)
    asked = noise.prepared(scenario, QUICK, blocks=4, rate=30.0, duration="7s")

    assert (usual.blocks, usual.workload.duration_s, usual.workload.rate_per_s) == (5, 10.0, 60.0)
    assert (asked.blocks, asked.workload.duration_s, asked.workload.rate_per_s) == (4, 7.0, 30.0)
    floor = NoiseFloor("two-sides", 5, usual.workload.rate_per_s, usual.workload.duration_s, {})
    assert floor.fits(scenario.workload.rate_per_s, scenario.workload.duration_s)


# ── the generator's ceiling ───────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("truth", "found", "asked"),
    [
        (5_300.0, 5_000.0, [1000, 2000, 4000, 8000, 6000, 5000, 5500]),
        (800.0, None, [1000]),
        (1e9, 4_000.0, [1000, 2000, 4000]),
    ],
)
async def test_the_ceiling_is_found_by_doubling_and_halving(
    truth: float, found: float | None, asked: list[float]
) -> None:
    tried = []

    async def is_clean(rate: float) -> bool:
        tried.append(rate)
        return rate <= truth

    most = 4_000.0 if truth == 1e9 else 128_000.0
    assert await ceiling.highest_clean(is_clean, 1_000.0, most, halvings=3) == found
    assert tried == asked


def rows(delays_ms: list[float], outcomes: list[Outcome]) -> np.ndarray:
    made = np.zeros(len(delays_ms) + 1, ROW_DTYPE)
    made["index"] = np.arange(-1, len(delays_ms))  # one of the warm-up, which is late and does not count
    made["sent_ns"] = [10**12, *(round(delay * 1e6) for delay in delays_ms)]
    made["outcome"] = [Outcome.DROPPED, *outcomes]
    made["sent_ns"][made["outcome"] == Outcome.DROPPED] = NO_TIME
    return made


@pytest.mark.parametrize(
    ("delays_ms", "outcomes", "clean"),
    [
        ([0.1, 0.2, 0.9], [Outcome.ACKED] * 3, True),
        ([0.1, 0.2, 1.2], [Outcome.ACKED] * 3, False),
        ([0.1, 0.2, 0.3], [Outcome.ACKED, Outcome.ACKED, Outcome.DROPPED], False),
        ([0.1, 0.2, 0.3], [Outcome.ACKED, Outcome.ACKED, Outcome.INDETERMINATE], False),
        ([0.1], [Outcome.DROPPED], False),
    ],
)
def test_a_step_is_clean_when_all_went_out_in_time_and_was_answered(
    delays_ms: list[float], outcomes: list[Outcome], clean: bool
) -> None:
    assert ceiling.judged(1_000.0, rows(delays_ms, outcomes), 0.2, 0.1).clean is clean


def test_a_rate_above_half_the_ceiling_is_warned_of() -> None:
    environment = {"calibration": FULL.seen_from(HERE)}
    busy, calm = (Workload.model_validate({"rate": rate, "duration": "5s"}) for rate in (6_001, 6_000))

    (warning,) = ceiling_warnings(busy, environment)
    assert "6,001/s is above half" in warning
    assert "12,000/s" in warning
    assert ceiling_warnings(calm, environment) == []
    assert ceiling_warnings(busy, {"calibration": FULL.seen_from(replace(HERE, cores=1))}) == []
    assert ceiling_warnings(busy, {"calibration": None}) == ceiling_warnings(busy, None) == []


def test_a_high_rate_on_a_machine_whose_generator_was_never_measured_is_warned_of() -> None:
    busy, calm = (Workload.model_validate({"rate": rate, "duration": "5s"}) for rate in (20_000, 1_000))

    (warning,) = ceiling_unknown(busy, {"calibration": None})
    assert "20,000/s" in warning
    assert "`bench calibrate --only generator`" in warning
    assert ceiling_unknown(calm, {"calibration": None}) == []
    assert ceiling_unknown(busy, {"calibration": FULL.seen_from(HERE)}) == []
    assert ceiling_unknown(busy, {"calibration": FULL.seen_from(replace(HERE, cores=1))}) != []


# ── the clock, and words ──────────────────────────────────────────────────────────────────────────────────────────────


def test_answers_between_question_and_hearing_are_of_one_clock() -> None:
    exchanges = [ClockReading(0, 40_000, 100_000), ClockReading(200_000, 290_000, 300_000)]

    found = consistency(exchanges)

    assert found == {"exchanges": 2, "outside": 0, "offset_us": [-10.0, 40.0], "one_clock": True}


def test_an_answer_from_before_its_question_is_of_another_clock() -> None:
    found = consistency([ClockReading(0, 40_000, 100_000), ClockReading(200_000, 190_000, 300_000)])

    assert (found["outside"], found["one_clock"]) == (1, False)
    assert "not one clock" in part_words("clock", {**found, "read_ns": 50.0, "source": "tsc"})


def test_the_report_says_what_bears_on_the_run() -> None:
    head, lines = calibration_lines(FULL.seen_from(HERE), "baseline", 60.0)

    assert NOON in head
    assert dict(lines)["noise floor"].startswith("identical sides over 5\u00a0blocks")
    assert "× 1.05" in dict(lines)["noise floor"]
    assert dict(lines)["generator"].endswith("this run planned at most 60/s")


def test_the_report_says_what_is_missing() -> None:
    assert calibration_lines(None, "baseline", 60.0)[0].startswith("not calibrated: `bench calibrate`")
    _, lines = calibration_lines(FULL.seen_from(HERE), "slow-downstream", None)
    assert dict(lines)["noise floor"] == "not measured: `bench calibrate --aa slow-downstream`"


def test_what_was_measured_in_haste_says_so() -> None:
    assert part_words("generator", {**GENERATOR, "quick": True}).endswith("(quick)")
