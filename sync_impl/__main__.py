"""The processes of this side, by role; the harness starts each with `python -m sync_impl`."""

from collections.abc import Callable, Mapping

from registration import api, service
from registration.runtime.process import Role, Runtime, main
from sync_impl.receiver import Receiver
from sync_impl.sender import Sender
from sync_impl.variants import VARIANTS
from sync_impl.wires.http import HttpWire
from sync_impl.wires.port import Wire


def roles(make_wire: Callable[[], Wire] = HttpWire) -> Mapping[str, Role]:
    """What a process of this side can be; calls cross the wire that `make_wire` makes."""

    async def run_api(runtime: Runtime) -> None:
        await api.run(runtime, lambda runtime, store: Sender(runtime, store, make_wire()))

    async def run_service(runtime: Runtime) -> None:
        await service.run(runtime, Receiver)

    own = {process.role(name): process.run for name, variant in VARIANTS.items() for process in variant.processes}
    return {"api": run_api, "service": run_service, **own}


if __name__ == "__main__":
    main(roles())
