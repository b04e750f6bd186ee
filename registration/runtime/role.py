"""What a process of a trial can be, and how it says that it cannot be it."""

from __future__ import annotations

# What a process that is asked to end gives to the work in its hands, on either side.
GRACEFUL_S = 1


class RoleError(Exception):
    """A process cannot do its part. `next_step` tells the person what to try."""

    def __init__(self, message: str, next_step: str = "") -> None:
        super().__init__(message)
        self.next_step = next_step
