"""The run judges itself: what makes it invalid, and what is a finding about the system."""

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from synthetic import NO_WINDOWS, RESOURCES_COLUMNS, SECOND, Script, around, facts_of, quiet, result_of, scenario_of

from benchmarks.analysis.history import read_trial
from benchmarks.analysis.overload import OverloadIndicators, backlog_growth, findings
from benchmarks.analysis.reconcile import reconcile
from benchmarks.analysis.trial_metrics import measure
from benchmarks.analysis.validity import Disturbed, Dropped, block_reasons, trial_reasons, variant_reasons
from benchmarks.load.rows import Outcome
from benchmarks.trial_result import BUSY, PRESSURE, STEAL, TrialFacts, TrialResult
from benchmarks.values.slo import Slo
from benchmarks.words.numbers import figure
from registration.trace import RecordKind


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
    """What makes these trials of one variant invalid, with plain spaces."""
    by_itself = [reason for trial in trials for reason in trial_reasons(trial, drain_may_expire)]
    together = variant_reasons("events", [Dropped.of(trial.frames.history) for trial in trials])
    return [plain(reason) for reason in (*together, *by_itself)]


def disturbances(result: TrialResult) -> list[str]:
    """What disturbed a trial, which is no reason against it."""
    assert reasons(result) == []
    return [plain(reason) for reason in Disturbed.of(result).reasons]


def plain(text: str) -> str:
    return text.replace("\u00a0", " ")


def sampled(result: TrialResult, process: str, shares: Iterable[float], step_s: float = 0.5) -> TrialResult:
    """With more samples, of `process`, which took these shares of a core from one sample to the next."""
    cpu_ms, rows = 0.0, [(1, "events", 0, 0, process, 0.0, None)]
    for number, share in enumerate(shares, start=1):
        cpu_ms += share * step_s * 1e3
        rows.append((1, "events", 0, round(number * step_s * SECOND), process, cpu_ms, None))
    frame = pd.DataFrame(rows, columns=list(RESOURCES_COLUMNS))
    return replace(result, resources=pd.concat([result.resources, frame]) if len(result.resources) else frame)


def test_a_quiet_trial_is_valid(tmp_path: Path) -> None:
    assert reasons(trial(tmp_path)) == []


class TestLoadGenerator:
    def test_one_dropped_in_a_thousand_is_allowed(self, tmp_path: Path) -> None:
        assert reasons(trial(tmp_path, arrivals=1000, dropped=1)) == []

    def test_more_than_that_is_not_and_the_reason_says_what_to_do(self, tmp_path: Path) -> None:
        (reason,) = reasons(trial(tmp_path, arrivals=1000, dropped=2))
        assert "dropped 2 of 1,000 arrivals (0.20 %, limit 0.10 %)" in reason
        assert "maxInFlight" in reason

    def test_drops_are_counted_over_all_trials_of_the_variant(self, tmp_path: Path) -> None:
        assert reasons(trial(tmp_path / "1", arrivals=500, dropped=1), trial(tmp_path / "2", arrivals=500)) == []

    def test_with_few_arrivals_the_95th_percentile_of_the_delay_counts(self, tmp_path: Path) -> None:
        assert disturbances(trial(tmp_path / "1", late=4)) == []
        (reason,) = disturbances(trial(tmp_path / "2", late=10))
        assert "schedule delay p95 6.00 ms (limit 2 ms)" in reason

    def test_with_many_arrivals_the_99th_counts(self, tmp_path: Path) -> None:
        assert disturbances(trial(tmp_path / "1", arrivals=1000, late=9)) == []
        (reason,) = disturbances(trial(tmp_path / "2", arrivals=1000, late=20))
        assert "p99" in reason

    def test_one_arrival_that_was_very_late_says_which_and_when(self, tmp_path: Path) -> None:
        assert disturbances(trial(tmp_path / "1", late=1, late_ms=49.0)) == []
        (reason,) = disturbances(trial(tmp_path / "2", late=2, late_ms=63.0))
        assert (
            "the arrival intended at 0.980 s was sent 63.0 ms late, and 2 of 100 by more than the limit of 50 ms"
            in reason
        )

    def test_nothing_sent_at_all(self, tmp_path: Path) -> None:
        assert any("not one arrival was sent" in reason for reason in reasons(trial(tmp_path, arrivals=3, dropped=3)))

    def test_a_generator_that_is_busy_for_five_seconds(self, tmp_path: Path) -> None:
        quiet_trial = trial(tmp_path)
        assert reasons(sampled(quiet_trial, "load", [0.2] * 4 + [1.0] * 8 + [0.2] * 8)) == []
        (reason,) = reasons(sampled(quiet_trial, "load", [0.2] * 5 + [0.95] * 10 + [0.2] * 5))
        assert "took 95 % of a core over 5 s (limit 90 %)" in reason

    def test_a_generator_that_others_left_no_room_for_disturbs_and_is_not_invalid(self, tmp_path: Path) -> None:
        crowded = sampled(sampled(trial(tmp_path), "load", [0.95] * 20), BUSY, [1.5] * 20)
        foreign, busy = disturbances(crowded)
        assert "other programs took" in foreign
        assert "the load generator took 95 % of a core" in busy

    def test_each_of_several_generators_has_the_limit_of_one(self, tmp_path: Path) -> None:
        both = sampled(sampled(trial(tmp_path), "load/0", [0.8] * 20), "load/1", [0.95] * 20)
        (reason,) = reasons(both)
        assert "the load generator's process load/1 took 95 % of a core" in reason

    def test_a_busy_worker_on_another_host_counts_too(self, tmp_path: Path) -> None:
        clock = {"offset_ms": 1e9, "error_ms": 0.5, "same_host": False}
        (reason,) = reasons(trial(tmp_path, facts_of(load_clock=clock, load_busy_share=0.95)))
        assert "a load worker on another host took 95 % of a core" in reason
        assert reasons(trial(tmp_path / "2", facts_of(load_clock=clock, load_busy_share=0.5))) == []


class TestTrial:
    def test_unproven_readiness(self, tmp_path: Path) -> None:
        (reason,) = reasons(trial(tmp_path, facts_of(readiness_proven=False)))
        assert reason.startswith("trial 01-sync: readiness was not proven")

    def test_a_drain_that_expired_unless_the_scenario_allows_it(self, tmp_path: Path) -> None:
        expired = trial(tmp_path, facts_of(drain_expired=True, drain_s=60.0))
        (reason,) = reasons(expired)
        assert "drain expired after 60.0 s" in reason
        assert "drainMayExpire" in reason
        assert reasons(expired, drain_may_expire=True) == []

    def test_time_that_the_host_took_away(self, tmp_path: Path) -> None:
        two_cores = trial(tmp_path)
        assert disturbances(sampled(two_cores, "machine", [0.19] * 20)) == []
        (reason,) = disturbances(sampled(two_cores, "machine", [0.24] * 20))
        assert "the host took 12 % of the machine's time (steal, limit 10 %)" in reason

    def test_a_short_steal_counts_over_its_five_seconds_and_not_over_the_trial(self, tmp_path: Path) -> None:
        (reason,) = disturbances(sampled(trial(tmp_path), "machine", [0.0] * 10 + [0.4] * 10))
        assert "took 20 % of" in reason

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
        script.arrival(0, 10, sent_ms, answered_ms, outcome=Outcome.FAILED, status=500)
        script.api(0, received_ms, None, replied_ms)
        (reason,) = reasons(quiet(script.facts, script.frames(tmp_path)))
        assert "the times of 1 arrivals run backwards" in reason

    @pytest.mark.parametrize(("early_ms", "number"), [(0.4, 0), (0.6, 1)])
    def test_times_of_two_hosts_may_run_backwards_by_the_error_of_their_clocks(
        self, early_ms: float, number: int, tmp_path: Path
    ) -> None:
        clock = {"offset_ms": 1e9, "error_ms": 0.5, "same_host": False}
        script = Script(facts_of(load_workers=2, load_clock=clock))
        script.arrival(0, 10, 11, 20)
        script.api(0, 11 - early_ms, 12, 19)
        assert len(reasons(quiet(script.facts, script.frames(tmp_path)))) == number

    @pytest.mark.parametrize("lost", ["received", "stored", "replied"])
    def test_a_record_that_was_lost(self, lost: str, tmp_path: Path) -> None:
        script = Script()
        script.happy(0, 0)
        script.arrival(1, 10, 10, 20)
        for kind, ms in ((RecordKind.RECEIVED, 11.0), (RecordKind.STORED, 12.0), (RecordKind.REPLIED, 19.0)):
            if kind.name.lower() != lost:
                script.record("api/0", kind, 1, ms)
        (reason,) = reasons(quiet(script.facts, script.frames(tmp_path)))
        assert f"1 arrivals were acked of which nobody recorded that they were {lost} (the first: " in reason

    def test_an_effect_without_the_work_that_made_it(self, tmp_path: Path) -> None:
        script = Script()
        script.happy(0, 0)
        script.record("email/0", RecordKind.APPLIED, 0, 20, delivery=7, attempt=1)
        (reason,) = reasons(quiet(script.facts, script.frames(tmp_path)))
        assert "1 effects were applied of which nobody recorded that they were received or started" in reason

    def test_an_effect_before_its_work_began(self, tmp_path: Path) -> None:
        script = Script()
        script.happy(0, 0)
        script.effect(0, "email", 20, received_ms=15, started_ms=25)
        (reason,) = reasons(quiet(script.facts, script.frames(tmp_path)))
        assert "the times of 1 effects run backwards" in reason


class TestMachine:
    """Whose work it was that the machine had no room for."""

    def test_other_programs_and_when(self, tmp_path: Path) -> None:
        mine = sampled(trial(tmp_path), "load", [0.5] * 20)
        assert disturbances(sampled(mine, BUSY, [0.69] * 20)) == []
        disturbed = sampled(mine, BUSY, [0.5] * 6 + [1.5] * 10 + [0.5] * 4)
        (reason,) = disturbances(disturbed)
        assert "other programs took 50 % of the machine over 5 s, from 3.00 s on (limit 10 %)" in reason
        assert Disturbed.of(disturbed).foreign_share == pytest.approx(0.5)

    def test_pressure_that_the_run_made_for_itself_is_a_finding(self, tmp_path: Path) -> None:
        result = trial(tmp_path)
        assert self.found(sampled(result, PRESSURE, [0.6] * 20)) == []
        starved = sampled(result, PRESSURE, [0.8] * 20)
        assert disturbances(starved) == []
        (finding,) = self.found(starved)
        assert plain(finding) == "saturated: machine (a task waited for a core 80 % of the time)"

    def test_pressure_beside_other_programs_is_theirs(self, tmp_path: Path) -> None:
        crowded = sampled(sampled(sampled(trial(tmp_path), "load", [0.5] * 20), BUSY, [1.5] * 20), PRESSURE, [0.8] * 20)
        assert self.found(crowded) == []
        assert len(disturbances(crowded)) == 1

    def found(self, result: TrialResult) -> list[str]:
        metrics = measure(result.frames.history, result.frames.effects, result.facts, Slo(), NO_WINDOWS)
        return findings([OverloadIndicators.of(result, metrics)], [metrics])


class TestABlock:
    """Whether another attempt is worth it."""

    def judged(self, *trials: TrialResult) -> list[tuple[str, bool]]:
        found = block_reasons(trials, drain_may_expire=False)
        return [(reason.text, reason.passing) for reason in found]

    def test_a_quiet_one_has_no_reason(self, tmp_path: Path) -> None:
        assert self.judged(trial(tmp_path)) == []

    def test_what_may_pass(self, tmp_path: Path) -> None:
        for failed in (
            trial(tmp_path / "dropped", dropped=1),
            trial(tmp_path / "unproven", facts_of(readiness_proven=False)),
            sampled(trial(tmp_path / "busy"), "load", [0.95] * 20),
        ):
            ((text, passing),) = self.judged(failed)
            assert text.startswith("trial 01-sync: ")
            assert passing

    def test_what_would_be_there_again(self, tmp_path: Path) -> None:
        expired = trial(tmp_path / "1", facts_of(drain_expired=True, drain_s=60.0))
        problem = trial(tmp_path / "2")
        problem = replace(problem, frames=replace(problem.frames, problems=("the trace x has no header",)))
        assert [passing for _, passing in self.judged(expired, problem)] == [False, False]

    def test_what_disturbs_it_is_no_reason_against_it(self, tmp_path: Path) -> None:
        assert self.judged(sampled(trial(tmp_path), STEAL, [0.3] * 20), trial(tmp_path / "late", late=10)) == []


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
        return findings([OverloadIndicators.of(*pair) for pair in zip(results, measured, strict=True)], measured)

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
        assert findings([OverloadIndicators.of(result, metrics)], [metrics]) == []

    def test_a_backlog_that_grows_without_any_fault(self, tmp_path: Path) -> None:
        script = Script()
        for index in range(200):
            script.arrival(index, 50.0 * index, 50.0 * index, 20_000)
        result = quiet(script.facts, script.frames(tmp_path))
        metrics = measure(result.frames.history, result.frames.effects, script.facts, Slo(), NO_WINDOWS)
        (rate,) = backlog_growth(result, metrics).values()
        assert rate == pytest.approx(20, rel=0.01)
        assert findings([OverloadIndicators.of(result, metrics)], [metrics]) == [
            f"unstable: backlog grows {figure(rate)}/s"
        ]

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
        assert finding.endswith("16 of 32 not accepted (limit 3) (so 1 of 3 trials)")

    def test_a_run_too_short_to_see_a_recovery_says_so_once(self, tmp_path: Path) -> None:
        short = scenario_of(workload={"rate": 40, "duration": "16s", "warmup": "2s"})
        (finding,) = self.found(*[result_of(short, n, "events", n, tmp_path / str(n)) for n in (1, 2)])
        assert "4 s are left after the heal, 5 are needed; use a longer duration (so 2 of 2 trials)" in finding
