"""Scenario → the file that describes it in full: every default written out, ready to be loaded again."""

from __future__ import annotations

import io
from collections.abc import Mapping

from ruamel.yaml import YAML

from benchmarks.scenario.broker import BrokerSpec
from benchmarks.scenario.model import Scenario
from benchmarks.scenario.variant import VariantSpec, write_options
from benchmarks.values.latency import format_latency
from benchmarks.values.units import format_ms, format_s
from registration.options import options_of


def resolve(scenario: Scenario) -> dict[str, object]:
    """Plain data in the order and the spelling of the file; loading it gives an equal Scenario."""
    data: dict[str, object] = {
        "version": scenario.version,
        "name": scenario.name,
        "title": scenario.title,
        "description": scenario.description,
        "claim": scenario.claim,
        "tags": list(scenario.tags),
        "workload": scenario.workload.resolved(),
        "services": {
            name: {
                "latency": format_latency(service.latency),
                "errorRate": service.error_rate,
                "concurrency": service.concurrency,
                "instances": service.instances,
            }
            for name, service in scenario.services.items()
        },
        "api": {"instances": scenario.api.instances},
        "broker": scenario.broker.resolved(),
        "variants": [_variant(variant, scenario.broker) for variant in scenario.variants],
        "faults": [fault.resolved() for fault in scenario.faults],
        "slo": {"accept": format_ms(scenario.slo.accept_ms), "complete": format_ms(scenario.slo.complete_ms)},
        "drain": format_s(scenario.drain_s),
        "drainMayExpire": scenario.drain_may_expire,
        "thresholds": {metric: list(expressions) for metric, expressions in scenario.thresholds.items()},
        "hypothesis": None if scenario.hypothesis is None else scenario.hypothesis.as_dict(),
        "blocks": scenario.blocks,
        "seed": scenario.seed,
        "quick": None if scenario.quick is None else {"leftOut": list(scenario.quick.left_out)},
    }
    return {key: value for key, value in data.items() if value not in (None, [], {})}


def dump(resolved: Mapping[str, object]) -> str:
    """YAML text of what `resolve` gives."""
    yaml = YAML(typ="safe", pure=True)
    yaml.default_flow_style = False
    yaml.sort_base_mapping_type_on_output = False  # type: ignore[assignment]
    yaml.representer.ignore_aliases = lambda *_: True  # the reader takes none
    yaml.width = 100
    stream = io.StringIO()
    yaml.dump(dict(resolved), stream)
    return stream.getvalue()


def _variant(variant: VariantSpec, shared: BrokerSpec) -> dict[str, object]:
    """With of its broker what differs from the one that all share."""
    data: dict[str, object] = {
        "name": variant.name,
        "base": variant.base,
        "options": write_options(variant.options, options_of(variant.listed.declared.options)),
    }
    # Compared as they will be, not as they are written: what is a kind's default may still differ from what all share.
    own = {} if variant.broker is None else {key: getattr(variant.broker, key) for key in type(shared).model_fields}
    if differing := {k: value for k, value in own.items() if value is not None and value != getattr(shared, k)}:
        data["broker"] = differing
    return data
