"""`error`: the work fails, as with a bug, a full disk or a dependency that is down."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from benchmarks.faults.work_kind import WorkKind, share_words
from benchmarks.values.checked import Share, Status
from registration.faults import WorkFault


class ErrorFault(WorkKind):
    """Fails the attempts that it hits, after their time and without an effect."""

    sentence: ClassVar[str] = "the attempt takes its time, then fails and leaves no effect"
    then: ClassVar[str] = "failed"

    type: Literal["error"] = "error"
    rate: Annotated[Share, Field(description="share of these attempts that fail")] = 1.0
    status: Annotated[Status, Field(description="what the service answers, 400 to 599")] = 503

    @property
    def share(self) -> float:
        return self.probability * self.rate

    def for_service(self) -> WorkFault:
        return replace(super().for_service(), status=self.status)

    @property
    def clause(self) -> str:
        part = "all" if self.share == 1 else share_words(self.share)
        return f"{part} of {self.work} {self.then}"

    def _label(self) -> str:
        return f"{self.target}: {share_words(self.share)} fail"
