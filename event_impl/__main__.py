"""The processes of this side, by role; the harness starts each with `python -m event_impl`."""

from collections.abc import Mapping

from event_impl.brokers import topics
from event_impl.receiver import Receiver
from event_impl.sender import Sender
from registration import api, service
from registration.process import Link, Role, main


async def run_api(link: Link) -> None:
    await api.run(link, Sender)


async def run_service(link: Link) -> None:
    await service.run(link, Receiver)


ROLES: Mapping[str, Role] = {"api": run_api, "service": run_service, "topics": topics.run}

if __name__ == "__main__":
    main(ROLES)
