"""The format of a scenario file as JSON Schema, from the models that check it: editors complete and check with it.

What a schema cannot say (whether a fault's target exists, whether a window has enough arrivals) `bench validate` does.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pydantic_core import PydanticUndefined

from benchmarks.faults import KINDS, FaultKind
from benchmarks.metrics import METRICS
from benchmarks.scenario.broker import choices
from benchmarks.scenario.errors import MODELS
from benchmarks.scenario.hypothesis import SEPARATORS
from benchmarks.scenario.metric import EXPECTATION_PATTERN, METRIC_PATTERN
from benchmarks.scenario.model import Scenario
from benchmarks.scenario.variant import default_options
from benchmarks.scenario.workload import EXECUTOR_KEYS, EXECUTORS, UNIQUE, keys_of_executor
from benchmarks.subject import VARIANTS
from benchmarks.values.checked import SHARE_SCHEMA, Model, spelled_default
from benchmarks.values.units import DURATION_PATTERN
from registration.options import Option, options_of
from registration.services import ROSTER

Schema = dict[str, Any]
DIALECT = "https://json-schema.org/draft/2020-12/schema"
# What follows from other keys where it is not given.
_FOLLOWING = ("title", "maxInFlight", "s")


def scenario_schema() -> Schema:
    """The whole format, for `bench schema` and `scenarios/schema.json`."""
    schema = Scenario.model_json_schema()
    parts: dict[str, Schema] = schema["$defs"]
    for unwritten in ("Expectation", "HypothesisPart", "Metric"):  # what the file has as text
        parts.pop(unwritten, None)
    for part in (schema, *parts.values()):
        _tidy(part)
    _workload(parts["Workload"])
    _services(parts["Service"], schema)
    _broker(parts["BrokerSpec"])
    _variants(parts["VariantSpec"], schema)
    for kind in KINDS.values():
        _fault(kind, parts[kind.__name__])
    parts["Hypothesis"] = _hypothesis()
    schema["properties"]["thresholds"] |= {
        "propertyNames": _metric(),
        "additionalProperties": {"type": "array", "items": _expectation(), "minItems": 1},
    }
    for model in (*(model for _, model in MODELS), *KINDS.values()):
        _defaults(model, (schema if model is Scenario else parts[model.__name__])["properties"])
    return {"$schema": DIALECT, "title": "A scenario of bench", **schema}


def _tidy(model: Schema) -> None:
    """Without what speaks of the code rather than the file; a key that may be left out has no null."""
    model.pop("title", None)
    model.pop("description", None)
    for key in model.get("properties", {}).values():
        key.pop("title", None)
        key.pop("default", None)
        left = [choice for choice in key.pop("anyOf", ()) if choice != {"type": "null"}]
        key.update(left[0] if len(left) == 1 else {"anyOf": left} if left else {})


def _workload(workload: Schema) -> None:
    """Keys of an executor are allowed with that executor only."""
    keys: Schema = workload["properties"]["keys"]
    workload["properties"]["keys"] = {
        "description": keys["description"],
        "anyOf": [{"const": UNIQUE}, {"$ref": keys["$ref"]}],
        "default": UNIQUE,
    }
    workload["allOf"] = [
        {
            "if": {"required": [key]},
            "then": {
                "properties": {"executor": {"enum": executors}},
                **({} if EXECUTORS[0] in executors else {"required": ["executor"]}),
            },
        }
        for key in sorted(EXECUTOR_KEYS)
        if (executors := [name for name in EXECUTORS if key in keys_of_executor(name)])
    ]


def _services(service: Schema, schema: Schema) -> None:
    del service["required"]  # the defaults are below
    services: Schema = schema["properties"]["services"]
    services["additionalProperties"] = False
    services["properties"] = {name: {"$ref": "#/$defs/Service"} for name in ROSTER}


def _broker(broker: Schema) -> None:
    for key in ("profile", "durability"):
        broker["properties"][key]["enum"] = choices(key)


def _variants(variant: Schema, schema: Schema) -> None:
    """A name, or a mapping whose options are those of its base."""
    variant["required"] = ["name"]
    variant["properties"]["base"]["enum"] = list(VARIANTS)
    variant["properties"]["options"] = {
        "type": "object",
        "description": variant["properties"]["options"]["description"],
    }
    variant["allOf"] = [
        {
            "if": {
                "anyOf": [
                    {"properties": {"base": {"const": name}}, "required": ["base"]},
                    {"properties": {"name": {"const": name}}, "not": {"required": ["base"]}},
                ]
            },
            "then": {"properties": {"options": _options(options_of(listed.declared.options))}},
        }
        for name, listed in VARIANTS.items()
    ]
    variants: Schema = schema["properties"]["variants"]
    variants["items"] = {"anyOf": [{"enum": list(VARIANTS)}, variants["items"]]}
    variants["minItems"] = 1


def _options(known: Mapping[str, Option]) -> Schema:
    defaults = default_options(known)
    of_kind: Mapping[str, Schema] = {
        "duration": {"type": "string", "pattern": DURATION_PATTERN},
        "count": {"type": "integer"},
        "share": SHARE_SCHEMA,
        "switch": {"type": "boolean"},
        "choice": {},
    }
    properties = {
        name: {
            "description": option.says,
            **of_kind[option.kind],
            **({"enum": list(option.choices)} if option.kind == "choice" else {}),
            **({"minimum": option.least} if option.kind == "count" else {}),
            "default": defaults[name],
        }
        for name, option in known.items()
    }
    return {"type": "object", "additionalProperties": False, "properties": properties}


def _fault(kind: type[FaultKind], fault: Schema) -> None:
    """Its name is made up where it is not given, and its type is what distinguishes the kinds."""
    fault["description"] = kind.sentence
    fault["required"] = ["type", *(key for key in fault["required"] if key != "name")]


def _defaults(model: type[Model], properties: Schema) -> None:
    """What holds where the file says nothing, as a file would say it."""
    for name, field in model.model_fields.items():
        key = field.alias or name
        if field.default is PydanticUndefined or field.default is None or key in ("type", *_FOLLOWING):
            continue
        default = spelled_default(field)
        properties[key]["default"] = list(default) if isinstance(default, tuple) else default


def _metric() -> Schema:
    """The names as they are, which editors complete, or one with tags."""
    return {"anyOf": [{"enum": list(_metric_names())}, {"type": "string", "pattern": METRIC_PATTERN}]}


def _metric_names() -> Iterator[str]:
    for definition in METRICS:
        if definition.default_stat is not None or not definition.stats:
            yield definition.name
        yield from (f"{definition.name}.{stat}" for stat in definition.stats)


def _expectation() -> Schema:
    return {"type": "string", "pattern": EXPECTATION_PATTERN, "examples": ["< 100", "> 0.5", ">= 95%"]}


def _hypothesis() -> Schema:
    says = {
        "variant": "the figure of one variant",
        "ratio": "two variants as A/B: the first's figure over the second's",
        "difference": "two variants as A-B: the first's figure minus the second's",
    }
    sides: Schema = {word: {"type": "string", "description": says[word]} for word in ("variant", *SEPARATORS)}
    part: Schema = {
        "type": "object",
        "additionalProperties": False,
        "properties": {
            "metric": {"description": "what is measured, as name.stat{tag:value}", **_metric()},
            **sides,
            "expect": {"description": "a comparison and a bound; a share may be in per cent", **_expectation()},
        },
        "required": ["metric", "expect"],
        "oneOf": [{"required": [word]} for word in sides],
    }
    every: Schema = {"type": "array", "items": part, "minItems": 1, "description": "several, all of which must hold"}
    whole: Schema = {
        "type": "object",
        "additionalProperties": False,
        "properties": {"all": every},
        "required": ["all"],
    }
    return {"anyOf": [part, whole]}
