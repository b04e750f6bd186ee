"""The promise to the person: how soon an answer, and how soon all the work behind it."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from benchmarks.values.checked import LastingMs, Model


class Slo(Model):
    """The promise that `slo_ratio` counts: answered within `accept_ms` and complete within `complete_ms`."""

    accept_ms: Annotated[LastingMs, Field(alias="accept", description="how soon a person has to be answered")] = 300.0
    complete_ms: Annotated[
        LastingMs, Field(alias="complete", description="how soon all the work behind it has to be done")
    ] = 30_000.0
