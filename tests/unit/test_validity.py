"""The run judges itself: what makes it invalid, and what is a finding about the system."""

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from synthetic import NO_WINDOWS, RESOURCES_COLUMNS, SECOND, Script, around, facts_of, quiet, result_of, scenario_of

from benchmarks.analysis.history import TrialFacts, read_trial
from benchmarks.analysis.metrics import measure
from benchmarks.analysis.reconcile import reconcile
from benchmarks.analysis.validity import (
    Sent,
    Signs,
    TrialResult,
    backlog_growth,
    busiest_share,
    findings,
    trial_reasons,
    variant_reasons,
)
from benchmarks.load.rows import Outcome
from benchmarks.scenario.model import Slo


def trial(
    raw: Path,
    facts: TrialFacts | None = None,
    *,
    arrivals: int = 100,
    dropped: int = 0,
    delay_ms: float = 0.1,
    late: int = 0,
    late_ms: float = 6.0,
) -> TrialResult:
    """A quiet trial, of which some arrivals were dropped or sent late."""
    script = Script(facts or facts_of())
    for index in range(arrivals):
        at_ms = index * 10.0
        if index < dropped:
            script.arrival(index, at_ms, outcome=Outcome.DROPPED, status=0)
            continue
        sent_ms = at_ms + (late_ms if arrivals - index <= late else delay_ms)
        script.arrival(index, at_ms, sent_ms, sent_ms + 20)
        script.api(index, sent_ms + 1, sent_ms + 2, sent_ms + 19)
    return quiet(script.facts, script.frames(raw))


def reasons(*trials: TrialResult, drain_may_expire: bool = False) -> list[str]:
    by_itself = [reason for trial in trials for reason in trial_reasons(trial, drain_may_expire)]
    return [*variant_reasons("events", [Sent.of(trial.frames.history) for trial in trials]), *by_itself]


def sampled(result: TrialResult, process: str, shares: Iterable[float], step_s: float = 0.5) -> TrialResult:
    """With samples of `process`, which took these shares of a core from one sample to the next."""
    cpu_ms, rows = 0.0, [(1, "events", 0, 0, process, 0.0, None)]
    for number, share in enumerate(shares, start=1):
        cpu_ms += share * step_s * 1e3
        rows.append((1, "events", 0, round(number * step_s * SECOND), process, cpu_ms, None))
    return replace(result, resources=pd.DataFrame(rows, columns=list(RESOURCES_COLUMNS)))


def test_a_quiet_trial_is_valid(tmp_path: Path) -> None:
    assert reasons(trial(tmp_path)) == []


class TestLoadGenerator:
    def test_one_dropped_in_a_thousand_is_allowed(self, tmp_path: Path) -> None:
        assert reasons(trial(tmp_path, arrivals=1000, dropped=1)) == []

    def test_more_than_that_is_not_and_the_reason_says_what_to_do(self, tmp_path: Path) -> None:
        (reason,) = reasons(trial(tmp_path, arrivals=1000, dropped=2))
        assert "dropped 2 of 1,000 arrivals (0.20%, limit 0.1%)" in reason
        assert "maxInFlight" in reason

    def test_drops_are_counted_over_all_trials_of_the_variant(self, tmp_path: Path) -> None:
        assert reasons(trial(tmp_path / "1", arrivals=500, dropped=1), trial(tmp_path / "2", arrivals=500)) == []

    def test_with_few_arrivals_the_95th_percentile_of_the_delay_counts(self, tmp_path: Path) -> None:
        assert reasons(trial(tmp_path / "1", late=4)) == []
        (reason,) = reasons(trial(tmp_path / "2", late=10))
        assert "schedule delay p95 6 ms (limit 5 ms)" in reason

    def test_with_many_arrivals_the_99th_counts(self, tmp_path: Path) -> None:
        assert reasons(trial(tmp_path / "1", arrivals=1000, late=9)) == []
        (reason,) = reasons(trial(tmp_path / "2", arrivals=1000, late=20))
        assert "p99" in reason

    def test_the_delay_is_that_of_all_trials_of_the_variant(self, tmp_path: Path) -> None:
        late = [trial(tmp_path / "1", arrivals=500, late=20), trial(tmp_path / "2", arrivals=500)]
        (reason,) = reasons(*late)
        assert "p99" in reason

    def test_nothing_sent_at_all(self, tmp_path: Path) -> None:
        assert any("not one arrival was sent" in reason for reason in reasons(trial(tmp_path, arrivals=3, dropped=3)))

    def test_a_generator_that_is_busy_for_five_seconds(self, tmp_path: Path) -> None:
        quiet_trial = trial(tmp_path)
        assert reasons(sampled(quiet_trial, "load", [0.2] * 4 + [1.0] * 8 + [0.2] * 8)) == []
        (reason,) = reasons(sampled(quiet_trial, "load", [0.2] * 5 + [0.95] * 10 + [0.2] * 5))
        assert "took 95% of a core over 5 s (limit 90%)" in reason


class TestTrial:
    def test_unproven_readiness(self, tmp_path: Path) -> None:
        (reason,) = reasons(trial(tmp_path, facts_of(readiness_proven=False)))
        assert reason.startswith("trial 01-sync: readiness was not proven")

    def test_a_drain_that_expired_unless_the_scenario_allows_it(self, tmp_path: Path) -> None:
        expired = trial(tmp_path, facts_of(drain_expired=True, drain_s=60.0))
        (reason,) = reasons(expired)
        assert "drain expired after 60 s" in reason
        assert "drainMayExpire" in reason
        assert reasons(expired, drain_may_expire=True) == []

    def test_time_that_the_host_took_away(self, tmp_path: Path) -> None:
        two_cores = trial(tmp_path)
        assert reasons(sampled(two_cores, "machine", [0.19] * 20)) == []
        (reason,) = reasons(sampled(two_cores, "machine", [0.24] * 20))
        assert "12% of the machine's time away (steal, limit 10%)" in reason

    def test_arrivals_without_an_outcome(self, tmp_path: Path) -> None:
        script = Script()
        script.happy(0, 0)
        script.arrival(1, 10, 10, outcome=Outcome.PENDING, status=0)
        (reason,) = reasons(quiet(script.facts, script.frames(tmp_path)))
        assert "1 of 2 arrivals have no outcome" in reason

    def test_an_id_that_stands_twice(self, tmp_path: Path) -> None:
        result = trial(tmp_path)
        twice = pd.concat([result.frames.history, result.frames.history.iloc[:1]], ignore_index=True)
        (reason,) = reasons(replace(result, frames=replace(result.frames, history=twice)))
        assert "1 registration ids stand more than once" in reason

    def test_raw_files_that_contradict_the_schedule(self, tmp_path: Path) -> None:
        result = trial(tmp_path)
        problem = replace(result, frames=replace(result.frames, problems=("the trace x has no header",)))
        assert reasons(problem) == ["trial 01-sync: the trace x has no header"]

    @pytest.mark.parametrize(
        ("sent_ms", "received_ms", "replied_ms", "answered_ms"),
        [(9, 11, 12, 13), (10, 9.5, 12, 13), (11, 12, 11.5, 13), (11, 12, 13, 12.5), (11, 14, None, 13)],
    )
    def test_times_of_an_arrival_that_run_backwards(
        self, sent_ms: float, received_ms: float, replied_ms: float | None, answered_ms: float, tmp_path: Path
    ) -> None:
        script = Script()
        script.arrival(0, 10, sent_ms, answered_ms)
        script.api(0, received_ms, None, replied_ms)
        (reason,) = reasons(quiet(script.facts, script.frames(tmp_path)))
        assert "the times of 1 arrivals run backwards" in reason

    def test_an_effect_before_its_work_began(self, tmp_path: Path) -> None:
        script = Script()
        script.happy(0, 0)
        script.effect(0, "email", 20, received_ms=15, started_ms=25)
        (reason,) = reasons(quiet(script.facts, script.frames(tmp_path)))
        assert "the times of 1 effects run backwards" in reason


class TestProcessFaults:
    """What a killed process leaves behind is the system's business and speaks against no run."""

    def test_an_api_that_was_killed_leaves_requests_without_a_reply(self, tmp_path: Path) -> None:
        script = Script()
        for index in range(100):
            script.happy(index, 20.0 * index)
        script.arrival(100, 2000, 2000, outcome=Outcome.INDETERMINATE, status=0)
        script.api(100, 2001)
        script.arrival(101, 2010, 2010, outcome=Outcome.INDETERMINATE, status=0)
        script.api(101, 2011, 2012)
        script.arrival(102, 2020, answered_ms=2021, outcome=Outcome.REFUSED, status=0)
        result = quiet(script.facts, script.frames(tmp_path))
        assert reasons(result) == []
        ended = reconcile(result.frames.history, result.frames.effects, script.facts).registrations
        assert ended["stranded"] == 1  # the one whose user had been stored
        assert ended["complete"] == 100

    def test_a_consumer_that_was_killed_gets_its_event_again(self, tmp_path: Path) -> None:
        script = Script(facts_of(variant="events", base="events"))
        script.arrival(0, 0, 1, 5)
        script.api(0, 1, 2, 4)
        for service in ("email", "analytics", "cache"):
            script.effect(0, service, 20, received_ms=10)
        script.deliveries.clear()
        script.effect(0, "email", 2050, received_ms=2040, settled_ms=2060)
        result = quiet(script.facts, script.frames(tmp_path))
        assert reasons(result) == []
        found = reconcile(result.frames.history, result.frames.effects, script.facts)
        assert found.registrations["duplicated"] == 1
        assert found.effects_by_service["email"]["duplicated"] == 1
        assert found.effects["duplicated"] == 1

    def test_a_service_that_was_frozen_answers_late_and_in_order(self, tmp_path: Path) -> None:
        script = Script()
        script.arrival(0, 0, 1, 2003, outcome=Outcome.FAILED, status=504)
        script.api(0, 1, 2, 2002)
        script.effect(0, "email", 6020, received_ms=3, started_ms=6000, settled_ms=6021)
        result = quiet(script.facts, script.frames(tmp_path))
        assert reasons(result) == []


class TestAClosedTrial:
    def test_it_is_judged_by_what_was_issued(self, tmp_path: Path) -> None:
        """Its schedule is what was issued, so that nothing can be late, missing or too much against a plan."""
        script = Script(facts_of(closed=True))
        for index in range(50):
            script.happy(index, 200.0 * index)
        script.write(tmp_path)
        assert reasons(quiet(script.facts, read_trial(tmp_path, script.facts, None))) == []


class TestFindings:
    def found(self, *results: TrialResult) -> list[str]:
        during = (6 * SECOND, 12 * SECOND)
        measured = [
            measure(r.frames.history, r.frames.effects, r.facts, Slo(), around(during, r.facts)) for r in results
        ]
        return findings([Signs.of(*pair) for pair in zip(results, measured, strict=True)], measured)

    def test_a_system_that_keeps_up_has_none(self, tmp_path: Path) -> None:
        assert self.found(result_of(scenario_of(), 1, "events", 0, tmp_path)) == []

    def test_a_backlog_that_grows_while_the_fault_lasts(self, tmp_path: Path) -> None:
        # 16 servers of 820 ms do 19.5/s of the 40/s that arrive.
        (finding,) = self.found(result_of(scenario_of(), 1, "events", 0, tmp_path, servers=16))
        assert finding.startswith("unstable: backlog grows ")
        assert finding.endswith("/s during the fault")
        assert float(finding.split()[3].removesuffix("/s")) == pytest.approx(20.5, abs=5)

    def test_a_handful_of_slow_answers_is_no_backlog(self, tmp_path: Path) -> None:
        script = Script()
        for index in range(10):
            script.arrival(index, 1000.0 * index, 1000.0 * index, 20_000)
        result = quiet(script.facts, script.frames(tmp_path))
        metrics = measure(result.frames.history, result.frames.effects, script.facts, Slo(), NO_WINDOWS)
        assert findings([Signs.of(result, metrics)], [metrics]) == []

    def test_a_backlog_that_grows_without_any_fault(self, tmp_path: Path) -> None:
        script = Script()
        for index in range(200):
            script.arrival(index, 50.0 * index, 50.0 * index, 20_000)
        result = quiet(script.facts, script.frames(tmp_path))
        metrics = measure(result.frames.history, result.frames.effects, script.facts, Slo(), NO_WINDOWS)
        (rate,) = backlog_growth(result, metrics).values()
        assert rate == pytest.approx(20, rel=0.01)
        assert findings([Signs.of(result, metrics)], [metrics]) == [f"unstable: backlog grows {rate:.3g}/s"]

    def test_it_takes_more_than_half_of_the_trials(self, tmp_path: Path) -> None:
        stable = [result_of(scenario_of(), n, "events", n, tmp_path / str(n)) for n in (1, 2)]
        unstable = result_of(scenario_of(), 3, "events", 3, tmp_path / "3", servers=16)
        assert self.found(*stable, unstable) == []

    def test_a_saturated_api(self, tmp_path: Path) -> None:
        saturated = sampled(trial(tmp_path, facts_of(duration_ns=20 * SECOND)), "api/0", [0.97] * 40)
        assert "saturated: api" in self.found(saturated)

    def test_a_trial_that_does_not_recover_is_told_even_if_the_others_did(self, tmp_path: Path) -> None:
        *recovering, failing = [result_of(scenario_of(), n, "events", n, tmp_path / str(n)) for n in (1, 2, 3)]
        history = failing.frames.history
        history.loc[(history["intended_ns"] >= 12 * SECOND) & (history["index"] % 2 == 0), "outcome"] = "failed"
        (finding,) = self.found(*recovering, failing)
        assert finding.startswith("not recovered within 8 s after the heal: in the last second ")
        assert finding.endswith(" errors (limit 2) (so 1 of 3 trials)")

    def test_a_run_too_short_to_see_a_recovery_says_so_once(self, tmp_path: Path) -> None:
        short = scenario_of(workload={"rate": 40, "duration": "16s", "warmup": "2s"})
        (finding,) = self.found(*[result_of(short, n, "events", n, tmp_path / str(n)) for n in (1, 2)])
        assert "4 s are left after the heal, 5 are needed; use a longer duration (so 2 of 2 trials)" in finding


class TestBusiestShare:
    def frame(self, shares: list[float], step_s: float = 0.5) -> pd.DataFrame:
        cpu_s = [0.0]
        for share in shares:
            cpu_s.append(cpu_s[-1] + share * step_s)
        return pd.DataFrame(
            {
                "process": "load",
                "t_ns": [round(n * step_s * SECOND) for n in range(len(cpu_s))],
                "cpu_ms": [s * 1e3 for s in cpu_s],
            }
        )

    def test_it_is_the_largest_over_any_five_seconds(self) -> None:
        share = busiest_share(self.frame([0.1] * 7 + [0.8] * 10 + [0.1] * 7), "load", 0, 60 * SECOND)
        assert share == pytest.approx(0.8)

    def test_a_short_trial_is_taken_whole(self) -> None:
        assert busiest_share(self.frame([0.2, 0.4]), "load", 0, 60 * SECOND) == pytest.approx(0.3)

    def test_without_two_samples_there_is_none(self) -> None:
        assert busiest_share(self.frame([]), "load", 0, 60 * SECOND) is None
        assert busiest_share(self.frame([0.5]), "api/0", 0, 60 * SECOND) is None
