"""The processes of this side, by role; the harness starts each with `python -m sync_impl`."""

from collections.abc import Callable, Mapping

from registration import api, service
from registration.runtime.harness import Role, main
from registration.runtime.process import MakeRuntime, Runtime, role
from sync_impl.receiver import Receiver
from sync_impl.sender import Sender
from sync_impl.variants import VARIANTS
from sync_impl.variants.variant import Calling
from sync_impl.wires.http import HttpWire
from sync_impl.wires.port import Wire
from sync_impl.wiring import ApiWiring, OwnWiring, ServiceWiring


def roles(make_runtime: MakeRuntime = Runtime, make_wire: Callable[[Calling], Wire] = HttpWire) -> Mapping[str, Role]:
    """What a process of this side can be, on a given runtime; calls cross the wire that `make_wire` makes."""

    async def run_api(wiring: ApiWiring, runtime: Runtime) -> None:
        await api.run(wiring, runtime, lambda store: Sender(wiring, runtime, store, make_wire))

    async def run_service(wiring: ServiceWiring, runtime: Runtime) -> None:
        await service.run(wiring, runtime, lambda worker: Receiver(wiring, runtime, worker))

    return {
        "api": role(ApiWiring, run_api, make_runtime),
        "service": role(ServiceWiring, run_service, make_runtime),
        **{
            process.role(variant.name): role(OwnWiring, process.run, make_runtime)
            for variant in VARIANTS.values()
            for process in variant.processes
        },
    }


if __name__ == "__main__":
    main(roles())
