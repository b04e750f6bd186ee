"""What it takes to conclude anything: how sure, and from how many blocks."""

CONFIDENCE = 0.95
SIGNIFICANCE = 1 - CONFIDENCE
FEWEST_BLOCKS = 3
