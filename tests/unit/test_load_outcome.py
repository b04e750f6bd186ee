"""Which outcome a reply means."""

import pytest

from benchmarks.load.outcome import of_silence, of_status
from benchmarks.load.rows import Outcome


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        (200, Outcome.ACKED),
        (201, Outcome.ACKED),
        (299, Outcome.ACKED),
        (302, Outcome.FAILED),
        (400, Outcome.REFUSED),
        (422, Outcome.REFUSED),
        (499, Outcome.REFUSED),
        (500, Outcome.FAILED),
        (502, Outcome.FAILED),
        (503, Outcome.REFUSED),
        (504, Outcome.FAILED),
    ],
)
def test_a_status_means_an_outcome(status: int, outcome: Outcome) -> None:
    assert of_status(status) is outcome


def test_silence_is_indeterminate_once_a_byte_was_sent_and_a_refusal_before() -> None:
    assert of_silence(first_byte_sent=True) is Outcome.INDETERMINATE
    assert of_silence(first_byte_sent=False) is Outcome.REFUSED
