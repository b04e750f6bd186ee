"""One variant's processes, listed by `benchmarks.trials.processes` as in a trial, and driven by a test.

async with wired("events", broker, tmp_path, services="email: {latency: 5ms}") as workflow:
    reply = await workflow.register(0)
    await workflow.idle()
story = workflow.story()        # what the traces, the databases and the topic hold
"""

from __future__ import annotations

import asyncio
import sqlite3
import time
import uuid
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

import httpx
import numpy as np
from aiokafka import AIOKafkaConsumer, TopicPartition

from benchmarks.brokers import BrokerInfo
from benchmarks.planning.plan import PlannedTrial
from benchmarks.processes.child import Child
from benchmarks.processes.ports import Ports
from benchmarks.scenario import Scenario, load_text
from benchmarks.trials.processes import ProcessSpec, trial_processes
from event_impl.brokers.topics import TopicsWiring
from registration import luck, trace
from registration.registration import Registration, body_of, traceparent_of, user_id
from registration.runtime.harness import Idle, Pending, Probe, Start
from registration.settings import ApiSettings
from registration.trace import RecordKind

BLOCK_SEED = luck.block_seed(1, 0)
BOUND_S = 60.0  # on whatever is waited for
_PORTS = Ports()

QUICK_SERVICES = "{email: {latency: 5ms}, analytics: {latency: 5ms}, cache: {latency: 5ms}}"


def registration(index: int, *, key: int | None = None) -> Registration:
    id_ = luck.registration_id(BLOCK_SEED, index)
    person = user_id(BLOCK_SEED, index if key is None else key)
    return Registration(id_, person, f"user-{index}@example.com", traceparent_of(id_))


def scenario_of(variant: str, *, services: str, faults: str, timeout: str, broker: str = "kafka") -> Scenario:
    return load_text(
        f"""
version: 1
name: behaviour
workload: {{rate: 20, duration: 20s, warmup: 0s}}
services: {services}
broker: {{kind: {broker}}}
variants: [{{name: {variant}, options: {{timeout: {timeout}}}}}]
faults: {faults}
""",
        "behaviour",
    )


@dataclass(frozen=True)
class Record:
    """One trace record, with the process that wrote it."""

    process: str
    kind: RecordKind
    t_ns: int
    registration_id: uuid.UUID
    delivery: int
    attempt: int
    status: int

    @property
    def service(self) -> str:
        return self.process.partition("/")[0]


@dataclass(frozen=True)
class Event:
    """One message of the topic."""

    key: bytes
    value: bytes
    headers: dict[str, bytes]


@dataclass(frozen=True)
class Story:
    """All that a workflow has left behind. `records` are in the order of time."""

    start_ns: int
    records: tuple[Record, ...]
    users: tuple[str, ...]
    signups: tuple[str, ...]
    events: tuple[Event, ...]

    def of(self, kind: RecordKind, *, service: str | None = None, index: int | None = None) -> list[Record]:
        id_ = None if index is None else luck.registration_id(BLOCK_SEED, index)
        return [
            record
            for record in self.records
            if record.kind == kind
            and service in (None, record.service)
            and (id_ is None or record.registration_id == id_)
        ]

    def applied(self, index: int) -> list[str]:
        """The services whose effect is there for arrival `index`, sorted; twice where it is there twice."""
        return sorted(record.service for record in self.of(RecordKind.APPLIED, index=index))


@dataclass
class Workflow:
    """A variant under way. `lag` keeps the samples of each group's lag, newest last."""

    specs: tuple[ProcessSpec, ...]
    raw: Path
    bootstrap: str | None
    children: dict[str, Child] = field(default_factory=dict)
    probed: set[str] = field(default_factory=set)
    lag: list[dict[str, int]] = field(default_factory=list)
    start_ns: int = 0
    events: tuple[Event, ...] = ()

    def __post_init__(self) -> None:
        self._client = httpx.AsyncClient(limits=httpx.Limits(max_connections=None), trust_env=False)

    @property
    def url(self) -> str:
        (api,) = (spec.settings for spec in self.specs if isinstance(spec.settings, ApiSettings))
        return f"http://{api.address}/registrations"

    @property
    def api(self) -> Child:
        return self.children["api/0"]

    async def open(self) -> None:
        """Spawn, configure, prove and start the processes, in the order of a trial."""
        for spec in self.specs:
            assert spec.module is not None
            child = await Child.spawn(spec.name, spec.module, self.raw / f"{spec.name.replace('/', '-')}.log")
            child.on_message = lambda message, name=spec.name: self._hear(name, message)  # type: ignore[misc]
            self.children[spec.name] = child
        up: dict[str, asyncio.Task[None]] = {}
        for spec in self.specs:
            up[spec.name] = asyncio.create_task(self._bring_up(spec, [up[name] for name in spec.after if name in up]))
        await asyncio.gather(*up.values())
        await self.probe()
        self.start_ns = time.monotonic_ns()
        for child in self.children.values():
            child.send(Start(self.start_ns))

    async def _bring_up(self, spec: ProcessSpec, before: Sequence[asyncio.Task[None]]) -> None:
        await asyncio.gather(*before)
        self.children[spec.name].begin(spec.role, spec.settings)
        await self.children[spec.name].expect("ready", BOUND_S)

    async def probe(self) -> None:
        """Probe until every service has reported one since this call."""
        self.probed.clear()
        expected = {spec.name for spec in self.specs if spec.hears is not None}
        async with asyncio.timeout(BOUND_S):
            while not expected <= self.probed:
                self.api.send(Probe())
                await asyncio.sleep(0.2)

    async def register(self, index: int, *, key: int | None = None, timeout_s: float = BOUND_S) -> int | None:
        """The status of the reply; None where the person did not wait for one."""
        who = registration(index, key=key)
        return await self.post(body_of(who), who.traceparent, timeout_s)

    async def post(self, body: bytes, traceparent: str = "", timeout_s: float = BOUND_S) -> int | None:
        try:
            reply = await self._client.post(
                self.url, content=body, headers={"traceparent": traceparent}, timeout=timeout_s
            )
        except httpx.ReadTimeout:
            return None
        return reply.status_code

    async def idle(self) -> None:
        """Return when no process has work in hand and, where there is a topic, all of it is committed."""
        quiet = 0
        async with asyncio.timeout(BOUND_S):
            while quiet < 3:
                await asyncio.sleep(0.1)
                seen = len(self.lag)
                while self.bootstrap is not None and len(self.lag) == seen:
                    await asyncio.sleep(0.02)
                quiet = quiet + 1 if await self.busy() == 0 and not any(self.lag[-1:] and self.lag[-1].values()) else 0

    async def busy(self) -> int:
        """Registrations in the hands of the API and the services."""
        names = [spec.name for spec in self.specs if spec.drains]
        for name in names:
            self.children[name].send(Idle(0))
        answers = await asyncio.gather(*(self.children[name].expect("idle", BOUND_S) for name in names))
        return sum(cast(int, answer["busy"]) for answer in answers)

    async def pending(self) -> dict[str, list[str]]:
        """The registrations whose event is not settled, by service."""
        services = [spec.hears.group for spec in self.specs if spec.hears is not None]
        self.children["topics"].send(Pending(services))
        return cast(dict[str, list[str]], (await self.children["topics"].expect("pending", BOUND_S))["services"])

    async def close(self) -> None:
        await self._client.aclose()
        if self.bootstrap is not None:
            (topics,) = (spec.settings for spec in self.specs if isinstance(spec.settings, TopicsWiring))
            partitions = [TopicPartition(topics.topic, number) for number in range(topics.partitions)]
            self.events = await _events(self.bootstrap, partitions)
        await asyncio.gather(*(child.stop(3.0) for child in self.children.values()))

    def story(self) -> Story:
        records = [record for path in sorted(self.raw.glob("*.trace")) for record in _records(path)]
        return Story(
            self.start_ns,
            tuple(sorted(records, key=lambda record: record.t_ns)),
            _column(self.raw / "users.db", "SELECT registration_id FROM users ORDER BY rowid"),
            _column(self.raw / "analytics.db", "SELECT registration_id FROM signups ORDER BY rowid"),
            self.events,
        )

    def _hear(self, name: str, message: object) -> None:
        assert isinstance(message, dict)
        if message.get("type") == "probed":
            self.probed.add(name)
        elif message.get("type") == "lag":
            self.lag.append(message["groups"])


@asynccontextmanager
async def wired(
    variant: str,
    broker: BrokerInfo,
    raw: Path,
    *,
    services: str = QUICK_SERVICES,
    faults: str = "[]",
    timeout: str = "2s",
) -> AsyncIterator[Workflow]:
    """The workflow of `variant`, started at scenario time 0 on entry; all its processes are gone on exit."""
    scenario = scenario_of(variant, services=services, faults=faults, timeout=timeout, broker=broker.kind)
    spec = scenario.variants[0]
    listed = trial_processes(
        scenario,
        PlannedTrial(1, 0, spec, BLOCK_SEED),
        raw=raw,
        schedule=raw / "schedule.npy",
        run_tag=uuid.uuid4().hex[:8],
        broker=broker if spec.uses_broker else None,
        own=spec.listed.processes,
        take_port=_PORTS.take,
    )
    # The tests are the load, and the broker is there.
    specs = tuple(spec for spec in listed if spec.module is not None and not spec.ends)
    workflow = Workflow(specs, raw, broker.bootstrap if spec.uses_broker else None)
    try:
        await workflow.open()
        yield workflow
    finally:
        await workflow.close()


async def _events(bootstrap: str, partitions: Sequence[TopicPartition]) -> tuple[Event, ...]:
    """All messages of a topic but the probes, partition by partition."""
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap, auto_offset_reset="earliest", enable_auto_commit=False)
    await consumer.start()
    found: list[Event] = []
    try:
        consumer.assign(partitions)
        ends = await consumer.end_offsets(partitions)
        async with asyncio.timeout(BOUND_S):
            for partition in partitions:
                while await consumer.position(partition) < ends[partition]:
                    batches = await consumer.getmany(partition, timeout_ms=1000)
                    found += [
                        Event(record.key or b"", record.value or b"", dict(record.headers))
                        for record in batches.get(partition, [])
                    ]
    finally:
        await consumer.stop()
    return tuple(event for event in found if b"probe@example.com" not in event.value)


def _records(path: Path) -> list[Record]:
    header, rows = trace.read(path)
    return [
        Record(
            str(header["process"]),
            RecordKind(int(row["kind"])),
            int(row["t_ns"]),
            uuid.UUID(bytes=bytes(np.asarray(row["registration_id"]))),
            int(row["delivery"]),
            int(row["attempt"]),
            int(row["status"]),
        )
        for row in rows
    ]


def _column(path: Path, query: str) -> tuple[str, ...]:
    connection = sqlite3.connect(path)
    try:
        return tuple(str(row[0]) for row in connection.execute(query))
    finally:
        connection.close()
