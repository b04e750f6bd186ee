"""Scenario times as whole numbers of nanoseconds, and what stands for one that does not exist."""

from __future__ import annotations

NEVER = 2**63 - 1
NS_PER_MS = 1e6
