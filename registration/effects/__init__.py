"""Where effects go, one file per kind of destination, listed in the table below."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from registration.effects.destination import Destination, DestinationSettings
from registration.effects.outside_world import OutsideWorld
from registration.effects.sqlite import Sqlite

DESTINATIONS: Mapping[str, Callable[[DestinationSettings], Destination]] = {
    "outside-world": OutsideWorld,
    "sqlite": Sqlite,
}
