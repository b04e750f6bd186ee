"""How figures and lists are written for people: three significant digits, a dash where there is no figure."""

from __future__ import annotations

import math
from collections.abc import Sequence

NBSP = "\u00a0"  # keeps a figure and its unit on one line
DASH = "–"  # what stands where a figure does not exist; the reason stands beside it

_DIGITS = 3


def figure(value: float | None) -> str:
    """`value` with three significant digits (`0.0412`, `4.12`, `855`, `12,300`), or a dash."""
    return _figure(value, _DIGITS)


def rough(value: float | None) -> str:
    """As `figure`, with two digits: for what is known no better."""
    return _figure(value, 2)


def _figure(value: float | None, digits: int) -> str:
    if value is None or math.isnan(value):
        return DASH
    if math.isinf(value):
        return "∞" if value > 0 else "−∞"
    if value == 0:
        return "0"
    decimals = digits - 1 - math.floor(math.log10(abs(value)))
    rounded = round(value, decimals)
    # 9.996 rounds up to 10.00, which has one digit too many.
    decimals = digits - 1 - math.floor(math.log10(abs(rounded)))
    return _minus(f"{rounded:,.{max(decimals, 0)}f}")


def count(value: float | None) -> str:
    """A whole number, exact, with thousands separators, or a dash."""
    return DASH if value is None or math.isnan(value) else _minus(f"{round(value):,}")


def percent(share: float | None) -> str:
    """A share (0 … 1) in per cent; only nothing is `0 %` and only all is `100 %`."""
    if share is None or math.isnan(share):
        return DASH
    if 0 < share < 0.0005:
        return f"< 0.1{NBSP}%"
    if 0.9995 <= share < 1:
        return f"> 99.9{NBSP}%"
    if share in (0, 1):
        return f"{share * 100:.0f}{NBSP}%"
    return _minus(f"{share * 100:.1f}{NBSP}%")


def rough_percent(share: float) -> str:
    """A share in per cent with two digits, as it is held against a limit: `87 %`, `0.20 %`."""
    return f"{rough(share * 100)}{NBSP}%"


def milliseconds(value_ms: float | None) -> str:
    """A latency with its unit; from ten seconds up in seconds."""
    if value_ms is None or math.isnan(value_ms):
        return DASH
    return seconds(value_ms / 1e3) if abs(value_ms) >= 1e4 else f"{figure(value_ms)}{NBSP}ms"


def seconds(value_s: float | None) -> str:
    """A duration in seconds with its unit."""
    return DASH if value_s is None or math.isnan(value_s) else f"{figure(value_s)}{NBSP}s"


def nominal_ms(value_ms: float) -> str:
    """A duration that somebody chose, as they would write it: `300 ms`, `1.5 s`."""
    return f"{value_ms / 1e3:g}{NBSP}s" if value_ms >= 1e3 else f"{value_ms:g}{NBSP}ms"


def signed(value: float | None) -> str:
    """A difference with its sign always shown."""
    text = figure(value)
    return f"+{text}" if value is not None and value > 0 else text


def p_words(p: float | None) -> str:
    """A p value as it is read: two digits, and nothing below a thousandth."""
    if p is None or math.isnan(p):
        return DASH
    return "< 0.001" if p < 0.001 else f"{p:.2g}" if p < 0.995 else "1"


def upper_bound(rate: float | None) -> str:
    """What stands beside a zero: the largest rate that it leaves possible."""
    return "" if rate is None or rate >= 1 else f"< {rough_percent(rate)}"


def plural(number: int, noun: str) -> str:
    """`1 block`, `3 blocks`."""
    return f"{number:,}{NBSP}{noun}" if number == 1 else f"{number:,}{NBSP}{noun}s"


def listed(words: Sequence[str]) -> str:
    """`a`, `a and b`, `a, b and c`."""
    return " and ".join(filter(None, (", ".join(words[:-1]), *words[-1:])))


def sentence(words: str) -> str:
    """`words` with a capital and a full stop."""
    return f"{words[:1].upper()}{words[1:].removesuffix('.')}." if words else ""


def clause(words: str) -> str:
    """A sentence as it stands inside another: without its capital and its full stop."""
    return f"{words[:1].lower()}{words[1:].removesuffix('.')}"


def _minus(text: str) -> str:
    return text.replace("-", "−")
