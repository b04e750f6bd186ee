"""What is to be said of blocks that were disturbed and repeated."""

from __future__ import annotations

from benchmarks.analysis.summary_model import Summary


def repeated_sentences(summary: Summary) -> tuple[str, ...]:
    """One sentence for each attempt at a block that does not count; empty where every first attempt does."""
    return tuple(
        f"repeated as a block, and not counted: {', '.join(attempt.trials)}, since {'; '.join(attempt.reasons)}"
        for attempt in summary.repeated_blocks
    )
