"""The processes of this side, by role; the harness starts each with `python -m event_impl`."""

from collections.abc import Mapping

from event_impl.brokers import topics
from event_impl.receiver import Receiver
from event_impl.sender import Sender
from event_impl.variants import VARIANTS
from registration import api, service
from registration.process import Link, Role, main


def roles() -> Mapping[str, Role]:
    """What a process of this side can be."""

    async def run_api(link: Link) -> None:
        await api.run(link, Sender)

    async def run_service(link: Link) -> None:
        await service.run(link, Receiver)

    own = {process.role(name): process.run for name, variant in VARIANTS.items() for process in variant.processes}
    return {"api": run_api, "service": run_service, "topics": topics.run, **own}


if __name__ == "__main__":
    main(roles())
