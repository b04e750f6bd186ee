"""The reference names every key, choice and metric, and its examples are valid."""

from __future__ import annotations

import re
from pathlib import Path
from typing import get_args

import pytest

from benchmarks.faults import KINDS
from benchmarks.metrics import DEFINITIONS
from benchmarks.scenario import BrokerSpec, Scenario, Service, Slo, VariantSpec, Workload, load_text
from benchmarks.scenario.model import ApiSpec, Claim
from benchmarks.subject import VARIANTS
from registration.latency import DISTRIBUTIONS

TEXT = (Path(__file__).parents[2] / "docs" / "scenarios.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"```yaml\n(.*?)```", TEXT, re.DOTALL)
MODELS = (Scenario, Workload, Service, ApiSpec, BrokerSpec, VariantSpec, Slo, *KINDS.values())


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_every_key_is_in_the_reference(model: type[Scenario]) -> None:
    keys = {field.alias or name for name, field in model.model_fields.items()}
    assert {key for key in keys if not re.search(rf"\b{key}\b", TEXT)} == set()


@pytest.mark.parametrize("word", [*KINDS, *VARIANTS, *get_args(Claim), *DISTRIBUTIONS, *DEFINITIONS])
def test_every_choice_is_in_the_reference(word: str) -> None:
    assert f"`{word}`" in TEXT


@pytest.mark.parametrize("example", EXAMPLES)
def test_every_example_is_valid(example: str) -> None:
    head = "" if "version:" in example else "version: 1\nname: x\n"
    assert load_text(head + example, "docs/scenarios.md").name
