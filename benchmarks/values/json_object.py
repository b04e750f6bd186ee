"""The object of a JSON file, read or to be written."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

Json = Mapping[str, object]


def object_or_empty(value: object) -> Json:
    """`value` where it is an object, else an empty one."""
    return cast("Json", value) if isinstance(value, Mapping) else {}
