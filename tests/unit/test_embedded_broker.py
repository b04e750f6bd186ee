"""The stand-in for a broker: what it cannot show is refused, and it is never named without saying what it is."""

import sys
from pathlib import Path

import pytest
from fakes import FakeHarness
from stored import summary_with

from benchmarks.analysis.summary_model import Summary
from benchmarks.brokers.embedded import run as run_embedded
from benchmarks.planning.plan import make_plan
from benchmarks.scenario import Scenario, ScenarioError, load_text
from benchmarks.scenario.override import override
from benchmarks.scenario.resolve import resolve
from benchmarks.words.summary import broker_caution
from event_impl.brokers import embedded
from registration.runtime.role import RoleError

PARTITIONS = embedded.PARTITIONS


def scenario(more: str = "broker: {kind: embedded}\n") -> Scenario:
    return load_text("version: 1\nname: small\n" + more, "small.yaml")


def problems(more: str) -> str:
    with pytest.raises(ScenarioError) as caught:
        scenario(more)
    return str(caught.value)


def test_topics_have_four_partitions_whatever_is_asked() -> None:
    asked = scenario("broker: {partitions: 6}\nvariants: [{name: e, base: events, broker: {partitions: 2}}]\n")
    made = override(asked, sets=["broker.kind=embedded"])
    assert made.broker.partitions == PARTITIONS
    assert [variant.broker.partitions for variant in made.variants if variant.broker] == [PARTITIONS]
    assert (
        load_text(str(resolve(made)).replace("'", '"').replace("True", "true").replace("False", "false"), "x") == made
    )


def test_a_second_instance_of_a_service_is_refused_with_its_line() -> None:
    said = problems("broker: {kind: embedded}\nservices:\n  email: {instances: 2}\n")
    assert said.startswith("small.yaml:5: services.email.instances: 2 instances of email would share a group")


def test_direct_calls_alone_may_have_as_many_instances_as_they_like() -> None:
    scenario("broker: {kind: embedded}\nvariants: [sync]\nservices: {email: {instances: 2}}\n")


def test_the_plan_says_what_it_is() -> None:
    assert any("not a real one" in warning for warning in make_plan(scenario()).warnings)
    assert not any("not a real one" in warning for warning in make_plan(scenario("")).warnings)


def test_the_figures_of_a_stand_in_come_with_a_caution() -> None:
    def run_on(kind: str) -> Summary:
        sides = {"sync": None, "events": {"kind": kind, "version": "1"}}
        return summary_with(variants={name: {"broker": broker, "trials": []} for name, broker in sides.items()})

    assert broker_caution(run_on("embedded")).startswith("Not a real broker")
    assert broker_caution(run_on("kafka")) == ""


async def test_without_its_package_the_command_that_installs_it_is_given(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "confluent_kafka", None)
    with pytest.raises(RoleError, match="needs the package confluent-kafka") as caught:
        await run_embedded(b"{}", FakeHarness())
    assert "pip install 'sync-vs-events[embedded]'" in caught.value.next_step
