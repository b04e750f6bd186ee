"""200 scenarios drawn from one seed, over all that the old replay predicted, each with what may differ from it and why.

Two ways to compute a trial agree to the nanosecond unless a rule of one of them is missing in the other. The old replay
had no partitions, no limit of deliveries in hand, no work done again after a kill and no limit of requests under way.
So every scenario belongs to a *rule*, by how it is drawn and never by what came out: `SAME` is drawn so that nothing of
this can matter (faults begin and end off the grid of arrivals; slots, where they bind, meet one order only), and each
other rule draws what brings its difference about.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from random import Random

SEED = 20_10_2026
SAME = "same"
# The other rules, and how many scenarios each has; the rest are SAME.
OTHERS = {
    "turns of the partitions": 8,  # a backlog comes partition by partition, and slots are few
    "limit in hand": 10,  # no more than 4 × concurrency deliveries of a partition, the settled behind an open one too
    "at the instant of a resume": 6,  # what came while the process stood still comes before what comes now
    "instance by key": 8,  # events of one key go to one instance
    "each API's own turns": 6,  # every API process calls the instances in turns of its own
    "done again": 12,  # after a kill, what was done behind an open offset is done once more
    "end of the drain": 6,  # when the drain has run out, nothing says at which instant the processes end
    "too many under way": 6,  # beyond `maxInFlight` an arrival is not sent
}
HOW_MANY = 200
BASES = ("sync", "sync-concurrent", "events")
_NAMES = ("email", "analytics", "cache")


@dataclass(frozen=True)
class Drawn:
    """A scenario as text, its one variant, and the rule that says how far the two predictors agree."""

    rule: str
    base: str
    text: str


def scenarios() -> list[Drawn]:
    random = Random(SEED)
    rules = [rule for rule, many in OTHERS.items() for _ in range(many)]
    rules += [SAME] * (HOW_MANY - len(rules))
    return [_RULES[rule](random, number) for number, rule in enumerate(rules)]


def _ms(milliseconds: float) -> str:
    return f"{milliseconds:.4f}ms"


class _Draft:
    """A scenario in the making: a workload of `size` counted arrivals or so."""

    def __init__(self, random: Random, base: str, *, size: int | None = None, arrivals: str | None = None) -> None:
        self.random = random
        self.base = base
        counted = size or random.randint(30, 60)
        rate = random.choice([5, 8, 12, 20, 30, 45])
        self.duration_s = round(counted / rate, 3)
        warmup_s = random.choice([0, 0, min(10 / rate, 1.0)])
        # By far more than can be under way, for the old replay knew no such limit.
        self.workload: dict[str, object] = {"warmup": _ms(warmup_s * 1e3), "maxInFlight": 100_000}
        self.workload["arrivals"] = arrivals or random.choice(["poisson", "poisson", "uniform"])
        if random.random() < 0.2:
            parts = random.randint(1, 3)
            stages = [{"duration": _ms(self.duration_s * 1e3 / parts), "target": rate * 2} for _ in range(parts)]
            for stage in stages[1::2]:
                stage["target"] = random.randint(0, rate)
            self.duration_s = parts * round(self.duration_s * 1e3 / parts, 4) / 1e3
            self.workload |= {"executor": "ramping-arrival-rate", "startRate": random.randint(0, rate)}
            self.workload["stages"] = stages
            counted *= 2
        else:
            self.workload |= {"rate": rate, "duration": _ms(self.duration_s * 1e3)}
        self.most = counted + 20  # at least as many as there are arrivals
        self.services: dict[str, dict[str, object]] = {name: {} for name in _NAMES}
        self.faults: list[dict[str, object]] = []
        self.options: dict[str, object] = {}
        self.more: dict[str, object] = {"broker": {"partitions": random.choice([1, 2, 6])}}

    def text(self, number: int) -> str:
        variant = {"name": self.base, "base": self.base, "options": self.options}
        parts: dict[str, object] = {"version": 1, "name": "x", "seed": number, "variants": [variant], **self.more}
        parts |= {"workload": self.workload, "services": self.services, "faults": self.faults}
        return "".join(f"{key}: {json.dumps(value)}\n" for key, value in parts.items())

    def latency(self, mean_ms: float) -> object:
        """Any distribution of about that mean, with digits that no grid shares."""
        random = self.random
        mean_ms *= random.uniform(0.5, 1.5)
        kind = random.choice(["fixed", "uniform", "exponential", "lognormal", "pareto"])
        parameters: Mapping[str, Mapping[str, object]] = {
            "fixed": {"value": _ms(mean_ms)},
            "uniform": {"min": _ms(mean_ms * 0.3), "max": _ms(mean_ms * 1.7)},
            "exponential": {"mean": _ms(mean_ms)},
            "lognormal": {"p50": _ms(mean_ms * 0.8), "p99": _ms(mean_ms * 4)},
            "pareto": {"min": _ms(mean_ms * 0.5), "alpha": round(random.uniform(1.5, 4), 2)},
        }
        return {"distribution": kind, **parameters[kind]}

    def latencies(self, concurrency: Callable[[], int], slow_ms: float = 400.0) -> None:
        for service in self.services.values():
            service["latency"] = self.latency(self.random.choice([2, 20, 60, slow_ms]))
            service["concurrency"] = concurrency()

    def error_rates(self) -> None:
        for service in self.services.values():
            if self.random.random() < 0.4:
                service["errorRate"] = round(self.random.uniform(0.02, 0.4), 3)

    def window(self, longest_s: float = 6.0) -> dict[str, object]:
        """A begin and a duration with digits of their own."""
        at_s = self.random.uniform(0.05, 0.75) * self.duration_s
        lasts_s = min(self.random.uniform(0.1, 0.9) * (self.duration_s - at_s), longest_s)
        return {"at": _ms(at_s * 1e3), "duration": _ms(lasts_s * 1e3)}

    def work_faults(self, most: int = 3) -> None:
        """They may overlap, and hit any service, or one instance of one that has several."""
        random = self.random
        for _ in range(random.randint(0, most)):
            name = random.choice(list(self.services))
            kind = random.choice(["latency", "error", "hang"])
            fault: dict[str, object] = {"type": kind, "target": name, **self.window()}
            if kind == "latency":
                fault |= {"latency": self.latency(random.choice([30, 300, 1500]))}
                fault["jitter"] = random.choice(["0ms", _ms(random.uniform(5, 200))])
            if kind == "error":
                fault |= {"rate": round(random.uniform(0.2, 1), 2), "status": random.choice([500, 503, 429])}
            fault["probability"] = random.choice([1.0, round(random.uniform(0.05, 0.9), 2)])
            self.faults.append(fault)

    def process_faults(self, kinds: list[str], instances: bool = False) -> None:
        """At most one of each service, so that none overlap."""
        for name in self.random.sample(list(self.services), self.random.randint(1, 2)):
            target, several = name, self.services[name].get("instances", 1)
            if instances and several != 1 and self.random.random() < 0.5:
                target = f"{name}/{self.random.randrange(int(str(several)))}"
            self.faults.append({"type": self.random.choice(kinds), "target": target, **self.window(longest_s=4.0)})

    def keys(self) -> None:
        count = self.random.randint(3, 30)
        self.workload["keys"] = self.random.choice(
            [{"distribution": "uniform", "count": count}, {"distribution": "zipf", "count": count, "s": 1.1}]
        )


def _same(random: Random, number: int) -> Drawn:
    base = BASES[number % len(BASES)]
    draft = _Draft(random, base)
    for name in ("sms", "search")[: random.choice([0, 0, 0, 1, 2])]:
        draft.services[name] = {}
    if base == "events":
        _same_events(draft)
    else:
        _same_calls(draft)
    if random.random() < 0.3:
        draft.workload["timeout"] = _ms(random.choice([80, 300, 1200]) * random.uniform(0.5, 1.5))
    if random.random() < 0.5 and base != "events":
        draft.options["timeout"] = _ms(random.choice([30, 150, 700]) * random.uniform(0.5, 1.5))
    return Drawn(SAME, base, draft.text(number))


def _same_calls(draft: _Draft) -> None:
    """Calls: slots as few as one, one API before several instances or several before one."""
    random = draft.random
    draft.latencies(lambda: random.choice([1, 2, 5, 64]), slow_ms=random.choice([150, 400]))
    draft.error_rates()
    if random.random() < 0.5:
        for name in random.sample(list(draft.services), 2):
            draft.services[name]["instances"] = random.randint(2, 3)
    else:
        draft.more["api"] = {"instances": random.randint(1, 3)}
    draft.work_faults()
    if random.random() < 0.5:
        draft.process_faults(["kill", "pause"], instances=True)
    if random.random() < 0.3:
        draft.keys()
    if random.random() < 0.1:  # an answer at the very instant of the timeout
        draft.services["email"] |= {"latency": "150ms", "concurrency": 500}
        draft.options["timeout"] = "150ms"


def _same_events(draft: _Draft) -> None:
    """Events: never four times the slots in hand; slots that bind only where arrivals alone make the order."""
    random = draft.random
    never_full = math.ceil(draft.most / 4) + 1
    way = random.choice(["binding", "paused", "instances", "keys", "ample"])
    if way == "binding":  # each in the order of arrival
        draft.latencies(lambda: never_full, slow_ms=1500)
        draft.workload["arrivals"] = "poisson"
    else:
        draft.latencies(lambda: draft.most)
    draft.error_rates()
    draft.work_faults()
    if way == "paused":
        draft.process_faults(["pause"])
    if way == "instances":
        for name in random.sample(list(draft.services), 2):
            draft.services[name]["instances"] = random.randint(2, 3)
        draft.more["api"] = {"instances": random.randint(1, 2)}
    if way == "keys":
        draft.keys()


def _turns_of_partitions(random: Random, number: int) -> Drawn:
    """Never four times the slots in hand, but fewer slots than the backlog of a pause; nothing fails."""
    draft = _Draft(random, "events", size=random.randint(50, 60), arrivals="poisson")
    draft.more["broker"] = {"partitions": 6}
    draft.latencies(lambda: math.ceil(draft.most / 4) + 1, slow_ms=900)
    target = random.choice(_NAMES)
    draft.services[target]["latency"] = _ms(random.uniform(500, 900))
    at_s = draft.duration_s * random.uniform(0.05, 0.15)
    lasts_s = min(draft.duration_s * 0.75, 6.0)
    draft.faults = [{"type": "pause", "target": target, "at": _ms(at_s * 1e3), "duration": _ms(lasts_s * 1e3)}]
    return Drawn("turns of the partitions", "events", draft.text(number))


def _limit_in_hand(random: Random, number: int) -> Drawn:
    """One to three slots, and work that now and then takes hundreds of times as long, or fails."""
    draft = _Draft(random, "events", size=random.randint(50, 60))
    draft.more["broker"] = {"partitions": random.choice([1, 2])}
    draft.latencies(lambda: random.randint(1, 3), slow_ms=60)
    draft.error_rates()
    window = {"at": _ms(draft.duration_s * 100), "duration": _ms(draft.duration_s * 700)}
    slow = {"type": "latency", "latency": _ms(random.uniform(1500, 4000)), "probability": 0.08}
    draft.faults = [{"target": random.choice(_NAMES), **slow, **window}]
    return Drawn("limit in hand", "events", draft.text(number))


def _at_a_resume(random: Random, number: int) -> Drawn:
    """Even arrivals every 100 ms, a pause that ends with one of them, fixed work and few slots."""
    draft = _Draft(random, BASES[number % len(BASES)], arrivals="uniform")
    for key in ("executor", "startRate", "stages"):
        draft.workload.pop(key, None)
    draft.workload |= {"rate": 10, "duration": "5s", "warmup": "1s"}
    draft.more["broker"] = {"partitions": 1}
    for service in draft.services.values():
        service |= {"latency": _ms(random.uniform(2, 40)), "concurrency": 64}
    target = random.choice(_NAMES)
    draft.services[target] = {"latency": _ms(random.uniform(20, 90)), "concurrency": 8}
    draft.faults = [{"type": "pause", "target": target, "at": "1.05s", "duration": f"{random.randint(8, 17)}50ms"}]
    return Drawn("at the instant of a resume", draft.base, draft.text(number))


def _instance_by_key(random: Random, number: int) -> Drawn:
    """Two or three consumers of a group, with a slot or two each."""
    draft = _Draft(random, "events", size=random.randint(45, 60))
    draft.more["broker"] = {"partitions": 6}
    draft.latencies(lambda: 64)
    for name in random.sample(_NAMES, 2):
        draft.services[name] = {"instances": random.randint(2, 3), "concurrency": random.randint(1, 2)}
        draft.services[name]["latency"] = draft.latency(90)
    draft.error_rates()
    return Drawn("instance by key", "events", draft.text(number))


def _own_turns(random: Random, number: int) -> Drawn:
    """Two or three API processes before as many instances, with a slot or two each."""
    draft = _Draft(random, random.choice(["sync", "sync-concurrent"]))
    draft.latencies(lambda: random.randint(1, 2), slow_ms=90)
    draft.error_rates()
    for service in draft.services.values():
        service["instances"] = random.randint(2, 3)
    draft.more["api"] = {"instances": random.randint(2, 3)}
    draft.workload["timeout"] = draft.options["timeout"] = "50s"  # so that the queue costs nobody the reply
    return Drawn("each API's own turns", draft.base, draft.text(number))


def _done_again(random: Random, number: int) -> Drawn:
    """A consumer that is killed while some work takes long, with slots for everything twice."""
    draft = _Draft(random, "events")
    draft.more["broker"] = {"partitions": random.choice([1, 1, 6])}
    draft.latencies(lambda: 2 * draft.most)
    draft.error_rates()
    draft.work_faults()
    draft.process_faults(["kill"])
    for fault in draft.faults:
        if fault["type"] == "kill":
            mean = {"distribution": "exponential", "mean": _ms(random.uniform(200, 600))}
            draft.services[str(fault["target"])]["latency"] = mean
    return Drawn("done again", "events", draft.text(number))


def _end_of_drain(random: Random, number: int) -> Drawn:
    """A service that fails always, or hangs to the end and then takes long."""
    draft = _Draft(random, "events", size=30)
    draft.latencies(lambda: draft.most)
    draft.services[random.choice(_NAMES)]["errorRate"] = 1
    draft.more |= {"drain": _ms(random.uniform(1500, 4000)), "drainMayExpire": True}
    return Drawn("end of the drain", "events", draft.text(number))


def _too_many(random: Random, number: int) -> Drawn:
    """A handful of requests under way at most, slots for all of them, and a service that is slow for a while."""
    draft = _Draft(random, random.choice(["sync", "sync-concurrent"]), arrivals="poisson")
    draft.latencies(lambda: draft.most, slow_ms=200)
    draft.error_rates()
    draft.workload |= {
        "warmup": "0s",
        "maxInFlight": random.randint(2, 6),
        "timeout": _ms(random.choice([400, 1500, 10_000])),
    }
    draft.services["email"]["latency"] = _ms(random.uniform(200, 400))
    draft.faults = [{"type": "latency", "target": "email", "latency": _ms(random.uniform(600, 1500)), **draft.window()}]
    return Drawn("too many under way", draft.base, draft.text(number))


_RULES: Mapping[str, Callable[[Random, int], Drawn]] = {
    SAME: _same,
    "turns of the partitions": _turns_of_partitions,
    "limit in hand": _limit_in_hand,
    "at the instant of a resume": _at_a_resume,
    "instance by key": _instance_by_key,
    "each API's own turns": _own_turns,
    "done again": _done_again,
    "end of the drain": _end_of_drain,
    "too many under way": _too_many,
}
