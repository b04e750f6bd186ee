"""Real processes killed, frozen and restarted under load: what each way makes of it, and that they always heal."""

import asyncio
from pathlib import Path

import pandas as pd
import pytest

from benchmarks.brokers import Broker
from benchmarks.progress import SilentObserver
from benchmarks.run import run
from benchmarks.scenario import load_text
from benchmarks.store import Results
from virtual.predict import predict

pytestmark = pytest.mark.usefixtures("unreported")

# Well within the ten seconds for which a broker keeps the place of a member that is gone: nobody waited for that.
RESUMES_WITHIN_S = 8.0
SETTLED_NS = 200_000_000  # after which what a fault does to a process is done, and calls under way have ended
VARIANTS = ("sync", "events")


def frames(out: Path, variant: str) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """History, effects and faults of one variant."""

    def of_variant(name: str) -> pd.DataFrame:
        frame = pd.read_parquet(out / f"{name}.parquet")
        return frame[frame["variant"] == variant]

    return of_variant("history"), of_variant("effects"), of_variant("faults")


def ran(kafka: Broker, out: Path, faults: str, *, duration_s: int) -> Path:
    scenario = load_text(
        f"""
version: 1
name: faults
workload: {{rate: 40, duration: {duration_s}s, warmup: 1s}}
variants: [{", ".join(VARIANTS)}]
blocks: 1
faults:
{faults}
""",
        "faults",
    )
    outcome = asyncio.run(
        run(scenario, Results.create(out), SilentObserver(), predict, broker_address=kafka.info.bootstrap)
    )
    assert outcome.problem == ""
    return out


def completion_s(history: pd.DataFrame, effects: pd.DataFrame) -> pd.Series:
    """Seconds from each arrival's intended time to its last effect, by registration id."""
    done = effects.groupby("registration_id")["applied_ns"].max().astype(float)
    return (done - history.set_index("registration_id")["intended_ns"].astype(float)).dropna() / 1e9


# ── frozen ────────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture(scope="module")
def frozen(kafka: Broker, tmp_path_factory: pytest.TempPathFactory) -> Path:
    fault = "  - {target: email, type: pause, at: 2s, duration: 6s}"
    return ran(kafka, tmp_path_factory.mktemp("frozen") / "out", fault, duration_s=10)


def test_events_accept_everybody_while_a_service_is_frozen_and_lose_nobody(frozen: Path) -> None:
    history, effects, _ = frames(frozen, "events")
    assert (history["outcome"] == "acked").all()
    applied = effects.dropna(subset=["applied_ns"]).groupby("registration_id").size()
    assert (applied.reindex(history["registration_id"]) == 3).all()


def test_the_longest_completion_is_just_above_the_freeze(frozen: Path) -> None:
    history, effects, _ = frames(frozen, "events")
    longest_s = float(completion_s(history, effects).max())
    print(f"longest completion {longest_s:.3f} s after a freeze of 6 s")
    # Arrivals come every 25 ms, so one met the freeze almost from its beginning.
    assert 5.7 < longest_s < 6.0 + RESUMES_WITHIN_S


def test_the_direct_call_times_out_and_strands_what_it_had_stored(frozen: Path) -> None:
    history, _, faults = frames(frozen, "sync")
    (fault,) = faults.itertuples()
    patience_ns = 3_000_000_000  # the caller's two seconds and some more
    in_the_freeze = history[history["intended_ns"].between(fault.begin_ns + SETTLED_NS, fault.end_ns - patience_ns)]
    assert len(in_the_freeze) > 0
    assert (in_the_freeze["outcome"] == "failed").all()
    assert (in_the_freeze["status"] == 504).all()


def test_a_freeze_begins_and_ends_when_it_should(frozen: Path) -> None:
    for variant in VARIANTS:
        _, _, faults = frames(frozen, variant)
        (fault,) = faults.itertuples()
        assert fault.begin_ns >= 2_000_000_000
        assert fault.end_ns >= 8_000_000_000
        assert pd.isna(fault.ready_s)


# ── killed ────────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture(scope="module")
def killed(kafka: Broker, tmp_path_factory: pytest.TempPathFactory) -> Path:
    fault = "  - {target: email, type: kill, at: 1s, duration: 2s}\n  - {target: api, type: kill, at: 4s, duration: 1s}"
    return ran(kafka, tmp_path_factory.mktemp("killed") / "out", fault, duration_s=9)


def test_a_killed_consumer_resumes_soon_after_its_respawn_and_nothing_is_lost(killed: Path) -> None:
    history, effects, faults = frames(killed, "events")
    email = effects[effects["service"] == "email"]
    healed_ns = int(faults.set_index("name")["end_ns"]["kill-email"])
    resumed_s = (int(email["received_ns"][email["received_ns"] > healed_ns].min()) - healed_ns) / 1e9
    print(f"resumed {resumed_s:.2f} s after its respawn")
    assert resumed_s < RESUMES_WITHIN_S
    acked = history[history["outcome"] == "acked"]
    applied = effects.dropna(subset=["applied_ns"]).groupby("registration_id")["service"].nunique()
    assert (applied.reindex(acked["registration_id"]) == 3).all()


def test_direct_calls_to_a_killed_service_fail_at_once(killed: Path) -> None:
    history, _, faults = frames(killed, "sync")
    begin_ns, end_ns = faults.set_index("name").loc["kill-email", ["begin_ns", "end_ns"]]
    dead = history[(history["intended_ns"] > begin_ns + SETTLED_NS) & (history["answered_ns"] < end_ns)]
    assert len(dead) > 0
    assert (dead["status"] == 502).all()  # 504 would be a call that had waited


def test_people_who_call_a_killed_api_are_refused_and_leave_no_trace(killed: Path) -> None:
    for variant in VARIANTS:
        history, effects, faults = frames(killed, variant)
        begin_ns, end_ns = faults.set_index("name").loc["kill-api", ["begin_ns", "end_ns"]]
        dead = history[history["intended_ns"].between(begin_ns + SETTLED_NS, end_ns)]
        assert len(dead) > 0
        assert (dead["outcome"] == "refused").all()
        assert dead["stored_ns"].isna().all()
        assert not effects["registration_id"].isin(dead["registration_id"]).any()


def test_what_was_killed_is_back_and_works(killed: Path) -> None:
    for variant in VARIANTS:
        history, _, faults = frames(killed, variant)
        assert (faults["ready_s"] > 0).all()
        # Whoever comes after that does not notice any more.
        back_ns = (faults["end_ns"] + faults["ready_s"] * 1e9).max()
        late = history[history["intended_ns"] > back_ns + SETTLED_NS]
        assert len(late) > 0
        assert (late["outcome"] == "acked").all()


def test_processor_time_of_killed_processes_counts(killed: Path) -> None:
    resources = pd.read_parquet(killed / "resources.parquet").query("process == 'email/0' and variant == 'events'")
    cpu_ms = resources.sort_values("t_ns")["cpu_ms"]
    assert cpu_ms.is_monotonic_increasing


# ── restarted ─────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture(scope="module")
def restarted(kafka: Broker, tmp_path_factory: pytest.TempPathFactory) -> Path:
    fault = "  - {target: cache, type: restart, at: 2s}"
    return ran(kafka, tmp_path_factory.mktemp("restarted") / "out", fault, duration_s=7)


def test_a_restart_has_no_window_and_the_service_comes_back(restarted: Path) -> None:
    for variant in VARIANTS:
        history, _, faults = frames(restarted, variant)
        (fault,) = faults.itertuples()
        assert fault.planned_begin_ns == fault.planned_end_ns == 2_000_000_000
        assert fault.begin_ns <= fault.end_ns
        assert fault.ready_s > 0
        late = history[history["intended_ns"] > fault.end_ns + fault.ready_s * 1e9 + SETTLED_NS]
        assert len(late) > 0
        assert (late["outcome"] == "acked").all()


def test_a_restarted_consumer_loses_nothing(restarted: Path) -> None:
    history, effects, _ = frames(restarted, "events")
    assert (history["outcome"] == "acked").all()
    applied = effects.dropna(subset=["applied_ns"]).groupby("registration_id")["service"].nunique()
    assert (applied.reindex(history["registration_id"]) == 3).all()
