"""What titles are made of: the finding in words, from the figures alone, whichever side they favour.

Titles state what was measured. They name no winner: two figures side by side do that, and only where they differ.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from benchmarks.charts.run_data import RunData
from benchmarks.words.numbers import listed, percent

# What a title says about a variant with fewer than half accepted, or done.
never_accepted, never_done = "accepted fewer than half", "never did half of them"
# Figures nearer to each other than this ratio are called alike. It is a word for a title, not a test.
ALIKE = 1.1
_MOST_NAMED = 3  # more variants than this are given as a range


def while_clause(data: RunData) -> str:
    """`While email was slower by 800 ms`: how a title about the window `during` begins."""
    faults = data.scenario.faults
    if data.main_window is None:
        return "Over the whole run"
    return f"While {faults[0].clause}" if len(faults) == 1 else f"While {len(faults)} faults were on"


def window_name(data: RunData) -> str:
    """`during the fault`, `over the whole run`: for subtitles and panel headings."""
    if data.main_window is None:
        return "over the whole run"
    return "during the fault" if len(data.scenario.faults) == 1 else "during the faults"


def told(
    values: Mapping[str, float | None],
    write: Callable[[float | None], str],
    missing: str,
    *,
    alike: float = ALIKE,
) -> str:
    """`4.12 ms with events and 855 ms with sync`; `31 ms with sync and events alike`; `4 ms (a) to 855 ms (b)` of many.

    Smallest first. The variants without a figure follow with what is `missing`. Figures within the ratio `alike` of
    each other are given as one; 1.0 is for shares and for what must not happen, where a small difference is a finding.
    """
    known = {name: value for name, value in values.items() if value is not None}
    gone = [name for name in values if name not in known]
    rest = f"{_names(gone, len(values))} {missing}" if gone else ""
    if not known:
        return rest
    first, last = min(known, key=lambda name: known[name]), max(known, key=lambda name: known[name])
    least, most = write(known[first]), write(known[last])
    if len(known) > 1 and (known[first] == known[last] or 0 < known[last] <= known[first] * alike):
        text = f"{least if least == most else f'{least} to {most}'} with {_names(list(known), len(values))} alike"
    elif len(known) > _MOST_NAMED:
        text = f"{least} ({first}) to {most} ({last})"
    else:
        text = listed([f"{write(known[name])} with {name}" for name in sorted(known, key=lambda name: known[name])])
    return "; ".join(filter(None, (text, rest)))


def _names(names: Sequence[str], of: int) -> str:
    if len(names) <= _MOST_NAMED:
        return listed(names)
    return f"all {of} variants" if len(names) == of else f"{len(names)} of {of} variants"


def accepted_differs(data: RunData) -> str:
    """`accepted: 61.2 % with sync and 100 % with events` where the shares differ by more than a point, else nothing.

    Latencies of those accepted are then of different populations: a title gives the shares and no latency.
    """
    if not data.summary.survivorship(data.main_window):
        return ""
    return f"accepted: {told(data.figures('accept_ratio'), percent, 'unknown', alike=1.0)}"
