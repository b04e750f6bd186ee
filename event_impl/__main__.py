"""The processes of this side, by role; the harness starts each with `python -m event_impl`."""

from collections.abc import Mapping

from event_impl.brokers import topics
from event_impl.receiver import Receiver
from event_impl.sender import Sender
from event_impl.variants import VARIANTS
from registration import api, service
from registration.runtime.process import Role, Runtime, main


def roles() -> Mapping[str, Role]:
    """What a process of this side can be."""

    async def run_api(runtime: Runtime) -> None:
        await api.run(runtime, Sender)

    async def run_service(runtime: Runtime) -> None:
        await service.run(runtime, Receiver)

    own = {process.role(name): process.run for name, variant in VARIANTS.items() for process in variant.processes}
    return {"api": run_api, "service": run_service, "topics": topics.run, **own}


if __name__ == "__main__":
    main(roles())
