"""Durations with their unit: `800ms`, `25s`, `2m`, `1.5h`; shares in per cent: `10%`."""

from __future__ import annotations

import re
from collections.abc import Callable
from decimal import Decimal

_MS_PER_UNIT = {"ms": Decimal(1), "s": Decimal(1000), "m": Decimal(60_000), "h": Decimal(3_600_000)}
_DURATION = re.compile(r"([0-9]{1,12}(?:\.[0-9]{1,40})?|\.[0-9]{1,40})\s?(ms|s|m|h)", re.ASCII)
_NUMBER = re.compile(r"[0-9]{1,12}(\.[0-9]{1,12})?", re.ASCII)
_PERCENT = re.compile(r"([0-9]{1,3}(?:\.[0-9]{1,12})?)\s?%", re.ASCII)
# The same for JSON Schema.
DURATION_PATTERN = f"^({_DURATION.pattern})$"
PERCENT_PATTERN = f"^{_PERCENT.pattern}$"
LONGEST_MS = 24 * 3_600_000.0


def parse_ms(value: object) -> float:
    """Milliseconds of a duration such as `800ms` or `1.5s`, from 0 to one day.

    Raises ValueError with a sentence that says what a duration looks like.
    """
    return float(_parse(value))


def parse_s(value: object) -> float:
    """Seconds of a duration; see `parse_ms`."""
    return float(_parse(value) / 1000)


def _parse(value: object) -> Decimal:
    """Exact milliseconds, so that either unit is rounded once."""
    shown = repr(value) if isinstance(value, str) else _as_written(value)
    if isinstance(value, str) and (match := _DURATION.fullmatch(value)):
        amount_ms = Decimal(match[1]) * _MS_PER_UNIT[match[2]]
        if amount_ms > LONGEST_MS:
            raise ValueError(f"{shown} is longer than a day")
        return amount_ms
    text = value if isinstance(value, str) else shown
    if _NUMBER.fullmatch(text):
        raise ValueError(f"{shown} needs a unit: {text}ms or {text}s")
    if text.startswith("-"):
        raise ValueError(f"{shown} is negative; a duration is 0ms or longer")
    raise ValueError(f"{shown} is not a duration; write a number and a unit, as in 800ms, 25s or 2m")


def read_percent(value: object) -> object:
    """`10%` as 0.1; anything else as it is."""
    match = _PERCENT.fullmatch(value) if isinstance(value, str) else None
    return value if match is None else float(Decimal(match[1]) / 100)


def format_ms(milliseconds: float) -> str:
    """The shortest spelling that `parse_ms` turns back into exactly this number."""
    return _exact(milliseconds, milliseconds, parse_ms)


def format_s(seconds: float) -> str:
    """The shortest spelling that `parse_s` turns back into exactly this number."""
    return _exact(seconds * 1000, seconds, parse_s)


def _exact(milliseconds: float, value: float, parse: Callable[[object], float]) -> str:
    """A whole number of seconds or one above a second reads best in seconds, the rest in milliseconds."""
    in_ms, in_s = f"{_plain(milliseconds)}ms", f"{_plain(milliseconds / 1000)}s"
    first, second = (in_s, in_ms) if milliseconds >= 1000 else (in_ms, in_s)
    for text in (first, second):
        if len(text) <= 12 and parse(text) == value:
            return text
    # A number that neither unit writes exactly: the unit it is kept in does.
    return f"{_plain(value)}{'ms' if parse is parse_ms else 's'}"


def _plain(number: float) -> str:
    text = f"{Decimal(repr(number)):f}"
    return text.removesuffix(".0")


def _as_written(value: object) -> str:
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (int, float)):
        return f"{value:g}"
    return "a list" if isinstance(value, list) else "a mapping"
