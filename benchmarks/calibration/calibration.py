"""The calibration: what was measured, when and on what; a frozen value with its form in JSON.

as_dict()            the file
seen_from(here)      the same with `stale`: what a run copies into its environment.json
"""

from __future__ import annotations

import platform
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace

import psutil

from benchmarks import machine
from benchmarks.values.json_object import Json

FORMAT_VERSION = 1
# In the file's order. The noise floor is kept by scenario, so it is separate.
PARTS = ("timer", "clock", "generator", "harness", "broker_idle")

_FINGERPRINT_WORDS = {
    "kernel": "the kernel",
    "cpu": "the processor",
    "cores": "the number of cores",
    "python": "Python",
    "version": "bench",
}


@dataclass(frozen=True)
class Fingerprint:
    """The machine and the program that it was measured with, whose change makes it stale.

    `kernel`: its release. `cpu`: the model's name. `cores`: logical ones. `version`: of bench.
    """

    kernel: str
    cpu: str
    cores: int
    python: str
    version: str

    @classmethod
    def here(cls) -> Fingerprint:
        """Of this machine and this installation."""
        return cls(
            kernel=platform.release(),
            cpu=machine.cpu_model() or "unknown",
            cores=psutil.cpu_count() or 1,
            python=machine.python(),
            version=machine.version(),
        )

    @classmethod
    def from_dict(cls, data: Mapping[str, object]) -> Fingerprint:
        """As `as_dict` wrote it. Raises KeyError, TypeError or ValueError where it did not."""
        texts = {name: data[name] for name in _FINGERPRINT_WORDS if name != "cores"}
        if not all(isinstance(text, str) for text in texts.values()):
            raise TypeError(f"a fingerprint of texts, not {texts}")
        return cls(cores=int(str(data["cores"])), **{name: str(text) for name, text in texts.items()})

    def as_dict(self) -> dict[str, object]:
        return {field.name: getattr(self, field.name) for field in fields(self)}

    def stale_on(self, here: Fingerprint) -> list[str]:
        """Why what was measured there says nothing of `here`, a sentence for each change; empty where it fits."""
        before, now = self.as_dict(), here.as_dict()
        return [
            f"{words} changed from {before[name]} to {now[name]}"
            for name, words in _FINGERPRINT_WORDS.items()
            if before[name] != now[name]
        ]


class DamagedCalibration(ValueError):  # noqa: N818 - reads as the state of the file
    """The data is not a calibration."""


@dataclass(frozen=True)
class Calibration:
    """`measured`: when the last of it was, ISO 8601 in UTC. `parts`: by the names in `PARTS`. `floors`: by scenario."""

    fingerprint: Fingerprint
    measured: str
    parts: Mapping[str, Json] = field(default_factory=dict)
    floors: Mapping[str, Json] = field(default_factory=dict)

    def with_part(self, name: str, figures: Mapping[str, object], measured: str) -> Calibration:
        """With one part measured anew."""
        parts = {**self.parts, name: {"measured": measured, **figures}}
        return replace(self, measured=measured, parts=parts)

    def with_floor(self, scenario: str, floor: Mapping[str, object], measured: str) -> Calibration:
        """With one scenario's noise floor measured anew."""
        floors = {**self.floors, scenario: {"measured": measured, **floor}}
        return replace(self, measured=measured, floors=floors)

    def as_dict(self) -> Json:
        return {
            "format_version": FORMAT_VERSION,
            "measured": self.measured,
            "fingerprint": self.fingerprint.as_dict(),
            **{name: self.parts.get(name) for name in PARTS},
            "noise_floor": dict(self.floors),
        }

    @classmethod
    def from_dict(cls, data: object) -> Calibration:
        """As `as_dict` wrote it. Raises DamagedCalibration where it did not."""
        try:
            if not isinstance(data, Mapping):
                raise TypeError("not an object")
            if data["format_version"] != FORMAT_VERSION:
                raise ValueError(f"format {data['format_version']!r}, where this version reads {FORMAT_VERSION}")
            return cls(
                Fingerprint.from_dict(data["fingerprint"]),
                _text(data["measured"]),
                {name: _object(data[name], name) for name in PARTS if data[name] is not None},
                {name: _object(floor, name) for name, floor in _object(data["noise_floor"], "noise_floor").items()},
            )
        except KeyError as error:
            raise DamagedCalibration(f"it has no {error.args[0]}") from error
        except (TypeError, ValueError) as error:
            raise DamagedCalibration(str(error)) from error

    def seen_from(self, here: Fingerprint) -> Json:
        """As a run on `here` records it: with the reasons for which it does not fit."""
        return {**self.as_dict(), "stale": self.fingerprint.stale_on(here)}


def _object(value: object, name: str) -> Json:
    if not isinstance(value, dict):
        raise TypeError(f"{name} is {value!r:.40}, not an object")
    return value


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r:.40} is not a time")
    return value
