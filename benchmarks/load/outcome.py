"""Which outcome a reply, or the lack of one, means (design section 4)."""

from __future__ import annotations

from benchmarks.load.rows import Outcome


def of_status(status: int) -> Outcome:
    """The outcome of a whole reply.

    4xx and 503 are refusals: the API answers so only before it stores the user.
    """
    if 200 <= status < 300:
        return Outcome.ACKED
    if 400 <= status < 500 or status == 503:
        return Outcome.REFUSED
    return Outcome.FAILED


def of_silence(*, first_byte_sent: bool) -> Outcome:
    """The outcome where no whole reply came in time.

    Once a byte is out, the other side may have acted on it; before that nothing can have happened.
    """
    return Outcome.INDETERMINATE if first_byte_sent else Outcome.REFUSED
