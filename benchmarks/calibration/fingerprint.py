"""What a calibration is about: the machine and the program whose change makes it stale."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from dataclasses import dataclass, fields

import psutil

from benchmarks import machine

_WORDS = {
    "kernel": "the kernel",
    "cpu": "the processor",
    "cores": "the number of cores",
    "python": "Python",
    "version": "bench",
}


@dataclass(frozen=True)
class Fingerprint:
    """`kernel`: its release. `cpu`: the model's name. `cores`: logical ones. `version`: of bench."""

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
        texts = {name: data[name] for name in _WORDS if name != "cores"}
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
            for name, words in _WORDS.items()
            if before[name] != now[name]
        ]
