"""What is to be said of blocks that were disturbed and repeated."""

from __future__ import annotations

from collections.abc import Mapping

from benchmarks.words.reading import Reading


def repeated_sentences(summary: Mapping[str, object]) -> tuple[str, ...]:
    """One sentence for each attempt at a block that does not count; empty where every first attempt does."""
    sentences = []
    for entry in Reading(summary).records("repeated_blocks"):
        attempt = Reading(entry)
        trials = ", ".join(str(label) for label in attempt.items("trials"))
        reasons = "; ".join(str(reason) for reason in attempt.items("reasons"))
        sentences.append(f"repeated as a block, and not counted: {trials}, since {reasons}")
    return tuple(sentences)
