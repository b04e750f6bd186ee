"""The colours: one for each variant and outcome, the same in every chart, the report and the terminal.

    variants   the sync family in warm hues, the events family in cool ones
    outcomes   from light (all went well) to dark, each with a pattern, so that they still differ in a grey print

Hues are those of Okabe and Ito ("Color Universal Design", 2008) and of Paul Tol's qualitative schemes, which people
with any kind of colour blindness can distinguish.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from benchmarks.faults.fault import Shade

VARIANT_COLOURS: Mapping[str, str] = {
    "sync": "#D55E00",
    "sync-concurrent": "#E69F00",
    "sync-best-effort": "#CC79A7",
    "sync-resilient": "#882255",
    "sync-background": "#8C510A",
    "events-naive": "#56B4E9",
    "events": "#0072B2",
    "events-fire-and-forget": "#009E73",
    "events-auto-commit": "#44AA99",
    "events-resilient": "#332288",
    "events-outbox": "#117733",
    "events-transactional": "#6A7FDB",
}

# Of processes that are not variants: services in turn.
_SERVICE_COLOURS = ("#7C93B2", "#A9BBD0", "#CFDAE6", "#8FB3A5", "#BBD3C8", "#B8A9C9")

INK = "#1B1F24"  # text and titles
QUIET = "#5B6470"  # what explains: subtitles, ticks, notes
FAINT = "#D5DAE0"  # grid lines
DRAIN = Shade("#8A94A324", QUIET)  # after the last arrival, while the rest is worked off
ALARM = "#A40E26"  # a run that is not valid
CAUTION = "#FBE7B5"  # behind what disturbed a run


@dataclass(frozen=True)
class Style:
    """How one outcome is drawn: what it is called, its fill, and a hatch that survives without colour."""

    label: str
    fill: str
    hatch: str


OUTCOME_STYLES: Mapping[str, Style] = {
    "acked": Style("acked", "#BFE3D4", ""),
    "acked late": Style("acked late", "#74B49B", ""),
    "refused": Style("refused", "#F2D58B", "\\\\\\"),
    "failed": Style("failed", "#C8553D", "///"),
    "indeterminate": Style("indeterminate", "#8D6BA8", "..."),
    "dropped": Style("dropped", "#3B3F46", ""),
}


def variant_colours(bases: Mapping[str, str]) -> dict[str, str]:
    """The colour of each variant of a run (name → base).

    A fixed variant always has its own; one that the scenario named takes the first of its family that no variant of the
    run has, and its base's once all are taken.
    """
    colours = {name: VARIANT_COLOURS[name] for name in bases if name in VARIANT_COLOURS}
    for name, base in bases.items():
        if name not in colours:
            free = (colour for colour in _family(base) if colour not in colours.values())
            colours[name] = next(free, VARIANT_COLOURS.get(base, QUIET))
    return {name: colours[name] for name in bases}


def process_colours(roles: Sequence[str]) -> dict[str, str]:
    """A colour for each kind of process: the API the darkest, the broker set apart, services between them."""
    services = iter(_SERVICE_COLOURS * (1 + len(roles) // len(_SERVICE_COLOURS)))
    fixed = {"api": "#3F4E63", "broker": "#E0B040"}
    return {role: fixed.get(role) or next(services) for role in roles}


def share_fill(share: float) -> str:
    """From light (all) to dark (none), in steps that a grey print keeps apart (ColorBrewer's single-hue blues)."""
    steps = ("#08306B", "#2171B5", "#6BAED6", "#9ECAE1", "#C6DBEF", "#E3EEF9")
    return next(fill for fill, below in zip(steps, (0.05, 0.5, 0.9, 0.99, 0.999, 2.0), strict=True) if share < below)


def on(fill: str) -> str:
    """White or ink: what is read better on `fill`."""
    red, green, blue = (int(fill[at : at + 2], 16) / 255 for at in (1, 3, 5))
    return "white" if _luminance(red, green, blue) < 0.3 else INK


def ink(colour: str) -> str:
    """`colour`, darkened until text in it is readable on white (WCAG 2.2 AA: a contrast of 4.5)."""
    red, green, blue = (int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5))
    while 1.05 / (_luminance(red, green, blue) + 0.05) < 4.5:
        red, green, blue = red * 0.97, green * 0.97, blue * 0.97
    return "#" + "".join(f"{round(part * 255):02X}" for part in (red, green, blue))


def _family(base: str) -> Iterator[str]:
    """The colours to try for a variant built on `base`: its base's first, then its family's in the table's order."""
    if base in VARIANT_COLOURS:
        yield VARIANT_COLOURS[base]
    family = base.split("-", maxsplit=1)[0]
    yield from (colour for name, colour in VARIANT_COLOURS.items() if name.split("-", maxsplit=1)[0] == family)


def _luminance(red: float, green: float, blue: float) -> float:
    def linear(part: float) -> float:
        return part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4

    return 0.2126 * linear(red) + 0.7152 * linear(green) + 0.0722 * linear(blue)
