"""Virtual time: the sides' own code on a clock, wires and processes that exist in memory only."""

from virtual.clock import VirtualClock
from virtual.loop import Stuck, VirtualLoop
from virtual.process import Process, VirtualPlatform, current, run

__all__ = ["Process", "Stuck", "VirtualClock", "VirtualLoop", "VirtualPlatform", "current", "run"]
