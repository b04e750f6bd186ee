"""A trial in virtual time of the tree on the path: `virtually.py scenario.yaml variant` prints what came of it."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from benchmarks.planning.plan import make_plan
from benchmarks.scenario import load_text
from virtual.trial import VirtualTrial

path, variant = sys.argv[1:]
trial = VirtualTrial(make_plan(load_text(Path(path).read_text(encoding="utf-8"), path)), variant)
try:
    trial.run()
    assert trial.drained is not None
    people = trial.people
    told = {
        "drained": not trial.drained.expired,
        "accepted": [index for index, taken in zip(people.index, people.accepted, strict=True) if taken],
        "statuses": people.status,
        "replied_ms": [(at - due) / 1e6 for at, due in zip(people.replied_ns, people.intended_ns, strict=True)],
        "intended_s": [due / 1e9 for due in people.intended_ns],
        "effects": {service: [effects[id_] for id_ in people.ids] for service, effects in trial.world.effects.items()},
        "hit": [one.process for one in trial.fault_records],
    }
finally:
    trial.close()
print(json.dumps(told))
