"""The scenario file: read, checked, found by name, overridden from the command line, written back."""

from benchmarks.faults import Fault
from benchmarks.scenario.broker import BrokerSpec
from benchmarks.scenario.hypothesis import Hypothesis, HypothesisPart
from benchmarks.scenario.loader import load, load_text
from benchmarks.scenario.metric import Expectation, Metric
from benchmarks.scenario.model import Scenario, Service
from benchmarks.scenario.variant import VariantSpec
from benchmarks.scenario.workload import Workload
from benchmarks.values.problems import Problem, ScenarioError, UnknownScenarioError
from benchmarks.values.slo import Slo

__all__ = [
    "BrokerSpec",
    "Expectation",
    "Fault",
    "Hypothesis",
    "HypothesisPart",
    "Metric",
    "Problem",
    "Scenario",
    "ScenarioError",
    "Service",
    "Slo",
    "UnknownScenarioError",
    "VariantSpec",
    "Workload",
    "load",
    "load_text",
]
