"""What `bench` exits with."""

from __future__ import annotations

import enum
from collections.abc import Collection


class ExitCode(enum.IntEnum):
    """In order of weight: of several, the first one here is that of the whole."""

    BUG = 1
    INTERRUPTED = 105
    ENVIRONMENT = 111
    NOT_VALID = 110
    THRESHOLD = 99
    SCENARIO = 104
    USAGE = 2
    OK = 0

    @classmethod
    def of(cls, codes: Collection[ExitCode]) -> ExitCode:
        """The code of several things done; OK for none."""
        return next((code for code in cls if code in codes), cls.OK)
