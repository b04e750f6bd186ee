"""What a process of a trial can be, and how it says that it cannot."""

from __future__ import annotations

# How long a process that is asked to end gives the work in its hands, on either side.
GRACEFUL_S = 1


class RoleError(Exception):
    """A process cannot do its part. `next_step` says what to try."""

    def __init__(self, message: str, next_step: str = "") -> None:
        super().__init__(message)
        self.next_step = next_step
