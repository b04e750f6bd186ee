"""The processes of this side, by role; the harness starts each with `python -m event_impl`."""

from collections.abc import Mapping

from event_impl.brokers import topics
from event_impl.receiver import Receiver
from event_impl.sender import Sender
from event_impl.variants import VARIANTS
from event_impl.wiring import ApiWiring, OwnWiring, ServiceWiring
from registration import api, service
from registration.runtime.harness import Role, main
from registration.runtime.process import MakeRuntime, Runtime, role


def roles(make_runtime: MakeRuntime = Runtime) -> Mapping[str, Role]:
    """What a process of this side can be, on a given runtime."""

    async def run_api(wiring: ApiWiring, runtime: Runtime) -> None:
        await api.run(wiring, runtime, lambda store: Sender(wiring, runtime, store))

    async def run_service(wiring: ServiceWiring, runtime: Runtime) -> None:
        await service.run(wiring, runtime, lambda worker: Receiver(wiring, runtime, worker))

    return {
        "api": role(ApiWiring, run_api, make_runtime),
        "service": role(ServiceWiring, run_service, make_runtime),
        "topics": role(topics.TopicsWiring, topics.run, make_runtime),
        **{
            process.role(variant.name): role(OwnWiring, process.run, make_runtime)
            for variant in VARIANTS.values()
            for process in variant.processes
        },
    }


if __name__ == "__main__":
    main(roles())
