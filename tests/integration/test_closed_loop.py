"""A run under a closed loop: nobody knows its arrivals before, and afterwards they are all there."""

import asyncio
import sqlite3
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from benchmarks.exit_code import ExitCode
from benchmarks.progress import SilentObserver
from benchmarks.run import run
from benchmarks.scenario import load_text
from benchmarks.store import Results, load_trials
from registration.luck import key
from registration.registration import user_id
from virtual.predict import predict

VUS, PEOPLE = 4, 20
SCENARIO = f"""
version: 1
name: closed
title: A closed loop
workload:
  {{executor: constant-vus, vus: {VUS}, duration: 2s, warmup: 500ms, keys: {{distribution: zipf, count: {PEOPLE}}}}}
faults:
  - {{target: email, type: latency, at: 500ms, duration: 1s, latency: 100ms}}
variants: [sync]
blocks: 1
seed: 7
"""


@pytest.mark.usefixtures("unreported")
async def test_a_run_under_a_closed_loop_accounts_for_every_arrival(tmp_path: Path) -> None:
    directory = tmp_path / "out"
    results = Results.create(directory)
    outcome = await asyncio.wait_for(
        run(load_text(SCENARIO, "closed"), results, SilentObserver(), predict, command="bench x"), 60
    )
    assert outcome.exit_code in (ExitCode.OK, ExitCode.NOT_VALID)  # a busy machine may starve the generator
    (trial,) = load_trials(directory)
    assert trial.facts.closed
    assert trial.frames.problems == ()
    history = trial.frames.history
    schedule = np.load(next(directory.glob("trials/*/raw/schedule.npy")))
    counted = schedule[schedule["index"] >= 0]
    assert history["index"].tolist() == counted["index"].tolist() == list(range(len(counted)))
    assert history["intended_ns"].tolist() == counted["intended_ns"].tolist()
    assert len(trial.frames.warmup) == len(schedule) - len(counted) > 0
    assert set(history["outcome"]) == {"acked"}

    during = history[history["intended_ns"].between(600_000_000, 1_400_000_000)]
    assert 1 <= len(during) <= VUS * 10  # a hundred milliseconds each
    under_way = [
        int(((history["intended_ns"] <= at) & (history["answered_ns"] > at)).sum()) for at in history["intended_ns"]
    ]
    assert max(under_way) <= VUS

    users = sqlite3.connect(next(directory.glob("trials/*/raw/users.db")))
    stored = pd.read_sql("SELECT registration_id, user_id FROM users", users).set_index("registration_id")["user_id"]
    users.close()
    seed = trial.facts.block_seed
    expected = [str(user_id(seed, key(seed, index, "zipf", PEOPLE, 1.1))) for index in history["index"]]
    assert stored.loc[history["registration_id"]].tolist() == expected
