"""How late timers ring: a process of its own that waits on the generator's timer, then on the event loop's own.

    harness → {"role": "timer", "settings": {"rings", "shortest_ns", "longest_ns"}}
    harness ← {"type": "done", "pacer", "late_ns": […], "loop_late_ns": […]}

It ends with its input, like every child. Locust is not imported: nothing here depends on its patches.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import cast

from gevent.event import Event

from benchmarks.load.event_loop import GeventLoop, LoopTimer, Timer, best_timer
from benchmarks.load.parent import Parent

# The fractional parts of its multiples fill an interval evenly and never repeat: no ring is in step with another timer.
_GOLDEN = 0.6180339887498949

MakeTimer = Callable[[GeventLoop, Callable[[], None]], Timer]


class Bell:
    """Sets a timer again and again, each time to an instant `shortest_ns` to `longest_ns` ahead."""

    def __init__(self, make_timer: MakeTimer, rings: int, shortest_ns: int, longest_ns: int) -> None:
        self.late_ns: list[int] = []
        self._over = Event()
        self._error: Exception | None = None
        self._rings = rings
        self._shortest_ns, self._span_ns = shortest_ns, longest_ns - shortest_ns
        self._due_ns = 0
        self._timer = make_timer(GeventLoop(self._crash), self._ring)

    @property
    def timer(self) -> str:
        return self._timer.name

    def wait(self) -> list[int]:
        """How many nanoseconds each ring was late. Raises what went wrong."""
        self._set()
        self._over.wait()
        if self._error is not None:
            raise self._error
        return self.late_ns

    def _set(self) -> None:
        ahead_ns = self._shortest_ns + round((len(self.late_ns) * _GOLDEN % 1) * self._span_ns)
        self._due_ns = time.monotonic_ns() + ahead_ns
        self._timer.arm(self._due_ns)

    def _ring(self) -> None:
        self.late_ns.append(time.monotonic_ns() - self._due_ns)
        if len(self.late_ns) < self._rings:
            self._set()
        else:
            self._over.set()

    def _crash(self, error: Exception) -> None:
        self._error = error
        self._over.set()


def main() -> None:
    """Do what the first line of the input asks for."""
    parent = Parent(0, 1, lambda _descriptor: None)  # blocking reads will do: nothing else goes on meanwhile
    messages = parent.messages()
    first = next(messages, None)
    if first is None:
        return
    settings = cast(Mapping[str, Mapping[str, int]], first)["settings"]
    asked = settings["rings"], settings["shortest_ns"], settings["longest_ns"]
    ours, loops = Bell(best_timer, *asked), Bell(LoopTimer, *asked)
    parent.say({"type": "done", "pacer": ours.timer, "late_ns": ours.wait(), "loop_late_ns": loops.wait()})
    next(messages, None)


if __name__ == "__main__":
    main()
