"""Colours: the same variant looks the same everywhere, and no two outcomes look alike in grey."""

from __future__ import annotations

import itertools

from benchmarks.charts.palette import OUTCOME_STYLES, QUIET, VARIANT_COLOURS, ink, variant_colours
from benchmarks.subject import VARIANTS


def luminance(colour: str) -> float:
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_every_listed_variant_has_a_colour_of_its_own() -> None:
    colours = variant_colours({name: name for name in VARIANTS})
    assert len({*colours.values(), QUIET}) == len(VARIANTS) + 1


def test_a_fixed_variant_looks_the_same_in_any_company() -> None:
    assert len(set(VARIANT_COLOURS.values())) == len(VARIANT_COLOURS)
    assert variant_colours({name: name for name in VARIANT_COLOURS}) == VARIANT_COLOURS
    for name, colour in VARIANT_COLOURS.items():
        assert variant_colours({name: name}) == {name: colour}


def test_a_named_variant_takes_a_free_colour_of_its_family() -> None:
    assert variant_colours({"mine": "events"})["mine"] == VARIANT_COLOURS["events"]
    beside = variant_colours({"hurried": "sync", "sync": "sync", "patient": "sync"})
    assert len(set(beside.values())) == 3
    warm = {colour for name, colour in VARIANT_COLOURS.items() if name.startswith("sync")}
    assert set(beside.values()) <= warm


def test_more_variants_than_colours_still_have_one() -> None:
    many = variant_colours({f"sync-{number}": "sync" for number in range(9)})
    assert set(many.values()) <= set(VARIANT_COLOURS.values())
    assert variant_colours({"other": "unheard-of"}) == {"other": QUIET}


def test_outcomes_differ_in_grey_by_lightness_or_pattern() -> None:
    for one, other in itertools.combinations(OUTCOME_STYLES.values(), 2):
        lighter, darker = sorted((luminance(one.fill), luminance(other.fill)), reverse=True)
        assert one.hatch != other.hatch or (lighter + 0.05) / (darker + 0.05) > 1.5


def test_words_in_any_colour_are_readable_on_white() -> None:
    for colour in VARIANT_COLOURS.values():
        assert 1.05 / (luminance(ink(colour)) + 0.05) > 4.45
