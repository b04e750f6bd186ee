"""What faults in a service's work have in common: they are judged when an attempt begins, by the service itself.

What the service has to know of one is a `registration.faults.WorkFault`: what it does, not of what kind it is.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar

from pydantic import Field

from benchmarks.faults.fault import Lasting
from benchmarks.values.checked import Known, Share
from benchmarks.words.numbers import NBSP, percent
from registration.faults import WorkFault


class WorkKind(Lasting):
    """One window in which a share of the attempts at a service's work goes wrong."""

    targets: ClassVar[str] = "a service, or one instance of it"

    probability: Annotated[Share, Field(description="share of the attempts that it hits")] = 1.0

    @classmethod
    def reach(cls, known: Known) -> Mapping[str, int | None]:
        return known.services

    @property
    def share(self) -> float:
        return self.probability

    def for_service(self) -> WorkFault:
        """What each process of the service receives."""
        return WorkFault(self.name, self.begin_ns, self.end_ns, probability=self.share)

    @property
    def clause(self) -> str:
        subject = self.target if self.share == 1 else f"{share_words(self.share)} of {self.work}"
        return f"{subject} {self.then}"

    @property
    def work(self) -> str:
        return f"{self.target}’s work"

    def _label(self) -> str:
        label = super()._label()
        return label if self.share == 1 else f"{label} ({share_words(self.share)} of its work)"


def share_words(share: float) -> str:
    """A share in per cent, without a meaningless decimal."""
    return percent(share).replace(f".0{NBSP}%", f"{NBSP}%")
