"""What makes the load: one process, several on this machine, or several on other hosts under a Locust master here."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass

from benchmarks.processes.ports import HOST
from benchmarks.scenario.workload import Workload

JOIN_LIMIT_S = 60.0
"""How long a trial waits for workers on other hosts."""


class LoadWorkersError(ValueError):
    """The load cannot be made in the way that was asked for."""


@dataclass(frozen=True)
class LoadWorkers:
    """How many processes make the load. `master`: where those of other hosts find theirs; None: all are here."""

    count: int = 1
    master: tuple[str, int] | None = None

    @classmethod
    def of(cls, count: int, master: str | None) -> LoadWorkers:
        """From the command line. Raises LoadWorkersError where `master` is not an address of a machine and a port."""
        if master is None:
            return cls(count)
        host, _, port = master.rpartition(":")
        try:
            address = ipaddress.IPv4Address(host)
        except ValueError:
            raise LoadWorkersError(
                f"--load-master takes an IPv4 address of this machine and a port, as in 10.0.0.5:5557, not {master!r}"
            ) from None
        if address.is_unspecified or not (port.isascii() and port.isdigit() and 0 < int(port) < 2**16):
            raise LoadWorkersError(
                f"--load-master takes the one address that the workers can reach, and a port, not {master!r}"
            )
        return cls(count, (host, int(port)))

    @property
    def api_host(self) -> str:
        """The address that the API listens on: loopback, unless the load comes from elsewhere."""
        return HOST if self.master is None else self.master[0]

    def check(self, workload: Workload) -> None:
        """Raises LoadWorkersError where they cannot make this load."""
        if self == ONE_HERE:
            return
        if workload.closed:
            raise LoadWorkersError(
                "a closed loop has no schedule that could be dealt out to load workers: which arrivals there are "
                "depends on the answers; run it without --load-workers and --load-master"
            )
        if self.count > workload.max_in_flight:
            raise LoadWorkersError(
                f"--load-workers {self.count} is more than maxInFlight ({workload.max_in_flight}), which they share"
            )

    def as_dict(self) -> dict[str, object]:
        """For `environment.json`: no address, since a report is made to be shared."""
        return {"workers": self.count, "elsewhere": self.master is not None}


ONE_HERE = LoadWorkers()
"""What makes the load unless something else is asked for."""
